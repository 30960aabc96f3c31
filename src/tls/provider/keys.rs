//! Private keys whose signatures the seed rules: ECDSA by RFC 6979, RSA by PKCS #1 v1.5 (both functions of key and
//! message), and RSA-PSS with a drawn salt.

use std::fmt;
use std::sync::Arc;

use p256::ecdsa::signature::Signer as _;
use rsa::Pkcs1v15Sign;
use rsa::sha2::{Digest, Sha256, Sha384, Sha512};
use rustls::pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};
use rustls::sign::{Signer, SigningKey};
use rustls::{Error, OtherError, SignatureAlgorithm, SignatureScheme};

use crate::tls::random::Drawn;

/// Loads the lab's keys for the seeded provider.
#[derive(Debug)]
pub(super) struct SeededKeys;

impl rustls::crypto::KeyProvider for SeededKeys {
    fn load_private_key(&self, key: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        use rsa::pkcs8::DecodePrivateKey;
        let PrivateKeyDer::Pkcs8(der) = &key else {
            return Err(Error::General("the lab's keys are PKCS #8".into()));
        };
        let der = der.secret_pkcs8_der();
        if let Ok(key) = rsa::PrivateKey::from_pkcs8_der(der) {
            return Ok(Arc::new(RsaKey(Arc::new(key))));
        }
        let key = p256::ecdsa::SigningKey::from_pkcs8_der(der)
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

/// An RSA key.
struct RsaKey(Arc<rsa::PrivateKey>);

impl fmt::Debug for RsaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an RSA key")
    }
}

impl SigningKey for RsaKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let mut schemes = RsaScheme::PREFERRED.into_iter();
        let scheme = schemes.find(|s| offered.contains(&s.name()))?;
        let key = self.0.clone();
        Some(Box::new(RsaSigner { key, scheme }))
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        use rsa::pkcs8::EncodePublicKey;
        let der = self.0.to_public_key().to_public_key_der().ok()?;
        Some(SubjectPublicKeyInfoDer::from(der.as_bytes().to_vec()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::RSA
    }
}

/// How an RSA key signs.
#[derive(Debug, Clone, Copy)]
enum RsaScheme {
    Pss(Hash),
    Pkcs1(Hash),
}

#[derive(Debug, Clone, Copy)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl RsaScheme {
    /// Best first, in the engine's own order for stock keys. PKCS #1 v1.5 is for TLS 1.2 alone (RFC 8446 §4.2.3).
    const PREFERRED: [Self; 6] = [
        Self::Pss(Hash::Sha512),
        Self::Pss(Hash::Sha384),
        Self::Pss(Hash::Sha256),
        Self::Pkcs1(Hash::Sha512),
        Self::Pkcs1(Hash::Sha384),
        Self::Pkcs1(Hash::Sha256),
    ];

    const fn name(self) -> SignatureScheme {
        match self {
            Self::Pss(Hash::Sha256) => SignatureScheme::RSA_PSS_SHA256,
            Self::Pss(Hash::Sha384) => SignatureScheme::RSA_PSS_SHA384,
            Self::Pss(Hash::Sha512) => SignatureScheme::RSA_PSS_SHA512,
            Self::Pkcs1(Hash::Sha256) => SignatureScheme::RSA_PKCS1_SHA256,
            Self::Pkcs1(Hash::Sha384) => SignatureScheme::RSA_PKCS1_SHA384,
            Self::Pkcs1(Hash::Sha512) => SignatureScheme::RSA_PKCS1_SHA512,
        }
    }
}

#[derive(Debug)]
struct RsaSigner {
    key: Arc<rsa::PrivateKey>,
    scheme: RsaScheme,
}

impl Signer for RsaSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let (key, rng) = (&self.key, &mut Drawn);
        // PSS draws its salt and what blinds the key operation. PKCS #1 v1.5 goes without blinding: what it would hide
        // from a stopwatch follows from the seed anyway.
        let signed = match self.scheme {
            RsaScheme::Pss(Hash::Sha256) => key.pss_sign_with_rng::<Sha256, _>(rng, message),
            RsaScheme::Pss(Hash::Sha384) => key.pss_sign_with_rng::<Sha384, _>(rng, message),
            RsaScheme::Pss(Hash::Sha512) => key.pss_sign_with_rng::<Sha512, _>(rng, message),
            RsaScheme::Pkcs1(Hash::Sha256) => {
                key.sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message))
            }
            RsaScheme::Pkcs1(Hash::Sha384) => {
                key.sign(Pkcs1v15Sign::new::<Sha384>(), &Sha384::digest(message))
            }
            RsaScheme::Pkcs1(Hash::Sha512) => {
                key.sign(Pkcs1v15Sign::new::<Sha512>(), &Sha512::digest(message))
            }
        };
        signed.map_err(|e| Error::Other(OtherError(Arc::new(e))))
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme.name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;
    use crate::tls::random::Randomness;

    #[test]
    fn rsa_signatures_come_from_the_stream_and_verify() {
        use rsa::pkcs8::EncodePrivateKey;
        use rustls::pki_types::PrivatePkcs8KeyDer;
        let secret = rsa::PrivateKey::new(&mut Seed(1).stream("key"), 2048).unwrap();
        let der = secret.to_pkcs8_der().unwrap();
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der.as_bytes().to_vec()));
        let loaded = rustls::crypto::KeyProvider::load_private_key(&SeededKeys, der).unwrap();
        let public = secret.to_public_key();
        for scheme in RsaScheme::PREFERRED {
            let sign = |name| {
                let signer = loaded.choose_scheme(&[scheme.name()]).unwrap();
                assert_eq!(signer.scheme(), scheme.name());
                let mut stream = Randomness::seeded(Seed(1).stream(name));
                stream.scope(|| signer.sign(b"message")).unwrap()
            };
            let (a, b, again) = (sign("a"), sign("b"), sign("a"));
            assert_eq!(a, again, "{scheme:?}");
            let salted = matches!(scheme, RsaScheme::Pss(_));
            assert_eq!(a != b, salted, "{scheme:?}: only a salt makes a difference");
            let good = match scheme {
                RsaScheme::Pss(Hash::Sha256) => public.pss_verify::<Sha256>(b"message", &a),
                RsaScheme::Pss(Hash::Sha384) => public.pss_verify::<Sha384>(b"message", &a),
                RsaScheme::Pss(Hash::Sha512) => public.pss_verify::<Sha512>(b"message", &a),
                RsaScheme::Pkcs1(Hash::Sha256) => public.pkcs1v15_verify::<Sha256>(b"message", &a),
                RsaScheme::Pkcs1(Hash::Sha384) => public.pkcs1v15_verify::<Sha384>(b"message", &a),
                RsaScheme::Pkcs1(Hash::Sha512) => public.pkcs1v15_verify::<Sha512>(b"message", &a),
            };
            assert!(good.is_ok(), "{scheme:?}");
        }
        assert!(
            loaded.choose_scheme(&[SignatureScheme::ED25519]).is_none(),
            "an RSA key signs with RSA"
        );
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
