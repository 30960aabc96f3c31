//! The lab's certificate authorities: root, intermediate and server certificates, all made from the seed, so that
//! the same lab gives the same bytes. Authorities have P-256 keys, servers P-256 or RSA.

mod key;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyUsagePurpose, PublicKeyData,
    SerialNumber,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256};

use self::key::Key;
use super::config::{AuthoritySpec, CertificateSpec, KeyKind, PkiSpec};
use super::server::TicketKey;
use crate::rng::{Entropy, Rng, Stream};
use crate::time::UnixSeconds;

/// Why certificates could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PkiError {
    /// A certificate names an issuer that there is not.
    #[error("no authority is called `{0}`")]
    NoAuthority(String),
    /// Something asks for a certificate that there is not.
    #[error("no certificate is called `{0}`")]
    NoCertificate(String),
    /// Two authorities, or two certificates, have the same name.
    #[error("`{0}` is defined twice")]
    Twice(String),
    /// A certificate has no name that a client could ask for.
    #[error("certificate `{0}` has no names")]
    NoNames(String),
    /// A date that no certificate can hold: one after the year 9999.
    #[error("certificate `{0}` is valid beyond the year 9999")]
    Date(String),
    /// A name that no certificate can hold.
    #[error("failed to make certificate `{name}`")]
    Make {
        /// The certificate's name in the lab.
        name: String,
        /// Why.
        #[source]
        source: rcgen::Error,
    },
    /// A key that cannot be encoded.
    #[error("failed to encode a private key")]
    Key(#[from] p256::pkcs8::Error),
    /// An RSA key that cannot be made.
    #[error("failed to make an RSA key")]
    Rsa(#[from] rsa::Error),
    /// An RSA key that cannot be encoded.
    #[error("failed to encode an RSA key")]
    RsaKey(#[from] rsa::pkcs1::Error),
}

/// All keys and certificates of a run.
#[derive(Debug)]
pub struct Pki {
    roots: BTreeMap<String, CertificateDer<'static>>,
    certificates: BTreeMap<String, Identity>,
}

/// A server's certificate chain and private key.
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: Vec<u8>,
    ticket_key: TicketKey,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the private key.
        f.debug_struct("Identity")
            .field("chain", &self.chain)
            .finish_non_exhaustive()
    }
}

impl Identity {
    /// Leaf, then intermediate; the root stays at home.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The chain as PEM (RFC 7468 §5), leaf first.
    #[must_use]
    pub fn chain_pem(&self) -> String {
        self.chain.iter().map(|c| certificate_pem(c)).collect()
    }

    /// The private key as PEM (RFC 7468 §10).
    #[must_use]
    pub fn key_pem(&self) -> String {
        pem::encode(&pem::Pem::new("PRIVATE KEY", self.key().secret_der()))
    }

    /// The key with which its server seals session tickets.
    #[must_use]
    pub const fn ticket_key(&self) -> &TicketKey {
        &self.ticket_key
    }

    /// The private key, PKCS #8.
    #[must_use]
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()))
    }
}

impl Pki {
    /// Makes everything in `spec` from `entropy`. What is made depends on its own name and specification, not on what
    /// else there is.
    ///
    /// # Errors
    /// When a certificate names an unknown issuer, a name is given twice, or a certificate cannot hold what is asked
    /// of it.
    pub fn build(spec: &PkiSpec, entropy: impl Into<Entropy>) -> Result<Self, PkiError> {
        let entropy = entropy.into();
        let mut roots = BTreeMap::new();
        let mut authorities = BTreeMap::new();
        for authority in &spec.authorities {
            let made = Authority::build(authority, entropy)?;
            roots.insert(authority.name.clone(), made.root.clone());
            if authorities.insert(authority.name.as_str(), made).is_some() {
                return Err(PkiError::Twice(authority.name.clone()));
            }
        }
        let mut certificates = BTreeMap::new();
        for certificate in &spec.certificates {
            let authority = authorities
                .get(certificate.issuer.as_str())
                .ok_or_else(|| PkiError::NoAuthority(certificate.issuer.clone()))?;
            let made = authority.issue(certificate, entropy)?;
            if certificates
                .insert(certificate.name.clone(), made)
                .is_some()
            {
                return Err(PkiError::Twice(certificate.name.clone()));
            }
        }
        Ok(Self {
            roots,
            certificates,
        })
    }

    /// The root certificate of the authority called `name`.
    ///
    /// # Errors
    /// When there is none.
    pub fn root(&self, name: &str) -> Result<&CertificateDer<'static>, PkiError> {
        self.roots
            .get(name)
            .ok_or_else(|| PkiError::NoAuthority(name.into()))
    }

    /// The same as PEM.
    ///
    /// # Errors
    /// When there is none.
    pub fn root_pem(&self, name: &str) -> Result<String, PkiError> {
        self.root(name).map(certificate_pem)
    }

    /// The server certificate called `name`.
    ///
    /// # Errors
    /// When there is none.
    pub fn identity(&self, name: &str) -> Result<&Identity, PkiError> {
        self.certificates
            .get(name)
            .ok_or_else(|| PkiError::NoCertificate(name.into()))
    }
}

