//! TLS: the crypto provider (seeded or from the operating system), the lab's certificate authorities, the key log,
//! and the two sides of a connection over any async stream. TCP is not here.

pub mod config;
