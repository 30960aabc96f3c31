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

/// Where all randomness of a world comes from.
#[derive(Clone, Copy)]
pub enum Entropy {
    /// The seed of the run: only ever in virtual worlds.
    Seeded(Seed),
    /// 256 bits of the operating system's randomness, drawn once for the run.
    System([u8; 32]),
}

impl Entropy {
    /// The stream called `name`.
    #[must_use]
    pub fn stream(self, name: impl fmt::Display) -> Stream {
        match self {
            Self::Seeded(seed) => seed.stream(name),
            Self::System(bytes) => {
                let mut hash = Sha256::new();
                hash.update(b"tunlab system stream v1\0");
                hash.update(bytes);
                hash.update(name.to_string());
                Stream::from_seed(hash.finalize().into())
            }
        }
    }

    /// Whether a seed rules, so that a run can be made again.
    #[must_use]
    pub const fn is_seeded(self) -> bool {
        matches!(self, Self::Seeded(_))
    }
}

impl From<Seed> for Entropy {
    fn from(seed: Seed) -> Self {
        Self::Seeded(seed)
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seeded(seed) => fmt::Debug::fmt(seed, f),
            // Not the secret itself.
            Self::System(_) => f.write_str("System"),
        }
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
