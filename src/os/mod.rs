//! Linux: network namespaces, TUN devices with their addresses and routes, and real programs in namespaces of their
//! own. The only room with `unsafe`. Nothing virtual is here: it moves bytes and processes, and knows no lab.

#![allow(
    unsafe_code,
    reason = "interface ioctls and what a child does before exec have no safe interface"
)]

mod interface;
pub mod interrupt;
mod namespace;
mod process;
mod program;
mod rootless;
mod terminal;
mod tun;
mod watchdog;

pub use namespace::Namespace;
pub use process::Process;
pub use program::{Child, Exit, Program};
pub use terminal::Terminal;
pub use tun::{Tun, TunConfig};
pub use watchdog::{Leftover, Watchdog};

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

/// Whether the process is root on the machine, or (after [`ready`] or [`join`]) in a user namespace only.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root() && !rootless::entered()
}

/// The number of the user that the process runs as.
#[must_use]
pub fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Whether this process has become root in a user namespace of its own.
#[must_use]
pub fn in_user_namespace() -> bool {
    rootless::entered()
}

/// Becomes root where process `pid` is: in the user namespace that it made. The process must have one thread.
///
/// # Errors
/// When it is another user's.
pub fn join(pid: u32) -> io::Result<()> {
    rootless::join(pid)
}
