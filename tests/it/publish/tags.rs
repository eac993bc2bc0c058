//! Publishing by cache tags: what is purged is no more than what changed, and no less, however visitors came to it.

use super::program::Rehearsal;
use super::*;
use qdn::deploy::invalidation::tags;
use qdn::deploy::options::Mode;
use qdn::deploy::remote::{Described, When};
use serde_json::Value;

/// Pages and the versions that they are of.
type Pages<'a> = &'a [(&'a str, &'a str)];

fn release(pages: Pages<'_>) -> Release {
    let page = |(key, version): &(&str, &str)| Object::new(Key::new(key), format!("{key} {version}").into_bytes(), Class::Page);
    let mut objects: Vec<Object> = pages.iter().map(page).collect();
    objects.push(Object::new(Key::new("assets/a.1.js"), b"1".to_vec(), Class::Immutable));
    let viewer_request = BTreeMap::from([("site".to_owned(), "f".to_owned())]);
    let policy = Headers::new(&BTreeSet::new(), &BTreeSet::new(), Vec::new());
    assemble(BTreeMap::from([("site".to_owned(), objects)]), vec![function("")], &viewer_request, policy, BTreeMap::new())
}

const ONE: Pages<'static> = &[
    ("404.html", "1"),
    ("about/index.html", "1"),
    ("blog/a/index.html", "1"),
    ("blog/b/index.html", "1"),
    ("blog/index.html", "1"),
    ("index.html", "1"),
    ("track/index.html", "1"),
];

/// The pages with some of another version. None where the version is empty.
fn with(changes: Pages<'_>) -> Release {
    let mut pages: BTreeMap<&str, &str> = ONE.iter().copied().collect();
    pages.extend(changes.iter().copied());
    let pages: Vec<(&str, &str)> = pages.into_iter().filter(|(_, version)| !version.is_empty()).collect();
    release(&pages)
}

fn by_tags(stage: Stage) -> Stage {
    Stage { mode: Mode::Tags, ..stage }
}

fn items(receipt: &Receipt) -> Vec<String> {
    receipt.purged.values().flat_map(|purged| purged.items.iter().map(ToString::to_string)).collect()
}

fn page(key: &str) -> String {
    format!("#{}", tags::of_page(key))
}

fn folder(key: &str) -> String {
    format!("#{}", tags::of_folder(key))
}

/// The edge comes to hold what visitors ask for, by the addresses that they type.
async fn visit_all(stage: &Stage) {
    for path in ["/", "/about/", "/blog/", "/blog/a/", "/blog/b/", "/blog/c/", "/track/one", "/track/two", "/nowhere", "/404.html"]
    {
        visit(stage, path).await;
    }
}

async fn body(stage: &Stage, path: &str) -> String {
    visit(stage, path).await.1
}

/// The tags of every page are those of its key, and no asset has any.
async fn all_carry_tags(stage: &Stage) {
    let bucket = &stage.distributions["site"].bucket;
    for one in bucket.list("").await.unwrap() {
        let stat = bucket.stat(&one.key).await.unwrap().unwrap();
        let expected = if one.key.starts_with("assets/") { String::new() } else { tags::of(&one.key) };
        assert_eq!(stat.cache_tag, expected, "{}", one.key);
    }
}

async fn tagged(stage: &Stage) -> BTreeMap<String, String> {
    apply::state(stage, &context("looker")).await.unwrap().unwrap().tagged
}

/// Publishes, and sees that the first request purged all there was: nothing was found stale afterwards.
async fn publish_well(release: &Release, stage: &Stage) -> Receipt {
    visit_all(stage).await;
    let receipt = publish(release, stage, &context("ann")).await.unwrap();
    let verified = &receipt.verified;
    assert!(verified.stale.is_empty() && verified.purged_again.is_empty() && verified.untagged.is_empty(), "{verified:?}");
    serves(stage, release).await;
    receipt
}

