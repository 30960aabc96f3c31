//! What is done to a name server.

use crate::lab::decode::{Fields, Item};
use crate::lab::plan::Action;

/// `{ withdraw = "198.51.100.10" }`: the address is in no answer any more; `restore` puts it back.
pub(super) fn change(action: &mut Fields<'_>) -> Option<Action> {
    let what = action.exactly_one(&["withdraw", "restore"])?;
    let address = Item::ip(what)?;
    Some(Action::Publish {
        address,
        published: what.key == "restore",
    })
}
