//! Where bytes come from: a build on this machine, or a stage that has them already.

use super::bodies::{Bodies, Served};
use super::books::{Books, Hold};
use super::live::as_stored;
use super::objects::How;
use super::packs::{self, Pack, SMALL};
use super::{Context, Prepared, Progress, Proof, Stopped, Wish};
use crate::deploy::invalidation::tags;
use crate::deploy::ledger;
use crate::deploy::options::Mode;
use crate::deploy::plan::{Phase, Plan, Reason, Step};
use crate::deploy::remote::{Bucket, Content, Described, Failure, Found, Kind, Listed, Location, Stage, Stat, Tag, When};
use crate::release::{Class, Digest, ObjectEntry};
use async_trait::async_trait;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Semaphore;

/// From this size on a body that the stage has is copied there, and not sent a second time. In bytes.
const LARGE: u64 = 16 * 1024 * 1024;
/// From so many on, existing objects are listed, a thousand a request, and not asked for one by one. Listed are those of
/// all releases, so fewer are found sooner, and for less money, by asking.
const MANY: usize = 1000;
/// How many missing things a refusal names.
const NAMES: usize = 5;
/// How many packs are put together at a time: each is in memory.
const PACKS: usize = 3;

/// Where the bytes of a release come from.
#[derive(Clone)]
pub enum Supply<'a> {
    /// A build.
    Build {
        /// The bytes of an object, by distribution and key.
        objects: &'a (dyn Fn(&str, &str) -> Option<Content> + Send + Sync),
        /// The code of the functions, by name.
        functions: BTreeMap<String, Arc<str>>,
        /// What they are proven with, by name.
        proofs: BTreeMap<String, Vec<Proof>>,
    },
    /// What a stage keeps: the one itself, for a rollback, or another, for a promotion.
    Stage(&'a Stage),
}

/// Digest and headers of an entry.
pub(super) fn described(entry: &ObjectEntry) -> Described<'_> {
    let ObjectEntry { sha256, size, content_type, cache_control, .. } = entry;
    Described { sha256, size: *size, content_type, cache_control, cache_tag: "" }
}

/// The cache tags that an object of a stage is stored with: those of its key, where it is a page and its edge is told by
/// tags. An asset is never purged.
pub(super) fn cache_tag(stage: &Stage, key: &str, entry: &ObjectEntry) -> String {
    if stage.mode == Mode::Tags && entry.class == Class::Page { tags::of(key) } else { String::new() }
}

/// How much was stored before anything public changed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stored {
    pub(super) sent: usize,
    pub(super) copied: usize,
    pub(super) bytes: u64,
}

/// Something that has to be in a store before the release is named.
struct Need<'a> {
    bucket: &'a dyn Bucket,
    key: String,
    source: Source<'a>,
    entry: ObjectEntry,
    /// Whether visitors may ask for it: then its headers matter.
    is_public: bool,
}

impl Need<'_> {
    fn place(&self) -> String {
        self.bucket.locate(&self.key).to_string()
    }

    /// Whether it is a body that may lie in a pack.
    fn is_small(&self) -> bool {
        !self.is_public && self.entry.class == Class::Page && self.entry.size < SMALL
    }
}

/// What is stored at once.
enum Work<'a> {
    /// One object.
    One(Need<'a>),
    /// Bodies that are put together, in the order of their digests.
    Pack(Vec<Need<'a>>),
    /// A pack that another stage has, and the bodies in it that are missed.
    Copy { from: &'a dyn Bucket, to: &'a dyn Bucket, pack: Arc<Pack>, bodies: Vec<Need<'a>> },
}

impl<'a> Work<'a> {
    /// What it is for.
    fn needs(&self) -> &[Need<'a>] {
        match self {
            Self::One(need) => std::slice::from_ref(need),
            Self::Pack(needs) | Self::Copy { bodies: needs, .. } => needs,
        }
    }

    /// What is sent if it is sent.
    fn bytes(&self) -> u64 {
        match self {
            Self::Copy { pack, .. } => pack.size,
            _ => self.needs().iter().map(|need| need.entry.size).sum(),
        }
    }
}

/// What was there already, to be looked at again once nobody collects it any more.
#[derive(Default)]
pub(super) struct Already<'a> {
    work: Vec<Work<'a>>,
    /// Bodies that were found in packs.
    packed: Vec<Need<'a>>,
}

/// What all that is stored by one command shares.
struct Storing<'a> {
    bodies: &'a Bodies<'a>,
    /// The bodies of the stage that is promoted.
    from: Option<Bodies<'a>>,
    context: &'a Context,
    /// Whether some turned out to be there.
    begun: AtomicBool,
    /// So many packs at a time.
    gate: Semaphore,
}

