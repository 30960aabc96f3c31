//! The lab's certificate authorities: root, intermediate and server certificates, all made from the seed, so that
//! the same lab gives the same bytes. Authorities have P-256 keys, servers P-256 or RSA.

mod issue;
mod key;

use std::collections::BTreeMap;
use std::fmt;

use rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer, PrivatePkcs8KeyDer,
};

use self::issue::Authority;
use super::config::{Issuer, PkiSpec};
use super::server::TicketKey;
use crate::rng::Entropy;

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
    /// Of the authorities that keep one.
    crls: BTreeMap<String, CertificateRevocationListDer<'static>>,
    certificates: BTreeMap<String, Identity>,
}

/// A certificate chain and the private key that its owner has.
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
    /// What its server sends: leaf first, then most often its intermediate; the root stays at home.
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

    /// What the keys come from with which its servers seal session tickets: each listener has its own.
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
        let mut revoked: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for certificate in &spec.certificates {
            let issued = match &certificate.issuer {
                Issuer::Itself => issue::self_signed(certificate, entropy)?,
                Issuer::Authority(name) => {
                    let authority = authorities.get(name.as_str());
                    let authority = authority.ok_or_else(|| PkiError::NoAuthority(name.clone()))?;
                    let issued = authority.issue(certificate, entropy)?;
                    if let Some(at) = certificate.revoked {
                        let list = revoked.entry(name).or_default();
                        list.push((issued.serial.clone(), at));
                    }
                    issued
                }
            };
            if certificates
                .insert(certificate.name.clone(), issued.identity)
                .is_some()
            {
                return Err(PkiError::Twice(certificate.name.clone()));
            }
        }
        let mut crls = BTreeMap::new();
        for authority in &spec.authorities {
            let name = authority.name.as_str();
            if let (Some(list), Some(made)) = (authority.crl, authorities.get(name)) {
                let revoked = revoked.get(name).map_or(&[][..], Vec::as_slice);
                crls.insert(name.to_owned(), made.revoke(name, list, revoked)?);
            }
        }
        let mut pki = Self {
            roots,
            crls,
            certificates,
        };
        pki.exchange_keys(spec)?;
        Ok(pki)
    }

    /// Gives servers that have another certificate's private key that key.
    fn exchange_keys(&mut self, spec: &PkiSpec) -> Result<(), PkiError> {
        let mut exchanged = Vec::new();
        for certificate in &spec.certificates {
            if let Some(other) = &certificate.private_key_of {
                exchanged.push((&certificate.name, self.identity(other)?.key.clone()));
            }
        }
        for (name, key) in exchanged {
            if let Some(identity) = self.certificates.get_mut(name) {
                identity.key = key;
            }
        }
        Ok(())
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

    /// The revocation list of the authority called `name`, DER; `None` when it keeps none.
    ///
    /// # Errors
    /// When there is no such authority.
    pub fn crl(
        &self,
        name: &str,
    ) -> Result<Option<&CertificateRevocationListDer<'static>>, PkiError> {
        self.root(name)?;
        Ok(self.crls.get(name))
    }

    /// The certificate called `name`, and its key.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::CertificateFacts;
    use crate::rng::Seed;
    use crate::time::UnixSeconds;
    use crate::tls::config::{CertificateSpec, ChainPart, CrlSpec, Signature};
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

    /// A flipped bit, another's key, a longer chain, a revocation: none of them moves anything else.
    #[test]
    fn mistakes_are_made_as_asked_and_change_nothing_else() {
        let whole = Pki::build(&spec(), Seed(1)).unwrap();
        let whole = whole.identity("your-app").unwrap();
        let with = |change: fn(&mut CertificateSpec)| {
            let mut spec = spec();
            change(&mut spec.certificates[0]);
            Pki::build(&spec, Seed(1)).unwrap()
        };
        let broken = with(|c| c.signature = Signature::Broken);
        let broken = broken.identity("your-app").unwrap();
        assert_eq!(broken.chain()[1], whole.chain()[1]);
        let (a, b) = (&broken.chain()[0], &whole.chain()[0]);
        let differ: Vec<u8> = a.iter().zip(b.iter()).map(|(a, b)| a ^ b).collect();
        assert_eq!(differ.iter().map(|b| b.count_ones()).sum::<u32>(), 1);
        assert_eq!(differ.last(), Some(&1));

        let stolen = with(|c| c.private_key_of = Some("old".into()));
        let old = stolen.identity("old").unwrap().key();
        let stolen = stolen.identity("your-app").unwrap();
        assert_eq!(stolen.chain(), whole.chain());
        assert_eq!(stolen.key(), old);
        assert_ne!(stolen.key(), whole.key());

        let long = with(|c| c.chain.push(ChainPart::Root));
        let root = long.root("lab-root").unwrap();
        let long = long.identity("your-app").unwrap().chain();
        assert_eq!((&long[..2], &long[2]), (whole.chain(), root));

        let itself = with(|c| (c.issuer, c.chain) = (Issuer::Itself, vec![ChainPart::Leaf]));
        let [itself] = itself.identity("your-app").unwrap().chain() else {
            panic!("a self-signed certificate is alone");
        };
        let facts = facts::certificate(itself);
        assert_eq!(
            (facts.issuer, facts.subject.as_str()),
            (facts.subject.clone(), "your-app.com")
        );
    }

    #[test]
    fn a_revocation_list_names_what_was_revoked_before_it_was_made() {
        use x509_cert::crl::CertificateList;
        use x509_cert::der::Decode;
        let date = |day| UnixSeconds::from_ymd(2025, 11, day);
        let mut spec = spec();
        spec.authorities[0].crl = Some(CrlSpec {
            this_update: date(4),
            next_update: date(11),
        });
        spec.certificates[0].revoked = Some(date(4));
        spec.certificates[1].revoked = Some(date(5));
        let pki = Pki::build(&spec, Seed(1)).unwrap();
        assert_eq!(pki.crl("other-root").unwrap(), None);
        assert!(pki.crl("nobody").is_err());
        let list = CertificateList::from_der(pki.crl("lab-root").unwrap().unwrap()).unwrap();
        let list = list.tbs_cert_list;
        assert_eq!(list.this_update.to_unix_duration().as_secs(), date(4).0);
        let revoked = list.revoked_certificates.unwrap();
        let [one] = revoked.as_slice() else {
            panic!("{revoked:?}")
        };
        let leaf = &pki.identity("your-app").unwrap().chain()[0];
        let leaf = x509_cert::Certificate::from_der(leaf).unwrap();
        assert_eq!(one.serial_number, *leaf.tbs_certificate().serial_number());
    }

    #[test]
    fn what_cannot_be_made_is_said() {
        let fails = |change: fn(&mut PkiSpec)| {
            let mut spec = spec();
            change(&mut spec);
            Pki::build(&spec, Seed(1)).unwrap_err().to_string()
        };
        assert_eq!(
            fails(|s| s.certificates[0].issuer = Issuer::Authority("nobody".into())),
            "no authority is called `nobody`"
        );
        assert_eq!(
            fails(|s| s.certificates[0].private_key_of = Some("nobody".into())),
            "no certificate is called `nobody`"
        );
        assert_eq!(
            fails(|s| s.certificates[1].name = "your-app".into()),
            "`your-app` is defined twice"
        );
        assert_eq!(
            fails(|s| s.certificates[0].common_name.clear()),
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
