//! The page on AES as data: schema `tunlab-aes/1`, bytes as hexadecimal digits.

use serde::Serialize;

use super::avalanche::{self, Distribution};
use super::hex;
use super::page::{Subject, inner, key_of, record_header};

/// The answer for programs.
#[derive(Debug, Serialize)]
pub struct Report {
    schema: &'static str,
    bits: usize,
    key: String,
    round_keys: Vec<String>,
    plaintext: String,
    ciphertext: String,
    steps: Vec<StepReport>,
    gcm: GcmReport,
    avalanche: AvalancheReport,
}

#[derive(Debug, Serialize)]
struct StepReport {
    round: usize,
    step: &'static str,
    state: String,
}

#[derive(Debug, Serialize)]
struct GcmReport {
    nonce: String,
    additional_data: String,
    plaintext: String,
    hash_key: String,
    counters: Vec<String>,
    key_stream: Vec<String>,
    ghash: Vec<String>,
    ciphertext: String,
    tag: String,
}

#[derive(Debug, Serialize)]
struct AvalancheReport {
    trials: u64,
    key_bit: DistributionReport,
    block_bit: DistributionReport,
    gcm_message_bits: usize,
    gcm_one_for_one: usize,
    gcm_refused: usize,
}

#[derive(Debug, Serialize)]
struct DistributionReport {
    mean: f64,
    deviation: f64,
    fewest: usize,
    most: usize,
    counts: Vec<u64>,
}

/// The whole page for programs: bytes as hexadecimal digits.
#[must_use]
pub fn report(subject: &Subject) -> Report {
    let aes = &subject.aes;
    let sealed = subject.sealed();
    let (by_key, by_block) = avalanche::measure(aes.size(), subject.seed, subject.trials);
    let message = subject.message();
    let steps = subject.steps().into_iter().map(|s| StepReport {
        round: s.round,
        step: s.did.name(),
        state: hex(&s.state),
    });
    Report {
        schema: "tunlab-aes/1",
        bits: aes.size().bits(),
        key: hex(&key_of(aes)),
        round_keys: aes.round_keys().iter().map(|k| hex(k)).collect(),
        plaintext: hex(&subject.block),
        ciphertext: hex(&aes.encrypt(subject.block)),
        steps: steps.collect(),
        gcm: GcmReport {
            nonce: hex(&subject.nonce),
            additional_data: hex(&record_header(&subject.text)),
            plaintext: hex(&inner(&subject.text)),
            hash_key: hex(&sealed.hash_key),
            counters: sealed.blocks.iter().map(|b| hex(&b.counter)).collect(),
            key_stream: sealed.blocks.iter().map(|b| hex(&b.stream)).collect(),
            ghash: sealed.hash.iter().map(|h| hex(&h.value)).collect(),
            ciphertext: hex(&sealed.ciphertext()),
            tag: hex(&sealed.tag),
        },
        avalanche: AvalancheReport {
            trials: by_key.trials(),
            key_bit: distribution_report(&by_key),
            block_bit: distribution_report(&by_block),
            gcm_message_bits: message.bits,
            gcm_one_for_one: message.one_for_one,
            gcm_refused: message.refused,
        },
    }
}

fn distribution_report(d: &Distribution) -> DistributionReport {
    let (fewest, most) = d.extremes();
    DistributionReport {
        mean: d.mean(),
        deviation: d.deviation(),
        fewest,
        most,
        counts: d.counts.to_vec(),
    }
}
