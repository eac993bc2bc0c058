//! What no release needs any more is removed: nothing that was not written by a release that is known, and nothing that
//! is younger than the oldest page that may still be open in a browser.

use super::books::{Books, Known};
use super::{Context, Stopped};
use crate::deploy::ledger::{self, Applying, Head, Kind};
use crate::deploy::remote::{Bucket, Failure, Listed, Stage};
use crate::release::{Class, Manifest};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// The last so many releases of each stage.
    pub releases: usize,
    /// And whatever was served within the last so many days.
    pub days: u16,
    /// Only say what would be removed.
    pub only_look: bool,
}

/// What was removed, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Collected {
    /// Releases that are kept.
    pub kept: Vec<String>,
    /// Releases that are removed.
    pub releases: Vec<String>,
    /// Assets that are removed, by distribution.
    pub assets: BTreeMap<String, Vec<String>>,
    /// How many bodies, cases and lists of ETags are removed.
    pub documents: usize,
    /// Bytes that are freed.
    pub bytes: u64,
    /// Objects of the stage's buckets that no known release wrote; they are left alone. By distribution: how many.
    pub unknown: BTreeMap<String, usize>,
}

/// Removes what no release needs. All stages that keep their books in the same place count.
///
/// # Errors
/// Where anything is unclear: a stage in the middle of a publish, a state or a manifest that cannot be read.
pub async fn collect(keep: Keep, stage: &Stage, context: &Context) -> Result<Collected, Stopped> {
    let stages = stages(stage, context).await?;
    let all = context.pace.run(|| stage.control.list("releases/")).await?;
    let names: Vec<Stage> = stages.iter().map(|name| Stage { name: name.clone(), ..stage.clone() }).collect();
    // Nobody may go back to a release while it is removed.
    let mut held = Vec::new();
    let mut result = Ok(());
    for one in &names {
        match hold(one, context, keep).await {
            Ok(known) => held.push((one, known)),
            Err(stopped) => {
                result = Err(stopped);
                break;
            }
        }
    }
    let collected = match result {
        Ok(()) => remove(keep, stage, context, &held, &all).await,
        Err(stopped) => Err(stopped),
    };
    for (one, (known, owed)) in held {
        if !keep.only_look {
            Books::new(one, context).swap(&known, |head, signature| head.abandoned(owed.clone(), signature)).await?;
        }
    }
    collected
}

/// Every stage that keeps its books here.
async fn stages(stage: &Stage, context: &Context) -> Result<Vec<String>, Stopped> {
    let listed = context.pace.run(|| stage.control.list("stages/")).await?;
    let heads = listed.iter().filter_map(|one| one.key.strip_prefix("stages/")?.strip_suffix("/head.json"));
    let names: Vec<String> = heads.map(str::to_owned).collect();
    if names.contains(&stage.name) {
        return Ok(names);
    }
    Err(Stopped::Refused(vec![format!("nothing was published to the stage `{}` yet, so there is nothing to remove", stage.name)]))
}

type Owed = BTreeMap<String, Vec<crate::deploy::invalidation::Item>>;

async fn hold(stage: &Stage, context: &Context, keep: Keep) -> Result<(Known, Owed), Stopped> {
    let books = Books::new(stage, context);
    let known = books.head().await?;
    if let Some(applying) = &known.head.applying {
        return Err(Stopped::Refused(vec![format!(
            "the stage `{}` is in the middle of a {} to the release {}: nothing is removed before that is done",
            stage.name,
            applying.kind.name(),
            applying.to
        )]));
    }
    let owed = known.head.owed.clone();
    let Some(release) = known.head.release.clone() else { return Ok((known, owed)) };
    if keep.only_look {
        return Ok((known, owed));
    }
    let applying = Applying {
        kind: Kind::Repair,
        to: release.clone(),
        commit: known.head.commit.clone(),
        touched: vec![release],
        sequence: known.head.sequence + 1,
        items: owed.clone(),
        holder: Some(context.holder.clone()),
        began: (context.clock)(),
    };
    let known = books.swap(&known, |head, signature| head.begun(applying.clone(), signature)).await?;
    Ok((known, owed))
}