impl<'a> Storing<'a> {
    fn new(wish: &Wish<'a>, bodies: &'a Bodies<'a>, context: &'a Context, begun: bool) -> Self {
        let from = match &wish.supply {
            Supply::Stage(from) => Some(Bodies::new(from.control.as_ref(), context)),
            Supply::Build { .. } => None,
        };
        Self { bodies, from, context, begun: AtomicBool::new(begun), gate: Semaphore::new(PACKS) }
    }

    /// Says of each body whether it is stored by itself or with others.
    async fn divide(&self, needs: Vec<Need<'a>>) -> Result<Vec<Work<'a>>, Stopped> {
        let (small, rest): (Vec<_>, Vec<_>) = needs.into_iter().partition(Need::is_small);
        let (mut here, there): (Vec<_>, Vec<_>) = small.into_iter().partition(|need| matches!(need.source, Source::Here(_)));
        let mut work = Vec::new();
        let from = self.context.packing.from.max(1);
        if here.len() >= from {
            here.sort_by(|one, other| one.entry.sha256.cmp(&other.entry.sha256));
            self.bodies.mark_used();
            work.extend(packs::cut(here, |need| need.entry.size, self.context.packing.bytes).into_iter().map(Work::Pack));
        } else {
            work.extend(here.into_iter().map(Work::One));
        }
        let there = match &self.from {
            Some(other) if there.len() >= from => {
                let packed = other.packed(there.iter().map(|need| need.entry.sha256.as_str())).await?;
                let (packed, alone): (Vec<_>, Vec<_>) = there.into_iter().partition(|need| packed.contains(&need.entry.sha256));
                work.extend(copies(packed, other));
                alone
            }
            _ => there,
        };
        work.extend(there.into_iter().chain(rest).map(Work::One));
        // Large ones first: they travel while the many small ones follow.
        work.sort_by_key(|work| std::cmp::Reverse((work.bytes() / LARGE, work.needs().len())));
        Ok(work)
    }

    /// Stores what is not there yet.
    async fn store(&self, work: &Work<'a>) -> Result<How, Stopped> {
        match work {
            Work::One(need) => match store_one(need, &self.begun, self.context).await {
                Err(stopped) => match self.pack_of(need).await? {
                    Some((from, pack)) => self.store_copy(from, need.bucket, &pack).await,
                    None => Err(stopped),
                },
                how => how,
            },
            Work::Pack(needs) => self.store_pack(needs).await,
            Work::Copy { from, to, pack, .. } => self.store_copy(*from, *to, pack).await,
        }
    }

    /// The pack in which another stage has a body that it does not have by itself.
    async fn pack_of(&self, need: &Need<'a>) -> Result<Option<(&'a dyn Bucket, Arc<Pack>)>, Stopped> {
        let (Source::There(bucket, key), Some(from)) = (&need.source, &self.from) else { return Ok(None) };
        if !need.is_small() || !matches!(self.context.pace.run(|| bucket.stat(key)).await, Ok(None)) {
            return Ok(None);
        }
        from.packed([need.entry.sha256.as_str()]).await?;
        Ok(from.find(&need.entry.sha256).map(|(pack, _)| (*bucket, pack)))
    }

    async fn store_copy(&self, from: &dyn Bucket, to: &dyn Bucket, pack: &Arc<Pack>) -> Result<How, Stopped> {
        let _turn = self.gate.acquire().await;
        let there = |key: String| Source::There(from, key);
        let how = store_both(to, pack, there(pack.key()), there(pack.index_key()), &self.begun, self.context).await?;
        self.bodies.learn(Arc::clone(pack));
        self.bodies.mark_used();
        Ok(how)
    }

    /// Puts bodies together and stores them, and then the index.
    async fn store_pack(&self, needs: &[Need<'a>]) -> Result<How, Stopped> {
        let _turn = self.gate.acquire().await;
        let Some(bucket) = needs.first().map(|need| need.bucket) else { return Ok(How::Already) };
        let mut bodies: Vec<(&str, Arc<[u8]>)> = Vec::with_capacity(needs.len());
        for need in needs {
            let Source::Here(content) = &need.source else { continue };
            let body = content.bytes(need.entry.size).await?;
            if Digest::of(&body).hex() != need.entry.sha256 {
                let what = match content {
                    Content::File(path) => path.display().to_string(),
                    Content::Bytes(_) => need.place(),
                };
                return Err(Stopped::Failed(format!("{what} was changed since it was built, and was not stored: build again")));
            }
            bodies.push((&need.entry.sha256, body));
        }
        let parts: Vec<(&str, &[u8])> = bodies.iter().map(|(sha256, body)| (*sha256, &**body)).collect();
        let packs::Made { bytes, index, pack } = packs::make(&parts);
        drop(bodies);
        let here = |bytes: Vec<u8>| Source::Here(Content::Bytes(bytes.into()));
        // It is large enough to be asked for.
        let begun = AtomicBool::new(true);
        store_both(bucket, &pack, here(bytes), here(index), &begun, self.context).await
    }
}

/// Stores a pack and then its index, so that an index means a whole pack.
async fn store_both(
    bucket: &dyn Bucket,
    pack: &Pack,
    bytes: Source<'_>,
    index: Source<'_>,
    begun: &AtomicBool,
    context: &Context,
) -> Result<How, Stopped> {
    let need = |key, source, entry| Need { bucket, key, source, entry, is_public: false };
    let pack_need = need(pack.key(), bytes, body(&pack.sha256, pack.size, "application/octet-stream"));
    let how = store_one(&pack_need, begun, context).await?;
    let index_need = need(pack.index_key(), index, body(&pack.index.0, pack.index.1, "application/json"));
    // Where the pack is new, so is the index.
    store_one(&index_need, &AtomicBool::new(how == How::Already), context).await?;
    Ok(how)
}

/// The packs of another stage that hold bodies which are missed.
fn copies<'a>(needs: Vec<Need<'a>>, from: &Bodies<'_>) -> Vec<Work<'a>> {
    let mut by_pack: BTreeMap<String, (Arc<Pack>, Vec<Need<'a>>)> = BTreeMap::new();
    let mut work = Vec::new();
    for need in needs {
        match from.find(&need.entry.sha256) {
            Some((pack, _)) => by_pack.entry(pack.sha256.clone()).or_insert_with(|| (pack, Vec::new())).1.push(need),
            None => work.push(Work::One(need)),
        }
    }
    for (pack, bodies) in by_pack.into_values() {
        let Some((to, Source::There(from, _))) = bodies.first().map(|need| (need.bucket, &need.source)) else { continue };
        work.push(Work::Copy { from: *from, to, pack, bodies });
    }
    work
}

enum Source<'a> {
    Here(Content),
    There(&'a dyn Bucket, String),
    /// It has to be there already.
    Own,
}

/// Stores assets under their public names, the bodies of pages, and the code of functions as blobs. None of it
/// is seen by any visitor. What an interrupted run has stored is not sent again.
///
/// Says what was there already.
pub(super) async fn store<'a>(
    prepared: &Prepared,
    wish: &Wish<'a>,
    stage: &'a Stage,
    bodies: &'a Bodies<'a>,
    context: &'a Context,
) -> Result<(Stored, Already<'a>), Stopped> {
    let needs = needs(prepared, wish, stage)?;
    own_are_there(&needs, wish, stage, bodies, context).await?;
    locate(&needs, prepared, wish, bodies, context).await?;
    let needs: Vec<Need<'_>> = needs.into_iter().filter(|need| !matches!(need.source, Source::Own)).collect();
    if needs.is_empty() {
        return Ok(Default::default());
    }
    let (packed, needs) = if prepared.live.is_examined { in_packs(needs, bodies, context).await? } else { (Vec::new(), needs) };
    let storing = Storing::new(wish, bodies, context, false);
    (context.tell)(&Progress::Begins { what: "assets and bodies", steps: needs.len() });
    let work = storing.divide(needs).await?;
    let storing = &storing;
    let one = |work: Work<'a>| async move {
        let how = storing.store(&work).await?;
        for need in work.needs() {
            (context.tell)(&Progress::Step { bytes: need.entry.size });
        }
        Ok::<_, Stopped>((how, work))
    };
    let done = context.pace.each(work, one).await?;
    (context.tell)(&Progress::Ends);
    let Some(done) = done else { return Err(Stopped::Interrupted("nothing that visitors see was changed".to_owned())) };
    let count = |wanted: How| done.iter().filter(|(how, _)| *how == wanted).map(|(_, work)| work.needs().len()).sum();
    let bytes = done.iter().filter(|(how, _)| *how == How::Sent).map(|(_, work)| work.bytes()).sum();
    let stored = Stored { sent: count(How::Sent), copied: count(How::Copied), bytes };
    let work = done.into_iter().filter(|(how, _)| *how == How::Already).map(|(_, work)| work).collect();
    Ok((stored, Already { work, packed }))
}

/// An interrupted publish may have stored them with others, which are no part of what is left to do: so they would make other
/// packs now.
async fn in_packs<'a>(
    needs: Vec<Need<'a>>,
    bodies: &Bodies<'_>,
    context: &Context,
) -> Result<(Vec<Need<'a>>, Vec<Need<'a>>), Stopped> {
    let is_here = |need: &Need<'_>| need.is_small() && matches!(need.source, Source::Here(_));
    if needs.iter().filter(|need| is_here(need)).count() < context.packing.from.max(1) {
        return Ok((Vec::new(), needs));
    }
    let small = needs.iter().filter(|need| is_here(need)).map(|need| need.entry.sha256.as_str());
    let packed = bodies.packed(small).await?;
    Ok(needs.into_iter().partition(|need| is_here(need) && packed.contains(&need.entry.sha256)))
}

