//! Tags by example, and the optimum against brute force.

use super::super::{merge, plan};
use super::*;
use crate::release::Key;

fn change(key: &str) -> Change {
    let mut paths = vec![Key::new(key).path()];
    paths.extend(key.strip_suffix("index.html").map(|folder| format!("/{folder}")));
    Change { key: key.to_owned(), paths, families: Vec::new() }
}

/// Changed keys that have tags, changed keys that have none, pages that stay, and assets.
fn edge(tagged: &[&str], untagged: &[&str], clean: &[&str], assets: &[&str]) -> Edge {
    let cached = |key: &&str| Cached { path: Key::new(key).path(), bytes: 1_000 };
    Edge {
        changes: tagged.iter().chain(untagged).map(|key| change(key)).collect(),
        clean: clean.iter().chain(assets).map(cached).collect(),
        tagged: Some(Tagged {
            changed: tagged.iter().map(|key| (*key).to_owned()).collect(),
            clean: clean.iter().map(|key| ((*key).to_owned(), 1_000)).collect(),
        }),
    }
}

fn texts(plan: &Plan) -> Vec<String> {
    plan.items.iter().map(|planned| planned.item.to_string()).collect()
}

fn page(key: &str) -> String {
    format!("#{}", of_page(key))
}

fn folder(key: &str) -> String {
    format!("#{}", of_folder(key))
}

fn strict() -> Terms {
    Terms { collateral: 0.0, ..Terms::default() }
}

#[test]
fn a_changed_page_is_one_tag_and_a_folder_of_which_all_changed_is_one() {
    let one = plan(&edge(&["a/1.html"], &[], &["a/2.html"], &["x.js"]), &strict()).unwrap();
    assert_eq!((texts(&one), one.items[0].to_string()), (vec![page("a/1.html")], "a/1.html; purges nothing else".to_owned()));
    let all = plan(&edge(&["a/1.html", "a/2.html", "a/b/3.html"], &[], &["4.html"], &["a/x.js"]), &strict()).unwrap();
    assert_eq!(texts(&all), [folder("a/")]);
    assert_eq!(all.items[0].to_string(), "all of a/; 3 changed: a/1.html, a/2.html, a/b/3.html; purges nothing else");
    let everything = plan(&edge(&["a/1.html", "2.html"], &[], &[], &["a/x.js"]), &strict()).unwrap();
    assert_eq!(everything.items[0].to_string(), "all pages; 2 changed: 2.html, a/1.html; purges nothing else");
}

#[test]
fn most_of_a_folder_is_one_tag_where_collateral_allows() {
    let dirty = edge(&["a/1.html", "a/2.html", "a/3.html"], &[], &["a/4.html", "b.html"], &[]);
    assert_eq!(texts(&plan(&dirty, &strict()).unwrap()).len(), 3);
    let plan = plan(&dirty, &Terms { collateral: 0.5, ..Terms::default() }).unwrap();
    assert_eq!((texts(&plan), plan.collateral.objects, plan.concession), (vec![folder("a/")], 1, None));
}

#[test]
fn what_has_no_tag_is_purged_by_its_addresses_and_takes_others_along() {
    let plan = |edge: &Edge| texts(&super::super::plan(edge, &strict()).unwrap());
    assert_eq!(plan(&edge(&["a/1.html"], &["b/index.html"], &["c.html"], &[])), ["/b/*".to_owned(), page("a/1.html")]);
    let track = |untagged: &[&str]| {
        let mut edge = edge(&["track/a.html"], untagged, &["c.html"], &[]);
        edge.changes
            .iter_mut()
            .filter(|change| change.key == "track/index.html")
            .for_each(|one| one.families.push("/track/*".to_owned()));
        edge
    };
    assert_eq!(plan(&track(&["track/index.html"])), ["/track/*"], "what that wildcard purges needs no tag");
    // Old pages and new ones together.
    let together = edge(&["a/1.html", "b.html"], &["a/2.html"], &["c.html"], &[]);
    assert_eq!(plan(&together), ["/a/*".to_owned(), "/b.html".to_owned()], "and no more items than by addresses");
}

