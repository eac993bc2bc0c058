//! The ledger as it lies in a bucket: read, and replaced where nobody else did.

use super::bodies::Bodies;
use super::{Context, Stopped};
use crate::deploy::ledger::{self, Damage, Head, Holder, Past, Signature, Tags};
use crate::deploy::remote::{Bucket, Content, Described, Failure, Kind, Stage, Tag, When};
use crate::release::{Digest, Manifest, ParseError};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

/// How long is waited for somebody else's publish, in looks.
const LOOKS: u32 = 1200;
/// Between two looks at somebody else's work.
const LOOK: Duration = Duration::from_millis(500);

/// A head that was read, and with which condition it is replaced.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) head: Head,
    /// None where nothing is stored yet.
    pub(super) tag: Option<Tag>,
    /// How long ago it was written, by the store's clock.
    pub(super) age: Duration,
}

/// The ledger of one stage.
#[derive(Clone, Copy)]
pub(super) struct Books<'a> {
    pub(super) stage: &'a Stage,
    pub(super) context: &'a Context,
}

/// ETags as they are stored.
#[derive(Serialize, Deserialize)]
struct TagsDocument {
    version: u32,
    release: String,
    tags: Tags,
}

impl<'a> Books<'a> {
    pub(super) fn new(stage: &'a Stage, context: &'a Context) -> Self {
        Self { stage, context }
    }

    fn control(&self) -> &dyn Bucket {
        self.stage.control.as_ref()
    }

    /// A document's bytes.
    pub(super) async fn read(&self, key: &str) -> Result<Option<crate::deploy::remote::Found>, Failure> {
        self.context.pace.run(|| self.control().read(key)).await
    }

    /// The state of the stage. Nothing stored is a state too.
    pub(super) async fn head(&self) -> Result<Known, Stopped> {
        let key = ledger::head(&self.stage.name);
        let Some(found) = self.read(&key).await? else {
            return Ok(Known { head: Head::none(&self.stage.name), tag: None, age: Duration::ZERO });
        };
        match Head::parse(&String::from_utf8_lossy(&found.bytes)) {
            Ok(head) => Ok(Known { head, tag: Some(found.tag), age: found.age }),
            // Nobody can say what it was: whoever wants it so begins anew.
            Err(Damage::Form(_)) if self.context.adopt && self.logged().await?.is_none() => {
                Ok(Known { head: Head::none(&self.stage.name), tag: Some(found.tag), age: Duration::ZERO })
            }
            Err(damage) => Err(self.damaged(&key, &damage)),
        }
    }

    /// The state of the stage; nothing where nothing was ever published. Refused where there was one and it is gone.
    pub(super) async fn found(&self) -> Result<Option<Known>, Stopped> {
        let known = self.head().await?;
        if known.tag.is_some() {
            return Ok(Some(known));
        }
        let Some(lost) = self.lost().await? else { return Ok(None) };
        // A first publish may have ended between the two questions.
        let known = self.head().await?;
        if known.tag.is_some() { Ok(Some(known)) } else { Err(lost) }
    }

    /// Of a stage without a state: what says that it had one, and what helps. Nothing where nothing does.
    pub(super) async fn lost(&self) -> Result<Option<Stopped>, Stopped> {
        let name = &self.stage.name;
        let said = match self.logged().await? {
            Some(head) => format!(
                "the state of the stage `{name}` is gone, and its log says that it serves {}\nhint: `qdn audit {name} --repair` restores it",
                head.release.as_deref().unwrap_or("nothing"),
            ),
            None => {
                let before = self.anew().await?;
                if before.seq == 0 && before.sequence == 0 {
                    return Ok(None);
                }
                format!(
                    "the state of the stage `{name}` is gone, and its log holds none that is whole\n\
                     hint: `qdn publish {name} --adopt` begins anew from what the buckets hold"
                )
            }
        };
        Ok(Some(Stopped::Refused(vec![said])))
    }