/// Looks once more at what was there already, now that nobody collects it any more, and stores what is gone.
pub(super) async fn make_sure<'a>(
    already: Already<'a>,
    wish: &Wish<'a>,
    stage: &'a Stage,
    bodies: &'a Bodies<'a>,
    context: &'a Context,
) -> Result<(), Stopped> {
    let Already { mut work, packed } = already;
    let storing = &Storing::new(wish, bodies, context, true);
    if !packed.is_empty() {
        let now = Bodies::new(stage.control.as_ref(), context);
        let there = now.packed(packed.iter().map(|need| need.entry.sha256.as_str())).await?;
        let gone = packed.into_iter().filter(|need| !there.contains(&need.entry.sha256)).collect();
        work.extend(storing.divide(gone).await?);
    }
    let look = |work: Work<'a>| async move { storing.store(&work).await.map(drop) };
    let done = context.pace.each(work, look).await?;
    done.map(drop).ok_or_else(|| Stopped::Interrupted(String::new()))
}

fn needs<'a>(prepared: &Prepared, wish: &Wish<'a>, stage: &'a Stage) -> Result<Vec<Need<'a>>, Stopped> {
    let mut needs = Vec::new();
    let mut blobs: BTreeSet<String> = BTreeSet::new();
    // Pages that are served by the books have their bodies in them. Assets have none, and what was looked at may have come
    // there by hand.
    let known = prepared.live.manifest.iter().flat_map(|manifest| manifest.distributions.values());
    let pages = known.flat_map(|one| one.objects.values()).filter(|entry| entry.class == Class::Page);
    let known: BTreeSet<&str> =
        if prepared.live.is_examined { BTreeSet::new() } else { pages.map(|entry| entry.sha256.as_str()).collect() };
    for step in prepared.plan.steps.iter().filter(|step| step.reason != Reason::Gone) {
        let name = step.distribution.as_deref().unwrap_or_default();
        if step.phase == Phase::Functions {
            let Some(function) = wish.manifest.functions.get(&step.key) else { continue };
            let entry = body(&function.sha256, function.size, "text/javascript; charset=utf-8");
            let source = match &wish.supply {
                Supply::Build { functions, .. } => match functions.get(&step.key) {
                    Some(code) => Source::Here(Content::Bytes(code.as_bytes().into())),
                    None => return Err(missing(&format!("the code of the function `{}`", step.key))),
                },
                Supply::Stage(from) => blob_of(from, stage, &function.sha256),
            };
            if blobs.insert(function.sha256.clone()) {
                needs.push(Need {
                    bucket: stage.control.as_ref(),
                    key: ledger::blob(&function.sha256),
                    source,
                    entry,
                    is_public: false,
                });
            }
            continue;
        }
        let entry = wish.manifest.distributions.get(name).and_then(|distribution| distribution.objects.get(&step.key));
        let (Some(entry), Some(target)) = (entry, stage.distributions.get(name)) else {
            return Err(Stopped::Refused(vec![format!(
                "the release serves a distribution `{name}`, and the stage `{}` has none of that name",
                stage.name
            )]));
        };
        let here = |objects: &(dyn Fn(&str, &str) -> Option<Content> + Send + Sync)| match objects(name, &step.key) {
            Some(content) => Ok(Source::Here(content)),
            None => Err(missing(&format!("`{name}/{}`", step.key))),
        };
        if entry.class == Class::Immutable {
            let source = match &wish.supply {
                Supply::Build { objects, .. } => here(objects)?,
                Supply::Stage(from) if from.name == stage.name => Source::Own,
                Supply::Stage(from) => match from.distributions.get(name) {
                    Some(other) => Source::There(other.bucket.as_ref(), step.key.clone()),
                    None => return Err(missing(&format!("the distribution `{name}` of the stage `{}`", from.name))),
                },
            };
            needs.push(Need {
                bucket: target.bucket.as_ref(),
                key: step.key.clone(),
                source,
                entry: entry.clone(),
                is_public: true,
            });
        } else if !known.contains(entry.sha256.as_str()) && blobs.insert(entry.sha256.clone()) {
            let source = match &wish.supply {
                // One function is published alone: its pages are those that are served, and their bodies are kept.
                Supply::Build { objects, .. } => here(objects).unwrap_or(Source::Own),
                Supply::Stage(from) => blob_of(from, stage, &entry.sha256),
            };
            needs.push(Need {
                bucket: stage.control.as_ref(),
                key: ledger::blob(&entry.sha256),
                source,
                entry: entry.clone(),
                is_public: false,
            });
        }
    }
    Ok(needs)
}

