//! Every command that README gives is run, in a copy of the project.

use crate::cloud::Cloud;
use crate::project::{Project, Run, tree};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The lines of all `sh` blocks.
fn commands(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            line if inside && !line.is_empty() => found.push(line.to_owned()),
            _ => {}
        }
    }
    found
}

/// As a shell takes them: apart at blanks, but not within single quotes.
fn words(line: &str) -> Vec<&str> {
    let quoted = line.split('\'').enumerate();
    quoted.flat_map(|(at, part)| if at % 2 == 1 { vec![part] } else { part.split_whitespace().collect() }).collect()
}

fn copy() -> Project {
    let project = Project::empty();
    for folder in ["site", "templates", "functions", "examples"] {
        for (path, bytes) in tree(&root().join(folder)) {
            project.write(&format!("{folder}/{}", path.display()), bytes);
        }
    }
    project.write("qdn.toml", fs::read(root().join("qdn.toml")).expect("qdn.toml"));
    project.write("target/.keep", "");
    project
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_of_the_readme_does_what_it_says() {
    let page = fs::read_to_string(root().join("README.md")).expect("README.md");
    let commands = commands(&page);
    assert!(commands.len() >= 10, "{commands:?}");
    let project = copy();
    let cloud = stages(&project).await;
    let mut release = String::new();
    for command in commands {
        match command.as_str() {
            "cargo run -- preview" => serves(&project),
            "./scripts/test" => is_what_ci_runs(),
            command => {
                let arguments = command
                    .strip_prefix("cargo run -- ")
                    .unwrap_or_else(|| panic!("README has a command that is not tested: {command}"));
                let arguments = arguments.replace("$RELEASE", &release);
                let run = qdn(&project, &cloud, &words(&arguments)).await;
                assert_eq!(run.code, 0, "{command}\n{}{}", run.stdout, run.stderr);
                if arguments == "publish local" {
                    let status = qdn(&project, &cloud, &["status", "local", "--json"]).await.json();
                    release = status["release"].as_str().expect("a release").to_owned();
                }
            }
        }
    }
    assert!(project.exists("dist/manifest.json") && project.exists("target/qdn-track-rewrite.js"));
}

/// The buckets and distributions that qdn.toml names, at a cloud that stands in for AWS.
async fn stages(project: &Project) -> Cloud {
    let cloud = Cloud::start().await;
    let mut config = project.read("qdn.toml");
    let mut buckets = BTreeMap::new();
    for line in config.clone().lines() {
        // Buckets of other tests live in the same store, so each gets a name of its own.
        let (Some(bucket), true) = (line.split('"').nth(1), line.starts_with("bucket = ")) else { continue };
        if !buckets.contains_key(bucket) {
            buckets.insert(bucket.to_owned(), cloud.bucket(bucket).await);
        }
    }
    let control = cloud.bucket("control").await;
    let mut lines = Vec::new();
    let (mut bucket, mut stage) = (String::new(), String::new());
    for line in config.lines() {
        let value = line.split('"').nth(1).unwrap_or_default();
        if let Some(name) = line.strip_prefix("[stages.") {
            stage = name.trim_end_matches(']').split('.').next().unwrap_or_default().to_owned();
        }
        if line.starts_with("bucket = ") {
            bucket = buckets[value].clone();
            lines.push(format!("bucket = \"{bucket}\""));
        } else if line.starts_with("control = ") {
            lines.push(format!("control = \"s3://{control}/{stage}\""));
        } else if line.starts_with("id = ") {
            let url = cloud.distribution(value, &bucket, "", Some(&format!("qdn-track-rewrite-{stage}"))).await;
            lines.extend([line.to_owned(), format!("url = \"{url}\"")]);
        } else if !line.starts_with("url = ") && !line.starts_with("region = ") {
            lines.push(line.to_owned());
        }
    }
    config = lines.join("\n");
    project.write("qdn.toml", config);
    cloud
}

/// Runs the program with an environment that leads to the cloud.
async fn qdn(project: &Project, cloud: &Cloud, arguments: &[&str]) -> Run {
    let mut command = project.command(arguments);
    command.env("AWS_ENDPOINT_URL", cloud.endpoint()).env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_REGION", "us-east-1");
    let output = tokio::task::spawn_blocking(move || command.output().expect("the program starts")).await.expect("it ends");
    Run::of(&output)
}

/// `preview` says where it serves, and that it built.
fn serves(project: &Project) {
    let mut process = project.command(&["preview"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(process.stderr.take().expect("stderr")).lines().map(|line| line.expect("text"));
    let served = lines.any(|line| line.starts_with("serving http://127.0.0.1:"));
    let built = lines.any(|line| line.starts_with("built "));
    let _ = process.kill();
    let _ = process.wait();
    assert!(served && built);
}

/// The second command is the one that runs this test; that CI runs it, and that it runs, is what is left to see.
fn is_what_ci_runs() {
    let script = fs::read_to_string(root().join(".ci/run")).expect(".ci/run");
    assert!(script.contains("exec ./scripts/test"));
    let listed = Command::new("bash").args(["-n", "scripts/test"]).current_dir(root()).status().expect("bash runs");
    assert!(listed.success());
}

#[test]
fn every_page_that_the_readme_names_is_there() {
    for page in ["README.md", "docs/architecture.md", "docs/site.md", "docs/functions.md", "docs/cases.md", "docs/publishing.md"] {
        let text = fs::read_to_string(root().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
        let folder = Path::new(page).parent().expect("a folder");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            let skip = target.is_empty() || target.contains("://") || target == "prices.md";
            assert!(skip || root().join(folder).join(target).exists(), "{page} links to {target}");
        }
    }
}
