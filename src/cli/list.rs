//! `tunlab list`

use std::io;

use super::exit::Exit;
use super::{print, say};
use crate::lab;

pub(super) fn run() -> io::Result<Exit> {
    let mut rows = Vec::new();
    for shipped in lab::shipped() {
        match lab::load(shipped.name) {
            Ok(plan) => rows.push((shipped.name, plan.title)),
            Err(e) => {
                say(&format!("error: {e}"));
                return Ok(Exit::CouldNotRun);
            }
        }
    }
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines = rows
        .iter()
        .map(|(name, title)| format!("{name:width$}  {title}\n"));
    print(&lines.collect::<String>())?;
    Ok(Exit::Met)
}
