//! The Huffman code of RFC 7541 Appendix B. It is canonical: codes of one length follow each other in the order of
//! their symbols, so the lengths alone say all.

/// Bits of the code of each byte; that of the end-of-string symbol has 30, all ones.
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, // 0x00
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28, // 0x10
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, // 0x20
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, // 0x30
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, // 0x40
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, // 0x50
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, // 0x60
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, // 0x70
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, // 0x80
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, // 0x90
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, // 0xa0
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, // 0xb0
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, // 0xc0
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, // 0xd0
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, // 0xe0
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, // 0xf0
];

const LONGEST: usize = 30;

/// Bytes in the order of their codes, and where each length begins: its first code, and its place in that order.
struct Code {
    bytes: [u8; 256],
    first: [(u32, usize); LONGEST + 2],
}

const CODE: Code = canonical();

const fn canonical() -> Code {
    let mut bytes = [0; 256];
    let mut first = [(0, 0); LONGEST + 2];
    let (mut length, mut code, mut place) = (1, 0_u32, 0);
    while length <= LONGEST {
        first[length] = (code, place);
        let mut byte = 0;
        while byte < 256 {
            if LENGTHS[byte] as usize == length {
                bytes[place] = byte as u8;
                place += 1;
                code += 1;
            }
            byte += 1;
        }
        code <<= 1;
        length += 1;
    }
    first[length] = (code, place);
    Code { bytes, first }
}

/// Decodes a string; `None` when it holds the end-of-string symbol or is not padded with its first bits (§5.2).
pub(super) fn decode(coded: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(coded.len() * 8 / 5);
    let (mut code, mut length) = (0_u32, 0);
    for bit in coded
        .iter()
        .flat_map(|b| (0..8).rev().map(move |i| b >> i & 1))
    {
        code = code << 1 | u32::from(bit);
        length += 1;
        if length > LONGEST {
            return None;
        }
        let (first, place) = CODE.first[length];
        let count = CODE.first[length + 1].1 - place;
        let offset = code.checked_sub(first).map(|o| o as usize);
        if let Some(offset) = offset.filter(|o| *o < count) {
            text.push(CODE.bytes[place + offset]);
            (code, length) = (0, 0);
        }
    }
    let padding_is_ones = code == (1 << length) - 1;
    (length < 8 && padding_is_ones).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_of_the_appendix() {
        let of = |byte: u8| {
            let length = usize::from(LENGTHS[usize::from(byte)]);
            let (first, place) = CODE.first[length];
            let at = CODE.bytes.iter().position(|b| *b == byte).unwrap();
            (first + (at - place) as u32, length)
        };
        // The shortest, some in between, the last of 30 bits but the end of string.
        for (byte, code) in [
            (b'0', (0x0, 5)),
            (b't', (0x9, 5)),
            (b' ', (0x14, 6)),
            (b'~', (0x1ffd, 13)),
            (b'\\', (0x7fff0, 19)),
            (0xff, (0x3ffffee, 26)),
            (0x01, (0x7fffd8, 23)),
            (b'\n', (0x3ffffffc, 30)),
            (0x16, (0x3ffffffe, 30)),
        ] {
            assert_eq!(of(byte), code, "{byte:#x}");
        }
    }

    #[test]
    fn padding_is_short_and_all_ones() {
        assert_eq!(decode(b""), Some(vec![]));
        // "0" is 00000, and three ones.
        assert_eq!(decode(&[0b0000_0111]), Some(b"0".to_vec()));
        assert_eq!(decode(&[0b0000_0110]), None);
        assert_eq!(decode(&[0b0000_0111, 0xff]), None);
        assert_eq!(decode(&[0xff; 4]), None, "the end of string");
    }
}
