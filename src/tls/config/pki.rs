//! Keys and certificates as a lab file describes them, mistakes included: what is wrong with a certificate is said
//! here, and found out by the clients that look at it.

use crate::time::UnixSeconds;

/// First and last moment of a certificate's validity, both included (RFC 5280 §4.1.2.5).
pub type Validity = (UnixSeconds, UnixSeconds);

/// A certificate authority of the lab: a root, and one intermediate below it. P-256 keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthoritySpec {
    /// Its name in the lab, as in `lab-root`.
    pub name: String,
    /// Organization in the names of both certificates.
    pub organization: String,
    /// Common name of the root.
    pub root: String,
    /// Validity of the root.
    pub root_validity: Validity,
    /// Common name of the intermediate.
    pub intermediate: String,
    /// Validity of the intermediate.
    pub intermediate_validity: Validity,
    /// Domains that the intermediate may issue for, all when empty (name constraints, RFC 5280 §4.2.1.10).
    pub permits: Vec<String>,
    /// Domains that it may not issue for.
    pub excludes: Vec<String>,
    /// The list of what the intermediate took back, when it keeps one.
    pub crl: Option<CrlSpec>,
}

impl AuthoritySpec {
    /// An authority like most: no constraints, no revocation list, both certificates valid for the same time.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        root: impl Into<String>,
        intermediate: impl Into<String>,
        validity: Validity,
    ) -> Self {
        Self {
            name: name.into(),
            organization: Self::ORGANIZATION.into(),
            root: root.into(),
            root_validity: validity,
            intermediate: intermediate.into(),
            intermediate_validity: validity,
            permits: Vec::new(),
            excludes: Vec::new(),
            crl: None,
        }
    }

    /// The organization where none is said.
    pub const ORGANIZATION: &str = "tunlab";
}

/// A certificate revocation list (RFC 5280 §5). It names the certificates that were revoked until it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrlSpec {
    /// When it was made.
    pub this_update: UnixSeconds,
    /// When the next one is due: from then on it says nothing.
    pub next_update: UnixSeconds,
}

/// Kinds of key that a certificate can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum KeyKind {
    /// ECDSA on the curve P-256.
    #[default]
    P256,
    /// RSA with a modulus of 2048 bits and the public exponent 65537.
    Rsa2048,
}

impl KeyKind {
    /// As in "RSA-2048".
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::Rsa2048 => "RSA-2048",
        }
    }
}

/// Who signed a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Issuer {
    /// The intermediate of an [`AuthoritySpec`], by name.
    Authority(String),
    /// Its own key.
    Itself,
}

/// A certificate in what a server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainPart {
    /// The server's own.
    Leaf,
    /// The intermediate that issued it.
    Intermediate,
    /// The root above that, which a client must have already.
    Root,
}

impl ChainPart {
    /// All, with their words in lab files.
    pub const WORDS: [(&str, Self); 3] = [
        ("leaf", Self::Leaf),
        ("intermediate", Self::Intermediate),
        ("root", Self::Root),
    ];
}

/// What a certificate is for (extended key usage, RFC 5280 §4.2.1.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Purpose {
    /// TLS servers.
    #[default]
    Server,
    /// TLS clients.
    Client,
}

/// What a certificate's key may do (key usage, RFC 5280 §4.2.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyUse {
    /// Sign, as in ECDHE handshakes and TLS 1.3.
    DigitalSignature,
    /// Decrypt keys, as in RSA key exchange.
    KeyEncipherment,
    /// Agree on keys, as in static ECDH.
    KeyAgreement,
    /// Sign certificates, as authorities do.
    KeyCertSign,
}

impl KeyUse {
    /// All, with their words in lab files.
    pub const WORDS: [(&str, Self); 4] = [
        ("digital-signature", Self::DigitalSignature),
        ("key-encipherment", Self::KeyEncipherment),
        ("key-agreement", Self::KeyAgreement),
        ("key-cert-sign", Self::KeyCertSign),
    ];
}

/// Whether a certificate's signature is as its issuer made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Signature {
    /// It verifies.
    #[default]
    Good,
    /// Its last bit is flipped.
    Broken,
}

/// A certificate of the lab, and the key that goes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateSpec {
    /// Its name in the lab, as in `your-app`.
    pub name: String,
    /// Who issued it.
    pub issuer: Issuer,
    /// Its common name. Clients do not look at it (RFC 9525 §2).
    pub common_name: String,
    /// Subject alternative names (dNSName). Without any, it is nobody's.
    pub names: Vec<String>,
    /// The kind of its key.
    pub key: KeyKind,
    /// Validity.
    pub validity: Validity,
    /// What its server sends, in this order.
    pub chain: Vec<ChainPart>,
    /// What it is for.
    pub purpose: Purpose,
    /// What its key may do; `None` is what its kind is good for.
    pub key_usage: Option<Vec<KeyUse>>,
    /// Whether its signature is whole.
    pub signature: Signature,
    /// When its issuer took it back.
    pub revoked: Option<UnixSeconds>,
    /// Another certificate, by name, whose private key its server has instead of this one's.
    pub private_key_of: Option<String>,
}

impl CertificateSpec {
    /// A server certificate without a mistake: sent with its intermediate, named after the first of `names`.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        authority: impl Into<String>,
        names: Vec<String>,
        validity: Validity,
    ) -> Self {
        Self {
            name: name.into(),
            issuer: Issuer::Authority(authority.into()),
            common_name: names.first().cloned().unwrap_or_default(),
            names,
            key: KeyKind::default(),
            validity,
            chain: Self::CHAIN.to_vec(),
            purpose: Purpose::default(),
            key_usage: None,
            signature: Signature::default(),
            revoked: None,
            private_key_of: None,
        }
    }

    /// What a server sends where nothing else is said: all but the root.
    pub const CHAIN: [ChainPart; 2] = [ChainPart::Leaf, ChainPart::Intermediate];
}

/// All keys and certificates of a lab.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PkiSpec {
    /// Authorities.
    pub authorities: Vec<AuthoritySpec>,
    /// Certificates.
    pub certificates: Vec<CertificateSpec>,
}

impl PkiSpec {
    /// Every date in it.
    pub fn dates_mut(&mut self) -> impl Iterator<Item = &mut UnixSeconds> {
        let authorities = self.authorities.iter_mut().flat_map(|a| {
            let (root, intermediate) = (&mut a.root_validity, &mut a.intermediate_validity);
            let crl = a.crl.as_mut();
            let crl = crl.map(|c| [&mut c.this_update, &mut c.next_update]);
            [
                &mut root.0,
                &mut root.1,
                &mut intermediate.0,
                &mut intermediate.1,
            ]
            .into_iter()
            .chain(crl.into_iter().flatten())
        });
        let certificates = self.certificates.iter_mut().flat_map(|c| {
            [&mut c.validity.0, &mut c.validity.1]
                .into_iter()
                .chain(&mut c.revoked)
        });
        authorities.chain(certificates)
    }
}
