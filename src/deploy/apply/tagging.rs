//! Whether a stage's pages carry cache tags, and its edge knows them.
//!
//! The head says of which distributions every page carries its tags, and every copy at the edge too. Where it does not say
//! so and they are wanted, all pages that carry none are stored anew, and the edge forgets everything, once: what it has
//! cached before can be purged by no tag. While that goes on, and while their use ends, the head calls the distribution mixed:
//! whoever takes it up looks at every page, and the edge forgets everything still.

use super::{Live, Stopped, Wish};
use crate::deploy::invalidation::tags::HEADER;
use crate::deploy::invalidation::{Change, Edge, Item};
use crate::deploy::ledger::Head;
use crate::deploy::options::Mode;
use crate::deploy::plan::{self, Plan};
use crate::deploy::remote::{DistributionInfo, Stage, Target};
use crate::release::Manifest;
use std::collections::{BTreeMap, BTreeSet};

/// By distribution: the pages that have to be stored anew to carry their tags. None where tags are not wanted.
pub(super) fn untagged(
    next: &Manifest,
    served: Option<&Manifest>,
    live: &Live,
    stage: &Stage,
) -> BTreeMap<String, BTreeSet<String>> {
    let names = next.distributions.keys().filter(|_| stage.mode == Mode::Tags);
    names.map(|name| (name.clone(), live.untagged(name, served, stage))).collect()
}

/// The distributions of which all pages carry tags once the release is served, and all copies: with CloudFront's ids.
pub(super) fn tagged(next: &Manifest, stage: &Stage) -> BTreeMap<String, String> {
    let names = next.distributions.keys().filter(|_| stage.mode == Mode::Tags);
    names.filter_map(|name| Some((name.clone(), stage.distributions.get(name)?.id.clone()))).collect()
}

/// The distributions whose edge may hold what carries no tags, though they are wanted.
pub(super) fn begins(next: &Manifest, live: &Live, stage: &Stage) -> BTreeSet<String> {
    let wanted = tagged(next, stage).into_iter();
    wanted.filter(|(name, id)| !live.head().is_tagged(name, id)).map(|(name, _)| name).collect()
}

/// The distributions of which some pages may carry tags and others not while a release is applied.
pub(super) fn mixed(next: &Manifest, head: &Head, stage: &Stage) -> BTreeSet<String> {
    let wanted = tagged(next, stage);
    let before = head.applying.iter().flat_map(|applying| applying.mixed.iter());
    let names = next.distributions.keys().chain(head.tagged.keys());
    names.filter(|name| wanted.get(*name) != head.tagged.get(*name)).chain(before).cloned().collect()
}

/// Whether everything is purged.
pub(super) fn purges_all(items: Option<&Vec<Item>>) -> bool {
    items.is_some_and(|items| items.iter().any(|item| matches!(item, Item::Wildcard(prefix) if prefix == "/")))
}

/// What the edge of a distribution may hold, and which of it has to go.
pub(super) fn edge(plan: &Plan, name: &str, wish: &Wish<'_>, live: &Live, served: Option<&Manifest>, stage: &Stage) -> Edge {
    let stale = wish.stale.get(name).map(Vec::as_slice).unwrap_or_default();
    let begins = begins(wish.manifest, live, stage).contains(name);
    let is_tagged = stage.mode == Mode::Tags && !begins && wish.manifest.distributions.contains_key(name);
    let untagged = is_tagged.then(|| live.untagged(name, served, stage));
    let mut edge = plan::edge(plan, name, stale, untagged.as_ref(), wish.manifest, served, wish.addresses);
    if begins {
        let key = edge.changes.first().map_or_else(|| "copies without cache tags".to_owned(), |change| change.key.clone());
        edge.changes.push(Change { key, paths: Vec::new(), families: vec!["/*".to_owned()] });
    }
    edge
}

/// What is owed, as it can be told: where tags are not used any more, the distribution may have ceased to read them.
pub(super) fn as_told(items: &[Item], stage: &Stage) -> Vec<Item> {
    if stage.mode == Mode::Paths && items.iter().any(|item| matches!(item, Item::Tag(_))) {
        return vec![Item::Wildcard("/".to_owned())];
    }
    items.to_vec()
}

/// Whether a distribution takes the tags that pages carry.
pub(super) fn reads_tags(info: &DistributionInfo) -> bool {
    info.tag_header.as_ref().is_some_and(|header| header.eq_ignore_ascii_case(HEADER))
}

/// A distribution that reads no tags would pass over every item that names one, and say that it was done.
pub(super) fn are_obeyed(name: &str, target: &Target, info: &DistributionInfo, stage: &Stage) -> Result<(), Stopped> {
    if stage.mode != Mode::Tags || reads_tags(info) {
        return Ok(());
    }
    let what = match &info.tag_header {
        Some(header) => format!("reads cache tags from `{header}`, and not from `{HEADER}`"),
        None => "reads no cache tags".to_owned(),
    };
    Err(Stopped::Refused(vec![format!(
        "the distribution {} (`{name}`) {what}, so it would purge nothing by them; nothing was changed\n\
         hint: set `CacheTagConfig` to `HeaderName = {HEADER}` in its configuration, or `mode = \"paths\"` under `[stages.{}.invalidation]`",
        target.id, stage.name
    )]))
}
