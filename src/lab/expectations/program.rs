//! What real programs did.

use super::Reader;
use crate::lab::decode::Fields;
use crate::lab::plan::Check;

impl Reader<'_, '_> {
    pub(super) fn program(&self, table: &mut Fields<'_>) -> Option<Check> {
        let node = self.node(table.required("at", "\"user\""));
        let exit = table.or("exit", None, |i| i.integer(0..=255).map(Some));
        let output = table.or("output", None, |i| i.text().map(|t| Some(t.to_owned())));
        Some(Check::Program {
            node: node?,
            exit: exit?.and_then(|code| i32::try_from(code).ok()),
            output: output?,
        })
    }
}
