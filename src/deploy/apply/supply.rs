//! Where bytes come from: a build on this machine, or a stage that has them already.

use super::bodies::{Bodies, Served};
use super::books::{Books, Hold};
use super::fenced::Fenced;
use super::objects::How;
use super::packs::SMALL;
use super::{Context, Proof, Stopped, Wish};
use crate::deploy::invalidation::tags;
use crate::deploy::ledger;
use crate::deploy::options::Mode;
use crate::deploy::plan::{Phase, Plan, Reason, Step};
use crate::deploy::remote::{Bucket, Content, Described, Failure, Kind, Stage, Tag, When};
use crate::release::{Class, Digest, ObjectEntry};
use std::collections::BTreeMap;
use std::sync::Arc;

/// From this size on a body is sent once: to where it will be served, from where it is copied to what the stage keeps. In bytes.
pub(super) const LARGE: u64 = 16 * 1024 * 1024;

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

pub(super) fn missing(what: &str) -> Stopped {
    Stopped::Refused(vec![format!("{what} is part of the release, and nobody has its bytes")])
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

pub(super) async fn send(
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
pub(super) async fn copy(
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
    let bodies = &hold.bodies;
    let place = (name.to_owned(), key.to_owned());
    if let Some(ahead) = bodies.ahead.to(&place) {
        let tag = context.pace.run(|| bucket.complete(key, &ahead, when)).await?;
        bodies.ahead.arrived(place);
        // Whether it is in its place, as an earlier request had done it, is looked at.
        return tag.map(|tag| (tag, How::Copied)).ok_or(Trouble::Condition);
    }
    if let Some(content) = at_hand(wish, name, key, entry) {
        // Small bodies are sent once more rather than copied: that is one request as well, and every store can do it.
        return Ok((send(bucket, key, &content, &described, when, context).await?, How::Sent));
    }
    let blob = ledger::blob(&entry.sha256);
    if entry.size >= LARGE
        && let Supply::Build { objects, .. } = &wish.supply
        && let Some(content) = objects(name, key)
        && context.pace.run(|| stage.control.stat(&blob)).await?.is_none()
    {
        // What was sent ahead is gone, or was sent by a run that was cut off before it kept the body.
        let tag = send(bucket, key, &content, &described, when, context).await?;
        bodies.ahead.arrived(place);
        return Ok((tag, How::Sent));
    }
    let is_small = entry.size < SMALL;
    if !is_small || bodies.find(&entry.sha256).is_none() {
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
pub(super) fn at_hand(wish: &Wish<'_>, name: &str, key: &str, entry: &ObjectEntry) -> Option<Content> {
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
