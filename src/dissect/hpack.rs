//! HPACK (RFC 7541): header blocks of HTTP/2 to names and values, with the dynamic table of one direction.

use std::collections::VecDeque;

mod huffman;

/// The size of the dynamic table until it is told otherwise (RFC 9113 §6.5.2).
const TABLE_BYTES: usize = 4096;

/// The largest table that is followed, and the most that one block is unpacked to: an index of one byte may stand for
/// thousands.
const LARGEST_TABLE: usize = 1024 * 1024;
const LONGEST_LIST: usize = 1024 * 1024;

/// What an entry counts for besides its name and value (§4.1).
const ENTRY_BYTES: usize = 32;

/// A header: name and value, as bytes.
pub(super) type Header = (Vec<u8>, Vec<u8>);

/// One direction's decoder.
#[derive(Debug)]
pub(super) struct Decoder {
    /// The latest first.
    dynamic: VecDeque<Header>,
    bytes: usize,
    bytes_max: usize,
}

/// A header block, read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) headers: Vec<Header>,
    /// Sizes that the table was set to, at its beginning.
    pub(super) updates: Vec<usize>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            dynamic: VecDeque::new(),
            bytes: 0,
            bytes_max: TABLE_BYTES,
        }
    }
}

impl Decoder {
    /// Reads a whole header block. `None` when it is wrong; nothing that comes after it can be read then.
    pub(super) fn decode(&mut self, mut block: &[u8]) -> Option<Block> {
        let mut read = Block::default();
        let mut bytes = 0;
        while let Some(first) = block.first() {
            let header = match first {
                // §6.1: indexed.
                0x80.. => self.entry(integer(&mut block, 7)?)?,
                // §6.2.1: literal, to be remembered.
                0x40..=0x7f => {
                    let header = self.literal(&mut block, 6)?;
                    self.insert(header.clone());
                    header
                }
                // §6.3: size update, allowed before the first header only (§4.2).
                0x20..=0x3f => {
                    let size = integer(&mut block, 5)?;
                    if !read.headers.is_empty() || size > LARGEST_TABLE {
                        return None;
                    }
                    read.updates.push(size);
                    self.bytes_max = size;
                    self.evict(0);
                    continue;
                }
                // §6.2.2 and §6.2.3: literal, not to be remembered.
                0x00..=0x1f => self.literal(&mut block, 4)?,
            };
            bytes += size(&header);
            if bytes > LONGEST_LIST {
                return None;
            }
            read.headers.push(header);
        }
        Some(read)
    }

    /// Indices count the static table from 1, then the dynamic one (§2.3.3).
    fn entry(&self, index: usize) -> Option<Header> {
        let index = index.checked_sub(1)?;
        match STATIC.get(index) {
            Some((name, value)) => Some((name.as_bytes().to_vec(), value.as_bytes().to_vec())),
            None => self.dynamic.get(index - STATIC.len()).cloned(),
        }
    }

    fn literal(&self, block: &mut &[u8], prefix: u32) -> Option<Header> {
        let name = match integer(block, prefix)? {
            0 => string(block)?,
            index => self.entry(index)?.0,
        };
        Some((name, string(block)?))
    }

    fn insert(&mut self, header: Header) {
        let size = size(&header);
        self.evict(size);
        // One that is larger than the table only empties it (§4.4).
        if size <= self.bytes_max {
            self.bytes += size;
            self.dynamic.push_front(header);
        }
    }

    /// Makes room for `more` bytes.
    fn evict(&mut self, more: usize) {
        while self.bytes + more > self.bytes_max
            && let Some(oldest) = self.dynamic.pop_back()
        {
            self.bytes -= size(&oldest);
        }
    }
}

fn size((name, value): &Header) -> usize {
    name.len() + value.len() + ENTRY_BYTES
}

