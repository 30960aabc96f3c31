//! What a target learns of a client's certificate (AWS "Mutual authentication with TLS in Application Load Balancer",
//! mode verify): one header each for serial number, issuer, subject, validity, and the leaf itself.

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};

use crate::tls::facts::ClientLeaf;

const SERIAL: HeaderName = HeaderName::from_static("x-amzn-mtls-clientcert-serial-number");
const ISSUER: HeaderName = HeaderName::from_static("x-amzn-mtls-clientcert-issuer");
const SUBJECT: HeaderName = HeaderName::from_static("x-amzn-mtls-clientcert-subject");
const VALIDITY: HeaderName = HeaderName::from_static("x-amzn-mtls-clientcert-validity");
const LEAF: HeaderName = HeaderName::from_static("x-amzn-mtls-clientcert-leaf");

/// What all of their names begin with. A client's own such headers are not passed on.
pub(super) const PREFIX: &str = "x-amzn-mtls-clientcert";

/// The headers about a client with this leaf.
pub(super) fn headers(leaf: &ClientLeaf) -> HeaderMap {
    let validity = format!("NotBefore={};NotAfter={}", leaf.not_before, leaf.not_after);
    let all = [
        (SERIAL, leaf.serial.clone()),
        (ISSUER, leaf.issuer.clone()),
        (SUBJECT, leaf.subject.clone()),
        (VALIDITY, validity),
        (LEAF, encoded(&leaf.pem)),
    ];
    // A distinguished name may have letters that a header cannot: such a header is left out.
    let all = all.into_iter().filter_map(|(name, value)| {
        let value = HeaderValue::try_from(value).ok()?;
        Some((name, value))
    });
    all.collect()
}

/// URL-encoded, with `+=/` as they are.
fn encoded(pem: &str) -> String {
    let mut text = String::with_capacity(pem.len());
    for byte in pem.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~+=/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::UnixSeconds;

    #[test]
    fn headers_have_the_forms_of_aws() {
        let leaf = ClientLeaf {
            serial: "4a01ff".into(),
            issuer: "CN=Clients CA,O=tunlab,C=US".into(),
            subject: "CN=alice,O=tunlab,C=US".into(),
            not_before: UnixSeconds::from_ymd(2025, 1, 1),
            not_after: UnixSeconds::from_ymd(2025, 12, 31),
            pem: "-----BEGIN CERTIFICATE-----\nMII+/=\n".into(),
        };
        let headers = headers(&leaf);
        let value = |name: &str| headers[name].to_str().unwrap().to_owned();
        assert_eq!(value("x-amzn-mtls-clientcert-serial-number"), "4a01ff");
        assert_eq!(
            value("x-amzn-mtls-clientcert-validity"),
            "NotBefore=2025-01-01T00:00:00Z;NotAfter=2025-12-31T00:00:00Z"
        );
        assert_eq!(
            value("x-amzn-mtls-clientcert-leaf"),
            "-----BEGIN%20CERTIFICATE-----%0AMII+/=%0A"
        );
        let foreign = ClientLeaf {
            subject: "CN=ali\nce".into(),
            ..leaf
        };
        assert_eq!(super::headers(&foreign).len(), 4);
    }
}
