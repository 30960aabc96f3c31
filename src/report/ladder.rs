//! The sequence diagram: one column for each node, one line for each packet, in order of sending.

use super::paint::{Paint, Tone};
use super::rows::{Altered, Row, Rows};
use super::story::{Heading, headings};
use super::summary::Secrecy;
use super::text::{millis, pad, pad_left, plural, squeeze, width};
use crate::expect::Record;
use crate::time::Instant;

/// Columns of the terminal before the first life line: the time of sending, and two spaces.
pub(super) const LEFT: usize = 10;
/// The least distance between two life lines: an arrow and one letter.
const GAP_MIN: usize = 6;
/// Below this, a report is cut off by its reader, not by us.
pub(super) const WIDTH_MIN: usize = 80;

/// A ladder, laid out for a width.
#[derive(Debug)]
pub(super) struct Ladder<'a> {
    pub(super) rows: Rows<'a>,
    headings: Vec<Heading>,
    /// Where each life line stands.
    at: Vec<usize>,
    width: usize,
}

impl<'a> Ladder<'a> {
    /// Lays out the packets of a run for a terminal of `columns` (at least 80).
    pub(super) fn new(record: &Record<'a>, columns: usize) -> Self {
        Self::lay(record, columns.max(WIDTH_MIN))
    }

    /// The same for exactly `width` columns, which may be part of a wider line.
    pub(super) fn lay(record: &Record<'a>, width: usize) -> Self {
        let mut rows = Rows::new(record);
        let digits = record.frames.len().max(1).ilog10() as usize + 1;
        let room = width - LEFT - 1 - (digits + 2);
        gather(&mut rows, room / GAP_MIN + 1);
        let headings = headings(&rows);
        let at = place(&rows, room);
        Self {
            rows,
            headings,
            at,
            width,
        }
    }

    /// The whole ladder: names, headings, packets; and how many packets that carry nothing are hidden, unless `all` are shown.
    pub(super) fn render(&self, all: bool, paint: Paint) -> Vec<String> {
        if self.rows.rows.is_empty() {
            return vec!["  no packet was captured".into()];
        }
        let mut lines = vec![self.names(paint)];
        let mut headings = self.headings.iter().enumerate().peekable();
        let (mut acks, mut windows) = (0, 0);
        for (index, row) in self.rows.rows.iter().enumerate() {
            while let Some((n, heading)) = headings.next_if(|(_, h)| h.before <= index) {
                lines.push(self.heading(n + 1, heading, paint));
            }
            if row.is_pure_ack() && !all {
                acks += 1;
                continue;
            }
            if row.only_moves_windows() && !all {
                windows += 1;
                continue;
            }
            lines.push(self.line(row, paint));
        }
        lines.push(String::new());
        lines.extend(self.legend(paint));
        let hidden = [(acks, "pure ACK"), (windows, "WINDOW_UPDATE")];
        let hidden = hidden.iter().filter(|(count, _)| *count > 0);
        let hidden: Vec<_> = hidden.map(|(n, what)| plural(*n, what)).collect();
        if !hidden.is_empty() {
            let hidden = hidden.join(" and ");
            lines.push(format!("  {hidden} hidden; --all shows them"));
        }
        lines.extend(self.left_out());
        lines
    }

    /// The lines of the packets that are wanted, without headings.
    pub(super) fn excerpt(&self, wanted: impl Fn(&Row<'_>) -> bool, paint: Paint) -> Vec<String> {
        let rows = self.rows.rows.iter().filter(|r| wanted(r));
        let lines: Vec<String> = rows.map(|r| self.line(r, paint)).collect();
        if lines.is_empty() {
            return lines;
        }
        std::iter::once(self.names(paint)).chain(lines).collect()
    }

    /// The packets that did not arrive, and those sent again.
    pub(super) fn troubled(&self) -> impl Iterator<Item = &Row<'a>> {
        let rows = self.rows.rows.iter();
        rows.filter(|r| r.lost.is_some() || r.again)
    }

    /// The names of the nodes, each above its life line.
    pub(super) fn names(&self, paint: Paint) -> String {
        let mut line = pad(" sent ms", LEFT);
        let last = self.at.len() - 1;
        for (index, (name, at)) in self.rows.columns.iter().zip(&self.at).enumerate() {
            let left = if index == 0 { LEFT } else { self.at[index - 1] };
            let room = match index {
                0 if last == 0 => self.width - LEFT,
                0 => self.at[1] - LEFT - 1,
                n if n == last => at - left,
                n => 2 * (at - left).min(self.at[n + 1] - at) - 2,
            };
            let name = squeeze(name, room.min(self.width));
            let start = match index {
                0 => *at,
                n if n == last => at + 1 - width(&name),
                _ => at - width(&name) / 2,
            };
            // Long names push each other to the right, and are parted by one space at least.
            let start = start.max(width(&line) + usize::from(index > 0));
            line = pad(&line, start) + &name;
        }
        let line = pad(&line, self.at[last] + 1);
        paint.dip(Tone::Strong, &squeeze(&format!("{line} no."), self.width))
    }

