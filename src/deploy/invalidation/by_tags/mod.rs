//! The plan of an edge that has cache tags.
//!
//! What has tags is purged by them: the fewest of pages and folders, exactly, by the same search that chooses wildcards.
//! What has none is purged by its addresses: a page that is new, in whose place the edge may hold a 404. The two are planned
//! one after the other, and what the addresses purge anyway needs no tag. Where telling everything by addresses takes fewer
//! items still, that is done: a wildcard may purge old pages and new ones.

use super::tags::{Due, folders, of_folder, of_page, tree};
use super::trie::Clean;
use super::*;
use std::collections::BTreeMap;

/// The plan for an edge with tags; [`merge`] has the promise.
pub(super) fn merge(pending: &[Item], edge: &Edge, tagged: &Tagged, terms: &Terms) -> Result<Plan, Refusal> {
    let (by_tag, by_path): (Vec<&Change>, Vec<&Change>) =
        edge.changes.iter().partition(|change| tagged.changed.contains(&change.key));
    let (old_tags, old_paths): (Vec<Item>, Vec<Item>) = pending.iter().cloned().partition(|item| matches!(item, Item::Tag(_)));
    let apart = Edge { changes: by_path.into_iter().cloned().collect(), clean: edge.clean.clone(), tagged: None };
    let first = by_paths(&old_paths, &apart, terms)?;
    let mut plan = Sorted::of(&by_tag, &old_tags, &first, edge, tagged).plan(&first, terms);
    let whole = Edge { tagged: None, ..edge.clone() };
    // Nobody knows the addresses of what is owed by its tag, but that they are all addresses.
    let everything = [Item::Wildcard("/".to_owned())];
    let also = if old_tags.is_empty() { &[] } else { everything.as_slice() };
    let other = by_paths(&[old_paths.as_slice(), also].concat(), &whole, terms);
    let alternatives = match &other {
        Ok(other) => ways(plan.as_ref(), other, terms),
        Err(_) => Vec::new(),
    };
    if let Ok(other) = other {
        let fewer =
            other.concession.is_none() && also.is_empty() && other.items.len() < plan.as_ref().map_or(0, |plan| plan.items.len());
        if plan.is_none() || fewer {
            plan = Some(other);
        }
    }
    let left = terms.paths.saturating_sub(terms.paths_running);
    let mut plan = plan.ok_or(Refusal::QuotaFull { addresses: edge.changes.len() as u64, paths: left })?;
    plan.alternatives = alternatives;
    Ok(plan)
}

/// The other ways, where there is anything to tell.
fn ways(plan: Option<&Plan>, other: &Plan, terms: &Terms) -> Vec<Alternative> {
    let named = |wanted: Way| other.alternatives.iter().copied().find(|way| way.way == wanted);
    let by_paths = Alternative {
        way: Way::Paths,
        items: other.items.len() as u64,
        cents: terms.cents(other.items.len() as u64),
        collateral: other.collateral,
        fits: other.concession.is_none(),
    };
    match plan.is_some_and(|plan| plan.items.is_empty()) {
        true => Vec::new(),
        false => [Some(by_paths), named(Way::Exact), named(Way::Everything)].into_iter().flatten().collect(),
    }
}

/// Everything that must be purged by tags.
struct Sorted<'a> {
    /// Pages and folders, in order, none within a folder.
    due: Vec<Due<'a>>,
    /// Owed tags of which nobody knows any more what they stand for.
    unknown: Vec<Item>,
    /// By key and folder: the owed items that name them.
    owed: BTreeMap<&'a str, &'a Item>,
    /// Pages that carry tags, are not due, and are purged by nothing yet.
    clean: Clean<'a>,
    /// All clean objects.
    all: Collateral,
}

impl<'a> Sorted<'a> {
    fn of(by_tag: &[&'a Change], old: &'a [Item], first: &Plan, edge: &'a Edge, tagged: &'a Tagged) -> Self {
        let exact: BTreeSet<&str> = first.items.iter().map(|planned| planned.item.text()).collect();
        let wild = first.items.iter().filter(|planned| matches!(planned.item, Item::Wildcard(_)));
        let wild: Vec<&str> = wild.map(|planned| planned.item.text()).collect();
        let is_family_purged = |prefix: &str| wild.iter().any(|wider| prefix.starts_with(wider));
        let is_purged = |address: &str| exact.contains(address) || is_family_purged(address);
        let is_gone = |change: &Change| {
            change.paths.iter().all(|path| is_purged(path))
                && change.families.iter().all(|family| is_family_purged(family.trim_end_matches('*')))
        };
        let page = |text: &'a str| Due { text, whole: false };
        let mut due: Vec<Due<'a>> =
            by_tag.iter().filter(|change| !is_gone(change)).map(|change| page(change.key.as_str())).collect();
        let (mut unknown, mut owed) = (Vec::new(), BTreeMap::new());
        if !old.is_empty() {
            // Which key or folder a tag stands for is found by making all tags there are.
            let keys = edge.changes.iter().map(|change| change.key.as_str()).chain(tagged.clean.keys().map(String::as_str));
            let mut names: BTreeMap<String, Due<'a>> = BTreeMap::new();
            for key in keys {
                names.insert(of_page(key), page(key));
                names.extend(folders(key).map(|folder| (of_folder(folder), Due { text: folder, whole: true })));
            }
            for item in old {
                match names.get(item.text()) {
                    Some(one) => {
                        owed.insert(one.text, item);
                        due.push(*one);
                    }
                    None => unknown.push(item.clone()),
                }
            }
        }
        // A folder comes before what is in it, and nothing in it is due by itself.
        due.sort_by_key(|one| (one.text, !one.whole));
        let mut kept: Vec<Due<'a>> = Vec::new();
        for one in due {
            let is_within = kept.last().is_some_and(|last| match last.whole {
                true => one.text.starts_with(last.text),
                false => last.text == one.text,
            });
            if !is_within {
                kept.push(one);
            }
        }
        let paths = edge.clean.iter().map(|one| one.path.as_str());
        let spared: BTreeSet<&str> = paths.filter(|path| !is_purged(path)).collect();
        let is_clean = |key: &&'a String| {
            kept.binary_search_by(|one| one.text.cmp(key.as_str())).is_err()
                && spared.contains(crate::release::Key::new(key).path().as_str())
        };
        let clean = tagged.clean.iter().filter(|(key, _)| is_clean(key)).map(|(key, bytes)| (key.as_str(), *bytes));
        let clean = Clean::new(clean);
        Self { due: kept, unknown, owed, clean, all: first.clean }
    }

