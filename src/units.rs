//! Quantities that parse from what people write ("9.5 ms", "100 Mbit/s", "2 %") and print back. Decimal numbers
//! are read exactly, without floating point, so that 0.125 ms is 125 000 ns.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

fn not_a_unit(word: &str) -> String {
    if word.is_empty() {
        "there is no unit behind the number".to_owned()
    } else {
        format!("`{word}` is not a unit here")
    }
}

/// Why a text is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// The text does not begin with a decimal number.
    #[error("expected a number and a unit, like `{example}`")]
    Number {
        /// A text that would be right.
        example: &'static str,
    },
    /// The number is followed by no unit, or by one that does not belong to this quantity.
    #[error("{}; known are {known}", not_a_unit(.unit))]
    Unit {
        /// What stands behind the number.
        unit: String,
        /// The right ones.
        known: &'static str,
    },
    /// Too large, or finer than the quantity can be.
    #[error("the number does not fit: {limit}")]
    Range {
        /// What would fit.
        limit: &'static str,
    },
}

/// Splits "9.5 ms" in 95, 1 decimal, "ms".
fn split<'a>(text: &'a str, example: &'static str) -> Result<(u128, u32, &'a str), UnitError> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number = number.replace('_', "");
    let (whole, fraction) = number.split_once('.').unwrap_or((&number, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || whole.is_empty() || fraction.contains('.') {
        return Err(UnitError::Number { example });
    }
    let value = digits.parse().map_err(|_| UnitError::Range {
        limit: "at most 38 digits",
    })?;
    Ok((value, fraction.len() as u32, unit.trim()))
}

/// `value` with `decimals` digits behind the point, times `factor`, exactly.
fn scale(value: u128, decimals: u32, factor: u128, limit: &'static str) -> Result<u64, UnitError> {
    let divisor = 10_u128
        .checked_pow(decimals)
        .ok_or(UnitError::Range { limit })?;
    let scaled = value
        .checked_mul(factor)
        .ok_or(UnitError::Range { limit })?;
    if scaled % divisor != 0 {
        return Err(UnitError::Range { limit });
    }
    u64::try_from(scaled / divisor).map_err(|_| UnitError::Range { limit })
}

/// `value / factor` without trailing zeros: 9500000 / 1000000 is "9.5".
fn decimal(value: u64, factor: u64) -> String {
    let digits = factor.ilog10() as usize;
    let text = format!("{}.{:0digits$}", value / factor, value % factor);
    if digits == 0 {
        return value.to_string();
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Reads a length of time: "9.5 ms", "350 s", "100 us", "1 h".
///
/// # Errors
/// When it is not a number with a unit of time, or finer than a nanosecond.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    const KNOWN: &str = "ns, us, ms, s, min, h";
    let (value, decimals, unit) = split(text, "9.5 ms")?;
    let factor = match unit {
        "ns" => 1,
        "us" | "µs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "min" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        // "0" is the same in every unit
        "" if value == 0 => 1,
        other => {
            return Err(UnitError::Unit {
                unit: other.into(),
                known: KNOWN,
            });
        }
    };
    let limit = "whole nanoseconds, at most 584 years";
    scale(value, decimals, factor, limit).map(Duration::from_nanos)
}

/// Prints a length of time as [`parse_duration`] reads it, in milliseconds below one second.
#[must_use]
pub fn show_duration(d: Duration) -> String {
    let nanos = u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
    match nanos {
        0..1_000_000_000 => format!("{} ms", decimal(nanos, 1_000_000)),
        _ => format!("{} s", decimal(nanos, 1_000_000_000)),
    }
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

impl FromStr for Bytes {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (value, decimals, unit) = split(text, "64 KiB")?;
        let factor = match unit {
            "" | "B" => 1,
            "kB" => 1_000,
            "KiB" => 1 << 10,
            "MB" => 1_000_000,
            "MiB" => 1 << 20,
            "GB" => 1_000_000_000,
            "GiB" => 1 << 30,
            other => {
                return Err(UnitError::Unit {
                    unit: other.into(),
                    known: "B, kB, KiB, MB, MiB, GB, GiB",
                });
            }
        };
        scale(value, decimals, factor, "whole bytes, at most 16 EiB").map(Self)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            n if n >= 1 << 30 && n % (1 << 30) == 0 => format!("{} GiB", n >> 30),
            n if n >= 1 << 20 && n % (1 << 20) == 0 => format!("{} MiB", n >> 20),
            n if n >= 1 << 10 && n % (1 << 10) == 0 => format!("{} KiB", n >> 10),
            n => format!("{n} B"),
        };
        f.pad(&text)
    }
}

/// A rate in bits per second; counts IP bytes on a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BitRate(u64);

impl BitRate {
    /// A rate of `bits` per second; `None` for zero, which would never carry a packet.
    #[must_use]
    pub const fn from_bits_per_second(bits: u64) -> Option<Self> {
        if bits == 0 { None } else { Some(Self(bits)) }
    }

    /// Bits per second, at least 1.
    #[must_use]
    pub const fn bits_per_second(self) -> u64 {
        self.0
    }

    /// How long `bytes` take to serialise, rounded down to the nanosecond.
    #[must_use]
    pub fn time_for(self, bytes: usize) -> Duration {
        let nanos = bytes as u128 * 8_000_000_000 / u128::from(self.0);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

impl FromStr for BitRate {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (value, decimals, unit) = split(text, "100 Mbit/s")?;
        let factor = match unit {
            "bit/s" => 1,
            "kbit/s" => 1_000,
            "Mbit/s" => 1_000_000,
            "Gbit/s" => 1_000_000_000,
            other => {
                return Err(UnitError::Unit {
                    unit: other.into(),
                    known: "bit/s, kbit/s, Mbit/s, Gbit/s",
                });
            }
        };
        let limit = "whole bits per second, at least 1";
        Self::from_bits_per_second(scale(value, decimals, factor, limit)?)
            .ok_or(UnitError::Range { limit })
    }
}

impl fmt::Display for BitRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            n if n >= 1_000_000_000 => format!("{} Gbit/s", decimal(n, 1_000_000_000)),
            n if n >= 1_000_000 => format!("{} Mbit/s", decimal(n, 1_000_000)),
            n if n >= 1_000 => format!("{} kbit/s", decimal(n, 1_000)),
            n => format!("{n} bit/s"),
        };
        f.pad(&text)
    }
}

