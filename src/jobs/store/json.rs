//! All live jobs in one document, `jobs.json`: read, changed, and written only over what was read.
//!
//! Within one process writers take turns, so that they never collide with each other; processes collide
//! at the document, find that it has changed, and do the whole operation again on what it holds now. An
//! operation is a function of values ([`JobsFile`]), so doing it again costs nothing but time.

use super::documents::{Documents, Read, Tag, When, WriteError};
use super::{ChangeError, CreateError, Created, Delta, Imported, NewJob, Store, StoreError, Tidied};
use crate::jobs::event::Change;
use crate::jobs::file::{self, Archive, Filed, JobsFile, LARGE, TOO_LARGE};
use crate::jobs::job::{Job, JobId};
use crate::jobs::terms::Terms;
use crate::jobs::token::TokenHash;
use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// The live jobs.
pub const JOBS: &str = "jobs.json";
/// Ended jobs by the month in which they ended.
const ARCHIVE: &str = "archive/";
/// How long an operation keeps trying, in milliseconds: shorter than a browser waits.
const PATIENCE: u64 = 5_000;
/// The longest pause between two tries, in milliseconds.
const LONGEST_PAUSE: u64 = 2_000;

/// Jobs in one document.
#[derive(Debug)]
pub struct JsonStore<D> {
    documents: D,
    /// What was read last. Held while writing, so that the writers of a process take turns.
    known: Mutex<Option<(Tag, Arc<JobsFile>)>>,
}

impl<D: Documents> JsonStore<D> {
    /// Keeps jobs there.
    pub fn new(documents: D) -> Self {
        Self { documents, known: Mutex::new(None) }
    }

    async fn load(&self, known: &mut Option<(Tag, Arc<JobsFile>)>) -> Result<(Option<Tag>, Arc<JobsFile>), StoreError> {
        match self.documents.read(JOBS, known.as_ref().map(|(tag, _)| tag)).await.map_err(StoreError::Unreachable)? {
            Read::Unchanged => {
                let (tag, file) = known.as_ref().expect("unchanged from what is known");
                Ok((Some(tag.clone()), Arc::clone(file)))
            }
            Read::Missing => {
                *known = None;
                Ok((None, Arc::default()))
            }
            Read::Found(bytes, tag) => {
                let file =
                    file::parse(&bytes).map_err(|why| StoreError::Broken(format!("{}: {why}", self.documents.place(JOBS))))?;
                let file = Arc::new(file);
                *known = Some((tag.clone(), Arc::clone(&file)));
                Ok((Some(tag), file))
            }
        }
    }

    async fn read(&self) -> Result<Arc<JobsFile>, StoreError> {
        Ok(self.load(&mut *self.known.lock().await).await?.1)
    }

    /// Does an operation until it has happened. `done` finds what an earlier try of the same request did
    /// after all, although its answer was lost.
    async fn update<T, E: From<StoreError>>(
        &self,
        request: &str,
        grows: bool,
        done: impl Fn(&JobsFile) -> Option<T> + Send,
        operation: impl Fn(&mut JobsFile) -> Result<T, E> + Send,
    ) -> Result<T, E> {
        let mut known = self.known.lock().await;
        let mut pauses = Pauses::new();
        loop {
            let (tag, file) = self.load(&mut known).await?;
            if pauses.tries > 0
                && let Some(result) = done(&file)
            {
                return Ok(result);
            }
            let mut next = JobsFile::clone(&file);
            let result = operation(&mut next)?;
            if next == *file {
                return Ok(result);
            }
            next.rev += 1;
            request.clone_into(&mut next.last_write);
            let bytes = file::to_bytes(&next);
            self.watch_size(bytes.len(), grows)?;
            let when = tag.map_or(When::Missing, When::Unchanged);
            match self.documents.write(JOBS, bytes, &when).await {
                Ok(tag) => {
                    *known = Some((tag, Arc::new(next)));
                    return Ok(result);
                }
                Err(WriteError::Failed(why)) => return Err(StoreError::Unreachable(why).into()),
                Err(WriteError::Conflict | WriteError::Unknown(_)) => {}
            }
            if !pauses.pause().await {
                return Err(StoreError::Busy.into());
            }
        }
    }

