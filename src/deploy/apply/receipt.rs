//! What was done, for people and for programs.

use super::functions::Outcome;
use super::objects::{How, Put};
use super::store::Stored;
use super::{Prepared, Wish, purge};
use crate::deploy::invalidation::Item;
use crate::deploy::ledger::{Done, Head, Kind, Tags};
use crate::deploy::plan::Phase;
use crate::deploy::remote::Stage;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What the edge of one distribution was told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// The items.
    pub items: Vec<Item>,
    /// CloudFront's name of the invalidation; none where the quota was full.
    pub id: Option<String>,
    /// Whether it was seen complete.
    pub is_complete: bool,
}

/// What looking through the edge showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// How many changed pages were looked at.
    pub looked: usize,
    /// Those that were stale, and are not since they were purged once more.
    pub purged_again: Vec<String>,
    /// Those that are stale still.
    pub stale: Vec<String>,
    /// Those that could not be looked at, and why.
    pub unknown: Vec<String>,
    /// Distributions of which a page was stale although its cache tag was purged. All that changed there was purged once
    /// more, by addresses.
    pub untagged: Vec<String>,
}

/// What became of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionDone {
    /// CloudFront's name for it.
    pub name: String,
    /// Whether it was published; else the same code was live already.
    pub published: bool,
    /// How many cases it was proven with.
    pub proven: usize,
}

/// What a command did to a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The stage.
    pub stage: String,
    /// How.
    pub kind: Kind,
    /// What it serves now.
    pub release: String,
    /// What it served before.
    pub previous: Option<String>,
    /// The number of its state.
    pub seq: u64,
    /// The number of the apply.
    pub sequence: u64,
    /// Its token.
    pub(super) token: String,
    /// What was sent: assets, the code of functions, bodies for the books, whether each lies by itself or many in a pack, and pages
    /// under their public names.
    pub uploaded: usize,
    /// The same of what was copied where it lies.
    pub copied: usize,
    /// Objects that were removed.
    pub removed: usize,
    /// Objects that are as they were.
    pub unchanged: usize,
    /// Bytes that were sent, bodies among them.
    pub bytes: u64,
    /// Functions, by the names they have in the project.
    pub functions: BTreeMap<String, FunctionDone>,
    /// What the edge was told, by distribution.
    pub purged: BTreeMap<String, Purged>,
    /// What looking through the edge showed.
    pub verified: Verified,
}

impl Receipt {
    pub(super) fn new(stage: &Stage, wish: &Wish<'_>, prepared: &Prepared) -> Self {
        let head = prepared.live.head();
        Self {
            stage: stage.name.clone(),
            kind: wish.kind,
            release: wish.manifest.release.clone(),
            previous: head.release.clone(),
            seq: head.seq,
            sequence: head.sequence,
            token: String::new(),
            uploaded: 0,
            copied: 0,
            removed: 0,
            unchanged: prepared.plan.unchanged,
            bytes: 0,
            functions: BTreeMap::new(),
            purged: prepared
                .items()
                .into_iter()
                .map(|(name, items)| (name, Purged { items, id: None, is_complete: false }))
                .collect(),
            verified: Verified::default(),
        }
    }

    pub(super) fn stored(&mut self, stored: Stored) {
        self.uploaded += stored.sent;
        self.copied += stored.copied;
        self.bytes += stored.bytes;
    }

    pub(super) fn written(&mut self, phase: Phase, written: &[Put], tags: &mut Tags) {
        for put in written {
            let known = tags.entry(put.distribution.clone()).or_default();
            match &put.tag {
                Some(tag) => drop(known.insert(put.key.clone(), tag.clone())),
                None => drop(known.remove(&put.key)),
            }
            match put.how {
                How::Sent => self.uploaded += 1,
                How::Copied => self.copied += 1,
                How::Removed => self.removed += 1,
                How::Already => self.unchanged += 1,
            }
            if put.how == How::Sent && purge::is_public(phase) {
                self.bytes += put.bytes;
            }
        }
    }

    pub(super) fn functions(&mut self, outcomes: &BTreeMap<String, Outcome>) {
        for (name, outcome) in outcomes {
            let done = FunctionDone { name: outcome.live.name.clone(), published: outcome.published, proven: outcome.proven };
            self.functions.insert(name.clone(), done);
        }
    }

    pub(super) fn finished(&mut self, head: &Head, done: &Done, token: &str) {
        (self.seq, self.sequence, self.token) = (head.seq, head.sequence, token.to_owned());
        for (name, purged) in &mut self.purged {
            purged.id = done.issued.get(name).map(|issued| issued.id.clone());
        }
    }

    /// Whether every edge was told and has obeyed, as far as was looked; what nobody could look at has not been seen to.
    pub fn is_complete(&self) -> bool {
        let is_seen = self.verified.stale.is_empty() && self.verified.unknown.is_empty();
        self.purged.values().all(|purged| purged.is_complete) && is_seen
    }

    /// The receipt as a document.
    pub fn json(&self) -> Value {
        let status = |purged: &Purged| match (&purged.id, purged.is_complete) {
            (_, true) => "completed",
            (Some(_), false) => "in_progress",
            (None, false) => "pending",
        };
        let items: Vec<&Item> = self.purged.values().flat_map(|purged| &purged.items).collect();
        let overall = match (self.purged.is_empty(), self.purged.values().all(|purged| purged.is_complete)) {
            (true, _) => "none",
            (_, true) => "completed",
            _ if self.purged.values().any(|purged| purged.id.is_none()) => "pending",
            _ => "in_progress",
        };
        let by_distribution: BTreeMap<&String, Value> = self
            .purged
            .iter()
            .map(|(name, purged)| (name, json!({ "items": purged.items, "id": purged.id, "status": status(purged) })))
            .collect();
        let functions: BTreeMap<&String, Value> = self
            .functions
            .iter()
            .map(|(name, done)| (name, json!({ "name": done.name, "published": done.published, "proven": done.proven })))
            .collect();
        json!({
            "version": 1,
            "stage": self.stage,
            "kind": self.kind,
            "release": self.release,
            "previous": self.previous,
            "seq": self.seq,
            "uploaded": self.uploaded,
            "copied": self.copied,
            "removed": self.removed,
            "unchanged": self.unchanged,
            "bytes": self.bytes,
            "functions": functions,
            "invalidation": {
                "items": items,
                "id": self.purged.values().find_map(|purged| purged.id.clone()),
                "status": overall,
                "distributions": by_distribution,
            },
            "verified": {
                "looked": self.verified.looked,
                "purged_again": self.verified.purged_again,
                "stale": self.verified.stale,
                "unknown": self.verified.unknown,
                "untagged": self.verified.untagged,
            },
        })
    }
}
