//! What a stage should serve is compared with what lies in its buckets and what its edge answers.

use super::bodies::Bodies;
use super::books::{Books, Known};
use super::live::as_stored;
use super::packs::SMALL;
use super::{Context, Stopped, supply, tagging};
use crate::deploy::invalidation::tags;
use crate::deploy::ledger::{self, Damage, Head};
use crate::deploy::remote::{Failure, FunctionStage, Stage};
use crate::release::{Class, Digest, Key, Manifest, ObjectEntry};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// As many pages are asked for through each edge.
const SAMPLE: usize = 50;

/// What is wrong with something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrong {
    /// It is not there.
    Missing,
    /// Its bytes are others.
    Content,
    /// Its headers are others.
    Headers,
    /// No release that is known has it. It is told, and left alone.
    Unknown,
    /// The edge answers with something else.
    Stale,
    /// The body that a rollback would need is not there.
    Body,
    /// The function that is live is another.
    Function,
    /// The distribution does not read the cache tags by which it is told what to forget.
    Tags,
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The distribution; none for functions and bodies.
    pub distribution: Option<String>,
    /// The key, or the name.
    pub key: String,
    /// What is wrong.
    pub wrong: Wrong,
    /// Whether its name holds its hash.
    #[serde(skip)]
    pub class: Option<Class>,
}

/// What an audit came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// The form of this document: 1.
    pub version: u32,
    /// The stage.
    pub stage: String,
    /// What it serves.
    pub release: String,
    /// How many objects were compared.
    pub objects: usize,
    /// How many answers of the edge were compared.
    pub answers: usize,
    /// An apply that was interrupted: the release that it leads to.
    pub unfinished: Option<String>,
    /// What is wrong, in order.
    pub findings: Vec<Finding>,
}

impl Audit {
    /// Whether the stage serves what it should, and could be brought back to it. What no release knows is no fault of it.
    pub fn is_whole(&self) -> bool {
        self.unfinished.is_none() && self.findings.iter().all(|finding| finding.wrong == Wrong::Unknown)
    }

    /// The keys of which the edge holds something else, by distribution.
    pub fn stale(&self) -> BTreeMap<String, Vec<String>> {
        let mut stale: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for finding in self.findings.iter().filter(|finding| finding.wrong == Wrong::Stale) {
            stale.entry(finding.distribution.clone().unwrap_or_default()).or_default().push(finding.key.clone());
        }
        stale
    }
}

/// Copies bodies that are gone from the pages that are served, where those are what they should be.
///
/// # Errors
/// Where the books cannot be read or written.
pub async fn restore_bodies(stage: &Stage, context: &Context) -> Result<(), Stopped> {
    let books = Books::new(stage, context);
    let head = books.head().await?.head;
    let Some(release) = head.release else { return Ok(()) };
    let manifest = books.manifest(&release).await?;
    let mut gone: BTreeSet<String> = bodies(&manifest, stage, context).await?.into_iter().map(|finding| finding.key).collect();
    let mut pages = Vec::new();
    for (name, distribution) in &manifest.distributions {
        let Some(target) = stage.distributions.get(name) else { continue };
        for (key, entry) in &distribution.objects {
            if entry.class == Class::Page && gone.remove(&ledger::blob(&entry.sha256)) {
                pages.push((target, key, entry));
            }
        }
    }
    let kept = context.pace.each(pages, |(target, key, entry)| supply::keep(target.bucket.as_ref(), key, entry, stage, context));
    kept.await?.map(drop).ok_or_else(interrupted)
}