#[test]
fn full_quotas_widen_to_folders_and_then_to_everything() {
    let dirty = edge(&["a/1.html", "a/2.html", "b/1.html"], &[], &["a/3.html", "a/4.html", "b/2.html", "c.html"], &["x.js"]);
    let narrow = |paths| plan(&dirty, &Terms { paths, ..strict() }).unwrap();
    assert_eq!((texts(&narrow(3)).len(), narrow(3).concession), (3, None));
    let mut expected = vec![page("a/1.html"), page("a/2.html"), folder("b/")];
    assert_ne!(texts(&narrow(2)), expected);
    expected = vec![folder("a/"), page("b/1.html")];
    assert_eq!((texts(&narrow(2)), narrow(2).concession), (expected, Some(Concession::Collateral)));
    assert_eq!((texts(&narrow(1)), narrow(1).collateral.objects), (vec![folder("")], 4));
    // Not one tag more: wildcards are counted apart, and may say it as well.
    assert_eq!(texts(&narrow(0)), ["/a/1.html*", "/a/2.html*", "/b/1.html*"]);
    let last = plan(&dirty, &Terms { paths: 0, wildcards_running: 14, ..strict() }).unwrap();
    assert_eq!((texts(&last), last.collateral.objects, last.concession), (vec!["/*".to_owned()], 5, Some(Concession::Reserve)));
    let none = plan(&dirty, &Terms { paths: 0, wildcards_running: 15, ..strict() });
    assert_eq!(none.unwrap_err(), Refusal::QuotaFull { addresses: 3, paths: 0 });
}

#[test]
fn owed_tags_are_owed_still_and_said_together_with_the_new() {
    let owed = |texts: &[String]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Item>>();
    let dirty = edge(&["a/1.html"], &["n.html"], &["a/2.html", "b/1.html"], &[]);
    let pending = owed(&[page("a/2.html"), "/old".to_owned(), "#p-unknown".to_owned(), page("a/1.html")]);
    let plan = merge(&pending, &dirty, &strict()).unwrap();
    assert_eq!(texts(&plan), ["/n.html".to_owned(), "/old".to_owned(), "#p-unknown".to_owned(), folder("a/")]);
    assert_eq!(
        plan.items[3].to_string(),
        format!("all of a/; still owed: {}, {}; purges nothing else", page("a/1.html"), page("a/2.html"))
    );
    assert_eq!(texts(&merge(&plan.owed(), &dirty, &strict()).unwrap()), texts(&plan), "owing it once more changes nothing");
    let whole = merge(&owed(&[folder("")]), &dirty, &strict()).unwrap();
    assert_eq!((texts(&whole), whole.concession), (vec!["/n.html".to_owned(), folder("")], None));
    // Where tags are not used any more nobody knows which addresses these were.
    let untold = merge(&pending, &Edge { tagged: None, ..dirty }, &strict()).unwrap();
    assert_eq!(texts(&untold), ["/*"]);
}

#[test]
fn a_plan_tells_what_addresses_would_have_cost() {
    let dirty = edge(&["a/index.html", "b/index.html"], &[], &["a/2.html", "b/2.html", "c.html"], &[]);
    let plan = plan(&dirty, &Terms { free: 0, ..strict() }).unwrap();
    assert_eq!((texts(&plan).len(), plan.cents), (2, 1.0));
    let ways: Vec<(Way, u64, f64)> = plan.alternatives.iter().map(|other| (other.way, other.items, other.cents)).collect();
    assert_eq!(ways, [(Way::Paths, 4, 2.0), (Way::Exact, 4, 2.0), (Way::Everything, 1, 0.5)]);
}

