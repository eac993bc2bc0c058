//! What `jobs.json` holds, and every operation on it as a function of values: no store decides anything
//! that is not decided here.

use super::event::{Change, Event};
use super::job::{Job, JobId};
use super::status::Status;
use super::store::{ChangeError, CreateError, Created, Delta, Kept, NewJob};
use super::terms::Terms;
use super::token::TokenHash;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The format that this program writes. A file of a later one is not touched: rewriting it would drop
/// what this program does not know.
pub const FORMAT: u32 = 1;
/// Bytes from which on a warning is given: a change then takes a quarter of a second or more.
pub const LARGE: usize = 2_000_000;
/// Bytes from which on no job is added: with four writes a second half of them would fail at 9 MB.
pub const TOO_LARGE: usize = 8_000_000;
/// How many departures are remembered for boards that ask what is gone.
const REMEMBERED: usize = 1000;

/// The live jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobsFile {
    /// The format of this file.
    pub format: u32,
    /// Grows by one with each write.
    pub rev: u64,
    /// The request that wrote last.
    #[serde(default)]
    pub last_write: String,
    /// Every live job.
    pub jobs: Vec<Filed>,
    /// Jobs that left, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<Gone>,
}

/// A job with the revision that changed it last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filed {
    /// The revision of the file.
    pub rev: u64,
    /// The job.
    pub job: Job,
}

/// A job that left the live file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// The revision that removed it.
    pub rev: u64,
    /// Which.
    pub id: JobId,
}

/// One month's ended jobs, out of the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archive {
    /// The format of this file.
    pub format: u32,
    /// By job, in the order of their ids.
    pub jobs: BTreeMap<JobId, Job>,
}

/// Every job of a store. A `jobs.json` is one too, in which nothing is archived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// The format of this file.
    pub format: u32,
    /// The live ones.
    pub jobs: Vec<Filed>,
    /// Those that are no longer live.
    #[serde(default)]
    pub archived: Vec<Job>,
}

impl Default for JobsFile {
    fn default() -> Self {
        Self { format: FORMAT, rev: 0, last_write: String::new(), jobs: Vec::new(), gone: Vec::new() }
    }
}

impl Default for Archive {
    fn default() -> Self {
        Self { format: FORMAT, jobs: BTreeMap::new() }
    }
}

/// Reads a file of this program's format.
///
/// # Errors
/// A sentence with the place, where it is none; nothing that was in the file.
pub fn parse<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<T, String> {
    #[derive(Deserialize)]
    struct Head {
        format: u32,
    }
    let place =
        |error: serde_json::Error| format!("it is not what `qdn` writes (line {}, column {})", error.line(), error.column());
    let head: Head = serde_json::from_slice(bytes).map_err(place)?;
    if head.format > FORMAT {
        return Err(format!("it has format {}, and this `qdn` knows formats up to {FORMAT}; use a newer one", head.format));
    }
    serde_json::from_slice(bytes).map_err(place)
}

/// One job a line, so that a person and `diff` can read the file.
pub fn to_bytes(file: &JobsFile) -> Vec<u8> {
    let head = format!("\"format\": {}, \"rev\": {}, \"last_write\": {}", file.format, file.rev, json(&file.last_write));
    laid_out(&head, ("jobs", &file.jobs), ("gone", &file.gone))
}

/// A head, and two lists with one row a line.
fn laid_out<A: Serialize, B: Serialize>(head: &str, first: (&str, &[A]), second: (&str, &[B])) -> Vec<u8> {
    fn list<T: Serialize>((name, rows): (&str, &[T])) -> String {
        let rows: Vec<String> = rows.iter().map(json).collect();
        let rows = if rows.is_empty() { String::new() } else { format!("\n{}\n", rows.join(",\n")) };
        format!("\"{name}\": [{rows}]")
    }
    format!("{{\n{head},\n{},\n{}\n}}\n", list(first), list(second)).into_bytes()
}

fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("jobs have no value that JSON lacks")
}

impl Export {
    /// All that a store keeps.
    pub fn of(kept: &[Kept]) -> Self {
        let live = kept.iter().filter(|kept| !kept.archived).map(|kept| Filed { rev: 1, job: kept.job.clone() });
        let archived = kept.iter().filter(|kept| kept.archived).map(|kept| kept.job.clone());
        Self { format: FORMAT, jobs: live.collect(), archived: archived.collect() }
    }

    /// What a store is to keep.
    pub fn into_kept(self) -> Vec<Kept> {
        let live = self.jobs.into_iter().map(|filed| Kept { job: filed.job, archived: false });
        live.chain(self.archived.into_iter().map(|job| Kept { job, archived: true })).collect()
    }

    /// One job a line, like the live file.
    pub fn to_bytes(&self) -> Vec<u8> {
        laid_out(&format!("\"format\": {}", self.format), ("jobs", &self.jobs), ("archived", &self.archived))
    }
}

/// Far more changes than there will ever be, and far from where a counter turns over.
const MOST_CHANGES: u64 = 1 << 53;

