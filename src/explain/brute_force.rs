//! What trying every key costs: exact numbers of keys and years, the energy it would take, and how long keys of other
//! kinds are for the same work.

use std::str::FromStr;

use serde::Serialize;

use super::natural::Natural;
use super::sheet::{Sheet, Side};
use crate::report::Paint;

/// Seconds of a Julian year of 365.25 days, the year of astronomers.
pub const YEAR_SECONDS: u128 = 31_557_600;

/// What the text assumes: a trillion keys a second.
pub const RATE_OF_TEXT: u128 = 1_000_000_000_000;

/// The years that the text gives for 256 bits at that rate: 3.67 times 10 to this power.
pub const EXPONENT_OF_TEXT: usize = 51;

/// Age of the universe in millions of years: 13.787 ± 0.020 thousand million (Planck 2018 results VI, Table 2).
pub const UNIVERSE_MILLION_YEARS: u128 = 13_787;

/// Devices in the world that compute, generously: ten thousand million.
pub const COMPUTERS: u128 = 10_000_000_000;

/// The longest key that is counted.
pub const BITS_MAX: u32 = 4096;

/// Keys tried in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate(pub u128);

/// A text that is no number of keys a second.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a whole number of keys a second above zero, like `1e12`, `10^12` or `1_000_000`")]
pub struct RateError;

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let number = |digits: &str| digits.replace(['_', ','], "").parse::<u128>().ok();
        let power = |exponent: &str| 10_u128.checked_pow(exponent.parse().ok()?);
        let value = if let Some(exponent) = text.strip_prefix("10^") {
            power(exponent)
        } else if let Some((head, exponent)) = text.split_once(['e', 'E']) {
            number(head).and_then(|head| head.checked_mul(power(exponent)?))
        } else {
            number(text)
        };
        value.filter(|v| *v > 0).map(Self).ok_or(RateError)
    }
}

/// A search through all keys of a length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// Bits of a key.
    pub bits: u32,
    /// Keys tried in a second.
    pub rate: Rate,
}

impl Search {
    /// Number of keys.
    #[must_use]
    pub fn keys(&self) -> Natural {
        Natural::power_of_two(self.bits)
    }

    /// Whole years until every key has been tried.
    #[must_use]
    pub fn years(&self) -> Natural {
        quotient(&self.keys(), &self.keys_a_year())
    }

    /// Whole years until half of the keys have been tried, which is when the right one is found on average.
    #[must_use]
    pub fn years_on_average(&self) -> Natural {
        let doubled = self.keys_a_year().times(&Natural::from(2));
        quotient(&self.keys(), &doubled)
    }

    /// Ages of the universe until every key has been tried, whole ones.
    #[must_use]
    pub fn universes(&self) -> Natural {
        let million_years = self.keys_a_year().times(&Natural::from(1_000_000));
        let universe = million_years.times(&Natural::from(UNIVERSE_MILLION_YEARS));
        quotient(&self.keys(), &universe)
    }

    /// Decimal logarithm of the joules that counting through all keys takes at least, at room temperature.
    ///
    /// Erasing a bit takes k·T·ln 2 (Landauer, IBM Journal of Research and Development 5, 1961, p. 183), with k exactly
    /// 1.380649 × 10^-23 J/K (SI, 2019) and T = 300 K. One bit a key is far less than any cipher needs.
    #[must_use]
    pub fn joules_log10(&self) -> f64 {
        f64::from(self.bits) * std::f64::consts::LOG10_2 + landauer().log10()
    }

    fn keys_a_year(&self) -> Natural {
        Natural::from(self.rate.0).times(&Natural::from(YEAR_SECONDS))
    }

