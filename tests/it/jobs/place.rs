//! The standard chain of settings, as a user sets them: in the environment of the program.

use super::*;
use crate::project::Project;

#[tokio::test]
async fn a_place_is_reached_with_the_settings_of_the_environment() {
    let endpoint = format!("http://localhost:{}", ministack::address().port());
    let keys = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_REGION", "us-east-1")];
    let list = |remote: &str, settings: &[(&str, &str)]| {
        let project = Project::new().file("qdn.toml", format!("[jobs.stores]\nfar = '{remote}'\n"));
        let mut command = project.command(&["jobs", "--stage", "far", "list", "--json"]);
        command.env_clear().env("AWS_EC2_METADATA_DISABLED", "true").envs(settings.iter().copied()).output().expect("it runs")
    };
    for (place, own) in [(Place::s3().await, "AWS_ENDPOINT_URL_S3"), (Place::dynamo().await, "AWS_ENDPOINT_URL_DYNAMODB")] {
        let Kind::Remote(remote, _) = &place.kind else { unreachable!() };
        place.open().create(&new(1)).await.unwrap();
        // A host by name is asked for `bucket.host` unless the path style is forced.
        for variable in ["AWS_ENDPOINT_URL", own] {
            let output = list(&remote.to_string(), &[&keys[..], &[(variable, endpoint.as_str())]].concat());
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
            let listed: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!(listed["jobs"][0]["id"], new(1).job.id.to_string());
        }
    }
    let output = list("s3://some-bucket", &keys[..2]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("no AWS region is set for s3://some-bucket/: set AWS_REGION"), "{text}");
}
