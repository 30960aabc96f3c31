//! Dates and times as they are written in lab files.

use crate::time::UnixSeconds;

/// The moment of an RFC 3339 date and time, or of a date. Fractions of a second are cut off.
pub(super) fn seconds(text: &str, ends: bool) -> Option<UnixSeconds> {
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let [year, month, day] = numbers(date, '-')?;
    let in_range =
        (1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !in_range {
        return None;
    }
    let midnight = UnixSeconds::from_ymd(year, month, day);
    // The 30th of February would be printed as another day.
    if !midnight.to_string().starts_with(date) {
        return None;
    }
    let Some(time) = time else {
        let of_day = if ends { 86_399 } else { 0 };
        return Some(UnixSeconds(midnight.0 + of_day));
    };
    let zone = time.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = time.split_at(zone);
    let [hour, minute, second] = numbers(time.split('.').next()?, ':')?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let of_day = hour * 3_600 + minute * 60 + second;
    let local = midnight.0 + u64::from(of_day);
    if zone.eq_ignore_ascii_case("z") {
        return Some(UnixSeconds(local));
    }
    let [hours, minutes] = numbers(&zone[1..], ':')?;
    let offset = u64::from(hours.min(24) * 3_600 + minutes.min(60) * 60);
    let utc = if zone.starts_with('+') {
        local.checked_sub(offset)?
    } else {
        local + offset
    };
    Some(UnixSeconds(utc))
}

/// `N` numbers with a mark between them.
fn numbers<const N: usize>(text: &str, mark: char) -> Option<[u32; N]> {
    let parts = text.split(mark).map(|part| part.parse().ok());
    let parts: Vec<u32> = parts.collect::<Option<_>>()?;
    parts.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_moments() {
        let moment = |text: &str, ends| seconds(text, ends).map(|s| s.to_string());
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(moment("2025-11-05", false), some("2025-11-05T00:00:00Z"));
        assert_eq!(moment("2025-12-31", true), some("2025-12-31T23:59:59Z"));
        assert_eq!(
            moment("2025-11-05T01:30:00+01:00", true),
            some("2025-11-05T00:30:00Z")
        );
        assert_eq!(moment("2025-11-05T01:30:00", false), None, "no zone");
        for bad in [
            "1969-12-31",
            "2025-02-30",
            "2025-11",
            "today",
            "07:32:00",
            "2025-11-05T24:00:00Z",
        ] {
            assert_eq!(moment(bad, false), None, "{bad}");
        }
    }
}
