//! What has to happen so that a stage serves a release: a function of two manifests. Nothing is asked of
//! any bucket; whoever carries a plan out checks each step's precondition there.

use super::invalidation::{self, Cached, Change, Edge, Tagged};
use super::ledger::Commit;
use crate::release::{Class, Distribution, Key, Manifest, ObjectEntry};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The order of a publish. A phase begins when the one before it has ended without an error: a page never
/// names an asset that is not there, and nothing is removed after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// What is named by its content. Nobody asks for it before a page does.
    Assets,
    /// The edge functions, proven in their function stage DEVELOPMENT and then made LIVE.
    Functions,
    /// Files with names that stay, other than pages.
    Files,
    /// Pages below which there is nothing.
    Pages,
    /// Pages below which there are others.
    Sections,
    /// The home page, by which most begin.
    Home,
    /// What tells machines of pages: feeds, `sitemap.xml`, `robots.txt`.
    Feeds,
    /// What is no longer part of the release.
    Removals,
}

impl Phase {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Assets => "assets",
            Self::Functions => "functions",
            Self::Files => "files",
            Self::Pages => "pages",
            Self::Sections => "section pages",
            Self::Home => "home page",
            Self::Feeds => "feeds",
            Self::Removals => "removals",
        }
    }
}

/// Why a step is taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "why")]
pub enum Reason {
    /// There was nothing under this name.
    New,
    /// The bytes differ.
    Content,
    /// The bytes are the same, the headers they are stored with differ.
    Headers {
        /// Their names.
        changed: Vec<&'static str>,
    },
    /// The release has nothing under this name.
    Gone,
}

/// One thing to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// When.
    pub phase: Phase,
    /// Of which distribution; none for a function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distribution: Option<String>,
    /// The key of an object, or the name of a function.
    pub key: String,
    /// Why.
    #[serde(flatten)]
    pub reason: Reason,
    /// To be sent. Nothing for a removal.
    pub bytes: u64,
}

/// What a stage needs in order to serve a release.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The form of this document: 1.
    pub version: u32,
    /// What it will serve.
    pub release: String,
    /// What it serves now.
    pub previous: Option<String>,
    /// In the order in which they are taken.
    pub steps: Vec<Step>,
    /// How many objects stay as they are.
    pub unchanged: usize,
}

/// What a plan may not do without being told so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Whether a stage may be emptied, or lose more than it usually would.
    pub allow_removals: bool,
    /// Whether a build of an older commit may replace one of a newer.
    pub allow_older: bool,
    /// How many percent of a distribution's pages may go unasked; none: a share that is the smaller, the larger it is.
    pub most_removed: Option<u8>,
}

/// Why there is no plan. Each is a guard against a build that went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The release has no page for a distribution that serves some.
    Empty {
        /// Which.
        distribution: String,
    },
    /// More would be removed than a change of a site usually removes.
    TooManyRemovals {
        /// Of which distribution.
        distribution: String,
        /// How many pages and files.
        removed: usize,
        /// Out of how many.
        of: usize,
        /// How many would have been let pass.
        most: usize,
    },
    /// What is served was built from a newer commit: two runs of CI ended in another order than they began.
    Older {
        /// The commit of the build.
        ours: String,
        /// The commit of what is served.
        live: String,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty { distribution } => {
                write!(
                    f,
                    "the release has no page for the distribution `{distribution}`, which serves some now\nhint: `--allow-removals` empties it"
                )
            }
            Self::TooManyRemovals { distribution, removed, of, most } => {
                write!(
                    f,
                    "{removed} of {of} pages and files of the distribution `{distribution}` would be removed, and {most} is the most without \
                     asking\nhint: look whether the build is whole; `--allow-removals` lets them go"
                )
            }
            Self::Older { ours, live } => write!(
                f,
                "this was built from the commit {ours}, and what is served from the newer {live}\nhint: to go back on purpose, \
                 `qdn rollback`, or `--allow-older`"
            ),
        }
    }
}

impl Plan {
    /// Whether the stage serves the release already, whatever it is called.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Bytes to be sent.
    pub fn bytes(&self) -> u64 {
        self.steps.iter().map(|step| step.bytes).sum()
    }
}

