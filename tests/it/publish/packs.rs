//! Many small bodies are stored together, and are found again by whoever needs one.

use super::crash::{Fuse, fused};
use super::*;
use qdn::deploy::remote::{Described, When};
use qdn::release::Digest;

/// A site of many pages.
fn many(version: &str, pages: usize) -> Release {
    let pages: Vec<String> = (0..pages).map(|page| format!("many/{page}/index.html")).collect();
    let pages: Vec<&str> = pages.iter().map(String::as_str).chain(PAGES.iter().copied()).collect();
    site(version, &pages)
}

async fn keys(bucket: &dyn Bucket, prefix: &str) -> Vec<String> {
    bucket.list(prefix).await.unwrap().into_iter().map(|one| one.key).collect()
}

/// Writes over an object, behind everybody's back.
async fn overwrite(bucket: &dyn Bucket, key: &str, bytes: &[u8]) {
    let sha256 = Digest::of(bytes).hex();
    let described =
        Described { sha256: &sha256, size: bytes.len() as u64, content_type: "text/plain", cache_control: "", cache_tag: "" };
    let when = bucket.stat(key).await.unwrap().map_or(When::Missing, |stat| When::Is(stat.tag));
    bucket.put(key, &Content::Bytes(bytes.into()), &described, &when).await.unwrap();
}

async fn delete(bucket: &dyn Bucket, key: &str) {
    let stat = bucket.stat(key).await.unwrap().unwrap_or_else(|| panic!("{key} is there"));
    bucket.remove(key, &stat.tag).await.unwrap();
}

async fn back(release: &Release, stage: &Stage, context: &Context) -> Result<Receipt, Stopped> {
    bring(Kind::Rollback, &release.manifest, Supply::Stage(stage), stage, context).await
}

#[tokio::test]
async fn many_small_bodies_are_stored_together_and_each_is_found_again() {
    let folder = scratch();
    let stage = stage("local", &directory(folder.path()));
    let control = stage.control.as_ref();
    let (one, two) = (many("1", 150), many("2", 150));
    let receipt = publish(&one, &stage, &context("ann")).await.unwrap();
    serves(&stage, &one).await;
    let pages = 150 + PAGES.len();
    // The style and the function, and each page in its place and as a body.
    assert_eq!(
        (receipt.uploaded, receipt.copied, receipt.unchanged),
        (2 + 2 * pages, 0, 0),
        "a body counts as one thing that was sent"
    );
    assert_eq!((keys(control, "packs/").await.len(), keys(control, "blobs/").await.len()), (2, 1), "the function lies by itself");
    let head = apply::state(&stage, &context("looker")).await.unwrap().unwrap();
    assert_eq!((head.version, head.packs), (3, true));

    publish(&two, &stage, &context("ann")).await.unwrap();
    serves(&stage, &two).await;
    assert_eq!((keys(control, "packs/").await.len(), keys(control, "blobs/").await.len()), (4, 2));
    // One page by itself, and one that goes.
    let mut pages: Vec<String> = two.objects["site"].keys().map(|key| key.as_str().to_owned()).collect();
    pages.retain(|key| !key.starts_with("assets/") && key != "many/7/index.html");
    let three = site("2", &pages.iter().map(String::as_str).chain(["more/index.html"]).collect::<Vec<_>>());
    publish(&three, &stage, &context("ann")).await.unwrap();
    serves(&stage, &three).await;
    assert_eq!((keys(control, "packs/").await.len(), keys(control, "blobs/").await.len()), (4, 3));
    // One of its pages comes out of a pack, then nearly all do.
    back(&two, &stage, &context("ann")).await.unwrap();
    serves(&stage, &two).await;
    let receipt = back(&one, &stage, &context("ann")).await.unwrap();
    assert_eq!(receipt.uploaded, 157, "they were read and sent");
    serves(&stage, &one).await;
    assert!(apply::audit(&stage, &context("ann")).await.unwrap().is_whole());
}

