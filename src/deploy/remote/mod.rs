//! What publishing needs of the world: buckets that obey conditions, and a CDN with its functions.
//!
//! Two things are behind these traits: AWS ([`aws`]) and a folder of this machine ([`directory`]). Each method does
//! its work once: whoever calls decides whether to try again, since only the caller knows what a repeated write means.

pub mod aws;
pub mod directory;

use crate::deploy::invalidation::Item;
use crate::deploy::options::Mode;
use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// An ETag as the store gave it, quotes and all: good for conditions, and for nothing else. It says nothing about
/// content, as encrypted and large objects have tags that are no digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Tag(pub String);

/// What must be true for a write to happen. There is no third way: every write has a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// There is no such object.
    Missing,
    /// It still has this tag.
    Is(Tag),
}

/// Where bytes to be sent come from.
#[derive(Clone, Debug)]
pub enum Content {
    /// Memory.
    Bytes(Arc<[u8]>),
    /// A file, which is read while it is sent.
    File(PathBuf),
}

impl Content {
    /// All of it. What has another size than it had when it was built is refused.
    pub(super) async fn bytes(&self, size: u64) -> Result<Arc<[u8]>, Failure> {
        match self {
            Self::Bytes(bytes) => Ok(Arc::clone(bytes)),
            Self::File(path) => Ok(read_file(path, size).await?.into()),
        }
    }
}

/// Reads a file. That it has another size than when it was built shows in what was read: nobody asks before.
async fn read_file(path: &Path, size: u64) -> Result<Vec<u8>, Failure> {
    let asked = path.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        use std::io::Read as _;
        // Room for the end as well, which is read too.
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default() + 32);
        std::fs::File::open(asked)?.read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    });
    let read = read.await.unwrap_or_else(|error| Err(error.into()));
    let bytes = read.map_err(|error| Failure::new(Kind::Refused, format!("{} cannot be read: {error}", path.display())))?;
    check_length(path, bytes.len() as u64, size)?;
    Ok(bytes)
}

fn check_length(path: &Path, found: u64, size: u64) -> Result<(), Failure> {
    if found == size {
        return Ok(());
    }
    let path = path.display();
    Err(Failure::new(Kind::Refused, format!("{path} has {found} bytes and had {size} when it was built: build again")))
}

/// What an object will be. The digest is of what was built: a store that sees other bytes refuses them.
#[derive(Clone, Copy, Debug)]
pub struct Described<'a> {
    /// SHA-256 of the bytes, lower-case hexadecimal.
    pub sha256: &'a str,
    /// In bytes.
    pub size: u64,
    /// The `content-type` it is stored with.
    pub content_type: &'a str,
    /// The `cache-control` it is stored with.
    pub cache_control: &'a str,
    /// Its cache tags, with commas between, which are stored as user metadata; empty if it has none.
    pub cache_tag: &'a str,
}

/// An object as it lies in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// For conditions.
    pub tag: Tag,
    /// In bytes.
    pub size: u64,
    /// SHA-256 of its bytes, lower-case hexadecimal; absent where the store does not know it.
    pub sha256: Option<String>,
    /// As stored.
    pub content_type: String,
    /// As stored; empty if there is none.
    pub cache_control: String,
    /// Its cache tags as stored; empty if it has none.
    pub cache_tag: String,
}

/// An object's bytes.
#[derive(Clone, Debug)]
pub struct Found {
    /// All of them.
    pub bytes: Vec<u8>,
    /// For conditions.
    pub tag: Tag,
    /// How long ago it was written, by the store's own clock.
    pub age: Duration,
}

/// One row of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The key, relative to the bucket's prefix.
    pub key: String,
    /// In bytes.
    pub size: u64,
    /// For conditions.
    pub tag: Tag,
    /// When it was written, by the store's clock.
    pub modified: Timestamp,
}

/// A large object that was sent ahead: all of it is in the store, and nobody sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// The store's name for the upload.
    pub upload: String,
    /// Of each part the number, the tag and the SHA-256, as the store wants them back.
    pub parts: Vec<(i32, String, String)>,
}

/// Where an object lies, as a store of the same kind understands it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The kind of store, and where it is reached: copies are possible between equal ones.
    pub store: String,
    /// The bucket or folder.
    pub bucket: String,
    /// The whole key, prefix and all.
    pub key: String,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.bucket, self.key)
    }
}

/// Why something was not done, or may not have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind of reason.
    pub kind: Kind,
    /// The reason in words, with the place it is about and what can be done.
    pub message: String,
}

