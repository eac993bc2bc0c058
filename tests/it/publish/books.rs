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
