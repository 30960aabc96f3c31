//! The crypto providers, which offer the same. AEAD, HKDF and verification are aws-lc-rs's own in both; where a seed
//! rules, the random source, the key exchange and the signatures are ours.

mod hybrid;
mod keys;

use std::fmt;

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey};
use rustls::crypto::{
    ActiveKeyExchange, CryptoProvider, GetRandomFailed, SecureRandom, SharedSecret,
    SupportedKxGroup,
};
use rustls::{Error, NamedGroup, PeerMisbehaved};

use self::keys::SeededKeys;
use super::config::{Group, Suite};
use super::random::{draw, tell};
use crate::event::KeyAgreement;

/// Where a seed rules: key exchange from drawn private keys, signatures that need no randomness or draw theirs. Same
/// streams, same bytes on the wire. Draws from the stream in scope, and from nothing else.
pub(super) fn seeded(groups: &[Group], suites: &[Suite]) -> CryptoProvider {
    let group = |g: &Group| -> &'static dyn SupportedKxGroup {
        match g {
            Group::X25519MlKem768 => &hybrid::X25519MLKEM768,
            Group::X25519 => &X25519,
            Group::P256 => &SECP256R1,
            Group::P384 => &SECP384R1,
        }
    };
    CryptoProvider {
        kx_groups: groups.iter().map(group).collect(),
        secure_random: &SeededRandom,
        key_provider: &SeededKeys,
        ..system(&[], suites)
    }
}

/// Where randomness comes from the operating system. The same groups and suites in the same order as above: a node
/// offers the same in both worlds.
pub(super) fn system(groups: &[Group], suites: &[Suite]) -> CryptoProvider {
    use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
    let group = |g: &Group| match g {
        Group::X25519MlKem768 => kx_group::X25519MLKEM768,
        Group::X25519 => kx_group::X25519,
        Group::P256 => kx_group::SECP256R1,
        Group::P384 => kx_group::SECP384R1,
    };
    let provider = default_provider();
    let known = &provider.cipher_suites;
    let suite = |s: &Suite| known.iter().find(|k| u16::from(k.suite()) == s.0).copied();
    CryptoProvider {
        cipher_suites: suites.iter().filter_map(suite).collect(),
        kx_groups: groups.iter().map(group).collect(),
        ..provider
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

/// An elliptic curve whose private keys are made of seeded bytes; the arithmetic is aws-lc's.
struct Curve {
    name: NamedGroup,
    algorithm: &'static agreement::Algorithm,
    /// Bytes of a private key.
    scalar: usize,
}

static X25519: Curve = Curve {
    name: NamedGroup::X25519,
    algorithm: &agreement::X25519,
    scalar: 32,
};
static SECP256R1: Curve = Curve {
    name: NamedGroup::secp256r1,
    algorithm: &agreement::ECDH_P256,
    scalar: 32,
};
static SECP384R1: Curve = Curve {
    name: NamedGroup::secp384r1,
    algorithm: &agreement::ECDH_P384,
    scalar: 48,
};

impl fmt::Debug for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} from the seed", self.name)
    }
}

impl SupportedKxGroup for Curve {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        // A P-256 scalar is out of range once in 2^32 draws: a few tries are enough for ever.
        for _ in 0..8 {
            let mut scalar = vec![0; self.scalar];
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
                scalar,
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
    scalar: Vec<u8>,
    public: Vec<u8>,
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let theirs = UnparsedPublicKey::new(self.private.algorithm(), peer);
        let bad: Error = PeerMisbehaved::InvalidKeyShare.into();
        let shared = agreement::agree(&self.private, theirs, bad, |secret| Ok(secret.to_vec()))?;
        tell(KeyAgreement {
            group: self.name.into(),
            private: self.scalar,
            public: self.public,
            peer: peer.to_vec(),
            shared: shared.clone(),
        });
        Ok(shared.into())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;
    use crate::tls::random::Randomness;

    #[test]
    fn both_sides_of_an_exchange_agree_and_keys_come_from_the_stream() {
        let all = Group::WORDS.map(|(_, group)| group);
        for group in seeded(&all, &Suite::USUAL).kx_groups {
            let start = |name| {
                let mut stream = Randomness::seeded(Seed(1).stream(name));
                stream.scope(|| group.start()).unwrap()
            };
            let (a, b, again) = (start("a"), start("b"), start("a"));
            assert_eq!(a.pub_key(), again.pub_key(), "{:?}", group.name());
            let pub_a = a.pub_key().to_vec();
            assert_ne!(pub_a, b.pub_key());
            // The server's way: its share depends on the client's where a KEM is in the group.
            let serve = |peer: &[u8]| {
                let mut stream = Randomness::seeded(Seed(1).stream("server"));
                stream.scope(|| group.start_and_complete(peer))
            };
            let server = serve(&pub_a).unwrap();
            assert_eq!(server.pub_key, serve(&pub_a).unwrap().pub_key);
            let client = a.complete(&server.pub_key).unwrap();
            assert_eq!(client.secret_bytes(), server.secret.secret_bytes());
            assert!(again.complete(&[0; 32]).is_err(), "a bad share is refused");
            assert!(serve(&[0; 32]).is_err(), "by both sides");
        }
    }

    /// Whatever group is added: what it agrees on is told, as both sides have it.
    #[test]
    fn every_exchange_is_told() {
        let all = Group::WORDS.map(|(_, group)| group);
        for group in seeded(&all, &Suite::USUAL).kx_groups {
            let mut client = Randomness::seeded(Seed(1).stream("client"));
            let mut server = Randomness::seeded(Seed(1).stream("server"));
            let exchange = client.scope(|| group.start()).unwrap();
            let share = exchange.pub_key().to_vec();
            let answer = server.scope(|| group.start_and_complete(&share)).unwrap();
            let secret = client.scope(|| exchange.complete(&answer.pub_key)).unwrap();
            let told = [client.take_agreed(), server.take_agreed()].map(|mut t| t.pop().unwrap());
            for (told, public, peer) in [
                (&told[0], &share, &answer.pub_key),
                (&told[1], &answer.pub_key, &share),
            ] {
                assert_eq!(told.group, u16::from(group.name()));
                assert_eq!((&told.public, &told.peer), (public, peer));
                assert_eq!(told.shared, secret.secret_bytes());
            }
            assert_ne!(told[0].private, told[1].private);
            assert!(client.take_agreed().is_empty());
        }
    }
}
