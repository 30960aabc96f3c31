//! What the operations of a TLS connection cost on this machine, beside what the text says. The clock is an argument,
//! and the randomness aws-lc's own: nothing here takes part in a run.

use std::time::Duration;

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::error::{KeyRejected, Unspecified};
use aws_lc_rs::kem::{DecapsulationKey, ML_KEM_768};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{
    KeySize, Pkcs1PrivateDecryptingKey, Pkcs1PublicEncryptingKey, PrivateDecryptingKey,
};
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair,
};

mod page;

pub(super) use page::factors;
pub use page::{Report, page, report};

/// An operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// A pre-master secret of 48 bytes, encrypted as in RSA key exchange.
    RsaEncrypt,
    /// The same, decrypted: the operation with the private key.
    RsaDecrypt,
    /// A signature with the private key.
    RsaSign,
    /// Its check.
    RsaVerify,
    /// A signature.
    EcdsaSign,
    /// Its check.
    EcdsaVerify,
    /// An ephemeral key pair.
    X25519Generate,
    /// The shared secret.
    X25519Agree,
    /// An ephemeral key pair of the post-quantum half.
    MlKemGenerate,
    /// A secret for somebody's public key.
    MlKemEncapsulate,
    /// The secret taken out.
    MlKemDecapsulate,
    /// 1 KiB sealed.
    Aes128Kib,
    /// 1 KiB sealed.
    Aes256Kib,
    /// A record of 16 KiB sealed.
    Aes128Record,
    /// A record of 16 KiB sealed.
    Aes256Record,
}

impl Work {
    /// All of them, in the order of the page.
    pub const ALL: [Self; 15] = [
        Self::RsaEncrypt,
        Self::RsaDecrypt,
        Self::RsaSign,
        Self::RsaVerify,
        Self::EcdsaSign,
        Self::EcdsaVerify,
        Self::X25519Generate,
        Self::X25519Agree,
        Self::MlKemGenerate,
        Self::MlKemEncapsulate,
        Self::MlKemDecapsulate,
        Self::Aes128Kib,
        Self::Aes256Kib,
        Self::Aes128Record,
        Self::Aes256Record,
    ];

    /// What it is.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RsaEncrypt => "RSA-2048 encrypt (public key)",
            Self::RsaDecrypt => "RSA-2048 decrypt (private key)",
            Self::RsaSign => "RSA-2048 sign (private key)",
            Self::RsaVerify => "RSA-2048 verify (public key)",
            Self::EcdsaSign => "ECDSA P-256 sign",
            Self::EcdsaVerify => "ECDSA P-256 verify",
            Self::X25519Generate => "X25519 key pair",
            Self::X25519Agree => "X25519 shared secret",
            Self::MlKemGenerate => "ML-KEM-768 key pair",
            Self::MlKemEncapsulate => "ML-KEM-768 encapsulate",
            Self::MlKemDecapsulate => "ML-KEM-768 decapsulate",
            Self::Aes128Kib => "AES-128-GCM, 1 KiB",
            Self::Aes256Kib => "AES-256-GCM, 1 KiB",
            Self::Aes128Record => "AES-128-GCM, 16 KiB",
            Self::Aes256Record => "AES-256-GCM, 16 KiB",
        }
    }
}

/// Keys for the operations could not be made, or an operation fails.
#[derive(Debug, thiserror::Error)]
#[error("the operation `{0}` fails")]
pub struct CostError(&'static str);

/// An operation that is ready to be done over and over.
pub struct Bench {
    /// Which one.
    pub work: Work,
    run: Box<dyn FnMut() -> Result<(), Unspecified>>,
}

/// How long an operation takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// Which one.
    pub work: Work,
    /// The median of the batches, for one operation, in nanoseconds.
    pub nanos: f64,
    /// The fastest and the slowest batch, likewise.
    pub range: (f64, f64),
}

/// A batch lasts at least this long, so that the clock's own steps do not show.
const BATCH: Duration = Duration::from_millis(2);

/// Operations in a batch at most.
const BATCH_MAX: u32 = 1 << 20;

/// Makes keys and data for an operation, and does it once.
///
/// # Errors
/// When aws-lc refuses.
pub fn prepare(work: Work) -> Result<Bench, CostError> {
    let refused = |_| CostError(work.name());
    let mut run = ready(work).map_err(refused)?;
    run().map_err(refused)?;
    Ok(Bench { work, run })
}

/// Measures: `batches` batches of as many operations as take 2 ms, of which the median counts, so that what else the
/// machine does in between does not. `now` is any clock that only goes forwards.
///
/// # Errors
/// When the operation fails.
pub fn measure(
    bench: &mut Bench,
    batches: usize,
    now: &mut dyn FnMut() -> Duration,
) -> Result<Cost, CostError> {
    let name = bench.work.name();
    let mut batch = |count: u32| -> Result<Duration, CostError> {
        let begin = now();
        for _ in 0..count {
            (bench.run)().map_err(|_| CostError(name))?;
        }
        Ok(now().saturating_sub(begin))
    };
    let mut count = 1;
    while count < BATCH_MAX && batch(count)? < BATCH {
        count *= 2;
    }
    let mut each = Vec::new();
    for _ in 0..batches.max(1) {
        each.push(batch(count)?.as_nanos() as f64 / f64::from(count));
    }
    each.sort_by(f64::total_cmp);
    Ok(Cost {
        work: bench.work,
        nanos: each[each.len() / 2],
        range: (each[0], each[each.len() - 1]),
    })
}

