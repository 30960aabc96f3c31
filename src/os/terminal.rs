//! Whose terminal it is: a shell that we started makes itself the foreground, and cannot give that back from its PID
//! namespace, where we have no number.

use std::io;

/// The terminal as it was before a program had it. Dropped, it is so again.
#[derive(Debug)]
pub struct Terminal {
    /// The process group in the foreground, when our input is a terminal.
    group: Option<libc::pid_t>,
}

impl Terminal {
    /// Remembers whose it is.
    #[must_use]
    pub fn remember() -> Self {
        // SAFETY: plain system calls.
        let (group, own) = unsafe { (libc::tcgetpgrp(0), libc::getpgrp()) };
        Self {
            group: (group > 0 && group == own).then_some(group),
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let Some(group) = self.group else { return };
        // SAFETY: plain system calls. A process in the background that does this is stopped unless it ignores SIGTTOU.
        let done = unsafe {
            libc::signal(libc::SIGTTOU, libc::SIG_IGN);
            libc::tcsetpgrp(0, group)
        };
        if done < 0 {
            tracing::debug!(error = %io::Error::last_os_error(), "the terminal was not given back");
        }
    }
}