    /// The time by the store's clock; by less than a second late, as a store may tell whole seconds alone.
    pub(super) async fn now(&self) -> Result<Timestamp, Stopped> {
        let key = ledger::head(&self.stage.name);
        // In this order: of a state that is written in between the age is less, and so the time is earlier.
        let listed = self.context.pace.run(|| self.control().list(&key)).await?;
        let written = listed.iter().find(|one| one.key == key).map(|one| one.modified);
        match (written, self.read(&key).await?) {
            (Some(written), Some(found)) => {
                let age = SignedDuration::try_from(found.age).unwrap_or_default();
                Ok(written + age + SignedDuration::from_secs(1))
            }
            _ => Err(Stopped::Failed(format!("{} is gone, so nobody knows how old anything is", self.control().locate(&key)))),
        }
    }

    /// What the stage served, the newest first: what the state remembers of it, and what the log does, as far back as it takes.
    pub(super) async fn past(&self, head: &Head, is_enough: impl Fn(&[Past]) -> bool) -> Result<Vec<Past>, Stopped> {
        let mut past = head.past.clone();
        if is_enough(&past) {
            return Ok(past);
        }
        let numbers = self.numbers(&ledger::log(&self.stage.name)).await?;
        let mut first = past.last().map_or(head.seq, |oldest| oldest.seq);
        while !is_enough(&past) {
            // The last state that is older than all of these remembers as many again.
            let below = numbers.partition_point(|number| *number < first);
            let Some(number) = numbers[..below].last().copied() else { break };
            let key = ledger::entry(&self.stage.name, number);
            let unclear = |why: &str| {
                Stopped::Failed(format!(
                    "{} {why}, so nobody knows what the stage `{}` served before",
                    self.control().locate(&key),
                    self.stage.name
                ))
            };
            let Some(entry) = self.read(&key).await? else { return Err(unclear("is gone")) };
            let state = Head::parse(&String::from_utf8_lossy(&entry.bytes));
            let state = state.map_err(|damage| unclear(&format!("cannot be read ({damage})")))?;
            past.extend(state.past.into_iter().filter(|one| one.seq < first));
            first = past.last().map_or(number, |oldest| oldest.seq.min(number));
        }
        Ok(past)
    }

    /// The newest state of the log that is whole.
    pub(super) async fn logged(&self) -> Result<Option<Head>, Stopped> {
        for seq in self.numbers(&ledger::log(&self.stage.name)).await?.into_iter().rev() {
            let key = ledger::entry(&self.stage.name, seq);
            let Some(entry) = self.read(&key).await? else { continue };
            match Head::parse(&String::from_utf8_lossy(&entry.bytes)) {
                Ok(head) => return Ok(Some(head)),
                // What comes before it is older than what a newer qdn did.
                Err(damage @ Damage::Version(_)) => return Err(self.damaged(&key, &damage)),
                Err(Damage::Form(_)) => {}
            }
        }
        Ok(None)
    }

    /// A stage without a state, which may have had one: numbers that were given before are not given again, as they
    /// name what was written once, and invalidations.
    pub(super) async fn anew(&self) -> Result<Head, Stopped> {
        let name = &self.stage.name;
        let (log, tags) = (ledger::log(name), ledger::all_tags(name));
        let (log, tags) = futures_util::future::try_join(self.numbers(&log), self.numbers(&tags)).await?;
        let last = |numbers: Vec<u64>| numbers.last().copied().unwrap_or(0);
        Ok(Head { seq: last(log), sequence: last(tags), ..Head::none(name) })
    }

