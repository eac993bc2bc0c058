//! Where the body with a digest lies that a stage keeps: by itself, in a pack, or under a key that another stage serves.
//!
//! `packs/` is listed and its indexes are read once, by the first who has to know. A publish from a build does not: it has the
//! bytes, and the bodies of what is served are known to be kept.

use super::ahead::Sent;
use super::packs::{Pack, Row, is_digest};
use super::{Context, Stopped};
use crate::deploy::ledger;
use crate::deploy::remote::{Bucket, Failure, Listed, Location, Tag};
use crate::release::Digest;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio::sync::OnceCell;

/// Bodies with no more than so many bytes between them are read in one request: leaving those out would save less than another
/// request costs.
const GAP: u64 = 32 << 10;
/// The most that is read at once, in bytes.
const MOST: u64 = 16 << 20;
/// How many such reads are in memory at a time. Bodies are asked for in the order in which they lie, so that those on the way are
/// out of two or three; what is let go too early is read again.
const HELD: usize = 4;

/// What lies below `packs/`.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Indexes that cannot be read, in words: nobody knows what is in their packs.
    pub(super) unclear: Vec<String>,
    /// Packs without an index, and indexes without a pack.
    pub(super) strays: Vec<Listed>,
}

/// A body that another stage serves, and the tag that it had when it was written there.
#[derive(Clone, Debug)]
pub(super) struct Served {
    pub(super) at: Location,
    pub(super) tag: Tag,
}

/// What is read of a pack at once.
#[derive(Debug)]
struct Span {
    pack: Arc<Pack>,
    from: u64,
    to: u64,
    /// How many bodies of it are still to be taken.
    left: AtomicUsize,
    bytes: tokio::sync::Mutex<Option<Arc<Vec<u8>>>>,
}

type Spans = BTreeMap<String, Arc<Span>>;

/// The bodies that a stage keeps.
pub(super) struct Bodies<'a> {
    control: &'a dyn Bucket,
    context: &'a Context,
    packs: RwLock<Vec<Arc<Pack>>>,
    listing: OnceCell<Listing>,
    /// Whether a body that is needed lies in a pack.
    used: AtomicBool,
    served: RwLock<BTreeMap<String, Served>>,
    spans: Mutex<Spans>,
    held: Mutex<VecDeque<Arc<Span>>>,
    /// Large bodies on their way to where they will be served.
    pub(super) ahead: Sent,
}

impl<'a> Bodies<'a> {
    pub(super) fn new(control: &'a dyn Bucket, context: &'a Context) -> Self {
        Self {
            control,
            context,
            packs: RwLock::default(),
            listing: OnceCell::new(),
            used: AtomicBool::new(false),
            served: RwLock::default(),
            spans: Mutex::default(),
            held: Mutex::default(),
            ahead: Sent::default(),
        }
    }

    /// What lies below `packs/`.
    pub(super) async fn listed(&self) -> Result<&Listing, Stopped> {
        self.listing.get_or_try_init(|| self.list()).await
    }

