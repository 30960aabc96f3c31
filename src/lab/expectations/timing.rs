//! When milestones were passed.

use crate::lab::decode::{Fields, Item};
use crate::lab::plan::{Check, Milestone};

pub(super) fn timing(table: &mut Fields<'_>) -> Option<Check> {
    let which = table.exactly_one(&["milestone", "from"])?;
    let first = milestone(which);
    if which.key == "milestone" {
        let at = table.required("at", "\"20 ms\"").and_then(Item::duration);
        return Some(Check::At {
            milestone: first?,
            at: at?,
        });
    }
    let to = table.required("to", "\"tls-established\"");
    let to = to.and_then(milestone);
    let takes = table.required("takes", "\"22 ms\"");
    let takes = takes.and_then(Item::duration);
    Some(Check::Phase {
        from: first?,
        to: to?,
        takes: takes?,
    })
}

fn milestone(item: Item<'_>) -> Option<Milestone> {
    item.one_of("milestone", &Milestone::WORDS)
}