#[tokio::test]
async fn the_order_of_pages_makes_no_other_packs_and_large_bodies_lie_by_themselves() {
    let (a, b) = (scratch(), scratch());
    let (one, two) = (stage("local", &directory(a.path())), stage("local", &directory(b.path())));
    let of = |names: &[&str]| {
        let page = |name: &&str| {
            let size = if name.starts_with("large") { 64 << 10 } else { (64 << 10) - 1 };
            Object::new(Key::new(name), name.bytes().cycle().take(size).collect::<Vec<u8>>(), Class::Page)
        };
        let policy = Headers::new(&BTreeSet::new(), &BTreeSet::new(), Vec::new());
        let objects = BTreeMap::from([("site".to_owned(), names.iter().map(page).collect())]);
        assemble(objects, Vec::new(), &BTreeMap::new(), policy, BTreeMap::new())
    };
    let few = |by: &str, from| Context { packing: Packing { from, bytes: 1 << 17 }, ..context(by) };
    publish(&of(&["a.html", "b.html", "c.html", "large.html", "d.html", "e.html"]), &one, &few("ann", 5)).await.unwrap();
    publish(&of(&["z.html", "e.html", "c.html", "d.html", "b.html", "a.html", "large.html"]), &two, &few("ann", 6)).await.unwrap();
    assert_eq!(keys(one.control.as_ref(), "packs/").await.len(), 6, "two bodies to a pack");
    assert_eq!(keys(one.control.as_ref(), "blobs/").await.len(), 1);
    assert_eq!(packed(one.control.as_ref()).await.len(), 5);
    let c = scratch();
    let three = stage("local", &directory(c.path()));
    publish(&of(&["e.html", "large.html", "c.html", "b.html", "d.html", "a.html"]), &three, &few("bob", 5)).await.unwrap();
    assert_eq!(keys(one.control.as_ref(), "packs/").await, keys(three.control.as_ref(), "packs/").await);
    // One fewer than it takes.
    let d = scratch();
    let four = stage("local", &directory(d.path()));
    publish(&of(&["a.html", "b.html", "c.html", "large.html", "d.html", "e.html"]), &four, &few("ann", 6)).await.unwrap();
    assert_eq!((keys(four.control.as_ref(), "packs/").await.len(), keys(four.control.as_ref(), "blobs/").await.len()), (0, 6));
    let head = apply::state(&four, &context("looker")).await.unwrap().unwrap();
    assert_eq!((head.version, head.packs), (1, false), "an older qdn may go on with it");
}

/// The same bytes with other headers.
fn with_headers(release: &Release) -> Release {
    let mut other = release.clone();
    for entry in other.manifest.distributions.get_mut("site").unwrap().objects.values_mut() {
        if entry.class == Class::Page {
            entry.cache_control = "public, max-age=0, s-maxage=7".to_owned();
        }
    }
    other.manifest.release = String::new();
    other.manifest.release = Digest::of(other.manifest.to_json().as_bytes()).hex()[..16].to_owned();
    other
}

#[tokio::test]
async fn bodies_that_are_served_with_other_headers_are_found_in_a_few_requests() {
    let folder = scratch();
    let stage = stage("local", &directory(folder.path()));
    let one = many("1", 150);
    publish(&one, &stage, &context("ann")).await.unwrap();
    publish(&with_headers(&one), &stage, &context("ann")).await.unwrap();
    assert_eq!(keys(stage.control.as_ref(), "packs/").await.len(), 2, "no body is new");
    let fuse = Fuse::endless();
    back(&one, &fused(&stage, &fuse), &context("ann")).await.unwrap();
    // Each page is written, and fifty are looked at through the edge.
    assert!(fuse.passed() < 157 + 50 + 40, "{}", fuse.passed());
    serves(&stage, &one).await;
    // A few are looked for when they are written.
    let few = Context { packing: Packing { from: 1_000, ..Packing::default() }, ..context("ann") };
    back(&with_headers(&one), &stage, &few).await.unwrap();
    for object in one.objects["site"].values().filter(|object| object.class == Class::Page) {
        let stat = stage.distributions["site"].bucket.stat(object.key.as_str()).await.unwrap().unwrap();
        assert_eq!((stat.sha256, stat.cache_control.as_str()), (Some(object.digest.hex()), "public, max-age=0, s-maxage=7"));
    }
}

