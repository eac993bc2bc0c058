//! The objects of one bucket: plain files, and beside them the books that say what else is stored with each.
//!
//! Bytes and headers are two files and must change at one moment. The moment is the rename of the bytes:
//!
//! ```text
//! books/next          1. the new bytes, whole
//! books/commit        2. their record: key, digest, size, time of writing, headers
//! site/index.html     3. ◀ books/next, by rename: from now on the object is the new one
//! books/objects/…     4. ◀ books/commit, by rename
//! ```
//!
//! Only who holds the bucket's lock writes, and begins by settling what a killed process left. Where there is a
//! `commit` and still a `next`, it was killed before 3: both are thrown away, and the object is the old one. Where there
//! is a `commit` and no `next`, it was killed after 3: 4 is made up for. `next` is written before `commit` and by
//! nobody while there is one, so the two cases cannot be taken for each other, and a `commit` torn by the kill has its
//! `next` beside it.
//!
//! A reader takes no lock. It believes a record where size and time of writing are those of the file (and where it
//! reads the bytes, the digest); else it was between 3 and 4 of a writer, or a person has been here: it
//! takes its turn, settles, and looks again. What still has no record of its own was written by hand. A removal
//! takes the bytes first: a record without bytes is no object.

use super::super::{Bucket, Content, Described, Failure, Found, Kind, Listed, Location, Stat, Tag, When};
use super::{Clock, aside, bytes, discard, in_folder, is_gone, names, refused, turn, written};
use crate::release::headers;
use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File, Metadata};
use std::io::{Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes of a key, S3's limit [doc: object-keys].
const LONGEST_KEY: usize = 1_024;
/// Bytes that are read at once.
const CHUNK: usize = 1 << 18;
/// The digits of a digest that make a tag: as many as S3's own have.
const TAG: usize = 32;
/// The kind of store, in a [`Location`]. Every folder of this machine can be copied from.
const STORE: &str = "folder";

/// One bucket's objects.
#[derive(Debug)]
pub(super) struct Objects {
    files: PathBuf,
    books: PathBuf,
    /// Whether this is the bucket of the books of the stage.
    is_control: bool,
    clock: Clock,
    turn: Mutex<()>,
    /// How many steps a write takes until it is killed, in tests.
    #[cfg(test)]
    pub(super) steps: std::sync::atomic::AtomicUsize,
}

/// What the books say of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) key: String,
    pub(super) sha256: String,
    pub(super) size: u64,
    /// The file's time of modification, as the file system has it.
    modified: Timestamp,
    pub(super) content_type: String,
    pub(super) cache_control: String,
    /// Folders of an older qdn have none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) cache_tag: String,
}

impl Record {
    fn is_of(&self, key: &str, file: &Metadata) -> bool {
        self.key == key && self.size == file.len() && self.modified == written(file.modified())
    }

    pub(super) fn tag(&self) -> Tag {
        tag(&self.sha256)
    }
}

/// A tag as S3's are: the same bytes have the same, whatever their headers.
fn tag(sha256: &str) -> Tag {
    Tag(format!("\"{}\"", sha256.get(..TAG).unwrap_or(sha256)))
}

/// What is to be written besides the bytes.
#[derive(Clone, Debug)]
pub(super) struct Description {
    pub(super) sha256: String,
    pub(super) size: u64,
    pub(super) content_type: String,
    pub(super) cache_control: String,
    pub(super) cache_tag: String,
}

impl From<&Described<'_>> for Description {
    fn from(described: &Described<'_>) -> Self {
        Self {
            sha256: described.sha256.to_owned(),
            size: described.size,
            content_type: described.content_type.to_owned(),
            cache_control: described.cache_control.to_owned(),
            cache_tag: described.cache_tag.to_owned(),
        }
    }
}

/// The right to write, and to say for certain what there is. The file's lock ends before that of the threads.
pub(super) struct Turn<'a> {
    objects: &'a Objects,
    _file: File,
    _thread: MutexGuard<'a, ()>,
}

