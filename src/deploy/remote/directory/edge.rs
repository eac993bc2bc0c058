//! What stands between the visitors and a bucket: a cache that keeps what it got until it is told, or it is too old.
//!
//! ```text
//! books/sequence            a number: how many times something was removed
//! books/entries/<digest>    an answer as it was cached: a line of JSON, then the body
//! books/invalidations.json  what was asked for, so that asking again changes nothing
//! ```
//!
//! An invalidation holds the lock, and in this order records itself, raises the sequence, removes what it covers, and
//! notes that it is done. If it is killed between, whoever asks again with its reference does the rest.
//!
//! An answer that is on its way from the bucket while its path is invalidated must not be kept: it may be the old
//! one. So who fills notes the sequence before reading the bucket, and keeps the answer, under the lock, if it is
//! still the same. Kept before the invalidation took the lock, the entry is there to be removed; after, it is not
//! kept. (Whether CloudFront is as careful is not documented; `qdn publish` looks afterwards.)

use super::super::{Failure, Fetched, Invalidation, Kind, Running};
use super::objects::{Objects, Record};
use super::{Clock, aside, bytes, discard, in_folder, is_gone, refused, replace, turn};
use crate::deploy::invalidation::{Item, MAX_PATHS, MAX_WILDCARDS};
use crate::release::{Digest, encode_path};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::sync::Arc;

/// How long an answer is kept that says nothing of it, in seconds: the default TTL of a day [doc: Expiration].
const DAY: u64 = 86_400;
/// How long it is kept that there is nothing, where there is no page for it, in seconds: the error caching minimum
/// TTL [doc: GeneratingCustomErrorResponses].
const NOTHING: u64 = 10;
/// The page of a site for what is not there.
const MISSING: &str = "404.html";
/// How many invalidations are remembered. A reference older than that is new again.
const REMEMBERED: usize = 1_000;

/// What stands between the visitors and a bucket, on the disk, so that several programs share it.
#[derive(Clone, Debug)]
pub struct EdgeCache(pub(super) Arc<Edge>);

impl EdgeCache {
    pub(super) fn new(edge: Arc<Edge>) -> Self {
        Self(edge)
    }

    /// What a visitor gets who asks for a path, which is the one that the viewer-request function returned.
    ///
    /// `x-cache` says where it is from, as CloudFront does, and `age` for how many seconds it has been there.
    ///
    /// # Errors
    /// Where the disk fails.
    pub async fn get(&self, path: &str) -> Result<Fetched, Failure> {
        let (edge, path) = (Arc::clone(&self.0), path.to_owned());
        aside(move || edge.get(&path)).await
    }
}

/// The cache of one distribution.
#[derive(Debug)]
pub(super) struct Edge {
    books: PathBuf,
    origin: Arc<Objects>,
    clock: Clock,
    delay: SignedDuration,
}

/// The first line of an entry.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    path: String,
    status: u16,
    headers: BTreeMap<String, String>,
    since: Timestamp,
    /// In seconds.
    life: u64,
    /// The cache tags it came with. The page of what is missing hands on none: whether CloudFront lets an error have the
    /// tags of its page is not documented.
    #[serde(default)]
    tags: Vec<String>,
}

/// An invalidation, remembered.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Known {
    id: String,
    reference: String,
    /// The digest of its items.
    items: String,
    paths: u64,
    wildcards: u64,
    created: Timestamp,
    /// Whether all it covers has been removed.
    is_done: bool,
}

impl Edge {
    pub(super) fn new(books: PathBuf, origin: Arc<Objects>, clock: Clock, delay: SignedDuration) -> Self {
        Self { books, origin, clock, delay }
    }

    fn get(&self, path: &str) -> Result<Fetched, Failure> {
        let path = plain(path);
        let began = self.sequence()?;
        if let Some(kept) = self.kept(&path)? {
            return Ok(kept);
        }
        let (fetched, life, tags) = self.fill(&path)?;
        // A visitor is answered even where nothing can be kept.
        let _ = self.keep(&path, began, &fetched, life, tags);
        Ok(fetched)
    }

