//! Colour, which only repeats what the characters say already.

use anstyle::{AnsiColor, Style};

/// Whether a report is coloured (ANSI escape sequences) or plain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// With escape sequences.
    Colour,
    /// Without.
    Plain,
}

/// What a piece of text is, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Life lines, numbers, hints.
    Dim,
    /// Titles.
    Strong,
    /// Readable by anyone.
    Clear,
    /// Ciphertext.
    Cipher,
    /// It held.
    Good,
    /// It did not, or was lost.
    Bad,
    /// A measured bar.
    Measured,
}

impl Paint {
    pub(crate) fn dip(self, tone: Tone, text: &str) -> String {
        if self == Self::Plain || text.is_empty() {
            return text.to_owned();
        }
        let style = style(tone);
        format!("{}{text}{}", style.render(), style.render_reset())
    }
}

const fn style(tone: Tone) -> Style {
    match tone {
        Tone::Dim => Style::new().dimmed(),
        Tone::Strong => Style::new().bold(),
        Tone::Clear => AnsiColor::Yellow.on_default(),
        Tone::Cipher => AnsiColor::Magenta.on_default(),
        Tone::Good => AnsiColor::Green.on_default(),
        Tone::Bad => AnsiColor::Red.on_default().bold(),
        Tone::Measured => AnsiColor::Cyan.on_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paint_adds_nothing() {
        assert_eq!(Paint::Plain.dip(Tone::Bad, "lost"), "lost");
        assert_eq!(Paint::Colour.dip(Tone::Good, "ok"), "\u{1b}[32mok\u{1b}[0m");
    }
}
