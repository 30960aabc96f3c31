//! What was agreed on a connection, and what certificates say, in words for people.

use rustls::CommonState;
use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;

use crate::event::{CertificateFacts, HandshakeKind, KeyAgreement, PreMaster};
use crate::time::UnixSeconds;
use crate::wire::tls::group_name;

/// What the two sides agreed on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsFacts {
    /// As in "TLS 1.3".
    pub version: String,
    /// As in "TLS_AES_256_GCM_SHA384".
    pub suite: String,
    /// As in "X25519".
    pub group: Option<String>,
    /// As in "http/1.1".
    pub alpn: Option<String>,
    /// The key exchanges of this side, where the seed rules; else none.
    pub agreed: Vec<KeyAgreement>,
    /// The RSA key exchange of this side, where there was one.
    pub pre_master: Option<Box<PreMaster>>,
    /// How the handshake went.
    pub handshake: HandshakeKind,
    /// The peer's certificates, leaf first; empty at a server that asks for none.
    pub chain: Vec<CertificateFacts>,
    /// Common name of the trust anchor that ends the chain; empty where there is no chain.
    pub anchor: String,
    /// At a server that asks for certificates: the client's leaf.
    pub client: Option<ClientLeaf>,
    /// At a server: the name that the client asked for (SNI), when one of its certificates is for that name.
    pub server_name: Option<String>,
    /// At a server: the certificate that it sent, by its name in the lab. None when a session was resumed.
    pub certificate: Option<String>,
}

/// The certificate that a client shows, in the words of a load balancer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientLeaf {
    /// Serial number, in hexadecimal digits, capitals as AWS has them.
    pub serial: String,
    /// Distinguished name of the issuer, as RFC 4514 writes it: the most special part first.
    pub issuer: String,
    /// Distinguished name of the subject, likewise.
    pub subject: String,
    /// First moment of validity.
    pub not_before: UnixSeconds,
    /// Last moment of validity.
    pub not_after: UnixSeconds,
    /// The certificate itself (RFC 7468 §5).
    pub pem: String,
    /// All that the client sent likewise, one after the other, the certificate itself first.
    pub chain_pem: String,
}

/// What a client's leaf says, the first of what it sent; `None` when it cannot be read.
pub(in crate::tls) fn client_leaf(chain: &[CertificateDer<'_>]) -> Option<ClientLeaf> {
    let der = chain.first()?;
    let parsed = Certificate::from_der(der).ok()?;
    let body = parsed.tbs_certificate();
    let moment = |t: x509_cert::time::Time| UnixSeconds(t.to_unix_duration().as_secs());
    let serial = body.serial_number().as_bytes();
    Some(ClientLeaf {
        serial: serial.iter().map(|b| format!("{b:02X}")).collect(),
        issuer: body.issuer().to_string(),
        subject: body.subject().to_string(),
        not_before: moment(body.validity().not_before),
        not_after: moment(body.validity().not_after),
        pem: certificate_pem(der),
        chain_pem: chain.iter().map(certificate_pem).collect(),
    })
}

fn certificate_pem(der: &CertificateDer<'_>) -> String {
    pem::encode_config(
        &pem::Pem::new("CERTIFICATE", der.to_vec()),
        pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF),
    )
}

pub(super) fn agreed(state: &CommonState) -> TlsFacts {
    let version = match state.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3".into(),
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2".into(),
        other => format!("{other:?}"),
    };
    // rustls names the suites of TLS 1.3 after the version, IANA does not.
    let suite = state
        .negotiated_cipher_suite()
        .map_or_else(String::new, |s| {
            format!("{:?}", s.suite()).replace("TLS13_", "TLS_")
        });
    let alpn = state.alpn_protocol();
    TlsFacts {
        version,
        suite,
        group: state
            .negotiated_key_exchange_group()
            .map(|g| group_name(u16::from(g.name()))),
        alpn: alpn.map(|p| String::from_utf8_lossy(p).into_owned()),
        agreed: Vec::new(),
        pre_master: None,
        handshake: match state.handshake_kind() {
            Some(rustls::HandshakeKind::FullWithHelloRetryRequest) => HandshakeKind::Retried,
            Some(rustls::HandshakeKind::Resumed) => HandshakeKind::Resumed,
            Some(_) | None => HandshakeKind::Full,
        },
        chain: Vec::new(),
        anchor: String::new(),
        client: None,
        server_name: None,
        certificate: None,
    }
}

