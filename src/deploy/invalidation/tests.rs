//! The rules by example, and the optimum against brute force.

use super::choose::{Limits, choose, choose_after};
use super::trie::{Clean, Obligation, trie};
use super::*;

fn change(key: &str, paths: &[&str]) -> Change {
    Change { key: key.to_owned(), paths: paths.iter().map(|path| (*path).to_owned()).collect(), families: Vec::new() }
}

/// A page as its key, its directory with the slash and without.
fn page(directory: &str) -> Change {
    let paths = [&format!("/{directory}/index.html"), &format!("/{directory}/"), &format!("/{directory}")];
    change(&format!("{directory}/index.html"), &paths.map(String::as_str))
}

fn cached(path: &str) -> Cached {
    Cached { path: path.to_owned(), bytes: 1_000 }
}

fn edge(changes: Vec<Change>, clean: &[&str]) -> Edge {
    Edge { changes, clean: clean.iter().map(|path| cached(path)).collect(), tagged: None }
}

fn texts(plan: &Plan) -> Vec<String> {
    plan.items.iter().map(|planned| planned.item.to_string()).collect()
}

fn planned(edge: &Edge, terms: &Terms) -> Vec<String> {
    texts(&plan(edge, terms).unwrap())
}

fn strict() -> Terms {
    Terms { collateral: 0.0, ..Terms::default() }
}

#[test]
fn a_changed_track_page_is_one_wildcard() {
    let track = Change { families: vec!["/track/*".to_owned()], ..page("track") };
    let track = Change { paths: vec!["/track/index.html".to_owned(), "/track/".to_owned()], ..track };
    let plan = plan(&edge(vec![track], &["/index.html", "/about/index.html", "/track/map.svg"]), &Terms::default()).unwrap();
    assert_eq!(texts(&plan), ["/track/*"]);
    assert!(plan.items[0].is_forced());
    assert_eq!(
        plan.items[0].to_string(),
        "1 changed: track/index.html; needs a wildcard: /track/*; also purges 1 unchanged, 1000 bytes"
    );
    assert_eq!(plan.concession, None);
}

#[test]
fn a_family_beside_the_bare_path_takes_it_along_only_where_that_purges_nothing_else() {
    let track = Change { families: vec!["/track/*".to_owned()], ..page("track") };
    assert_eq!(planned(&edge(vec![track.clone()], &["/index.html"]), &strict()), ["/track*"]);
    assert_eq!(planned(&edge(vec![track], &["/tracking.html"]), &strict()), ["/track", "/track/*"]);
}

#[test]
fn one_page_of_ten_thousand_is_its_own_paths() {
    let clean: Vec<String> = (1..10_000).map(|number| format!("/p/{number:04}/index.html")).collect();
    let clean: Vec<&str> = clean.iter().map(String::as_str).collect();
    let plan = plan(&edge(vec![change("p/0000/index.html", &["/p/0000/index.html"])], &clean), &Terms::default()).unwrap();
    assert_eq!(texts(&plan), ["/p/0000/index.html"]);
    assert_eq!(plan.collateral, Collateral::default());
    assert_eq!(plan.cents, 0.0);
    // Its key and its viewers' paths have a beginning that no other page has.
    let items = planned(&edge(vec![page("p/0000")], &clean), &Terms::default());
    assert_eq!(items, ["/p/0000*"]);
}

#[test]
fn a_page_that_others_begin_like_is_purged_without_them_if_nothing_else_may_go() {
    let clean = ["/p/10/index.html", "/p/11/index.html", "/p/2/index.html"];
    assert_eq!(planned(&edge(vec![page("p/1")], &clean), &strict()), ["/p/1", "/p/1/*"]);
}

#[test]
fn a_template_edit_purges_everything_and_says_so() {
    let pages: Vec<Change> = (0..1_000).map(|number| page(&format!("p/{number}"))).chain([page("about")]).collect();
    let plan = plan(&edge(pages, &["/_a/0f/site.0f.css", "/robots.txt"]), &Terms { collateral: 1.0, ..Terms::default() }).unwrap();
    assert_eq!(texts(&plan), ["/*"]);
    assert_eq!(
        plan.items[0].to_string(),
        "1001 changed: about/index.html, p/0/index.html, p/1/index.html and 998 more; also purges 2 unchanged, 2000 bytes"
    );
    let way = |way| plan.alternatives.iter().find(|alternative| alternative.way == way).unwrap();
    assert_eq!((way(Way::Exact).items, way(Way::Exact).fits), (3_003, false));
    assert_eq!(way(Way::Exact).cents, 1_001.5);
    assert_eq!((way(Way::Tags).items, way(Way::Tags).cents), (1_001, 0.5));
    assert_eq!(way(Way::Everything).collateral.objects, 2);
}

