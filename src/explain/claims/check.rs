//! What pages compute, as checks: each bears out the verdict on a claim.

use aws_lc_rs::rsa::{KeySize, Pkcs1PublicEncryptingKey, PrivateDecryptingKey};

use crate::explain::aes::avalanche::{measure, of_message};
use crate::explain::aes::cipher::{Aes, Block, Size, Transformation};
use crate::explain::aes::gcm::{self, NONCE};
use crate::explain::aes::unhex;
use crate::explain::brute_force::{
    COMPUTERS, EXPONENT_OF_TEXT, RATE_OF_TEXT, Rate, Search, UNIVERSE_MILLION_YEARS, level_of_rsa,
};
use crate::explain::cost::{Costs, Work, factors};
use crate::explain::natural::Natural;
use crate::rng::Seed;

/// Something that a page computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Blocks of 128 bits, keys of three lengths, and the vectors of the standard.
    AesStandard,
    /// Which transformations AES-256 makes how often.
    AesRounds,
    /// That a message of any length needs a mode, and what that adds.
    AesNeedsMode,
    /// What one flipped bit changes.
    Avalanche,
    /// The digits of 2^256.
    KeySpace,
    /// The years for all of them.
    Years,
    /// The age of the universe.
    Universe,
    /// Every computer there is.
    EveryComputer,
    /// What the best attack known leaves of AES-256.
    BestAttack,
    /// RSA-2048 on the scale of symmetric keys.
    RsaLevel,
    /// What RSA-2048 encrypts at once.
    RsaLimit,
    /// How much longer RSA takes than AES, by measurement.
    CostFactor,
    /// The milliseconds of the text, by measurement.
    CostFigures,
    /// The smaller factor of the text, by measurement.
    CostSmallFactor,
}

/// The judgement on a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Whether it bears the verdict out.
    pub holds: bool,
    /// What was computed.
    pub found: String,
}

impl Check {
    /// What is checked, in words.
    #[must_use]
    pub const fn that(self) -> &'static str {
        match self {
            Self::AesStandard => {
                "The vectors of FIPS 197 Appendix C come out, for all three lengths"
            }
            Self::AesRounds => "AES-256 mixes columns 13 times and adds 15 round keys",
            Self::AesNeedsMode => "GCM seals 11 bytes into 11 and a tag of 16",
            Self::Avalanche => {
                "A bit of the key changes half of a block, a bit of a message one bit under GCM"
            }
            Self::KeySpace => "2^256 has exactly the digits of the text",
            Self::Years => "All keys take 10^6 times the years of the text",
            Self::Universe => "The age of the universe rounds to that of the text",
            Self::EveryComputer => "Ten thousand million machines need more than 10^40 years",
            Self::BestAttack => "2^254 steps take more than 10^56 years",
            Self::RsaLevel => "RSA-2048 has 112 bits of security, less than half of AES-256",
            Self::RsaLimit => "RSA-2048 with PKCS #1 v1.5 takes 245 bytes and no more",
            Self::CostFactor => "RSA takes more than 100 times as long as AES-256-GCM for 1 KiB",
            Self::CostFigures => "RSA and AES take less than a tenth of what the text says",
            Self::CostSmallFactor => "RSA takes more than 100 times as long, not 10 to 100",
        }
    }

    /// The page that shows it: what stands behind `tunlab`.
    #[must_use]
    pub const fn page(self) -> &'static str {
        match self {
            Self::AesStandard | Self::AesRounds => "explain aes --part rounds",
            Self::AesNeedsMode => "explain aes --part gcm --text \"Hello World\"",
            Self::Avalanche => "explain aes --part avalanche",
            Self::KeySpace
            | Self::Years
            | Self::Universe
            | Self::EveryComputer
            | Self::RsaLevel => "explain brute-force",
            Self::BestAttack => "explain brute-force --bits 254",
            Self::RsaLimit | Self::CostFactor | Self::CostFigures | Self::CostSmallFactor => {
                "explain cost"
            }
        }
    }

    /// Whether it needs what operations cost on this machine.
    #[must_use]
    pub const fn needs_costs(self) -> bool {
        match self {
            Self::CostFactor | Self::CostFigures | Self::CostSmallFactor => true,
            Self::AesStandard
            | Self::AesRounds
            | Self::AesNeedsMode
            | Self::Avalanche
            | Self::KeySpace
            | Self::Years
            | Self::Universe
            | Self::EveryComputer
            | Self::BestAttack
            | Self::RsaLevel
            | Self::RsaLimit => false,
        }
    }
}