fn body(sha256: &str, size: u64, content_type: &str) -> ObjectEntry {
    ObjectEntry {
        sha256: sha256.to_owned(),
        size,
        class: Class::Immutable,
        content_type: content_type.to_owned(),
        cache_control: "no-store".to_owned(),
    }
}

/// A body that another stage keeps; where both keep their books in one place it is there already.
fn blob_of<'a>(from: &'a Stage, stage: &Stage, sha256: &str) -> Source<'a> {
    let key = ledger::blob(sha256);
    if from.control.locate(&key) == stage.control.locate(&key) { Source::Own } else { Source::There(from.control.as_ref(), key) }
}

fn missing(what: &str) -> Stopped {
    Stopped::Refused(vec![format!("{what} is part of the release, and nobody has its bytes")])
}

/// What has to be there already is there: a release of which anything is missing is never begun.
async fn own_are_there(
    needs: &[Need<'_>],
    wish: &Wish<'_>,
    stage: &Stage,
    bodies: &Bodies<'_>,
    context: &Context,
) -> Result<(), Stopped> {
    let mut own: Vec<&Need<'_>> = needs.iter().filter(|need| matches!(need.source, Source::Own)).collect();
    // Many of them lie in packs, if they were new together. Of a few it is cheaper to ask whether they lie by themselves.
    let small: BTreeSet<&str> = own.iter().filter(|need| need.is_small()).map(|need| need.entry.sha256.as_str()).collect();
    let is_many = small.len() >= context.packing.from.max(1);
    if is_many {
        let packed = bodies.packed(small.iter().copied()).await?;
        own.retain(|need| !need.is_small() || !packed.contains(&need.entry.sha256));
    }
    let mut absent: Vec<Location> = Vec::new();
    let buckets = std::iter::once(&stage.control).chain(stage.distributions.values().map(|target| &target.bucket));
    for bucket in buckets {
        let here: Vec<&&Need<'_>> = own.iter().filter(|need| need.bucket.locate("") == bucket.locate("")).collect();
        if here.len() >= MANY {
            let parts: BTreeSet<&str> = here.iter().map(|need| listed_with(&need.key)).collect();
            let listed = context.pace.each(parts, |part| context.pace.run(move || bucket.list(part))).await?;
            let listed = listed.ok_or_else(|| Stopped::Interrupted("nothing was changed".to_owned()))?;
            let there: BTreeSet<String> = listed.into_iter().flatten().map(|listed| listed.key).collect();
            absent.extend(here.iter().filter(|need| !there.contains(&need.key)).map(|need| bucket.locate(&need.key)));
        } else {
            let asked = context.pace.each(here, |need| async {
                let stat = context.pace.run(|| bucket.stat(&need.key)).await?;
                Ok::<_, Failure>(stat.is_none().then(|| bucket.locate(&need.key)))
            });
            let asked = asked.await?.ok_or_else(|| Stopped::Interrupted("nothing was changed".to_owned()))?;
            absent.extend(asked.into_iter().flatten());
        }
    }
    if !absent.is_empty() && !is_many && !small.is_empty() {
        let packed = bodies.packed(small.iter().copied()).await?;
        let packed: BTreeSet<String> =
            packed.iter().map(|sha256| stage.control.locate(&ledger::blob(sha256)).to_string()).collect();
        absent.retain(|place| !packed.contains(&place.to_string()));
    }
    if absent.is_empty() {
        return Ok(());
    }
    absent.sort_by_key(ToString::to_string);
    let troubles: String = bodies.troubles().iter().take(NAMES).map(|why| format!("\nnote: {why}")).collect();
    let names: Vec<String> = absent.iter().take(NAMES).map(ToString::to_string).collect();
    Err(Stopped::Refused(vec![format!(
        "the release {} is not complete any more: {} of its objects are gone ({}{}), so it cannot be served{troubles}\nhint: `qdn releases {}` \
         lists those that are kept",
        wish.manifest.release,
        absent.len(),
        names.join(", "),
        if absent.len() > NAMES { ", …" } else { "" },
        stage.name,
    )]))
}

/// Finds out where many bodies lie that are neither in hand nor missed: they are served already, under other keys or with other
/// headers. Of a few it shows when they are written.
async fn locate(
    needs: &[Need<'_>],
    prepared: &Prepared,
    wish: &Wish<'_>,
    bodies: &Bodies<'_>,
    context: &Context,
) -> Result<(), Stopped> {
    let missed: BTreeSet<&str> = needs.iter().map(|need| need.entry.sha256.as_str()).collect();
    let mut wanted: BTreeSet<&str> = BTreeSet::new();
    for step in prepared.plan.steps.iter().filter(|step| step.reason != Reason::Gone) {
        let name = step.distribution.as_deref().unwrap_or_default();
        let Some(distribution) = wish.manifest.distributions.get(name) else { continue };
        let Some(entry) = distribution.objects.get(&step.key) else { continue };
        let is_small = entry.class == Class::Page && entry.size < SMALL;
        if is_small && !missed.contains(entry.sha256.as_str()) && at_hand(wish, name, &step.key, entry).is_none() {
            wanted.insert(&entry.sha256);
        }
    }
    if wanted.len() >= context.packing.from.max(1) {
        bodies.packed(wanted).await?;
    }
    Ok(())
}

/// What the keys begin with that are listed together with this one: its folder, and one letter more. A digest in
/// hexadecimal makes that sixteen lists, which are asked for at once; the pages of one list follow each other.
fn listed_with(key: &str) -> &str {
    let folder = key.find('/').map_or(0, |slash| slash + 1);
    let letter = key[folder..].chars().next().map_or(0, char::len_utf8);
    &key[..folder + letter]
}

/// Stores what is not there yet. Writing, with the condition that there is nothing, is the question as well: one request
/// for each, while all are new. Once some turn out to be there, an earlier run had begun with this, and it is cheaper to ask
/// first; a large one is asked for anyway.
async fn store_one(need: &Need<'_>, begun: &AtomicBool, context: &Context) -> Result<How, Stopped> {
    if matches!(need.source, Source::Own) {
        return Ok(How::Already);
    }
    if (need.entry.size >= LARGE || begun.load(Ordering::Relaxed))
        && let Some(stat) = context.pace.run(|| need.bucket.stat(&need.key)).await?
    {
        return is_there(need, stat, context).await;
    }
    match write(need, &When::Missing, context).await {
        Ok(how) => Ok(how),
        Err(Trouble::Condition) => {
            begun.store(true, Ordering::Relaxed);
            match context.pace.run(|| need.bucket.stat(&need.key)).await? {
                Some(stat) => is_there(need, stat, context).await,
                // It was removed in this moment.
                None => Err(Stopped::Failed(format!("{} comes and goes; run it again", need.place()))),
            }
        }
        Err(Trouble::Stopped(stopped)) => Err(stopped),
    }
}

async fn write(need: &Need<'_>, when: &When, context: &Context) -> Result<How, Trouble> {
    let described = described(&need.entry);
    match &need.source {
        Source::Own => Ok(How::Already),
        Source::Here(content) => send(need.bucket, &need.key, content, &described, when, context).await.map(|_| How::Sent),
        Source::There(from, key) => copy(*from, key, need.bucket, &need.key, &described, when, context).await.map(|(_, how)| how),
    }
}

/// Its name is its digest, or holds it; so it is the same, unless somebody meddled. Headers are put right where the table of
/// headers changed, or somebody else stored it.
async fn is_there(need: &Need<'_>, stat: Stat, context: &Context) -> Result<How, Stopped> {
    let entry = &need.entry;
    if stat.sha256.as_deref().is_some_and(|sha256| sha256 != entry.sha256) || stat.size != entry.size {
        return Err(Stopped::Failed(format!(
            "{} is there with other bytes than its name says: something other than qdn wrote it; remove it and run this again",
            need.place()
        )));
    }
    if !need.is_public || as_stored(&stat, entry.class) == *entry {
        return Ok(How::Already);
    }
    match write(need, &When::Is(stat.tag), context).await {
        Ok(how) => Ok(how),
        Err(Trouble::Condition) => Err(Stopped::Failed(format!("{} changes while it is written", need.place()))),
        Err(Trouble::Stopped(stopped)) => Err(stopped),
    }
}

/// Why a write did not happen.
pub(super) enum Trouble {
    /// Its condition did not hold.
    Condition,
    /// Anything else.
    Stopped(Stopped),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        match failure.kind {
            Kind::Conflict => Self::Condition,
            _ => Self::Stopped(failure.into()),
        }
    }
}

async fn send(
    bucket: &dyn Bucket,
    key: &str,
    content: &Content,
    described: &Described<'_>,
    when: &When,
    context: &Context,
) -> Result<Tag, Trouble> {
    Ok(context.pace.run(|| bucket.put(key, content, described, when)).await?)
}

/// Copies where the stores can; else the bytes come here and go there.
async fn copy(
    from: &dyn Bucket,
    from_key: &str,
    bucket: &dyn Bucket,
    key: &str,
    described: &Described<'_>,
    when: &When,
    context: &Context,
) -> Result<(Tag, How), Trouble> {
    let location = from.locate(from_key);
    match context.pace.run(|| bucket.copy(&location, None, key, described, when)).await {
        Ok(tag) => return Ok((tag, How::Copied)),
        Err(failure) if failure.kind == Kind::Unsupported => {}
        Err(failure) => return Err(failure.into()),
    }
    let found = context.pace.run(|| from.read(from_key)).await?;
    let Some(found) = found else {
        return Err(Trouble::Stopped(Stopped::Failed(format!("{location} is gone, so the release cannot be completed"))));
    };
    if Digest::of(&found.bytes).hex() != described.sha256 {
        return Err(Trouble::Stopped(Stopped::Failed(format!("{location} is damaged: its digest is not its name"))));
    }
    let tag = send(bucket, key, &Content::Bytes(found.bytes.into()), described, when, context).await?;
    Ok((tag, How::Sent))
}

/// Puts one page or file in its public place.
pub(super) async fn page(
    wish: &Wish<'_>,
    hold: &Hold<'_>,
    name: &str,
    key: &str,
    entry: &ObjectEntry,
    bucket: &dyn Bucket,
    when: &When,
) -> Result<(Tag, How), Trouble> {
    let Books { stage, context } = hold.books;
    hold.touch();
    let bucket = &Fenced { bucket, hold };
    let tags = cache_tag(stage, key, entry);
    let described = Described { cache_tag: &tags, ..described(entry) };
    if let Some(content) = at_hand(wish, name, key, entry) {
        // Small bodies are sent once more rather than copied: that is one request as well, and every store can do it.
        return Ok((send(bucket, key, &content, &described, when, context).await?, How::Sent));
    }
    let bodies = &hold.bodies;
    let is_small = entry.size < SMALL;
    if !is_small || bodies.find(&entry.sha256).is_none() {
        let blob = ledger::blob(&entry.sha256);
        match copy(stage.control.as_ref(), &blob, bucket, key, &described, when, context).await {
            Err(Trouble::Stopped(stopped)) if is_small => {
                // It was not looked for, as it is served already under another key or with other headers.
                let is_gone = matches!(context.pace.run(|| stage.control.stat(&blob)).await, Ok(None));
                if !is_gone || bodies.packed([entry.sha256.as_str()]).await.map_err(Trouble::Stopped)?.is_empty() {
                    return Err(Trouble::Stopped(bodies.given_up(&entry.sha256).map_or(stopped, Stopped::Failed)));
                }
            }
            done => return done,
        }
    }
    if let Some(Served { at, tag }) = bodies.served(&entry.sha256) {
        match context.pace.run(|| bucket.copy(&at, Some(&tag), key, &described, when)).await {
            Ok(tag) => return Ok((tag, How::Copied)),
            // Which of the two was written by somebody else shows below.
            Err(failure) if failure.kind == Kind::Conflict => {}
            Err(failure) if matches!(failure.kind, Kind::Unsupported | Kind::Refused) => bodies.forget_served(),
            Err(failure) => return Err(failure.into()),
        }
    }
    let body = bodies.read(&entry.sha256).await.map_err(Trouble::Stopped)?;
    Ok((send(bucket, key, &Content::Bytes(body.into()), &described, when, context).await?, How::Sent))
}

/// The bytes of a page, where whoever publishes has them in hand.
fn at_hand(wish: &Wish<'_>, name: &str, key: &str, entry: &ObjectEntry) -> Option<Content> {
    match &wish.supply {
        Supply::Build { objects, .. } if entry.size < LARGE => objects(name, key),
        _ => None,
    }
}

/// A page that comes from a pack: its digest, and where it lies; none where it comes from elsewhere.
pub(super) fn from_pack<'a>(wish: &'a Wish<'_>, step: &Step, bodies: &Bodies<'_>) -> Option<(&'a str, String, u64)> {
    let name = step.distribution.as_deref().unwrap_or_default();
    let entry = wish.manifest.distributions.get(name)?.objects.get(&step.key)?;
    if step.reason == Reason::Gone || entry.size >= SMALL {
        return None;
    }
    let (pack, row) = bodies.find(&entry.sha256)?;
    let is_read = bodies.served(&entry.sha256).is_none() && at_hand(wish, name, &step.key, entry).is_none();
    is_read.then(|| (entry.sha256.as_str(), pack.sha256.clone(), row.offset))
}

