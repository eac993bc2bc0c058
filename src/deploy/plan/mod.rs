//! What has to happen so that a stage serves a release: a function of two manifests. Nothing is asked of
//! any bucket; whoever carries a plan out checks each step's precondition there.

use crate::release::{Class, Distribution, Manifest, ObjectEntry};
use serde::Serialize;
use std::collections::BTreeMap;
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether a stage may be emptied, or lose more than it usually would.
    pub allow_removals: bool,
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
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty { distribution } => {
                write!(f, "the release has no page for the distribution `{distribution}`, which serves some now")
            }
            Self::TooManyRemovals { distribution, removed, of, most } => {
                write!(
                    f,
                    "{removed} of {of} pages and files of the distribution `{distribution}` would be removed, and {most} is the most without asking"
                )
            }
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
            refusals.extend(guard(name, new, old));
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

/// A build that lost its sources looks like a wish to remove everything. Small sites change by larger shares.
fn guard(name: &str, new: &Distribution, old: &Distribution) -> Option<Refusal> {
    let is_page = |entry: &ObjectEntry| entry.class == Class::Page;
    let pages = |distribution: &Distribution| distribution.objects.values().filter(|entry| is_page(entry)).count();
    let of = pages(old);
    let distribution = name.to_owned();
    if of > 0 && pages(new) == 0 {
        return Some(Refusal::Empty { distribution });
    }
    let share = if of <= 100 {
        80
    } else if of <= 1000 {
        50
    } else {
        20
    };
    let most = (of * share / 100).max(1);
    let removed = old.objects.iter().filter(|(key, entry)| is_page(entry) && !new.objects.contains_key(*key)).count();
    (removed > most).then_some(Refusal::TooManyRemovals { distribution, removed, of, most })
}

#[cfg(test)]
mod tests;
