//! Making certificates and revocation lists.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, DnValue, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyIdMethod, KeyUsagePurpose,
    NameConstraints, PublicKeyData, RevokedCertParams, SerialNumber,
};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use sha2::{Digest, Sha256};

use super::key::Key;
use super::{Identity, PkiError};
use crate::rng::{Entropy, Rng, Stream};
use crate::time::UnixSeconds;
use crate::tls::config::{
    AuthoritySpec, CertificateSpec, ChainPart, CrlSpec, KeyKind, KeyUse, Purpose, Signature,
    Validity,
};
use crate::tls::server::TicketKey;

/// A root and the intermediate below it, which issues.
pub(super) struct Authority {
    pub(super) root: CertificateDer<'static>,
    intermediate: CertificateDer<'static>,
    intermediate_params: CertificateParams,
    intermediate_key: Key,
}

/// What was issued, and the serial number by which it can be revoked.
pub(super) struct Issued {
    pub(super) identity: Identity,
    pub(super) serial: SerialNumber,
}

impl Authority {
    pub(super) fn build(spec: &AuthoritySpec, entropy: Entropy) -> Result<Self, PkiError> {
        let make = |source| PkiError::Make {
            name: spec.name.clone(),
            source,
        };
        let mut rng = entropy.stream(format_args!("pki/authority/{}", spec.name));
        let root_key = Key::p256(&mut rng);
        let mut root_params = authority_params(spec, &spec.root, None).map_err(make)?;
        let validity = dates(&spec.name, spec.root_validity)?;
        finish(&mut root_params, validity, &root_key, &mut rng);
        let root = root_params.self_signed(&root_key).map_err(make)?;
        let key = Key::p256(&mut rng);
        // An intermediate that may issue leaves only (path length 0), as public ones are.
        let mut params = authority_params(spec, &spec.intermediate, Some(0)).map_err(make)?;
        params.name_constraints = name_constraints(spec);
        let validity = dates(&spec.name, spec.intermediate_validity)?;
        finish(&mut params, validity, &key, &mut rng);
        let issuer = rcgen::Issuer::from_params(&root_params, root_key);
        let intermediate = params.signed_by(&key, &issuer).map_err(make)?;
        Ok(Self {
            root: root.der().clone(),
            intermediate: intermediate.der().clone(),
            intermediate_params: params,
            intermediate_key: key,
        })
    }

    pub(super) fn issue(
        &self,
        spec: &CertificateSpec,
        entropy: Entropy,
    ) -> Result<Issued, PkiError> {
        let (params, key) = leaf(spec, entropy)?;
        let leaf = params.signed_by(&key, &self.issuer());
        let leaf = sealed(spec, leaf)?;
        let part = |part: &ChainPart| match part {
            ChainPart::Leaf => leaf.clone(),
            ChainPart::Intermediate => self.intermediate.clone(),
            ChainPart::Root => self.root.clone(),
        };
        let chain = spec.chain.iter().map(part).collect();
        issued(spec, entropy, params, chain, &key)
    }

    /// The revocation list made at `list.this_update`, of all `revoked` until then.
    pub(super) fn revoke(
        &self,
        name: &str,
        list: CrlSpec,
        revoked: &[(SerialNumber, UnixSeconds)],
    ) -> Result<CertificateRevocationListDer<'static>, PkiError> {
        let (this_update, next_update) = dates(name, (list.this_update, list.next_update))?;
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        let known = revoked.iter().filter(|(_, at)| *at <= list.this_update);
        let params = CertificateRevocationListParams {
            this_update: epoch + since_epoch(this_update),
            next_update: epoch + since_epoch(next_update),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: known
                .map(|(serial, at)| RevokedCertParams {
                    serial_number: serial.clone(),
                    revocation_time: epoch + since_epoch(*at),
                    reason_code: None,
                    invalidity_date: None,
                })
                .collect(),
            key_identifier_method: self.intermediate_params.key_identifier_method.clone(),
        };
        let made = params.signed_by(&self.issuer());
        made.map(|list| list.der().clone())
            .map_err(|source| PkiError::Make {
                name: name.into(),
                source,
            })
    }

    fn issuer(&self) -> rcgen::Issuer<'_, &Key> {
        rcgen::Issuer::from_params(&self.intermediate_params, &self.intermediate_key)
    }
}

/// A certificate that is its own issuer: nobody vouches for it.
pub(super) fn self_signed(spec: &CertificateSpec, entropy: Entropy) -> Result<Issued, PkiError> {
    let (params, key) = leaf(spec, entropy)?;
    let leaf = sealed(spec, params.self_signed(&key))?;
    issued(spec, entropy, params, vec![leaf], &key)
}