/// Where the stage that is promoted serves the pages of the release, and with which tags it wrote them. None where that is not on
/// record, or they need not be copied from there.
pub(super) async fn served(wish: &Wish<'_>, stage: &Stage, context: &Context) -> BTreeMap<String, Served> {
    let mut served = BTreeMap::new();
    let Supply::Stage(from) = &wish.supply else { return served };
    let books = Books::new(from, context);
    if from.name == stage.name {
        return served;
    }
    let Ok(head) = books.head().await.map(|known| known.head) else { return served };
    let release = &wish.manifest.release;
    let Some(sequence) = head.tags.filter(|_| head.applying.is_none() && head.release.as_ref() == Some(release)) else {
        return served;
    };
    let Ok(tags) = books.tags(sequence, release).await else { return served };
    for (name, distribution) in &wish.manifest.distributions {
        let Some(target) = from.distributions.get(name) else { continue };
        let pages = distribution.objects.iter().filter(|(_, entry)| entry.class == Class::Page && entry.size < SMALL);
        for (key, entry) in pages {
            if let Some(tag) = tags.get(name).and_then(|tags| tags.get(key)) {
                served.insert(entry.sha256.clone(), Served { at: target.bucket.locate(key), tag: tag.clone() });
            }
        }
    }
    served
}