/// What a failure means to whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Not done; ask again, more slowly. 429, 500, 503, and 409 where two writes met.
    Busy,
    /// No answer came, or half of one: it may have been done.
    Lost,
    /// The condition did not hold: somebody else wrote. Also where the object to replace is gone.
    Conflict,
    /// Too many invalidations are in progress.
    Full,
    /// This store cannot do that; there is another way.
    Unsupported,
    /// Not done, and asking again would not help: no permission, no such bucket, expired credentials.
    Refused,
}

impl Failure {
    /// A failure of a kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// Whether asking again may help.
    pub fn is_passing(&self) -> bool {
        matches!(self.kind, Kind::Busy | Kind::Lost)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Objects by key, below a prefix that the bucket knows and nobody else.
#[async_trait]
pub trait Bucket: fmt::Debug + Send + Sync {
    /// An object's bytes; nothing where there is none.
    async fn read(&self, key: &str) -> Result<Option<Found>, Failure>;

    /// So many bytes of an object, at least one, from an offset on; nothing where there is no such object. One that ends before
    /// that is [`Kind::Refused`].
    async fn read_range(&self, key: &str, offset: u64, size: u64) -> Result<Option<Vec<u8>>, Failure>;

    /// What is known of an object; nothing where there is none.
    async fn stat(&self, key: &str) -> Result<Option<Stat>, Failure>;

    /// Writes an object, where the condition holds. Large ones go in parts, and appear at one moment all the same.
    async fn put(&self, key: &str, content: &Content, described: &Described<'_>, when: &When) -> Result<Tag, Failure>;

    /// Sends a large object without writing it: [`Self::complete`] does, at one moment. [`Kind::Unsupported`] where a store has
    /// no such thing.
    async fn send_ahead(&self, key: &str, _content: &Content, _described: &Described<'_>) -> Result<Ahead, Failure> {
        Err(Failure::new(Kind::Unsupported, format!("nothing can be sent ahead to {}", self.locate(key))))
    }

    /// Writes what was sent ahead, where the condition holds. Nothing where it is not there any more: it was written, or given up.
    async fn complete(&self, _key: &str, _ahead: &Ahead, _when: &When) -> Result<Option<Tag>, Failure> {
        Ok(None)
    }

    /// Gives up what was sent ahead, if it is there still.
    async fn give_up(&self, _key: &str, _ahead: &Ahead) -> Result<(), Failure> {
        Ok(())
    }

    /// Copies an object that has this tag still to a key that is named by its digest. That another of that name would be
    /// replaced does no harm, as it would be the same: so a store may do what it does not do under a condition.
    async fn keep(&self, from: &Location, is: &Tag, key: &str, described: &Described<'_>) -> Result<Tag, Failure> {
        self.copy(from, Some(is), key, described, &When::Missing).await
    }

    /// Writes an object with the bytes of another, which need not come here, and with the headers described.
    ///
    /// Where a tag is given of the other, it has to have that tag still, and the digest of what was written has to be shown; that it
    /// has another tag is a [`Kind::Conflict`], which cannot be told from that of the condition on what is written.
    ///
    /// [`Kind::Unsupported`] where the other lies in another kind of store, or where this one copies without
    /// obeying conditions: read and put then.
    async fn copy(
        &self,
        from: &Location,
        is: Option<&Tag>,
        key: &str,
        described: &Described<'_>,
        when: &When,
    ) -> Result<Tag, Failure>;

    /// Removes an object if it still has this tag. That there is none is a success.
    async fn remove(&self, key: &str, tag: &Tag) -> Result<(), Failure>;

    /// Every object whose key begins so, in the order of keys.
    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, Failure>;

    /// Makes sure that conditional writes are refused where the condition does not hold. Some stores that speak the
    /// protocol pass over it and write.
    async fn obeys_conditions(&self) -> Result<(), Failure>;

    /// Where a key lies.
    fn locate(&self, key: &str) -> Location;
}

/// One of a function's two stages at CloudFront.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionStage {
    /// Where it is tried.
    Development,
    /// Where it runs for every visitor.
    Live,
}

/// A function as CloudFront has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFunction {
    /// For conditions.
    pub tag: Tag,
    /// The code.
    pub code: Vec<u8>,
    /// CloudFront's name for the runtime.
    pub runtime: String,
    /// What its owner says of it; often nothing.
    pub comment: String,
}

/// What a function made of one event, as CloudFront's `TestFunction` tells it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tested {
    /// The request or response it returned, in the event's own form: `{"request":…}` or `{"response":…}`.
    pub result: Option<Value>,
    /// What went wrong, in CloudFront's words.
    pub error: Option<String>,
    /// Percent of the time that it may take.
    pub utilization: u32,
}