    /// The numbers of the documents of a folder, in order.
    async fn numbers(&self, folder: &str) -> Result<Vec<u64>, Failure> {
        let listed = self.context.pace.run(|| self.control().list(folder)).await?;
        let mut numbers: Vec<u64> =
            listed.iter().filter_map(|one| one.key.strip_prefix(folder)?.strip_suffix(".json")?.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    pub(super) fn damaged(&self, key: &str, damage: &Damage) -> Stopped {
        let place = self.control().locate(key);
        let hint = match damage {
            Damage::Version(_) => String::new(),
            Damage::Form(_) => format!(
                "\nhint: nothing was touched; `qdn audit {} --repair` goes back to the newest state of the log that is whole",
                self.stage.name
            ),
        };
        Stopped::Failed(format!("the state of the stage `{}` ({place}) cannot be read: {damage}{hint}", self.stage.name))
    }

    /// The state once nobody is at work any more: done, gone, or silent for longer than a lease.
    pub(super) async fn idle_head(&self) -> Result<Known, Stopped> {
        let mut told = false;
        for _ in 0..LOOKS {
            let known = self.head().await?;
            let Some(holder) = known.head.applying.as_ref().and_then(|applying| applying.holder.as_ref()) else { return Ok(known) };
            let is_silent = known.age > self.context.lease;
            if is_silent || *holder == self.context.holder || (self.context.is_gone)(holder) {
                return Ok(known);
            }
            if !told {
                self.context.say(&format!("waiting: {}", self.at_work(&known.head, holder)));
                told = true;
            }
            if self.context.pace.is_stopping() {
                return Err(Stopped::Interrupted("nothing was changed".to_owned()));
            }
            sleep(LOOK.min(self.context.lease / 4)).await;
        }
        Err(Stopped::Failed(format!("the stage `{}` was busy for too long; run it again", self.stage.name)))
    }

    fn at_work(&self, head: &Head, holder: &Holder) -> String {
        let what = head.applying.as_ref().map_or(String::new(), |applying| {
            format!(" applies release {} ({} by {})", applying.to, applying.kind.name(), head.by)
        });
        format!("{holder}{what} on the stage `{}`", self.stage.name)
    }

    /// Replaces the state, if it is still the one that is known. The new one is made from the one it replaces, since
    /// that may be this process's own renewal of which the answer was lost.
    pub(super) async fn swap(&self, known: &Known, next: impl Fn(&Head, &Signature) -> Head) -> Result<Known, Stopped> {
        let key = ledger::head(&self.stage.name);
        let mut known = known.clone();
        loop {
            let signature = self.context.signature();
            let head = next(&known.head, &signature);
            let text = head.to_json();
            let when = known.tag.clone().map_or(When::Missing, When::Is);
            match self.write(&key, text.as_bytes(), &when).await {
                Ok(tag) => return Ok(Known { head, tag: Some(tag), age: Duration::ZERO }),
                Err(failure) if failure.kind == Kind::Conflict => {
                    let now = self.head().await?;
                    if now.head.nonce == signature.nonce {
                        return Ok(now);
                    }
                    let is_own = |head: &Head| {
                        head.applying.as_ref().is_some_and(|applying| {
                            applying.holder.as_ref() == Some(&self.context.holder)
                                && known.head.applying.as_ref().is_some_and(|mine| mine.sequence == applying.sequence)
                        })
                    };
                    if now.head.seq > known.head.seq && is_own(&now.head) && known.head.applying.is_some() {
                        known = now;
                        continue;
                    }
                    return Err(Stopped::Superseded { seq: now.head.seq, by: now.head.by, release: now.head.release });
                }
                Err(failure) => return Err(failure.into()),
            }
        }
    }

    async fn write(&self, key: &str, bytes: &[u8], when: &When) -> Result<Tag, Failure> {
        let sha256 = Digest::of(bytes).hex();
        let described = Described {
            sha256: &sha256,
            size: bytes.len() as u64,
            content_type: "application/json",
            cache_control: "no-store",
            cache_tag: "",
        };
        let content = Content::Bytes(bytes.into());
        self.context.pace.run(|| self.control().put(key, &content, &described, when)).await
    }

    /// Writes a document that never changes. One that is there already has to say the same.
    pub(super) async fn write_once(&self, key: &str, bytes: &[u8]) -> Result<(), Stopped> {
        match self.write(key, bytes, &When::Missing).await {
            Ok(_) => Ok(()),
            Err(failure) if failure.kind == Kind::Conflict => match self.read(key).await? {
                Some(found) if found.bytes == bytes => Ok(()),
                _ => Err(Stopped::Failed(format!(
                    "{} is there already and says something else; nothing writes it twice, so somebody changed it",
                    self.control().locate(key)
                ))),
            },
            Err(failure) => Err(failure.into()),
        }
    }

    /// Whether a document is there.
    pub(super) async fn has(&self, key: &str) -> Result<bool, Failure> {
        Ok(self.context.pace.run(|| self.control().stat(key)).await?.is_some())
    }

    /// Writes down a state between two publishes. What is there already is the same state.
    pub(super) async fn log(&self, head: &Head) -> Result<(), Stopped> {
        let written = self.write(&ledger::entry(&self.stage.name, head.seq), head.to_json().as_bytes(), &When::Missing).await;
        match written {
            Err(failure) if failure.kind != Kind::Conflict => Err(failure.into()),
            _ => Ok(()),
        }
    }

    /// A release's manifest.
    pub(super) async fn manifest(&self, id: &str) -> Result<Manifest, Stopped> {
        self.manifest_if_kept(id).await?.ok_or_else(|| {
            let place = self.control().locate(&ledger::release(id));
            Stopped::Failed(format!("{place} is not there, so nobody knows what the release {id} was"))
        })
    }

    /// The same; nothing where it is gone. One that is damaged, or of a newer qdn, is not.
    pub(super) async fn manifest_if_kept(&self, id: &str) -> Result<Option<Manifest>, Stopped> {
        let key = ledger::release(id);
        let place = self.control().locate(&key);
        let Some(found) = self.read(&key).await? else { return Ok(None) };
        match Manifest::parse(&String::from_utf8_lossy(&found.bytes)) {
            Ok(manifest) if manifest.release == id && manifest.is_genuine() => Ok(Some(manifest)),
            Ok(_) => Err(Stopped::Failed(format!("{place} is not as it was written: somebody changed it"))),
            Err(error @ ParseError::Version(_)) => Err(Stopped::Failed(format!("{place}: {error}"))),
            Err(error) => Err(Stopped::Failed(format!("{place} is damaged: {error}"))),
        }
    }

    /// The ETags that an apply left; none where they are not on record. They only spare questions.
    pub(super) async fn tags(&self, sequence: u64, release: &str) -> Result<Tags, Stopped> {
        let Some(found) = self.read(&ledger::tags(&self.stage.name, sequence)).await? else { return Ok(Tags::new()) };
        let document: Option<TagsDocument> = serde_json::from_slice(&found.bytes).ok();
        Ok(document
            .filter(|document| document.version == 1 && document.release == release)
            .map(|document| document.tags)
            .unwrap_or_default())
    }

    pub(super) async fn write_tags(&self, sequence: u64, release: &str, tags: Tags) -> Result<(), Stopped> {
        let document = TagsDocument { version: 1, release: release.to_owned(), tags };
        let bytes = serde_json::to_vec(&document).unwrap_or_default();
        match self.write(&ledger::tags(&self.stage.name, sequence), &bytes, &When::Missing).await {
            // An apply that is taken up where nothing was left to write keeps its number, and its tags.
            Err(failure) if failure.kind != Kind::Conflict => Err(failure.into()),
            _ => Ok(()),
        }
    }
}

/// The head in the hands of whoever applies.
pub(super) struct Hold<'a> {
    pub(super) books: Books<'a>,
    /// What is known of the bodies that the stage keeps.
    pub(super) bodies: &'a Bodies<'a>,
    known: Mutex<Known>,
    /// When this process last began to say something that was heard: by its own clock, and by the machine's, which goes
    /// on while that sleeps.
    spoke: std::sync::Mutex<(Instant, Timestamp)>,
    /// One asks for the head, the others wait for what it hears.
    gate: Mutex<()>,
    /// Somebody else took over.
    lost: AtomicBool,
    /// Something that visitors see may have been changed.
    touched: AtomicBool,
}

impl<'a> Hold<'a> {
    pub(super) fn new(books: Books<'a>, known: Known, bodies: &'a Bodies<'a>) -> Self {
        Self {
            books,
            bodies,
            known: Mutex::new(known),
            spoke: std::sync::Mutex::new((Instant::now(), (books.context.clock)())),
            gate: Mutex::new(()),
            lost: AtomicBool::new(false),
            touched: AtomicBool::new(false),
        }
    }