type Run = Box<dyn FnMut() -> Result<(), Unspecified>>;

/// An error of aws-lc says nothing but that there is one.
fn rejected(_: KeyRejected) -> Unspecified {
    Unspecified
}

fn ready(work: Work) -> Result<Run, Unspecified> {
    match work {
        Work::RsaEncrypt => {
            let (public, _) = rsa_encryption()?;
            let mut out = vec![0; 256];
            Ok(Box::new(move || {
                public.encrypt(&PRE_MASTER, &mut out).map(drop)
            }))
        }
        Work::RsaDecrypt => {
            let (public, private) = rsa_encryption()?;
            let mut encrypted = vec![0; 256];
            let encrypted = public.encrypt(&PRE_MASTER, &mut encrypted)?.to_vec();
            let mut out = vec![0; 256];
            Ok(Box::new(move || {
                private.decrypt(&encrypted, &mut out).map(drop)
            }))
        }
        Work::RsaSign => {
            let key = RsaKeyPair::generate(KeySize::Rsa2048)?;
            let (random, mut out) = (SystemRandom::new(), vec![0; 256]);
            Ok(Box::new(move || {
                key.sign(&RSA_PKCS1_SHA256, &random, MESSAGE, &mut out)
            }))
        }
        Work::RsaVerify => {
            let key = RsaKeyPair::generate(KeySize::Rsa2048)?;
            let mut signature = vec![0; 256];
            key.sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                MESSAGE,
                &mut signature,
            )?;
            let public = key.public_key().as_ref().to_vec();
            Ok(verify(&RSA_PKCS1_2048_8192_SHA256, public, signature))
        }
        Work::EcdsaSign => {
            let (key, random) = (ecdsa()?, SystemRandom::new());
            Ok(Box::new(move || key.sign(&random, MESSAGE).map(drop)))
        }
        Work::EcdsaVerify => {
            let key = ecdsa()?;
            let signature = key.sign(&SystemRandom::new(), MESSAGE)?.as_ref().to_vec();
            let public = key.public_key().as_ref().to_vec();
            Ok(verify(&ECDSA_P256_SHA256_ASN1, public, signature))
        }
        Work::X25519Generate => Ok(Box::new(|| {
            PrivateKey::generate(&agreement::X25519)?
                .compute_public_key()
                .map(drop)
        })),
        Work::X25519Agree => {
            let own = PrivateKey::generate(&agreement::X25519)?;
            let peer = PrivateKey::generate(&agreement::X25519)?.compute_public_key()?;
            let peer = UnparsedPublicKey::new(&agreement::X25519, peer.as_ref().to_vec());
            Ok(Box::new(move || {
                agreement::agree(&own, &peer, Unspecified, |_| Ok(()))
            }))
        }
        Work::MlKemGenerate => Ok(Box::new(|| {
            DecapsulationKey::generate(&ML_KEM_768)?
                .encapsulation_key()
                .map(drop)
        })),
        Work::MlKemEncapsulate => {
            let public = DecapsulationKey::generate(&ML_KEM_768)?.encapsulation_key()?;
            Ok(Box::new(move || public.encapsulate().map(drop)))
        }
        Work::MlKemDecapsulate => {
            let private = DecapsulationKey::generate(&ML_KEM_768)?;
            let (ciphertext, _) = private.encapsulation_key()?.encapsulate()?;
            let ciphertext = ciphertext.as_ref().to_vec();
            Ok(Box::new(move || {
                private.decapsulate(ciphertext.as_slice().into()).map(drop)
            }))
        }
        Work::Aes128Kib => sealing(&AES_128_GCM, 1 << 10),
        Work::Aes256Kib => sealing(&AES_256_GCM, 1 << 10),
        Work::Aes128Record => sealing(&AES_128_GCM, 1 << 14),
        Work::Aes256Record => sealing(&AES_256_GCM, 1 << 14),
    }
}

const PRE_MASTER: [u8; 48] = [3; 48];

/// What is signed: a handshake signature covers about this much.
const MESSAGE: &[u8] = &[7; 130];

fn rsa_encryption() -> Result<(Pkcs1PublicEncryptingKey, Pkcs1PrivateDecryptingKey), Unspecified> {
    let key = PrivateDecryptingKey::generate(KeySize::Rsa2048)?;
    let public = Pkcs1PublicEncryptingKey::new(key.public_key())?;
    Ok((public, Pkcs1PrivateDecryptingKey::new(key)?))
}

fn ecdsa() -> Result<EcdsaKeyPair, Unspecified> {
    let pkcs8 =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())?;
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref()).map_err(rejected)
}

