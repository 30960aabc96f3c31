//! What is done to a load balancer.

use crate::lab::decode::Item;
use crate::lab::pki::Pki;
use crate::lab::plan::Action;

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