    /// The state as it was left.
    pub(super) fn into_known(self) -> Known {
        self.known.into_inner()
    }

    /// Replaces the state.
    pub(super) async fn swap(&self, next: impl Fn(&Head, &Signature) -> Head) -> Result<Head, Stopped> {
        let mut known = self.known.lock().await;
        let began = (Instant::now(), (self.books.context.clock)());
        let swapped = self.books.swap(&known, next).await;
        if matches!(swapped, Err(Stopped::Superseded { .. })) {
            self.lost.store(true, Ordering::Relaxed);
        }
        *known = swapped?;
        *self.spoke.lock().unwrap_or_else(PoisonError::into_inner) = began;
        Ok(known.head.clone())
    }

    /// What is in hand, once there is nothing more to do with it.
    pub(super) async fn known(&self) -> Known {
        self.known.lock().await.clone()
    }

    /// Says every third of a lease that somebody is at work. Ends only when somebody else took over.
    pub(super) async fn keep(&self) -> Stopped {
        loop {
            sleep(self.books.context.lease / 3).await;
            if self.known.lock().await.head.applying.is_none() {
                // It is finished, and whoever comes next has another head than ours to replace.
                continue;
            }
            // Where the store is out of reach, [`Hold::fence`] lets nothing pass before long.
            if let Err(stopped @ Stopped::Superseded { .. }) = self.swap(Head::renewed).await {
                return stopped;
            }
        }
    }