    fn watch_size(&self, bytes: usize, grows: bool) -> Result<(), StoreError> {
        let place = self.documents.place(JOBS);
        if bytes > TOO_LARGE && grows {
            tracing::error!(place, bytes, "jobs.json is full");
            return Err(StoreError::Full(format!(
                "{place} has reached {} MB, and nothing is added past {} MB: run `qdn jobs tidy` to archive what has ended, or move to \
                 DynamoDB with `qdn jobs migrate`",
                bytes / 1_000_000,
                TOO_LARGE / 1_000_000
            )));
        }
        if bytes > LARGE {
            tracing::warn!(place, bytes, "jobs.json is large: `qdn jobs tidy` archives what has ended");
        }
        Ok(())
    }

    /// Reads a document, changes it and writes it back, until nobody else wrote between.
    async fn revise<T: for<'de> Deserialize<'de> + Serialize + Default + PartialEq + Clone + Send>(
        &self,
        name: &str,
        change: impl Fn(&mut T) + Send,
    ) -> Result<(), StoreError> {
        let mut pauses = Pauses::new();
        loop {
            let (old, when) = match self.documents.read(name, None).await.map_err(StoreError::Unreachable)? {
                Read::Found(bytes, tag) => (self.parse::<T>(name, &bytes)?, When::Unchanged(tag)),
                Read::Missing | Read::Unchanged => (T::default(), When::Missing),
            };
            let mut new = old.clone();
            change(&mut new);
            if new == old {
                return Ok(());
            }
            let bytes = serde_json::to_vec(&new).map_err(|error| StoreError::Broken(error.to_string()))?;
            match self.documents.write(name, bytes, &when).await {
                Ok(_) => return Ok(()),
                Err(WriteError::Failed(why)) => return Err(StoreError::Unreachable(why)),
                Err(WriteError::Conflict | WriteError::Unknown(_)) => {}
            }
            if !pauses.pause().await {
                return Err(StoreError::Busy);
            }
        }
    }

    fn parse<T: for<'de> Deserialize<'de>>(&self, name: &str, bytes: &[u8]) -> Result<T, StoreError> {
        file::parse(bytes).map_err(|why| StoreError::Broken(format!("{}: {why}", self.documents.place(name))))
    }

    async fn archives(&self) -> Result<Vec<(String, Archive)>, StoreError> {
        let mut archives = Vec::new();
        for name in self.documents.list(ARCHIVE).await.map_err(StoreError::Unreachable)? {
            if let Read::Found(bytes, _) = self.documents.read(&name, None).await.map_err(StoreError::Unreachable)? {
                let archive = self.parse(&name, &bytes)?;
                archives.push((name, archive));
            }
        }
        Ok(archives)
    }
}

/// The pauses between tries: random within a bound that doubles, so that those who collided once do not
/// collide again in step.
struct Pauses {
    tries: u32,
    began: tokio::time::Instant,
}

impl Pauses {
    fn new() -> Self {
        Self { tries: 0, began: tokio::time::Instant::now() }
    }

    /// Whether there is time for another try.
    async fn pause(&mut self) -> bool {
        self.tries += 1;
        let bound = (25 << self.tries.min(10)).min(LONGEST_PAUSE);
        let mut random = [0; 8];
        // Without randomness the pause is the bound: still right, only slower.
        let milliseconds = getrandom::fill(&mut random).map_or(bound, |()| u64::from_le_bytes(random) % bound);
        if self.began.elapsed() + Duration::from_millis(milliseconds) > Duration::from_millis(PATIENCE) {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        true
    }
}

fn asked_by<'a>(job: &'a Job, request: &str) -> Option<&'a Job> {
    job.history.iter().any(|entry| entry.request == request).then_some(job)
}

#[async_trait]
impl<D: Documents> Store for JsonStore<D> {
    async fn create(&self, new: &NewJob) -> Result<Created, CreateError> {
        let request = &new.job.history[0].request;
        // A try that got through made this very job; one of another process with the same key is a replay.
        let done = |file: &JobsFile| file.get(new.job.id).map(|job| Created { job: job.clone(), replayed: false });
        self.update(request, true, done, |file| file.create(new)).await
    }

