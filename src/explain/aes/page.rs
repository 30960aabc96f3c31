//! The page on AES: rounds, key expansion, GCM, what one bit changes.

use std::collections::BTreeSet;

use super::avalanche::{self, Distribution, Message};
use super::cipher::{Aes, Block, Step, Transformation, WordStep};
use super::gcm::{self, Hashes, NONCE, Sealed};
use super::hex;
use crate::explain::{Sheet, Side};
use crate::report::Paint;
use crate::report::paint::Tone;
use crate::rng::Seed;

/// What the page is about.
#[derive(Debug)]
pub struct Subject {
    /// The key.
    pub aes: Aes,
    /// The block whose rounds are shown.
    pub block: Block,
    /// The message that GCM seals.
    pub text: Vec<u8>,
    /// Its nonce.
    pub nonce: [u8; NONCE],
    /// The seed of the random keys and blocks.
    pub seed: Seed,
    /// How many of them.
    pub trials: u64,
}

/// A part of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The rounds of one block.
    Rounds,
    /// Where the round keys come from.
    Keys,
    /// A message sealed.
    Gcm,
    /// What one bit changes.
    Avalanche,
}

impl Part {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [Self::Rounds, Self::Keys, Self::Gcm, Self::Avalanche];
}

/// How much is shown.
#[derive(Debug, Clone)]
pub struct Choice {
    /// Which parts.
    pub parts: BTreeSet<Part>,
    /// One line a round and no more.
    pub short: bool,
}

/// The content type of application data (RFC 8446 §5.1).
const APPLICATION_DATA: u8 = 0x17;

/// The message as TLS 1.3 seals it: the content type behind the data (RFC 8446 §5.2).
#[must_use]
pub fn inner(text: &[u8]) -> Vec<u8> {
    [text, &[APPLICATION_DATA]].concat()
}

/// The header of the record, which is the additional data: type 23, version 3.3, length with the tag.
#[must_use]
pub fn record_header(text: &[u8]) -> [u8; 5] {
    let length = (text.len() + 1 + 16).to_be_bytes();
    [APPLICATION_DATA, 3, 3, length[6], length[7]]
}

impl Subject {
    pub(super) fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        self.aes.encrypt_watched(self.block, |s| steps.push(s));
        steps
    }

    pub(super) fn sealed(&self) -> Sealed {
        let header = record_header(&self.text);
        gcm::seal(&self.aes, &self.nonce, &header, &inner(&self.text))
    }

    pub(super) fn message(&self) -> Message {
        let header = record_header(&self.text);
        avalanche::of_message(&self.aes, &self.nonce, &header, &inner(&self.text))
    }
}

/// The page for people.
#[must_use]
pub fn page(subject: &Subject, choice: &Choice, columns: usize, paint: Paint) -> String {
    let mut sheet = Sheet::new(columns, paint);
    let short = choice.short;
    for part in &choice.parts {
        match part {
            Part::Rounds => rounds(&mut sheet, subject, short),
            Part::Keys => keys(&mut sheet, &subject.aes, short),
            Part::Gcm => sealed(&mut sheet, subject, short),
            Part::Avalanche => bits(&mut sheet, subject, short),
        }
    }
    sheet.into_text()
}

fn rounds(sheet: &mut Sheet, subject: &Subject, short: bool) {
    let size = subject.aes.size();
    let (bits, last) = (size.bits(), size.rounds());
    sheet.heading(&format!("AES-{bits}, one block (FIPS 197 §5.1)"));
    let steps = subject.steps();
    let out = steps.last().map_or(subject.block, |s| s.state);
    sheet.table(
        &[Side::Left, Side::Left],
        &[],
        &[
            vec!["key".into(), hex(&key_of(&subject.aes))],
            vec!["plaintext".into(), hex(&subject.block)],
            vec!["ciphertext".into(), hex(&out)],
            vec!["decrypted".into(), hex(&subject.aes.decrypt(out))],
        ],
    );
    sheet.blank();
    let of_text = if last == 14 {
        " The text says \"repeat 14x\" for all four of them."
    } else {
        ""
    };
    sheet.prose(&format!(
        "An AddRoundKey before the first round, {} rounds of SubBytes, ShiftRows, MixColumns and AddRoundKey, and a \
         last, the {last}th, without MixColumns: {} round keys.{of_text}",
        last - 1,
        last + 1
    ));
    sheet.blank();
    if short {
        round_lines(sheet, subject, &steps);
    } else {
        round_squares(sheet, subject, &steps);
    }
}

