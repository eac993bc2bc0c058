//! The last look before each public write. What is sent ahead is none.

use super::books::Hold;
use crate::deploy::remote::{Ahead, Bucket, Content, Described, Failure, Found, Listed, Location, Stat, Tag, When};
use async_trait::async_trait;
use std::fmt;

/// A public bucket in the hands of whoever applies: before each write they make sure that they still do.
pub(super) struct Fenced<'a> {
    pub(super) bucket: &'a dyn Bucket,
    pub(super) hold: &'a Hold<'a>,
}

impl fmt::Debug for Fenced<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bucket.fmt(f)
    }
}

#[async_trait]
impl Bucket for Fenced<'_> {
    async fn read(&self, key: &str) -> Result<Option<Found>, Failure> {
        self.bucket.read(key).await
    }

    async fn read_range(&self, key: &str, offset: u64, size: u64) -> Result<Option<Vec<u8>>, Failure> {
        self.bucket.read_range(key, offset, size).await
    }

    async fn stat(&self, key: &str) -> Result<Option<Stat>, Failure> {
        self.bucket.stat(key).await
    }

    async fn put(&self, key: &str, content: &Content, described: &Described<'_>, when: &When) -> Result<Tag, Failure> {
        self.hold.fence().await?;
        self.bucket.put(key, content, described, when).await
    }

    async fn complete(&self, key: &str, ahead: &Ahead, when: &When) -> Result<Option<Tag>, Failure> {
        self.hold.fence().await?;
        self.bucket.complete(key, ahead, when).await
    }

    async fn copy(
        &self,
        from: &Location,
        is: Option<&Tag>,
        key: &str,
        described: &Described<'_>,
        when: &When,
    ) -> Result<Tag, Failure> {
        self.hold.fence().await?;
        self.bucket.copy(from, is, key, described, when).await
    }

    async fn remove(&self, key: &str, tag: &Tag) -> Result<(), Failure> {
        self.hold.fence().await?;
        self.bucket.remove(key, tag).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, Failure> {
        self.bucket.list(prefix).await
    }

    async fn obeys_conditions(&self) -> Result<(), Failure> {
        self.bucket.obeys_conditions().await
    }

    fn locate(&self, key: &str) -> Location {
        self.bucket.locate(key)
    }
}
