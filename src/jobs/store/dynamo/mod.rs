//! Jobs as items of a DynamoDB table: for more of them, and more writers, than one file bears.
//!
//! Every write is a transaction of the job with the items that lead to it, so that a link opens the moment
//! its job is there, and the same booking sent twice at once makes one. What happened to a job is in its
//! record, as in `jobs.json`; it is not kept a second time in items of its own, from which personal data
//! would have to be removed as well. This folder alone names the DynamoDB SDK.

mod documents;
mod item;
mod table;
mod tidy;

pub use documents::DynamoDocuments;

use super::documents::WriteError;
use super::tries::Tries;
use super::{ChangeError, CreateError, Created, Delta, Imported, Kept, NewJob, Store, StoreError, Tidied, asked_by};
use crate::jobs::event::Change;
use crate::jobs::file;
use crate::jobs::job::{Job, JobId};
use crate::jobs::status::Status;
use crate::jobs::terms::Terms;
use crate::jobs::token::TokenHash;
use async_trait::async_trait;
use aws_config::SdkConfig;
use item::{GONE, Standing, decode, encode, job_key, live_partitions, pointer, request_key, string, token_key};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use table::{Step, Table, Which};

/// How far back a board is told again what changed. A write may land 4 s after it was given its time, by a
/// clock that is off by a second or two, and the index shows it a moment later still.
const OVERLAP: SignedDuration = SignedDuration::from_secs(10);
/// How long departures are remembered for boards that ask what is gone.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);
/// Jobs imported in one transaction, which holds 100 steps; a job is three at most.
const IMPORTED: usize = 33;

/// Jobs in a table.
#[derive(Clone, Debug)]
pub struct DynamoStore {
    table: Table,
}

impl DynamoStore {
    /// Jobs in a table that [`create_table`] made.
    pub fn new(config: &SdkConfig, table: &str) -> Self {
        Self { table: Table::new(config, table) }
    }

    fn broken(&self, why: &str) -> StoreError {
        StoreError::Broken(format!("{}: {why}", self.table.place("")))
    }

    async fn kept(&self, id: JobId) -> Result<Option<Kept>, StoreError> {
        let item = self.table.get(&job_key(id)).await?;
        item.map(|item| decode(&item)).transpose().map_err(|why| self.broken(&why))
    }

    async fn live(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        Ok(self.kept(id).await?.filter(|kept| !kept.archived).map(|kept| kept.job))
    }

    async fn all(&self, keys: &[String]) -> Result<Vec<Kept>, StoreError> {
        let items = self.table.get_all(keys).await?;
        items.iter().map(|item| decode(item).map_err(|why| self.broken(&why))).collect()
    }

    /// The job to which an item leads.
    async fn behind(&self, key: &str) -> Result<Option<Job>, StoreError> {
        let Some(item) = self.table.get(key).await? else { return Ok(None) };
        self.to(key, &item).await
    }

    async fn to(&self, key: &str, item: &item::Item) -> Result<Option<Job>, StoreError> {
        let id = string(item, "of").and_then(|id| id.parse().ok());
        let id = id.ok_or_else(|| self.broken(&format!("`{key}` leads to no job")))?;
        self.live(id).await
    }

    /// The keys in several parts of the index, asked for at once.
    async fn standing(&self, partitions: impl IntoIterator<Item = &'static str>, which: Which) -> Result<Vec<String>, StoreError> {
        let mut queries = tokio::task::JoinSet::new();
        for partition in partitions {
            let table = self.table.clone();
            queries.spawn(async move { table.standing(partition, which).await });
        }
        // A job that is on its way from one part to another may be seen in both.
        let mut keys = BTreeSet::new();
        while let Some(found) = queries.join_next().await {
            keys.extend(found.map_err(|error| StoreError::Unreachable(error.to_string()))??);
        }
        Ok(keys.into_iter().collect())
    }

    /// Reads, decides and writes until it has happened. `attempt` gives the result where nothing is to be
    /// written, or else the steps with the result that they will have.
    async fn until_done<T, E, F>(&self, attempt: impl Fn(bool) -> F + Send) -> Result<T, E>
    where
        E: From<StoreError> + Unread,
        F: Future<Output = Result<Next<T>, E>> + Send,
    {
        let mut tries = Tries::new();
        let silent = || format!("{} gave no answer in time", self.table.place(""));
        loop {
            let next = match tries.within(attempt(tries.look_first())).await {
                Some(Ok(next)) => next,
                Some(Err(error)) => match error.unread() {
                    Ok(error) => {
                        tries.unread(error).await?;
                        continue;
                    }
                    Err(error) => return Err(error),
                },
                None => return Err(tries.end().into()),
            };
            let (steps, result) = match next {
                Next::Is(result) => return Ok(result),
                Next::Write(steps, result) => (steps, result),
            };
            tries.may_write()?;
            let written = tries.within(self.table.transact(steps)).await;
            match written.unwrap_or_else(|| Err(WriteError::Unknown(silent()))) {
                Ok(()) => return Ok(result),
                Err(error) => tries.written(error).await?,
            }
        }
    }
}

