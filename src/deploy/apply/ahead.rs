//! Large files of a build go ahead: they are sent, once, to where they will be served, and nobody sees them there until they are
//! completed in their phase. Their bodies are kept from there, before their release is said to be served.

use super::bodies::Bodies;
use super::supply::{self, LARGE, described};
use super::{Context, Prepared, Stopped, Wish};
use crate::deploy::ledger::{self, Tags};
use crate::deploy::remote::{Ahead, Bucket, Failure, Kind, Stage, Tag};
use crate::release::{Class, ObjectEntry};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most that is sent ahead, in bytes. What was sent so is lost to a publish that ends before its pages come; bodies that are kept
/// first are not, and a site that takes hours to send makes progress with every run.
pub(super) const MOST: u64 = 2 << 30;

/// A distribution and a key.
pub(super) type Place = (String, String);

/// Where large bodies were sent ahead to; with nothing once they are in their places.
#[derive(Default)]
pub(super) struct Sent(Mutex<BTreeMap<Place, Option<Arc<Ahead>>>>);

impl Sent {
    /// A large body was sent ahead to where it will be served, and is not kept yet.
    pub(super) fn learn(&self, place: Place, ahead: Ahead) {
        self.known().insert(place, Some(Arc::new(ahead)));
    }

    /// What was sent ahead to a place and is not there yet.
    pub(super) fn to(&self, place: &Place) -> Option<Arc<Ahead>> {
        self.known().get(place).cloned().flatten()
    }

    /// A large body is in its place and has to be kept; what was sent ahead there is used, or gone.
    pub(super) fn arrived(&self, place: Place) {
        self.known().insert(place, None);
    }

    fn all(&self) -> BTreeMap<Place, Option<Arc<Ahead>>> {
        self.known().clone()
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<Place, Option<Arc<Ahead>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A large body where it is served.
pub(super) struct Large<'a> {
    bucket: &'a dyn Bucket,
    key: &'a str,
    entry: &'a ObjectEntry,
    tag: Tag,
}

/// The large bodies that may be nowhere but where they are served: those that were sent there, and where an earlier run may have done
/// that, and was cut off before it kept them, all of the release.
pub(super) fn large<'a>(
    prepared: &Prepared,
    wish: &Wish<'a>,
    stage: &'a Stage,
    bodies: &Bodies<'_>,
    tags: &Tags,
) -> Vec<Large<'a>> {
    let sent = bodies.ahead.all();
    let mut all = Vec::new();
    for (name, distribution) in &wish.manifest.distributions {
        let (Some(target), Some(tags)) = (stage.distributions.get(name), tags.get(name)) else { continue };
        for (key, entry) in distribution.objects.iter().filter(|(_, entry)| entry.class == Class::Page && entry.size >= LARGE) {
            let may_be = prepared.live.is_examined || sent.contains_key(&(name.clone(), key.clone()));
            if let (Some(tag), true) = (tags.get(key), may_be) {
                all.push(Large { bucket: target.bucket.as_ref(), key, entry, tag: tag.clone() });
            }
        }
    }
    all
}

/// Keeps large bodies, of which a release that is served needs every one.
pub(super) async fn keep(large: Vec<Large<'_>>, stage: &Stage, context: &Context) -> Result<(), Stopped> {
    for Large { bucket, key, entry, tag } in large {
        let blob = ledger::blob(&entry.sha256);
        let is_kept = async || Ok::<_, Failure>(context.pace.run(|| stage.control.stat(&blob)).await?.is_some());
        if is_kept().await? {
            continue;
        }
        let (from, described) = (bucket.locate(key), described(entry));
        match context.pace.run(|| stage.control.keep(&from, &tag, &blob, &described)).await {
            Ok(_) => {}
            Err(failure) if failure.kind == Kind::Conflict && is_kept().await? => {}
            Err(failure) if failure.kind == Kind::Unsupported => supply::keep(bucket, key, entry, stage, context).await?,
            Err(failure) => return Err(failure.into()),
        }
    }
    Ok(())
}

/// Gives up what was sent ahead and did not come to its place. What is left all the same nobody sees.
pub(super) async fn give_up(bodies: &Bodies<'_>, stage: &Stage, context: &Context) {
    for ((name, key), ahead) in bodies.ahead.all() {
        if let (Some(ahead), Some(target)) = (ahead, stage.distributions.get(&name))
            && let Err(failure) = target.bucket.give_up(&key, &ahead).await
        {
            context.say(&format!("warning: {failure}"));
        }
    }
}