/// An integer whose first `prefix` bits end the first byte (§5.1), up to 2^28 or so.
fn integer(block: &mut &[u8], prefix: u32) -> Option<usize> {
    let (first, mut rest) = block.split_first()?;
    let most = (1_usize << prefix) - 1;
    let mut value = usize::from(*first) & most;
    if value == most {
        let mut shift = 0;
        loop {
            let (byte, after) = rest.split_first()?;
            rest = after;
            if shift > 21 {
                return None;
            }
            value += usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
    }
    *block = rest;
    Some(value)
}

/// A string, plain or in Huffman's code (§5.2).
fn string(block: &mut &[u8]) -> Option<Vec<u8>> {
    let coded = block.first()? & 0x80 != 0;
    let length = integer(block, 7)?;
    let (bytes, rest) = block.split_at_checked(length)?;
    *block = rest;
    if coded {
        huffman::decode(bytes)
    } else {
        Some(bytes.to_vec())
    }
}

/// RFC 7541 Appendix A.
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(|b| *b != b' ').collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    /// Decodes one block of a dialogue: its headers as lines, the table after it as lines, the table's size.
    fn step(decoder: &mut Decoder, hex: &str) -> (Vec<String>, Vec<String>, usize) {
        let block = decoder.decode(&bytes(hex)).unwrap();
        let line = |(name, value): &Header| {
            let text = |b: &[u8]| String::from_utf8(b.to_vec()).unwrap();
            format!("{}: {}", text(name), text(value))
        };
        (
            block.headers.iter().map(line).collect(),
            decoder.dynamic.iter().map(line).collect(),
            decoder.bytes,
        )
    }

    #[test]
    fn integers_of_appendix_c_1() {
        assert_eq!(integer(&mut &[0b0110_1010][..], 5), Some(10));
        assert_eq!(
            integer(&mut &[0b1111_1111, 0b1001_1010, 0b0000_1010][..], 5),
            Some(1337)
        );
        assert_eq!(integer(&mut &[42][..], 8), Some(42));
        assert_eq!(integer(&mut &[0xff][..], 5), None);
        assert_eq!(integer(&mut &[0xff; 9][..], 5), None);
    }

    #[test]
    fn single_headers_of_appendix_c_2() {
        let custom = "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572";
        let (headers, table, size) = step(&mut Decoder::default(), custom);
        assert_eq!(headers, ["custom-key: custom-header"]);
        assert_eq!((table, size), (headers, 55));
        for (hex, line) in [
            ("040c 2f73 616d 706c 652f 7061 7468", ":path: /sample/path"),
            (
                "1008 7061 7373 776f 7264 0673 6563 7265 74",
                "password: secret",
            ),
            ("82", ":method: GET"),
        ] {
            let (headers, table, size) = step(&mut Decoder::default(), hex);
            assert_eq!((headers[0].as_str(), table.len(), size), (line, 0, 0));
        }
    }

    /// C.3 without and C.4 with Huffman's code: the same requests, the same table.
    #[test]
    fn requests_of_appendix_c_3_and_c_4() {
        for dialogue in [
            [
                "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
                "8286 84be 5808 6e6f 2d63 6163 6865",
                "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
            ],
            [
                "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
                "8286 84be 5886 a8eb 1064 9cbf",
                "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
            ],
        ] {
            let mut decoder = Decoder::default();
            let (headers, table, size) = step(&mut decoder, dialogue[0]);
            assert_eq!(
                headers,
                [
                    ":method: GET",
                    ":scheme: http",
                    ":path: /",
                    ":authority: www.example.com"
                ]
            );
            assert_eq!((table.len(), size), (1, 57));
            let (headers, table, size) = step(&mut decoder, dialogue[1]);
            assert_eq!(
                headers[3..],
                [":authority: www.example.com", "cache-control: no-cache"]
            );
            assert_eq!((table.len(), size), (2, 110));
            let (headers, table, size) = step(&mut decoder, dialogue[2]);
            assert_eq!(
                headers[2..4],
                [":path: /index.html", ":authority: www.example.com"]
            );
            assert_eq!(
                table,
                [
                    "custom-key: custom-value",
                    "cache-control: no-cache",
                    ":authority: www.example.com"
                ]
            );
            assert_eq!(size, 164);
        }
    }

    /// C.5 and C.6: a table of 256 bytes, which forgets.
    #[test]
    fn responses_of_appendix_c_5_and_c_6() {
        for dialogue in [
            [
                "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 \
                 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 \
                 6c65 2e63 6f6d",
                "4803 3330 37c1 c0bf",
                "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d \
                 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 \
                 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
            ],
            [
                "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 \
                 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
                "4883 640e ffc1 c0bf",
                "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab \
                 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f \
                 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
            ],
        ] {
            let mut decoder = Decoder {
                bytes_max: 256,
                ..Decoder::default()
            };
            let (headers, table, size) = step(&mut decoder, dialogue[0]);
            let location = "location: https://www.example.com";
            assert_eq!(
                headers,
                [
                    ":status: 302",
                    "cache-control: private",
                    "date: Mon, 21 Oct 2013 20:13:21 GMT",
                    location
                ]
            );
            assert_eq!((table.len(), size), (4, 222));
            let (headers, table, size) = step(&mut decoder, dialogue[1]);
            assert_eq!(
                (headers[0].as_str(), headers[3].as_str()),
                (":status: 307", location)
            );
            assert_eq!((table.len(), size), (4, 222), "the oldest is gone");
            assert_eq!(table[0], ":status: 307");
            let (headers, table, size) = step(&mut decoder, dialogue[2]);
            let cookie = "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
            assert_eq!(headers[0], ":status: 200");
            assert_eq!(headers[4..], ["content-encoding: gzip", cookie]);
            assert_eq!(
                table,
                [
                    cookie,
                    "content-encoding: gzip",
                    "date: Mon, 21 Oct 2013 20:13:22 GMT"
                ]
            );
            assert_eq!(size, 215);
        }
    }

    #[test]
    fn size_updates_evict_and_stand_first() {
        let mut decoder = Decoder::default();
        step(
            &mut decoder,
            "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        );
        assert_eq!(decoder.bytes, 57);
        // 0, then 4096 again: the table is emptied (§4.2).
        let block = decoder.decode(&bytes("20 3fe1 1f 82")).unwrap();
        assert_eq!(block.updates, [0, 4096]);
        assert_eq!((block.headers.len(), decoder.bytes), (1, 0));
        assert_eq!(decoder.decode(&bytes("82 20")), None, "after a header");
        assert_eq!(decoder.decode(&bytes("3fe1 ffff 07")), None, "too large");
        assert_eq!(decoder.decode(&bytes("be")), None, "no such entry");
        assert_eq!(decoder.decode(&bytes("80")), None, "index 0");
        assert_eq!(decoder.decode(&bytes("0001")), None, "cut off");
    }

    #[test]
    fn a_block_is_unpacked_to_a_limit() {
        let mut decoder = Decoder::default();
        // A name of one byte and a value of 4000: it fits the table.
        let mut long = bytes("4001 617f a11e");
        long.extend([b'x'; 4000]);
        assert_eq!(decoder.decode(&long).unwrap().headers[0].1.len(), 4000);
        assert!(decoder.decode(&[0xbe; 200]).is_some());
        assert_eq!(decoder.decode(&[0xbe; 300]), None);
    }

    proptest::proptest! {
        /// Whatever comes is read within bounds, and the table's size stays the sum of its entries.
        #[test]
        fn any_bytes_are_survived(blocks in proptest::collection::vec(
            proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60), 1..8,
        )) {
            let mut decoder = Decoder::default();
            for block in &blocks {
                let read = decoder.decode(block);
                let bytes: usize = decoder.dynamic.iter().map(size).sum();
                proptest::prop_assert_eq!(bytes, decoder.bytes);
                proptest::prop_assert!(decoder.bytes <= decoder.bytes_max);
                if read.is_none() {
                    break;
                }
            }
        }
    }
}
