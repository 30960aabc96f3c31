//! Integration tests: one binary, one module a subject.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "tests may"
)]

mod cli;
mod determinism;
mod goldens;
mod kernel;
mod seeds;
mod stack;
#[allow(dead_code, reason = "benches use the rest")]
mod support;
mod tidy;
mod tools;
mod wireshark;
