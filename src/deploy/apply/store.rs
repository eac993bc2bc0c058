//! What a release needs is stored before it is named: assets under their public names, bodies by themselves or in packs.

use super::ahead::{self, Place};
use super::bodies::Bodies;
use super::live::as_stored;
use super::objects::How;
use super::packs::{self, Pack, SMALL};
use super::supply::{LARGE, Supply, Trouble, at_hand, cache_tag, copy, described, missing, send};
use super::{Context, Prepared, Progress, Stopped, Wish};
use crate::deploy::ledger;
use crate::deploy::plan::{Phase, Reason};
use crate::deploy::remote::{Bucket, Content, Described, Failure, Kind, Location, Stage, Stat, When};
use crate::release::{Class, Digest, ObjectEntry};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Semaphore;

/// From so many on, existing objects are listed, a thousand a request, and not asked for one by one. Listed are those of
/// all releases, so fewer are found sooner, and for less money, by asking.
const MANY: usize = 1000;
/// How many missing things a refusal names.
const NAMES: usize = 5;
/// How many packs are put together at a time: each is in memory.
const PACKS: usize = 3;

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
    /// Of a large body the one place where it will be served: it may be sent there at once.
    place: Option<(&'a dyn Bucket, Place)>,
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
    stage: &'a Stage,
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
    fn new(wish: &Wish<'a>, stage: &'a Stage, bodies: &'a Bodies<'a>, context: &'a Context, begun: bool) -> Self {
        let from = match &wish.supply {
            Supply::Stage(from) => Some(Bodies::new(from.control.as_ref(), context)),
            Supply::Build { .. } => None,
        };
        Self { stage, bodies, from, context, begun: AtomicBool::new(begun), gate: Semaphore::new(PACKS) }
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
            Work::One(need) if need.place.is_some() && self.send_ahead(need).await? => Ok(How::Sent),
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

    /// Sends a large body that is not kept yet to where it will be served, though nobody sees it there: then it is sent once, and is
    /// in its place in a moment. False where that cannot be.
    async fn send_ahead(&self, need: &Need<'_>) -> Result<bool, Stopped> {
        let Need { place: Some((bucket, place)), source: Source::Here(content), entry, .. } = need else { return Ok(false) };
        let pace = &self.context.pace;
        if pace.run(|| need.bucket.stat(&need.key)).await?.is_some() {
            return Ok(false);
        }
        let key = &place.1;
        let tags = cache_tag(self.stage, key, entry);
        let described = Described { cache_tag: &tags, ..described(entry) };
        match pace.run(|| bucket.send_ahead(key, content, &described)).await {
            Ok(ahead) => self.bodies.ahead.learn(place.clone(), ahead),
            Err(failure) if failure.kind == Kind::Unsupported => return Ok(false),
            Err(failure) => return Err(failure.into()),
        }
        Ok(true)
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
    let need = |key, source, entry| Need { bucket, key, source, entry, is_public: false, place: None };
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
    let storing = Storing::new(wish, stage, bodies, context, false);
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
    let storing = &Storing::new(wish, stage, bodies, context, true);
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
                    place: None,
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
                place: None,
            });
        } else if !known.contains(entry.sha256.as_str()) && blobs.insert(entry.sha256.clone()) {
            let source = match &wish.supply {
                // One function is published alone: its pages are those that are served, and their bodies are kept.
                Supply::Build { objects, .. } => here(objects).unwrap_or(Source::Own),
                Supply::Stage(from) => blob_of(from, stage, &entry.sha256),
            };
            let place = (name.to_owned(), step.key.clone());
            let is_ahead = entry.size >= LARGE && matches!(source, Source::Here(_));
            needs.push(Need {
                bucket: stage.control.as_ref(),
                key: ledger::blob(&entry.sha256),
                source,
                entry: entry.clone(),
                is_public: false,
                place: is_ahead.then(|| (target.bucket.as_ref(), place)),
            });
        } else if entry.size >= LARGE
            && let Some(need) = needs.iter_mut().find(|need| !need.is_public && need.entry.sha256 == entry.sha256)
        {
            // It will be served in two places, and is sent to neither.
            need.place = None;
        }
    }
    let bytes: u64 = needs.iter().filter(|need| need.place.is_some()).map(|need| need.entry.size).sum();
    if bytes > ahead::MOST || !prepared.may_send_ahead {
        needs.iter_mut().for_each(|need| need.place = None);
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
            let there: BTreeMap<String, u64> = listed.into_iter().flatten().map(|listed| (listed.key, listed.size)).collect();
            let is_whole = |need: &Need<'_>| there.get(&need.key) == Some(&need.entry.size);
            absent.extend(here.iter().filter(|need| !is_whole(need)).map(|need| bucket.locate(&need.key)));
        } else {
            let asked = context.pace.each(here, |need| async {
                let stat = context.pace.run(|| bucket.stat(&need.key)).await?;
                // What a power failure leaves, or what somebody changed, is not the body.
                let is_whole = stat.is_some_and(|stat| {
                    stat.size == need.entry.size && stat.sha256.is_none_or(|sha256| sha256 == need.entry.sha256)
                });
                Ok::<_, Failure>((!is_whole).then(|| bucket.locate(&need.key)))
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
        "the release {} is not complete any more: {} of its objects are gone or damaged ({}{}), so it cannot be served{troubles}\nhint: `qdn releases {}` \
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_listed_by_folder_and_letter() {
        assert_eq!(["blobs/ab12", "assets/ä.css", "a", "blobs/"].map(listed_with), ["blobs/a", "assets/ä", "a", "blobs/"]);
    }
}