async fn remove(
    keep: Keep,
    stage: &Stage,
    context: &Context,
    held: &[(&Stage, (Known, Owed))],
    all: &[Listed],
) -> Result<Collected, Stopped> {
    let books = Books::new(stage, context);
    let now = (context.clock)();
    let oldest = now - SignedDuration::from_hours(24 * i64::from(keep.days));
    let kept: BTreeSet<String> = held.iter().flat_map(|(_, (known, _))| kept(&known.head, keep, oldest)).collect();
    let is_old = |listed: &&Listed| listed.modified < oldest;
    let id = |listed: &Listed| -> Option<String> { Some(listed.key.strip_prefix("releases/")?.strip_suffix(".json")?.to_owned()) };
    let mut manifests: BTreeMap<String, Manifest> = BTreeMap::new();
    for listed in all {
        let Some(id) = id(listed) else {
            return Err(Stopped::Failed(format!(
                "{} is no release: nothing is removed while that is unclear",
                stage.control.locate(&listed.key)
            )));
        };
        manifests.insert(id.clone(), books.manifest(&id).await?);
    }
    if let Some(lost) = kept.iter().find(|id| !manifests.contains_key(*id)) {
        return Err(Stopped::Failed(format!(
            "the manifest of the release {lost} is gone, so nobody knows which assets it needs: nothing is removed"
        )));
    }
    let mut collected = Collected { kept: kept.iter().cloned().collect(), ..Collected::default() };
    // A release that is young may be that of a publish that is only about to begin.
    let gone: Vec<&Listed> = all.iter().filter(is_old).filter(|listed| id(listed).is_some_and(|id| !kept.contains(&id))).collect();
    let gone_ids: BTreeSet<String> = gone.iter().filter_map(|listed| id(listed)).collect();
    let stays: Vec<&Manifest> = manifests.iter().filter(|(id, _)| !gone_ids.contains(*id)).map(|(_, manifest)| manifest).collect();

    for (name, target) in &stage.distributions {
        let objects = |manifests: Vec<&Manifest>| -> BTreeMap<String, Class> {
            let all = manifests.into_iter().filter_map(|manifest| manifest.distributions.get(name));
            all.flat_map(|one| one.objects.iter().map(|(key, entry)| (key.clone(), entry.class))).collect()
        };
        let (needed, known) = (objects(stays.clone()), objects(manifests.values().collect()));
        let listed = context.pace.run(|| target.bucket.list("")).await?;
        let unknown = listed.iter().filter(|one| !known.contains_key(&one.key)).count();
        if unknown > 0 {
            collected.unknown.insert(name.clone(), unknown);
        }
        let dead = |one: &&Listed| known.get(&one.key) == Some(&Class::Immutable) && !needed.contains_key(&one.key);
        let dead: Vec<&Listed> = listed.iter().filter(is_old).filter(dead).collect();
        if dead.is_empty() {
            continue;
        }
        collected.bytes += dead.iter().map(|one| one.size).sum::<u64>();
        collected.assets.insert(name.clone(), dead.iter().map(|one| one.key.clone()).collect());
        remove_all(target.bucket.as_ref(), dead, keep, context).await?;
    }
    collected.documents = documents(keep, stage, context, held, &stays, oldest, &mut collected.bytes).await?;
    // Last: while a manifest is there, what it names can be found and removed.
    collected.bytes += gone.iter().map(|one| one.size).sum::<u64>();
    collected.releases = gone_ids.into_iter().collect();
    remove_all(stage.control.as_ref(), gone, keep, context).await?;
    Ok(collected)
}

/// Bodies, cases and lists of ETags that no release needs.
async fn documents(
    keep: Keep,
    stage: &Stage,
    context: &Context,
    held: &[(&Stage, (Known, Owed))],
    stays: &[&Manifest],
    oldest: Timestamp,
    bytes: &mut u64,
) -> Result<usize, Stopped> {
    let mut needed: BTreeSet<String> = BTreeSet::new();
    for manifest in stays {
        let pages = manifest.distributions.values().flat_map(|one| one.objects.values());
        needed.extend(pages.map(|entry| ledger::blob(&entry.sha256)));
        for function in manifest.functions.values() {
            needed.extend([ledger::blob(&function.sha256), ledger::proofs(&function.sha256)]);
        }
    }
    for (one, (known, _)) in held {
        let functions = known.head.functions.values().flat_map(|function| [Some(&function.sha256), function.before.as_ref()]);
        needed.extend(functions.flatten().map(|sha256| ledger::blob(sha256)));
        needed.extend(known.head.tags.map(|sequence| ledger::tags(&one.name, sequence)));
    }
    let mut removed = 0;
    let tags = held.iter().map(|(one, _)| format!("stages/{}/tags/", one.name));
    for folder in ["blobs/".to_owned(), "proofs/".to_owned()].into_iter().chain(tags) {
        let listed = context.pace.run(|| stage.control.list(&folder)).await?;
        let dead: Vec<&Listed> = listed.iter().filter(|one| one.modified < oldest && !needed.contains(&one.key)).collect();
        *bytes += dead.iter().map(|one| one.size).sum::<u64>();
        removed += dead.len();
        remove_all(stage.control.as_ref(), dead, keep, context).await?;
    }
    Ok(removed)
}

async fn remove_all(bucket: &dyn Bucket, listed: Vec<&Listed>, keep: Keep, context: &Context) -> Result<(), Stopped> {
    if keep.only_look {
        return Ok(());
    }
    let done = context.pace.each(listed, |one| context.pace.run(|| bucket.remove(&one.key, &one.tag)));
    match done.await.map_err(|failure: Failure| Stopped::from(failure))? {
        Some(_) => Ok(()),
        None => Err(Stopped::Interrupted("not everything was removed that could be".to_owned())),
    }
}

/// The releases that a stage may still need: what it serves, the last few, and what it served not long ago. A release
/// was served until the next one began.
fn kept(head: &Head, keep: Keep, oldest: Timestamp) -> Vec<String> {
    let mut ended = Timestamp::MAX;
    let mut kept: Vec<String> = head.release.iter().cloned().collect();
    for (at, past) in head.past.iter().enumerate() {
        if at < keep.releases || ended >= oldest {
            kept.push(past.release.clone());
        }
        ended = past.at;
    }
    kept
}