    /// The plan, after what addresses are told. Nothing where the quota has no room for it.
    fn plan(&self, first: &Plan, terms: &Terms) -> Option<Plan> {
        // What an owed folder purges besides is not counted: no plan avoids it.
        let avoidable = self.clean.outside(self.due.iter().filter(|due| due.whole).map(|due| due.text));
        let nodes = tree(&self.due, &avoidable);
        let every = nodes.len() as u64;
        let limit = (self.all.objects as f64 * terms.collateral.clamp(0.0, 1.0)).floor() as u64;
        let paths = first.items.iter().filter(|planned| matches!(planned.item, Item::Path(_))).count();
        let room = terms.paths.saturating_sub(terms.paths_running).checked_sub((paths + self.unknown.len()) as u64)?;
        // Folders as well as pages count as paths, so nothing but the collateral is limited here.
        let within = |objects| choose(&nodes, Limits { paths: every, wildcards: every, objects });
        let fits = |choice: Option<&Choice>| choice.is_some_and(|choice| self.items(&nodes, choice).len() as u64 <= room);
        let mut concession = first.concession;
        let mut choice = within(limit.saturating_sub(first.collateral.objects));
        if !fits(choice.as_ref()) {
            // More is purged than is wanted, as little more as possible: fewer items never purge less.
            let (mut least, mut most) = (limit, avoidable.sum(&avoidable.all()).objects);
            while least < most {
                let middle = least + (most - least) / 2;
                if fits(within(middle).as_ref()) { most = middle } else { least = middle + 1 }
            }
            choice = within(most).filter(|choice| fits(Some(choice)));
            choice.as_ref()?;
            concession = concession.or(Some(Concession::Collateral));
        }
        let tags = self.items(&nodes, &choice?);
        let tags = tags.into_iter().map(|one| self.explain(one));
        let unknown = self.unknown.iter().map(|item| Planned {
            stands_for: None,
            keys: Names::default(),
            pending: Names::of([item.to_string().into()]),
            forced_by: Names::default(),
            collateral: Collateral::default(),
            item: item.clone(),
        });
        let mut items: Vec<Planned> = first.items.iter().cloned().chain(tags).chain(unknown).collect();
        items.sort_by_cached_key(|planned| {
            (planned.item.to_string().starts_with('#'), planned.stands_for.clone(), planned.item.to_string())
        });
        let collateral = items.iter().fold(Collateral::default(), |sum, planned| Collateral {
            objects: sum.objects + planned.collateral.objects,
            bytes: sum.bytes + planned.collateral.bytes,
        });
        let cents = terms.cents(items.len() as u64);
        Some(Plan { items, cents, collateral, clean: self.all, concession, alternatives: Vec::new() })
    }

    /// Pages and folders whose tags are told.
    fn items(&self, nodes: &[super::trie::Node], choice: &Choice) -> Vec<Due<'a>> {
        let mut covered = vec![false; self.due.len()];
        let mut items = Vec::new();
        for node in choice.wildcards.iter().map(|&node| &nodes[node]) {
            covered[node.obligations.clone()].fill(true);
            if let Some(cut) = node.cut {
                items.push(Due { text: &self.due[node.obligations.start].text[..cut.length], whole: true });
            }
        }
        items.extend(self.due.iter().zip(covered).filter(|(_, covered)| !covered).map(|(one, _)| *one));
        items
    }

    fn explain(&self, one: Due<'a>) -> Planned {
        let first = self.due.partition_point(|due| due.text < one.text);
        let count = if one.whole { self.due[first..].partition_point(|due| due.text.starts_with(one.text)) } else { 1 };
        let covered = self.due[first..first + count].iter();
        let tag = if one.whole { of_folder(one.text) } else { of_page(one.text) };
        let named = match (one.whole, one.text) {
            (true, "") => "all pages".to_owned(),
            (true, folder) => format!("all of {folder}"),
            (false, key) => key.to_owned(),
        };
        let changed = covered.clone().filter(|due| !self.owed.contains_key(due.text) && !due.whole);
        Planned {
            stands_for: Some(named),
            keys: Names::of(changed.map(|due| Cow::Borrowed(due.text))),
            pending: Names::of(covered.filter_map(|due| self.owed.get(due.text)).map(|item| item.to_string().into())),
            forced_by: Names::default(),
            collateral: match one.whole {
                true => self.clean.sum(&self.clean.under(one.text, self.clean.all())),
                false => Collateral::default(),
            },
            item: Item::Tag(tag),
        }
    }
}

#[cfg(test)]
mod tests;
