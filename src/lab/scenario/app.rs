//! What is done to an application.

use crate::lab::decode::Fields;
use crate::role::config::Service;

/// `{ stop = true }`, `{ crash = true }` or `{ start = true }`; `None` where it is none of them, and inside after a
/// mistake.
pub(super) fn service(action: &mut Fields<'_>) -> Option<Option<Service>> {
    let mut found = Service::WORDS
        .iter()
        .filter_map(|(word, service)| Some((action.optional(word)?, *service)));
    let (item, service) = found.next()?;
    for (extra, _) in found {
        let message = format!("`{}` is one too many", extra.key);
        extra.wrong_key(message, "expected one of them a step", None);
    }
    let said = item.boolean();
    if said == Some(false) {
        let title = format!("`{}` is true or absent", item.key);
        item.wrong(title, "expected true", None);
    }
    Some(said.filter(|said| *said).map(|_| service))
}