    fn heading(&self, number: usize, heading: &Heading, paint: Paint) -> String {
        let mut text = heading.title.clone();
        for note in &heading.notes {
            text.push_str(" · ");
            text.push_str(note);
        }
        let text = format!("{}  {text}", pad_left(&number.to_string(), LEFT));
        paint.dip(Tone::Strong, &squeeze(&text, self.width))
    }

    /// One packet.
    pub(super) fn line(&self, row: &Row<'_>, paint: Paint) -> String {
        let time = pad_left(&millis(row.sent - Instant::ZERO), LEFT - 2) + "  ";
        let number = if row.in_main {
            format!(" #{}", row.frame.number)
        } else {
            " –".into()
        };
        let (from, to) = (self.at[row.ends.0], self.at[row.ends.1]);
        let (start, end) = (from.min(to), from.max(to));
        let (arrow, start, end) = if from == to {
            self.turn(row, from)
        } else {
            (arrow(row, end - start, from < to), start, end)
        };
        let tone = match (row.lost.is_some(), row.label.secrecy) {
            (true, _) => Tone::Bad,
            (false, Secrecy::Clear) => Tone::Clear,
            (false, Secrecy::Partly | Secrecy::Cipher) => Tone::Cipher,
        };
        let last = self.at[self.at.len() - 1];
        let before = paint.dip(Tone::Dim, &format!("{time}{}", self.idle(LEFT, start)));
        let arrow = paint.dip(tone, &arrow);
        let after = paint.dip(
            Tone::Dim,
            &format!("{}{number}", self.idle(end + 1, last + 1)),
        );
        format!("{before}{arrow}{after}")
    }

    /// Life lines from one column of the terminal up to another.
    fn idle(&self, from: usize, to: usize) -> String {
        let columns = from..to.max(from);
        let cell = |x| if self.at.contains(&x) { '│' } else { ' ' };
        columns.map(cell).collect()
    }

    /// A packet from a column to itself stands beside it.
    fn turn(&self, row: &Row<'_>, at: usize) -> (String, usize, usize) {
        let next = self.at.iter().find(|x| **x > at);
        let before = self.at.iter().rev().find(|x| **x < at);
        match (next, before) {
            (Some(next), _) => {
                let label = fit(row, next - at - 2);
                let end = at + 1 + width(&label);
                (format!("│↺{label}"), at, end)
            }
            (None, Some(before)) => {
                let label = fit(row, at - before - 2);
                let start = at - 1 - width(&label);
                (format!("{label}↺│"), start, at)
            }
            (None, None) => {
                let label = fit(row, self.width - LEFT - 10);
                let end = at + 1 + width(&label);
                (format!("│↺{label}"), at, end)
            }
        }
    }

    /// How many packets are not shown, where there are too many for a ladder.
    pub(super) fn left_out(&self) -> Option<String> {
        let more = self.rows.left_out;
        (more > 0).then(|| {
            let all = self.rows.rows.len() + more;
            format!(
                "  the first {} of {all} packets; all of them are in the captures",
                self.rows.rows.len()
            )
        })
    }

    /// What the signs mean.
    pub(super) fn legend(&self, paint: Paint) -> Vec<String> {
        let shown = |s: Secrecy| self.rows.rows.iter().any(|r| r.label.secrecy == s);
        let mut signs = vec!["─── anyone on that hop can read it"];
        if shown(Secrecy::Cipher) || shown(Secrecy::Partly) {
            signs.push("═══ ciphertext to anyone without the keys");
        }
        if shown(Secrecy::Partly) {
            signs.push("─ ═ begins readable, goes on encrypted");
        }
        if self.rows.rows.iter().any(|r| r.lost.is_some()) {
            signs.push("✕ lost");
        }
        if self.rows.rows.iter().any(|r| !r.in_main) {
            signs.push("– not in the main capture");
        }
        if self.rows.rows.iter().any(|r| r.again) {
            signs.push("↻ sent again");
        }
        let altered = |a: Altered| self.rows.rows.iter().any(|r| r.altered == Some(a));
        if altered(Altered::Overtaken) {
            signs.push("⤵ overtaken by later ones");
        }
        if altered(Altered::Copy) {
            signs.push("×2 the link's copy");
        }
        let mut lines: Vec<String> = Vec::new();
        for sign in signs {
            match lines.last_mut() {
                Some(line) if width(line) + 4 + width(sign) <= self.width => {
                    line.push_str("    ");
                    line.push_str(sign);
                }
                Some(_) | None => lines.push(format!("  {sign}")),
            }
        }
        lines.iter().map(|l| paint.dip(Tone::Dim, l)).collect()
    }
}

