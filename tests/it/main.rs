//! Integration tests: one binary, one module a subject.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "tests may"
)]

mod analysis;
mod balancing;
mod cli;
mod determinism;
mod diff;
mod explain;
mod front;
mod front_bodies;
mod goldens;
mod http2;
mod http2_targets;
mod kernel;
mod keys;
mod listeners;
mod openssl;
mod over_tls;
mod real;
mod refusals;
mod registration;
mod seeds;
mod stack;
mod static_rsa;
mod support;
mod tcp;
mod tidy;
mod tools;
mod up;
mod wireshark;
mod worlds;