#[test]
fn a_template_edit_leaves_the_hashed_files_in_the_cache_if_directories_suffice() {
    let pages: Vec<Change> = (0..1_000).map(|number| page(&format!("p/{number}"))).chain([page("about")]).collect();
    let clean: Vec<String> = (0..200).map(|number| format!("/_a/{number}.js")).collect();
    let clean: Vec<&str> = clean.iter().map(String::as_str).collect();
    assert_eq!(planned(&edge(pages, &clean), &Terms::default()), ["/about*", "/p/*"]);
}

#[test]
fn a_removed_directory_is_one_wildcard() {
    let removed: Vec<Change> = (0..20).map(|number| page(&format!("old/{number}"))).collect();
    let plan = plan(&edge(removed, &["/older/index.html", "/index.html"]), &strict()).unwrap();
    assert_eq!(texts(&plan), ["/old/*"]);
    assert_eq!(
        plan.items[0].to_string(),
        "20 changed: old/0/index.html, old/1/index.html, old/10/index.html and 17 more; purges nothing else"
    );
    assert!(!plan.items[0].is_forced());
}

#[test]
fn siblings_that_begin_alike_are_collateral() {
    let dirty = vec![change("a", &["/a"]), change("a/x", &["/a/x"]), change("a/y", &["/a/y"])];
    assert_eq!(planned(&edge(dirty.clone(), &["/ab", "/c"]), &strict()), ["/a", "/a/*"]);
    let plan = plan(&edge(dirty, &["/ab", "/c"]), &Terms { collateral: 0.5, ..Terms::default() }).unwrap();
    assert_eq!(texts(&plan), ["/a*"]);
    assert_eq!(plan.collateral.objects, 1);
}

#[test]
fn case_counts() {
    let dirty = vec![change("A/x", &["/A/x"]), change("A/y", &["/A/y"])];
    assert_eq!(planned(&edge(dirty, &["/a/x", "/a/y"]), &strict()), ["/A/*"]);
}

#[test]
fn of_equal_choices_the_first_in_order_is_taken() {
    let dirty = ["b/1", "b/2", "a/1", "a/2"].map(|key| change(key, &[&format!("/{key}")])).to_vec();
    let terms = Terms { wildcards: 1, reserve: 0, ..strict() };
    assert_eq!(planned(&edge(dirty, &["/c"]), &terms), ["/a/*", "/b/1", "/b/2"]);
}

#[test]
fn full_quotas_widen_as_little_as_needed() {
    // Every second page of each directory: no wildcard is without collateral.
    let (mut dirty, mut clean) = (Vec::new(), Vec::new());
    for directory in ["a", "b", "c"] {
        for number in 0..10 {
            let path = format!("/{directory}/{number}");
            if number % 2 == 0 { dirty.push(change(&path, &[&path])) } else { clean.push(path) }
        }
    }
    clean.retain(|path| path != "/b/1");
    let edge = edge(dirty, &clean.iter().map(String::as_str).collect::<Vec<_>>());
    let terms = Terms { paths: 10, wildcards: 3, ..Terms::default() };
    let widened = plan(&edge, &terms).unwrap();
    assert_eq!(widened.concession, Some(Concession::Collateral));
    assert_eq!(texts(&widened).iter().filter(|item| item.ends_with('*')).collect::<Vec<_>>(), ["/b/*"]);
    assert_eq!(widened.collateral.objects, 4);
    // Nothing but a wildcard is left.
    let everything = plan(&edge, &Terms { paths_running: 10, ..terms.clone() }).unwrap();
    assert_eq!(texts(&everything), ["/*"]);
    // The wildcards for us are in use, then all are.
    let reserved = plan(&edge, &Terms { wildcards_running: 1, ..terms.clone() }).unwrap();
    assert_eq!(reserved.concession, Some(Concession::Reserve));
    let full = plan(&edge, &Terms { wildcards_running: 3, ..terms }).unwrap_err();
    assert_eq!(full, Refusal::QuotaFull { addresses: 15, paths: 10 });
    assert_eq!(full.to_string(), "15 addresses have to be purged, the invalidations in progress leave 10 paths and no wildcard");
}

