//! The packets of two runs as two ladders: side by side, those that are alike in one line, where there is room for both;
//! else one below the other.

use super::{Kind, Pair, Sides, pairs};
use crate::expect::Record;
use crate::report::ladder::{LEFT, Ladder, WIDTH_MIN};
use crate::report::paint::{Paint, Tone};
use crate::report::rows::Row;
use crate::report::terminal::Layout;
use crate::report::text::{plural, squeeze, width};

/// Columns between two ladders: a sign and a space on either side.
const BETWEEN: usize = 3;
/// The least distance of two life lines at which a label says something.
const GAP: usize = 14;

pub(super) fn render(sides: Sides<'_>, layout: Layout) -> Vec<String> {
    let columns = layout.width.max(WIDTH_MIN);
    let half = (columns - BETWEEN) / 2;
    let (one, other) = (sides.one.record, sides.other.record);
    let ladders = (Ladder::lay(one, half), Ladder::lay(other, half));
    if least(&ladders.0) <= half && least(&ladders.1) <= half {
        side_by_side(&ladders.0, &ladders.1, half, layout)
    } else {
        [one, other]
            .into_iter()
            .flat_map(|record| alone(record, columns, layout))
            .collect()
    }
}

/// The columns that a ladder needs to be worth reading.
fn least(ladder: &Ladder<'_>) -> usize {
    let numbers = ladder.rows.rows.len().max(1).ilog10() as usize + 3;
    LEFT + GAP * ladder.rows.columns.len().saturating_sub(1) + 1 + numbers
}

fn alone(record: &Record<'_>, columns: usize, layout: Layout) -> Vec<String> {
    let title = format!("  {}", record.plan.name);
    let title = layout.paint.dip(Tone::Strong, &squeeze(&title, columns));
    let mut lines = vec![String::new(), title];
    lines.extend(Ladder::new(record, columns).render(layout.all, layout.paint));
    lines
}

fn side_by_side(one: &Ladder<'_>, other: &Ladder<'_>, half: usize, layout: Layout) -> Vec<String> {
    let Layout { all, paint, .. } = layout;
    let shown = |row: &&Row<'_>| all || !(row.is_pure_ack() || row.only_moves_windows());
    let ours: Vec<&Row<'_>> = one.rows.rows.iter().filter(shown).collect();
    let theirs: Vec<&Row<'_>> = other.rows.rows.iter().filter(shown).collect();
    let pairs = pairs((&one.rows, &ours), (&other.rows, &theirs));
    let names = beside(
        &|paint| one.names(paint),
        " ",
        &|paint| other.names(paint),
        half,
        paint,
    );
    let mut lines = vec![String::new(), names];
    lines.extend(pairs.iter().map(|pair| line(one, other, pair, half, paint)));
    lines.push(String::new());
    lines.extend(legend(one, other, paint));
    let hidden = one.rows.rows.len() - ours.len() + other.rows.rows.len() - theirs.len();
    if hidden > 0 {
        let hidden = plural(hidden, "packet");
        lines.push(format!(
            "  {hidden} without a message hidden; --all shows them"
        ));
    }
    lines.extend(one.left_out().into_iter().chain(other.left_out()));
    lines
}

fn line(
    one: &Ladder<'_>,
    other: &Ladder<'_>,
    pair: &Pair<'_, '_>,
    half: usize,
    paint: Paint,
) -> String {
    let left = |paint| {
        pair.one
            .map_or_else(String::new, |row| one.line(row, paint))
    };
    let right = |paint| {
        pair.other
            .map_or_else(String::new, |row| other.line(row, paint))
    };
    let sign = match pair.kind {
        Kind::Same => " ",
        Kind::Differs => "|",
        Kind::OnlyFirst => "<",
        Kind::OnlySecond => ">",
    };
    beside(&left, sign, &right, half, paint)
}

/// Two texts in one line, the second beginning at the same column whatever the first; colour takes no columns.
fn beside(
    left: &dyn Fn(Paint) -> String,
    sign: &str,
    right: &dyn Fn(Paint) -> String,
    half: usize,
    paint: Paint,
) -> String {
    let spaces = half.saturating_sub(width(&left(Paint::Plain)));
    let sign = paint.dip(Tone::Strong, sign);
    format!(
        "{}{} {sign} {}",
        left(paint),
        " ".repeat(spaces),
        right(paint)
    )
}

/// What the signs of both ladders mean, and those between them.
fn legend(one: &Ladder<'_>, other: &Ladder<'_>, paint: Paint) -> Vec<String> {
    let mut lines = one.legend(paint);
    for line in other.legend(paint) {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    let signs = "  <  > in the one only    | another size or fate";
    lines.push(paint.dip(Tone::Dim, signs));
    lines
}
