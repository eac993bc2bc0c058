//! The real program against a store that speaks S3 and a network that speaks CloudFront, with a proxy between.

use crate::cloud::Cloud;
use crate::project::{Project, Run};
use crate::proxy::{Fault, Hook, Proxy, Rule};
use serde_json::{Value, json};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A project, a cloud, and two stages of it: `staging` and `production`, each with a public bucket of its own.
pub(crate) struct Rehearsal {
    pub(crate) project: Project,
    pub(crate) cloud: Cloud,
    pub(crate) proxy: Proxy,
}

const TEMPLATE: &str = "<!doctype html><html lang=en><head><title>{{ page.title }}</title><link rel=stylesheet href=\"{{ asset('site.css') }}\">\
                        </head><body>{{ page.content }}</body></html>";
/// Asks as a browser would.
pub(crate) async fn get(url: &str) -> (u16, String) {
    let rest = url.strip_prefix("http://").expect("plain http");
    let (host, path) = rest.split_once('/').expect("a path");
    let mut stream = TcpStream::connect(host).await.expect("somebody listens");
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("it listens");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.expect("it answers");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

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
        let project = Project::empty().file("qdn.toml", config).file("templates/page.html", TEMPLATE).file(
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
        let function = format!(
            "export function handler(event) {{\n  const request = event.request;\n  if (request.uri.endsWith('/')) request.uri += 'index.html';\n  \
             request.headers['x-version'] = {{ value: '{version}' }};\n  return request;\n}}\n"
        );
        self.project.write("functions/route.js", function);
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

    /// The version of a page, as a visitor sees it.
    pub(crate) async fn page(&self, stage: &str, path: &str) -> String {
        let (status, body) = get(&format!("{}{path}", self.cloud.edge_url(&format!("E{}", stage.to_uppercase())))).await;
        assert_eq!(status, 200, "{path} of {stage}");
        body.split("version ").nth(1).and_then(|rest| rest.split('<').next()).expect("a version").trim().to_owned()
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
    let receipt = rehearsal.qdn(&["publish", "staging", "--json"]).await.ended(0).json();
    assert_eq!((&receipt["version"], &receipt["stage"], &receipt["previous"]), (&json!(1), &json!("staging"), &Value::Null));
    assert_eq!(receipt["functions"]["route"], json!({ "name": "route-staging", "published": true, "proven": 1 }));
    assert_eq!(rehearsal.page("staging", "/about/").await, "1");
    let seen = rehearsal.proxy.seen().len();
    rehearsal.qdn(&["publish", "staging"]).await.ended(0);
    assert_eq!(rehearsal.proxy.seen().len() - seen, 1, "one question is enough where nothing changed");

    rehearsal.qdn(&["promote", "staging", "production"]).await.ended(0);
    assert_eq!(rehearsal.page("production", "/").await, "1");
    rehearsal.version("2");
    rehearsal.qdn(&["publish", "staging"]).await.ended(0);
    assert_eq!((rehearsal.page("staging", "/").await, rehearsal.page("production", "/").await), ("2".to_owned(), "1".to_owned()));
    rehearsal.qdn(&["promote", "staging", "production"]).await.ended(0);
    assert_eq!(rehearsal.page("production", "/blog/").await, "2");
    // From the buckets alone, by somebody who has no sources.
    for page in ["index", "about", "blog/index", "blog/a"] {
        rehearsal.project.remove(&format!("site/{page}.md"));
    }
    rehearsal.qdn(&["rollback", "production"]).await.ended(0);
    assert_eq!(rehearsal.page("production", "/blog/").await, "1");
    let run = rehearsal.qdn(&["rollback", "production"]).await.ended(0);
    assert!(run.stderr.contains("was rolled back already"), "{}", run.stderr);
    rehearsal.qdn(&["audit", "production"]).await.ended(0);
    rehearsal.qdn(&["status", "production"]).await.ended(0);
}

/// How a process dies at a request: before the store hears of it, or after, before it hears the answer.
#[derive(Clone, Copy, Debug)]
enum Death {
    Before,
    After,
}

/// Runs the program and kills it at its nth request. Says whether it came so far.
async fn kill_at(rehearsal: &Rehearsal, arguments: &[&str], nth: usize, death: Death) -> bool {
    let process: Arc<Mutex<Option<Child>>> = Arc::default();
    let victim = Arc::clone(&process);
    let kill = Hook::new(move |_| {
        // The request may be quicker than the line below that puts the process there.
        loop {
            if let Some(process) = victim.lock().unwrap().as_mut() {
                process.kill().expect("it can be killed");
                process.wait().expect("it is dead");
                return;
            }
            std::thread::yield_now();
        }
    });
    let fault = match death {
        Death::Before => Fault::Instead(kill),
        Death::After => Fault::After(kill),
    };
    let rule = rehearsal.proxy.rule(Rule::new(fault).skip(nth).times(1));
    let mut command = rehearsal.command(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    *process.lock().unwrap() = Some(command.spawn().expect("it starts"));
    let status = tokio::task::spawn_blocking(move || {
        loop {
            if let Some(status) = process.lock().unwrap().as_mut().expect("it is there").try_wait().expect("it can be asked") {
                return status;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    let status = status.await.expect("somebody waits");
    rehearsal.proxy.relent();
    assert!(rule.done() > 0 || status.success(), "{arguments:?} fails by itself: {status}");
    rule.done() > 0
}

/// Reads the site through the edge, over and over: no page may need what is not there.
pub(crate) async fn crawl(url: String, stop: Arc<AtomicBool>) -> usize {
    let mut read = 0;
    while !stop.load(Ordering::Relaxed) {
        for path in ["/", "/about/", "/blog/", "/blog/a/"] {
            let (status, body) = get(&format!("{url}{path}")).await;
            assert!(status == 200, "{path}: {status}");
            let asset = body.split("href=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a style").to_owned();
            assert_eq!(get(&format!("{url}{asset}")).await.0, 200, "{path} needs {asset}");
            read += 1;
        }
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    read
}

/// A command dies at every one of its requests, and each time the next one brings the stage to where it leads.
/// `prepare` is told where the stage is to go, `v1` or `v2`, and says which command dies, which is the next, and where
/// that leads.
async fn die_everywhere(mut prepare: impl AsyncFnMut(&Rehearsal, Trip) -> (Vec<String>, Vec<String>, &'static str)) {
    let rehearsal = Rehearsal::new().await;
    let mut releases = Vec::new();
    // What does not build is quick, and there are hundreds of commands to run.
    for version in ["v1", "v2"] {
        rehearsal.version(version);
        let built = rehearsal.qdn(&["build", "--out", version, "--json"]).await.ended(0).json();
        releases.push(built["release"].as_str().expect("a release").to_owned());
        rehearsal.qdn(&["publish", "staging", "--dist", version]).await.ended(0);
        rehearsal.qdn(&["promote", "staging", "production"]).await.ended(0);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn(crawl(rehearsal.cloud.edge_url("EPRODUCTION"), Arc::clone(&stop)));
    let mut here = 1;
    for death in [Death::Before, Death::After] {
        for nth in 0.. {
            let (from, to) = (["v1", "v2"][here], ["v1", "v2"][1 - here]);
            let trip = Trip { from, to, from_release: releases[here].clone(), to_release: releases[1 - here].clone() };
            let (dying, next, version) = prepare(&rehearsal, trip).await;
            let arguments = |list: &[String]| list.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
            let told = format!("`{}` died {death:?} its request {nth}, then `{}`", arguments(&dying), arguments(&next));
            let died = kill_at(&rehearsal, &dying.iter().map(String::as_str).collect::<Vec<_>>(), nth, death).await;
            let run = rehearsal.qdn(&next.iter().map(String::as_str).collect::<Vec<_>>()).await;
            assert_eq!(run.code, 0, "{told}: {}", run.stderr);
            for path in ["/", "/about/", "/blog/", "/blog/a/"] {
                assert_eq!(rehearsal.page("production", path).await, version, "{path}: {told}");
            }
            let live = rehearsal.cloud.function("route-production").and_then(|(_, live)| live).expect("a live function");
            assert!(live.contains(&format!("\"{version}\"")), "the function: {told}: {live}");
            here = usize::from(version == "v2");
            if !died {
                assert!(nth > 20, "{} makes requests", arguments(&dying));
                break;
            }
        }
    }
    rehearsal.qdn(&["audit", "production"]).await.ended(0);
    stop.store(true, Ordering::Relaxed);
    assert!(reader.await.expect("no page was broken") > 100);
}

/// Where production is, and where it is to go.
struct Trip {
    from: &'static str,
    to: &'static str,
    from_release: String,
    to_release: String,
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_publish_is_finished_by_the_next() {
    die_everywhere(async |_, trip| {
        let publish = words(&format!("publish production --dist {}", trip.to));
        (publish.clone(), publish, trip.to)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_publish_is_undone_by_a_rollback() {
    die_everywhere(async |_, trip| {
        let publish = words(&format!("publish production --dist {}", trip.to));
        (publish, words(&format!("rollback production --to {}", trip.from_release)), trip.from)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_promotion_is_finished_by_the_next() {
    die_everywhere(async |rehearsal, trip| {
        rehearsal.qdn(&["rollback", "staging", "--to", &trip.to_release]).await.ended(0);
        (words("promote staging production"), words("promote staging production"), trip.to)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_rollback_is_finished_by_the_next() {
    die_everywhere(async |_, trip| {
        let rollback = words(&format!("rollback production --to {}", trip.to_release));
        (rollback.clone(), rollback, trip.to)
    })
    .await;
}