    /// How many times something has been removed.
    pub(super) fn sequence(&self) -> Result<u64, Failure> {
        let text = bytes(&self.books.join("sequence"))?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&text).trim().parse().unwrap_or(0))
    }

    fn entry(&self, path: &str) -> PathBuf {
        self.books.join("entries").join(Digest::of(path.as_bytes()).hex())
    }

    /// What was cached, if it is young enough. The path is compared too, and whatever cannot be read is not there.
    fn kept(&self, path: &str) -> Result<Option<Fetched>, Failure> {
        let Some(all) = bytes(&self.entry(path))? else { return Ok(None) };
        let Some(end) = all.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
        let Ok(entry) = serde_json::from_slice::<Entry>(&all[..end]) else { return Ok(None) };
        let age = u64::try_from(self.clock.now().duration_since(entry.since).as_secs()).unwrap_or(0);
        if entry.path != path || age >= entry.life {
            return Ok(None);
        }
        let mut headers = entry.headers;
        headers.insert("x-cache".to_owned(), told("Hit", entry.status));
        headers.insert("age".to_owned(), age.to_string());
        Ok(Some(Fetched { status: entry.status, headers, body: all[end + 1..].to_vec() }))
    }

    /// What the bucket answers, for how many seconds that may be kept, and under which cache tags.
    pub(super) fn fill(&self, path: &str) -> Result<(Fetched, u64, Vec<String>), Failure> {
        let inner = path.strip_prefix('/').unwrap_or(path);
        // The distribution's default root object, which stands behind `/` alone.
        let inner = if inner.is_empty() { "index.html" } else { inner };
        let key = percent_encoding::percent_decode_str(inner).decode_utf8_lossy();
        let answer = |status, (body, record): (Vec<u8>, Record)| {
            let life = life(&record.cache_control);
            let is_tag = |tag: &&str| status < 400 && !tag.is_empty();
            let tags = record.cache_tag.split(',').map(str::trim).filter(is_tag).map(str::to_ascii_lowercase).collect();
            let mut headers = BTreeMap::from([
                ("content-type".to_owned(), record.content_type.clone()),
                ("content-length".to_owned(), body.len().to_string()),
                ("etag".to_owned(), record.tag().0),
                ("x-cache".to_owned(), told("Miss", status)),
            ]);
            if !record.cache_control.is_empty() {
                headers.insert("cache-control".to_owned(), record.cache_control);
            }
            (Fetched { status, headers, body }, life, tags)
        };
        if let Some(found) = self.origin.whole(&key)? {
            return Ok(answer(200, found));
        }
        if let Some(page) = self.origin.whole(MISSING)? {
            return Ok(answer(404, page));
        }
        let headers = BTreeMap::from([
            ("content-type".to_owned(), "text/plain; charset=utf-8".to_owned()),
            ("x-cache".to_owned(), told("Miss", 404)),
        ]);
        Ok((Fetched { status: 404, headers, body: b"There is no such object.\n".to_vec() }, NOTHING, Vec::new()))
    }

    /// Keeps an answer, if nothing has been removed since `began`.
    pub(super) fn keep(&self, path: &str, began: u64, fetched: &Fetched, life: u64, tags: Vec<String>) -> Result<(), Failure> {
        if life == 0 {
            return Ok(());
        }
        let headers = fetched.headers.clone();
        let entry = Entry { path: path.to_owned(), status: fetched.status, headers, since: self.clock.now(), life, tags };
        let mut all = serde_json::to_vec(&entry).map_err(|error| Failure::new(Kind::Refused, error.to_string()))?;
        all.push(b'\n');
        all.extend_from_slice(&fetched.body);
        let _turn = turn(&self.books)?;
        if self.sequence()? != began {
            return Ok(());
        }
        let (fresh, place) = (self.books.join("entry.new"), self.entry(path));
        in_folder(&fresh, || fs::write(&fresh, &all))?;
        in_folder(&place, || fs::rename(&fresh, &place))
    }

    pub(super) fn invalidate(&self, reference: &str, items: &[Item]) -> Result<Invalidation, Failure> {
        let is_item = |item: &Item| item.to_string().starts_with(['/', '#']);
        if reference.is_empty() || items.is_empty() || !items.iter().all(is_item) {
            let message = "InvalidArgument: an invalidation has a reference and at least one path or tag: `/…` or `#…`";
            return Err(Failure::new(Kind::Refused, message));
        }
        let _turn = turn(&self.books)?;
        let mut all = self.known()?;
        let digest = digest(items);
        let at = match all.iter().position(|known| known.reference == reference) {
            Some(at) if all[at].items != digest => {
                let message = format!("InvalidationBatchAlreadyExists: `{reference}` was used for other paths");
                return Err(Failure::new(Kind::Refused, message));
            }
            Some(at) => at,
            None => {
                let wildcards = items.iter().filter(|item| matches!(item, Item::Wildcard(_))).count() as u64;
                let paths = items.len() as u64 - wildcards;
                let running = self.sum(&all);
                if running.paths + paths > MAX_PATHS || running.wildcards + wildcards > MAX_WILDCARDS {
                    let message = format!(
                        "TooManyInvalidationsInProgress: {} paths and {} wildcards are in progress, and {MAX_PATHS} and {MAX_WILDCARDS} may be",
                        running.paths, running.wildcards
                    );
                    return Err(Failure::new(Kind::Full, message));
                }
                let id = format!("I{}", Digest::of(reference.as_bytes()).short().to_ascii_uppercase());
                let (reference, created) = (reference.to_owned(), self.clock.now());
                all.push(Known { id, reference, items: digest, paths, wildcards, created, is_done: false });
                let forgotten = all.len().saturating_sub(REMEMBERED);
                all.drain(..forgotten);
                self.remember(&all)?;
                all.len() - 1
            }
        };
        if !all[at].is_done {
            self.purge(items)?;
            all[at].is_done = true;
            self.remember(&all)?;
        }
        Ok(self.told(&all[at]))
    }

    /// Removes what is covered, and on the way what is too old. Only under the lock.
    pub(super) fn purge(&self, items: &[Item]) -> Result<(), Failure> {
        let sequence = self.sequence()? + 1;
        replace(&self.books.join("sequence"), sequence.to_string().as_bytes())?;
        let (mut wildcards, mut tags) = (Vec::new(), Vec::new());
        for item in items {
            match item {
                Item::Path(path) => discard(&self.entry(&plain(path)))?,
                // The start of a path may end within an escaped character, which cannot be written another way.
                Item::Wildcard(prefix) => wildcards.extend([prefix.clone(), plain(prefix)]),
                Item::Tag(tag) => tags.push(tag.to_ascii_lowercase()),
            }
        }
        if wildcards.is_empty() && tags.is_empty() {
            return Ok(());
        }
        let folder = self.books.join("entries");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if is_gone(&error) => return Ok(()),
            Err(error) => return Err(refused(&folder, &error)),
        };
        for entry in entries {
            let place = entry.map_err(|error| refused(&folder, &error))?.path();
            let mut line = String::new();
            let read = File::open(&place).and_then(|file| BufReader::new(file).read_line(&mut line));
            let stays = read.is_ok()
                && serde_json::from_str::<Entry>(&line).is_ok_and(|entry| {
                    let age = u64::try_from(self.clock.now().duration_since(entry.since).as_secs()).unwrap_or(0);
                    let is_wild = wildcards.iter().any(|prefix| entry.path.starts_with(prefix.as_str()));
                    age < entry.life && !is_wild && !entry.tags.iter().any(|tag| tags.contains(tag))
                });
            if !stays {
                discard(&place)?;
            }
        }
        Ok(())
    }

    pub(super) fn invalidation(&self, id: &str) -> Result<Invalidation, Failure> {
        let known = self.known()?.into_iter().find(|known| known.id == id);
        let known = known.ok_or_else(|| Failure::new(Kind::Refused, format!("NoSuchInvalidation: `{id}`")))?;
        Ok(self.told(&known))
    }

    pub(super) fn running(&self) -> Result<Running, Failure> {
        Ok(self.sum(&self.known()?))
    }

    fn is_running(&self, known: &Known) -> bool {
        self.clock.now().duration_since(known.created) < self.delay
    }

    fn told(&self, known: &Known) -> Invalidation {
        Invalidation { id: known.id.clone(), is_complete: known.is_done && !self.is_running(known) }
    }

    fn sum(&self, all: &[Known]) -> Running {
        let running = all.iter().filter(|known| self.is_running(known));
        running.fold(Running::default(), |sum, known| Running {
            paths: sum.paths + known.paths,
            wildcards: sum.wildcards + known.wildcards,
        })
    }

    /// Where it cannot be read, nothing is made up: an invalidation forgotten would be paid for twice.
    fn known(&self) -> Result<Vec<Known>, Failure> {
        let path = self.books.join("invalidations.json");
        let Some(text) = bytes(&path)? else { return Ok(Vec::new()) };
        serde_json::from_slice(&text).map_err(|error| Failure::new(Kind::Refused, format!("{}: {error}", path.display())))
    }

    fn remember(&self, all: &[Known]) -> Result<(), Failure> {
        let text = serde_json::to_vec_pretty(all).map_err(|error| Failure::new(Kind::Refused, error.to_string()))?;
        replace(&self.books.join("invalidations.json"), &text)
    }
}