/// An arrow over `span` columns, with both ends: `├── SYN ──▶` or, when lost, `├── SYN ✕  │`.
fn arrow(row: &Row<'_>, span: usize, rightwards: bool) -> String {
    let inner = span - 1;
    let lost = row.lost.is_some();
    // A lost one ends before the receiver's line.
    let (room, stop) = match (lost, inner) {
        (false, _) => (inner, ""),
        (true, 0..8) => (inner - 1, "✕"),
        (true, _) => (inner - 3, "✕  "),
    };
    let text = fit(row, room.saturating_sub(3));
    let text = if text.is_empty() {
        String::new()
    } else {
        format!(" {text} ")
    };
    let dashes = room - width(&text);
    let (first, second) = match row.label.secrecy {
        Secrecy::Clear => ("─", "─"),
        Secrecy::Cipher => ("═", "═"),
        Secrecy::Partly => ("─", "═"),
    };
    let (near, far) = (dashes / 2, dashes - dashes / 2);
    if rightwards {
        let head = if lost { "│" } else { "▶" };
        format!(
            "├{}{text}{}{stop}{head}",
            first.repeat(near),
            second.repeat(far)
        )
    } else {
        let stop: String = stop.chars().rev().collect();
        let head = if lost { "│" } else { "◀" };
        format!(
            "{head}{stop}{}{text}{}┤",
            second.repeat(far),
            first.repeat(near)
        )
    }
}

/// The label in `room` columns. What goes first is the size, when the title then stands whole; a list of messages
/// keeps its first; anything else is cut in the middle.
fn fit(row: &Row<'_>, room: usize) -> String {
    let (title, tail) = words(row);
    let fits = |text: String| (width(&text) <= room).then_some(text);
    let short = title.replace("Certificate", "Cert");
    let piece = row.label.piece.map(|(k, n)| format!(" {k}/{n}"));
    let piece = piece.unwrap_or_default();
    let whole = fits(format!("{title}{tail}"))
        .or_else(|| fits(format!("{short}{tail}")))
        .or_else(|| fits(format!("{title}{piece}")))
        .or_else(|| fits(format!("{short}{piece}")));
    if let Some(whole) = whole {
        return whole;
    }
    if let Some((first, _)) = title.split_once(" + ") {
        let first = format!("{first} + …");
        if let Some(text) = fits(format!("{first}{tail}")).or_else(|| fits(first)) {
            return text;
        }
    }
    let left = room.saturating_sub(width(&tail));
    let title = match title.split_once(" + ") {
        Some((first, _)) if left >= TITLE_MIN => squeeze(first, left - 4) + " + …",
        Some(_) | None => title,
    };
    if left >= TITLE_MIN {
        squeeze(&title, left) + &tail
    } else {
        squeeze(&title, room.saturating_sub(width(&piece))) + &squeeze(&piece, room)
    }
}

/// A title cut shorter than this says less than its size does.
const TITLE_MIN: usize = 16;

fn words(row: &Row<'_>) -> (String, String) {
    let sign = match (row.altered, row.again) {
        (Some(Altered::Copy), _) => "×2 ",
        (Some(Altered::Overtaken), _) => "⤵ ",
        (None, true) => "↻ ",
        (None, false) => "",
    };
    (format!("{sign}{}", row.label.title), row.label.tail())
}

/// More nodes than fit share the last column.
fn gather(rows: &mut Rows<'_>, most: usize) {
    if rows.columns.len() <= most {
        return;
    }
    let last = most - 1;
    let others = rows.columns.len() - last;
    rows.columns.truncate(last);
    rows.columns.push(format!("{others} others"));
    for row in &mut rows.rows {
        row.ends = (row.ends.0.min(last), row.ends.1.min(last));
    }
}

/// Where the life lines stand: as far apart as their widest label wants, and closer where there is not room for all.
fn place(rows: &Rows<'_>, room: usize) -> Vec<usize> {
    let mut gaps = vec![GAP_MIN; rows.columns.len().saturating_sub(1)];
    for (index, gap) in gaps.iter_mut().enumerate() {
        let names = width(&rows.columns[index]) + width(&rows.columns[index + 1]);
        *gap = (*gap).max(names + 2);
    }
    for row in &rows.rows {
        let (a, b) = (row.ends.0.min(row.ends.1), row.ends.0.max(row.ends.1));
        let (title, tail) = words(row);
        // Two pieces of line and two spaces, the receiver's own line, and the cross of a lost one.
        let lost = if row.lost.is_some() { 3 } else { 0 };
        let wanted = width(&title) + width(&tail) + 5 + lost;
        let span: usize = gaps[a..b].iter().sum();
        if b > a && span < wanted {
            gaps[b - 1] += wanted - span;
        }
    }
    while gaps.iter().sum::<usize>() > room {
        let widest = gaps.iter().copied().max().unwrap_or(0);
        if widest <= GAP_MIN {
            break;
        }
        if let Some(gap) = gaps.iter_mut().find(|g| **g == widest) {
            *gap -= 1;
        }
    }
    let mut at = vec![LEFT];
    for gap in gaps {
        at.push(at[at.len() - 1] + gap);
    }
    at
}
