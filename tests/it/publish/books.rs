//! One publish after the other, and what the books say.

use super::*;

#[tokio::test]
async fn a_site_is_published_changed_and_brought_back() {
    let folder = scratch();
    let stage = stage("local", &directory(folder.path()));
    let (one, two) = (site("1", PAGES), site("2", &PAGES[1..]));
    let receipt = publish(&one, &stage, &context("ann")).await.unwrap();
    assert_eq!((receipt.previous.as_deref(), receipt.removed, receipt.is_complete()), (None, 0, true));
    serves(&stage, &one).await;

    let again = publish(&one, &stage, &context("ann")).await.unwrap();
    assert_eq!((again.uploaded, again.copied, again.seq), (0, 0, receipt.seq), "nothing is left to do: {again:?}");

    let receipt = publish(&two, &stage, &context("bob")).await.unwrap();
    assert_eq!((receipt.previous.as_deref(), receipt.removed), (Some(one.manifest.release.as_str()), 1));
    assert_eq!(visit(&stage, "/").await.0, 404, "the home page is gone at the edge too");
    serves(&stage, &two).await;

    let back = bring(Kind::Rollback, &one.manifest, Supply::Stage(&stage), &stage, &context("ann")).await.unwrap();
    assert!(back.functions["f"].published, "the function goes back too");
    serves(&stage, &one).await;
    let head = apply::state(&stage, &context("ann")).await.unwrap().unwrap();
    let past: Vec<_> = head.past.iter().map(|past| (past.kind, past.release.as_str(), past.by.as_str())).collect();
    let (one, two) = (one.manifest.release.as_str(), two.manifest.release.as_str());
    assert_eq!(past, [(Kind::Rollback, one, "ann"), (Kind::Publish, two, "bob"), (Kind::Publish, one, "ann")]);
}

#[tokio::test]
async fn a_release_is_promoted_to_a_stage_of_its_own_and_of_the_same_books() {
    let (a, b) = (scratch(), scratch());
    let staging = stage("staging", &directory(a.path()));
    let one = site("1", PAGES);
    publish(&one, &staging, &context("ann")).await.unwrap();
    let production = stage("production", &directory(b.path()));
    bring(Kind::Promote, &one.manifest, Supply::Stage(&staging), &production, &context("ann")).await.unwrap();
    serves(&production, &one).await;
    // The same control bucket, other public ones.
    let shared = directory(b.path());
    let mut third = stage("third", &shared);
    third.distributions.get_mut("site").unwrap().bucket = shared.bucket("other");
    third.distributions.get_mut("site").unwrap().id = "other".to_owned();
    let receipt = bring(Kind::Promote, &one.manifest, Supply::Stage(&production), &third, &context("ann")).await.unwrap();
    assert_eq!(receipt.uploaded, 0, "everything is copied where it lies: {receipt:?}");
}

/// A site whose page `menu.txt` has the bytes of an asset.
fn with_menu(version: &str, as_page: bool) -> Release {
    let mut objects = vec![Object::new(Key::new("index.html"), format!("<p>version {version}").into_bytes(), Class::Page)];
    objects.push(Object::new(Key::new("assets/menu.0123456789abcdef.txt"), b"soup".to_vec(), Class::Immutable));
    if as_page {
        objects.push(Object::new(Key::new("menu.txt"), b"soup".to_vec(), Class::Page));
    }
    let policy = Headers::new(&BTreeSet::new(), &BTreeSet::new(), Vec::new());
    assemble(BTreeMap::from([("site".to_owned(), objects)]), Vec::new(), &BTreeMap::new(), policy, BTreeMap::new())
}

#[tokio::test]
async fn a_page_with_the_bytes_of_an_asset_has_a_body_of_its_own() {
    let folder = scratch();
    let stage = stage("local", &directory(folder.path()));
    for release in [with_menu("1", false), with_menu("2", true), with_menu("3", false)] {
        publish(&release, &stage, &context("ann")).await.unwrap();
    }
    let two = with_menu("2", true);
    bring(Kind::Rollback, &two.manifest, Supply::Stage(&stage), &stage, &context("ann")).await.unwrap();
    assert_eq!(visit(&stage, "/menu.txt").await, (200, "soup".to_owned()));
}

#[tokio::test]
async fn a_distribution_may_go_and_another_may_come_to_a_place_that_is_empty() {
    let folder = scratch();
    let here = directory(folder.path());
    let mut two = stage("local", &here);
    two.distributions.insert("docs".to_owned(), Target { bucket: here.bucket("docs"), id: "docs".to_owned(), url: None });
    let page = |version: &str| vec![Object::new(Key::new("index.html"), version.as_bytes().to_vec(), Class::Page)];
    let policy = || Headers::new(&BTreeSet::new(), &BTreeSet::new(), Vec::new());
    let of = |names: &[&str], version: &str| {
        let objects = names.iter().map(|name| ((*name).to_owned(), page(version))).collect();
        assemble(objects, Vec::new(), &BTreeMap::new(), policy(), BTreeMap::new())
    };
    publish(&of(&["site", "docs"], "1"), &two, &context("ann")).await.unwrap();
    // It goes.
    let one = stage("local", &here);
    publish(&of(&["site"], "2"), &one, &context("ann")).await.unwrap();
    assert_eq!(visit(&one, "/index.html").await.1, "2");
    // It comes back to where something lies, which is not taken for its own unasked.
    let refused = publish(&of(&["site", "docs"], "3"), &two, &context("ann")).await.unwrap_err();
    assert!(refused.to_string().contains("has no books of its distribution `docs`"), "{refused}");
    // The site moves: the books know nothing of the new place.
    let mut moved = stage("local", &here);
    let target = moved.distributions.get_mut("site").unwrap();
    (target.bucket, target.id) = (here.bucket("elsewhere"), "elsewhere".to_owned());
    publish(&of(&["site"], "2"), &moved, &context("ann")).await.unwrap();
    let found = moved.distributions["site"].bucket.read("index.html").await.unwrap().expect("it is published there");
    assert_eq!(found.bytes, b"2");
}
