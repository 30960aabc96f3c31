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

/// Where a seed rules: key exchange from drawn private keys, and RFC 6979 signatures, which need no randomness. Same
/// streams, same bytes on the wire. Draws from the stream in scope, and from nothing else.
pub(super) fn seeded() -> CryptoProvider {
    CryptoProvider {
        kx_groups: vec![&X25519, &SECP256R1],
        secure_random: &SeededRandom,
        key_provider: &SeededKeys,
        ..system()
    }
}

/// Where randomness comes from the operating system. The same groups in the same order as above: a node offers the same
/// in both worlds.
pub(super) fn system() -> CryptoProvider {
    use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
    CryptoProvider {
        kx_groups: vec![kx_group::X25519, kx_group::SECP256R1],
        ..default_provider()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;
    use crate::tls::random::Randomness;

    #[test]
    fn both_sides_of_an_exchange_agree_and_keys_come_from_the_stream() {
        for group in seeded().kx_groups {
            let start = |name| {
                let mut stream = Randomness::seeded(Seed(1).stream(name));
                stream.scope(|| group.start()).unwrap()
            };
            let (a, b, again) = (start("a"), start("b"), start("a"));
            assert_eq!(a.pub_key(), again.pub_key(), "{:?}", group.name());
            let (pub_a, pub_b) = (a.pub_key().to_vec(), b.pub_key().to_vec());
            assert_ne!(pub_a, pub_b);
            let one = a.complete(&pub_b).unwrap();
            let other = b.complete(&pub_a).unwrap();
            assert_eq!(one.secret_bytes(), other.secret_bytes());
            assert!(again.complete(&[0; 32]).is_err(), "a bad share is refused");
        }
    }

    #[test]
    fn signatures_are_the_test_vector_of_rfc_6979() {
        // RFC 6979 §A.2.5, P-256 with SHA-256, message "sample".
        let key = p256::ecdsa::SigningKey::from_slice(&unhex(
            "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721",
        ))
        .unwrap();
        let der = EcdsaKey(key).sign(b"sample").unwrap();
        let r = "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716";
        let s = "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8";
        assert_eq!(
            der,
            unhex(&format!("3046022100{r}022100{s}")),
            "both numbers have their first bit set"
        );
    }

    fn unhex(text: &str) -> Vec<u8> {
        let digit = |i| u8::from_str_radix(&text[i..i + 2], 16).unwrap();
        (0..text.len()).step_by(2).map(digit).collect()
    }
}