#[tokio::test]
async fn a_promotion_copies_packs_and_pages_where_they_lie() {
    let (a, b) = (scratch(), scratch());
    let staging = stage("staging", &directory(a.path()));
    let (one, two) = (many("1", 150), many("2", 150));
    publish(&one, &staging, &context("ann")).await.unwrap();
    publish(&two, &staging, &context("ann")).await.unwrap();
    let production = stage("production", &directory(b.path()));
    let promote = async |release: &Release, to: &Stage| {
        bring(Kind::Promote, &release.manifest, Supply::Stage(&staging), to, &context("ann")).await.unwrap()
    };
    let receipt = promote(&two, &production).await;
    assert_eq!((receipt.uploaded, receipt.copied), (0, 2 + 2 * 157), "{receipt:?}");
    serves(&production, &two).await;
    assert!(apply::state(&production, &context("looker")).await.unwrap().unwrap().packs);
    // What the other stage serves is another release now, so the pages come out of the packs.
    back(&one, &staging, &context("ann")).await.unwrap();
    let c = scratch();
    let third = stage("third", &directory(c.path()));
    let receipt = promote(&two, &third).await;
    assert_eq!((receipt.uploaded, receipt.copied), (157, 2 + 157), "{receipt:?}");
    serves(&third, &two).await;
    // Somebody wrote over a page there: it is not taken for the release's.
    overwrite(staging.distributions["site"].bucket.as_ref(), "many/3/index.html", b"theirs").await;
    let receipt = promote(&one, &third).await;
    assert_eq!(receipt.uploaded, 1, "{receipt:?}");
    serves(&third, &one).await;
    // Neither needs the first one any more.
    for key in keys(staging.control.as_ref(), "").await {
        delete(staging.control.as_ref(), &key).await;
    }
    back(&two, &third, &context("ann")).await.unwrap();
    serves(&third, &two).await;
    // Books in one place: they are there already.
    let shared = directory(b.path());
    let mut fourth = stage("fourth", &shared);
    fourth.distributions.get_mut("site").unwrap().bucket = shared.bucket("other");
    fourth.distributions.get_mut("site").unwrap().id = "other".to_owned();
    let receipt = bring(Kind::Promote, &two.manifest, Supply::Stage(&production), &fourth, &context("ann")).await.unwrap();
    assert_eq!((receipt.uploaded, receipt.copied), (0, 1 + 157), "{receipt:?}");
}

#[tokio::test]
async fn what_is_wrong_with_packs_is_found_told_and_mended() {
    let folder = scratch();
    let stage = stage("local", &directory(folder.path()));
    let control = stage.control.as_ref();
    let (one, two) = (many("1", 120), many("2", 120));
    publish(&one, &stage, &context("ann")).await.unwrap();
    let first = keys(control, "packs/").await;
    publish(&two, &stage, &context("ann")).await.unwrap();
    let second: Vec<String> = keys(control, "packs/").await.into_iter().filter(|key| !first.contains(key)).collect();
    let (pack, index) = (&second[0], &second[1]);
    let whole = control.read(pack).await.unwrap().unwrap().bytes;
    let wrong = async || apply::audit(&stage, &context("ann")).await.unwrap().findings.len();
    assert_eq!(wrong().await, 0);

    // Other bytes of the same size; another size; no pack; no index; an index that is none.
    let mut flipped = whole.clone();
    flipped[100] ^= 1;
    for damaged in [flipped, whole[1..].to_vec()] {
        overwrite(control, pack, &damaged).await;
        assert_eq!(wrong().await, 127);
        let stopped = back(&one, &stage, &context("ann")).await;
        stopped.unwrap();
        let stopped = back(&two, &stage, &context("ann")).await.unwrap_err();
        assert!(stopped.to_string().contains("is not complete any more") && stopped.to_string().contains(pack), "{stopped}");
        serves_pages(&stage, &one).await;
        overwrite(control, pack, &whole).await;
        back(&two, &stage, &context("ann")).await.unwrap();
        serves(&stage, &two).await;
    }
    let text = control.read(index).await.unwrap().unwrap().bytes;
    overwrite(control, index, &text[1..]).await;
    assert_eq!(wrong().await, 127);
    overwrite(control, index, &text).await;
    delete(control, index).await;
    assert_eq!(wrong().await, 127);
    overwrite(control, index, &text).await;
    delete(control, pack).await;
    assert_eq!(wrong().await, 127);
    // The pages are served, so the bodies can be had.
    apply::restore_bodies(&stage, &context("ann")).await.unwrap();
    assert_eq!(wrong().await, 0);
    delete(control, index).await;
    back(&one, &stage, &context("ann")).await.unwrap();
    back(&two, &stage, &context("ann")).await.unwrap();
    serves(&stage, &two).await;
}