impl Objects {
    pub(super) fn new(files: PathBuf, books: PathBuf, is_control: bool, clock: Clock) -> Self {
        Self {
            files,
            books,
            is_control,
            clock,
            turn: Mutex::default(),
            #[cfg(test)]
            steps: usize::MAX.into(),
        }
    }

    pub(super) fn file(&self, key: &str) -> PathBuf {
        self.files.join(names::path(key, names::FOLDS))
    }

    fn book(&self, key: &str) -> PathBuf {
        self.books.join("objects").join(names::path(key, names::FOLDS))
    }

    /// Waits for the turn, and puts in order what a killed process left.
    pub(super) fn turn(&self) -> Result<Turn<'_>, Failure> {
        let thread = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = Turn { objects: self, _file: turn(&self.books)?, _thread: thread };
        turn.settle()?;
        Ok(turn)
    }

    /// The file's entry, where it is a file. What else stands in its place is no object.
    fn entry(&self, key: &str) -> Result<Option<Metadata>, Failure> {
        let path = self.file(key);
        match fs::metadata(&path) {
            Ok(file) => Ok(file.is_file().then_some(file)),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(refused(&path, &error)),
        }
    }

    /// What the books say, where they say something that can be read.
    fn record(&self, key: &str) -> Result<Option<Record>, Failure> {
        Ok(bytes(&self.book(key))?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    pub(super) fn stat(&self, key: &str) -> Result<Option<Record>, Failure> {
        let Some(file) = self.entry(key)? else { return Ok(None) };
        match self.record(key)? {
            Some(record) if record.is_of(key, &file) => Ok(Some(record)),
            _ => self.turn()?.stat(key),
        }
    }

    /// An object's bytes. They are their own proof, so that the books need not be asked.
    fn read(&self, key: &str) -> Result<Option<Found>, Failure> {
        Ok(self.bytes(key)?.map(|(bytes, modified)| {
            let age = Duration::try_from(self.clock.now().duration_since(modified)).unwrap_or_default();
            Found { tag: tag(&sha256(&bytes)), bytes, age }
        }))
    }

    fn range(&self, key: &str, offset: u64, size: u64) -> Result<Option<Vec<u8>>, Failure> {
        let path = self.file(key);
        let read = || {
            let mut file = File::open(&path)?;
            if !file.metadata()?.is_file() {
                return Ok(None);
            }
            file.seek(SeekFrom::Start(offset))?;
            let mut bytes = Vec::new();
            file.take(size).read_to_end(&mut bytes)?;
            Ok(Some(bytes))
        };
        match read() {
            Ok(Some(bytes)) if bytes.len() as u64 != size => {
                Err(Failure::new(Kind::Refused, format!("{} has no {size} bytes from {offset} on", path.display())))
            }
            Err(error) if is_gone(&error) => Ok(None),
            result => result.map_err(|error| refused(&path, &error)),
        }
    }

    fn bytes(&self, key: &str) -> Result<Option<(Vec<u8>, Timestamp)>, Failure> {
        let path = self.file(key);
        let read = || {
            let mut file = File::open(&path)?;
            let entry = file.metadata()?;
            if !entry.is_file() {
                return Ok(None);
            }
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(Some((bytes, written(entry.modified()))))
        };
        match read() {
            Err(error) if is_gone(&error) => Ok(None),
            result => result.map_err(|error| refused(&path, &error)),
        }
    }

    /// Bytes with the headers that belong to them.
    pub(super) fn whole(&self, key: &str) -> Result<Option<(Vec<u8>, Record)>, Failure> {
        let Some((bytes, modified)) = self.bytes(key)? else { return Ok(None) };
        match self.record(key)? {
            Some(record) if record.modified == modified && record.sha256 == sha256(&bytes) => Ok(Some((bytes, record))),
            _ => self.turn()?.whole(key),
        }
    }

    pub(super) fn list(&self, prefix: &str) -> Result<Vec<Listed>, Failure> {
        // A bucket that nobody wrote to is empty, and is not made by looking.
        if !self.files.is_dir() {
            return Ok(Vec::new());
        }
        self.turn()?.list(prefix)
    }

    #[cfg(test)]
    fn step(&self) -> Result<(), Failure> {
        use std::sync::atomic::Ordering::SeqCst;
        match self.steps.fetch_update(SeqCst, SeqCst, |steps| steps.checked_sub(1)) {
            Ok(_) => Ok(()),
            Err(_) => Err(Failure::new(Kind::Lost, "killed here")),
        }
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "in tests a write ends here")]
    fn step(&self) -> Result<(), Failure> {
        Ok(())
    }
}