/// What an operation comes to, as far as reading tells.
enum Next<T> {
    /// Nothing is to be written.
    Is(T),
    /// These are to be written, and then it is this.
    Write(Vec<Step>, T),
}

/// An error that may be the store's own trouble with reading.
trait Unread: Sized {
    /// That trouble; or the error, where it is about something else.
    fn unread(self) -> Result<StoreError, Self>;
}

impl Unread for CreateError {
    fn unread(self) -> Result<StoreError, Self> {
        if let Self::Store(error) = self { Ok(error) } else { Err(self) }
    }
}

impl Unread for ChangeError {
    fn unread(self) -> Result<StoreError, Self> {
        if let Self::Store(error) = self { Ok(error) } else { Err(self) }
    }
}

impl Unread for StoreError {
    fn unread(self) -> Result<StoreError, Self> {
        Ok(self)
    }
}

/// The time by which boards ask. It is not the time of the change, which its sender sets.
fn now() -> Timestamp {
    Timestamp::now()
}

/// The steps that make a job: itself, its link, and the key of its request. An archived one has neither.
fn addition(Kept { job, archived }: &Kept) -> Vec<Step> {
    if *archived {
        let standing = if job.is_purged() { Standing::Nowhere } else { Standing::Gone(now()) };
        return vec![Step::Add(encode(job, standing))];
    }
    let mut steps = vec![Step::Add(encode(job, Standing::Live(now()))), Step::Put(pointer(token_key(job), job.id))];
    steps.extend(request_key(job).map(|key| Step::Add(pointer(key, job.id))));
    steps
}

/// The steps that turn a live job into what it is after a change.
fn replacement(before: &Job, after: &Job) -> Vec<Step> {
    let mut steps = vec![Step::Replace(encode(after, Standing::Live(now())), before.version)];
    if before.idempotency != after.idempotency {
        steps.extend(request_key(before).map(Step::Delete));
    }
    if before.link.track_sha256 != after.link.track_sha256 {
        steps.push(Step::Delete(token_key(before)));
        steps.push(Step::Put(pointer(token_key(after), after.id)));
    }
    steps
}

/// Makes a table of the right shape, billed by request, and waits until it is there. One that is there
/// already is left as it is.
///
/// # Errors
/// In words, as DynamoDB has them.
pub async fn create_table(config: &SdkConfig, table: &str) -> Result<(), String> {
    Table::new(config, table).create().await
}

#[async_trait]
impl Store for DynamoStore {
    async fn create(&self, new: &NewJob) -> Result<Created, CreateError> {
        self.until_done(|again| async move {
            if again && let Some(job) = self.live(new.job.id).await? {
                return Ok(Next::Is(Created { job, replayed: false }));
            }
            if let Some(wanted) = &new.job.idempotency
                && let Some(job) = self.by_key(&wanted.key_sha256).await?
            {
                return Created::before(job, wanted).map(Next::Is);
            }
            if let Some(most) = new.most_waiting
                && self.table.count(Status::Submitted.id(), most).await? >= most
            {
                return Err(CreateError::Closed);
            }
            let kept = Kept { job: new.job.clone(), archived: false };
            Ok(Next::Write(addition(&kept), Created { job: new.job.clone(), replayed: false }))
        })
        .await
    }

    async fn change(&self, id: JobId, expected: Option<u64>, change: &Change) -> Result<Job, ChangeError> {
        self.until_done(|again| async move {
            let before = self.live(id).await?.ok_or(ChangeError::NotFound)?;
            if again && let Some(job) = asked_by(&before, &change.request) {
                return Ok(Next::Is(job.clone()));
            }
            let after = file::changed(&before, expected, change)?;
            if after.version == before.version {
                return Ok(Next::Is(after));
            }
            Ok(Next::Write(replacement(&before, &after), after))
        })
        .await
    }

    async fn get(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        self.live(id).await
    }

    async fn by_token(&self, hash: &TokenHash) -> Result<Option<Job>, StoreError> {
        let key = format!("token:{}", hash.as_str());
        let Some(item) = self.table.get(&key).await? else {
            // As much work as for a link that has expired, whose item is there until its job is archived.
            self.live(JobId(uuid::Uuid::nil())).await?;
            return Ok(None);
        };
        let job = self.to(&key, &item).await?;
        Ok(job.filter(|job| job.link.track_sha256 == *hash))
    }

    async fn by_key(&self, key_sha256: &str) -> Result<Option<Job>, StoreError> {
        self.behind(&format!("key:{key_sha256}")).await
    }