#[test]
fn families_beyond_the_quota_share_a_wildcard() {
    let families = ["/a/x/", "/a/y/", "/b/"];
    let dirty = families.map(|prefix| Change { families: vec![format!("{prefix}*")], ..change(prefix, &[]) }).to_vec();
    let terms = Terms { wildcards: 2, reserve: 0, ..strict() };
    let plan = plan(&edge(dirty, &["/a/z", "/c"]), &terms).unwrap();
    assert_eq!(texts(&plan), ["/a/*", "/b/*"]);
    assert_eq!(plan.items[0].forced_by.first, ["/a/x/*", "/a/y/*"]);
    assert_eq!(plan.concession, Some(Concession::Collateral));
}

#[test]
fn a_star_in_a_key_is_no_wildcard_and_one_at_its_end_needs_one() {
    assert_eq!(planned(&edge(vec![change("a*b", &["/a*b"])], &["/axb"]), &strict()), ["/a*b"]);
    let plan = plan(&edge(vec![change("a*", &["/a*"])], &["/ab", "/c"]), &strict()).unwrap();
    assert_eq!(texts(&plan), ["/a*"]);
    assert_eq!(plan.items[0].item, Item::Wildcard("/a".to_owned()));
    assert_eq!(plan.items[0].to_string(), "1 changed: a*; needs a wildcard: /a*; also purges 1 unchanged, 1000 bytes");
    assert_eq!(planned(&edge(vec![change("a**", &["/a**"])], &[]), &strict()), ["/a*"]);
}

#[test]
fn a_tilde_cannot_be_said_and_is_covered_from_before_it() {
    let plan = plan(&edge(vec![change("runtime~main.js", &["/runtime~main.js"])], &["/runtime.js", "/index.html"]), &strict());
    assert_eq!(texts(&plan.unwrap()), ["/runtime*"]);
}

#[test]
fn a_wildcard_never_splits_a_character() {
    // é and è share the first of their two bytes.
    let beneath = vec![change("x/é", &["/x/%C3%A9"]), change("x/è", &["/x/%C3%A8"])];
    assert_eq!(planned(&edge(beneath, &["/a"]), &strict()), ["/x/*"]);
    let items = planned(&edge(vec![change("é", &["/%C3%A9"]), change("è", &["/%C3%A8"])], &["/a"]), &strict());
    assert_eq!(items, ["/%C3%A8", "/%C3%A9"]);
}

#[test]
fn paths_that_cloudfront_refuses_are_refused_here() {
    let refused = |path: &str| plan(&edge(vec![change("x", &[path])], &[]), &strict()).unwrap_err().to_string();
    assert_eq!(refused("a/b"), "`a/b` cannot be invalidated: it does not begin with `/`");
    assert_eq!(refused("/a b"), "`/a b` cannot be invalidated: it holds a character that is not percent-encoded");
    assert_eq!(refused("/é"), "`/é` cannot be invalidated: it holds a character that is not percent-encoded");
    assert_eq!(refused("/100%"), "`/100%` cannot be invalidated: a `%` is not followed by two hexadecimal digits");
    let family = Change { families: vec!["/track/".to_owned()], ..change("track", &[]) };
    let refusal = plan(&edge(vec![family], &[]), &strict()).unwrap_err().to_string();
    assert_eq!(refusal, "`/track/` cannot be invalidated: a family ends in `*`");
}

#[test]
fn a_path_longer_than_accepted_is_covered_by_the_longest_wildcard() {
    let long = format!("/{}", "x".repeat(MAX_PATH));
    let items = planned(&edge(vec![change("x", &[&long])], &[]), &strict());
    assert_eq!(items, [format!("{}*", &long[..MAX_PATH - 1])]);
    let longest = &long[..MAX_PATH];
    assert_eq!(planned(&edge(vec![change("x", &[longest])], &[]), &strict()), [longest]);
}

#[test]
fn query_strings_in_the_cache_key_need_wildcards() {
    let terms = Terms { queries: true, ..strict() };
    let dirty = edge(vec![change("a", &["/a"]), change("b", &["/b/c"])], &["/about", "/d"]);
    let plan = plan(&dirty, &terms).unwrap();
    assert_eq!(texts(&plan), ["/a*", "/b/c*"]);
    assert_eq!((plan.collateral.objects, plan.concession), (1, None));
}

