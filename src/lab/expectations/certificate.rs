//! Certificates that were accepted or refused.

use super::Reader;
use crate::event::CertificateDefect;
use crate::lab::decode::{Fields, Item};
use crate::lab::pki::host_name;
use crate::lab::plan::{Acceptance, Check};

impl Reader<'_, '_> {
    pub(super) fn certificate(&self, table: &mut Fields<'_>) -> Option<Check> {
        let node = self.node(table.required("at", "\"user\""));
        let because = table.optional("because");
        let nth = table.or("nth", 1, |i| i.integer(1..=1_000));
        let nth = nth.and_then(|n| usize::try_from(n).ok());
        let details = ["name", "until", "anchor", "chain"].map(|key| table.optional(key));
        let which = table.exactly_one(&["accepted", "refused"])?;
        let server_name = host_name(which, false);
        if which.key == "accepted" {
            if let Some(because) = because {
                let label = "expected `because` beside `refused` only";
                because.wrong_key("an accepted certificate has no defect", label, None);
            }
            let by = acceptance(details);
            return Some(Check::CertificateAccepted {
                node: node?,
                server_name: server_name?,
                nth: nth?,
                by: by?,
            });
        }
        for extra in details.into_iter().flatten() {
            let message = format!("a refused certificate has no `{}`", extra.key);
            let label = "expected it beside `accepted` only";
            extra.wrong_key(message, label, None);
        }
        let because = match because {
            Some(item) => item.one_of("defect", &CertificateDefect::WORDS),
            None => {
                which.wrong_key(
                    "a refused certificate has a defect",
                    "expected `because` beside it",
                    "for example `because = \"expired\"`".to_owned(),
                );
                None
            }
        };
        Some(Check::CertificateRefused {
            node: node?,
            server_name: server_name?,
            nth: nth?,
            because: because?,
        })
    }
}

/// `name`, `until`, `anchor` and `chain` of an accepted certificate.
fn acceptance(details: [Option<Item<'_>>; 4]) -> Option<Acceptance> {
    let [name, until, anchor, chain] = details;
    let name = name.map(|i| host_name(i, true));
    let until = until.map(|i| i.date(true));
    let anchor = anchor.map(|i| i.prose(64));
    let chain = chain.map(|i| i.some(|c| c.prose(64)));
    let wrong = [
        name == Some(None),
        until == Some(None),
        anchor == Some(None),
        chain == Some(None),
    ];
    (!wrong.contains(&true)).then_some(Acceptance {
        name: name.flatten(),
        until: until.flatten(),
        anchor: anchor.flatten(),
        chain: chain.flatten(),
    })
}
