//! The standard chain of settings, as a user sets them: in the environment, so in a process of its own.

use super::*;
use qdn::jobs::store::place::connect;
use std::process::{Command, Output};

fn child(settings: &[(&str, &str)], address: &str) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "jobs::place::a_store_by_its_address", "--ignored", "--nocapture"])
        .env_clear()
        .env("QDN_TEST_ADDRESS", address)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(settings.iter().copied())
        .output()
        .expect("this binary runs")
}

#[tokio::test]
async fn a_place_is_reached_with_the_settings_of_the_environment() {
    let endpoint = format!("http://localhost:{}", ministack::address().port());
    let keys = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_REGION", "us-east-1")];
    for (place, own) in [(Place::s3().await, "AWS_ENDPOINT_URL_S3"), (Place::dynamo().await, "AWS_ENDPOINT_URL_DYNAMODB")] {
        let Kind::Remote(remote, _) = &place.kind else { unreachable!() };
        // A host by name is asked for `bucket.host` unless the path style is forced.
        for variable in ["AWS_ENDPOINT_URL", own] {
            let output = child(&[&keys[..], &[(variable, &endpoint)]].concat(), &remote.to_string());
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && text.contains("jobs: "), "{text}{}", String::from_utf8_lossy(&output.stderr));
        }
        assert_eq!(place.open().export().await.unwrap().len(), 2);
    }
    let output = child(&keys[..2], "s3://some-bucket");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("no AWS region is set for s3://some-bucket/: set AWS_REGION"), "{text}");
}

#[tokio::test]
#[ignore = "a_place_is_reached_with_the_settings_of_the_environment runs it"]
async fn a_store_by_its_address() {
    let address = std::env::var("QDN_TEST_ADDRESS").unwrap();
    let qdn::jobs::store::place::Place::Remote(remote) = address.parse().unwrap() else { panic!("{address} is remote") };
    let (store, _) = connect(&remote).await.unwrap_or_else(|why| panic!("{why}"));
    let number = std::process::id();
    store.create(&new(number)).await.unwrap();
    println!("jobs: {}", store.export().await.unwrap().len());
}
