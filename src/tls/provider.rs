//! The crypto providers, which offer the same. AEAD, HKDF and verification are aws-lc-rs's own in both; where a seed
//! rules, the random source, the key exchange and the signatures are ours.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey};
use p256::ecdsa::signature::Signer as _;
use rustls::crypto::{
    ActiveKeyExchange, CryptoProvider, GetRandomFailed, SecureRandom, SharedSecret,
    SupportedKxGroup,
};
use rustls::pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};
use rustls::sign::{Signer, SigningKey};
use rustls::{Error, NamedGroup, OtherError, PeerMisbehaved, SignatureAlgorithm, SignatureScheme};

use super::random::draw;

/// Where a node's cryptography takes its randomness from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The stream in scope, of the run's seed. Only ever in virtual worlds.
    Seed,
    /// The operating system.
    System,
}

impl Source {
    pub(super) fn provider(self) -> CryptoProvider {
        let native = rustls::crypto::aws_lc_rs::default_provider();
        match self {
            // The same groups in the same order: a node offers the same in both worlds.
            Self::System => CryptoProvider {
                kx_groups: vec![
                    rustls::crypto::aws_lc_rs::kx_group::X25519,
                    rustls::crypto::aws_lc_rs::kx_group::SECP256R1,
                ],
                ..native
            },
            Self::Seed => CryptoProvider {
                kx_groups: vec![&X25519, &SECP256R1],
                secure_random: &SeededRandom,
                key_provider: &SeededKeys,
                ..native
            },
        }
    }
}

#[derive(Debug)]
struct SeededRandom;

impl SecureRandom for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        draw(bytes);
        Ok(())
    }
}

/// A group whose private keys are made of seeded bytes; the arithmetic is aws-lc's.
struct Group {
    name: NamedGroup,
    algorithm: &'static agreement::Algorithm,
}

static X25519: Group = Group {
    name: NamedGroup::X25519,
    algorithm: &agreement::X25519,
};
static SECP256R1: Group = Group {
    name: NamedGroup::secp256r1,
    algorithm: &agreement::ECDH_P256,
};

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} from the seed", self.name)
    }
}

impl SupportedKxGroup for Group {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        // A P-256 scalar is out of range once in 2^32 draws: a few tries are enough for ever.
        for _ in 0..8 {
            let mut scalar = [0; 32];
            draw(&mut scalar);
            let Ok(private) = PrivateKey::from_private_key(self.algorithm, &scalar) else {
                continue;
            };
            let Ok(public) = private.compute_public_key() else {
                continue;
            };
            return Ok(Box::new(Exchange {
                name: self.name,
                public: public.as_ref().to_vec(),
                private,
            }));
        }
        Err(Error::FailedToGetRandomBytes)
    }

    fn name(&self) -> NamedGroup {
        self.name
    }

    fn ffdhe_group(&self) -> Option<rustls::ffdhe_groups::FfdheGroup<'static>> {
        None
    }
}

struct Exchange {
    name: NamedGroup,
    private: PrivateKey,
    public: Vec<u8>,
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let peer = UnparsedPublicKey::new(self.private.algorithm(), peer);
        let bad: Error = PeerMisbehaved::InvalidKeyShare.into();
        agreement::agree(&self.private, peer, bad, |secret| {
            Ok(SharedSecret::from(secret))
        })
    }

    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn group(&self) -> NamedGroup {
        self.name
    }

    fn ffdhe_group(&self) -> Option<rustls::ffdhe_groups::FfdheGroup<'static>> {
        None
    }
}

#[derive(Debug)]
struct SeededKeys;

impl rustls::crypto::KeyProvider for SeededKeys {
    fn load_private_key(&self, key: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        use p256::pkcs8::DecodePrivateKey;
        let PrivateKeyDer::Pkcs8(der) = &key else {
            return Err(Error::General("the lab's keys are PKCS #8".into()));
        };
        let key = p256::ecdsa::SigningKey::from_pkcs8_der(der.secret_pkcs8_der())
            .map_err(|e| Error::Other(OtherError(Arc::new(e))))?;
        Ok(Arc::new(EcdsaKey(key)))
    }
}

/// A P-256 key that signs by RFC 6979: the same message gives the same signature.
struct EcdsaKey(p256::ecdsa::SigningKey);

impl fmt::Debug for EcdsaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a P-256 key")
    }
}

impl SigningKey for EcdsaKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered
            .contains(&SignatureScheme::ECDSA_NISTP256_SHA256)
            .then(|| Box::new(Self(self.0.clone())) as Box<dyn Signer>)
    }

    /// rustls then checks that key and certificate belong together.
    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        use p256::pkcs8::EncodePublicKey;
        let der = p256::PublicKey::from(self.0.verifying_key())
            .to_public_key_der()
            .ok()?;
        Some(SubjectPublicKeyInfoDer::from(der.as_bytes().to_vec()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for EcdsaKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let signature: p256::ecdsa::Signature = self.0.sign(message);
        Ok(signature.to_der().as_bytes().to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ECDSA_NISTP256_SHA256
    }
}