    /// How long `keys` take, in the largest unit that gives one or more.
    fn time_for(&self, keys: &Natural) -> String {
        const UNITS: [(&str, u128); 8] = [
            ("years", YEAR_SECONDS * 1_000_000_000),
            ("days", 86_400_000_000_000),
            ("hours", 3_600_000_000_000),
            ("minutes", 60_000_000_000),
            ("seconds", 1_000_000_000),
            ("ms", 1_000_000),
            ("µs", 1_000),
            ("ns", 1),
        ];
        let tenths = keys.times(&Natural::from(10_000_000_000));
        for (unit, nanoseconds) in UNITS {
            let each = Natural::from(self.rate.0).times(&Natural::from(nanoseconds));
            let tenths = quotient(&tenths, &each);
            match tenths.small() {
                Some(0..10) => {}
                Some(n @ 10..10_000) => return format!("{}.{} {unit}", n / 10, n % 10),
                Some(_) | None => {
                    let whole = quotient(&tenths, &Natural::from(10));
                    return format!("{} {unit}", whole.scientific(2));
                }
            }
        }
        "less than a nanosecond".into()
    }
}

/// The quotient of numbers of which the second is never zero: a rate is not.
fn quotient(a: &Natural, b: &Natural) -> Natural {
    let divided = a.divided_by(b);
    divided.map_or_else(|| Natural::from(0), |(quotient, _)| quotient)
}

/// Joules to erase one bit at 300 K.
fn landauer() -> f64 {
    1.380_649e-23 * 300.0 * std::f64::consts::LN_2
}

/// Watts of the Sun: the nominal solar luminosity (IAU 2015 Resolution B3).
const SUN_WATTS: f64 = 3.828e26;

/// Keys of different kinds that are thought to take the same work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Level {
    /// Bits of security: an attack takes about 2 to this power operations.
    pub bits: u32,
    /// Block cipher.
    pub symmetric: &'static str,
    /// Bits of an RSA modulus.
    pub rsa: u32,
    /// Bits of an elliptic-curve key, at least.
    pub curve: u32,
    /// What of it TLS uses.
    pub in_tls: &'static str,
}

/// NIST SP 800-57 Part 1 Revision 5, Table 2.
pub const LEVELS: [Level; 5] = [
    Level {
        bits: 80,
        symmetric: "2TDEA",
        rsa: 1024,
        curve: 160,
        in_tls: "not allowed any more",
    },
    Level {
        bits: 112,
        symmetric: "3TDEA",
        rsa: 2048,
        curve: 224,
        in_tls: "most certificates with RSA keys",
    },
    Level {
        bits: 128,
        symmetric: "AES-128",
        rsa: 3072,
        curve: 256,
        in_tls: "P-256, X25519, AES-128-GCM",
    },
    Level {
        bits: 192,
        symmetric: "AES-192",
        rsa: 7680,
        curve: 384,
        in_tls: "P-384",
    },
    Level {
        bits: 256,
        symmetric: "AES-256",
        rsa: 15360,
        curve: 512,
        in_tls: "AES-256-GCM, ChaCha20-Poly1305",
    },
];

/// Bits of security of an RSA key by [`LEVELS`], when its length is in it.
#[must_use]
pub fn level_of_rsa(modulus: u32) -> Option<u32> {
    LEVELS.iter().find(|l| l.rsa == modulus).map(|l| l.bits)
}

/// The page for programs.
#[derive(Debug, Serialize)]
pub struct Report {
    schema: &'static str,
    bits: u32,
    keys: String,
    keys_per_second: String,
    years: String,
    years_on_average: String,
    years_scientific: String,
    years_on_average_scientific: String,
    ages_of_the_universe: String,
    joules_log10: f64,
    levels: [Level; 5],
}

/// The answer for programs: exact numbers as decimal digits.
#[must_use]
pub fn report(search: &Search) -> Report {
    Report {
        schema: "tunlab-brute-force/1",
        bits: search.bits,
        keys: search.keys().to_string(),
        keys_per_second: search.rate.0.to_string(),
        years: search.years().to_string(),
        years_on_average: search.years_on_average().to_string(),
        years_scientific: search.years().scientific(2),
        years_on_average_scientific: search.years_on_average().scientific(2),
        ages_of_the_universe: search.universes().to_string(),
        joules_log10: search.joules_log10(),
        levels: LEVELS,
    }
}

