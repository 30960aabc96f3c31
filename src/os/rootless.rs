//! TUN devices without root: in a user namespace of our own we are root over what we make there. It needs a
//! `/dev/net/tun` that the user may open, and user namespaces that users may make.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{getegid, geteuid};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

static ENTERED: AtomicBool = AtomicBool::new(false);

/// Whether this process has become root in a user namespace of its own. Only one user is known there.
pub(super) fn entered() -> bool {
    ENTERED.load(Ordering::Relaxed)
}

/// Becomes root in the user namespace of process `pid`, which the same user has made. The process must have one thread.
///
/// # Errors
/// When it is another user's.
pub(super) fn join(pid: u32) -> io::Result<()> {
    let namespace = fs::File::open(format!("/proc/{pid}/ns/user"))?;
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::User))?;
    ENTERED.store(true, Ordering::Relaxed);
    Ok(())
}

/// Becomes root in a new user namespace, unless it is root already. The process must have one thread.
///
/// # Errors
/// When user namespaces may not be made (`user.max_user_namespaces`, `kernel.unprivileged_userns_clone`, AppArmor).
pub(super) fn enter() -> io::Result<()> {
    let (user, group) = (geteuid(), getegid());
    if user.is_root() || entered() {
        return Ok(());
    }
    // SAFETY: the process has one thread, and holds nothing that counts on the namespaces it leaves.
    unsafe { unshare_unsafe(UnshareFlags::NEWUSER | UnshareFlags::NEWNS) }?;
    // user_namespaces(7): groups are given up before a group may be mapped.
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {} 1", user.as_raw()))?;
    fs::write("/proc/self/gid_map", format!("0 {} 1", group.as_raw()))?;
    ENTERED.store(true, Ordering::Relaxed);
    Ok(())
}