#[tokio::test]
async fn the_first_publish_by_tags_stores_all_pages_anew_and_purges_everything_once() {
    let root = scratch();
    let by_paths = stage("local", &directory(root.path()));
    let stage = by_tags(by_paths.clone());
    publish_well(&with(&[]), &by_paths).await;
    assert!(tagged(&stage).await.is_empty());
    let receipt = publish_well(&with(&[]), &stage).await;
    assert_eq!((items(&receipt), receipt.uploaded, receipt.unchanged), (vec!["/*".to_owned()], ONE.len(), 1));
    all_carry_tags(&stage).await;
    assert_eq!(tagged(&stage).await, BTreeMap::from([("site".to_owned(), "site".to_owned())]));
    let seq = apply::state(&stage, &context("looker")).await.unwrap().unwrap().seq;
    assert!(items(&publish_well(&with(&[]), &stage).await).is_empty(), "once is enough");
    assert_eq!(apply::state(&stage, &context("looker")).await.unwrap().unwrap().seq, seq);
    let receipt = publish_well(&with(&[("about/index.html", "2")]), &stage).await;
    assert_eq!((items(&receipt), receipt.uploaded), (vec![page("about/index.html")], 2), "its body and itself");
    all_carry_tags(&stage).await;
    // Addresses again: nothing is stored for that, and the record is gone with the next release.
    let receipt = publish_well(&with(&[("about/index.html", "3")]), &by_paths).await;
    assert_eq!((items(&receipt), receipt.uploaded), (vec!["/about/*".to_owned()], 2));
    assert!(tagged(&stage).await.is_empty());
    let receipt = publish_well(&with(&[("about/index.html", "4")]), &stage).await;
    assert_eq!((items(&receipt), receipt.uploaded), (vec!["/*".to_owned()], ONE.len() + 1));
    all_carry_tags(&stage).await;
}

#[tokio::test]
async fn a_page_is_one_item_whatever_leads_to_it() {
    let root = scratch();
    let stage = by_tags(stage("local", &directory(root.path())));
    assert_eq!(items(&publish_well(&with(&[]), &stage).await), ["/*"], "a cached 404 has no tag");
    // By every token.
    let receipt = publish_well(&with(&[("track/index.html", "2")]), &stage).await;
    assert_eq!(items(&receipt), [page("track/index.html")]);
    assert_eq!(body(&stage, "/track/one").await, "track/index.html 2");
    // Removed.
    let receipt = publish_well(&with(&[("track/index.html", "2"), ("about/index.html", "")]), &stage).await;
    assert_eq!(items(&receipt), [page("about/index.html")]);
    assert_eq!(visit(&stage, "/about/").await.0, 404);
    // There again, where the edge holds a 404.
    let receipt = publish_well(&with(&[("track/index.html", "2")]), &stage).await;
    assert_eq!(items(&receipt), ["/about/*"]);
    // A folder of which all has changed, and something new in it.
    let blog = [("blog/index.html", "3"), ("blog/a/index.html", "3"), ("blog/b/index.html", "3"), ("track/index.html", "2")];
    assert_eq!(items(&publish_well(&with(&blog), &stage).await), [folder("blog/")]);
    let more = [("blog/index.html", "4"), ("blog/c/index.html", "4"), ("blog/a/index.html", "3"), ("blog/b/index.html", "3")];
    let receipt = publish_well(&with(&[more.as_slice(), &[("track/index.html", "2")]].concat()), &stage).await;
    assert_eq!(items(&receipt), [page("blog/index.html"), "/blog/c/*".to_owned()].into_iter().rev().collect::<Vec<_>>());
    // Everything.
    let all: Vec<(&str, &str)> = ONE.iter().map(|(key, _)| (*key, "5")).collect();
    let receipt = publish_well(&with(&all), &stage).await;
    assert_eq!(items(&receipt), [folder("")], "the assets stay in the cache");
}

#[tokio::test]
async fn a_rollback_and_a_promotion_obey_the_mode_of_where_they_go() {
    let (root, aside) = (scratch(), scratch());
    let staging = stage("staging", &directory(root.path()));
    let production = by_tags(stage("production", &directory(aside.path())));
    let two = with(&[("about/index.html", "2"), ("blog/a/index.html", "")]);
    for (release, expected) in
        [(with(&[]), vec!["/*".to_owned()]), (two, vec![page("about/index.html"), page("blog/a/index.html")])]
    {
        publish_well(&release, &staging).await;
        visit_all(&production).await;
        let supply = Supply::Stage(&staging);
        let receipt = bring(Kind::Promote, &release.manifest, supply, &production, &context("ann")).await.unwrap();
        assert_eq!(items(&receipt), expected);
        assert!(receipt.verified.purged_again.is_empty(), "{:?}", receipt.verified);
        serves(&production, &release).await;
        all_carry_tags(&production).await;
        assert!(tagged(&staging).await.is_empty());
    }
    visit_all(&production).await;
    let supply = Supply::Stage(&production);
    let receipt = bring(Kind::Rollback, &with(&[]).manifest, supply, &production, &context("ann")).await.unwrap();
    assert_eq!(items(&receipt), ["/blog/a/*".to_owned(), page("about/index.html")]);
    assert!(receipt.verified.purged_again.is_empty(), "{:?}", receipt.verified);
    serves(&production, &with(&[])).await;
    all_carry_tags(&production).await;
}

