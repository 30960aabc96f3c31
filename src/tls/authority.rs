//! The lab's certificate authorities: root, intermediate and server certificates, all made from the seed, so that
//! the same lab gives the same bytes. Keys are P-256, signatures RFC 6979.

use std::collections::BTreeMap;

use p256::ecdsa::signature::Signer as _;
use p256::pkcs8::EncodePrivateKey;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyUsagePurpose, PublicKeyData,
    SerialNumber,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256};

use super::config::{AuthoritySpec, CertificateSpec, PkiSpec};
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
    /// A name or date that no certificate can hold.
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
}

/// All keys and certificates of a run.
pub struct Pki {
    roots: BTreeMap<String, CertificateDer<'static>>,
    certificates: BTreeMap<String, Identity>,
}

/// A server's certificate chain and private key.
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: Vec<u8>,
}

impl Identity {
    /// Leaf, then intermediate; the root stays at home.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
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
    /// When a certificate names an unknown issuer, or holds what no certificate can.
    pub fn build(spec: &PkiSpec, entropy: Entropy) -> Result<Self, PkiError> {
        let mut roots = BTreeMap::new();
        let mut authorities = BTreeMap::new();
        for authority in &spec.authorities {
            let made = Authority::build(authority, entropy)?;
            roots.insert(authority.name.clone(), made.root.clone());
            authorities.insert(authority.name.as_str(), made);
        }
        let mut certificates = BTreeMap::new();
        for certificate in &spec.certificates {
            let authority = authorities
                .get(certificate.issuer.as_str())
                .ok_or_else(|| PkiError::NoAuthority(certificate.issuer.clone()))?;
            certificates.insert(
                certificate.name.clone(),
                authority.issue(certificate, entropy)?,
            );
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
        let root_key = Key::new(&mut rng);
        let root_params =
            authority_params(&spec.root, None, spec.validity, &root_key, &mut rng).map_err(make)?;
        let root = root_params.self_signed(&root_key).map_err(make)?;
        let key = Key::new(&mut rng);
        // An intermediate that may issue leaves only (path length 0), as public ones are.
        let params = authority_params(&spec.intermediate, Some(0), spec.validity, &key, &mut rng)
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
        let key = Key::new(&mut rng);
        let mut params = CertificateParams::new(spec.names.clone()).map_err(make)?;
        let common_name = spec.names.first().map_or("", String::as_str);
        params.distinguished_name = name(common_name).map_err(make)?;
        params.is_ca = IsCa::ExplicitNoCa;
        // RFC 5280 §4.2.1.3: an ECDSA server key signs, and does nothing else.
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        finish(&mut params, spec.validity, &key, &mut rng);
        let issuer = Issuer::from_params(&self.intermediate_params, &self.intermediate_key);
        let leaf = params.signed_by(&key, &issuer).map_err(make)?;
        Ok(Identity {
            chain: vec![leaf.der().clone(), self.intermediate.clone()],
            key: key.secret.to_pkcs8_der()?.as_bytes().to_vec(),
        })
    }
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
    let moment = |t: UnixSeconds| {
        let day = std::time::Duration::from_secs(t.0 % 86_400);
        let (y, m, d) = t.to_ymd();
        rcgen::date_time_ymd(y, m, d) + day
    };
    params.not_before = moment(validity.0);
    params.not_after = moment(validity.1);
    // RFC 5280 §4.1.2.2: positive, at most 20 octets. Sixteen random ones, the first not beginning with 0 bits that
    // DER would leave out, so that every seed gives certificates of one size.
    let mut serial = [0; 16];
    rng.fill_bytes(&mut serial);
    serial[0] = (serial[0] & 0x7f) | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    // RFC 7093 §2 method 1 would be the left 160 bits of SHA-256 of the key; here it is of the whole key info.
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

/// A P-256 key from the seed.
#[derive(Clone)]
struct Key {
    secret: p256::ecdsa::SigningKey,
    /// SEC 1 uncompressed point.
    public: Vec<u8>,
}

impl Key {
    fn new(rng: &mut Stream) -> Self {
        // Out of range once in 2^32 draws.
        loop {
            let mut scalar = [0; 32];
            rng.fill_bytes(&mut scalar);
            if let Ok(secret) = p256::ecdsa::SigningKey::from_bytes(&scalar.into()) {
                let public = secret.verifying_key().to_sec1_point(false);
                let public = public.as_bytes().to_vec();
                return Self { secret, public };
            }
        }
    }
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }
    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature: p256::ecdsa::Signature = self.secret.sign(message);
        Ok(signature.to_der().as_bytes().to_vec())
    }
}
