//! A private key of the lab, made from a random stream.

use p256::ecdsa::signature::Signer as _;
use p256::pkcs8::EncodePrivateKey;
use rcgen::PublicKeyData;
use rsa::pkcs1::EncodeRsaPublicKey;
use rsa::sha2::Sha256;

use super::PkiError;
use crate::rng::{Rng, Stream};
use crate::tls::config::KeyKind;

/// A private key, with its public half as X.509 encodes it.
#[derive(Clone)]
pub(super) struct Key {
    secret: Secret,
    /// P-256: the SEC 1 uncompressed point. RSA: RSAPublicKey (RFC 8017 §A.1.1).
    public: Vec<u8>,
}

#[derive(Clone)]
enum Secret {
    P256(p256::ecdsa::SigningKey),
    Rsa(Box<rsa::PrivateKey>),
}

impl Key {
    /// A key of this kind. The same stream gives the same key.
    pub(super) fn new(kind: KeyKind, rng: &mut Stream) -> Result<Self, PkiError> {
        match kind {
            KeyKind::P256 => Ok(Self::p256(rng)),
            KeyKind::Rsa2048 => Self::rsa(2048, rng),
        }
    }

    /// A P-256 key.
    pub(super) fn p256(rng: &mut Stream) -> Self {
        // Out of range once in 2^32 draws.
        loop {
            let mut scalar = [0; 32];
            rng.fill_bytes(&mut scalar);
            if let Ok(secret) = p256::ecdsa::SigningKey::from_bytes(&scalar.into()) {
                let public = secret.verifying_key().to_sec1_point(false);
                let public = public.as_bytes().to_vec();
                let secret = Secret::P256(secret);
                return Self { secret, public };
            }
        }
    }

    /// An RSA key with the public exponent 65537. Two random primes of 1024 bits cost 44 ms of computing in the mean of
    /// 60 keys, 10 to 93 ms each (dependencies are optimised in every profile); a P-256 key costs well under 1 ms.
    fn rsa(bits: usize, rng: &mut Stream) -> Result<Self, PkiError> {
        let secret = rsa::PrivateKey::new(rng, bits)?;
        let public = secret.to_public_key().to_pkcs1_der()?.into_vec();
        Ok(Self {
            secret: Secret::Rsa(Box::new(secret)),
            public,
        })
    }

    /// The private key as PKCS #8.
    pub(super) fn to_pkcs8(&self) -> Result<Vec<u8>, PkiError> {
        let document = match &self.secret {
            Secret::P256(key) => key.to_pkcs8_der()?,
            Secret::Rsa(key) => key.to_pkcs8_der()?,
        };
        Ok(document.as_bytes().to_vec())
    }
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }
    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        match self.secret {
            Secret::P256(_) => &rcgen::PKCS_ECDSA_P256_SHA256,
            Secret::Rsa(_) => &rcgen::PKCS_RSA_SHA256,
        }
    }
}

impl rcgen::SigningKey for Key {
    /// Both kinds of signature are functions of key and message: RFC 6979, and PKCS #1 v1.5.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        match &self.secret {
            Secret::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                Ok(signature.to_der().as_bytes().to_vec())
            }
            Secret::Rsa(key) => key
                .pkcs1v15_sign::<Sha256>(message)
                .map_err(|_| rcgen::Error::RemoteKeyError),
        }
    }
}