/// The plan from what a stage serves to what a manifest says.
///
/// # Errors
/// Every guard that stands against it.
pub fn plan(next: &Manifest, live: Option<&Manifest>, policy: Policy) -> Result<Plan, Vec<Refusal>> {
    let none = Distribution::default();
    let mut plan = Plan {
        version: 1,
        release: next.release.clone(),
        previous: live.map(|live| live.release.clone()),
        steps: Vec::new(),
        unchanged: 0,
    };
    let mut refusals = Vec::new();
    let names = next.distributions.keys().chain(live.iter().flat_map(|live| live.distributions.keys()));
    let names: std::collections::BTreeSet<&String> = names.collect();
    for name in names {
        let new = next.distributions.get(name).unwrap_or(&none);
        let old = live.and_then(|live| live.distributions.get(name)).unwrap_or(&none);
        if !policy.allow_removals {
            refusals.extend(guard(name, new, old, policy));
        }
        objects(name, new, old, &mut plan);
    }
    for (name, function) in &next.functions {
        let known = live.and_then(|live| live.functions.get(name));
        let reason = match known {
            None => Reason::New,
            Some(known) if known.sha256 != function.sha256 => Reason::Content,
            Some(known) if known.runtime != function.runtime => Reason::Headers { changed: vec!["runtime"] },
            Some(_) => continue,
        };
        plan.steps.push(Step { phase: Phase::Functions, distribution: None, key: name.clone(), reason, bytes: function.size });
    }
    // A function that no release names is left where it is: another distribution may run it.
    plan.steps.sort_by(|a, b| (a.phase, &a.distribution, &a.key).cmp(&(b.phase, &b.distribution, &b.key)));
    if refusals.is_empty() { Ok(plan) } else { Err(refusals) }
}

fn objects(name: &str, new: &Distribution, old: &Distribution, plan: &mut Plan) {
    let step =
        |phase, key: &str, reason, bytes| Step { phase, distribution: Some(name.to_owned()), key: key.to_owned(), reason, bytes };
    for (key, entry) in &new.objects {
        let reason = match old.objects.get(key) {
            None => Reason::New,
            Some(known) if known.sha256 != entry.sha256 => Reason::Content,
            Some(known) => match changed_headers(known, entry) {
                changed if changed.is_empty() => {
                    plan.unchanged += 1;
                    continue;
                }
                changed => Reason::Headers { changed },
            },
        };
        plan.steps.push(step(phase(key, entry.class, &new.objects), key, reason, entry.size));
    }
    // Fingerprinted assets stay: pages that are open in a browser ask for them, and `gc` takes them in time.
    let gone = old.objects.iter().filter(|(key, entry)| entry.class == Class::Page && !new.objects.contains_key(*key));
    plan.steps.extend(gone.map(|(key, _)| step(Phase::Removals, key, Reason::Gone, 0)));
}

fn changed_headers(old: &ObjectEntry, new: &ObjectEntry) -> Vec<&'static str> {
    let pairs = [("content-type", &old.content_type, &new.content_type), ("cache-control", &old.cache_control, &new.cache_control)];
    pairs.into_iter().filter(|(_, old, new)| old != new).map(|(name, ..)| name).collect()
}

fn phase(key: &str, class: Class, all: &BTreeMap<String, ObjectEntry>) -> Phase {
    if class == Class::Immutable {
        return Phase::Assets;
    }
    if key == "index.html" {
        return Phase::Home;
    }
    if let Some(folder) = key.strip_suffix("index.html") {
        let below = all.range(folder.to_owned()..).take_while(|(other, _)| other.starts_with(folder));
        return if below.take(2).count() > 1 { Phase::Sections } else { Phase::Pages };
    }
    match key.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => Phase::Pages,
        Some("xml") => Phase::Feeds,
        _ if key == "robots.txt" => Phase::Feeds,
        _ => Phase::Files,
    }
}

/// Adds to a plan that pages are stored anew only to carry their cache tags: those of them, by distribution, that would stay
/// as they are.
pub fn retag(plan: &mut Plan, next: &Manifest, untagged: &BTreeMap<String, BTreeSet<String>>) {
    const CACHE_TAG: &str = invalidation::tags::METADATA;
    let is_untagged = |name: &str, key: &str| untagged.get(name).is_some_and(|keys| keys.contains(key));
    let mut planned: BTreeSet<(&str, &str)> = BTreeSet::new();
    let mut more = Vec::new();
    for step in &plan.steps {
        planned.insert((step.distribution.as_deref().unwrap_or_default(), &step.key));
    }
    for (name, distribution) in &next.distributions {
        for (key, entry) in distribution.objects.iter().filter(|(key, _)| is_untagged(name, key)) {
            if entry.class == Class::Page && !planned.contains(&(name.as_str(), key.as_str())) {
                let (phase, reason) =
                    (phase(key, entry.class, &distribution.objects), Reason::Headers { changed: vec![CACHE_TAG] });
                more.push(Step { phase, distribution: Some(name.clone()), key: key.clone(), reason, bytes: entry.size });
            }
        }
    }
    plan.unchanged = plan.unchanged.saturating_sub(more.len());
    plan.steps.append(&mut more);
    for step in &mut plan.steps {
        let name = step.distribution.as_deref().unwrap_or_default();
        match &mut step.reason {
            Reason::Headers { changed } if !changed.contains(&CACHE_TAG) && is_untagged(name, &step.key) => changed.push(CACHE_TAG),
            _ => {}
        }
    }
    plan.steps.sort_by(|a, b| (a.phase, &a.distribution, &a.key).cmp(&(b.phase, &b.distribution, &b.key)));
}