#[test]
fn nothing_changed_is_no_request() {
    assert_eq!(plan(&edge(Vec::new(), &["/a"]), &Terms::default()).unwrap().items, []);
}

#[test]
fn what_an_interrupted_publish_owes_is_said_together_with_the_new() {
    let pending: Vec<Item> = ["/old/a", "/track/*"].map(|item| item.parse().unwrap()).to_vec();
    let edge = edge(vec![change("old/b", &["/old/b"]), change("track/x", &["/track/x"])], &["/old/a", "/c"]);
    let plan = merge(&pending, &edge, &strict()).unwrap();
    assert_eq!(texts(&plan), ["/old/*", "/track/*"]);
    assert_eq!(plan.items[0].to_string(), "1 changed: old/b; still owed: /old/a; purges nothing else");
    assert_eq!(
        plan.items[1].to_string(),
        "1 changed: track/x; still owed: /track/*; needs a wildcard: /track/*; purges nothing else"
    );
    // What is owed is as good as its text, and owing it once more changes nothing.
    let read: Vec<Item> = texts(&plan).iter().map(|item| item.parse().unwrap()).collect();
    assert_eq!(read, plan.owed());
    assert_eq!(texts(&merge(&read, &edge, &strict()).unwrap()), texts(&plan));
}

#[test]
fn the_free_paths_of_the_month_come_first() {
    let dirty: Vec<Change> = ["/a", "/b", "/c"].map(|path| change(path, &[path])).to_vec();
    let edge = edge(dirty, &["/d"]);
    let cents = |free| plan(&edge, &Terms { free, ..strict() }).unwrap().cents;
    assert_eq!([cents(3), cents(2), cents(0)], [0.0, 0.5, 1.5]);
}

#[test]
fn a_batch_has_the_same_name_each_time() {
    let reference = |token, items: &[Item]| caller_reference("ab12", 7, token, items);
    let one = [Item::Path("/a".to_owned())];
    assert_eq!(reference("t", &one), reference("t", &one));
    assert!(reference("t", &one).starts_with("qdn-ab12-7-t-"));
    assert_ne!(reference("t", &one), reference("u", &one));
    assert_ne!(reference("t", &one), reference("t", &[Item::Wildcard("/a".to_owned())]), "a path and a wildcard are not the same");
}

struct Xorshift(u64);

impl Xorshift {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }

    fn one_in(&mut self, odds: u64) -> bool {
        self.below(odds) == 0
    }

    fn path(&mut self, longest: u64) -> String {
        let mut path = "/".to_owned();
        for _ in 0..self.below(longest + 1) {
            path += match self.below(40) {
                0..=13 => "a",
                14..=27 => "b",
                28..=36 => "/",
                37 => "%C3%A9",
                38 => "%C3%A8",
                _ => ["*", "~"][self.below(2) as usize],
            };
        }
        path
    }

    fn edge(&mut self) -> Edge {
        let dirty = 1 + self.below(7);
        let mut changes: Vec<Change> = (0..dirty).map(|number| change(&number.to_string(), &[&self.path(4)])).collect();
        if self.one_in(3) {
            changes[0].families = vec![format!("{}*", self.path(3))];
        }
        if self.one_in(6) {
            changes.push(Change { families: vec![format!("{}*", self.path(3))], ..Change::default() });
        }
        let clean = (0..self.below(8)).map(|_| Cached { path: self.path(4), bytes: self.below(5) }).collect();
        Edge { changes, clean, tagged: None }
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            list.swap(at, self.below(at as u64 + 1) as usize);
        }
    }
}

/// Where a star may stand: after whole characters, before any tilde, not after a star.
fn prefixes(path: &str) -> Vec<String> {
    let mut prefixes = Vec::new();
    let mut rest = path;
    let mut prefix = String::new();
    while !rest.is_empty() && !rest.starts_with('~') {
        let length = if rest.starts_with("%C3") { 6 } else { 1 };
        prefix += &rest[..length];
        rest = &rest[length..];
        if !prefix.ends_with('*') {
            prefixes.push(prefix.clone());
        }
    }
    prefixes
}

