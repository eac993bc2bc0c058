//! Many publish at once.

use super::*;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_publishes_together_publishes_one_after_the_other() {
    let folder = scratch();
    let here = directory(folder.path());
    for round in 0..25 {
        let crowd = 2 + round % 7;
        let versions: Vec<Release> = (0..crowd).map(|one| site(&format!("{round}.{one}"), PAGES)).collect();
        let publishers = versions.iter().map(|version| {
            let (version, stage) = (version.clone(), stage("local", &here));
            async move {
                let context = Context { lease: Duration::from_secs(4), ..context("one of many") };
                publish(&version, &stage, &context).await
            }
        });
        let receipts = futures_util::future::join_all(publishers.collect::<Vec<_>>()).await;
        for receipt in receipts {
            receipt.expect("everybody has a turn");
        }
        let stage = stage("local", &here);
        let head = apply::state(&stage, &context("looker")).await.unwrap().unwrap();
        let last = versions.iter().find(|one| Some(&one.manifest.release) == head.release.as_ref()).expect("one of them is served");
        serves(&stage, last).await;
    }
}