    /// Every pack that is known.
    pub(super) fn packs(&self) -> Vec<Arc<Pack>> {
        self.packs.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn list(&self) -> Result<Listing, Stopped> {
        let all = self.context.pace.run(|| self.control.list(ledger::PACKS)).await?;
        let name = |listed: &Listed| listed.key.strip_prefix(ledger::PACKS).map(str::to_owned).unwrap_or_default();
        let all: BTreeMap<String, Listed> = all.into_iter().map(|listed| (name(&listed), listed)).collect();
        let index_of = |sha256: &str| format!("{sha256}.json");
        let (mut listing, mut pairs) = (Listing::default(), Vec::new());
        for (name, listed) in &all {
            match name.strip_suffix(".json") {
                Some(sha256) if is_digest(sha256) && !all.contains_key(sha256) => listing.strays.push(listed.clone()),
                None if is_digest(name) => match all.get(&index_of(name)) {
                    Some(index) => pairs.push((name.clone(), listed.clone(), index.clone())),
                    None => listing.strays.push(listed.clone()),
                },
                // The index of a pack that is there, or nothing of ours.
                _ => {}
            }
        }
        let read = self.context.pace.each(pairs, async |(sha256, pack, index): (String, Listed, Listed)| {
            let found = self.context.pace.run(|| self.control.read(&index.key)).await?;
            // Somebody removed it meanwhile.
            let Some(found) = found else { return Ok(None) };
            Ok::<_, Failure>(Some(match Pack::parse(&sha256, &found.bytes) {
                Ok(parsed) => {
                    if parsed.size != pack.size {
                        parsed.give_up();
                    }
                    Ok(parsed.with(pack, index))
                }
                Err(why) => Err(format!("{}: {why}", self.control.locate(&index.key))),
            }))
        });
        let read = read.await?.ok_or_else(|| Stopped::Interrupted("nothing was changed".to_owned()))?;
        for one in read.into_iter().flatten() {
            match one {
                Ok(pack) => self.learn(Arc::new(pack)),
                Err(why) => listing.unclear.push(why),
            }
        }
        listing.unclear.sort();
        Ok(listing)
    }

    /// From now on this pack is known to be there.
    pub(super) fn learn(&self, pack: Arc<Pack>) {
        let mut packs = self.packs.write().unwrap_or_else(PoisonError::into_inner);
        let at = packs.partition_point(|known| known.sha256 < pack.sha256);
        if packs.get(at).is_none_or(|known| known.sha256 != pack.sha256) {
            packs.insert(at, pack);
        }
    }

    /// A body that is needed lies in a pack.
    pub(super) fn mark_used(&self) {
        self.used.store(true, Ordering::Relaxed);
    }

    /// Whether a body that is needed lies in a pack.
    pub(super) fn is_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    /// The first sound pack that is known to hold a body, and where it begins there.
    pub(super) fn find(&self, sha256: &str) -> Option<(Arc<Pack>, Row)> {
        let packs = self.packs.read().unwrap_or_else(PoisonError::into_inner);
        let found = packs.iter().filter(|pack| !pack.is_damaged()).find_map(|pack| Some((pack, pack.find(sha256)?)));
        found.map(|(pack, row)| (Arc::clone(pack), row.clone()))
    }

    /// Those of some bodies that lie in a pack. Each pack of which one is needed is asked for its digest, once.
    pub(super) async fn packed<'b>(&self, wanted: impl IntoIterator<Item = &'b str>) -> Result<BTreeSet<String>, Stopped> {
        self.listed().await?;
        let wanted: Vec<&str> = wanted.into_iter().collect();
        loop {
            let mut packed = BTreeSet::new();
            let mut unasked: Vec<Arc<Pack>> = Vec::new();
            for sha256 in &wanted {
                let Some((pack, _)) = self.find(sha256) else { continue };
                packed.insert((*sha256).to_owned());
                if pack.is_unasked() {
                    unasked.push(pack);
                }
            }
            if unasked.is_empty() {
                if !packed.is_empty() {
                    self.mark_used();
                }
                return Ok(packed);
            }
            let asked = self.context.pace.each(unasked, async |pack: Arc<Pack>| {
                let key = pack.key();
                let stat = self.context.pace.run(|| self.control.stat(&key)).await?;
                let is_sound = stat.is_some_and(|stat| stat.size == pack.size && stat.sha256.is_none_or(|it| it == pack.sha256));
                if !is_sound {
                    pack.give_up();
                }
                Ok::<_, Failure>(())
            });
            asked.await?.ok_or_else(|| Stopped::Interrupted("nothing was changed".to_owned()))?;
        }
    }

    /// What is wrong with packs, for whoever misses a body.
    pub(super) fn troubles(&self) -> Vec<String> {
        let damaged = self.packs().into_iter().filter(|pack| pack.is_damaged());
        let damaged = damaged.map(|pack| format!("{}: its bytes are others than its name says", self.control.locate(&pack.key())));
        let unclear = self.listing.get().into_iter().flat_map(|listing| listing.unclear.iter().cloned());
        let strays = self.listing.get().into_iter().flat_map(|listing| &listing.strays);
        let lonely = strays.filter_map(|stray| stray.key.strip_suffix(".json"));
        let lonely = lonely.map(|pack| format!("{} is gone, and its index is there", self.control.locate(pack)));
        damaged.chain(lonely).chain(unclear).collect()
    }

    /// Bodies that another stage serves.
    pub(super) fn learn_served(&self, served: BTreeMap<String, Served>) {
        *self.served.write().unwrap_or_else(PoisonError::into_inner) = served;
    }

    /// Where another stage serves a body.
    pub(super) fn served(&self, sha256: &str) -> Option<Served> {
        self.served.read().unwrap_or_else(PoisonError::into_inner).get(sha256).cloned()
    }

    /// What another stage serves is not used any more: it cannot be copied from there.
    pub(super) fn forget_served(&self) {
        self.learn_served(BTreeMap::new());
    }

