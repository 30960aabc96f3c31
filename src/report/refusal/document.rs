//! Refused certificates as data: schema `tunlab-refusals/1`.

use serde::Serialize;

use super::Refusal;
use super::names::{Shown, names};
use crate::wire::tls::alert_name;

/// All refusals of several runs, as data: schema `tunlab-refusals/1`.
#[derive(Debug, Serialize)]
pub struct Document {
    /// `tunlab-refusals/1`.
    pub schema: &'static str,
    /// Each refused certificate, in order of the runs.
    pub refusals: Vec<RefusalLine>,
}

impl Document {
    /// Of these refusals.
    #[must_use]
    pub fn new(all: &[Refusal]) -> Self {
        Self {
            schema: "tunlab-refusals/1",
            refusals: all.iter().map(RefusalLine::new).collect(),
        }
    }
}

/// A refused certificate.
#[derive(Debug, Serialize)]
pub struct RefusalLine {
    /// The lab's name.
    pub lab: String,
    /// The client's node.
    pub node: String,
    /// The name that the certificate was to be for.
    pub server_name: String,
    /// A word for what is wrong: `expired`, `wrong-name`, …
    pub defect: &'static str,
    /// Why, in words.
    pub error: String,
    /// As in "TLS 1.3".
    pub tls: Option<String>,
    /// The alert on the wire.
    pub alert: Option<AlertLine>,
    /// What Chrome would show; null where it accepts the certificate.
    pub chrome: Option<ShownLine>,
    /// Firefox.
    pub firefox: Option<ShownLine>,
    /// curl with OpenSSL.
    pub curl: Option<ShownLine>,
    /// rustls.
    pub rustls: Option<ShownLine>,
    /// What the person in front of a browser sees.
    pub user: &'static str,
}

impl RefusalLine {
    pub(in crate::report) fn new(refusal: &Refusal) -> Self {
        let names = names(refusal.defect);
        Self {
            lab: refusal.lab.clone(),
            node: refusal.node.clone(),
            server_name: refusal.server_name.clone(),
            defect: refusal.defect.word(),
            error: refusal.error.clone(),
            tls: refusal.version.clone(),
            alert: refusal.alert.map(|alert| AlertLine {
                name: alert_name(alert.description),
                number: alert.description,
                encrypted: alert.encrypted,
                frame: alert.frame,
            }),
            chrome: names.chrome.map(ShownLine::new),
            firefox: names.firefox.map(ShownLine::new),
            curl: names.curl.map(ShownLine::new),
            rustls: names.rustls.map(ShownLine::new),
            user: names.user,
        }
    }
}

/// An alert on the wire.
#[derive(Debug, Serialize)]
pub struct AlertLine {
    /// As in "certificate_expired".
    pub name: Option<&'static str>,
    /// As in 45.
    pub number: u8,
    /// Whether it was encrypted.
    pub encrypted: bool,
    /// The packet of the main capture.
    pub frame: usize,
}

/// What a client shows.
#[derive(Debug, Serialize)]
pub struct ShownLine {
    /// The error's name or text.
    pub name: &'static str,
    /// Its number.
    pub number: Option<i32>,
    /// The alert that it sends.
    pub alert: Option<u8>,
    /// `measured`, `source` or `remembered`: how this is known.
    pub known: &'static str,
}

impl ShownLine {
    const fn new(shown: Shown) -> Self {
        Self {
            name: shown.name,
            number: shown.number,
            alert: shown.alert,
            known: shown.known.word(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::CertificateDefect;
    use crate::report::refusal::tests::of;

    #[test]
    fn data_says_how_each_name_is_known() {
        let document = Document::new(&[of("x", CertificateDefect::WrongKey, true)]);
        let value = serde_json::to_value(document).unwrap();
        assert_eq!(value["schema"], "tunlab-refusals/1");
        let row = &value["refusals"][0];
        assert_eq!(row["defect"], "wrong-key");
        assert_eq!(
            row["alert"],
            serde_json::json!({"name": "certificate_expired", "number": 45, "encrypted": true, "frame": 9})
        );
        assert_eq!(row["chrome"]["known"], "remembered");
        assert_eq!(row["rustls"]["known"], "measured");
    }
}
