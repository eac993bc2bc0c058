//! All live jobs in one document, `jobs.json`: read, changed, and written only over what was read.
//!
//! Within one process writers take turns, so that they never collide with each other; processes collide
//! at the document, find that it has changed, and do the whole operation again on what it holds now. An
//! operation is a function of values ([`JobsFile`]), so doing it again costs nothing but time.

use super::documents::{Documents, Read, Tag, When, WriteError};
use super::tries::Tries;
use super::{ChangeError, CreateError, Created, Delta, Imported, Kept, NewJob, Store, StoreError, Tidied, asked_by};
use crate::jobs::event::Change;
use crate::jobs::file::{self, Archive, Filed, JobsFile, LARGE, TOO_LARGE};
use crate::jobs::job::{Job, JobId};
use crate::jobs::terms::Terms;
use crate::jobs::token::TokenHash;
use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The live jobs.
pub const JOBS: &str = "jobs.json";
/// Ended jobs by the month in which they ended.
const ARCHIVE: &str = "archive/";

/// Jobs in one document.
#[derive(Debug)]
pub struct JsonStore<D> {
    documents: D,
    /// Held while writing, so that the writers of a process take turns. Readers do not wait for it.
    turn: tokio::sync::Mutex<()>,
    /// What was read last, to be asked whether it still is so; never believed without asking.
    known: Mutex<Option<(Tag, Arc<JobsFile>)>>,
}

impl<D: Documents> JsonStore<D> {
    /// Keeps jobs there.
    pub fn new(documents: D) -> Self {
        Self { documents, turn: tokio::sync::Mutex::default(), known: Mutex::default() }
    }

    fn known(&self) -> Option<(Tag, Arc<JobsFile>)> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember(&self, tag: &Tag, file: &Arc<JobsFile>) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((tag.clone(), Arc::clone(file)));
    }

    async fn load(&self) -> Result<(Option<Tag>, Arc<JobsFile>), StoreError> {
        let known = self.known();
        let read = self.documents.read(JOBS, known.as_ref().map(|(tag, _)| tag)).await;
        match (read.map_err(StoreError::Unreachable)?, known) {
            (Read::Unchanged, Some((tag, file))) => Ok((Some(tag), file)),
            (Read::Missing | Read::Unchanged, _) => Ok((None, Arc::default())),
            (Read::Found(bytes, tag), _) => {
                let file: Arc<JobsFile> = Arc::new(self.parse(JOBS, &bytes)?);
                file.is_sound().map_err(|why| StoreError::Broken(format!("{}: {why}", self.documents.place(JOBS))))?;
                self.remember(&tag, &file);
                Ok((Some(tag), file))
            }
        }
    }

    async fn read(&self) -> Result<Arc<JobsFile>, StoreError> {
        Ok(self.load().await?.1)
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
        let mut tries = Tries::new();
        let Some(_turn) = tries.within(self.turn.lock()).await else { return Err(StoreError::Busy.into()) };
        loop {
            let (tag, file) = match tries.within(self.load()).await {
                Some(Ok(loaded)) => loaded,
                Some(Err(error)) => {
                    tries.unread(error).await?;
                    continue;
                }
                None => return Err(tries.end().into()),
            };
            if tries.look_first()
                && let Some(result) = done(&file)
            {
                return Ok(result);
            }
            tries.may_write()?;
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
            let written = tries.within(self.documents.write(JOBS, bytes, &when)).await;
            match written.unwrap_or_else(|| Err(WriteError::Unknown(self.silent(JOBS)))) {
                Ok(tag) => {
                    self.remember(&tag, &Arc::new(next));
                    return Ok(result);
                }
                Err(error) => tries.written(error).await?,
            }
        }
    }

    fn silent(&self, name: &str) -> String {
        format!("{} gave no answer in time", self.documents.place(name))
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
        let mut tries = Tries::new();
        loop {
            let read = tries.within(self.documents.read(name, None)).await;
            let (old, when) = match read.unwrap_or_else(|| Err(self.silent(name))) {
                Ok(Read::Found(bytes, tag)) => (self.parse::<T>(name, &bytes)?, When::Unchanged(tag)),
                Ok(Read::Missing | Read::Unchanged) => (T::default(), When::Missing),
                Err(why) => {
                    tries.unread(StoreError::Unreachable(why)).await?;
                    continue;
                }
            };
            let mut new = old.clone();
            change(&mut new);
            if new == old {
                return Ok(());
            }
            tries.may_write()?;
            let bytes = serde_json::to_vec(&new).map_err(|error| StoreError::Broken(error.to_string()))?;
            let written = tries.within(self.documents.write(name, bytes, &when)).await;
            match written.unwrap_or_else(|| Err(WriteError::Unknown(self.silent(name)))) {
                Ok(_) => return Ok(()),
                Err(error) => tries.written(error).await?,
            }
        }
    }

    fn parse<T: for<'de> Deserialize<'de>>(&self, name: &str, bytes: &[u8]) -> Result<T, StoreError> {
        file::parse(bytes).map_err(|why| StoreError::Broken(format!("{}: {why}", self.documents.place(name))))
    }

    /// Every job in the live file and in the archives.
    async fn everything(&self) -> Result<BTreeMap<JobId, Kept>, StoreError> {
        // The live file first: jobs leave it for an archive and are never without a place on the way, so one
        // that is no longer here is there. Where it is in both, the later version counts.
        let live = |filed: &Filed| (filed.job.id, Kept { job: filed.job.clone(), archived: false });
        let mut jobs: BTreeMap<JobId, Kept> = self.read().await?.jobs.iter().map(live).collect();
        for (id, job) in self.archives().await?.into_iter().flat_map(|(_, archive)| archive.jobs) {
            if jobs.get(&id).is_none_or(|known| known.job.version < job.version) {
                jobs.insert(id, Kept { job, archived: true });
            }
        }
        Ok(jobs)
    }

    /// Removes the personal data of live jobs for which that is due; says of how many.
    async fn purge(&self, before: Timestamp, now: Timestamp, request: &str) -> Result<usize, StoreError> {
        let due = |file: &JobsFile| file.ended(before).filter(|job| !job.is_purged()).count();
        let purged = due(&*self.read().await?);
        if purged > 0 {
            // Named apart from the write that follows it in the same request, which looks for its own name.
            let name = format!("{request}:purge");
            self.update(
                &name,
                false,
                |_| None,
                |file| {
                    let rev = file.rev + 1;
                    for filed in &mut file.jobs {
                        if let Some(job) = file::purged(&filed.job, before, now, request) {
                            *filed = Filed { rev, job };
                        }
                    }
                    Ok::<_, StoreError>(())
                },
            )
            .await?;
        }
        Ok(purged)
    }

    /// Writes jobs into the archives of their months, over what an earlier try left there.
    async fn put_away<'a>(&self, jobs: impl IntoIterator<Item = &'a Job>) -> Result<(), StoreError> {
        let mut months: BTreeMap<String, Vec<&Job>> = BTreeMap::new();
        for job in jobs {
            months.entry(month(job)).or_default().push(job);
        }
        for (name, jobs) in &months {
            self.revise(name, |archive: &mut Archive| archive.jobs.extend(jobs.iter().map(|job| (job.id, Job::clone(job)))))
                .await?;
        }
        Ok(())
    }

    async fn archives(&self) -> Result<Vec<(String, Archive)>, StoreError> {
        let mut archives = Vec::new();
        let names = self.documents.list(ARCHIVE).await.map_err(StoreError::Unreachable)?;
        // A note that somebody put beside them is none of ours.
        for name in names.into_iter().filter(|name| name.ends_with(".json")) {
            if let Read::Found(bytes, _) = self.documents.read(&name, None).await.map_err(StoreError::Unreachable)? {
                let archive = self.parse(&name, &bytes)?;
                archives.push((name, archive));
            }
        }
        Ok(archives)
    }
}

