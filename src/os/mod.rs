//! Linux: network namespaces, TUN devices with their addresses and routes, and real programs in namespaces of their
//! own. The only room with `unsafe`. Nothing virtual is here: it moves bytes and processes, and knows no lab.

#![allow(
    unsafe_code,
    reason = "interface ioctls and what a child does before exec have no safe interface"
)]

mod interface;
pub mod interrupt;
mod namespace;
mod program;
mod rootless;
mod tun;

pub use namespace::Namespace;
pub use program::{Child, Exit, Program};
pub use tun::{Tun, TunConfig};

use std::io;

/// Makes sure that this process can have TUN devices. Who is not root becomes root in a user namespace, for good; the
/// process must have one thread then.
///
/// # Errors
/// When there is no `/dev/net/tun`, it may not be opened, or namespaces may not be made, in words for the user.
pub fn ready() -> io::Result<()> {
    let hint = |what: &str, e: &io::Error| {
        let text =
            format!("{what}: {e}; run as root, or where TUN devices and namespaces are allowed");
        io::Error::new(e.kind(), text)
    };
    std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/net/tun")
        .map_err(|e| hint("/dev/net/tun cannot be opened", &e))?;
    rootless::enter().map_err(|e| hint("no user namespace can be made", &e))?;
    Namespace::new()
        .map(drop)
        .map_err(|e| hint("no network namespace can be made", &e))
}
