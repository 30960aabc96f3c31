//! SYN cookies: the answer to a SYN for which the SYN queue has no room (RFC 4987 §3.6). Nothing is kept; what must be
//! known when the handshake's ACK comes stands in the sequence number of the SYN-ACK:
//!
//! ```text
//! 31      27 26  24 23                                 0
//! +---------+------+------------------------------------+
//! | minutes | MSS  | keyed hash of all, and the 4-tuple |
//! +---------+------+------------------------------------+
//! ```
//!
//! Five bits count the time in steps of 64 s, three choose one of eight segment sizes (D. J. Bernstein, "SYN cookies").
//! Window scaling and SACK find no room: Linux puts them in the timestamp option, which our connections do not use.

use sha2::{Digest, Sha256};

use super::Stack;
use crate::rng::{Rng, Stream};
use crate::time::Instant;
use crate::wire::packet::FlowKey;

/// Segment sizes that a cookie can tell, in bytes: the largest that does not exceed the peer's is taken. 536 is that of a
/// peer that says nothing (RFC 9293 §3.7.1), 1460 Ethernet's, 8960 that of jumbo frames.
const SIZES: [u16; 8] = [216, 536, 1_220, 1_360, 1_400, 1_440, 1_460, 8_960];

/// Steps of this many seconds are counted.
const STEP: u64 = 64;

/// A cookie of this step and the one before is good: a handshake takes no longer.
const STEPS_MAX: u32 = 1;

/// How long after a SYN queue was full cookies are looked for in ACKs, in seconds.
pub(super) const BELIEVED: u64 = STEP * (STEPS_MAX as u64 + 1);

/// Bakes a stack's cookies.
pub(super) struct Cookies {
    key: [u8; 32],
}

impl Cookies {
    pub(super) fn new(rng: &mut Stream) -> Self {
        let mut key = [0; 32];
        rng.fill_bytes(&mut key);
        Self { key }
    }

    /// The sequence number to answer a SYN with, and the segment size that it tells.
    pub(super) fn bake(
        &self,
        key: &FlowKey,
        sequence: u32,
        mss: Option<u16>,
        now: Instant,
    ) -> (u32, u16) {
        // RFC 9293 §3.7.1 (MUST-15).
        let mss = mss.filter(|m| *m > 0).unwrap_or(536);
        let choice = SIZES.iter().rposition(|s| *s <= mss).unwrap_or(0) as u32;
        let step = step(now);
        let head = (step & 31) << 27 | choice << 24;
        (
            head | self.hash(key, sequence, step, choice),
            SIZES[choice as usize],
        )
    }

    /// The segment size that a cookie tells, when it is one of ours for this connection and fresh. `sequence` is the
    /// client's first sequence number.
    pub(super) fn read(
        &self,
        key: &FlowKey,
        sequence: u32,
        cookie: u32,
        now: Instant,
    ) -> Option<u16> {
        let age = step(now).wrapping_sub(cookie >> 27) & 31;
        let choice = cookie >> 24 & 7;
        let baked = step(now).checked_sub(age)?;
        let good =
            age <= STEPS_MAX && self.hash(key, sequence, baked, choice) == cookie & 0x00ff_ffff;
        good.then(|| SIZES[choice as usize])
    }

    /// All fields have fixed lengths, and 24 bits of the result are shown: the key in front is enough.
    fn hash(&self, key: &FlowKey, sequence: u32, step: u32, choice: u32) -> u32 {
        let mut hash = Sha256::new();
        hash.update(self.key);
        for end in [key.local, key.remote] {
            match end.ip() {
                std::net::IpAddr::V4(ip) => hash.update(ip.to_ipv6_mapped().octets()),
                std::net::IpAddr::V6(ip) => hash.update(ip.octets()),
            }
            hash.update(end.port().to_be_bytes());
        }
        for number in [sequence, step, choice] {
            hash.update(number.to_be_bytes());
        }
        let digest = hash.finalize();
        u32::from_be_bytes([0, digest[0], digest[1], digest[2]])
    }
}

fn step(now: Instant) -> u32 {
    let seconds = now.as_nanos() / 1_000_000_000;
    // A run of 64 × 2^32 seconds is none.
    (seconds / STEP) as u32
}

