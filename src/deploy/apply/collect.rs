//! What no release needs any more is removed: nothing that was not written by a release that is known, and nothing that
//! is younger than the oldest page that may still be open in a browser.

use super::bodies::Bodies;
use super::books::{Books, Hold, Known};
use super::{Context, Stopped};
use crate::deploy::ledger::{self, Applying, Head, Holder, Kind, Past};
use crate::deploy::remote::{Bucket, Kind as FailureKind, Listed, Stage};
use crate::release::{Class, Manifest};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// The last so many releases of each stage. One that it served several times counts once.
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
    /// How many bodies, packs of them, indexes of packs, cases and lists of ETags are removed.
    pub documents: usize,
    /// Bytes that are freed.
    pub bytes: u64,
    /// Objects of the stage's buckets that no known release wrote; they are left alone. By distribution: how many.
    pub unknown: BTreeMap<String, usize>,
}

/// Removes what no release needs. `stages` are all that keep their books in one place: what one of them needs stays, and
/// none of them changes meanwhile.
///
/// # Errors
/// Where anything is unclear: a stage in the middle of a publish or one that is not given, a state or a manifest that
/// cannot be read.
pub async fn collect(keep: Keep, stages: &[Stage], context: &Context) -> Result<Collected, Stopped> {
    let Some(first) = stages.first() else { return Ok(Collected::default()) };
    all_are_given(first, stages, context).await?;
    let bodies = Bodies::new(first.control.as_ref(), context);
    let mut held: Vec<Held<'_>> = Vec::new();
    let mut result = Ok(Collected::default());
    for stage in stages {
        match hold(stage, context, keep, &bodies).await {
            Ok(one) => held.extend(one),
            Err(stopped) => {
                result = Err(stopped);
                break;
            }
        }
    }
    if result.is_ok() {
        let keepers = held.iter().filter_map(|one| one.hold.as_ref()).map(|hold| Box::pin(hold.keep()));
        let keepers: Vec<_> = keepers.collect();
        let work = remove(keep, first, context, &held, &bodies);
        result = if keepers.is_empty() {
            work.await
        } else {
            tokio::select! {
                biased;
                result = work => result,
                (stopped, ..) = futures_util::future::select_all(keepers) => Err(stopped),
            }
        };
    }
    // Each is let go, whatever becomes of the others.
    for one in &held {
        if let Some(hold) = &one.hold
            && let Err(stopped) = hold.swap(|head, signature| head.abandoned(one.owed.clone(), signature)).await
        {
            result = result.and(Err(stopped));
        }
    }
    result
}

/// A stage that nobody opened may need what is removed.
async fn all_are_given(stage: &Stage, stages: &[Stage], context: &Context) -> Result<(), Stopped> {
    let listed = context.pace.run(|| stage.control.list("stages/")).await?;
    // The state may be lost, and the rest of the books be there.
    let is_book = |rest: &str| rest == "head.json" || rest.starts_with("log/") || rest.starts_with("tags/");
    let books = listed.iter().filter_map(|one| one.key.strip_prefix("stages/")?.split_once('/'));
    let names = books.filter(|(_, rest)| is_book(rest)).map(|(name, _)| name);
    let unknown: BTreeSet<&str> = names.filter(|name| !stages.iter().any(|stage| stage.name == *name)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let unknown: Vec<&str> = unknown.into_iter().collect();
    Err(Stopped::Refused(vec![format!(
        "stages that qdn.toml does not have keep their books here too: {}; nobody knows what they need, so nothing is removed\n\
         hint: of one that is gone for good, remove all that lies below {}",
        unknown.join(", "),
        stage.control.locate(&format!("stages/{}/", unknown[0]))
    )]))
}

type Owed = BTreeMap<String, Vec<crate::deploy::invalidation::Item>>;

/// A stage that does not change until it is let go.
struct Held<'a> {
    stage: &'a Stage,
    head: Head,
    owed: Owed,
    /// None where this only looks.
    hold: Option<Hold<'a>>,
}

