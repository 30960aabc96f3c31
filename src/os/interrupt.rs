//! Ctrl-C, SIGTERM and the end of the terminal as a flag, so that a run ends in good order. A second one ends the
//! process as it always would.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

static ASKED: AtomicBool = AtomicBool::new(false);

extern "C" fn note(signal: libc::c_int) {
    if ASKED.swap(true, Ordering::Relaxed) {
        // SAFETY: both calls are async-signal-safe (signal-safety(7)).
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
    }
}

/// From now on SIGINT, SIGTERM and SIGHUP only set the flag that [`asked`] reads. One that is ignored stays so, as
/// nohup(1) wants it.
///
/// # Errors
/// When the handlers cannot be set.
pub fn catch() -> io::Result<()> {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: a `sigaction` is plain data, for which zero is a value; the handler is async-signal-safe. Without
        // SA_RESTART, so that a wait is cut short.
        let result = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            libc::sigaction(signal, std::ptr::null(), &raw mut action);
            if action.sa_sigaction == libc::SIG_IGN {
                continue;
            }
            action.sa_flags = 0;
            action.sa_sigaction = note as extern "C" fn(libc::c_int) as usize;
            libc::sigemptyset(&raw mut action.sa_mask);
            libc::sigaction(signal, &raw const action, std::ptr::null_mut())
        };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// From now on Ctrl-C and Ctrl-\ are for the program in the foreground, not for us.
pub fn leave_to_the_program() {
    for signal in [libc::SIGINT, libc::SIGQUIT] {
        // SAFETY: a plain system call.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Whether somebody asked the process to end.
#[must_use]
pub fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}