impl JobsFile {
    /// Whether its counters can go on.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub fn is_sound(&self) -> Result<(), String> {
        let counters = self.jobs.iter().flat_map(|filed| [filed.rev, filed.job.version, u64::from(filed.job.link.epoch)]);
        match counters.chain([self.rev]).all(|counter| counter < MOST_CHANGES) {
            true => Ok(()),
            false => Err("a revision or version in it is beyond anything that `qdn` writes".to_owned()),
        }
    }

    /// The job that a request with this key made.
    pub fn by_key(&self, key_sha256: &str) -> Option<&Job> {
        let has_key = |job: &&Job| job.idempotency.as_ref().is_some_and(|known| known.key_sha256 == key_sha256);
        self.jobs.iter().map(|filed| &filed.job).find(has_key)
    }

    /// The job, where it is live.
    pub fn get(&self, id: JobId) -> Option<&Job> {
        self.jobs.iter().map(|filed| &filed.job).find(|job| job.id == id)
    }

    /// The job whose link this is. Every job is compared, so that a hit takes as long as a miss.
    pub fn by_token(&self, hash: &TokenHash) -> Option<&Job> {
        let same = |filed: &Filed| filed.job.link.track_sha256 == *hash;
        self.jobs.iter().fold(None, |found, filed| if same(filed) { Some(&filed.job) } else { found })
    }

    /// Adds a job. The caller raises the revision.
    ///
    /// # Errors
    /// The same idempotency key with another body; too many jobs that nobody looked at.
    pub fn create(&mut self, new: &NewJob) -> Result<Created, CreateError> {
        if let Some(wanted) = &new.job.idempotency
            && let Some(job) = self.by_key(&wanted.key_sha256)
        {
            return Created::before(job.clone(), wanted);
        }
        let waiting = self.jobs.iter().filter(|filed| waits(&filed.job)).count();
        if new.most_waiting.is_some_and(|most| waiting >= most) {
            return Err(CreateError::Closed);
        }
        self.jobs.push(Filed { rev: self.rev + 1, job: new.job.clone() });
        Ok(Created { job: new.job.clone(), replayed: false })
    }

    /// Changes a job. The caller raises the revision where the version grew.
    ///
    /// # Errors
    /// No such job; another version than the expected one; a refusal.
    pub fn change(&mut self, id: JobId, expected: Option<u64>, change: &Change) -> Result<Job, ChangeError> {
        let next = self.rev + 1;
        let filed = self.jobs.iter_mut().find(|filed| filed.job.id == id).ok_or(ChangeError::NotFound)?;
        let after = changed(&filed.job, expected, change)?;
        if after.version != filed.job.version {
            *filed = Filed { rev: next, job: after.clone() };
        }
        Ok(after)
    }

    /// What changed after a revision. Everything, where that is longer ago than is remembered.
    pub fn since(&self, rev: u64) -> Delta {
        // A revision of the future is one of another file: the answer then is all there is.
        let forgotten = self.gone.len() == REMEMBERED && self.gone[0].rev > rev;
        let reset = rev == 0 || rev > self.rev || forgotten;
        let from = if reset { 0 } else { rev };
        Delta {
            rev: self.rev,
            jobs: self.jobs.iter().filter(|filed| filed.rev > from).map(|filed| filed.job.clone()).collect(),
            gone: if reset { Vec::new() } else { self.gone.iter().filter(|gone| gone.rev > rev).map(|gone| gone.id).collect() },
            reset,
        }
    }

    /// The jobs that ended before a moment.
    pub fn ended(&self, before: Timestamp) -> impl Iterator<Item = &Job> {
        self.jobs.iter().map(|filed| &filed.job).filter(move |job| job.ended_at().is_some_and(|ended| ended < before))
    }

    /// Takes jobs out and remembers that they left; says how many. The caller raises the revision.
    pub fn remove(&mut self, leaves: impl Fn(&Job) -> bool) -> usize {
        let rev = self.rev + 1;
        let before = self.gone.len();
        self.gone.extend(self.jobs.iter().filter(|filed| leaves(&filed.job)).map(|filed| Gone { rev, id: filed.job.id }));
        let removed = self.gone.len() - before;
        self.jobs.retain(|filed| !leaves(&filed.job));
        let surplus = self.gone.len().saturating_sub(REMEMBERED);
        self.gone.drain(..surplus);
        removed
    }
}

/// Whether a job still waits for a first look.
pub(super) fn waits(job: &Job) -> bool {
    job.status == Status::Submitted && job.closure.is_none()
}

/// A job after a change, where it still has the version that the asker saw.
///
/// # Errors
/// Another version; a refusal. Both come with the job as it stands.
pub fn changed(job: &Job, expected: Option<u64>, change: &Change) -> Result<Job, ChangeError> {
    if expected.is_some_and(|version| version != job.version) {
        return Err(ChangeError::Stale(Box::new(job.clone())));
    }
    job.after(change).map_err(|refusal| ChangeError::Refused(Box::new(job.clone()), refusal))
}

/// When a job that ended may be archived, and when its personal data must go.
pub fn deadlines(terms: &Terms, now: Timestamp) -> (Timestamp, Timestamp) {
    let ago = |days: u16| now.saturating_sub(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(now);
    // A link that still works needs its job in the live file.
    (ago(terms.archive_days.max(terms.link_days)), ago(terms.purge_days))
}

/// Removes the personal data of a job that ended before `before`; `None` where there is nothing to do.
pub fn purged(job: &Job, before: Timestamp, now: Timestamp, request: &str) -> Option<Job> {
    if job.is_purged() || job.ended_at().is_none_or(|ended| ended >= before) {
        return None;
    }
    let change = Change { event: Event::Purge, who: None, at: now, request: request.to_owned() };
    job.after(&change).ok()
}

#[cfg(test)]
mod tests;