async fn hold<'a>(stage: &'a Stage, context: &'a Context, keep: Keep, bodies: &'a Bodies<'a>) -> Result<Option<Held<'a>>, Stopped> {
    let books = Books::new(stage, context);
    let Some(known) = books.found().await? else { return Ok(None) };
    if let Some(applying) = &known.head.applying {
        is_over(applying, &known, stage, context)?;
    }
    // One that ended before its time has taken what is owed to the edge with it.
    let (head, owed) = (known.head.clone(), known.head.to_purge());
    if keep.only_look {
        return Ok(Some(Held { stage, head, owed, hold: None }));
    }
    let applying = Applying {
        kind: Kind::Repair,
        to: head.release.clone().unwrap_or_default(),
        commit: head.commit.clone(),
        function: None,
        touched: Vec::new(),
        sequence: head.sequence + 1,
        token: (context.nonce)(),
        items: owed.clone(),
        mixed: BTreeSet::new(),
        holder: Some(context.holder.clone()),
        began: (context.clock)(),
    };
    let known = books.swap(&known, |head, signature| head.begun(applying.clone(), signature)).await?;
    Ok(Some(Held { stage, head, owed, hold: Some(Hold::new(books, known, bodies)) }))
}

/// What is being done to a stage has to be over: only a `gc` whose process has ended, or is silent, leaves nothing to be done.
fn is_over(applying: &Applying, known: &Known, stage: &Stage, context: &Context) -> Result<(), Stopped> {
    let name = &stage.name;
    let what = format!("the stage `{name}` is in the middle of a {} to the release {}", applying.kind.name(), applying.to);
    let said = match (&applying.holder, applying.kind) {
        (Some(holder), _) if known.head.is_collected() => {
            let has_ended = |holder: &Holder| known.age > context.lease || (context.is_gone)(holder);
            if has_ended(holder) {
                return Ok(());
            }
            format!("{holder} looks after the stage `{name}` already: nothing is removed before that is done")
        }
        (None, _) if known.head.is_collected() => return Ok(()),
        (_, Kind::Repair) => {
            format!(
                "{what}: nothing is removed before that is done\nhint: if it was interrupted, `qdn audit {name} --repair` goes on with it"
            )
        }
        _ => format!(
            "{what}: nothing is removed before that is done\nhint: if it was interrupted, run it again, or `qdn rollback {name}`"
        ),
    };
    Err(Stopped::Refused(vec![said]))
}