    /// Asked before each public write. Conditions alone do not stop a process that slept while others went to another
    /// release and back: the pages have the tags that it knew. So whoever was silent for longer than others are sure
    /// to wait asks for the head first. A process that is stopped between this question and its write still writes.
    pub(super) async fn fence(&self) -> Result<(), Failure> {
        if self.is_in_time() {
            return Ok(());
        }
        let _one = self.gate.lock().await;
        if self.is_in_time() {
            return Ok(());
        }
        let lost = || Failure::new(Kind::Refused, "somebody else took over");
        if self.lost.load(Ordering::Relaxed) {
            return Err(lost());
        }
        match self.swap(Head::renewed).await {
            Ok(_) => Ok(()),
            Err(Stopped::Superseded { .. }) => Err(lost()),
            Err(stopped) => Err(Failure::new(Kind::Lost, stopped.to_string())),
        }
    }

    fn is_in_time(&self) -> bool {
        let (instant, time) = *self.spoke.lock().unwrap_or_else(PoisonError::into_inner);
        let context = self.books.context;
        let silent = (context.clock)().duration_since(time).unsigned_abs().max(instant.elapsed());
        silent < context.lease * 2 / 3
    }

    /// From here on visitors may see something of it.
    pub(super) fn touch(&self) {
        self.touched.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_touched(&self) -> bool {
        self.touched.load(Ordering::Relaxed)
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// The number of this apply, and its token.
    pub(super) async fn apply(&self) -> (u64, String) {
        let known = self.known.lock().await;
        let token = known.head.applying.as_ref().map(|applying| applying.token.clone());
        (known.head.sequence, token.unwrap_or_default())
    }

    /// Whether somebody else took over since.
    pub(super) async fn is_ours(&self) -> Result<(), Stopped> {
        let (sequence, _) = self.apply().await;
        let now = self.books.head().await?.head;
        let ours = now
            .applying
            .as_ref()
            .is_some_and(|applying| applying.sequence == sequence && applying.holder.as_ref() == Some(&self.books.context.holder));
        if ours { Ok(()) } else { Err(Stopped::Superseded { seq: now.seq, by: now.by, release: now.release }) }
    }
}