impl Turn<'_> {
    fn next(&self) -> PathBuf {
        self.objects.books.join("next")
    }

    fn commit(&self) -> PathBuf {
        self.objects.books.join("commit")
    }

    fn settle(&self) -> Result<(), Failure> {
        let commit = self.commit();
        let Some(bytes) = bytes(&commit)? else { return Ok(()) };
        match serde_json::from_slice::<Record>(&bytes) {
            Ok(record) if !self.next().exists() => self.enter(&record.key),
            _ => discard(&commit),
        }
    }

    /// The last step of a write.
    fn enter(&self, key: &str) -> Result<(), Failure> {
        let (commit, book) = (self.commit(), self.objects.book(key));
        in_folder(&book, || fs::rename(&commit, &book))
    }

    /// What there is. Where no record fits, somebody wrote it by hand, and it is described as well as can be.
    pub(super) fn stat(&self, key: &str) -> Result<Option<Record>, Failure> {
        let Some(file) = self.objects.entry(key)? else { return Ok(None) };
        match self.objects.record(key)? {
            Some(record) if record.is_of(key, &file) => Ok(Some(record)),
            _ => Ok(self.whole(key)?.map(|(_, record)| record)),
        }
    }

    /// Bytes with their headers. A file that was only touched, or came back from a backup, has kept its own.
    pub(super) fn whole(&self, key: &str) -> Result<Option<(Vec<u8>, Record)>, Failure> {
        let Some((bytes, modified)) = self.objects.bytes(key)? else { return Ok(None) };
        let record = match self.objects.record(key)? {
            Some(record) if record.sha256 == sha256(&bytes) => Record { modified, ..record },
            _ => by_hand(key, &bytes, modified),
        };
        Ok(Some((bytes, record)))
    }

    pub(super) fn put(&self, key: &str, content: &Content, what: &Description, when: &When) -> Result<Tag, Failure> {
        let (objects, file) = (self.objects, self.objects.file(key));
        if key.is_empty() || key.len() > LONGEST_KEY {
            return Err(Failure::new(Kind::Refused, format!("`{key}` is no key: S3 takes 1 to {LONGEST_KEY} bytes")));
        }
        match (self.stat(key)?, when) {
            (None, When::Missing) => {}
            (Some(known), When::Is(tag)) if known.tag() == *tag => {}
            (None, When::Is(_)) => return Err(conflict(&file, "is gone")),
            (Some(_), When::Missing) => return Err(conflict(&file, "is there already")),
            (Some(_), When::Is(_)) => return Err(conflict(&file, "was written by somebody else")),
        }
        // The ledger, and the manifests that it names, must be there after a power failure; ten thousand pages need
        // not wait for that, nor their copies among the blobs.
        let is_durable = objects.is_control && !key.starts_with("blobs/");
        let next = self.next();
        let modified = send(content, &next, what, is_durable)?;
        objects.step()?;
        let record = Record {
            key: key.to_owned(),
            sha256: what.sha256.clone(),
            size: what.size,
            modified,
            content_type: what.content_type.clone(),
            cache_control: what.cache_control.clone(),
            cache_tag: what.cache_tag.clone(),
        };
        let text = serde_json::to_vec(&record).map_err(|error| Failure::new(Kind::Refused, error.to_string()))?;
        let commit = self.commit();
        save(&commit, &text, is_durable).map_err(|error| refused(&commit, &error))?;
        objects.step()?;
        in_folder(&file, || fs::rename(&next, &file))?;
        // The object is the new one: whoever hears of a failure now must look.
        let lost = |failure: Failure| Failure { kind: Kind::Lost, ..failure };
        objects.step()?;
        self.enter(key).map_err(lost)?;
        if is_durable {
            flush(&file, &objects.files).map_err(lost)?;
            flush(&objects.book(key), &objects.books).map_err(lost)?;
        }
        Ok(record.tag())
    }

    pub(super) fn remove(&self, key: &str, tag: &Tag) -> Result<(), Failure> {
        let (file, book) = (self.objects.file(key), self.objects.book(key));
        match self.stat(key)? {
            None => return Ok(()),
            Some(known) if known.tag() != *tag => return Err(conflict(&file, "was written by somebody else")),
            Some(_) => {}
        }
        discard(&file)?;
        self.objects.step()?;
        discard(&book)?;
        prune(&file, &self.objects.files);
        prune(&book, &self.objects.books);
        Ok(())
    }

    fn list(&self, prefix: &str) -> Result<Vec<Listed>, Failure> {
        let objects = self.objects;
        let first = match prefix.rsplit_once('/') {
            Some((folders, _)) => objects.files.join(names::folder(folders, names::FOLDS)),
            None => objects.files.clone(),
        };
        let mut open = vec![objects.files.join(names::LONG), first];
        let mut listed = Vec::new();
        while let Some(folder) = open.pop() {
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if is_gone(&error) => continue,
                Err(error) => return Err(refused(&folder, &error)),
            };
            for entry in entries {
                let entry = entry.map_err(|error| refused(&folder, &error))?;
                let path = entry.path();
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    // It is looked through in any case.
                    if !path.ends_with(names::LONG) {
                        open.push(path);
                    }
                } else if let Some(key) = self.key(&path)?.filter(|key| key.starts_with(prefix))
                    && let Some(record) = self.stat(&key)?
                {
                    let (size, tag) = (record.size, record.tag());
                    listed.push(Listed { key, size, tag, modified: record.modified });
                }
            }
        }
        listed.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(listed)
    }

    /// The key of a file. What is too long for a path is known by its record alone.
    fn key(&self, file: &Path) -> Result<Option<String>, Failure> {
        let Ok(path) = file.strip_prefix(&self.objects.files) else { return Ok(None) };
        if !path.starts_with(names::LONG) {
            return Ok(names::key(path, names::FOLDS));
        }
        let record = bytes(&self.objects.books.join("objects").join(path))?;
        let key = record.and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok()).map(|record| record.key);
        Ok(key.filter(|key| names::path(key, names::FOLDS) == path))
    }
}

