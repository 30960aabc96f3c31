//! A file that is complete or absent.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, open};
use rustix::io::Errno;

use super::CaptureError;

/// How many temporary names are tried. A name is taken when this process writes the same file twice at once, or when
/// an earlier process with its number was killed.
const NAMES_MAX: u32 = 100;

/// A file that has no name while it is being written, or, on file systems that cannot do that, a temporary one beside
/// its own, `.<name>.<process>.part`. It gets its name with [`commit`](Self::commit), replacing what had it; dropped
/// before that, it leaves nothing behind. Without a name it leaves nothing behind either when the process is killed.
/// Holds against errors and against the process's end, not against a power cut. Writes are buffered.
#[derive(Debug)]
pub struct AtomicFile {
    file: BufWriter<File>,
    /// `None` while it has no name.
    temporary: Option<PathBuf>,
    path: PathBuf,
    committed: bool,
}

impl AtomicFile {
    /// Begins the file `path`, with the permissions that new files have.
    ///
    /// # Errors
    /// [`CaptureError::Create`] when the folder does not exist or is not writable, or `path` names no file.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, CaptureError> {
        Self::begin(path.as_ref(), 0o666)
    }

    /// Begins the file `path`, which nobody but its owner may read or write, from its first moment on (mode 0600): for
    /// key logs and private keys.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_private(path: impl AsRef<Path>) -> Result<Self, CaptureError> {
        Self::begin(path.as_ref(), 0o600)
    }

    /// Gives the file its name, replacing what had it.
    ///
    /// # Errors
    /// [`CaptureError::Commit`] when what is buffered cannot be written, or the name is a folder's. Nothing is left
    /// behind then.
    pub fn commit(mut self) -> Result<(), CaptureError> {
        let named = self.finish();
        self.committed = named.is_ok();
        named.map_err(|source| CaptureError::Commit {
            path: self.path.clone(),
            source,
        })
    }

    /// The name it will have.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn finish(&mut self) -> io::Result<()> {
        self.file.flush()?;
        if self.temporary.is_none() {
            // open(2), O_TMPFILE: how such a file gets a name without special rights.
            let own = format!("/proc/self/fd/{}", self.file.get_ref().as_raw_fd());
            let link = |name: &Path| linkat(CWD, &own, CWD, name, AtFlags::SYMLINK_FOLLOW);
            match link(&self.path) {
                Ok(()) => return Ok(()),
                // A link replaces nothing, a new name does.
                Err(Errno::EXIST) => {
                    let temporary = first_free(&self.path, |name| Ok(link(name)?))?.0;
                    self.temporary = Some(temporary);
                }
                Err(e) => return Err(e.into()),
            }
        }
        match &self.temporary {
            Some(temporary) => fs::rename(temporary, &self.path),
            None => Ok(()),
        }
    }

    fn begin(path: &Path, mode: u32) -> Result<Self, CaptureError> {
        let failed = |source| CaptureError::Create {
            path: path.to_owned(),
            source,
        };
        if path.file_name().is_none() {
            return Err(failed(io::ErrorKind::InvalidFilename.into()));
        }
        let (file, temporary) = match nameless(path, mode) {
            Some(file) => (file, None),
            None => {
                let mut options = OpenOptions::new();
                options.write(true).create_new(true).mode(mode);
                let named = first_free(path, |name| options.open(name));
                let (temporary, file) = named.map_err(failed)?;
                (file, Some(temporary))
            }
        };
        Ok(Self {
            file: BufWriter::with_capacity(1 << 16, file),
            temporary,
            path: path.to_owned(),
            committed: false,
        })
    }
}

/// A file without a name in the folder of `path`. `None` where that cannot be had: the file system must know it, and
/// `/proc` must be there to name the file in the end.
fn nameless(path: &Path, mode: u32) -> Option<File> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        Some(_) | None => Path::new("."),
    };
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = File::from(open(folder, flags, Mode::from_raw_mode(mode)).ok()?);
    let own = format!("/proc/self/fd/{}", file.as_raw_fd());
    fs::symlink_metadata(own).is_ok().then_some(file)
}

/// Tries temporary names beside `path` until `make` finds one that is not taken.
fn first_free<T>(
    path: &Path,
    mut make: impl FnMut(&Path) -> io::Result<T>,
) -> io::Result<(PathBuf, T)> {
    let mut attempt = 0;
    loop {
        let mut part = OsString::from(".");
        part.push(path.file_name().unwrap_or_default());
        part.push(match attempt {
            0 => format!(".{}.part", std::process::id()),
            n => format!(".{}-{n}.part", std::process::id()),
        });
        let temporary = path.with_file_name(part);
        match make(&temporary) {
            Ok(made) => return Ok((temporary, made)),
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
        if let (false, Some(temporary)) = (self.committed, &self.temporary) {
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

    #[test]
    fn a_file_has_its_name_only_when_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.pcapng");
        fs::write(&path, "before").unwrap();
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"after").unwrap();
        file.flush().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"before");
        assert_eq!(names(folder.path()), ["run.pcapng"]);
        file.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"after");
        assert_eq!(names(folder.path()), ["run.pcapng"]);
    }

    /// As on a file system that has no files without names.
    fn named(path: &Path) -> AtomicFile {
        let (temporary, file) = first_free(path, |name| File::create_new(name)).unwrap();
        AtomicFile {
            file: BufWriter::new(file),
            temporary: Some(temporary),
            path: path.to_owned(),
            committed: false,
        }
    }

    #[test]
    fn where_a_file_must_have_a_name_it_has_a_temporary_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.pcapng");
        let mut file = named(&path);
        file.write_all(b"after").unwrap();
        let part = format!(".run.pcapng.{}.part", std::process::id());
        assert_eq!(names(folder.path()), [part]);
        drop(named(&path));
        file.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"after");
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

    #[test]
    fn a_private_file_is_private_from_its_first_moment_on() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.log");
        fs::write(&path, "readable").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let mode = |metadata: fs::Metadata| metadata.permissions().mode() & 0o777;
        let file = AtomicFile::create_private(&path).unwrap();
        assert_eq!(mode(file.file.get_ref().metadata().unwrap()), 0o600);
        file.commit().unwrap();
        assert_eq!(mode(fs::metadata(&path).unwrap()), 0o600);
    }
}
