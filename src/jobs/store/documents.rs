//! Small texts by name, each written only over what the writer has read: what a folder and a bucket can
//! both do, and all that one `jobs.json` needs.

use async_trait::async_trait;
use std::fmt;

/// What a document was when it was read. Two of the same tag hold the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag(pub String);

/// What reading a document gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// It is still the one that the reader knows.
    Unchanged,
    /// There is none.
    Missing,
    /// It holds this.
    Found(Vec<u8>, Tag),
}

/// What must be true for a write to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// There is no such document.
    Missing,
    /// It still has this tag.
    Unchanged(Tag),
}

/// Why a write did not happen, or may not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// Someone else wrote first. Read again.
    Conflict,
    /// Nobody knows: the answer was lost. Read again, and look for one's own write.
    Unknown(String),
    /// It did not happen, and will not.
    Failed(String),
}

/// A place for documents.
#[async_trait]
pub trait Documents: fmt::Debug + Send + Sync {
    /// Reads one, unless it is the one that the reader knows.
    async fn read(&self, name: &str, known: Option<&Tag>) -> Result<Read, String>;

    /// Writes one whole, where the condition holds.
    async fn write(&self, name: &str, bytes: Vec<u8>, when: &When) -> Result<Tag, WriteError>;

    /// The names below a folder such as `archive/`, in order.
    async fn list(&self, folder: &str) -> Result<Vec<String>, String>;

    /// Where it is, for people: `s3://bucket/prefix`, a path.
    fn place(&self, name: &str) -> String;
}