fn conflict(path: &Path, what: &str) -> Failure {
    Failure::new(Kind::Conflict, format!("{} {what}", path.display()))
}

/// What a person put there: as S3 would have it, were it uploaded with nothing said of it but its type.
fn by_hand(key: &str, bytes: &[u8], modified: Timestamp) -> Record {
    Record {
        key: key.to_owned(),
        sha256: sha256(bytes),
        size: bytes.len() as u64,
        modified,
        content_type: headers::content_type(key).to_owned(),
        cache_control: String::new(),
        cache_tag: String::new(),
    }
}

/// Writes the bytes to a file while they are hashed, and refuses those that are not the ones described.
fn send(content: &Content, to: &Path, what: &Description, is_durable: bool) -> Result<Timestamp, Failure> {
    let failed = |error| refused(to, &error);
    let mut out = in_folder(to, || File::create(to))?;
    let mut hash = Sha256::new();
    let mut size = 0;
    let mut put = |chunk: &[u8]| {
        hash.update(chunk);
        size += chunk.len() as u64;
        out.write_all(chunk)
    };
    let from = match content {
        Content::Bytes(bytes) => {
            put(bytes).map_err(failed)?;
            "what was sent".to_owned()
        }
        Content::File(path) => {
            let unread = |error| refused(path, &error);
            let mut file = File::open(path).map_err(unread)?;
            let mut chunk = vec![0; CHUNK.min(usize::try_from(what.size).unwrap_or(CHUNK).saturating_add(1))];
            loop {
                match file.read(&mut chunk).map_err(unread)? {
                    0 => break,
                    length => put(&chunk[..length]).map_err(failed)?,
                }
            }
            format!("`{}`", path.display())
        }
    };
    if size != what.size || hex(&hash.finalize()) != what.sha256 {
        return Err(Failure::new(
            Kind::Refused,
            format!("{from} is not what was built: its bytes have changed since they were hashed"),
        ));
    }
    if is_durable {
        out.sync_all().map_err(failed)?;
    }
    out.metadata().map(|file| written(file.modified())).map_err(failed)
}