#[tokio::test]
async fn copies_that_know_no_tags_are_found_and_purged_by_address() {
    let root = scratch();
    let stage = by_tags(stage("local", &directory(root.path())));
    publish_well(&with(&[]), &stage).await;
    // The edge gets its copies while somebody has taken the tags away.
    let bucket = &stage.distributions["site"].bucket;
    for is_away in [true, false] {
        for (key, version) in ONE {
            let stat = bucket.stat(key).await.unwrap().unwrap();
            let text = format!("{key} {version}");
            let cache_tag = if is_away { String::new() } else { tags::of(key) };
            let sha256 = stat.sha256.unwrap();
            let (content_type, cache_control) = (stat.content_type.as_str(), stat.cache_control.as_str());
            let described = Described { sha256: &sha256, size: stat.size, content_type, cache_control, cache_tag: &cache_tag };
            bucket.put(key, &Content::Bytes(text.as_bytes().into()), &described, &When::Is(stat.tag)).await.unwrap();
        }
        if is_away {
            let wrong = apply::audit(&stage, &context("ann")).await.unwrap();
            assert_eq!(wrong.findings.len(), ONE.len(), "{wrong:?}");
            stage.cdn.invalidate("site", "by hand", &["/*".parse().unwrap()]).await.unwrap();
            visit_all(&stage).await;
        }
    }
    assert!(apply::audit(&stage, &context("ann")).await.unwrap().is_whole());
    let two = with(&[("about/index.html", "2"), ("track/index.html", "2")]);
    let receipt = publish(&two, &stage, &context("ann")).await.unwrap();
    assert_eq!(items(&receipt), [page("about/index.html"), page("track/index.html")]);
    assert_eq!(receipt.verified.untagged, ["site"]);
    assert_eq!(receipt.verified.purged_again.len(), 2, "{:?}", receipt.verified);
    serves(&stage, &two).await;
    assert!(tagged(&stage).await.is_empty());
    assert_eq!(receipt.seq, apply::state(&stage, &context("looker")).await.unwrap().unwrap().seq);
    // The copies of the other pages know no tags still.
    let three = with(&[("about/index.html", "2"), ("track/index.html", "2"), ("index.html", "3")]);
    assert_eq!(items(&publish_well(&three, &stage).await), ["/*"]);
}