fn certificate_pem(certificate: &CertificateDer<'_>) -> String {
    pem::encode(&pem::Pem::new("CERTIFICATE", certificate.to_vec()))
}

struct Authority {
    root: CertificateDer<'static>,
    intermediate: CertificateDer<'static>,
    intermediate_params: CertificateParams,
    intermediate_key: Key,
}

impl Authority {
    fn build(spec: &AuthoritySpec, entropy: Entropy) -> Result<Self, PkiError> {
        let make = |source| PkiError::Make {
            name: spec.name.clone(),
            source,
        };
        let mut rng = entropy.stream(format_args!("pki/authority/{}", spec.name));
        let root_key = Key::p256(&mut rng);
        let validity = dates(&spec.name, spec.validity)?;
        let root_params =
            authority_params(&spec.root, None, validity, &root_key, &mut rng).map_err(make)?;
        let root = root_params.self_signed(&root_key).map_err(make)?;
        let key = Key::p256(&mut rng);
        // An intermediate that may issue leaves only (path length 0), as public ones are.
        let params = authority_params(&spec.intermediate, Some(0), validity, &key, &mut rng)
            .map_err(make)?;
        let issuer = Issuer::from_params(&root_params, root_key);
        let intermediate = params.signed_by(&key, &issuer).map_err(make)?;
        Ok(Self {
            root: root.der().clone(),
            intermediate: intermediate.der().clone(),
            intermediate_params: params,
            intermediate_key: key,
        })
    }

    fn issue(&self, spec: &CertificateSpec, entropy: Entropy) -> Result<Identity, PkiError> {
        let make = |source| PkiError::Make {
            name: spec.name.clone(),
            source,
        };
        let mut rng = entropy.stream(format_args!("pki/certificate/{}", spec.name));
        let key = Key::new(spec.key, &mut rng)?;
        let mut params = CertificateParams::new(spec.names.clone()).map_err(make)?;
        let common_name = spec
            .names
            .first()
            .ok_or_else(|| PkiError::NoNames(spec.name.clone()))?;
        params.distinguished_name = name(common_name).map_err(make)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = key_usages(spec.key);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        finish(
            &mut params,
            dates(&spec.name, spec.validity)?,
            &key,
            &mut rng,
        );
        let issuer = Issuer::from_params(&self.intermediate_params, &self.intermediate_key);
        let leaf = params.signed_by(&key, &issuer).map_err(make)?;
        Ok(Identity {
            chain: vec![leaf.der().clone(), self.intermediate.clone()],
            key: key.to_pkcs8()?,
            ticket_key: {
                let mut bytes = [0; 32];
                let stream = format_args!("pki/ticket-key/{}", spec.name);
                entropy.stream(stream).fill_bytes(&mut bytes);
                TicketKey::new(bytes)
            },
        })
    }
}

/// What a server's key may do (RFC 5280 §4.2.1.3): an ECDSA key signs, and does nothing else. An RSA key signs too; in
/// the RSA key exchange of TLS 1.2 it decrypts what the client chose.
fn key_usages(key: KeyKind) -> Vec<KeyUsagePurpose> {
    match key {
        KeyKind::P256 => vec![KeyUsagePurpose::DigitalSignature],
        KeyKind::Rsa2048 => vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
        ],
    }
}

/// `validity`, when a certificate can hold it.
fn dates(
    name: &str,
    validity: (UnixSeconds, UnixSeconds),
) -> Result<(UnixSeconds, UnixSeconds), PkiError> {
    /// 9999-12-31T23:59:59Z, which RFC 5280 §4.1.2.5 uses for "never".
    const LAST: UnixSeconds = UnixSeconds(253_402_300_799);
    if validity.0.max(validity.1) > LAST {
        return Err(PkiError::Date(name.into()));
    }
    Ok(validity)
}

fn authority_params(
    common_name: &str,
    path_length: Option<u8>,
    validity: (UnixSeconds, UnixSeconds),
    key: &Key,
    rng: &mut Stream,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = name(common_name)?;
    params.is_ca = IsCa::Ca(match path_length {
        None => BasicConstraints::Unconstrained,
        Some(n) => BasicConstraints::Constrained(n),
    });
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    finish(&mut params, validity, key, rng);
    Ok(params)
}

fn finish(
    params: &mut CertificateParams,
    validity: (UnixSeconds, UnixSeconds),
    key: &Key,
    rng: &mut Stream,
) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(validity.0.0);
    params.not_after = epoch + Duration::from_secs(validity.1.0);
    // RFC 5280 §4.1.2.2: positive, at most 20 octets. Sixteen random ones, the first not beginning with 0 bits that
    // DER would leave out, so that every seed gives certificates of one size.
    let mut serial = [0; 16];
    rng.fill_bytes(&mut serial);
    serial[0] = (serial[0] & 0x7f) | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    // RFC 7093 §2 method 4: a hash of the SubjectPublicKeyInfo, here its first 160 bits.
    let digest = Sha256::digest(key.subject_public_key_info());
    params.key_identifier_method = KeyIdMethod::PreSpecified(digest[..20].to_vec());
    params.use_authority_key_identifier_extension = true;
}

