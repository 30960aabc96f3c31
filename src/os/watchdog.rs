//! A process that does nothing but outlive us: it takes away what would stay behind, however we end.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::pipe::{PipeFlags, pipe_with};

/// Something of ours in the file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leftover {
    /// A file with something mounted on it.
    Mount(PathBuf),
    /// A file.
    File(PathBuf),
    /// A folder, removed when it is empty.
    Folder(PathBuf),
}

impl Leftover {
    /// Takes it away. What is not there, or not empty, is left as it is.
    pub fn remove(&self) {
        match self {
            Self::Mount(path) => {
                if let Ok(name) = CString::new(path.as_os_str().as_bytes()) {
                    // SAFETY: a plain system call on a string that lives until it returns. A name that is no mount is
                    // refused.
                    unsafe { libc::umount2(name.as_ptr(), libc::MNT_DETACH) };
                }
                drop(fs::remove_file(path));
            }
            Self::File(path) => drop(fs::remove_file(path)),
            Self::Folder(path) => drop(fs::remove_dir(path)),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Mount(path) | Self::File(path) | Self::Folder(path) => path,
        }
    }
}

/// The process that removes what is left behind, in the order in which it was told. Dropping the handle has it done
/// now, and waits for that.
#[derive(Debug)]
pub struct Watchdog {
    /// Closed by the kernel, whatever ends us.
    pipe: Option<OwnedFd>,
    process: libc::pid_t,
}

impl Watchdog {
    /// Starts it. The process must have one thread.
    ///
    /// # Errors
    /// When no process can be made.
    pub fn start(leftovers: &[Leftover]) -> io::Result<Self> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        // SAFETY: there is one thread, so that the child may do what any process may; it never returns.
        let process = unsafe { libc::fork() };
        match process {
            ..0 => Err(io::Error::last_os_error()),
            0 => watch(read.as_raw_fd(), leftovers),
            1.. => Ok(Self {
                pipe: Some(write),
                process,
            }),
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.pipe = None;
        // SAFETY: a plain system call.
        while unsafe { libc::waitpid(self.process, std::ptr::null_mut(), 0) } < 0 {
            if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
                break;
            }
        }
    }
}

fn watch(pipe: libc::c_int, leftovers: &[Leftover]) -> ! {
    // SAFETY: plain system calls; the process ends here.
    unsafe {
        // Out of the terminal's reach, and of whoever ends the group.
        libc::setsid();
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT] {
            libc::signal(signal, libc::SIG_IGN);
        }
        libc::prctl(libc::PR_SET_NAME, c"tunlab-watchdog".as_ptr());
        libc::chdir(c"/".as_ptr());
        // Nothing of ours stays open but the pipe: no device, no file, no terminal.
        libc::dup2(pipe, 0);
        libc::syscall(libc::SYS_close_range, 1, libc::c_uint::MAX, 0);
        let mut byte = 0_u8;
        loop {
            let read = libc::read(0, (&raw mut byte).cast(), 1);
            if read == 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
                break;
            }
        }
        for leftover in leftovers {
            leftover.remove();
        }
        libc::_exit(0)
    }
}