/// Parses the public key each time, as somebody does who gets it in a certificate.
fn verify(
    algorithm: &'static dyn signature::VerificationAlgorithm,
    public: Vec<u8>,
    signature: Vec<u8>,
) -> Run {
    Box::new(move || {
        signature::UnparsedPublicKey::new(algorithm, &public).verify(MESSAGE, &signature)
    })
}

fn sealing(algorithm: &'static Algorithm, bytes: usize) -> Result<Run, Unspecified> {
    let key = LessSafeKey::new(UnboundKey::new(algorithm, &vec![1; algorithm.key_len()])?);
    let mut data = vec![0; bytes];
    Ok(Box::new(move || {
        // The same nonce each time: the key protects nothing.
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut data)
            .map(drop)
    }))
}

/// All costs, by operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Costs(pub Vec<Cost>);

impl Costs {
    /// Nanoseconds of an operation; zero when it was not measured.
    #[must_use]
    pub fn nanos(&self, work: Work) -> f64 {
        let found = self.0.iter().find(|c| c.work == work);
        found.map_or(0.0, |c| c.nanos)
    }

    /// Nanoseconds of many.
    #[must_use]
    pub fn sum(&self, works: &[(u32, Work)]) -> f64 {
        works
            .iter()
            .map(|(n, w)| f64::from(*n) * self.nanos(*w))
            .sum()
    }
}

/// A handshake: the operations of each side that cost something. Hashing and key derivation take a few microseconds more.
#[derive(Debug, Clone, Copy)]
pub struct Handshake {
    /// Which one.
    pub name: &'static str,
    /// What the client computes, with how often; its chain has a leaf and an intermediate, so two signatures, beside
    /// that of the handshake.
    pub client: &'static [(u32, Work)],
    /// What the server computes.
    pub server: &'static [(u32, Work)],
}

/// The handshakes of the page.
pub const HANDSHAKES: [Handshake; 4] = [
    Handshake {
        name: "TLS 1.2, RSA key exchange",
        client: &[(1, Work::RsaEncrypt), (2, Work::RsaVerify)],
        server: &[(1, Work::RsaDecrypt)],
    },
    Handshake {
        name: "TLS 1.3, X25519, RSA certificate",
        client: &[
            (1, Work::X25519Generate),
            (1, Work::X25519Agree),
            (3, Work::RsaVerify),
        ],
        server: &[
            (1, Work::X25519Generate),
            (1, Work::X25519Agree),
            (1, Work::RsaSign),
        ],
    },
    Handshake {
        name: "TLS 1.3, X25519, ECDSA certificate",
        client: &[
            (1, Work::X25519Generate),
            (1, Work::X25519Agree),
            (3, Work::EcdsaVerify),
        ],
        server: &[
            (1, Work::X25519Generate),
            (1, Work::X25519Agree),
            (1, Work::EcdsaSign),
        ],
    },
    Handshake {
        name: "TLS 1.3, X25519MLKEM768, ECDSA certificate",
        client: &[
            (1, Work::X25519Generate),
            (1, Work::X25519Agree),
            (1, Work::MlKemGenerate),
            (1, Work::MlKemDecapsulate),
            (3, Work::EcdsaVerify),
        ],
        server: &[
            (1, Work::X25519Generate),
            (1, Work::X25519Agree),
            (1, Work::MlKemEncapsulate),
            (1, Work::EcdsaSign),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock that goes on by a microsecond at each look.
    fn ticking() -> impl FnMut() -> Duration {
        let mut now = Duration::ZERO;
        move || {
            now += Duration::from_micros(1);
            now
        }
    }

    #[test]
    fn every_operation_works() {
        for work in Work::ALL {
            let mut bench = prepare(work).unwrap();
            (bench.run)().unwrap();
        }
    }

    #[test]
    fn the_median_of_batches_counts() {
        // Six looks while the batch grows to four operations, then two a batch: the second batch is held up.
        let looks = [
            0, 600, 1_000, 1_900, 2_000, 4_400, 10_000, 14_000, 20_000, 90_000, 100_000, 104_400,
        ];
        let mut looks = looks.into_iter();
        let mut bench = Bench {
            work: Work::EcdsaSign,
            run: Box::new(|| Ok(())),
        };
        let mut now = || Duration::from_micros(looks.next().unwrap());
        let cost = measure(&mut bench, 3, &mut now).unwrap();
        assert_eq!(
            (cost.nanos, cost.range),
            (1_100_000.0, (1_000_000.0, 17_500_000.0))
        );
    }

    #[test]
    fn a_clock_that_hardly_moves_ends_the_search_for_a_batch() {
        let mut bench = Bench {
            work: Work::Aes128Kib,
            run: Box::new(|| Ok(())),
        };
        let cost = measure(&mut bench, 1, &mut ticking()).unwrap();
        assert!(cost.nanos < 1.0);
    }

    #[test]
    fn an_operation_that_fails_is_said() {
        let mut bench = Bench {
            work: Work::RsaSign,
            run: Box::new(|| Err(Unspecified)),
        };
        let failed = measure(&mut bench, 1, &mut ticking()).unwrap_err();
        assert_eq!(
            failed.to_string(),
            "the operation `RSA-2048 sign (private key)` fails"
        );
    }
}
