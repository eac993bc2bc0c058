//! The real program against a store that speaks S3 and a network that speaks CloudFront, with a proxy between.

use crate::cloud::Cloud;
use crate::project::{Project, Run};
use crate::proxy::Proxy;
use std::process::Command;

/// A project, a cloud, and two stages of it: `staging` and `production`, each with a public bucket of its own.
pub(crate) struct Rehearsal {
    pub(crate) project: Project,
    pub(crate) cloud: Cloud,
    pub(crate) proxy: Proxy,
}

const TEMPLATE: &str = "<!doctype html><html lang=en><head><title>{{ page.title }}</title><link rel=stylesheet href=\"{{ asset('site.css') }}\">\
                        </head><body>{{ page.content }}</body></html>";
const FUNCTION: &str = "export function handler(event) {\n  const request = event.request;\n  if (request.uri.endsWith('/')) request.uri += 'index.html';\n  \
                        return request;\n}\n";

impl Rehearsal {
    pub(crate) async fn new() -> Self {
        let cloud = Cloud::start().await;
        let proxy = Proxy::start(cloud.address()).await;
        let control = cloud.bucket("control").await;
        let mut config = String::new();
        for stage in ["staging", "production"] {
            let bucket = cloud.bucket(stage).await;
            let id = format!("E{}", stage.to_uppercase());
            let url = cloud.distribution(&id, &bucket, "", Some(&format!("route-{stage}"))).await;
            let address = proxy.address();
            config.push_str(&format!(
                "[stages.{stage}]\ncontrol = \"s3://{control}/qdn\"\nregion = \"us-east-1\"\nendpoint = \"http://{address}\"\n\
                 cloudfront_endpoint = \"http://{address}\"\n[stages.{stage}.distributions.site]\nbucket = \"{bucket}\"\nid = \"{id}\"\nurl = \"{url}\"\n"
            ));
        }
        let project = Project::empty()
            .file("qdn.toml", config)
            .file("templates/page.html", TEMPLATE)
            .file("functions/route.js", FUNCTION)
            .file(
                "functions/route.cases/folder.json",
                r#"{ "event": { "version": "1.0", "context": { "eventType": "viewer-request" }, "viewer": { "ip": "192.0.2.1" },
                    "request": { "method": "GET", "uri": "/about/", "querystring": {}, "headers": {}, "cookies": {} } },
                    "expect": { "request": { "uri": "/about/index.html" } } }"#,
            );
        let rehearsal = Self { project, cloud, proxy };
        rehearsal.version("1");
        rehearsal
    }

    /// Writes the sources of a version: every page, the style and the function change.
    pub(crate) fn version(&self, version: &str) {
        self.project.write("site/assets/site.css", format!("body {{ --version: \"{version}\" }}\n"));
        for page in ["index", "about", "blog/index", "blog/a"] {
            self.project.write(&format!("site/{page}.md"), format!("---\ntitle: {page}\n---\nversion {version}\n"));
        }
        self.project.write("functions/route.js", format!("{FUNCTION}console.log.version = '{version}';\n").replace("console.log.version", "// version"));
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.project.command(arguments);
        command
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("HOME", self.project.path());
        command
    }

    /// Runs the program to its end, aside, as the cloud lives in this process.
    pub(crate) async fn qdn(&self, arguments: &[&str]) -> Run {
        let mut command = self.command(arguments);
        let output = tokio::task::spawn_blocking(move || command.output().expect("the program starts")).await.expect("it ends");
        Run::of(&output)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_publishes_promotes_and_goes_back() {
    let rehearsal = Rehearsal::new().await;
    let began = std::time::Instant::now();
    let receipt = rehearsal.qdn(&["publish", "staging", "--json"]).await.ended(0).json();
    eprintln!("{:?} {:?}", began.elapsed(), rehearsal.proxy.counts());
    assert_eq!((&receipt["version"], &receipt["stage"], &receipt["previous"]), (&1.into(), &"staging".into(), &serde_json::Value::Null));
    let seen = rehearsal.proxy.seen().len();
    let began = std::time::Instant::now();
    rehearsal.qdn(&["publish", "staging"]).await.ended(0);
    eprintln!("{:?} {}", began.elapsed(), rehearsal.proxy.seen().len() - seen);
    rehearsal.qdn(&["promote", "staging", "production"]).await.ended(0);
    rehearsal.version("2");
    let seen = rehearsal.proxy.seen().len();
    let run = rehearsal.qdn(&["publish", "production"]).await.ended(0);
    eprintln!("{} {}", run.stdout, run.stderr);
    for request in &rehearsal.proxy.seen()[seen..] {
        eprintln!("{} {}", request.method, request.path);
    }
    let run = rehearsal.qdn(&["rollback", "production"]).await.ended(0);
    eprintln!("{} {}", run.stdout, run.stderr);
    let run = rehearsal.qdn(&["audit", "production"]).await.ended(0);
    eprintln!("{} {}", run.stdout, run.stderr);
}