fn save(path: &Path, bytes: &[u8], is_durable: bool) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    if is_durable { file.sync_all() } else { Ok(()) }
}

/// Waits until a file's name is on the disk, and those of its folders, which may be new. Elsewhere than on Unix a
/// folder cannot be opened for that.
fn flush(path: &Path, top: &Path) -> Result<(), Failure> {
    for folder in path.ancestors().skip(1).take_while(|folder| cfg!(unix) && folder.starts_with(top)) {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| refused(folder, &error))?;
    }
    Ok(())
}

/// Removes the folders that a removal left empty. One that is not empty stays, which is all that can go wrong.
fn prune(path: &Path, top: &Path) {
    for folder in path.ancestors().skip(1).take_while(|folder| *folder != top) {
        if fs::remove_dir(folder).is_err() {
            return;
        }
    }
}

fn sha256(bytes: &[u8]) -> String {
    crate::release::Digest::of(bytes).hex()
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A bucket, as the trait has it.
#[derive(Clone, Debug)]
pub(super) struct Folder(pub(super) Arc<Objects>);

impl Folder {
    async fn aside<T: Send + 'static>(
        &self,
        key: &str,
        work: impl FnOnce(&Objects, &str) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let (objects, key) = (Arc::clone(&self.0), key.to_owned());
        aside(move || work(&objects, &key)).await
    }
}

#[async_trait]
impl Bucket for Folder {
    async fn read(&self, key: &str) -> Result<Option<Found>, Failure> {
        self.aside(key, Objects::read).await
    }

    async fn read_range(&self, key: &str, offset: u64, size: u64) -> Result<Option<Vec<u8>>, Failure> {
        self.aside(key, move |objects, key| objects.range(key, offset, size)).await
    }

    async fn stat(&self, key: &str) -> Result<Option<Stat>, Failure> {
        let record = self.aside(key, Objects::stat).await?;
        Ok(record.map(|record| Stat {
            tag: record.tag(),
            size: record.size,
            sha256: Some(record.sha256),
            content_type: record.content_type,
            cache_control: record.cache_control,
            cache_tag: record.cache_tag,
        }))
    }

    async fn put(&self, key: &str, content: &Content, described: &Described<'_>, when: &When) -> Result<Tag, Failure> {
        let (content, what, when) = (content.clone(), Description::from(described), when.clone());
        self.aside(key, move |objects, key| objects.turn()?.put(key, &content, &what, &when)).await
    }

    /// Reads and writes: a hard link would be one file under two names, and a person who edits one would edit both.
    async fn copy(
        &self,
        from: &Location,
        is: Option<&Tag>,
        key: &str,
        described: &Described<'_>,
        when: &When,
    ) -> Result<Tag, Failure> {
        if from.store != STORE {
            return Err(Failure::new(Kind::Unsupported, format!("{from} lies in another kind of store")));
        }
        let from = Path::new(&from.bucket).join(names::path(&from.key, names::FOLDS));
        if let Some(is) = is {
            let path = from.clone();
            let found = aside(move || bytes(&path)).await?;
            if found.is_some_and(|found| tag(&sha256(&found)) != *is) {
                return Err(conflict(&from, "was written by somebody else"));
            }
        }
        self.put(key, &Content::File(from), described, when).await
    }

    async fn remove(&self, key: &str, tag: &Tag) -> Result<(), Failure> {
        let tag = tag.clone();
        self.aside(key, move |objects, key| objects.turn()?.remove(key, &tag)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, Failure> {
        self.aside(prefix, Objects::list).await
    }

    async fn obeys_conditions(&self) -> Result<(), Failure> {
        Ok(())
    }

    fn locate(&self, key: &str) -> Location {
        Location { store: STORE.to_owned(), bucket: self.0.files.display().to_string(), key: key.to_owned() }
    }
}
