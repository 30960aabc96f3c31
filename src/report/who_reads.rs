//! The table of who can read what, as text.

use super::paint::{Paint, Tone};
use super::text::{pad, pad_left, squeeze, width};
use crate::expect::Evidence;
use crate::expect::Record;
use crate::expect::who_reads::who_reads;
use crate::lab::plan::Viewer;

/// The table that the lab asks for; no line when it asks for none.
pub(super) fn render(record: &Record<'_>, columns: usize, paint: Paint) -> Vec<String> {
    let table = who_reads(record);
    if table.rows.is_empty() {
        return Vec::new();
    }
    let heads: Vec<String> = table
        .places
        .iter()
        .map(|(link, viewer)| match viewer {
            Viewer::Observer => link.to_string(),
            Viewer::KeyHolder => format!("{link} + keys"),
        })
        .collect();
    let first = table.rows.iter().map(|r| width(&r.what));
    let title = "who can read";
    let first = first.chain([width(title)]).max().unwrap_or(0);
    let mut head = format!("  {}", pad(title, first));
    for name in &heads {
        head.push_str("   ");
        head.push_str(name);
    }
    let mut lines = vec![paint.dip(Tone::Strong, &squeeze(&head, columns))];
    for row in &table.rows {
        let mut line = format!("  {}", pad(&row.what, first));
        for (found, name) in row.found.iter().zip(&heads) {
            let cell = match found {
                Some(Evidence::Frame(n)) => format!("#{n}"),
                Some(Evidence::TapFrame(..) | Evidence::Event(_)) => "yes".into(),
                None => "–".into(),
            };
            line.push_str("   ");
            line.push_str(&pad_left(&cell, width(name)));
        }
        lines.push(squeeze(&line, columns));
    }
    lines.push("  #n the first packet that says it   – no packet there does".into());
    lines
}
