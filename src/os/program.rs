//! Real programs, each in a network, mount and PID namespace of its own. Process 1 there is ours: it waits for the
//! program, takes in its orphans, and ends when the program does, and so does everything that was started. It dies with
//! us, whatever ends us.
//!
//! Three processes stand for a program: one that waits in its place outside (a PID namespace begins with a child),
//! process 1, and the program itself. The program is not process 1, whose signals the kernel drops where nobody handles
//! them: Ctrl-C would not end it. And whatever it does to itself, as `su` does, process 1 dies with us.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, getpid, pidfd_open};

use super::{Namespace, Process};

/// A program to start.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// Its name and arguments; at least the name.
    pub run: Vec<String>,
    /// Files it finds in place of the machine's: absolute path and content. The paths must exist on the machine.
    pub replaced: Vec<(PathBuf, Vec<u8>)>,
    /// Files it finds in its empty, private `/tmp`: name and content.
    pub files: Vec<(String, Vec<u8>)>,
    /// Environment variables besides `PATH`, `HOME`, `TERM` and `LANG`.
    pub environment: Vec<(String, String)>,
    /// Whether it keeps root's rights, inside its namespaces. Else it runs as nobody.
    pub root: bool,
    /// Whether it talks to the terminal of this process; else its input is empty and its output is ours to read.
    pub terminal: bool,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// With this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Child {
    child: std::process::Child,
    ended: OwnedFd,
}

/// uid and gid of nobody and nogroup, as Debian has them.
const NOBODY: u32 = 65_534;

impl Program {
    /// Starts it in `namespace`.
    ///
    /// # Errors
    /// When the program is not there, or the process may not.
    pub fn start(&self, namespace: &Namespace) -> io::Result<Child> {
        let name = self.run.first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(name);
        command
            .args(&self.run[1..])
            .env_clear()
            .env("HOME", "/tmp")
            .env("LANG", "C.UTF-8")
            .current_dir("/")
            .envs(self.environment.iter().map(|(k, v)| (k, v)));
        for kept in ["PATH", "TERM"] {
            if let Some(value) = std::env::var_os(kept) {
                command.env(kept, value);
            }
        }
        if !self.terminal {
            // Ctrl-C is for us: we end it when we have done what is to be done before.
            command
                .process_group(0)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
        }
        let setup = Setup::new(self, namespace.as_fd().as_raw_fd());
        // SAFETY: the closure runs in the child between fork and exec. This process has one thread then (the threads
        // that enter namespaces have been joined), so that allocation and file calls there are sound.
        unsafe { command.pre_exec(move || setup.run()) };
        let child = command.spawn()?;
        let pid = Pid::from_child(&child);
        let ended = pidfd_open(pid, PidfdFlags::empty())?;
        Ok(Child { child, ended })
    }
}

/// What the child does before it becomes the program.
struct Setup {
    parent: Pid,
    namespace: RawFd,
    replaced: Vec<(CString, CString, Vec<u8>)>,
    files: Vec<(PathBuf, Vec<u8>)>,
    root: bool,
}

/// Where the private file system is put together; `/mnt` is empty by the Filesystem Hierarchy Standard §3.12.
const STAGE: &str = "/mnt";

impl Setup {
    fn new(program: &Program, namespace: RawFd) -> Self {
        let c = |path: &Path| CString::new(path.as_os_str().as_encoded_bytes()).unwrap_or_default();
        let replaced = program
            .replaced
            .iter()
            .enumerate()
            .map(|(n, (path, content))| {
                let staged = PathBuf::from(format!("{STAGE}/{n}"));
                // A link is followed: what it points to is what programs read.
                let path = fs::canonicalize(path).unwrap_or_else(|_| path.clone());
                (c(&staged), c(&path), content.clone())
            });
        let files = program.files.iter().map(|(name, content)| {
            let path = Path::new("/tmp").join(name.trim_start_matches('/'));
            (path, content.clone())
        });
        Self {
            parent: getpid(),
            namespace,
            replaced: replaced.collect(),
            files: files.collect(),
            root: program.root,
        }
    }

