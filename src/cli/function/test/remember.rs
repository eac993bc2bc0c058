//! Cases that passed are not run again while all they depend on is what it was.
//!
//! A run has no clock and no chance in it: it counts, and the events of a property follow from its file. So the next run would find
//! what the last one found. Only what passed, and of which nothing else was to be said, is remembered.

use super::super::workshop::Workshop;
use super::Report;
use crate::build::FUNCTIONS;
use crate::disk::FolderCache;
use crate::edge::cases::Trial;
use crate::release::{Cache as _, Digest};
use crate::source::{CONFIG_FILE, SourcePath};
use serde::{Deserialize, Serialize};
use std::time::UNIX_EPOCH;

/// A case that passed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Passed {
    pub(super) name: String,
    pub(super) utilization: u8,
    /// With how many events, of a property.
    pub(super) tries: Option<u32>,
}

/// What stands in a file of the cache: the last run of one function that passed.
#[derive(Serialize, Deserialize)]
struct Kept {
    inputs: String,
    passed: Vec<Passed>,
}

/// The last runs of a project's cases.
pub(super) struct Memory {
    cache: FolderCache,
    inputs: String,
}

impl Memory {
    /// Of a project. Beside a file anywhere nothing is left behind.
    pub(super) fn of(workshop: &Workshop, trial: Trial) -> Option<Self> {
        let inputs = inputs(workshop, trial).filter(|_| workshop.is_project)?;
        Some(Self { cache: FolderCache::new(&workshop.base, "cases"), inputs })
    }

    /// What passed when all inputs were the same.
    pub(super) fn recall(&self, function: &SourcePath) -> Option<Vec<Passed>> {
        let kept: Kept = serde_json::from_slice(&self.cache.get(&name(function))?).ok()?;
        (kept.inputs == self.inputs).then_some(kept.passed)
    }

    /// Remembers what passed, in the place of what passed before.
    pub(super) fn keep(&self, function: &SourcePath, report: &Report) {
        let passed = report.verdicts.iter().filter(|(_, verdict)| verdict.passes());
        let passed = passed.map(|(case, verdict)| Passed {
            name: case.name.clone(),
            utilization: verdict.outcome.utilization,
            tries: case.forall.as_ref().map(|_| verdict.tries),
        });
        let kept = Kept { inputs: self.inputs.clone(), passed: passed.collect() };
        let all_passed = !kept.passed.is_empty() && kept.passed.len() == report.verdicts.len();
        if all_passed && let Ok(text) = serde_json::to_vec(&kept) {
            self.cache.put(&name(function), &text);
        }
    }
}

/// By its file: `f.js` and `f.ts` are both called `f`.
fn name(function: &SourcePath) -> Digest {
    Digest::of(function.as_str().as_bytes())
}

/// The digest of everything that a run depends on: this program, how properties are tried, and whatever a function can be made of.
fn inputs(workshop: &Workshop, trial: Trial) -> Option<String> {
    let path = std::env::current_exe().ok()?;
    let program = path.metadata().ok()?;
    let built = program.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    let mut all = Vec::new();
    let mut add = |part: &[u8]| {
        all.extend((part.len() as u64).to_le_bytes());
        all.extend(part);
    };
    add(format!("{} {path:?} {} {built:?} {trial:?}", env!("CARGO_PKG_VERSION"), program.len()).as_bytes());
    for (name, text) in &workshop.modules {
        add(name.as_bytes());
        add(text.as_bytes());
    }
    for (path, bytes) in workshop.sources.iter().filter(|(path, _)| counts(path)) {
        add(path.as_str().as_bytes());
        add(bytes);
    }
    Some(Digest::of(&all).hex())
}

/// Whether a file can be a part of a function or of its cases. Of pages only the aliases are, which are a module.
fn counts(path: &SourcePath) -> bool {
    path.is_script() || path.extension() == "json" || path.as_str() == CONFIG_FILE || path.as_str().starts_with(FUNCTIONS)
}
