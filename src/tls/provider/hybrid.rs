//! X25519MLKEM768 from the seed (draft-ietf-tls-ecdhe-mlkem §4): a key encapsulation by ML-KEM-768 (FIPS 203) and an
//! X25519 agreement side by side, so that the secret stays one as long as either of them holds.

use ml_kem::kem::{Decapsulate, KeyExport};
use ml_kem::{DecapsulationKey, EncapsulationKey, MlKem768, Seed};
use rustls::crypto::{ActiveKeyExchange, CompletedKeyExchange, SharedSecret, SupportedKxGroup};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::{Error, NamedGroup, PeerMisbehaved, ProtocolVersion};

use super::X25519;
use crate::event::KeyAgreement;
use crate::tls::random::{draw, tell};

/// Bytes of an encapsulation key, the first part of a client's share.
const KEY: usize = 1184;
/// Bytes of a ciphertext, the first part of a server's share.
const CIPHERTEXT: usize = 1088;

/// The group.
#[derive(Debug)]
pub(super) struct Hybrid;

pub(super) static X25519MLKEM768: Hybrid = Hybrid;

impl SupportedKxGroup for Hybrid {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let mut seed = Seed::default();
        draw(&mut seed);
        let private = DecapsulationKey::<MlKem768>::from_seed(seed);
        let seed = seed.to_vec();
        let x25519 = X25519.start()?;
        let mut share = private.encapsulation_key().to_bytes().to_vec();
        share.extend_from_slice(x25519.pub_key());
        Ok(Box::new(Exchange {
            private,
            seed,
            x25519,
            share,
        }))
    }

    /// The server's side: its share is made for the client's.
    fn start_and_complete(&self, peer: &[u8]) -> Result<CompletedKeyExchange, Error> {
        let (key, point) = split(peer, KEY)?;
        // Checked as FIPS 203 §7.2 asks: numbers that are not reduced are refused.
        let key = key.try_into().map_err(|_| refused())?;
        let key = EncapsulationKey::<MlKem768>::new(key).map_err(|_| refused())?;
        let mut message = ml_kem::B32::default();
        draw(&mut message);
        let (ciphertext, secret) = key.encapsulate_deterministic(&message);
        let x25519 = X25519.start_and_complete(point)?;
        let mut share = ciphertext.to_vec();
        share.extend_from_slice(&x25519.pub_key);
        let shared = joined(&secret, &x25519.secret);
        tell(KeyAgreement {
            group: self.name().into(),
            private: message.to_vec(),
            public: share.clone(),
            peer: peer.to_vec(),
            shared: shared.clone(),
        });
        Ok(CompletedKeyExchange {
            group: self.name(),
            pub_key: share,
            secret: shared.into(),
        })
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn usable_for_version(&self, version: ProtocolVersion) -> bool {
        version == ProtocolVersion::TLSv1_3
    }
}

/// The client's side, waiting for the server's share.
struct Exchange {
    private: DecapsulationKey<MlKem768>,
    /// What the private key is made of.
    seed: Vec<u8>,
    x25519: Box<dyn ActiveKeyExchange>,
    share: Vec<u8>,
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let (ciphertext, point) = split(peer, CIPHERTEXT)?;
        let ciphertext = ciphertext.try_into().map_err(|_| refused())?;
        let secret = self.private.decapsulate(ciphertext);
        let x25519 = self.x25519.complete(point)?;
        let shared = joined(&secret, &x25519);
        tell(KeyAgreement {
            group: NamedGroup::X25519MLKEM768.into(),
            private: self.seed,
            public: self.share,
            peer: peer.to_vec(),
            shared: shared.clone(),
        });
        Ok(shared.into())
    }

    /// A server without the hybrid may take the X25519 share alone: the client offers both.
    fn hybrid_component(&self) -> Option<(NamedGroup, &[u8])> {
        Some((self.x25519.group(), self.x25519.pub_key()))
    }

    fn complete_hybrid_component(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        self.x25519.complete(peer)
    }

    fn pub_key(&self) -> &[u8] {
        &self.share
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }
}

/// The part of ML-KEM, and the 32 bytes of X25519 behind it.
fn split(share: &[u8], at: usize) -> Result<(&[u8], &[u8]), Error> {
    if share.len() != at + 32 {
        return Err(refused());
    }
    Ok(share.split_at(at))
}

fn refused() -> Error {
    PeerMisbehaved::InvalidKeyShare.into()
}

fn joined(ml_kem: &[u8], x25519: &SharedSecret) -> Vec<u8> {
    [ml_kem, x25519.secret_bytes()].concat()
}