    fn run(&self) -> io::Result<()> {
        // SAFETY: plain system calls on values that live until they return.
        let end = unsafe {
            // First of all: whatever comes, this process dies with its parent. Who has gone before that call is found
            // out after it.
            check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL))?;
            if libc::getppid() != self.parent.as_raw_nonzero().get() {
                libc::_exit(125);
            }
            check(libc::setns(self.namespace, libc::CLONE_NEWNET))?;
            check(libc::unshare(libc::CLONE_NEWNS | libc::CLONE_NEWPID))?;
            let end = shared_status()?;
            let outside = pidfd_open(getpid(), PidfdFlags::empty())?;
            let child = check(libc::fork())?;
            if child != 0 {
                wait_in_its_place(child, end);
            }
            check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL))?;
            // Its parent has no number in the new namespace; but it can be watched.
            if has_ended(&outside)? {
                libc::_exit(125);
            }
            end
        };
        self.mounts()?;
        // SAFETY: plain system calls.
        unsafe {
            let program = check(libc::fork())?;
            if program != 0 {
                be_process_one(program, end);
            }
            // Ours may ignore them; a program expects them as they come.
            for signal in [libc::SIGINT, libc::SIGQUIT, libc::SIGHUP, libc::SIGTERM] {
                libc::signal(signal, libc::SIG_DFL);
            }
        }
        self.drop_privileges()
    }

    /// The program's own view of the file system.
    fn mounts(&self) -> io::Result<()> {
        let private = libc::MS_REC | libc::MS_PRIVATE;
        mount(c"none", c"/", c"", private, c"")?;
        let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
        match mount(c"proc", c"/proc", c"proc", flags, c"") {
            // A container may hide parts of /proc, and the kernel then shows no new one to its users: the program sees
            // the processes outside, and can do nothing to them.
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {}
            other => other?,
        }
        mount(
            c"tmpfs",
            c"/mnt",
            c"tmpfs",
            libc::MS_NOSUID | libc::MS_NODEV,
            c"mode=755",
        )?;
        for (staged, target, content) in &self.replaced {
            fs::write(Path::new(&*staged.to_string_lossy()), content)?;
            mount(staged, target, c"", libc::MS_BIND, c"")?;
        }
        // What was bound stays, the stage goes.
        // SAFETY: a plain system call on a constant.
        unsafe { check(libc::umount2(c"/mnt".as_ptr(), libc::MNT_DETACH))? };
        mount(
            c"tmpfs",
            c"/tmp",
            c"tmpfs",
            libc::MS_NOSUID | libc::MS_NODEV,
            c"mode=1777",
        )?;
        for (path, content) in &self.files {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(path, content)?;
        }
        std::env::set_current_dir("/tmp")
    }

    fn drop_privileges(&self) -> io::Result<()> {
        // SAFETY: plain system calls.
        unsafe {
            // In a user namespace of ours there is no other user to become.
            if !self.root && !super::rootless::entered() {
                check(libc::setgroups(0, std::ptr::null()))?;
                check(libc::setgid(NOBODY))?;
                check(libc::setuid(NOBODY))?;
            }
            check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
        }
        Ok(())
    }
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

fn mount(
    source: &std::ffi::CStr,
    target: &std::ffi::CStr,
    kind: &std::ffi::CStr,
    flags: libc::c_ulong,
    data: &std::ffi::CStr,
) -> io::Result<()> {
    // SAFETY: all are strings that live until the call returns.
    let result = unsafe {
        libc::mount(
            source.as_ptr(),
            target.as_ptr(),
            kind.as_ptr(),
            flags,
            data.as_ptr().cast(),
        )
    };
    check(result).map(drop)
}

/// Where process 1 leaves how the program ended: a word of memory that both processes see. It cannot end by the
/// program's signal itself.
fn shared_status() -> io::Result<*mut libc::c_int> {
    // SAFETY: a new mapping, which lives as long as the processes that share it.
    let page = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            size_of::<libc::c_int>(),
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if page == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    let status = page.cast::<libc::c_int>();
    // SAFETY: the mapping is ours, writable and aligned to a page.
    unsafe { status.write_volatile(NO_END) };
    Ok(status)
}

