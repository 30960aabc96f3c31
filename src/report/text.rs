//! Fitting text into columns of the terminal.

use std::time::Duration;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns that `text` takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// `text` without characters that take no column or move the cursor: wire input may hold any.
pub(crate) fn printable(text: &str) -> String {
    let safe = |c: char| if c.width().unwrap_or(0) == 0 { '·' } else { c };
    text.chars().map(safe).collect()
}

/// `text` in at most `room` columns, cut in the middle.
pub(crate) fn squeeze(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    if room == 0 {
        return String::new();
    }
    let (head, tail) = ((room - 1).div_ceil(2), (room - 1) / 2);
    let front = take(text.chars(), head);
    let back: String = take(text.chars().rev(), tail).chars().rev().collect();
    format!("{front}…{back}")
}

/// Filled with spaces to `room` columns.
pub(crate) fn pad(text: &str, room: usize) -> String {
    let spaces = room.saturating_sub(width(text));
    format!("{text}{}", " ".repeat(spaces))
}

/// The same, with the spaces in front.
pub(crate) fn pad_left(text: &str, room: usize) -> String {
    let spaces = room.saturating_sub(width(text));
    format!("{}{text}", " ".repeat(spaces))
}

/// Broken between words into lines of at most `room` columns; longer words are cut.
pub(crate) fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word = word.to_owned();
        let line = lines.last().map_or(0, |l| width(l));
        if line > 0 && line + 1 + width(&word) > room {
            lines.push(String::new());
        }
        while width(&word) > room {
            let head = take(word.chars(), room.max(1));
            word = word.chars().skip(head.chars().count()).collect();
            if let Some(line) = lines.last_mut() {
                line.push_str(&head);
            }
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
        }
    }
    lines
}

/// Milliseconds with one decimal, rounded half up.
pub(crate) fn millis(d: Duration) -> String {
    let tenths = (d.as_nanos() + 50_000) / 100_000;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// A zone by its name, the root by what it is called.
pub(crate) fn zone(name: &str) -> &str {
    match name {
        "<Root>" | "." => "the root",
        other => other,
    }
}

/// As in "1 packet", "2 packets".
pub(crate) fn plural(n: usize, noun: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{n} {noun}{s}")
}

fn take(chars: impl Iterator<Item = char>, room: usize) -> String {
    let mut used = 0;
    chars
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= room
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_in_the_middle() {
        assert_eq!(squeeze("/notification/health/check", 13), "/notif…/check");
        assert_eq!(squeeze("short", 5), "short");
        assert_eq!(squeeze("日本語日本語", 7), "日…語");
        assert_eq!(
            (squeeze("abc", 1).as_str(), squeeze("abc", 0).as_str()),
            ("…", "")
        );
    }

    #[test]
    fn words_wrap_and_giants_are_cut() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
    }

    #[test]
    fn what_would_move_the_cursor_is_replaced() {
        assert_eq!(printable("a\u{1b}[2Jb\n"), "a·[2Jb·");
    }

    #[test]
    fn milliseconds_round_half_up() {
        assert_eq!(millis(Duration::from_nanos(22_849_999)), "22.8");
        assert_eq!(millis(Duration::from_nanos(22_850_000)), "22.9");
    }
}
