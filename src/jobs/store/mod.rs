//! Where jobs are kept: one trait at the level of operations, so that a table fits behind it as well as a
//! file. [`json`] keeps them in one `jobs.json` wherever [`Documents`] are kept; [`dynamo`] in a table.

pub mod documents;
pub mod dynamo;
pub mod json;
pub mod place;
pub mod s3;
mod tries;

use super::event::{Change, Refusal};
use super::job::{Idempotency, Job, JobId};
use super::terms::Terms;
use super::token::TokenHash;
use async_trait::async_trait;
pub use documents::Documents;
use jiff::Timestamp;
use std::fmt;

/// A job that is to be added.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// As it will stand, with its first entry of history.
    pub job: Job,
    /// Refuse where as many jobs wait for a first look; staff are not refused.
    pub most_waiting: Option<usize>,
}

/// A job that was added, now or by the same request before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// As it stands.
    pub job: Job,
    /// Whether it was there already.
    pub replayed: bool,
}

impl Created {
    /// The job that has this idempotency key already, where it was made by the same booking.
    ///
    /// # Errors
    /// It was another booking.
    pub fn before(job: Job, wanted: &Idempotency) -> Result<Self, CreateError> {
        if job.idempotency.as_ref() == Some(wanted) { Ok(Self { job, replayed: true }) } else { Err(CreateError::KeyReused) }
    }
}

/// What changed since someone last asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// What to ask with next time.
    pub rev: u64,
    /// The jobs that changed. A store may name one that did not.
    pub jobs: Vec<Job>,
    /// The jobs that left.
    pub gone: Vec<JobId>,
    /// Whether `jobs` is all there is, and everything else is gone.
    pub reset: bool,
}

/// A job as a store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The job.
    pub job: Job,
    /// Whether it is no longer live: it cannot be found or changed, and has no link.
    pub archived: bool,
}

/// What tidying up came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tidied {
    /// Jobs that moved to their month's archive.
    pub archived: usize,
    /// Jobs that lost their personal data.
    pub purged: usize,
}

/// What an import came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Jobs that are new.
    pub added: usize,
    /// Jobs that were there already, word for word.
    pub unchanged: usize,
}

/// Why a store did not do as it was asked. The words are for a log, not for a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// Others kept writing at the same time. Trying again in a moment helps.
    Busy,
    /// It is too large to grow.
    Full(String),
    /// What it holds cannot be read, so nothing was written either.
    Broken(String),
    /// It did not answer, or not as it should.
    Unreachable(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("others kept changing the jobs at the same time; nothing was changed"),
            Self::Full(why) | Self::Broken(why) | Self::Unreachable(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for StoreError {}

/// Why a job was not added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CreateError {
    /// The idempotency key belongs to another booking.
    KeyReused,
    /// Too many jobs wait for a first look.
    Closed,
    /// The store's own trouble.
    Store(StoreError),
}

/// Why a job was not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeError {
    /// There is none of this id among the live jobs.
    NotFound,
    /// It has another version than expected: this is how it stands.
    Stale(Box<Job>),
    /// This cannot happen to it as it stands.
    Refused(Box<Job>, Refusal),
    /// The store's own trouble.
    Store(StoreError),
}

impl From<StoreError> for CreateError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<StoreError> for ChangeError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Where jobs are kept. Every operation happens whole or not at all, whoever else writes at the time; one
/// whose answer was lost on the way is found again by its request's name, and never done twice.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync {
    /// Adds a job, once.
    async fn create(&self, new: &NewJob) -> Result<Created, CreateError>;

    /// Changes a job, where it has the expected version.
    async fn change(&self, id: JobId, expected: Option<u64>, change: &Change) -> Result<Job, ChangeError>;

    /// A live job.
    async fn get(&self, id: JobId) -> Result<Option<Job>, StoreError>;

    /// The live job whose link this is, whether or not the link has expired.
    async fn by_token(&self, hash: &TokenHash) -> Result<Option<Job>, StoreError>;

    /// What changed since a revision; 0 asks for everything.
    async fn since(&self, rev: u64) -> Result<Delta, StoreError>;

    /// The live job that a request with this key made.
    async fn by_key(&self, key_sha256: &str) -> Result<Option<Job>, StoreError>;

    /// Every job there is, archived ones too, in the order of their ids.
    async fn kept(&self) -> Result<Vec<Kept>, StoreError>;

    /// Every job there is, wherever it stands.
    async fn export(&self) -> Result<Vec<Job>, StoreError> {
        Ok(self.kept().await?.into_iter().map(|kept| kept.job).collect())
    }

    /// Adds jobs as they stand. All or none: one that is there already and differs stops it.
    async fn keep(&self, jobs: &[Kept], request: &str) -> Result<Imported, StoreError>;

    /// Adds live jobs as they stand, as [`Store::keep`] does.
    async fn import(&self, jobs: &[Job], request: &str) -> Result<Imported, StoreError> {
        let kept: Vec<Kept> = jobs.iter().map(|job| Kept { job: job.clone(), archived: false }).collect();
        self.keep(&kept, request).await
    }

    /// Moves jobs that ended long ago to their month's archive, and removes personal data that is due.
    async fn tidy(&self, terms: &Terms, now: Timestamp, request: &str) -> Result<Tidied, StoreError>;
}

/// The job, where this request is one of those that made it what it is.
fn asked_by<'a>(job: &'a Job, request: &str) -> Option<&'a Job> {
    job.history.iter().any(|entry| entry.request == request).then_some(job)
}