/// What a DER certificate says. One that cannot be read is said to be so, with its size.
#[must_use]
pub fn certificate(der: &CertificateDer<'_>) -> CertificateFacts {
    let Ok(parsed) = Certificate::from_der(der) else {
        return CertificateFacts {
            subject: "(not readable)".into(),
            issuer: String::new(),
            names: Vec::new(),
            not_before: UnixSeconds(0),
            not_after: UnixSeconds(0),
            key: String::new(),
            bytes: der.len(),
        };
    };
    let body = parsed.tbs_certificate();
    let validity = body.validity();
    let moment = |t: x509_cert::time::Time| UnixSeconds(t.to_unix_duration().as_secs());
    let public = body.subject_public_key_info();
    let key = &public.algorithm;
    CertificateFacts {
        subject: common_name(body.subject()),
        issuer: common_name(body.issuer()),
        names: dns_names(&parsed),
        not_before: moment(validity.not_before),
        not_after: moment(validity.not_after),
        key: key_name(
            key.oid,
            key.parameters.as_ref().and_then(|p| p.to_der().ok()),
            public.subject_public_key.raw_bytes(),
        ),
        bytes: der.len(),
    }
}

/// The common name, or the whole distinguished name where there is none.
fn common_name(name: &Name) -> String {
    const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
    let attributes = name.iter_rdn().flat_map(|rdn| rdn.iter());
    for attribute in attributes {
        if attribute.oid == COMMON_NAME {
            // UTF8String or PrintableString: the content octets are the text.
            return String::from_utf8_lossy(attribute.value.value()).into_owned();
        }
    }
    name.to_string()
}

fn dns_names(certificate: &Certificate) -> Vec<String> {
    let extension = certificate
        .tbs_certificate()
        .get_extension::<SubjectAltName>();
    let Ok(Some((_, names))) = extension else {
        return Vec::new();
    };
    let mut dns = Vec::new();
    for name in &names.0 {
        if let GeneralName::DnsName(name) = name {
            dns.push(name.to_string());
        }
    }
    dns
}

fn key_name(algorithm: ObjectIdentifier, parameters: Option<Vec<u8>>, public: &[u8]) -> String {
    const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
    const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
    const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
    const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
    const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
    let curve = parameters.and_then(|p| ObjectIdentifier::from_der(&p).ok());
    match (algorithm, curve) {
        (EC, Some(P256)) => "P-256".into(),
        (EC, Some(P384)) => "P-384".into(),
        (RSA, _) => rsa_bits(public).map_or_else(|| "RSA".into(), |bits| format!("RSA-{bits}")),
        (ED25519, _) => "Ed25519".into(),
        (other, _) => other.to_string(),
    }
}

/// Bits of the modulus in an RSAPublicKey (RFC 8017 §A.1.1).
fn rsa_bits(public: &[u8]) -> Option<u32> {
    let key = rsa::pkcs1::RsaPublicKeyRef::from_der(public).ok()?;
    let modulus = key.modulus.as_bytes();
    let first = modulus.first()?;
    Some(u32::try_from(modulus.len()).ok()? * 8 - first.leading_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;
    use crate::tls::authority::Pki;
    use crate::tls::testing::spec;

    #[test]
    fn cut_or_changed_certificates_never_panic() {
        let pki = Pki::build(&spec(), Seed(1)).unwrap();
        let der = pki.identity("your-app").unwrap().chain()[0].to_vec();
        let facts = |bytes: &[u8]| certificate(&CertificateDer::from(bytes));
        for n in 0..der.len() {
            assert_eq!(facts(&der[..n]).subject, "(not readable)");
            assert_eq!(facts(&der[..n]).bytes, n);
            for bit in 0..8 {
                let mut changed = der.clone();
                changed[n] ^= 1 << bit;
                assert_eq!(facts(&changed).bytes, der.len());
            }
        }
    }

    #[test]
    fn keys_of_other_kinds_are_named() {
        let name = |oid| key_name(ObjectIdentifier::new_unwrap(oid), None, &[]);
        assert_eq!(name("1.2.840.113549.1.1.1"), "RSA");
        assert_eq!(name("1.3.101.112"), "Ed25519");
        let curve = ObjectIdentifier::new_unwrap("1.3.132.0.34")
            .to_der()
            .unwrap();
        let ec = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
        assert_eq!(key_name(ec, Some(curve), &[]), "P-384");
        assert_eq!(key_name(ec, None, &[]), "1.2.840.10045.2.1");
    }
}