/// Compares everything.
///
/// # Errors
/// Where the books cannot be read, or nothing was published.
pub async fn audit(stage: &Stage, context: &Context) -> Result<Audit, Stopped> {
    let books = Books::new(stage, context);
    let head = books.idle_head().await?.head;
    let Some(release) = head.release.clone() else {
        return Err(Stopped::Refused(vec![format!(
            "nothing was published to the stage `{}` yet, so there is nothing to compare",
            stage.name
        )]));
    };
    let manifest = books.manifest(&release).await?;
    let unfinished = head.applying.as_ref().map(|applying| applying.to.clone());
    let (mut findings, mut objects, mut answers) = (Vec::new(), 0, 0);
    for (name, distribution) in &manifest.distributions {
        let Some(target) = stage.distributions.get(name) else { continue };
        let listed = context.pace.run(|| target.bucket.list("")).await?;
        let is_tagged = head.is_tagged(name, &target.id);
        if is_tagged && !tagging::reads_tags(&context.pace.run(|| stage.cdn.distribution(&target.id)).await?) {
            findings.push(finding(Some(name), &target.id, Wrong::Tags, None));
        }
        let compared = context.pace.each(&distribution.objects, |(key, entry)| async move {
            let stat = context.pace.run(|| target.bucket.stat(key)).await?;
            let wrong = match stat {
                None => Some(Wrong::Missing),
                Some(stat) => {
                    let stored = as_stored(&stat, entry.class);
                    let content = (&stored.sha256, stored.size) != (&entry.sha256, entry.size);
                    let untagged = is_tagged && entry.class == Class::Page && stat.cache_tag != tags::of(key);
                    if content { Some(Wrong::Content) } else { (untagged || stored != *entry).then_some(Wrong::Headers) }
                }
            };
            Ok::<_, Failure>(wrong.map(|wrong| finding(Some(name), key, wrong, Some(entry.class))))
        });
        let compared = compared.await?.ok_or_else(interrupted)?;
        objects += distribution.objects.len();
        let known = known_keys(name, &head, &books).await?;
        let unknown = listed.iter().filter(|one| !distribution.objects.contains_key(&one.key) && !known.contains(&one.key));
        findings.extend(unknown.map(|one| finding(Some(name), &one.key, Wrong::Unknown, None)));
        let bad: BTreeSet<String> = compared.iter().flatten().map(|found| found.key.clone()).collect();
        findings.extend(compared.into_iter().flatten());
        let (looked, stale) = edge(name, &distribution.objects, &bad, stage, context).await?;
        answers += looked;
        findings.extend(stale);
    }
    findings.extend(bodies(&manifest, stage, context).await?);
    for (name, function) in &manifest.functions {
        let remote = stage.function_name(name);
        let live = context.pace.run(|| stage.cdn.function(&remote, FunctionStage::Live)).await?;
        if live.is_none_or(|live| Digest::of(&live.code).hex() != function.sha256 || live.runtime != function.runtime) {
            findings.push(finding(None, name, Wrong::Function, None));
        }
    }
    findings.sort();
    Ok(Audit { version: 1, stage: stage.name.clone(), release, objects, answers, unfinished, findings })
}

fn finding(distribution: Option<&String>, key: &str, wrong: Wrong, class: Option<Class>) -> Finding {
    Finding { distribution: distribution.cloned(), key: key.to_owned(), wrong, class }
}

fn interrupted() -> Stopped {
    Stopped::Interrupted("nothing was changed".to_owned())
}

/// The assets of releases of the past, which stay for browsers that show an older page.
async fn known_keys(name: &str, head: &Head, books: &Books<'_>) -> Result<BTreeSet<String>, Stopped> {
    let releases: BTreeSet<&String> = head.past.iter().map(|past| &past.release).collect();
    let mut keys = BTreeSet::new();
    for release in releases.into_iter().filter(|release| Some(*release) != head.release.as_ref()) {
        // One that was collected has no assets left to know.
        let Ok(manifest) = books.manifest(release).await else { continue };
        let objects = manifest.distributions.into_iter().filter(|(other, _)| other == name).flat_map(|(_, one)| one.objects);
        keys.extend(objects.filter(|(_, entry)| entry.class == Class::Immutable).map(|(key, _)| key));
    }
    Ok(keys)
}