/// No status that wait(2) gives.
const NO_END: libc::c_int = -1;

fn has_ended(process: &OwnedFd) -> io::Result<bool> {
    let mut one = [PollFd::new(process, PollFlags::IN)];
    Ok(poll(&mut one, Some(&Timespec::default()))? > 0)
}

/// Takes in orphans until the program ends; then this process ends, and with it the whole namespace. It holds no
/// descriptor, so that pipes end when programs do.
///
/// # Safety
/// `end` is the memory that [`shared_status`] made.
unsafe fn be_process_one(program: libc::pid_t, end: *mut libc::c_int) -> ! {
    // SAFETY: plain system calls, and a write that the caller vouches for; the process ends here.
    unsafe {
        libc::syscall(libc::SYS_close_range, 0, libc::c_uint::MAX, 0);
        loop {
            let mut status = 0;
            let ended = libc::waitpid(-1, &raw mut status, 0);
            if ended == program {
                end.write_volatile(status);
                libc::_exit(0);
            }
            if ended < 0 && io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
                libc::_exit(125);
            }
        }
    }
}

/// Waits for process 1 and ends as the program ended.
///
/// # Safety
/// `end` is the memory that [`shared_status`] made.
unsafe fn wait_in_its_place(child: libc::pid_t, end: *mut libc::c_int) -> ! {
    // SAFETY: plain system calls, and a read that the caller vouches for; the process ends here.
    unsafe {
        libc::syscall(libc::SYS_close_range, 0, libc::c_uint::MAX, 0);
        // The terminal's signals are for the program, which may live on.
        libc::signal(libc::SIGINT, libc::SIG_IGN);
        libc::signal(libc::SIGQUIT, libc::SIG_IGN);
        let mut status = 0;
        while libc::waitpid(child, &raw mut status, 0) < 0 {
            if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
                libc::_exit(125);
            }
        }
        let left = end.read_volatile();
        if left != NO_END {
            status = left;
        }
        if libc::WIFSIGNALED(status) {
            // End by the same signal; a core would be the program's, not ours.
            libc::prctl(libc::PR_SET_DUMPABLE, 0);
            libc::signal(libc::WTERMSIG(status), libc::SIG_DFL);
            libc::raise(libc::WTERMSIG(status));
            libc::_exit(128 + libc::WTERMSIG(status));
        }
        libc::_exit(libc::WEXITSTATUS(status));
    }
}

impl Child {
    /// Becomes readable when the program has ended.
    #[must_use]
    pub fn ended(&self) -> BorrowedFd<'_> {
        self.ended.as_fd()
    }

    /// Waits until it ends, or `other` does, and tells how it ended. `None`: `other` ended first, and the program was
    /// killed.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn wait_while(mut self, other: &Process) -> io::Result<Option<Exit>> {
        loop {
            if let Some(exit) = self.try_wait()? {
                return Ok(Some(exit));
            }
            let mut both = [
                PollFd::new(&self.ended, PollFlags::IN),
                PollFd::new(other, PollFlags::IN),
            ];
            match poll(&mut both, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
            if both[0].revents().is_empty() && !both[1].revents().is_empty() {
                return Ok(None);
            }
        }
    }

    /// How it ended, when it has.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn try_wait(&mut self) -> io::Result<Option<Exit>> {
        let status = self.child.try_wait()?;
        Ok(status.map(|s| match (s.code(), s.signal()) {
            (Some(code), _) => Exit::Code(code),
            (None, signal) => Exit::Signal(signal.unwrap_or(0)),
        }))
    }

    /// Its output and error output, to be read without waiting.
    ///
    /// # Errors
    /// When they cannot be set so.
    pub fn take_output(&mut self) -> io::Result<Vec<File>> {
        let mut files = Vec::new();
        let out = self.child.stdout.take().map(OwnedFd::from);
        let err = self.child.stderr.take().map(OwnedFd::from);
        for fd in out.into_iter().chain(err) {
            rustix::io::ioctl_fionbio(&fd, true)?;
            files.push(File::from(fd));
        }
        Ok(files)
    }

    /// The process that stands for it in our PID namespace.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Its death takes process 1 with it, and that all others of its PID namespace.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