#[tokio::test]
async fn a_page_of_somebody_elses_is_purged_by_its_addresses() {
    let root = scratch();
    let stage = by_tags(stage("local", &directory(root.path())));
    publish_well(&with(&[]), &stage).await;
    let bucket = &stage.distributions["site"].bucket;
    let tag = bucket.stat("about/index.html").await.unwrap().unwrap().tag;
    let sha256 = qdn::release::Digest::of(b"by hand").hex();
    let described = Described { sha256: &sha256, size: 7, content_type: "text/html", cache_control: "", cache_tag: "" };
    bucket.put("about/index.html", &Content::Bytes(b"by hand".as_slice().into()), &described, &When::Is(tag)).await.unwrap();
    stage.cdn.invalidate("site", "by hand", &["/*".parse().unwrap()]).await.unwrap();
    assert_eq!(body(&stage, "/about/").await, "by hand");
    let one = with(&[]);
    let adopting = Context { adopt: true, ..context("ann") };
    let objects = |name: &str, key: &str| one.object(name, key).map(|object| Content::Bytes(Arc::clone(&object.bytes)));
    let wish = Wish {
        kind: Kind::Publish,
        manifest: &one.manifest,
        commit: None,
        function: None,
        supply: Supply::Build { objects: &objects, functions: BTreeMap::new(), proofs: BTreeMap::new() },
        policy: Policy::default(),
        terms: Terms::default(),
        stale: BTreeMap::new(),
        addresses: &addresses,
    };
    let receipt = apply::bring(&wish, Look::Objects, None, &stage, &adopting).await.unwrap();
    assert_eq!(items(&receipt), ["/about/*"]);
    assert!(receipt.verified.purged_again.is_empty(), "{:?}", receipt.verified);
    serves(&stage, &one).await;
    all_carry_tags(&stage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_publishes_by_tags() {
    let rehearsal = Rehearsal::new().await;
    rehearsal.qdn(&["publish", "production"]).await.ended(0);
    let path = rehearsal.project.path().join("qdn.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    rehearsal.project.write(
        "qdn.toml",
        format!("{config}[invalidation]\nmode = \"tags\"\n[stages.production.invalidation]\nmode = \"paths\"\n"),
    );
    // Where the distribution does not read them, nothing is done.
    let run = rehearsal.qdn(&["publish", "staging", "--json"]).await.ended(1);
    assert!(
        run.stderr.contains("reads no cache tags") && run.stderr.contains("HeaderName = x-amz-meta-cache-tag"),
        "{}",
        run.stderr
    );
    rehearsal.cloud.tag_header("ESTAGING", Some("edge-cache-tag"));
    let run = rehearsal.qdn(&["publish", "staging", "--json"]).await.ended(1);
    assert!(run.stderr.contains("from `edge-cache-tag`, and not from `x-amz-meta-cache-tag`"), "{}", run.stderr);
    assert_eq!(rehearsal.cloud.invalidated("ESTAGING").len(), 0);

    rehearsal.cloud.tag_header("ESTAGING", Some("X-Amz-Meta-Cache-Tag"));
    let plan = rehearsal.qdn(&["plan", "staging"]).await.ended(0);
    assert!(plan.stdout.contains("cache tags of site: they begin now"), "{}", plan.stdout);
    assert_eq!(rehearsal.qdn(&["plan", "staging", "--json"]).await.ended(0).json()["tags_begin"], Value::from(vec!["site"]));
    rehearsal.qdn(&["publish", "staging"]).await.ended(0);
    for path in ["/", "/about/", "/blog/", "/blog/a/"] {
        assert_eq!(rehearsal.page("staging", path).await, "1");
    }
    rehearsal.project.write("site/blog/a.md", "---\ntitle: a\n---\nversion 2\n");
    let plan = rehearsal.qdn(&["plan", "staging"]).await.ended(0);
    let tag = page("blog/a/index.html");
    assert!(plan.stdout.contains(&format!("{tag}  (blog/a/index.html; purges nothing else)")), "{}", plan.stdout);
    let receipt = rehearsal.qdn(&["publish", "staging", "--json"]).await.ended(0).json();
    assert_eq!(receipt["invalidation"]["items"], Value::from(vec![tag.clone()]));
    assert_eq!(rehearsal.cloud.invalidated("ESTAGING").last(), Some(&vec![tag]));
    assert_eq!(
        (rehearsal.page("staging", "/blog/a/").await, rehearsal.page("staging", "/").await),
        ("2".to_owned(), "1".to_owned())
    );
    let status = rehearsal.qdn(&["status", "staging"]).await.ended(0);
    assert!(status.stdout.contains("pages of site carry cache tags"), "{}", status.stdout);
    rehearsal.qdn(&["audit", "staging"]).await.ended(0);
    rehearsal.qdn(&["rollback", "staging"]).await.ended(0);
    assert_eq!(rehearsal.page("staging", "/blog/a/").await, "1");
    // To a stage that is told by addresses.
    let receipt = rehearsal.qdn(&["promote", "staging", "production", "--json"]).await.ended(0).json();
    assert_eq!(receipt["invalidation"]["items"], Value::from(Vec::<String>::new()), "it serves that already");

    // The setting was gone for a while, and copies were made meanwhile.
    rehearsal.cloud.tag_header("ESTAGING", None);
    let audit = rehearsal.qdn(&["audit", "staging"]).await.ended(3);
    assert!(audit.stdout.contains("site/ESTAGING does not read the cache tags"), "{}", audit.stdout);
    rehearsal.cloud.pass(std::time::Duration::from_secs(100_000));
    assert_eq!(rehearsal.page("staging", "/about/").await, "1");
    rehearsal.cloud.tag_header("ESTAGING", Some("x-amz-meta-cache-tag"));
    rehearsal.project.write("site/about.md", "---\ntitle: about\n---\nversion 3\n");
    let run = rehearsal.qdn(&["publish", "staging"]).await.ended(0);
    assert!(run.stderr.contains("held copies that do not know their cache tags"), "{}", run.stderr);
    assert_eq!(rehearsal.page("staging", "/about/").await, "3");
}