/// The pages alone: the books are known to be damaged.
async fn serves_pages(stage: &Stage, release: &Release) {
    for object in release.objects["site"].values().filter(|object| object.key.as_str() != "404.html") {
        let found = stage.distributions["site"].bucket.read(object.key.as_str()).await.unwrap().unwrap();
        assert_eq!(found.bytes, *object.bytes, "{}", object.key);
    }
}

#[tokio::test]
async fn one_body_keeps_its_pack() {
    let folder = scratch();
    let stage = stage("local", &directory(folder.path()));
    let control = stage.control.as_ref();
    let page = |name: String, text: String| Object::new(Key::new(&name), text.into_bytes(), Class::Page);
    let of = |version: &str| {
        let pages = (0..120).map(|at| page(format!("p/{at}.html"), format!("{at} of {version}")));
        let objects = pages.chain([page("same.html".to_owned(), "the same".to_owned())]).collect();
        let policy = Headers::new(&BTreeSet::new(), &BTreeSet::new(), Vec::new());
        assemble(BTreeMap::from([("site".to_owned(), objects)]), Vec::new(), &BTreeMap::new(), policy, BTreeMap::new())
    };
    let mut sizes = Vec::new();
    for version in ["1", "2", "3"] {
        publish(&of(version), &stage, &context("ann")).await.unwrap();
        sizes.push(keys(control, "packs/").await.len());
    }
    assert_eq!(sizes, [2, 4, 6]);
    std::thread::sleep(std::time::Duration::from_millis(20));
    let keep = apply::Keep { releases: 1, days: 0, only_look: false };
    apply::collect(keep, std::slice::from_ref(&stage), &context("ann")).await.unwrap();
    assert_eq!(keys(control, "packs/").await.len(), 4, "the first has what is the same, and of the second nothing is needed");
    assert!(apply::audit(&stage, &context("ann")).await.unwrap().is_whole());
}

#[tokio::test]
async fn packs_stay_as_long_as_a_body_in_them_is_needed() {
    let folder = scratch();
    let stage = stage("local", &directory(folder.path()));
    let control = stage.control.as_ref();
    let keep = |releases, only_look| apply::Keep { releases, days: 0, only_look };
    let collect = async |keep| apply::collect(keep, std::slice::from_ref(&stage), &context("ann")).await;
    let mut packs: Vec<Vec<String>> = Vec::new();
    for version in ["1", "2", "3"] {
        let before = keys(control, "packs/").await;
        publish(&many(version, 120), &stage, &context("ann")).await.unwrap();
        packs.push(keys(control, "packs/").await.into_iter().filter(|key| !before.contains(key)).collect());
    }
    // Young ones stay.
    collect(apply::Keep { releases: 1, days: 1, only_look: false }).await.unwrap();
    assert_eq!(keys(control, "packs/").await.len(), 6);
    std::thread::sleep(std::time::Duration::from_millis(20));
    let looked = collect(keep(2, true)).await.unwrap();
    assert_eq!(keys(control, "packs/").await.len(), 6);
    // Where an index cannot be read, nobody knows.
    let index = &packs[0][1];
    let text = control.read(index).await.unwrap().unwrap().bytes;
    overwrite(control, index, b"{}").await;
    let stopped = collect(keep(2, false)).await.unwrap_err();
    assert!(stopped.to_string().contains(index) && stopped.to_string().contains("nothing is removed"), "{stopped}");
    assert_eq!(keys(control, "releases/").await.len(), 3);
    overwrite(control, index, &text).await;
    std::thread::sleep(std::time::Duration::from_millis(20));
    let removed = collect(keep(2, false)).await.unwrap();
    assert_eq!((removed.documents, removed.bytes), (looked.documents, looked.bytes));
    let left = keys(control, "packs/").await;
    assert!(packs[0].iter().all(|key| !left.contains(key)) && left.len() == 4, "{left:?}");
    back(&many("2", 120), &stage, &context("ann")).await.unwrap();
    serves(&stage, &many("2", 120)).await;
    // Half of a pair is what a process left that was killed.
    delete(control, &packs[2][1]).await;
    delete(control, &packs[1][0]).await;
    std::thread::sleep(std::time::Duration::from_millis(20));
    collect(keep(1, false)).await.unwrap();
    assert_eq!(keys(control, "packs/").await, [""; 0]);
    apply::restore_bodies(&stage, &context("ann")).await.unwrap();
    assert!(apply::audit(&stage, &context("ann")).await.unwrap().is_whole());
}
