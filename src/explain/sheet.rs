//! The paper of a page: headings, prose and tables within the columns of a terminal.

use crate::report::Paint;
use crate::report::paint::Tone;
use crate::report::text::{pad, pad_left, width, wrap};

/// Columns that prose takes at most: longer lines are hard to read.
const PROSE_MAX: usize = 100;

/// A page in the making.
#[derive(Debug)]
pub struct Sheet {
    columns: usize,
    paint: Paint,
    lines: Vec<String>,
}

/// On which side of its column a cell stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

impl Sheet {
    /// An empty page for a terminal of so many columns; below 80 it is laid out for 80.
    #[must_use]
    pub fn new(columns: usize, paint: Paint) -> Self {
        Self {
            columns: columns.max(80),
            paint,
            lines: Vec::new(),
        }
    }

    /// Its columns.
    #[must_use]
    pub const fn columns(&self) -> usize {
        self.columns
    }

    /// A line in bold, after an empty one unless it is the first.
    pub fn heading(&mut self, text: &str) {
        if !self.lines.is_empty() {
            self.blank();
        }
        for line in wrap(text, self.columns) {
            let line = self.dip(Tone::Strong, &line);
            self.lines.push(line);
        }
    }

    /// A paragraph, indented by two and broken between words.
    pub fn prose(&mut self, text: &str) {
        self.hanging("  ", text);
    }

    /// The same, with `label` in front of the first line and room for it before the others.
    pub fn hanging(&mut self, label: &str, text: &str) {
        self.hanging_at(width(label), label, text);
    }

    /// The same, for a label of `indent` columns, which may hold colour.
    pub(crate) fn hanging_at(&mut self, indent: usize, label: &str, text: &str) {
        let room = self.columns.min(PROSE_MAX) - indent;
        // "3.67 × 10^57" stays on one line.
        let text = text.replace(" × ", "\u{a0}×\u{a0}");
        for (index, line) in wrap(&text, room).iter().enumerate() {
            let front = if index == 0 {
                label.to_owned()
            } else {
                " ".repeat(indent)
            };
            self.lines.push(format!("{front}{line}"));
        }
    }

    /// A paragraph that steps back, `indent` columns from the left.
    pub(crate) fn dim_at(&mut self, indent: usize, text: &str) {
        for line in wrap(text, self.columns.min(PROSE_MAX) - indent) {
            let line = self.dip(Tone::Dim, &line);
            self.lines.push(format!("{}{line}", " ".repeat(indent)));
        }
    }

    /// A line as it is, which may hold colour already.
    pub fn line(&mut self, text: impl Into<String>) {
        self.lines.push(text.into());
    }

    /// An empty line.
    pub fn blank(&mut self) {
        self.lines.push(String::new());
    }

    /// Rows of cells, indented by two; the last column is broken between words where it is a column of words.
    pub fn table(&mut self, sides: &[Side], head: &[&str], rows: &[Vec<String>]) {
        const GAP: usize = 2;
        let cells = |index: usize| {
            let column = rows.iter().filter_map(move |r| r.get(index));
            column.map(|c| width(c)).max().unwrap_or(0)
        };
        let title = |index: usize| head.get(index).map_or(0, |t| width(t));
        let mut widths: Vec<usize> = (0..sides.len()).map(|i| cells(i).max(title(i))).collect();
        if let Some((last, before)) = widths.split_last_mut() {
            let used: usize = before.iter().map(|w| w + GAP).sum();
            *last = (*last).min(self.columns.saturating_sub(used + 2).max(10));
        }
        let titles: Vec<String> = head.iter().map(|t| (*t).to_owned()).collect();
        let shown = (!head.is_empty()).then_some(&titles);
        for (row, is_head) in shown
            .into_iter()
            .map(|t| (t, true))
            .chain(rows.iter().map(|r| (r, false)))
        {
            for line in lay(row, sides, &widths) {
                let line = format!("  {}", line.trim_end());
                let line = if is_head {
                    self.dip(Tone::Dim, &line)
                } else {
                    line
                };
                self.lines.push(line);
            }
        }
    }

    /// Colours a piece of text.
    pub(crate) fn dip(&self, tone: Tone, text: &str) -> String {
        self.paint.dip(tone, text)
    }

    /// The page, with a line end after every line and no spaces before it.
    #[must_use]
    pub fn into_text(self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text.replace('\u{a0}', " ")
    }
}

/// A row in as many lines as its last cell takes.
fn lay(row: &[String], sides: &[Side], widths: &[usize]) -> Vec<String> {
    let mut front = String::new();
    let mut lines = Vec::new();
    for (index, cell) in row.iter().enumerate() {
        let (side, room) = (sides[index], widths[index]);
        if index + 1 < row.len() {
            front.push_str(&match side {
                Side::Left => pad(cell, room),
                Side::Right => pad_left(cell, room),
            });
            front.push_str("  ");
            continue;
        }
        for (n, part) in wrap(cell, room).iter().enumerate() {
            let part = match side {
                Side::Left => part.clone(),
                Side::Right => pad_left(part, room),
            };
            let before = if n == 0 {
                front.clone()
            } else {
                " ".repeat(width(&front))
            };
            lines.push(format!("{before}{part}"));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_column_of_a_table_is_broken_between_words() {
        let mut sheet = Sheet::new(80, Paint::Plain);
        let long = "word ".repeat(20);
        sheet.table(
            &[Side::Left, Side::Right, Side::Left],
            &["a", "n", "what"],
            &[vec!["x".into(), "12".into(), long.trim().into()]],
        );
        let text = sheet.into_text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "  a   n  what");
        assert!(lines[1].starts_with("  x  12  word word"));
        assert!(lines[2].starts_with("         word"), "{text}");
        assert!(lines.iter().all(|l| width(l) <= 80), "{text}");
    }

    #[test]
    fn prose_keeps_to_its_indent() {
        let mut sheet = Sheet::new(200, Paint::Plain);
        sheet.heading("Title");
        sheet.hanging("  1  ", &"word ".repeat(40));
        let text = sheet.into_text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines[0], &lines[1][..9]), ("Title", "  1  word"));
        assert!(lines[2].starts_with("     word"));
        assert!(lines.iter().all(|l| width(l) <= PROSE_MAX));
    }
}