    async fn change(&self, id: JobId, expected: Option<u64>, change: &Change) -> Result<Job, ChangeError> {
        let done = |file: &JobsFile| file.get(id).and_then(|job| asked_by(job, &change.request)).cloned();
        self.update(&change.request, false, done, |file| file.change(id, expected, change)).await
    }

    async fn get(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        Ok(self.read().await?.get(id).cloned())
    }

    async fn by_token(&self, hash: &TokenHash) -> Result<Option<Job>, StoreError> {
        Ok(self.read().await?.by_token(hash).cloned())
    }

    async fn since(&self, rev: u64) -> Result<Delta, StoreError> {
        Ok(self.read().await?.since(rev))
    }

    async fn export(&self) -> Result<Vec<Job>, StoreError> {
        let mut jobs = BTreeMap::new();
        // The archive first: a job on its way there is for a moment in both, and its live record is the newer.
        for (_, archive) in self.archives().await? {
            jobs.extend(archive.jobs);
        }
        jobs.extend(self.read().await?.jobs.iter().map(|filed| (filed.job.id, filed.job.clone())));
        Ok(jobs.into_values().collect())
    }

    async fn import(&self, jobs: &[Job], request: &str) -> Result<Imported, StoreError> {
        let archived: BTreeMap<JobId, Job> = self.archives().await?.into_iter().flat_map(|(_, archive)| archive.jobs).collect();
        let done = |file: &JobsFile| (file.last_write == request).then_some(Imported { added: jobs.len(), unchanged: 0 });
        self.update(request, true, done, |file| {
            let mut imported = Imported::default();
            for job in jobs {
                match file.get(job.id).or_else(|| archived.get(&job.id)) {
                    Some(known) if known == job => imported.unchanged += 1,
                    Some(_) => {
                        return Err(StoreError::Broken(format!(
                            "job {} is there already and differs; nothing was imported",
                            job.id
                        )));
                    }
                    None => {
                        file.jobs.push(Filed { rev: file.rev + 1, job: job.clone() });
                        imported.added += 1;
                    }
                }
            }
            Ok(imported)
        })
        .await
    }

    async fn tidy(&self, terms: &Terms, now: Timestamp, request: &str) -> Result<Tidied, StoreError> {
        let (archive_before, purge_before) = file::deadlines(terms, now);
        let mut tidied = Tidied::default();
        // Into the archive first and out of the live file after: whenever this ends, nothing is lost, and the
        // next run puts the same jobs in the same place.
        let mut months: BTreeMap<String, Vec<Job>> = BTreeMap::new();
        for job in self.read().await?.ended(archive_before) {
            let month = job.ended_at().unwrap_or(now).strftime("%Y-%m").to_string();
            months.entry(format!("{ARCHIVE}{month}.json")).or_default().push(job.clone());
        }
        for (name, jobs) in &months {
            self.revise(name, |archive: &mut Archive| archive.jobs.extend(jobs.iter().map(|job| (job.id, job.clone())))).await?;
        }
        if !months.is_empty() {
            let moved: BTreeMap<JobId, &Job> = months.values().flatten().map(|job| (job.id, job)).collect();
            tidied.archived = self
                .update(
                    request,
                    false,
                    |file| (file.last_write == request).then_some(moved.len()),
                    |file| Ok::<_, StoreError>(file.remove(|job| moved.get(&job.id).is_some_and(|known| *known == job))),
                )
                .await?;
        }
        for (name, archive) in self.archives().await? {
            let due = archive.jobs.values().filter_map(|job| file::purged(job, purge_before, now, request)).count();
            if due > 0 {
                self.revise(&name, |archive: &mut Archive| {
                    for job in archive.jobs.values_mut() {
                        if let Some(purged) = file::purged(job, purge_before, now, request) {
                            *job = purged;
                        }
                    }
                })
                .await?;
                tidied.purged += due;
            }
        }
        Ok(tidied)
    }
}