/// Whether a build of one commit would replace that of a newer one. Of commits made at the same second nobody knows.
pub fn older(ours: Option<&Commit>, live: Option<&Commit>) -> Option<Refusal> {
    let (ours, live) = (ours?, live?);
    let short = |commit: &Commit| commit.id.chars().take(10).collect();
    (ours.id != live.id && ours.time < live.time).then(|| Refusal::Older { ours: short(ours), live: short(live) })
}

/// The steps that change what visitors see under an address that stays.
pub fn changed(plan: &Plan) -> Vec<&Step> {
    plan.steps.iter().filter(|step| !matches!(step.phase, Phase::Assets | Phase::Functions)).collect()
}

/// What the edge of a distribution may hold, and which of it a plan changes. A page that is new is a change too: the
/// edge may hold a 404 in its place. A fingerprinted asset never is. `stale` keys are purged although they stay.
///
/// `untagged` are the pages of which copies without cache tags may be there; it is absent where none have any. Of a `stale`
/// key the tag may be what did not help.
pub fn edge(
    plan: &Plan,
    name: &str,
    stale: &[String],
    untagged: Option<&BTreeSet<String>>,
    next: &Manifest,
    live: Option<&Manifest>,
    addresses: impl Fn(&str, &[String]) -> Vec<Change>,
) -> Edge {
    let steps: Vec<&Step> = changed(plan).into_iter().filter(|step| step.distribution.as_deref() == Some(name)).collect();
    let keys: BTreeSet<String> = steps.iter().map(|step| step.key.clone()).chain(stale.iter().cloned()).collect();
    let keys: Vec<String> = keys.into_iter().collect();
    let dirty: BTreeSet<&String> = keys.iter().collect();
    let all = [live, Some(next)].into_iter().flatten().filter_map(|manifest| manifest.distributions.get(name));
    let clean: BTreeMap<&String, (u64, Class)> = all
        .flat_map(|one| &one.objects)
        .filter(|(key, _)| !dirty.contains(key))
        .map(|(key, entry)| (key, (entry.size, entry.class)))
        .collect();
    let tagged = untagged.map(|untagged| {
        let known = |key: &str| !untagged.contains(key) && !stale.iter().any(|stale| stale == key);
        let steps = steps.iter().filter(|step| step.reason != Reason::New && known(&step.key));
        let pages = clean.iter().filter(|(key, (_, class))| *class == Class::Page && known(key));
        Tagged {
            changed: steps.map(|step| step.key.clone()).collect(),
            clean: pages.map(|(key, (bytes, _))| ((*key).clone(), *bytes)).collect(),
        }
    });
    let clean = clean
        .into_iter()
        .map(|(key, (bytes, _))| (key, bytes))
        .map(|(key, bytes)| Cached { path: Key::new(key).path(), bytes })
        .collect();
    let changes = if keys.is_empty() { Vec::new() } else { addresses(name, &keys) };
    Edge { changes, clean, tagged }
}

/// A build that lost its sources looks like a wish to remove everything. Small sites change by larger shares.
fn guard(name: &str, new: &Distribution, old: &Distribution, policy: Policy) -> Option<Refusal> {
    let is_page = |entry: &ObjectEntry| entry.class == Class::Page;
    let pages = |distribution: &Distribution| distribution.objects.values().filter(|entry| is_page(entry)).count();
    let of = pages(old);
    let distribution = name.to_owned();
    if of > 0 && pages(new) == 0 {
        return Some(Refusal::Empty { distribution });
    }
    let share = match (policy.most_removed, of) {
        (Some(share), _) => usize::from(share),
        (None, ..=100) => 80,
        (None, ..=1000) => 50,
        _ => 20,
    };
    let most = (of * share / 100).max(1);
    let removed = old.objects.iter().filter(|(key, entry)| is_page(entry) && !new.objects.contains_key(*key)).count();
    (removed > most).then_some(Refusal::TooManyRemovals { distribution, removed, of, most })
}

#[cfg(test)]
mod tests;