/// The page for people.
#[must_use]
pub fn page(search: &Search, columns: usize, paint: Paint) -> String {
    let mut sheet = Sheet::new(columns, paint);
    let keys = search.keys();
    let rate = Natural::from(search.rate.0);
    sheet.heading(&format!("Trying every key of {} bits", search.bits));
    sheet.prose(&format!("2^{} keys, digit by digit:", search.bits));
    for line in digits(&keys, sheet.columns() - 4) {
        sheet.line(format!("    {line}"));
    }
    sheet.blank();
    let half = quotient(&keys, &Natural::from(2));
    sheet.table(
        &[Side::Left, Side::Left],
        &[],
        &[
            vec!["keys a second".into(), rate.grouped()],
            vec!["all keys".into(), search.time_for(&keys)],
            vec!["on average, half of them".into(), search.time_for(&half)],
            vec!["age of the universe".into(), universe()],
            vec!["that is".into(), universes(search)],
        ],
    );
    if search.bits == 256 && search.rate.0 == RATE_OF_TEXT {
        of_the_text(&mut sheet, search);
    }
    more_machines(&mut sheet, search);
    energy(&mut sheet, search);
    levels(&mut sheet);
    quantum(&mut sheet, search);
    sheet.into_text()
}

fn universe() -> String {
    let years = Natural::from(UNIVERSE_MILLION_YEARS * 1_000_000);
    format!("{} years", years.scientific(2))
}

fn universes(search: &Search) -> String {
    let ages = search.universes();
    if ages.small() == Some(0) {
        "less than one age of the universe".into()
    } else {
        format!("{} ages of the universe", ages.scientific(2))
    }
}

/// The digits in groups of three, in as many lines as they take.
fn digits(number: &Natural, room: usize) -> Vec<String> {
    let grouped = number.grouped();
    let mut lines = vec![String::new()];
    for group in grouped.split_inclusive(',') {
        if lines.last().is_some_and(|l| l.len() + group.len() > room) {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(group);
        }
    }
    lines
}

fn of_the_text(sheet: &mut Sheet, search: &Search) {
    sheet.heading("The text says 3.67 × 10^51 years");
    let off = search.years().to_string().len() - 1 - EXPONENT_OF_TEXT;
    sheet.prose(&format!(
        "Its digits are right and its power is not: it is {} years, which is 10^{off} times as long. Half of that, {} \
         years, is the average. Either way nothing in practice changes, which is why nobody noticed.",
        search.years().scientific(2),
        search.years_on_average().scientific(2),
    ));
}

fn more_machines(sheet: &mut Sheet, search: &Search) {
    sheet.heading("Every computer on Earth");
    let Some(rate) = search.rate.0.checked_mul(COMPUTERS) else {
        sheet.prose("The rate is already beyond that of every computer on Earth.");
        return;
    };
    let all = Search {
        bits: search.bits,
        rate: Rate(rate),
    };
    sheet.prose(&format!(
        "Ten thousand million machines, each at that rate, would need {}. Ten times the machines take one zero away: \
         work that doubles with every bit of the key is not caught up with by buying machines.",
        all.time_for(&all.keys())
    ));
}

fn energy(sheet: &mut Sheet, search: &Search) {
    sheet.heading("Energy");
    let joules = search.joules_log10();
    let sun = joules - SUN_WATTS.log10();
    let year = sun - (YEAR_SECONDS as f64).log10();
    let of_the_sun = if year >= 0.0 {
        format!("all that the Sun gives in {} years", power(year))
    } else if sun >= 0.0 {
        format!("all that the Sun gives in {} seconds", power(sun))
    } else {
        "less than the Sun gives in a second".into()
    };
    sheet.prose(&format!(
        "Erasing one bit takes at least k·T·ln 2, which is {} J at 300 K (Landauer 1961). One bit for each key, far less \
         than a cipher needs, makes {} J: {of_the_sun} (3.828 × 10^26 W, IAU 2015).",
        power(landauer().log10()),
        power(joules),
    ));
}

/// A power of ten by its decimal logarithm, as in "3.3 × 10^56".
fn power(log10: f64) -> String {
    let exponent = log10.floor();
    let head = 10_f64.powf(log10 - exponent);
    format!("{head:.1} × 10^{exponent}")
}

