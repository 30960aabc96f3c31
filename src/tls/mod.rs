//! TLS: the crypto provider (seeded or from the operating system), the lab's certificate authorities, the key log,
//! and the two sides of a connection over any async stream. TCP is not here.

pub mod authority;
pub mod client;
pub mod config;
pub mod facts;
pub mod key_log;
pub mod pace;
mod provider;
pub mod random;
pub mod server;

pub use provider::Source;