/// The archive of a job: that of the month in which it ended.
fn month(job: &Job) -> String {
    format!("{ARCHIVE}{}.json", job.ended_at().unwrap_or(job.updated_at).strftime("%Y-%m"))
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

    async fn by_key(&self, key_sha256: &str) -> Result<Option<Job>, StoreError> {
        Ok(self.read().await?.by_key(key_sha256).cloned())
    }

    async fn kept(&self) -> Result<Vec<Kept>, StoreError> {
        Ok(self.everything().await?.into_values().collect())
    }

    async fn keep(&self, jobs: &[Kept], request: &str) -> Result<Imported, StoreError> {
        let differs = |job: &Job| StoreError::Broken(format!("job {} is there already and differs; nothing was imported", job.id));
        let before = self.everything().await?;
        let mut new: BTreeMap<JobId, &Kept> = BTreeMap::new();
        for kept in jobs {
            let known = before.get(&kept.job.id).or_else(|| new.get(&kept.job.id).copied());
            match known {
                Some(known) if known.job != kept.job => return Err(differs(&kept.job)),
                Some(_) => {}
                None => drop(new.insert(kept.job.id, kept)),
            }
        }
        let imported = Imported { added: new.len(), unchanged: jobs.len() - new.len() };
        let (archived, live): (Vec<&Kept>, Vec<&Kept>) = new.into_values().partition(|kept| kept.archived);
        // The live ones first: only they can be too many, and then nothing at all is imported.
        let done = |file: &JobsFile| (file.last_write == request).then_some(());
        self.update(request, true, done, |file| {
            for Kept { job, .. } in &live {
                match file.get(job.id) {
                    Some(known) if known == job => {}
                    Some(_) => return Err(differs(job)),
                    None => file.jobs.push(Filed { rev: file.rev + 1, job: job.clone() }),
                }
            }
            Ok(())
        })
        .await?;
        self.put_away(archived.into_iter().map(|kept| &kept.job)).await?;
        Ok(imported)
    }

    async fn tidy(&self, terms: &Terms, now: Timestamp, request: &str) -> Result<Tidied, StoreError> {
        let (archive_before, purge_before) = file::deadlines(terms, now);
        let mut tidied = Tidied { purged: self.purge(purge_before, now, request).await?, ..Tidied::default() };
        // Into the archive first and out of the live file after: whenever this ends, nothing is lost, and the
        // next run puts the same jobs in the same place.
        let live = self.read().await?;
        let moved: BTreeMap<JobId, &Job> = live.ended(archive_before).map(|job| (job.id, job)).collect();
        if !moved.is_empty() {
            self.put_away(moved.values().copied()).await?;
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
