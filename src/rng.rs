//! One seed, many named random streams. A stream depends on its name and the seed alone, so that adding a
//! link, a connection or an impairment does not change what the others draw.

use std::fmt;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use sha2::{Digest, Sha256};

pub use rand_core::Rng;

/// A random stream.
pub type Stream = ChaCha20Rng;

/// The seed of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seed(pub u64);

impl Seed {
    /// The stream called `name`: ChaCha20 keyed with SHA-256 of seed and name.
    #[must_use]
    pub fn stream(self, name: impl fmt::Display) -> Stream {
        let mut hash = Sha256::new();
        hash.update(b"tunlab stream v1\0");
        hash.update(self.0.to_le_bytes());
        hash.update(name.to_string());
        Stream::from_seed(hash.finalize().into())
    }
}

/// True with probability `p` of 2^32; draws once whatever `p` is.
pub fn chance(rng: &mut Stream, p: u64) -> bool {
    u64::from(rng.next_u32()) < p
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_depend_on_seed_and_name_only() {
        let draw = |seed, name: &str| Seed(seed).stream(name).next_u64();
        assert_eq!(draw(1, "link/internet"), draw(1, "link/internet"));
        assert_ne!(draw(1, "link/internet"), draw(1, "link/vpc"));
        assert_ne!(draw(1, "link/internet"), draw(2, "link/internet"));
    }
}