/// The key is the first words of its own expansion.
pub(super) fn key_of(aes: &Aes) -> Vec<u8> {
    let mut key = aes.round_keys().concat();
    key.truncate(aes.size().bytes());
    key
}

fn round_lines(sheet: &mut Sheet, subject: &Subject, steps: &[Step]) {
    let keys = subject.aes.round_keys();
    let added = steps
        .iter()
        .filter(|s| s.did == Transformation::AddRoundKey);
    let rows: Vec<Vec<String>> = added
        .map(|s| vec![s.round.to_string(), hex(&keys[s.round]), hex(&s.state)])
        .collect();
    let sides = [Side::Right, Side::Left, Side::Left];
    sheet.table(&sides, &["round", "round key", "state after it"], &rows);
}

/// As FIPS 197 Appendix B: the state as four rows, each transformation beside the one before.
fn round_squares(sheet: &mut Sheet, subject: &Subject, steps: &[Step]) {
    let keys = subject.aes.round_keys();
    let names = ["start", "SubBytes", "ShiftRows", "MixColumns", "round key"];
    let head: String = names.iter().map(|n| format!("  {n:<11}")).collect();
    let head = format!("       {head}");
    let head = sheet.dip(Tone::Dim, head.trim_end());
    sheet.line(head);
    let mut start = subject.block;
    for (round, key) in keys.iter().enumerate() {
        let after = |did| {
            steps
                .iter()
                .find(|s| s.round == round && s.did == did)
                .map(|s| s.state)
        };
        let squares = [
            Some(start),
            after(Transformation::SubBytes),
            after(Transformation::ShiftRows),
            after(Transformation::MixColumns),
            Some(*key),
        ];
        for row in 0..4 {
            let name = if row == 0 {
                format!("  {round:>2}")
            } else {
                String::new()
            };
            let cells: String = squares
                .iter()
                .map(|s| format!("  {}", square_row(*s, row)))
                .collect();
            sheet.line(format!("{name:<7}{cells}"));
        }
        sheet.blank();
        start = after(Transformation::AddRoundKey).unwrap_or(start);
    }
    for row in 0..4 {
        let name = if row == 0 { "  out" } else { "" };
        let line = format!("{name:<7}  {}", square_row(Some(start), row));
        sheet.line(line);
    }
}

fn square_row(state: Option<Block>, row: usize) -> String {
    let cell = |column: usize| match state {
        Some(state) => format!("{:02x}", state[4 * column + row]),
        None => "· ".into(),
    };
    (0..4).map(cell).collect::<Vec<_>>().join(" ")
}

fn keys(sheet: &mut Sheet, aes: &Aes, short: bool) {
    let size = aes.size();
    let words = size.bytes() / 4;
    sheet.heading("Key expansion (FIPS 197 §5.2)");
    let middle = if words > 6 {
        ", and halfway between them one through the S-box alone"
    } else {
        ""
    };
    sheet.prose(&format!(
        "The key is the first {words} words w[0] to w[{}]. Every other word is the one before it, added to the one {words} \
         before; each {words}th is rotated first, sent through the S-box and added to a round constant{middle}.",
        words - 1
    ));
    sheet.blank();
    if !short {
        let head = [
            "i", "w[i-1]", "RotWord", "SubWord", "Rcon", "w[i-k]", "w[i]",
        ];
        let rows: Vec<Vec<String>> = aes.word_steps().iter().map(word_row).collect();
        let mut sides = [Side::Left; 7];
        sides[0] = Side::Right;
        sheet.table(&sides, &head, &rows);
        sheet.blank();
    }
    let rows: Vec<Vec<String>> = aes
        .round_keys()
        .iter()
        .enumerate()
        .map(|(round, key)| {
            vec![
                round.to_string(),
                key.chunks(4).map(hex).collect::<Vec<_>>().join(" "),
            ]
        })
        .collect();
    sheet.table(&[Side::Right, Side::Left], &["round", "round key"], &rows);
}

