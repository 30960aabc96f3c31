//! A file that is complete or absent.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::CaptureError;

/// How many temporary names are tried. A name is taken when this process writes the same file twice at once, or when
/// an earlier process with its number was killed.
const NAMES_MAX: u32 = 100;

/// A file being written under a temporary name beside its own, `.<name>.<process>.part`. It gets its name with
/// [`commit`](Self::commit), replacing what had it; dropped before that, it leaves nothing behind. Holds against
/// errors and against the process's end, not against a power cut. Writes are buffered.
#[derive(Debug)]
pub struct AtomicFile {
    file: BufWriter<File>,
    temporary: PathBuf,
    path: PathBuf,
    committed: bool,
}

impl AtomicFile {
    /// Begins the file `path`, with the permissions that new files have.
    ///
    /// # Errors
    /// [`CaptureError::Create`] when the folder does not exist or is not writable, or `path` names no file.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, CaptureError> {
        Self::begin(path.as_ref(), OpenOptions::new())
    }

    /// Begins the file `path`, which nobody but its owner may read or write, from its first moment on (mode 0600): for
    /// key logs and private keys.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_private(path: impl AsRef<Path>) -> Result<Self, CaptureError> {
        let mut options = OpenOptions::new();
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Self::begin(path.as_ref(), options)
    }

    /// Gives the file its name, replacing what had it.
    ///
    /// # Errors
    /// [`CaptureError::Commit`] when what is buffered cannot be written, or the name is a folder's. Nothing is left
    /// behind then.
    pub fn commit(mut self) -> Result<(), CaptureError> {
        let renamed = self
            .file
            .flush()
            .and_then(|()| fs::rename(&self.temporary, &self.path));
        self.committed = renamed.is_ok();
        renamed.map_err(|source| CaptureError::Commit {
            path: self.path.clone(),
            source,
        })
    }

    /// The name it will have.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn begin(path: &Path, mut options: OpenOptions) -> Result<Self, CaptureError> {
        let failed = |source| CaptureError::Create {
            path: path.to_owned(),
            source,
        };
        let name = path
            .file_name()
            .ok_or_else(|| failed(io::ErrorKind::InvalidFilename.into()))?;
        options.write(true).create_new(true);
        let mut attempt = 0;
        loop {
            let mut part = OsString::from(".");
            part.push(name);
            part.push(match attempt {
                0 => format!(".{}.part", std::process::id()),
                n => format!(".{}-{n}.part", std::process::id()),
            });
            let temporary = path.with_file_name(part);
            match options.open(&temporary) {
                Ok(file) => {
                    return Ok(Self {
                        file: BufWriter::with_capacity(1 << 16, file),
                        temporary,
                        path: path.to_owned(),
                        committed: false,
                    });
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists && attempt < NAMES_MAX => {
                    attempt += 1;
                }
                Err(e) => return Err(failed(e)),
            }
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
        if !self.committed {
            // Nobody is left to tell: whatever went wrong has been reported, or the writer gave up.
            drop(fs::remove_file(&self.temporary));
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
        let part = format!(".run.pcapng.{}.part", std::process::id());
        assert_eq!(names(folder.path()), [part, "run.pcapng".to_owned()]);
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
        assert_eq!(mode(&file.temporary), 0o600);
        file.commit().unwrap();
        assert_eq!(mode(&path), 0o600);
    }
}
