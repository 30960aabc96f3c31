//! What is done to a load balancer.

use crate::lab::alb;
use crate::lab::decode::{Fields, Item};
use crate::lab::network::Network;
use crate::lab::pki::Pki;
use crate::lab::plan::{Action, Registration};

/// `{ port = 443, certificate = "your-app-2" }`, of a listener that has a certificate.
pub(super) fn renewal(item: Item<'_>, alb: Item<'_>, pki: &Pki<'_>) -> Option<Action> {
    let mut table = item.fields()?;
    let port = table.required("port", "443");
    let certificate = table.required("certificate", "\"your-app-2\"");
    let certificate = certificate.and_then(|i| pki.certificate_of(i));
    table.finish();
    let number = port?.port()?;
    // What is wrong with the listeners themselves is said where they are read.
    let listeners = alb.fields()?.optional("listener").and_then(Item::list);
    let speaks_tls = |listener: &Item<'_>| {
        let Some(mut listener) = listener.fields() else {
            return false;
        };
        let own = listener.optional("port").and_then(Item::port);
        own == Some(number) && listener.optional("certificate").is_some()
    };
    if !listeners.unwrap_or_default().iter().any(speaks_tls) {
        let message = format!("no listener on port {number} has a certificate");
        port?.wrong(message, "expected the port of an HTTPS listener", None);
        return None;
    }
    Some(Action::Renew {
        port: number,
        certificate: certificate?,
    })
}

/// `deregister = "ec2-a:32768"` or `register = "ec2-a:32768"`, with `group = "web"` where there are several target groups.
/// `None` when it is something else; the inner one after a mistake.
pub(super) fn registration(
    table: &mut Fields<'_>,
    network: &Network<'_>,
    groups: &[&str],
) -> Option<Option<Action>> {
    let keys = ["register", "deregister"];
    if keys.map(|key| table.optional(key).is_some()) == [false; 2] {
        return None;
    }
    Some(read_registration(table, &keys, network, groups))
}

fn read_registration(
    table: &mut Fields<'_>,
    keys: &[&'static str],
    network: &Network<'_>,
    groups: &[&str],
) -> Option<Action> {
    let item = table.exactly_one(keys);
    let group = match groups {
        [only] if table.optional("group").is_none() => Some((*only).to_owned()),
        _ => table.required("group", "\"web\"").and_then(|i| {
            let word = i.text()?;
            if !groups.contains(&word) {
                i.unknown("target group", groups.iter().copied());
                return None;
            }
            Some(word.to_owned())
        }),
    };
    let target = item.and_then(|i| alb::target(i, network));
    Some(Action::Register(Registration {
        group: group?,
        target: target?,
        comes: item?.key == "register",
    }))
}