async fn remove(
    keep: Keep,
    stage: &Stage,
    context: &Context,
    held: &[Held<'_>],
    bodies: &Bodies<'_>,
) -> Result<Collected, Stopped> {
    let Some(known) = held.first() else { return Ok(Collected::default()) };
    let books = Books::new(stage, context);
    // By the store's clock, as that is whose times are compared; and where this machine's is behind it, nothing more is removed.
    let now = Books::new(known.stage, context).now().await?.min((context.clock)());
    let oldest = now - SignedDuration::from_hours(24 * i64::from(keep.days));
    let all = context.pace.run(|| stage.control.list("releases/")).await?;
    let (mut kept, mut may_be_gone): (BTreeSet<String>, BTreeSet<String>) = (BTreeSet::new(), BTreeSet::new());
    for one in held {
        let past = Books::new(one.stage, context).past(&one.head, |past| reaches(past, keep, oldest)).await;
        let past = past.map_err(|stopped| match stopped {
            Stopped::Failed(why) => Stopped::Failed(format!("{why}: nothing is removed")),
            stopped => stopped,
        })?;
        sort_out(&one.head, &past, keep, oldest, &mut kept, &mut may_be_gone);
    }
    let is_old = |listed: &&Listed| listed.modified < oldest;
    let id = |listed: &Listed| -> Option<String> { Some(listed.key.strip_prefix("releases/")?.strip_suffix(".json")?.to_owned()) };
    let mut manifests: BTreeMap<String, Manifest> = BTreeMap::new();
    for listed in &all {
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
    // What one that kept less has removed stays removed.
    kept.extend(may_be_gone.into_iter().filter(|id| manifests.contains_key(id)));
    if let Some(why) = bodies.listed().await?.unclear.first() {
        return Err(Stopped::Failed(format!("{why}; nobody knows which bodies its pack holds: nothing is removed")));
    }
    let mut collected = Collected { kept: kept.iter().cloned().collect(), ..Collected::default() };
    // A release that is young may be that of a publish that is only about to begin.
    let gone: Vec<&Listed> = all.iter().filter(is_old).filter(|listed| id(listed).is_some_and(|id| !kept.contains(&id))).collect();
    let gone_ids: BTreeSet<String> = gone.iter().filter_map(|listed| id(listed)).collect();
    let stays: Vec<&Manifest> = manifests.iter().filter(|(id, _)| !gone_ids.contains(*id)).map(|(_, manifest)| manifest).collect();

    for one in held {
        for (name, target) in &one.stage.distributions {
            let objects = |manifests: Vec<&Manifest>| -> BTreeMap<String, Class> {
                let all = manifests.into_iter().filter_map(|manifest| manifest.distributions.get(name));
                all.flat_map(|one| one.objects.iter().map(|(key, entry)| (key.clone(), entry.class))).collect()
            };
            let (needed, known) = (objects(stays.clone()), objects(manifests.values().collect()));
            let listed = context.pace.run(|| target.bucket.list("")).await?;
            let shown = format!("{}/{name}", one.stage.name);
            let unknown = listed.iter().filter(|one| !known.contains_key(&one.key)).count();
            if unknown > 0 {
                collected.unknown.insert(shown.clone(), unknown);
            }
            let dead = |one: &&Listed| known.get(&one.key) == Some(&Class::Immutable) && !needed.contains_key(&one.key);
            let dead: Vec<&Listed> = listed.iter().filter(is_old).filter(dead).collect();
            if dead.is_empty() {
                continue;
            }
            collected.bytes += dead.iter().map(|one| one.size).sum::<u64>();
            collected.assets.insert(shown, dead.iter().map(|one| one.key.clone()).collect());
            remove_all(target.bucket.as_ref(), dead, held, context).await?;
        }
    }
    collected.documents = documents(stage, context, held, &stays, oldest, &mut collected.bytes).await?;
    collected.documents += packs(bodies, stage, context, held, &stays, oldest, &mut collected.bytes).await?;
    // Last: while a manifest is there, what it names can be found and removed.
    collected.bytes += gone.iter().map(|one| one.size).sum::<u64>();
    collected.releases = gone_ids.into_iter().collect();
    remove_all(stage.control.as_ref(), gone, held, context).await?;
    Ok(collected)
}

/// Bodies, cases and lists of ETags that no release needs.
async fn documents(
    stage: &Stage,
    context: &Context,
    held: &[Held<'_>],
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
    for Held { stage, head, .. } in held {
        let functions = head.functions.values().flat_map(|function| [Some(&function.sha256), function.before.as_ref()]);
        needed.extend(functions.flatten().map(|sha256| ledger::blob(sha256)));
        needed.extend(head.tags.map(|sequence| ledger::tags(&stage.name, sequence)));
    }
    let mut removed = 0;
    let tags = held.iter().map(|one| format!("stages/{}/tags/", one.stage.name));
    for folder in ["blobs/".to_owned(), "proofs/".to_owned()].into_iter().chain(tags) {
        let listed = context.pace.run(|| stage.control.list(&folder)).await?;
        let dead: Vec<&Listed> = listed.iter().filter(|one| one.modified < oldest && !needed.contains(&one.key)).collect();
        *bytes += dead.iter().map(|one| one.size).sum::<u64>();
        removed += dead.len();
        remove_all(stage.control.as_ref(), dead, held, context).await?;
    }
    Ok(removed)
}

/// Packs of which no release needs a body. Each goes after its index, so that an index still means a whole pack.
async fn packs(
    bodies: &Bodies<'_>,
    stage: &Stage,
    context: &Context,
    held: &[Held<'_>],
    stays: &[&Manifest],
    oldest: Timestamp,
    bytes: &mut u64,
) -> Result<usize, Stopped> {
    let pages = stays.iter().flat_map(|manifest| manifest.distributions.values()).flat_map(|one| one.objects.values());
    let needed: BTreeSet<&str> = pages.filter(|entry| entry.class == Class::Page).map(|entry| entry.sha256.as_str()).collect();
    let known = bodies.packs();
    let is_old = |listed: &Listed| listed.modified < oldest;
    let dead = known.iter().filter(|pack| !pack.bodies.iter().any(|row| needed.contains(row.sha256.as_str())));
    let dead = dead.filter_map(|pack| pack.listed.as_ref()).filter(|(pack, index)| is_old(pack) && is_old(index));
    let (mut packs, mut indexes): (Vec<&Listed>, Vec<&Listed>) = dead.map(|(pack, index)| (pack, index)).unzip();
    for stray in bodies.listed().await?.strays.iter().filter(|stray| is_old(stray)) {
        if stray.key.ends_with(".json") { &mut indexes } else { &mut packs }.push(stray);
    }
    *bytes += packs.iter().chain(&indexes).map(|one| one.size).sum::<u64>();
    let removed = packs.len() + indexes.len();
    remove_all(stage.control.as_ref(), indexes, held, context).await?;
    remove_all(stage.control.as_ref(), packs, held, context).await?;
    Ok(removed)
}

/// Removes, as long as every stage is held. Where they are only looked at, nothing is removed.
async fn remove_all(bucket: &dyn Bucket, listed: Vec<&Listed>, held: &[Held<'_>], context: &Context) -> Result<(), Stopped> {
    if held.iter().any(|one| one.hold.is_none()) {
        return Ok(());
    }
    let remove = |one: &Listed| {
        let (key, tag) = (one.key.clone(), one.tag.clone());
        async move {
            let remove = || async {
                for hold in held.iter().filter_map(|one| one.hold.as_ref()) {
                    hold.fence().await?;
                }
                bucket.remove(&key, &tag).await
            };
            match context.pace.run(remove).await {
                // Somebody wrote it anew, so somebody needs it.
                Err(failure) if failure.kind == FailureKind::Conflict => Ok(()),
                result => result,
            }
        }
    };
    let done = context.pace.each(listed, remove).await?;
    done.map(drop).ok_or_else(|| Stopped::Interrupted("what was removed so far is gone; run it again for the rest".to_owned()))
}

/// Whether this much of the past tells all that is kept.
fn reaches(past: &[Past], keep: Keep, oldest: Timestamp) -> bool {
    let releases: BTreeSet<&str> = past.iter().map(|past| past.release.as_str()).collect();
    releases.len() >= keep.releases && past.last().is_some_and(|first| first.at < oldest)
}

/// The releases that a stage may still need: what it serves, the last few, and what it served not long ago. A release
/// was served until the next one began.
///
/// Those that are among the last few steps of its state have to be there. Of those that are found further back, or since
/// repairs count for nothing, one that kept less may have removed some.
fn sort_out(
    head: &Head,
    past: &[Past],
    keep: Keep,
    oldest: Timestamp,
    kept: &mut BTreeSet<String>,
    may_be_gone: &mut BTreeSet<String>,
) {
    kept.extend(head.release.iter().cloned());
    let mut ended = Timestamp::MAX;
    let mut releases: BTreeSet<&str> = BTreeSet::new();
    for (at, one) in past.iter().enumerate() {
        releases.insert(&one.release);
        let is_recent = ended >= oldest;
        if at < head.past.len() && (at < keep.releases || is_recent) {
            kept.insert(one.release.clone());
        } else if releases.len() <= keep.releases || is_recent {
            may_be_gone.insert(one.release.clone());
        }
        ended = one.at;
    }
}
