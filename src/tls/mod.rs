//! TLS: the crypto providers (seeded, and the operating system's), the lab's certificate authorities, the key log,
//! and the two sides of a connection over any async stream. TCP is not here.
//!
//! A side of a connection lives like this: its [`client::ClientSetup`] or [`server::ServerSetup`] is made once per
//! node; [`client::connect`] or [`server::accept`] wraps a TCP stream, first in [`pace::Paced`] (modelled time), then
//! in the TLS engine, then in [`random::Scoped`] (its randomness), and hands out the outermost.

pub mod authority;
pub mod client;
pub mod config;
mod defect;
pub mod engine;
pub mod facts;
pub mod handshake;
pub mod key_log;
mod legacy;
mod mismatch;
pub mod pace;
pub mod policy;
mod provider;
pub mod random;
pub mod server;
pub mod static_rsa;
pub mod ticket_recovery;

#[cfg(test)]
mod refusals;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
