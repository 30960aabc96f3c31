//! A file that is complete or absent.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};

use super::CaptureError;

/// How many temporary names are tried. A name is taken when this process writes the same file twice at once, or when
/// an earlier process with its number was killed.
const NAMES_MAX: u32 = 100;

/// A file being written without a name (`O_TMPFILE`), so that nothing is left of it whatever ends the process. It gets
/// its name with [`commit`](Self::commit), replacing what had it. Where the file system has no such files, it is
/// written under a temporary name beside its own, `.<name>.<process>.part`, which is left behind by a process that is
/// killed. Holds against errors and against the process's end, not against a power cut. Writes are buffered.
#[derive(Debug)]
pub struct AtomicFile {
    file: BufWriter<File>,
    /// The name that it has until it has its own.
    temporary: Option<PathBuf>,
    path: PathBuf,
}

impl AtomicFile {
    /// Begins the file `path`, with the permissions that new files have.
    ///
    /// # Errors
    /// [`CaptureError::Create`] when the folder does not exist or is not writable, or `path` names no file.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, CaptureError> {
        Self::begin(path.as_ref(), 0o666, nameless)
    }

    /// Begins the file `path`, which nobody but its owner may read or write, from its first moment on (mode 0600): for
    /// key logs and private keys.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_private(path: impl AsRef<Path>) -> Result<Self, CaptureError> {
        Self::begin(path.as_ref(), 0o600, nameless)
    }

    /// Gives the file its name, replacing what had it.
    ///
    /// # Errors
    /// [`CaptureError::Commit`] when what is buffered cannot be written, or the name is a folder's. Nothing is left
    /// behind then.
    pub fn commit(mut self) -> Result<(), CaptureError> {
        self.name().map_err(|source| CaptureError::Commit {
            path: self.path.clone(),
            source,
        })
    }

    /// The name it will have.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `nameless` opens a file without a name in a folder, where there are such.
    fn begin(
        path: &Path,
        mode: u32,
        nameless: fn(&Path, u32) -> Option<File>,
    ) -> Result<Self, CaptureError> {
        let failed = |source| CaptureError::Create {
            path: path.to_owned(),
            source,
        };
        let name = path
            .file_name()
            .ok_or_else(|| failed(io::ErrorKind::InvalidFilename.into()))?;
        let (file, temporary) = match nameless(folder_of(path), mode) {
            Some(file) => (file, None),
            None => {
                let mut options = OpenOptions::new();
                options.write(true).create_new(true).mode(mode);
                let open = |temporary: &Path| options.open(temporary);
                let (file, temporary) = try_names(path, name, open).map_err(failed)?;
                (file, Some(temporary))
            }
        };
        Ok(Self {
            file: BufWriter::with_capacity(1 << 16, file),
            temporary,
            path: path.to_owned(),
        })
    }

    fn name(&mut self) -> io::Result<()> {
        self.file.flush()?;
        if self.temporary.is_none() {
            match link(self.file.get_ref(), &self.path) {
                // A link replaces nothing; a name that can be renamed does.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                    let name = self.path.file_name().unwrap_or_default();
                    let file = self.file.get_ref();
                    let (_, temporary) = try_names(&self.path, name, |at| link(file, at))?;
                    self.temporary = Some(temporary);
                }
                other => return other,
            }
        }
        if let Some(temporary) = &self.temporary {
            fs::rename(temporary, &self.path)?;
        }
        self.temporary = None;
        Ok(())
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        Some(_) | None => Path::new("."),
    }
}

/// A file without a name; `None` where there can be none, or none could be named later.
fn nameless(folder: &Path, mode: u32) -> Option<File> {
    if !Path::new(DESCRIPTORS).is_dir() {
        return None;
    }
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = rustix::fs::open(folder, flags, Mode::from_raw_mode(mode)).ok()?;
    Some(file.into())
}

/// Where a descriptor has a name, by which the file without one can be linked (open(2), `O_TMPFILE`).
const DESCRIPTORS: &str = "/proc/self/fd";

fn link(file: &File, to: &Path) -> io::Result<()> {
    let from = format!("{DESCRIPTORS}/{}", file.as_raw_fd());
    rustix::fs::linkat(CWD, from, CWD, to, AtFlags::SYMLINK_FOLLOW)?;
    Ok(())
}