/// A probability, kept in parts of 2^32 so that a draw needs no floating point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Probability {
    /// Parts per million, as written.
    per_million: u64,
}

impl Probability {
    /// From parts per million, at most one million.
    #[must_use]
    pub const fn from_per_million(per_million: u64) -> Option<Self> {
        if per_million > 1_000_000 {
            None
        } else {
            Some(Self { per_million })
        }
    }

    /// In parts of 2^32: from 0 to 2^32 itself, which is certainty.
    #[must_use]
    pub const fn parts_of_2_32(self) -> u64 {
        (self.per_million << 32) / 1_000_000
    }
}

impl FromStr for Probability {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let limit = "0 % to 100 %, at most 4 decimals";
        let (value, decimals, unit) = split(text, "2 %")?;
        if unit != "%" {
            return Err(UnitError::Unit {
                unit: unit.into(),
                known: "%",
            });
        }
        Self::from_per_million(scale(value, decimals, 10_000, limit)?)
            .ok_or(UnitError::Range { limit })
    }
}

impl fmt::Display for Probability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{} %", decimal(self.per_million, 10_000)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_exact_and_print_back() {
        for (text, nanos) in [
            ("9.5 ms", 9_500_000),
            ("0.125 ms", 125_000),
            ("20ms", 20_000_000),
            ("100 us", 100_000),
            ("1 min", 60_000_000_000),
            ("0", 0),
        ] {
            let d = parse_duration(text).unwrap();
            assert_eq!(d, Duration::from_nanos(nanos), "{text}");
            assert_eq!(parse_duration(&show_duration(d)).unwrap(), d, "{text}");
        }
        assert_eq!(show_duration(Duration::from_micros(9_500)), "9.5 ms");
        assert_eq!(show_duration(Duration::from_secs(350)), "350 s");
    }

    #[test]
    fn wrong_quantities_say_what_would_be_right() {
        let say = |r: Result<Duration, UnitError>| r.unwrap_err().to_string();
        assert_eq!(
            say(parse_duration("fast")),
            "expected a number and a unit, like `9.5 ms`"
        );
        assert_eq!(
            say(parse_duration("5 parsecs")),
            "`parsecs` is not a unit here; known are ns, us, ms, s, min, h"
        );
        assert!(say(parse_duration("0.1 ns")).contains("whole nanoseconds"));
        assert_eq!(
            say(parse_duration("5")),
            "there is no unit behind the number; known are ns, us, ms, s, min, h"
        );
        assert!("101 %".parse::<Probability>().is_err());
        assert!("0 bit/s".parse::<BitRate>().is_err());
    }

    #[test]
    fn other_quantities_print_back() {
        assert_eq!(
            "100 Mbit/s".parse::<BitRate>().unwrap().to_string(),
            "100 Mbit/s"
        );
        assert_eq!("2.5 %".parse::<Probability>().unwrap().to_string(), "2.5 %");
        assert_eq!("64 KiB".parse::<Bytes>().unwrap(), Bytes(65_536));
        assert_eq!(Bytes(65_536).to_string(), "64 KiB");
        assert_eq!(
            "100 %".parse::<Probability>().unwrap().parts_of_2_32(),
            1 << 32
        );
    }

    #[test]
    fn serialisation_time_of_a_syn() {
        // 52 bytes at 100 Mbit/s are 4.16 us
        let rate: BitRate = "100 Mbit/s".parse().unwrap();
        assert_eq!(rate.time_for(52), Duration::from_nanos(4_160));
    }
}
