//! Real programs.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// A real program on a node of its own: what it finds on its machine, and what runs there from the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Program and arguments. Empty: only steps run programs here.
    pub run: Vec<String>,
    /// A server's TCP port: the lab begins when it listens there, and does not wait for the program to end.
    pub ready: Option<u16>,
    /// The name server in its `/etc/resolv.conf`.
    pub resolver: Option<IpAddr>,
    /// Authorities in its bundle of trusted ones, by name.
    pub trust: Vec<String>,
    /// Files in its private `/tmp`, by name.
    pub files: BTreeMap<String, FileContent>,
    /// Whether it keeps root's rights, inside its namespaces. Else it runs as nobody.
    pub root: bool,
}

/// What stands in a file of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileContent {
    /// This text.
    Text(String),
    /// A certificate's chain, PEM: the certificate by name.
    Chain(String),
    /// A certificate's private key, PEM.
    Key(String),
    /// An authority's root certificate, PEM.
    Root(String),
}