    /// Bodies that will be read next, each as often as it is named: those that lie close together are read in one request.
    pub(super) fn expect<'b>(&self, wanted: impl IntoIterator<Item = &'b str>) {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for sha256 in wanted {
            *counts.entry(sha256).or_default() += 1;
        }
        let mut rows: Vec<(Arc<Pack>, Row, usize)> = Vec::new();
        for (sha256, count) in counts {
            rows.extend(self.find(sha256).map(|(pack, row)| (pack, row, count)));
        }
        rows.sort_by(|(pack, row, _), (other, next, _)| (&pack.sha256, row.offset).cmp(&(&other.sha256, next.offset)));
        // Pack, from, to, how many bodies will be taken, and which.
        type Part = (Arc<Pack>, u64, u64, usize, Vec<String>);
        let mut spans: Vec<Part> = Vec::new();
        for (pack, row, count) in rows {
            let end = row.offset + row.size;
            match spans.last_mut() {
                Some((last, from, to, left, bodies))
                    if last.sha256 == pack.sha256 && row.offset.saturating_sub(*to) <= GAP && end - *from <= MOST =>
                {
                    *to = end;
                    *left += count;
                    bodies.push(row.sha256);
                }
                _ => spans.push((pack, row.offset, end, count, vec![row.sha256])),
            }
        }
        let mut all = Spans::new();
        for (pack, from, to, left, bodies) in spans {
            let span = Arc::new(Span { pack, from, to, left: AtomicUsize::new(left), bytes: tokio::sync::Mutex::default() });
            all.extend(bodies.into_iter().map(|sha256| (sha256, Arc::clone(&span))));
        }
        *self.spans.lock().unwrap_or_else(PoisonError::into_inner) = all;
    }

    /// A body that lies in a pack. What is read has to have the digest: a pack whose bytes are others is told by its name, and
    /// the body is looked for elsewhere.
    pub(super) async fn read(&self, sha256: &str) -> Result<Vec<u8>, Stopped> {
        let mut why = None;
        while let Some((pack, row)) = self.find(sha256) {
            let place = self.control.locate(&pack.key());
            match self.taken(&pack, &row).await? {
                Some(bytes) if Digest::of(&bytes).hex() == sha256 => return Ok(bytes),
                Some(_) => why = Some(format!("{place} is damaged: the body {sha256} that its index says is in it is not")),
                None => why = Some(format!("{place} is gone, and the body {sha256} with it")),
            }
            pack.give_up();
        }
        let blob = ledger::blob(sha256);
        match self.context.pace.run(|| self.control.read(&blob)).await? {
            Some(found) if Digest::of(&found.bytes).hex() == sha256 => Ok(found.bytes),
            _ => Err(Stopped::Failed(
                why.or_else(|| self.given_up(sha256))
                    .unwrap_or_else(|| format!("{} is gone, so the release cannot be completed", self.control.locate(&blob))),
            )),
        }
    }

    /// The pack that should hold a body and is not used any more, in words.
    pub(super) fn given_up(&self, sha256: &str) -> Option<String> {
        let pack = self.packs().into_iter().find(|pack| pack.find(sha256).is_some())?;
        Some(format!("{} is gone or damaged, so the release cannot be completed", self.control.locate(&pack.key())))
    }

    /// Of what was read, the oldest is let go where there is too much.
    fn hold(&self, span: &Arc<Span>) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.push_back(Arc::clone(span));
        if held.len() > HELD
            && let Some(oldest) = held.pop_front()
            && let Ok(mut bytes) = oldest.bytes.try_lock()
        {
            *bytes = None;
        }
    }

    /// A body out of what is read of its pack at once, or by itself.
    async fn taken(&self, pack: &Arc<Pack>, row: &Row) -> Result<Option<Vec<u8>>, Failure> {
        if row.size == 0 {
            return Ok(Some(Vec::new()));
        }
        let span = self.spans.lock().unwrap_or_else(PoisonError::into_inner).get(&row.sha256).cloned();
        let span = span.filter(|span| span.pack.sha256 == pack.sha256 && span.left.load(Ordering::Relaxed) > 0);
        let key = pack.key();
        let Some(span) = span else {
            return self.context.pace.run(|| self.control.read_range(&key, row.offset, row.size)).await;
        };
        let bytes = {
            let mut held = span.bytes.lock().await;
            match &*held {
                Some(bytes) => Arc::clone(bytes),
                None => {
                    let read = || self.control.read_range(&key, span.from, span.to - span.from);
                    let Some(bytes) = self.context.pace.run(read).await? else { return Ok(None) };
                    let bytes = Arc::new(bytes);
                    *held = Some(Arc::clone(&bytes));
                    self.hold(&span);
                    bytes
                }
            }
        };
        if span.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) == Ok(1) {
            *span.bytes.lock().await = None;
        }
        let part = |at: u64| usize::try_from(at - span.from).unwrap_or(usize::MAX);
        Ok(bytes.get(part(row.offset)..part(row.offset + row.size)).map(<[u8]>::to_vec))
    }
}