fn word_row(step: &WordStep) -> Vec<String> {
    vec![
        step.index.to_string(),
        hex(&step.temp),
        step.rotated.map_or_else(|| "·".into(), |r| hex(&r)),
        hex(&step.substituted),
        step.constant
            .map_or_else(|| "·".into(), |c| format!("{c:02x}000000")),
        hex(&step.earlier),
        hex(&step.word),
    ]
}

fn sealed(sheet: &mut Sheet, subject: &Subject, short: bool) {
    let sealed = subject.sealed();
    let bits = subject.aes.size().bits();
    sheet.heading(&format!("AES-{bits}-GCM, a message (NIST SP 800-38D)"));
    sheet.prose(
        "The cipher never touches the message: it encrypts a counter, and what comes out is added to the message. Adding \
         it again decrypts, so only the forward cipher is used. The message goes in as TLS 1.3 seals it (RFC 8446 §5.2): \
         the content type 17 behind it, the header of the record as additional data.",
    );
    sheet.blank();
    let text = String::from_utf8_lossy(&subject.text);
    let shown: String = text
        .chars()
        .map(|c| if c.is_control() { '·' } else { c })
        .collect();
    let mut rows = vec![
        vec!["message".into(), shown],
        vec!["nonce".into(), hex(&subject.nonce)],
        vec!["additional data".into(), hex(&record_header(&subject.text))],
    ];
    if !short {
        rows.push(vec![
            "H, a block of zeros encrypted".into(),
            hex(&sealed.hash_key),
        ]);
    }
    sheet.table(&[Side::Left, Side::Left], &[], &rows);
    if !short {
        sheet.blank();
        counters(sheet, &sealed);
        sheet.blank();
        hashes(sheet, &sealed);
    }
    sheet.blank();
    let ciphertext = sealed.ciphertext();
    let (plain, out) = (ciphertext.len(), ciphertext.len() + 16);
    sheet.hanging("  ciphertext  ", &hex(&ciphertext));
    sheet.hanging("  tag         ", &hex(&sealed.tag));
    sheet.prose(&format!(
        "{plain} bytes in, {out} out: as long as what went in, and 16 bytes of tag. So the length is visible."
    ));
}

fn counters(sheet: &mut Sheet, sealed: &Sealed) {
    let mut rows = Vec::new();
    for (index, block) in sealed.blocks.iter().enumerate() {
        let number = (index + 1).to_string();
        rows.push(vec![number, "counter".into(), hex(&block.counter)]);
        rows.push(vec![String::new(), "encrypted".into(), hex(&block.stream)]);
        rows.push(vec![String::new(), "plaintext".into(), hex(&block.input)]);
        rows.push(vec![
            String::new(),
            "⊕ ciphertext".into(),
            hex(&block.output),
        ]);
    }
    let sides = [Side::Right, Side::Left, Side::Left];
    sheet.table(&sides, &["block", "", "Counter mode"], &rows);
}

fn hashes(sheet: &mut Sheet, sealed: &Sealed) {
    let mut rows: Vec<Vec<String>> = sealed
        .hash
        .iter()
        .flat_map(|h| {
            let what = match h.what {
                Hashes::AdditionalData => "additional data",
                Hashes::Ciphertext => "ciphertext",
                Hashes::Lengths => "lengths, in bits",
            };
            let value = vec!["(sum so far ⊕ it) · H".into(), hex(&h.value)];
            [vec![what.into(), hex(&h.block)], value]
        })
        .collect();
    rows.push(vec!["first counter".into(), hex(&sealed.first_counter)]);
    rows.push(vec!["encrypted".into(), hex(&sealed.mask)]);
    rows.push(vec!["⊕ last value: the tag".into(), hex(&sealed.tag)]);
    sheet.table(&[Side::Left, Side::Left], &["GHASH", ""], &rows);
}

