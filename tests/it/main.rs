//! Integration tests: one binary, one module a subject.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests may")]

mod stack;
mod support;
mod tidy;