fn name(common_name: &str) -> Result<DistinguishedName, rcgen::Error> {
    let mut name = DistinguishedName::new();
    // RFC 5280 appendix A: a country is a PrintableString. rcgen's default is a UTF8String, which Wireshark reports
    // as malformed.
    let country = DnValue::PrintableString("US".try_into()?);
    name.push(DnType::CountryName, country);
    name.push(DnType::OrganizationName, "tunlab");
    name.push(DnType::CommonName, common_name);
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::CertificateFacts;
    use crate::rng::Seed;
    use crate::tls::facts;
    use crate::tls::testing::{spec, spec_with_rsa};

    #[test]
    fn certificates_depend_on_the_seed_and_their_own_name_only() {
        let one = Pki::build(&spec(), Seed(1)).unwrap();
        let identity = one.identity("your-app").unwrap();
        let mut fewer = spec();
        fewer.certificates.truncate(1);
        fewer.authorities.truncate(1);
        let again = Pki::build(&fewer, Seed(1)).unwrap();
        let again = again.identity("your-app").unwrap();
        assert_eq!(again.chain(), identity.chain());
        assert_eq!(again.key(), identity.key());
        let other = Pki::build(&spec(), Seed(2)).unwrap();
        let other = other.identity("your-app").unwrap();
        assert_ne!(other.chain(), identity.chain());
        assert_ne!(other.key(), identity.key());
    }

    #[test]
    fn rsa_keys_depend_on_the_seed_and_may_decrypt() {
        use x509_cert::Certificate;
        use x509_cert::der::Decode;
        use x509_cert::ext::pkix::KeyUsage;
        let build = |entropy: Entropy| Pki::build(&spec_with_rsa(), entropy).unwrap();
        let (one, again) = (build(Seed(1).into()), build(Seed(1).into()));
        let (one, again) = (one.identity("rsa").unwrap(), again.identity("rsa").unwrap());
        assert_eq!(one.chain(), again.chain());
        assert_eq!(one.key(), again.key());
        // Two runs on the system's randomness never share a key.
        let system = |byte| build(Entropy::System([byte; 32]));
        let (a, b) = (system(1), system(2));
        assert_ne!(
            a.identity("rsa").unwrap().key(),
            b.identity("rsa").unwrap().key()
        );
        assert_ne!(a.identity("rsa").unwrap().key(), one.key());

        assert_eq!(facts::certificate(&one.chain()[0]).key, "RSA-2048");
        let leaf = Certificate::from_der(&one.chain()[0]).unwrap();
        let usage = leaf.tbs_certificate().get_extension::<KeyUsage>();
        let (_, usage) = usage.unwrap().unwrap();
        assert!(usage.digital_signature() && usage.key_encipherment());
    }

    #[test]
    fn facts_say_what_was_asked_for() {
        let pki = Pki::build(&spec(), Seed(1)).unwrap();
        let chain = pki.identity("your-app").unwrap().chain();
        let leaf = facts::certificate(&chain[0]);
        let intermediate = facts::certificate(&chain[1]);
        assert_eq!(
            leaf,
            CertificateFacts {
                subject: "your-app.com".into(),
                issuer: "Tunlab Intermediate X1".into(),
                names: vec!["your-app.com".into(), "*.your-app.com".into()],
                not_before: UnixSeconds::from_ymd(2024, 1, 1),
                not_after: UnixSeconds::from_ymd(2025, 12, 31),
                key: "P-256".into(),
                bytes: chain[0].len(),
            }
        );
        assert_eq!(intermediate.issuer, "Tunlab Root R1");
        let root = facts::certificate(pki.root("lab-root").unwrap());
        assert_eq!(
            (root.subject, root.names),
            ("Tunlab Root R1".into(), vec![])
        );
        assert_eq!(
            pki.identity("lab-root").unwrap_err().to_string(),
            "no certificate is called `lab-root`"
        );
        assert_eq!(
            pki.root("your-app").unwrap_err().to_string(),
            "no authority is called `your-app`"
        );
    }

    #[test]
    fn what_cannot_be_made_is_said() {
        let fails = |change: fn(&mut PkiSpec)| {
            let mut spec = spec();
            change(&mut spec);
            Pki::build(&spec, Seed(1)).unwrap_err().to_string()
        };
        assert_eq!(
            fails(|s| s.certificates[0].issuer = "nobody".into()),
            "no authority is called `nobody`"
        );
        assert_eq!(
            fails(|s| s.certificates[1].name = "your-app".into()),
            "`your-app` is defined twice"
        );
        assert_eq!(
            fails(|s| s.certificates[0].names.clear()),
            "certificate `your-app` has no names"
        );
        assert_eq!(
            fails(|s| s.certificates[0].validity.1 = UnixSeconds(u64::MAX)),
            "certificate `your-app` is valid beyond the year 9999"
        );
        assert_eq!(
            fails(|s| s.certificates[0].names[0] = "bücher.example".into()),
            "failed to make certificate `your-app`"
        );
    }
}
