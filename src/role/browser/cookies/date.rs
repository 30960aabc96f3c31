//! The date of a cookie's attribute `Expires`, in whatever form servers write it (RFC 6265 §5.1.1).

use crate::time::UnixSeconds;

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

/// Reads it; `None` when it is none. Dates before 1970 are its first second.
pub(super) fn parse(text: &str) -> Option<UnixSeconds> {
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    for token in text.split(is_delimiter).filter(|t| !t.is_empty()) {
        // Each token is the first thing of these that it can be and that is still missing.
        if time.is_none() && time_of(token).is_some() {
            time = time_of(token);
        } else if day.is_none() && number(token, 1, 2).is_some() {
            day = number(token, 1, 2);
        } else if month.is_none() && month_of(token).is_some() {
            month = month_of(token);
        } else if year.is_none() && number(token, 2, 4).is_some() {
            year = number(token, 2, 4);
        }
    }
    let (time, day, month) = (time?, day?, month?);
    let year = match year? {
        year @ 70..=99 => year + 1900,
        year @ 0..=69 => year + 2000,
        year => year,
    };
    if year < 1601 || !(1..=days(year, month)).contains(&day) {
        return None;
    }
    if year < 1970 {
        return Some(UnixSeconds(0));
    }
    let midnight = UnixSeconds::from_ymd(year, month, day);
    Some(UnixSeconds(midnight.0 + time))
}

/// Everything but letters, digits, colons, and what no date has.
const fn is_delimiter(c: char) -> bool {
    matches!(c, '\t' | ' '..='/' | ';'..='@' | '['..='`' | '{'..='~')
}

/// The number that a token begins with, of so many digits and no more.
fn number(token: &str, least: usize, most: usize) -> Option<u32> {
    let end = token.find(|c: char| !c.is_ascii_digit());
    let digits = &token[..end.unwrap_or(token.len())];
    (least..=most).contains(&digits.len()).then_some(())?;
    digits.parse().ok()
}

/// Seconds since midnight.
fn time_of(token: &str) -> Option<u64> {
    let mut parts = token.splitn(3, ':');
    let mut part = || number(parts.next()?, 1, 2);
    let (hours, minutes, seconds) = (part()?, part()?, part()?);
    (hours < 24 && minutes < 60 && seconds < 60)
        .then(|| u64::from(hours * 3600 + minutes * 60 + seconds))
}

fn month_of(token: &str) -> Option<u32> {
    let word = token.get(..3)?.to_ascii_lowercase();
    let index = MONTHS.iter().position(|m| *m == word)?;
    u32::try_from(index + 1).ok()
}

const fn days(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(400) || year.is_multiple_of(4) && !year.is_multiple_of(100) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_of_a_date_are_read() {
        for text in [
            "Wed, 05 Nov 2025 01:02:03 GMT",
            "Wednesday, 05-Nov-25 01:02:03 GMT",
            "Wed Nov  5 01:02:03 2025",
            "5 november 2025 1:2:3",
            "01:02:03 GMT; Nov/05/2025",
        ] {
            assert_eq!(parse(text).unwrap().0, 1_762_300_800 + 3_723, "{text}");
        }
        assert_eq!(parse("Thu, 01 Jan 1970 00:00:00 GMT").unwrap().0, 0);
        assert_eq!(parse("Thu, 01 Jan 1950 00:00:00 GMT").unwrap().0, 0);
        assert!(parse("Thu, 29 Feb 2024 00:00:00 GMT").is_some());
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "tomorrow",
            "Wed, 05 Nov 2025",
            "Wed, 05 Nov 2025 24:00:00 GMT",
            "Wed, 31 Nov 2025 01:02:03 GMT",
            "Wed, 29 Feb 2025 01:02:03 GMT",
            "Wed, 05 Nov 1600 01:02:03 GMT",
            "Wed, 05 Nov 20255 01:02:03 GMT",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