/// Items, wildcards, and what they purge of the objects and bytes that are clean.
type Outcome = (u64, u64, u64, u64);

/// Tries every set of wildcards that could matter. `None` where the quotas leave nothing.
fn brute_force(edge: &Edge, terms: &Terms) -> Option<(Outcome, Option<Concession>)> {
    let unsayable = |path: &str| path.contains('~') || path.ends_with('*');
    let paths: BTreeSet<&str> = edge.changes.iter().flat_map(|change| &change.paths).map(String::as_str).collect();
    let families = edge.changes.iter().flat_map(|change| &change.families).map(|family| &family[..family.len() - 1]);
    let wholes = paths.iter().copied().filter(|path| unsayable(path)).chain(families);
    let wholes: BTreeSet<String> = wholes.filter_map(|prefix| prefixes(prefix).pop()).collect();
    let single: Vec<&str> = paths.iter().copied().filter(|path| !unsayable(path)).collect();
    let clean: BTreeSet<(&str, u64)> = edge.clean.iter().map(|one| (one.path.as_str(), one.bytes)).collect();
    let mut clean: Vec<(&str, u64)> = clean.into_iter().filter(|(path, _)| !paths.contains(path)).collect();
    clean.dedup_by_key(|one| one.0);
    let sunk = |path: &str| wholes.iter().any(|whole| path.starts_with(whole.as_str()));

    // What a wildcard covers, as bits; of those that cover the same one is enough.
    let bits = |bits: &mut dyn Iterator<Item = bool>| bits.enumerate().map(|(at, bit)| u32::from(bit) << at).sum::<u32>();
    let covering = |prefix: &str| {
        let single = bits(&mut single.iter().map(|path| path.starts_with(prefix)));
        let wholes = bits(&mut wholes.iter().map(|whole| whole.starts_with(prefix)));
        (single, wholes, bits(&mut clean.iter().map(|one| one.0.starts_with(prefix))))
    };
    let sources = single.iter().map(|path| (*path).to_owned()).chain(wholes.iter().cloned());
    let candidates: BTreeSet<(u32, u32, u32)> = sources.flat_map(|path| prefixes(&path)).map(|prefix| covering(&prefix)).collect();
    let candidates: Vec<(u32, u32, u32)> = candidates.into_iter().collect();
    assert!(candidates.len() < 20, "too many to try");

    let all_objects = clean.len() as u64;
    let limit = (all_objects as f64 * terms.collateral).floor() as u64;
    let attempt = |wildcards: u64| -> Option<(Outcome, bool)> {
        let (mut fewest, mut least) = (None, None);
        for set in 0_u32..1 << candidates.len() {
            let chosen = (0..candidates.len()).filter(|at| set >> at & 1 == 1);
            let (one, whole, purged) =
                chosen.fold((0, 0, 0), |sum, at| (sum.0 | candidates[at].0, sum.1 | candidates[at].1, sum.2 | candidates[at].2));
            let used = u64::from(set.count_ones());
            let alone = single.len() as u64 - u64::from(one.count_ones());
            // A path that a whole prefix covers needs no item, and every plan covers the whole prefix.
            if used > wildcards || alone > terms.paths || whole.count_ones() as usize != wholes.len() {
                continue;
            }
            let purged = |spared: &dyn Fn(&str) -> bool| {
                let purged = clean.iter().enumerate().filter(|(at, one)| purged >> at & 1 == 1 && !spared(one.0));
                purged.fold((0, 0), |sum, (_, one)| (sum.0 + 1, sum.1 + one.1))
            };
            let (objects, bytes) = purged(&|path| sunk(path));
            let total = purged(&|_| false);
            let outcome = (alone + used, used, total.0, total.1);
            if objects <= limit {
                let key = ((alone + used, objects, bytes, used), outcome);
                fewest = Some(fewest.map_or(key, |best| std::cmp::min(best, key)));
            }
            let key = ((objects, alone + used, bytes, used), outcome);
            least = Some(least.map_or(key, |best| std::cmp::min(best, key)));
        }
        let relaxed = fewest.is_none();
        fewest.or(least).map(|best| (best.1, relaxed))
    };
    if let Some((outcome, relaxed)) = attempt(terms.wildcards - terms.reserve) {
        return Some((outcome, relaxed.then_some(Concession::Collateral)));
    }
    attempt(terms.wildcards).map(|(outcome, _)| (outcome, Some(Concession::Reserve)))
}

