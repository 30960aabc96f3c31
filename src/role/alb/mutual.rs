//! What a target learns of a client's certificate (AWS "Mutual authentication with TLS in Application Load Balancer",
//! mode verify): one header each for serial number, issuer, subject, validity, and the leaf itself. In the mode
//! passthrough the whole chain, which nobody has looked at.

use crate::tls::facts::ClientLeaf;

/// What all of their names begin with, whatever the case. A client's own such fields are not passed on.
pub(super) const PREFIX: &str = "X-Amzn-Mtls-Clientcert";

/// The field for a target that looks at the chain itself (mode passthrough).
pub(super) fn chain(leaf: &ClientLeaf) -> Vec<(String, String)> {
    vec![(PREFIX.to_owned(), encoded(&leaf.chain_pem))]
}

/// The fields about a client with this leaf.
pub(super) fn headers(leaf: &ClientLeaf) -> Vec<(String, String)> {
    let validity = format!("NotBefore={};NotAfter={}", leaf.not_before, leaf.not_after);
    let all = [
        ("Serial-Number", leaf.serial.clone()),
        ("Issuer", leaf.issuer.clone()),
        ("Subject", leaf.subject.clone()),
        ("Validity", validity),
        ("Leaf", encoded(&leaf.pem)),
    ];
    // A distinguished name may have letters that a field cannot: such a field is left out.
    let fits = |value: &str| value.chars().all(|c| c == '\t' || !c.is_control());
    let all = all.into_iter().filter(|(_, value)| fits(value));
    all.map(|(name, value)| (format!("{PREFIX}-{name}"), value))
        .collect()
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
            serial: "4A01FF".into(),
            issuer: "CN=Clients CA,O=tunlab,C=US".into(),
            subject: "CN=alice,O=tunlab,C=US".into(),
            not_before: UnixSeconds::from_ymd(2025, 1, 1),
            not_after: UnixSeconds::from_ymd(2025, 12, 31),
            pem: "-----BEGIN CERTIFICATE-----\nMII+/=\n".into(),
            chain_pem: "leaf\nissuer\n".into(),
        };
        let headers = headers(&leaf);
        let value = |name: &str| headers.iter().find(|(n, _)| n == name).unwrap().1.as_str();
        assert_eq!(value("X-Amzn-Mtls-Clientcert-Serial-Number"), "4A01FF");
        assert_eq!(
            value("X-Amzn-Mtls-Clientcert-Validity"),
            "NotBefore=2025-01-01T00:00:00Z;NotAfter=2025-12-31T00:00:00Z"
        );
        assert_eq!(
            value("X-Amzn-Mtls-Clientcert-Leaf"),
            "-----BEGIN%20CERTIFICATE-----%0AMII+/=%0A"
        );
        let whole = (PREFIX.to_owned(), "leaf%0Aissuer%0A".to_owned());
        assert_eq!(chain(&leaf), [whole]);
        let foreign = ClientLeaf {
            subject: "CN=ali\nce".into(),
            ..leaf
        };
        assert_eq!(super::headers(&foreign).len(), 4);
    }
}