/// Stores the cases of functions that change, so that a promotion or a rollback elsewhere proves them too.
pub(super) async fn store_proofs(plan: &Plan, wish: &Wish<'_>, books: &Books<'_>) -> Result<(), Stopped> {
    for step in plan.steps.iter().filter(|step| step.phase == Phase::Functions) {
        let Some(function) = wish.manifest.functions.get(&step.key) else { continue };
        let proofs = proofs(&step.key, &function.sha256, wish, books.context).await?;
        let bytes = serde_json::to_vec(&proofs).unwrap_or_default();
        let sha256 = Digest::of(&bytes).hex();
        let described = described_json(&sha256, bytes.len());
        let content = Content::Bytes(bytes.into());
        let key = ledger::proofs(&function.sha256);
        match send(books.stage.control.as_ref(), &key, &content, &described, &When::Missing, books.context).await {
            // Cases that were added since to the same code stay out of the books; they are run here all the same.
            Ok(_) | Err(Trouble::Condition) => {}
            Err(Trouble::Stopped(stopped)) => return Err(stopped),
        }
    }
    Ok(())
}

fn described_json(sha256: &str, size: usize) -> Described<'_> {
    Described { sha256, size: size as u64, content_type: "application/json", cache_control: "no-store", cache_tag: "" }
}