/// One way to write each path, without a query: what is cached under one spelling is found and removed under each.
fn plain(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    match percent_encoding::percent_decode_str(path).decode_utf8() {
        Ok(path) => encode_path(&path),
        Err(_) => path.to_owned(),
    }
}

/// What CloudFront says of its cache. Of an answer that is an error it says nothing else.
fn told(word: &str, status: u16) -> String {
    let word = if status < 400 { word } else { "Error" };
    format!("{word} from cloudfront")
}

fn digest(items: &[Item]) -> String {
    let lines: BTreeSet<String> = items.iter().map(ToString::to_string).collect();
    Digest::of(lines.into_iter().collect::<Vec<_>>().join("\n").as_bytes()).hex()
}

/// For how many seconds an edge keeps what is stored with this `cache-control` [doc: Expiration, minimum TTL 0].
fn life(cache_control: &str) -> u64 {
    let mut directives: BTreeMap<String, &str> = BTreeMap::new();
    for directive in cache_control.split(',') {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        directives.insert(name.trim().to_ascii_lowercase(), value.trim().trim_matches('"'));
    }
    if ["no-store", "no-cache", "private"].iter().any(|name| directives.contains_key(*name)) {
        return 0;
    }
    let seconds = |name: &str| directives.get(name).and_then(|value| value.parse().ok());
    seconds("s-maxage").or_else(|| seconds("max-age")).unwrap_or(DAY)
}