#[test]
fn a_page_too_deep_for_a_folders_tag_is_not_purged_by_it() {
    let deep = format!("{}x", "f/".repeat(60));
    let terms = Terms { wildcards: 0, reserve: 0, ..strict() };
    let plan = plan(&edge(&[&deep, "a.html"], &[], &[], &[]), &terms).unwrap();
    assert_eq!(texts(&plan).len(), 2, "{:?}", texts(&plan));
    assert!(tags::of(&deep).split(',').all(|tag| tag != of_folder("")));
}

struct Xorshift(u64);

impl Xorshift {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }

    fn key(&mut self) -> String {
        let folders: String = (0..self.below(3)).map(|_| ["a/", "b/"][self.below(2) as usize]).collect();
        format!("{folders}{}", self.below(4))
    }
}

/// Items, folders among them, and what they purge besides.
type Outcome = (u64, u64, u64, u64);

/// Tries every set of folders. `None` where the quota leaves nothing.
fn brute_force(
    due: &BTreeSet<String>,
    wholes: &BTreeSet<String>,
    clean: &BTreeMap<String, u64>,
    terms: &Terms,
) -> Option<(Outcome, bool)> {
    let all: BTreeSet<&str> = due.iter().chain(wholes).flat_map(|key| folders(key)).collect();
    let all: Vec<&str> = all.into_iter().collect();
    let limit = (clean.len() as f64 * terms.collateral).floor() as u64;
    let sunk = |key: &str| wholes.iter().any(|whole| key.starts_with(whole.as_str()));
    let (mut fewest, mut least) = (None, None);
    for set in 0_u32..1 << all.len() {
        let chosen: Vec<&str> = (0..all.len()).filter(|at| set >> at & 1 == 1).map(|at| all[at]).collect();
        let is_in = |key: &str| chosen.iter().any(|folder| key.starts_with(folder));
        if !wholes.iter().all(|whole| is_in(whole)) {
            continue;
        }
        let items = chosen.len() as u64 + due.iter().filter(|key| !is_in(key)).count() as u64;
        if items > terms.paths {
            continue;
        }
        let purged = clean.iter().filter(|(key, _)| is_in(key));
        let total = purged.clone().fold((0, 0), |sum, (_, bytes)| (sum.0 + 1, sum.1 + bytes));
        let avoidable = purged.filter(|(key, _)| !sunk(key)).fold((0, 0), |sum, (_, bytes)| (sum.0 + 1, sum.1 + bytes));
        let outcome = (items, chosen.len() as u64, total.0, total.1);
        if avoidable.0 <= limit {
            let key = ((items, avoidable.0, avoidable.1, chosen.len()), outcome);
            fewest = Some(fewest.map_or(key, |best| std::cmp::min(best, key)));
        }
        let key = ((avoidable.0, items, avoidable.1, chosen.len()), outcome);
        least = Some(least.map_or(key, |best| std::cmp::min(best, key)));
    }
    let relaxed = fewest.is_none();
    fewest.or(least).map(|best| (best.1, relaxed))
}

