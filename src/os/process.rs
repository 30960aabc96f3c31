//! Other processes of ours: known by number and start, so that a number used again is not taken for them.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// A process that runs, or has run since this handle was made.
#[derive(Debug)]
pub struct Process(OwnedFd);

impl Process {
    /// The process number `pid` that started at `started`; `None` when it has ended.
    ///
    /// # Errors
    /// When it cannot be watched.
    pub fn open(pid: u32, started: u64) -> io::Result<Option<Self>> {
        let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let Some(number) = number else {
            return Ok(None);
        };
        let handle = match pidfd_open(number, PidfdFlags::empty()) {
            Ok(handle) => handle,
            Err(rustix::io::Errno::SRCH) => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        // Asked for after the handle is there: now the number cannot change hands unnoticed.
        Ok((Self::started(pid) == Some(started)).then_some(Self(handle)))
    }

    /// When process `pid` started, in clock ticks since the machine did (proc(5), `stat`, field 22). `None` when there
    /// is none, or it has ended and nobody has taken note.
    #[must_use]
    pub fn started(pid: u32) -> Option<u64> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is a name in parentheses, which may hold anything; the third, the state, comes after.
        let (_, rest) = stat.rsplit_once(')')?;
        let mut fields = rest.split_whitespace();
        if matches!(fields.next()?, "Z" | "X") {
            return None;
        }
        fields.nth(18)?.parse().ok()
    }
}

impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_used_again_is_another_process() {
        let own = std::process::id();
        let started = Process::started(own).unwrap();
        assert!(Process::open(own, started).unwrap().is_some());
        assert!(Process::open(own, started + 1).unwrap().is_none());
        assert!(Process::open(0, started).unwrap().is_none());
    }
}