    async fn since(&self, rev: u64) -> Result<Delta, StoreError> {
        let milliseconds = |at: Timestamp| u64::try_from(at.as_millisecond()).unwrap_or_default();
        let asked = now();
        let oldest = milliseconds(asked.saturating_sub(REMEMBERED).unwrap_or(Timestamp::UNIX_EPOCH));
        // A revision of the future is one of another store: the answer then is all there is.
        let reset = rev < oldest || rev > milliseconds(asked.saturating_add(OVERLAP).unwrap_or(Timestamp::MAX));
        let keys = if reset {
            self.standing(live_partitions(), Which::All).await?
        } else {
            let from = Which::Since(i64::try_from(rev).unwrap_or(i64::MAX));
            self.standing(live_partitions().chain([GONE]), from).await?
        };
        let (gone, live): (Vec<Kept>, Vec<Kept>) = self.all(&keys).await?.into_iter().partition(|kept| kept.archived);
        let mut jobs: Vec<Job> = live.into_iter().map(|kept| kept.job).collect();
        jobs.sort_by_key(|job| (job.submitted_at, job.id));
        let gone = if reset { Vec::new() } else { gone.into_iter().map(|kept| kept.job.id).collect() };
        let until = milliseconds(asked.saturating_sub(OVERLAP).unwrap_or(Timestamp::UNIX_EPOCH));
        // Never backwards: the next asker of two clocks would be told everything once more.
        Ok(Delta { rev: if reset { until } else { until.max(rev) }, jobs, gone, reset })
    }

    async fn kept(&self) -> Result<Vec<Kept>, StoreError> {
        let mut jobs = BTreeMap::new();
        for item in self.table.scan("job:").await? {
            let kept = decode(&item).map_err(|why| self.broken(&why))?;
            jobs.insert(kept.job.id, kept);
        }
        Ok(jobs.into_values().collect())
    }

    /// Compares all first, so that a job that is there already and differs stops everything; then adds 33
    /// at a time, each time all or none. What ends between two of those is continued by the same import
    /// done again.
    async fn keep(&self, jobs: &[Kept], _request: &str) -> Result<Imported, StoreError> {
        let keys: Vec<String> = jobs.iter().map(|kept| job_key(kept.job.id)).collect::<BTreeSet<_>>().into_iter().collect();
        let known: BTreeMap<JobId, Job> = self.all(&keys).await?.into_iter().map(|kept| (kept.job.id, kept.job)).collect();
        let mut new: BTreeMap<JobId, &Kept> = BTreeMap::new();
        for kept in jobs {
            let job = &kept.job;
            let before = known.get(&job.id).or_else(|| new.get(&job.id).map(|kept| &kept.job));
            match before {
                Some(before) if before == job => {}
                Some(_) => {
                    return Err(StoreError::Broken(format!("job {} is there already and differs; nothing was imported", job.id)));
                }
                None => drop(new.insert(job.id, kept)),
            }
        }
        let new: Vec<&Kept> = new.into_values().collect();
        let mut imported = Imported { added: 0, unchanged: jobs.len() - new.len() };
        for chunk in new.chunks(IMPORTED) {
            let added = self.add(chunk).await.map_err(|error| match imported.added {
                0 => error,
                added => StoreError::Unreachable(format!("{error}; {added} jobs were imported before. Import again for the rest")),
            })?;
            imported.added += added;
            imported.unchanged += chunk.len() - added;
        }
        Ok(imported)
    }

    async fn tidy(&self, terms: &Terms, now: Timestamp, request: &str) -> Result<Tidied, StoreError> {
        tidy::tidy(self, terms, now, request).await
    }
}

impl DynamoStore {
    /// Adds those jobs that are not there; says how many.
    async fn add(&self, jobs: &[&Kept]) -> Result<usize, StoreError> {
        let keys: Vec<String> = jobs.iter().map(|kept| job_key(kept.job.id)).collect();
        let keys = &keys;
        self.until_done(|again| async move {
            let known: BTreeMap<JobId, Job> = match again {
                true => self.all(keys).await?.into_iter().map(|kept| (kept.job.id, kept.job)).collect(),
                false => BTreeMap::new(),
            };
            if let Some(kept) = jobs.iter().find(|kept| known.get(&kept.job.id).is_some_and(|known| *known != kept.job)) {
                return Err(StoreError::Broken(format!("job {} was changed meanwhile and differs", kept.job.id)));
            }
            let missing: Vec<&&Kept> = jobs.iter().filter(|kept| !known.contains_key(&kept.job.id)).collect();
            match missing.is_empty() {
                true => Ok(Next::Is(jobs.len())),
                false => Ok(Next::Write(missing.iter().flat_map(|kept| addition(kept)).collect(), jobs.len())),
            }
        })
        .await
    }
}