/// Asks the edge for a sample of the pages that lie in the bucket as they should.
async fn edge(
    name: &String,
    objects: &BTreeMap<String, ObjectEntry>,
    bad: &BTreeSet<String>,
    stage: &Stage,
    context: &Context,
) -> Result<(usize, Vec<Finding>), Stopped> {
    let Some(target) = stage.distributions.get(name) else { return Ok((0, Vec::new())) };
    let pages: Vec<(&String, &ObjectEntry)> =
        objects.iter().filter(|(key, entry)| entry.class == Class::Page && !bad.contains(*key)).collect();
    let step = pages.len().div_ceil(SAMPLE).max(1);
    // Others each time: an audit that always asked for the same ones would never see the rest.
    let from = usize::try_from((context.clock)().as_second()).unwrap_or_default() % step;
    let sample: Vec<_> = pages.into_iter().skip(from).step_by(step).collect();
    let looked = sample.len();
    let stale = context.pace.each(sample, |(key, entry)| async move {
        let path = Key::new(key).path();
        let fetched = context.pace.run(|| stage.cdn.fetch(&target.id, target.url.as_deref(), &path)).await?;
        let is_fresh = match fetched.status {
            200 => Digest::of(&fetched.body).hex() == entry.sha256,
            // A redirect of the function's, or the page of what is missing under its own name.
            300..=399 => true,
            404 => key == "404.html",
            _ => false,
        };
        Ok::<_, Failure>((!is_fresh).then(|| finding(Some(name), key, Wrong::Stale, Some(Class::Page))))
    });
    let stale = stale.await?.ok_or_else(interrupted)?;
    Ok((looked, stale.into_iter().flatten().collect()))
}

/// The bodies that a rollback to this release needs and would not find.
async fn bodies(manifest: &Manifest, stage: &Stage, context: &Context) -> Result<Vec<Finding>, Stopped> {
    let listed = context.pace.run(|| stage.control.list("blobs/")).await?;
    let there: BTreeMap<&str, u64> = listed.iter().filter_map(|one| Some((one.key.strip_prefix("blobs/")?, one.size))).collect();
    let is_whole = |sha256: &str, size: u64| there.get(sha256) == Some(&size);
    let pages = manifest.distributions.values().flat_map(|one| one.objects.values()).filter(|entry| entry.class == Class::Page);
    let (small, large): (Vec<_>, Vec<_>) = pages.partition(|entry| entry.size < SMALL);
    let functions = manifest.functions.values().map(|function| (function.sha256.as_str(), function.size));
    let alone = large.iter().map(|entry| (entry.sha256.as_str(), entry.size)).chain(functions);
    let mut missing: BTreeSet<&str> = alone.filter(|(sha256, size)| !is_whole(sha256, *size)).map(|(sha256, _)| sha256).collect();
    let small = small.iter().filter(|entry| !is_whole(&entry.sha256, entry.size));
    let small: BTreeSet<&str> = small.map(|entry| entry.sha256.as_str()).collect();
    if !small.is_empty() {
        let kept = Bodies::new(stage.control.as_ref(), context);
        let packed = kept.packed(small.iter().copied()).await?;
        missing.extend(small.into_iter().filter(|sha256| !packed.contains(*sha256)));
        if !missing.is_empty() {
            kept.troubles().iter().for_each(|why| context.say(&format!("warning: {why}")));
        }
    }
    Ok(missing.into_iter().map(|sha256| finding(None, &ledger::blob(sha256), Wrong::Body, None)).collect())
}

/// Puts the newest state of the log that is whole in the place of a state that is damaged or gone. Says which.
///
/// # Errors
/// Where there is none.
pub async fn restore(stage: &Stage, context: &Context) -> Result<Option<Head>, Stopped> {
    let books = Books::new(stage, context);
    let key = ledger::head(&stage.name);
    let found = books.read(&key).await?;
    match found.as_ref().map(|found| Head::parse(&String::from_utf8_lossy(&found.bytes))) {
        Some(Ok(_)) => return Ok(None),
        // It is not damaged: whoever wrote it can read it.
        Some(Err(damage @ Damage::Version(_))) => return Err(books.damaged(&key, &damage)),
        Some(Err(Damage::Form(_))) | None => {}
    }
    if let Some(head) = books.logged().await? {
        let known = Known { head, tag: found.map(|found| found.tag), age: Duration::ZERO };
        return Ok(Some(books.swap(&known, Head::renewed).await?.head));
    }
    Err(Stopped::Failed(format!(
        "the state of the stage `{}` is {}, and its log holds none that is whole\nhint: `qdn publish {} --adopt` begins anew from what the buckets hold",
        stage.name,
        if found.is_some() { "damaged" } else { "gone" },
        stage.name
    )))
}