fn levels(sheet: &mut Sheet) {
    sheet.heading("The same work for keys of other kinds (NIST SP 800-57 Part 1 Rev. 5, Table 2)");
    let rows: Vec<Vec<String>> = LEVELS
        .iter()
        .map(|l| {
            vec![
                l.bits.to_string(),
                l.symmetric.into(),
                l.rsa.to_string(),
                format!("{}+", l.curve),
                l.in_tls.into(),
            ]
        })
        .collect();
    sheet.table(
        &[
            Side::Right,
            Side::Left,
            Side::Right,
            Side::Right,
            Side::Left,
        ],
        &["security", "cipher", "RSA", "curve", "in TLS"],
        &rows,
    );
    sheet.blank();
    sheet.prose(
        "A connection is as strong as the weakest of what it relies on: AES-256 under a certificate with an RSA key of \
         2048 bits is not a system of 256 bits. To take the key from where it lies needs no computing at all.",
    );
}

fn quantum(sheet: &mut Sheet, search: &Search) {
    sheet.heading("Quantum computers");
    sheet.prose(&format!(
        "Grover's search needs about the square root, here 2^{}, of steps that must follow one another; longer keys are \
         a whole answer, and NIST measures post-quantum security by the search for AES keys of 128, 192 and 256 bits \
         (categories 1, 3 and 5). Shor's algorithm breaks RSA and elliptic curves of any practical length, so that \
         recorded handshakes are in danger before any cipher is: hence X25519MLKEM768, with ML-KEM-768 in category 3 \
         (FIPS 203).",
        search.bits.div_ceil(2)
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_text() -> Search {
        Search {
            bits: 256,
            rate: Rate(RATE_OF_TEXT),
        }
    }

    #[test]
    fn the_years_of_the_text_have_six_zeros_too_few() {
        let search = of_text();
        assert_eq!(search.years().scientific(2), "3.67 × 10^57");
        assert_eq!(search.years_on_average().scientific(2), "1.83 × 10^57");
        assert_eq!(search.years().to_string().len() - 1 - EXPONENT_OF_TEXT, 6);
        // 2^256 / (10^12 × 31 557 600), from another implementation of long division.
        assert_eq!(
            search.years().to_string(),
            "3669229891921952094695762193851494025314662226076779097252"
        );
    }

    #[test]
    fn a_rate_is_read_as_people_write_it() {
        let rate = |t: &str| t.parse::<Rate>().map(|r| r.0);
        for text in ["1e12", "10^12", "1_000_000_000_000", "1,000,000,000,000"] {
            assert_eq!(rate(text), Ok(RATE_OF_TEXT), "{text}");
        }
        for text in ["0", "-1", "1e99", "many", "1.5e3", "", "e3", "10^"] {
            assert_eq!(rate(text), Err(RateError), "{text}");
        }
    }

    #[test]
    fn short_keys_take_short_times() {
        let time = |bits, rate| {
            let search = Search {
                bits,
                rate: Rate(rate),
            };
            search.time_for(&search.keys())
        };
        assert_eq!(time(1, 1), "2.0 seconds");
        assert_eq!(time(40, RATE_OF_TEXT), "1.0 seconds");
        assert_eq!(time(56, RATE_OF_TEXT), "20.0 hours");
        assert_eq!(time(1, RATE_OF_TEXT * 1_000), "less than a nanosecond");
        assert_eq!(time(64, RATE_OF_TEXT), "213.5 days");
        assert_eq!(time(80, RATE_OF_TEXT), "3.83 × 10^4 years");
    }

    #[test]
    fn energy_of_256_bits() {
        let joules = of_text().joules_log10();
        assert_eq!(power(joules), "3.3 × 10^56");
        assert_eq!(level_of_rsa(2048), Some(112));
        assert_eq!(level_of_rsa(2047), None);
    }

    #[test]
    fn pages_of_any_length_fit_their_columns() {
        for bits in [1, 128, 256, BITS_MAX] {
            let search = Search {
                bits,
                rate: Rate(RATE_OF_TEXT),
            };
            let page = page(&search, 80, Paint::Plain);
            let too_long = page.lines().find(|l| crate::report::text::width(l) > 80);
            assert_eq!(too_long, None);
            assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
        }
    }
}