/// An invalidation as CloudFront has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalidation {
    /// CloudFront's name for it.
    pub id: String,
    /// Whether every edge has obeyed.
    pub is_complete: bool,
}

/// What of the quotas is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Running {
    /// Paths in progress.
    pub paths: u64,
    /// Wildcards in progress.
    pub wildcards: u64,
}

/// What a distribution is, as far as publishing cares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DistributionInfo {
    /// The host name by which it is reached, aliases apart: `d111.cloudfront.net`.
    pub domain: String,
    /// CloudFront's names of the functions that run before the cache, on any behaviour; none where any would run.
    pub viewer_request: Option<Vec<String>>,
    /// The same of those that see the answers.
    pub viewer_response: Option<Vec<String>>,
    /// The header of the origin's answers from which it takes cache tags; none where it takes none.
    pub tag_header: Option<String>,
}

/// What the edge answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// The status.
    pub status: u16,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The bytes.
    pub body: Vec<u8>,
}

/// A content delivery network: distributions by their ids, and functions by their names there.
#[async_trait]
pub trait Cdn: fmt::Debug + Send + Sync {
    /// What a distribution is: also the question whether we may ask.
    async fn distribution(&self, id: &str) -> Result<DistributionInfo, Failure>;

    /// Creates one invalidation. With the reference of an earlier one and its items, that one is the answer.
    /// [`Kind::Full`] where too many are in progress.
    async fn invalidate(&self, id: &str, reference: &str, items: &[Item]) -> Result<Invalidation, Failure>;

    /// How an invalidation is getting on.
    async fn invalidation(&self, id: &str, invalidation: &str) -> Result<Invalidation, Failure>;

    /// What of the quotas is in use now.
    async fn running(&self, id: &str) -> Result<Running, Failure>;

    /// Asks the edge, as a visitor without cookies would. `url` is scheme and host where the stage names them.
    async fn fetch(&self, id: &str, url: Option<&str>, path: &str) -> Result<Fetched, Failure>;

    /// A function with its code; nothing where there is none, or none that is live.
    async fn function(&self, name: &str, stage: FunctionStage) -> Result<Option<RemoteFunction>, Failure>;

    /// Makes a function, in DEVELOPMENT alone. [`Kind::Conflict`] where there is one.
    async fn create_function(&self, name: &str, code: &str, runtime: &str) -> Result<Tag, Failure>;

    /// Replaces what is in DEVELOPMENT, if it still has this tag.
    async fn update_function(&self, name: &str, code: &str, runtime: &str, tag: &Tag) -> Result<Tag, Failure>;

    /// Runs what is in DEVELOPMENT for one event, if it still has this tag.
    async fn test_function(&self, name: &str, event: &Value, tag: &Tag) -> Result<Tested, Failure>;

    /// Makes LIVE what is in DEVELOPMENT, if it still has this tag.
    async fn publish_function(&self, name: &str, tag: &Tag) -> Result<(), Failure>;
}

/// One distribution of a stage.
#[derive(Clone, Debug)]
pub struct Target {
    /// What it serves.
    pub bucket: Arc<dyn Bucket>,
    /// CloudFront's id of it.
    pub id: String,
    /// Scheme and host by which visitors reach it, where the project says so.
    pub url: Option<String>,
}

/// A stage, ready to be asked: where it keeps its books, what it serves, and who serves it.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Its name in `qdn.toml`.
    pub name: String,
    /// Where the ledger, the releases and the blobs are. No distribution serves it.
    pub control: Arc<dyn Bucket>,
    /// By the distribution's name in the manifest.
    pub distributions: BTreeMap<String, Target>,
    /// Who serves them.
    pub cdn: Arc<dyn Cdn>,
    /// By a function's name in the manifest: its name at CloudFront.
    pub functions: BTreeMap<String, String>,
    /// How its edge is told what to forget.
    pub mode: Mode,
}

impl Stage {
    /// CloudFront's name of a function of the project.
    pub fn function_name(&self, name: &str) -> String {
        self.functions.get(name).cloned().unwrap_or_else(|| format!("{name}-{}", self.name))
    }
}