/// What stands in a server's or client's certificate, and its key.
fn leaf(spec: &CertificateSpec, entropy: Entropy) -> Result<(CertificateParams, Key), PkiError> {
    let make = |source| PkiError::Make {
        name: spec.name.clone(),
        source,
    };
    if spec.common_name.is_empty() {
        return Err(PkiError::NoNames(spec.name.clone()));
    }
    let mut rng = entropy.stream(format_args!("pki/certificate/{}", spec.name));
    let key = Key::new(spec.key, &mut rng)?;
    let mut params = CertificateParams::new(spec.names.clone()).map_err(make)?;
    params.distinguished_name =
        name(AuthoritySpec::ORGANIZATION, &spec.common_name).map_err(make)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = match &spec.key_usage {
        Some(uses) => uses.iter().copied().map(key_usage).collect(),
        None => key_usages(spec.key),
    };
    params.extended_key_usages = vec![match spec.purpose {
        Purpose::Server => ExtendedKeyUsagePurpose::ServerAuth,
        Purpose::Client => ExtendedKeyUsagePurpose::ClientAuth,
    }];
    let validity = dates(&spec.name, spec.validity)?;
    finish(&mut params, validity, &key, &mut rng);
    Ok((params, key))
}

/// The certificate as it goes out, its signature broken where the lab wants it so.
fn sealed(
    spec: &CertificateSpec,
    made: Result<rcgen::Certificate, rcgen::Error>,
) -> Result<CertificateDer<'static>, PkiError> {
    let made = made.map_err(|source| PkiError::Make {
        name: spec.name.clone(),
        source,
    })?;
    let mut der = made.der().to_vec();
    match spec.signature {
        Signature::Good => {}
        // The signature ends the certificate (RFC 5280 §4.1). In its last byte is the end of a number (ECDSA) or of
        // the whole (RSA): whatever stands there, the encoding stays right.
        Signature::Broken => {
            if let Some(last) = der.last_mut() {
                *last ^= 1;
            }
        }
    }
    Ok(der.into())
}

fn issued(
    spec: &CertificateSpec,
    entropy: Entropy,
    params: CertificateParams,
    chain: Vec<CertificateDer<'static>>,
    key: &Key,
) -> Result<Issued, PkiError> {
    let mut ticket_key = [0; 32];
    let stream = format_args!("pki/ticket-key/{}", spec.name);
    entropy.stream(stream).fill_bytes(&mut ticket_key);
    let identity = Identity {
        chain,
        key: key.to_pkcs8()?,
        ticket_key: TicketKey::new(ticket_key),
    };
    let serial = params.serial_number;
    Ok(Issued {
        identity,
        serial: serial.expect("every certificate is given a serial number"),
    })
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

const fn key_usage(key_use: KeyUse) -> KeyUsagePurpose {
    match key_use {
        KeyUse::DigitalSignature => KeyUsagePurpose::DigitalSignature,
        KeyUse::KeyEncipherment => KeyUsagePurpose::KeyEncipherment,
        KeyUse::KeyAgreement => KeyUsagePurpose::KeyAgreement,
        KeyUse::KeyCertSign => KeyUsagePurpose::KeyCertSign,
    }
}

fn name_constraints(spec: &AuthoritySpec) -> Option<NameConstraints> {
    let subtrees = |domains: &[String]| -> Vec<GeneralSubtree> {
        domains
            .iter()
            .cloned()
            .map(GeneralSubtree::DnsName)
            .collect()
    };
    let (permits, excludes) = (subtrees(&spec.permits), subtrees(&spec.excludes));
    // RFC 5280 §4.2.1.10: the extension must not be empty.
    (!permits.is_empty() || !excludes.is_empty()).then_some(NameConstraints {
        permitted_subtrees: permits,
        excluded_subtrees: excludes,
    })
}

/// `validity`, when a certificate can hold it.
fn dates(name: &str, validity: Validity) -> Result<Validity, PkiError> {
    /// 9999-12-31T23:59:59Z, which RFC 5280 §4.1.2.5 uses for "never".
    const LAST: UnixSeconds = UnixSeconds(253_402_300_799);
    if validity.0.max(validity.1) > LAST {
        return Err(PkiError::Date(name.into()));
    }
    Ok(validity)
}

fn since_epoch(at: UnixSeconds) -> Duration {
    Duration::from_secs(at.0)
}

fn authority_params(
    spec: &AuthoritySpec,
    common_name: &str,
    path_length: Option<u8>,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = name(&spec.organization, common_name)?;
    params.is_ca = IsCa::Ca(match path_length {
        None => BasicConstraints::Unconstrained,
        Some(n) => BasicConstraints::Constrained(n),
    });
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn finish(params: &mut CertificateParams, validity: Validity, key: &Key, rng: &mut Stream) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + since_epoch(validity.0);
    params.not_after = epoch + since_epoch(validity.1);
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

fn name(organization: &str, common_name: &str) -> Result<DistinguishedName, rcgen::Error> {
    let mut name = DistinguishedName::new();
    // RFC 5280 appendix A: a country is a PrintableString. rcgen's default is a UTF8String, which Wireshark reports
    // as malformed.
    let country = DnValue::PrintableString("US".try_into()?);
    name.push(DnType::CountryName, country);
    name.push(DnType::OrganizationName, organization);
    name.push(DnType::CommonName, common_name);
    Ok(name)
}
