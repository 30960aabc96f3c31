//! What is done to an application.

use std::time::Duration;

use crate::lab::decode::{Fields, Item};
use crate::role::config::Service;

/// After so long `docker stop` sends SIGKILL.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// `{ stop = true }`, `{ stop = { timeout = "10 s" } }`, `{ crash = true }` or `{ start = true }`; `None` where it is none
/// of them, and inside after a mistake.
pub(super) fn service(action: &mut Fields<'_>) -> Option<Option<Service>> {
    let mut found = ["stop", "crash", "start"]
        .iter()
        .filter_map(|word| action.optional(word));
    let item = found.next()?;
    for extra in found {
        let message = format!("`{}` is one too many", extra.key);
        extra.wrong_key(message, "expected one of them a step", None);
    }
    if item.key == "stop" && !item.is_boolean() {
        return Some(stop(item));
    }
    let said = item.boolean();
    if said == Some(false) {
        let title = format!("`{}` is true or absent", item.key);
        item.wrong(title, "expected true", None);
    }
    Some(said.filter(|said| *said).map(|_| match item.key {
        "stop" => Service::Stop { timeout: None },
        "crash" => Service::Crash,
        _ => Service::Start,
    }))
}

fn stop(item: Item<'_>) -> Option<Service> {
    let mut table = item.fields()?;
    let timeout = table.or("timeout", STOP_TIMEOUT, Item::duration);
    table.finish();
    Some(Service::Stop {
        timeout: Some(timeout?),
    })
}