/// smoltcp's generator, a permuted congruential one (sPCG32): its state is multiplied, added to, and cut.
const MULTIPLIER: u64 = 0xbb2e_fcec_3c39_611d;
const INCREMENT: u64 = 0x7590_ef39;

const fn drawn(state: u64) -> u32 {
    (state >> (29 - (state >> 61))) as u32
}

const fn state_before(state: u64) -> u64 {
    state
        .wrapping_sub(INCREMENT)
        .wrapping_mul(inverse(MULTIPLIER))
}

/// The seed of an interface whose first connection has `wanted` as its initial sequence number, smoltcp's generator
/// run backwards. An interface draws once for itself when it is made, and again if that gave zero: such seeds are passed
/// over.
pub(super) fn seed_for(wanted: u32) -> u64 {
    // With zeros on top the cut is at bit 29, so that what is below is free.
    let mut state = u64::from(wanted) << 29;
    loop {
        let before = state_before(state);
        let own = drawn(before);
        if (own ^ own >> 16) as u16 != 0 {
            return state_before(before);
        }
        state += 1;
    }
}

/// Of an odd number, modulo 2^64 (Newton).
const fn inverse(odd: u64) -> u64 {
    let mut x = odd;
    let mut round = 0;
    while round < 5 {
        x = x.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(x)));
        round += 1;
    }
    x
}

impl Stack {
    /// Whether the SYN queue of a listener has overflowed lately: only then are ACKs looked through for cookies.
    pub(super) fn bakes_cookies(&self, port: u16) -> bool {
        let now = self.clock.now();
        let full = self.listeners.get(&port).and_then(|l| l.overflowed);
        full.is_some_and(|at| now <= at + std::time::Duration::from_secs(BELIEVED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;
    use std::time::Duration;

    fn key(port: u16) -> FlowKey {
        FlowKey {
            local: ([198, 51, 100, 10], 443).into(),
            remote: ([203, 192, 1, 50], port).into(),
        }
    }

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn a_cookie_is_good_for_its_connection_and_for_a_while() {
        let cookies = Cookies::new(&mut Seed(1).stream("cookies"));
        for (mss, told) in [
            (None, 536),
            (Some(0), 536),
            (Some(100), 216),
            (Some(1_459), 1_440),
            (Some(1_460), 1_460),
            (Some(u16::MAX), 8_960),
        ] {
            // In the middle of a step, in one after the five bits have run over.
            for start in [100, 64 * 33 + 10] {
                let (cookie, size) = cookies.bake(&key(50_000), 7, mss, at(start));
                assert_eq!(size, told);
                let read = |port, sequence, cookie, now| {
                    cookies.read(&key(port), sequence, cookie, at(now))
                };
                assert_eq!(read(50_000, 7, cookie, start), Some(told));
                assert_eq!(read(50_000, 7, cookie, start + 64), Some(told));
                assert_eq!(read(50_000, 7, cookie, start + 128), None, "too old");
                assert_eq!(read(50_001, 7, cookie, start), None, "another port");
                assert_eq!(read(50_000, 8, cookie, start), None, "another number");
                assert_eq!(read(50_000, 7, cookie ^ 1, start), None);
                assert_eq!(read(50_000, 7, cookie ^ 1 << 24, start), None);
            }
        }
        let other = Cookies::new(&mut Seed(2).stream("cookies"));
        let (cookie, _) = other.bake(&key(50_000), 7, None, at(100));
        assert_eq!(cookies.read(&key(50_000), 7, cookie, at(100)), None);
    }

    #[test]
    fn the_seed_draws_what_is_wanted() {
        let next = |state: u64| state.wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT);
        for wanted in [0, 1, 0x8000_0000, u32::MAX, 0x1234_5678] {
            assert_eq!(drawn(next(next(seed_for(wanted)))), wanted);
        }
        // Whose draw before would be zero.
        let zero = (0..)
            .map(|n| n << 29)
            .find(|s| drawn(state_before(*s)) as u16 == 0);
        let _ = seed_for((zero.unwrap() >> 29) as u32);
    }
}