pub(super) fn judge(check: Check, costs: Option<&Costs>) -> Checked {
    let (holds, found) = match check {
        Check::AesStandard => aes_standard(),
        Check::AesRounds => aes_rounds(),
        Check::AesNeedsMode => aes_needs_mode(),
        Check::Avalanche => avalanche(),
        Check::KeySpace => {
            let digits = Natural::power_of_two(256).grouped();
            (digits == KEYS_OF_TEXT, "78 digits".into())
        }
        Check::Years => {
            let years = of_text(1).years();
            let off = years.to_string().len() - 1 - EXPONENT_OF_TEXT;
            (off == 6, format!("{} years", years.scientific(2)))
        }
        Check::Universe => {
            let age = Natural::from(UNIVERSE_MILLION_YEARS * 1_000_000).scientific(2);
            (age == "1.38 × 10^10", format!("{age} years"))
        }
        Check::EveryComputer => {
            let years = of_text(COMPUTERS).years();
            let bound = Natural::power_of_ten(40);
            (years > bound, format!("{} years", years.scientific(2)))
        }
        Check::BestAttack => {
            let search = Search {
                bits: 254,
                ..of_text(1)
            };
            let years = search.years();
            let bound = Natural::power_of_ten(56);
            (years > bound, format!("{} years", years.scientific(2)))
        }
        Check::RsaLevel => match level_of_rsa(2048) {
            Some(bits) => (bits == 112, format!("{bits} bits")),
            None => (false, "no level".into()),
        },
        Check::RsaLimit => rsa_limit(),
        Check::CostFigures => costs.map_or_else(not_measured, figures),
        Check::CostFactor | Check::CostSmallFactor => costs.map_or_else(not_measured, factor),
    };
    Checked { holds, found }
}

fn not_measured() -> (bool, String) {
    (false, "not measured".into())
}

/// As the text prints it.
const KEYS_OF_TEXT: &str = "115,792,089,237,316,195,423,570,985,008,687,907,853,269,984,665,640,\
                            564,039,457,584,007,913,129,639,936";

fn of_text(machines: u128) -> Search {
    Search {
        bits: 256,
        rate: Rate(RATE_OF_TEXT * machines),
    }
}

fn aes_standard() -> (bool, String) {
    const CIPHERS: [(Size, &str); 3] = [
        (Size::Aes128, "69c4e0d86a7b0430d8cdb78070b4c55a"),
        (Size::Aes192, "dda97ca4864cdfe06eaf70a0ec0d7191"),
        (Size::Aes256, "8ea2b7ca516745bfeafc49904b496089"),
    ];
    let plain: Block = std::array::from_fn(|i| 0x11 * i as u8);
    let right = CIPHERS.iter().filter(|(size, cipher)| {
        let key: Vec<u8> = (0..size.bytes() as u8).collect();
        let out = Aes::new(&key).map(|aes| aes.encrypt(plain).to_vec());
        out.is_some() && out == unhex(cipher)
    });
    let right = right.count();
    (right == 3, format!("{right} of 3 vectors"))
}

fn aes_rounds() -> (bool, String) {
    let mut mixed = 0;
    let mut added = 0;
    if let Some(aes) = Aes::new(&[0; 32]) {
        aes.encrypt_watched([0; 16], |step| match step.did {
            Transformation::MixColumns => mixed += 1,
            Transformation::AddRoundKey => added += 1,
            Transformation::SubBytes | Transformation::ShiftRows => {}
        });
    }
    (
        (mixed, added) == (13, 15),
        format!("{mixed} MixColumns, {added} AddRoundKey"),
    )
}

fn aes_needs_mode() -> (bool, String) {
    let Some(aes) = Aes::new(&[0; 32]) else {
        return (false, "no key".into());
    };
    let sealed = gcm::seal(&aes, &[0; NONCE], b"", b"Hello World");
    let bytes = sealed.ciphertext().len();
    let tag = sealed.tag.len();
    (
        (bytes, tag) == (11, 16),
        format!("{bytes} bytes and a tag of {tag}"),
    )
}

fn avalanche() -> (bool, String) {
    let (by_key, _) = measure(Size::Aes256, Seed(1), 1_000);
    let Some(aes) = Aes::new(&[0; 32]) else {
        return (false, "no key".into());
    };
    let message = of_message(&aes, &[0; NONCE], b"", b"GET /api/users");
    let half = (by_key.mean() - 64.0).abs() < 1.0;
    (
        half && message.one_for_one == message.bits && message.refused == message.bits,
        format!(
            "{:.1} of 128 bits; under GCM 1, in {} of {} cases",
            by_key.mean(),
            message.one_for_one,
            message.bits
        ),
    )
}

fn rsa_limit() -> (bool, String) {
    let room = PrivateDecryptingKey::generate(KeySize::Rsa2048)
        .and_then(|key| Pkcs1PublicEncryptingKey::new(key.public_key()))
        .map(|key| {
            let mut out = vec![0; key.ciphertext_size()];
            let mut fits = |bytes| key.encrypt(&vec![1; bytes], &mut out).is_ok();
            (fits(245), fits(246))
        });
    match room {
        Ok((fits, more)) => (fits && !more, format!("245: {fits}, 246: {more}")),
        Err(_) => (false, "no key".into()),
    }
}

fn figures(costs: &Costs) -> (bool, String) {
    let rsa = costs.nanos(Work::RsaDecrypt) / 1e6;
    let aes = costs.nanos(Work::Aes256Kib) / 1e6;
    (
        rsa < 5.0 && aes < 0.05,
        format!("RSA {rsa:.3} ms to decrypt, AES {aes:.4} ms for 1 KiB"),
    )
}

/// Decrypting decides: where a processor has no instructions for AES, encrypting may not be so far apart.
fn factor(costs: &Costs) -> (bool, String) {
    let (encrypt, decrypt) = factors(costs);
    (
        decrypt > 100.0,
        format!("{encrypt:.0} times to encrypt, {decrypt:.0} to decrypt"),
    )
}
