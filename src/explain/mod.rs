//! Pages that show how a thing works with real values: what they say is computed here, from the standards, and tested
//! against other implementations. Pure functions and data; nothing here prints, reads the machine's clock or its
//! randomness.

pub mod aes;
pub mod brute_force;
pub mod claims;
pub mod cost;
pub mod keys;
pub mod natural;
pub mod security_policy;
mod sheet;

pub use sheet::{Sheet, Side};