#[test]
fn brute_force_finds_nothing_better() {
    let mut random = Xorshift(0x9E37_79B9_7F4A_7C15);
    let mut seen = [0; 4];
    for case in 0..4_000 {
        let due: BTreeSet<String> = (0..1 + random.below(7)).map(|_| random.key()).collect();
        let clean: BTreeMap<String, u64> = (0..random.below(9)).map(|_| (random.key(), random.below(5))).collect();
        let clean: BTreeMap<String, u64> = clean.into_iter().filter(|(key, _)| !due.contains(key)).collect();
        let mut wholes = BTreeSet::new();
        if random.below(4) == 0 {
            let keys: Vec<&String> = due.iter().chain(clean.keys()).collect();
            let key = keys[random.below(keys.len() as u64) as usize];
            let around: Vec<&str> = folders(key).collect();
            wholes.insert(around[random.below(around.len() as u64) as usize].to_owned());
        }
        let edge = Edge {
            changes: due.iter().map(|key| change(key)).collect(),
            clean: clean.iter().map(|(key, bytes)| Cached { path: Key::new(key).path(), bytes: *bytes }).collect(),
            tagged: Some(Tagged { changed: due.clone(), clean: clean.clone() }),
        };
        // Without wildcards nothing else than tags can be fewer.
        let terms = Terms {
            paths: random.below(7),
            wildcards: 0,
            reserve: 0,
            collateral: [0.0, 0.2, 0.5, 1.0][random.below(4) as usize],
            ..Terms::default()
        };
        let pending: Vec<Item> = wholes.iter().map(|whole| Item::Tag(of_folder(whole))).collect();
        let best = brute_force(&due, &wholes, &clean, &terms);
        let Ok(plan) = merge(&pending, &edge, &terms) else {
            assert_eq!(best, None, "case {case}: {due:?} {wholes:?} {clean:?} {terms:?}");
            seen[2] += 1;
            continue;
        };
        let chosen = plan.items.iter().filter(|planned| planned.item.to_string().starts_with("#d-")).count() as u64;
        let outcome = (plan.items.len() as u64, chosen, plan.collateral.objects, plan.collateral.bytes);
        let found = Some((outcome, plan.concession.is_some()));
        assert_eq!(found, best, "case {case}: {due:?} {wholes:?} {clean:?} {terms:?} {:?}", texts(&plan));
        seen[usize::from(plan.concession.is_some())] += 1;
        seen[3] += usize::from(!wholes.is_empty());
        for key in &due {
            let tags = tags::of(key);
            assert!(texts(&plan).iter().any(|item| tags.split(',').any(|tag| item[1..] == *tag)), "{key}: {:?}", texts(&plan));
        }
    }
    assert!(seen.iter().all(|&count| count > 100), "some kind of case is rare: {seen:?}");
}

/// With new pages among them, and wildcards: everything is purged, and by no more items than addresses would take.
#[test]
fn everything_is_purged_by_no_more_items_than_addresses_take() {
    let mut random = Xorshift(0xD1B5_4A32_D192_ED03);
    for case in 0..3_000 {
        let keys: BTreeSet<String> = (0..1 + random.below(9)).map(|_| random.key()).collect();
        let clean: BTreeSet<String> = (0..random.below(9)).map(|_| random.key()).filter(|key| !keys.contains(key)).collect();
        let (tagged, untagged): (Vec<&str>, Vec<&str>) = keys.iter().map(String::as_str).partition(|_| random.below(3) > 0);
        let clean: Vec<&str> = clean.iter().map(String::as_str).collect();
        let edge = edge(&tagged, &untagged, &clean, &["a/x.js"]);
        let terms = Terms {
            paths: 1 + random.below(9),
            wildcards: 1 + random.below(4),
            reserve: 0,
            collateral: [0.0, 0.2, 1.0][random.below(3) as usize],
            ..Terms::default()
        };
        let plan = plan(&edge, &terms).unwrap();
        let by_paths = super::super::plan(&Edge { tagged: None, ..edge.clone() }, &terms).unwrap();
        assert!(
            plan.concession.is_some() || by_paths.concession.is_some() || plan.items.len() <= by_paths.items.len(),
            "case {case}"
        );
        for change in &edge.changes {
            let tags = tags::of(&change.key);
            let by_tag = tagged.contains(&change.key.as_str())
                && plan
                    .items
                    .iter()
                    .any(|planned| matches!(&planned.item, Item::Tag(tag) if tags.split(',').any(|one| one == tag)));
            let by_path = change.paths.iter().all(|path| plan.items.iter().any(|planned| planned.item.covers(path)));
            assert!(by_tag || by_path, "case {case}: {} in {:?}", change.key, texts(&plan));
        }
        let count = |is: fn(&Item) -> bool| plan.items.iter().filter(|planned| is(&planned.item)).count() as u64;
        assert!(count(|item| matches!(item, Item::Wildcard(_))) <= terms.wildcards);
        assert!(count(|item| !matches!(item, Item::Wildcard(_))) <= terms.paths);
    }
}