fn bits(sheet: &mut Sheet, subject: &Subject, short: bool) {
    let size = subject.aes.size();
    let (by_key, by_block) = avalanche::measure(size, subject.seed, subject.trials);
    sheet.heading(&format!(
        "One bit flipped: bits of 128 that change, {} random keys and blocks",
        by_key.trials()
    ));
    sheet.table(
        &[
            Side::Left,
            Side::Right,
            Side::Right,
            Side::Right,
            Side::Right,
        ],
        &["flipped", "mean", "deviation", "fewest", "most"],
        &[
            distribution_row("a bit of the key", &by_key),
            distribution_row("a bit of the block", &by_block),
            ["128 tossed coins", "64.0", "5.66", "", ""]
                .map(String::from)
                .to_vec(),
        ],
    );
    if !short {
        for (title, distribution) in [
            ("a bit of the key", &by_key),
            ("a bit of the block", &by_block),
        ] {
            sheet.blank();
            histogram(sheet, title, distribution);
        }
    }
    let message = subject.message();
    sheet.heading("The same under GCM");
    sheet.prose(&format!(
        "Each of the {} bits of the message flipped once: in {} cases exactly that bit of the ciphertext is another, and \
         {} to {} of the 128 bits of the tag. The avalanche is inside the block cipher, which here makes only the key stream; \
         a pattern of changes shows through, and nothing but the tag protects against them.",
        message.bits, message.one_for_one, message.tag_changes.0, message.tag_changes.1
    ));
    let forged: String =
        String::from_utf8_lossy(&message.forged[..message.forged.len().saturating_sub(1)])
            .chars()
            .map(|c| if c.is_control() { '·' } else { c })
            .collect();
    sheet.prose(&format!(
        "Each bit of the ciphertext flipped once: the tag refuses {} of {}. Without it, the lowest bit of the first byte \
         would have made the message \"{forged}\".",
        message.refused, message.bits
    ));
}

fn distribution_row(name: &str, d: &Distribution) -> Vec<String> {
    let (least, most) = d.extremes();
    vec![
        name.into(),
        format!("{:.1}", d.mean()),
        format!("{:.2}", d.deviation()),
        least.to_string(),
        most.to_string(),
    ]
}

/// Bars of four bits each.
fn histogram(sheet: &mut Sheet, title: &str, d: &Distribution) {
    const WIDE: usize = 4;
    const BAR: usize = 48;
    let sums: Vec<u64> = d.counts.chunks(WIDE).map(|c| c.iter().sum()).collect();
    let most = sums.iter().copied().max().unwrap_or(1).max(1);
    let first = sums.iter().position(|n| *n > 0).unwrap_or(0);
    let last = sums.iter().rposition(|n| *n > 0).unwrap_or(0);
    let head = sheet.dip(Tone::Dim, &format!("  bits changed  by {title}"));
    sheet.line(head);
    for (index, sum) in sums.iter().enumerate().take(last + 1).skip(first) {
        let from = index * WIDE;
        let range = format!("{from}-{}", (from + WIDE - 1).min(128));
        let length = (*sum as usize * BAR).div_ceil(most as usize);
        let bar = sheet.dip(Tone::Measured, &"█".repeat(length));
        sheet.line(format!("  {range:>12}  {bar} {sum}"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::cipher::Size;
    use super::*;

    #[test]
    fn pages_of_every_size_fit_80_columns() {
        for size in Size::ALL {
            for (text, short) in [
                (&b"GET /api/users"[..], false),
                (&[0xff; 100], true),
                (b"", false),
            ] {
                let subject = Subject {
                    aes: Aes::new(&vec![3; size.bytes()]).unwrap(),
                    block: [4; 16],
                    text: text.to_vec(),
                    nonce: [5; NONCE],
                    seed: Seed(1),
                    trials: 50,
                };
                let choice = Choice {
                    parts: Part::ALL.into(),
                    short,
                };
                let page = page(&subject, &choice, 80, Paint::Plain);
                let too_long = page.lines().find(|l| crate::report::text::width(l) > 80);
                assert_eq!(too_long, None);
            }
        }
    }
}