/// Tries temporary names beside `path` until one is free.
fn try_names<T>(
    path: &Path,
    name: &OsStr,
    make: impl Fn(&Path) -> io::Result<T>,
) -> io::Result<(T, PathBuf)> {
    let mut attempt = 0;
    loop {
        let mut part = OsString::from(".");
        part.push(name);
        part.push(match attempt {
            0 => format!(".{}.part", std::process::id()),
            n => format!(".{}-{n}.part", std::process::id()),
        });
        let temporary = path.with_file_name(part);
        match make(&temporary) {
            Ok(made) => return Ok((made, temporary)),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && attempt < NAMES_MAX => {
                attempt += 1;
            }
            Err(e) => return Err(e),
        }
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // Nobody is left to tell: whatever went wrong has been reported, or the writer gave up.
            drop(fs::remove_file(temporary));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// As on a file system that has none.
    fn no_nameless(_: &Path, _: u32) -> Option<File> {
        None
    }

    #[test]
    fn a_file_has_its_name_only_when_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.pcapng");
        for before in [None, Some("before")] {
            if let Some(text) = before {
                fs::write(&path, text).unwrap();
            }
            let mut file = AtomicFile::create(&path).unwrap();
            file.write_all(b"after").unwrap();
            file.flush().unwrap();
            assert_eq!(fs::read_to_string(&path).ok().as_deref(), before);
            file.commit().unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"after");
            assert_eq!(names(folder.path()), ["run.pcapng"]);
        }
    }

    #[test]
    fn a_file_without_a_name_needs_no_temporary_one() {
        let folder = tempfile::tempdir().unwrap();
        if nameless(folder.path(), 0o600).is_none() {
            // This file system has none: the test below is the one that counts.
            return;
        }
        let mut file = AtomicFile::create(folder.path().join("run.pcapng")).unwrap();
        file.write_all(b"half").unwrap();
        file.flush().unwrap();
        assert_eq!(names(folder.path()), [""; 0]);
    }

    #[test]
    fn where_every_file_has_a_name_it_is_a_temporary_one_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.pcapng");
        fs::write(&path, "before").unwrap();
        let mut file = AtomicFile::begin(&path, 0o600, no_nameless).unwrap();
        file.write_all(b"after").unwrap();
        let part = format!(".run.pcapng.{}.part", std::process::id());
        assert_eq!(names(folder.path()), [part, "run.pcapng".to_owned()]);
        file.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"after");
        assert_eq!(names(folder.path()), ["run.pcapng"]);
        drop(AtomicFile::begin(&path, 0o600, no_nameless).unwrap());
        assert_eq!(names(folder.path()), ["run.pcapng"]);
    }

    #[test]
    fn a_file_given_up_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = AtomicFile::create(folder.path().join("run.pcapng")).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        assert_eq!(names(folder.path()), [""; 0]);
    }

    #[test]
    fn two_writers_of_one_file_do_not_share_a_temporary_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mut first = AtomicFile::create(&path).unwrap();
        let mut second = AtomicFile::create(&path).unwrap();
        first.write_all(b"first").unwrap();
        second.write_all(b"second").unwrap();
        second.commit().unwrap();
        first.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[test]
    fn a_commit_that_fails_names_the_file_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir(&path).unwrap();
        let error = AtomicFile::create(&path).unwrap().commit().unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("failed to complete `{}`", path.display())
        );
        assert_eq!(names(folder.path()), ["taken"]);
    }

    #[test]
    fn a_file_that_cannot_be_begun_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("absent").join("run.pcapng");
        let error = AtomicFile::create(&path).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("failed to create `{}`", path.display())
        );
        assert!(matches!(
            AtomicFile::create("/").unwrap_err(),
            CaptureError::Create { .. }
        ));
    }

    #[cfg(unix)]
    #[test]
    fn a_private_file_is_private_from_its_first_moment_on() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.log");
        fs::write(&path, "readable").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let file = AtomicFile::create_private(&path).unwrap();
        let written = file.file.get_ref().metadata().unwrap().permissions();
        assert_eq!(written.mode() & 0o777, 0o600);
        file.commit().unwrap();
        assert_eq!(mode(&path), 0o600);
    }
}