#[test]
fn brute_force_finds_nothing_better() {
    let mut random = Xorshift(0x9E37_79B9_7F4A_7C15);
    let mut conceded = [0; 4];
    for case in 0..6_000 {
        let mut edge = random.edge();
        let wildcards = random.below(5);
        let terms = Terms {
            paths: random.below(8),
            wildcards,
            reserve: random.below(2).min(wildcards),
            collateral: [0.0, 0.1, 0.3, 0.5, 1.0][random.below(5) as usize],
            ..Terms::default()
        };
        let found = plan(&edge, &terms);
        let best = brute_force(&edge, &terms);
        let Ok(plan) = found else {
            assert_eq!(best, None, "case {case}: {edge:?} {terms:?}");
            conceded[3] += 1;
            continue;
        };
        let wildcards = plan.items.iter().filter(|planned| matches!(planned.item, Item::Wildcard(_))).count() as u64;
        let outcome = (plan.items.len() as u64, wildcards, plan.collateral.objects, plan.collateral.bytes);
        assert_eq!(Some((outcome, plan.concession)), best, "case {case}: {edge:?} {terms:?} {:?}", texts(&plan));
        conceded[plan.concession.map_or(0, |concession| 1 + concession as usize)] += 1;

        let allowed = if plan.concession == Some(Concession::Reserve) { terms.wildcards } else { terms.wildcards - terms.reserve };
        assert!(wildcards <= allowed && plan.items.len() as u64 - wildcards <= terms.paths);
        for path in edge.changes.iter().flat_map(|change| &change.paths) {
            assert_eq!(plan.items.iter().filter(|planned| planned.item.covers(path)).count(), 1, "{path} in {:?}", texts(&plan));
        }
        for family in edge.changes.iter().flat_map(|change| &change.families) {
            let covers = |item: &Item| matches!(item, Item::Wildcard(prefix) if family.starts_with(prefix.as_str()));
            let tilde = family.contains('~') || family.ends_with("**");
            assert!(tilde || plan.items.iter().any(|planned| covers(&planned.item)), "{family} in {:?}", texts(&plan));
            // A member of the family that nobody has listed.
            let member = format!("{}zz", &family[..family.len() - 1]);
            assert!(plan.items.iter().any(|planned| planned.item.covers(&member)));
        }
        let purged = edge.clean.iter().map(|one| one.path.as_str()).collect::<BTreeSet<_>>().into_iter();
        let purged = purged.filter(|path| !edge.changes.iter().any(|change| change.paths.iter().any(|dirty| dirty == path)));
        let purged = purged.filter(|path| plan.items.iter().any(|planned| planned.item.covers(path)));
        assert_eq!(purged.count() as u64, plan.collateral.objects);
        for planned in &plan.items {
            assert_eq!(planned.item.to_string().parse::<Item>().unwrap(), planned.item);
        }

        random.shuffle(&mut edge.changes);
        random.shuffle(&mut edge.clean);
        assert_eq!(texts(&super::plan(&edge, &terms).unwrap()), texts(&plan));
    }
    assert!(conceded.iter().all(|&count| count > 100), "some kind of case is rare: {conceded:?}");
}

/// Larger trees than brute force can try: without prices the search is a plain Pareto knapsack.
#[test]
fn prices_change_the_time_and_not_the_choice() {
    let mut random = Xorshift(0xD1B5_4A32_D192_ED03);
    for case in 0..300 {
        let dirty: BTreeSet<String> = (0..20 + random.below(60)).map(|_| random.path(7).replace(['~', '*'], "c")).collect();
        let clean: BTreeSet<String> = (0..random.below(80)).map(|_| random.path(7)).collect();
        let clean: Vec<&str> = clean.iter().filter(|path| !dirty.contains(*path)).map(String::as_str).collect();
        let obligations: Vec<Obligation<'_>> = dirty.iter().map(|text| Obligation { text, whole: false }).collect();
        let nodes = trie(&obligations, &Clean::new(clean.iter().map(|path| (*path, 1))));
        let limits = Limits {
            paths: random.below(obligations.len() as u64 + 5),
            wildcards: 1 + random.below(8),
            objects: random.below(clean.len() as u64 / 2 + 1),
        };
        assert_eq!(choose(&nodes, limits), choose_after(0, &nodes, limits), "case {case}");
    }
}
