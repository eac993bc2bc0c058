//! Documents in a folder: jobs and staff on this machine, for development and for a firm with one server.
//!
//! Writers of all processes take turns at a lock file, and a document is replaced by rename, so that a
//! reader sees the old one or the new one, whenever the power fails.

use crate::jobs::store::documents::{Documents, Read, Tag, When, WriteError};
use crate::jobs::token::sha256_hex;
use async_trait::async_trait;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

/// Locked while anything in the folder is written. It stays: removing it would let two writers each lock one of their own.
const LOCK: &str = ".lock";
/// How long a writer waits for its turn. A write takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(4);
/// Between two looks at the lock.
const LOOK: Duration = Duration::from_millis(2);

/// A folder of documents. It is made when the first of them is written, for this user's eyes only.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Documents below a path.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }
}

#[async_trait]
impl Documents for Folder {
    async fn read(&self, name: &str, known: Option<&Tag>) -> Result<Read, String> {
        let (path, known) = (self.root.join(name), known.cloned());
        aside(move || read(&path, known.as_ref())).await?
    }

    async fn write(&self, name: &str, bytes: Vec<u8>, when: &When) -> Result<Tag, WriteError> {
        let (root, path, when) = (self.root.clone(), self.root.join(name), when.clone());
        aside(move || write(&root, &path, &bytes, &when)).await.map_err(WriteError::Unknown)?
    }

    async fn list(&self, folder: &str) -> Result<Vec<String>, String> {
        let (path, folder) = (self.root.join(folder), folder.to_owned());
        aside(move || list(&path, &folder)).await?
    }

    fn place(&self, name: &str) -> String {
        self.root.join(name).display().to_string()
    }
}

/// Does what waits for the disk on a thread where nobody else waits.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())
}

fn named(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

/// The tag is the digest of the bytes. Times and sizes would be cheaper to compare, and two quick writes can have the same.
fn read(path: &Path, known: Option<&Tag>) -> Result<Read, String> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Read::Missing),
        Err(error) => return Err(named(path, &error)),
    };
    let tag = Tag(sha256_hex(&bytes));
    Ok(if known == Some(&tag) { Read::Unchanged } else { Read::Found(bytes, tag) })
}

/// A folder that cannot be read is an error: an export without its archive would look whole.
fn list(path: &Path, folder: &str) -> Result<Vec<String>, String> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(named(path, &error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(|error| named(path, &error))?.file_name().to_string_lossy().into_owned();
        // One that begins with a dot was left half written, or is the lock.
        if !name.starts_with('.') {
            names.push(format!("{folder}{name}"));
        }
    }
    names.sort();
    Ok(names)
}

fn write(root: &Path, path: &Path, bytes: &[u8], when: &When) -> Result<Tag, WriteError> {
    let failed = |path: &Path, error: &io::Error| WriteError::Failed(named(path, error));
    let folder = path.parent().unwrap_or(root);
    make_private(folder).map_err(|error| failed(folder, &error))?;
    // Held until this function ends.
    let _lock = lock(&root.join(LOCK))?;
    match (read(path, None).map_err(WriteError::Failed)?, when) {
        (Read::Missing, When::Missing) => {}
        (Read::Found(_, tag), When::Unchanged(known)) if tag == *known => {}
        _ => return Err(WriteError::Conflict),
    }
    replace(path, bytes).map_err(|error| failed(path, &error))?;
    // The document is there for every reader; whether it will be after a power failure is not known.
    settle(folder).map_err(|error| WriteError::Unknown(named(folder, &error)))?;
    Ok(Tag(sha256_hex(bytes)))
}

/// Puts bytes in the place of a file, at one moment, so that only this user can read them.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let fresh = path.with_file_name(format!(".{name}.new"));
    put(&fresh, bytes)?;
    fs::rename(&fresh, path)
}

/// Writes a file that only this user can read, and waits until it is on the disk.
fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // One that was left half written may have any mode.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = private().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn lock(path: &Path) -> Result<File, WriteError> {
    let failed = |error: io::Error| WriteError::Failed(named(path, &error));
    let file = private().write(true).create(true).truncate(false).open(path).map_err(failed)?;
    let mut waited = Duration::ZERO;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if waited < PATIENCE => {
                sleep(LOOK);
                waited += LOOK;
            }
            Err(TryLockError::WouldBlock) => {
                let seconds = PATIENCE.as_secs();
                return Err(WriteError::Failed(format!("{} is held by another program for {seconds} s", path.display())));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

/// Waits until the names in a folder are on the disk. Elsewhere than on Unix a folder cannot be opened for that.
fn settle(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
