//! A stage in a folder of this machine, with the same promises as S3 and CloudFront: every publishing command can
//! be tried with no account, and what would go wrong there goes wrong here.
//!
//! ```text
//! <root>/site/index.html              an object of the bucket `site`: its bytes, as they are
//! <root>/control/stages/…             the ledger, in a bucket like any other
//! <root>/functions/<name>/live.js     a function in its two function stages
//! <root>/.qdn/buckets/<bucket>/…      what is stored with each object besides its bytes
//! <root>/.qdn/edge/<distribution>/…   what the edge holds, and the invalidations it was told
//! ```
//!
//! A person may look at the objects, and change or remove them: that is seen as it would be at S3, as a write by
//! somebody else. Several processes may work on one folder: writers of a bucket take turns at a lock file.
//!
//! It is a rehearsal, so little waits for the disk: a process may be killed at any instant and nothing is torn, and
//! after a power failure the ledger is whole while pages of the last seconds may be gone. `qdn publish` says so, as
//! it does of a bucket that lost objects.
#![expect(clippy::disallowed_methods, reason = "a folder of the disk is what this store is")]

mod edge;
mod functions;
mod names;
mod objects;
#[cfg(test)]
mod tests;

pub use edge::EdgeCache;

use super::{Bucket, Cdn, Failure, Kind, Tested};
use crate::deploy::options::CONTROL;
use edge::Edge;
use jiff::{SignedDuration, Timestamp};
use objects::{Folder, Objects};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, SystemTime};

/// The folder of what is no object, below the root.
const BOOKS: &str = ".qdn";
/// The folder of functions, below the root.
const FUNCTIONS: &str = "functions";
/// Locked while anything is written. It stays: removing it would let two writers each lock one of their own.
const LOCK: &str = "lock";
/// How long a writer waits for its turn. A write takes less than a millisecond; that of a film takes seconds.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at a lock that another process holds.
const LOOK: Duration = Duration::from_millis(1);

/// Runs a function's code in a runtime of that name for one event: the emulator, which this module does not know.
pub type Tester = Arc<dyn Fn(&str, &str, &Value) -> Tested + Send + Sync>;

/// A stage in a folder.
#[derive(Clone)]
pub struct Directory(Arc<Inner>);

struct Inner {
    root: PathBuf,
    tester: Tester,
    clock: Clock,
    /// How long an invalidation is said to be in progress.
    delay: SignedDuration,
    /// One value for each folder, so that threads of this process wait for each other without looking at a file.
    buckets: Mutex<BTreeMap<String, Arc<Objects>>>,
    edges: Mutex<BTreeMap<String, Arc<Edge>>>,
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Directory").field(&self.0.root).finish()
    }
}

/// What time it is.
#[derive(Clone)]
struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

impl Clock {
    fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl Directory {
    /// A stage below a folder, which is made when something is written. `tester` runs functions.
    pub fn new(root: PathBuf, tester: Tester) -> Self {
        Self::with(root, tester, Clock(Arc::new(Timestamp::now)), SignedDuration::ZERO)
    }

    /// The same with another clock, and with invalidations that are said to take a while; they are obeyed at once
    /// all the same.
    #[must_use]
    pub fn with_clock(self, clock: impl Fn() -> Timestamp + Send + Sync + 'static, delay: SignedDuration) -> Self {
        Self::with(self.0.root.clone(), Arc::clone(&self.0.tester), Clock(Arc::new(clock)), delay)
    }

    fn with(root: PathBuf, tester: Tester, clock: Clock, delay: SignedDuration) -> Self {
        Self(Arc::new(Inner { root, tester, clock, delay, buckets: Mutex::default(), edges: Mutex::default() }))
    }

    /// A bucket: the folder of its name.
    pub fn bucket(&self, name: &str) -> Arc<dyn Bucket> {
        Arc::new(Folder(self.objects(&names::bucket(name))))
    }

    /// The network in front of the buckets. A distribution's id is the name of its bucket.
    pub fn cdn(&self) -> Arc<dyn Cdn> {
        Arc::new(functions::Network(self.clone()))
    }

    /// What stands between the visitors and a bucket.
    pub fn edge(&self, distribution: &str) -> EdgeCache {
        let folder = names::bucket(distribution);
        let mut edges = self.0.edges.lock().unwrap_or_else(PoisonError::into_inner);
        let edge = edges.entry(folder.clone()).or_insert_with(|| {
            let books = self.0.root.join(BOOKS).join("edge").join(&folder);
            Arc::new(Edge::new(books, self.objects(&folder), self.0.clock.clone(), self.0.delay))
        });
        EdgeCache::new(Arc::clone(edge))
    }

    /// What lies in a folder below the root.
    fn objects(&self, folder: &str) -> Arc<Objects> {
        let mut buckets = self.0.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let objects = buckets.entry(folder.to_owned()).or_insert_with(|| {
            let books = self.0.root.join(BOOKS).join("buckets").join(folder);
            Arc::new(Objects::new(self.0.root.join(folder), books, folder == CONTROL, self.0.clock.clone()))
        });
        Arc::clone(objects)
    }
}

/// Does what waits for the disk on a thread where nobody else waits.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Failure::new(Kind::Lost, error.to_string())))
}

/// A failure of the disk. Asking again does not help: a full disk stays full.
fn refused(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Kind::Refused, format!("{}: {error}", path.display()))
}

/// Whether there is no such file, and perhaps cannot be: a part of its path is a file, or longer than a name may be.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename)
}

/// A file's bytes; nothing where there is none.
fn bytes(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(refused(path, &error)),
    }
}

/// Removes a file that may be gone already.
fn discard(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(error) if !is_gone(&error) => Err(refused(path, &error)),
        _ => Ok(()),
    }
}

/// Does something to a path, and where its folder is missing, once more with it.
fn in_folder<T>(path: &Path, work: impl Fn() -> io::Result<T>) -> Result<T, Failure> {
    let result = match (work(), path.parent()) {
        (Err(error), Some(folder)) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(folder).map_err(|error| refused(folder, &error))?;
            work()
        }
        (result, _) => result,
    };
    result.map_err(|error| refused(path, &error))
}

/// Puts bytes in the place of a small file of the books, at one moment. Only whoever holds the books' lock may.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let fresh = path.with_extension("new");
    in_folder(&fresh, || fs::write(&fresh, bytes))?;
    in_folder(path, || fs::rename(&fresh, path))
}

/// Waits for the turn at a folder of books. The turn ends when the file is dropped, or its process is.
fn turn(books: &Path) -> Result<File, Failure> {
    let path = books.join(LOCK);
    let file = in_folder(&path, || OpenOptions::new().write(true).create(true).truncate(false).open(&path))?;
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
                return Err(Failure::new(Kind::Busy, format!("{} is held by another program for {seconds} s", path.display())));
            }
            Err(TryLockError::Error(error)) => return Err(refused(&path, &error)),
        }
    }
}

/// When a file was written, by the clock of its file system.
fn written(time: io::Result<SystemTime>) -> Timestamp {
    time.ok().and_then(|time| Timestamp::try_from(time).ok()).unwrap_or(Timestamp::UNIX_EPOCH)
}