/// What a function is proven with.
pub(super) async fn proofs(name: &str, sha256: &str, wish: &Wish<'_>, context: &Context) -> Result<Vec<Proof>, Stopped> {
    match &wish.supply {
        Supply::Build { proofs, .. } => Ok(proofs.get(name).cloned().unwrap_or_default()),
        Supply::Stage(from) => {
            let key = ledger::proofs(sha256);
            let found = context.pace.run(|| from.control.read(&key)).await?;
            let proofs = found.and_then(|found| serde_json::from_slice(&found.bytes).ok());
            proofs.ok_or_else(|| {
                let place = from.control.locate(&key);
                Stopped::Refused(vec![format!(
                    "{place}, the cases that the function `{name}` was proven with, is gone or damaged; it is not made live"
                )])
            })
        }
    }
}

/// The code of a function.
pub(super) async fn code(name: &str, sha256: &str, wish: &Wish<'_>, stage: &Stage, context: &Context) -> Result<String, Stopped> {
    if let Supply::Build { functions, .. } = &wish.supply
        && let Some(code) = functions.get(name)
    {
        return Ok(code.to_string());
    }
    kept(name, sha256, stage, context).await
}

/// The code of a function as a stage keeps it.
pub(super) async fn kept(name: &str, sha256: &str, stage: &Stage, context: &Context) -> Result<String, Stopped> {
    let key = ledger::blob(sha256);
    let found = context.pace.run(|| stage.control.read(&key)).await?;
    match found {
        Some(found) if Digest::of(&found.bytes).hex() == sha256 => Ok(String::from_utf8_lossy(&found.bytes).into_owned()),
        Some(_) => Err(Stopped::Failed(format!("{} is damaged: its digest is not its name", stage.control.locate(&key)))),
        None => Err(missing(&format!("the code of the function `{name}`"))),
    }
}

/// Keeps the body of a page that is served by itself, where the page is what it should be.
pub(super) async fn keep(
    bucket: &dyn Bucket,
    key: &str,
    entry: &ObjectEntry,
    stage: &Stage,
    context: &Context,
) -> Result<(), Stopped> {
    let blob = ledger::blob(&entry.sha256);
    match copy(bucket, key, stage.control.as_ref(), &blob, &described(entry), &When::Missing, context).await {
        Ok(_) | Err(Trouble::Condition) => Ok(()),
        Err(Trouble::Stopped(stopped)) => Err(stopped),
    }
}

/// A public bucket in the hands of whoever applies: before each write they make sure that they still do.
struct Fenced<'a> {
    bucket: &'a dyn Bucket,
    hold: &'a Hold<'a>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_listed_by_folder_and_letter() {
        assert_eq!(["blobs/ab12", "assets/ä.css", "a", "blobs/"].map(listed_with), ["blobs/a", "assets/ä", "a", "blobs/"]);
    }
}
