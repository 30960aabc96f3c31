//! The `tunlab` command.
fn main() {}
