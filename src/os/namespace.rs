//! Network namespaces. An anonymous one lives as long as a descriptor or a process holds it: whatever ends this
//! process, nothing is left behind.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::mount::mount_bind;
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

use super::interface;

/// A network namespace of our own.
#[derive(Debug)]
pub struct Namespace(OwnedFd);

impl Namespace {
    /// Makes one, with its loopback device up, IPv4 forwarding on and IPv6 off (so that the kernel's own neighbour
    /// discovery does not mix with the lab's packets).
    ///
    /// # Errors
    /// When the process may not, or a setting cannot be written.
    pub fn new() -> io::Result<Self> {
        // A namespace is a thread's: this one is made for it and ends.
        let made = std::thread::spawn(|| -> io::Result<OwnedFd> {
            // SAFETY: the thread shares nothing of what is unshared with code that counts on it.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET) }?;
            interface::up("lo")?;
            for (name, value) in [
                ("ipv4/ip_forward", "1"),
                // Answers may come back another way than requests went: a lab's routes are its own affair.
                ("ipv4/conf/all/rp_filter", "0"),
                ("ipv4/conf/default/rp_filter", "0"),
                ("ipv6/conf/all/disable_ipv6", "1"),
                ("ipv6/conf/default/disable_ipv6", "1"),
            ] {
                write_setting(name, value)?;
            }
            Ok(File::open("/proc/thread-self/ns/net")?.into())
        });
        let fd = made
            .join()
            .map_err(|_| io::Error::other("the thread that makes a namespace panicked"))??;
        Ok(Self(fd))
    }

    /// The one that another process holds, as `/proc/<pid>/fd/<n>` or under a name.
    ///
    /// # Errors
    /// When it is not there, or may not be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(File::open(path)?.into()))
    }

    /// Gives it a name that outlives its processes: the new file `path`, as ip-netns(8) does below `/run/netns`. It is
    /// taken back by unmounting and removing the file.
    ///
    /// # Errors
    /// When the name is taken, or the process may not mount.
    pub fn bind(&self, path: &Path) -> io::Result<()> {
        File::create_new(path)?;
        let own = format!("/proc/self/fd/{}", self.0.as_raw_fd());
        Ok(mount_bind(own, path)?)
    }

    /// Whether something listens on TCP port `port` in the namespace.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    pub fn listens(&self, port: u16) -> io::Result<bool> {
        // proc(5): the second column is the local address, the fourth the state, of which 0A is LISTEN.
        let wanted = format!(":{port:04X}");
        self.inside(|| {
            let mut found = false;
            for table in ["tcp", "tcp6"] {
                let text = std::fs::read_to_string(format!("/proc/thread-self/net/{table}"));
                for line in text.unwrap_or_default().lines() {
                    let mut columns = line.split_whitespace().skip(1);
                    let local = columns.next().is_some_and(|c| c.ends_with(&wanted));
                    found |= local && columns.nth(1) == Some("0A");
                }
            }
            Ok(found)
        })
    }

    /// Runs `f` on a thread inside the namespace and waits for it.
    ///
    /// # Errors
    /// When the namespace cannot be entered, or what `f` returns.
    pub fn inside<R: Send>(&self, f: impl FnOnce() -> io::Result<R> + Send) -> io::Result<R> {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network))?;
                f()
            });
            thread
                .join()
                .map_err(|_| io::Error::other("the thread inside a namespace panicked"))?
        })
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn write_setting(name: &str, value: &str) -> io::Result<()> {
    match std::fs::write(format!("/proc/sys/net/{name}"), value) {
        // A kernel without IPv6 has no IPv6 to turn off.
        Err(e) if e.kind() == io::ErrorKind::NotFound && name.starts_with("ipv6") => Ok(()),
        other => other,
    }
}
