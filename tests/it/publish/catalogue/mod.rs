//! What can go wrong, and what has to happen then: one test for each row of the catalogue of failures.

mod books;
mod edge;
mod killed;
mod large;
mod packs;
mod people;
mod sources;
mod store;

use super::program::{Rehearsal, get};
use crate::project::Run;
use crate::proxy::{Fault, Hook, Request, Rule};
use qdn::deploy::remote::aws::Aws;
use qdn::deploy::remote::{Bucket, Content, Described, When};
use qdn::release::Digest;
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

/// The pages of a version, as visitors ask for them.
const PAGES: [&str; 4] = ["/", "/about/", "/blog/", "/blog/a/"];

/// A program that runs, to which signals can be sent.
#[derive(Clone, Default)]
struct Victim(Arc<OnceLock<u32>>);

impl Victim {
    /// Sends a signal. Waits until the program was started.
    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([format!("-{name}"), self.0.wait().to_string()]).status();
        assert!(status.expect("signals can be sent").success(), "{name}");
    }

    fn hook(&self, name: &'static str) -> Hook {
        let victim = self.clone();
        Hook::new(move |_| victim.signal(name))
    }
}

impl Rehearsal {
    /// Builds a version into a folder of its own name, and says which release it is.
    async fn built(&self, version: &str) -> String {
        self.version(version);
        let built = self.qdn(&["build", "--out", version, "--json"]).await.ended(0).json();
        built["release"].as_str().expect("a release").to_owned()
    }

    async fn publish(&self, stage: &str, version: &str) -> Run {
        self.qdn(&["publish", stage, "--dist", version]).await
    }

    /// Starts the program, and waits for its end aside.
    fn start(&self, arguments: &[&str], victim: &Victim) -> tokio::task::JoinHandle<Run> {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().expect("the program starts");
        victim.0.set(child.id()).expect("one program each");
        tokio::task::spawn_blocking(move || Run::of(&child.wait_with_output().expect("it ends")))
    }

    /// A bucket, past the proxy: `control`, or that of a stage.
    async fn bucket(&self, short: &str) -> Arc<dyn Bucket> {
        let prefix = if short == "control" { "qdn/" } else { "" };
        Aws::with(&self.cloud.settings().await).bucket(&self.cloud.bucket_name(short), prefix)
    }

    /// A stage's state, as it lies there.
    async fn head(&self, stage: &str) -> Value {
        let found = self.bucket("control").await.read(&format!("stages/{stage}/head.json")).await.expect("it can be read");
        serde_json::from_slice(&found.expect("a state").bytes).expect("a document")
    }

    /// Every key of a stage's bucket.
    async fn keys(&self, short: &str) -> Vec<String> {
        self.bucket(short).await.list("").await.expect("a listing").into_iter().map(|one| one.key).collect()
    }

    /// The function that is live.
    fn live(&self, stage: &str) -> String {
        self.cloud.function(&format!("route-{stage}")).and_then(|(_, live)| live).expect("a live function")
    }

    /// Every page is of a version, and so is the function; each has its style; and the program finds nothing wrong.
    async fn is_whole(&self, stage: &str, version: &str) {
        self.shows(stage, version).await;
        assert!(self.live(stage).contains(&format!("\"{version}\"")), "the function is of {version}: {}", self.live(stage));
        self.qdn(&["audit", stage]).await.ended(0);
    }

    /// Every page that visitors see is of a version, and has its style.
    async fn shows(&self, stage: &str, version: &str) {
        let url = self.cloud.edge_url(&format!("E{}", stage.to_uppercase()));
        for path in PAGES {
            let (status, body) = get(&format!("{url}{path}")).await;
            assert!(status == 200 && body.contains(&format!("version {version}<")), "{path} is of {version}: {status} {body}");
            let asset = body.split("href=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a style");
            assert_eq!(get(&format!("{url}{asset}")).await.0, 200, "{path} needs {asset}");
        }
    }

    /// The requests of a method to a stage's bucket since so many were made.
    fn asked_of(&self, stage: &str, method: &str, since: usize) -> Vec<String> {
        let place = format!("/{}/", self.cloud.bucket_name(stage));
        let all = self.proxy.seen().split_off(since);
        all.into_iter().filter(|one| one.method == method && one.path.starts_with(&place)).map(|one| key(&one)).collect()
    }

    /// A path within a stage's bucket, as a rule wants it.
    fn at(&self, short: &str, key: &str) -> String {
        format!("/{}/{key}", self.cloud.bucket_name(short))
    }
}

/// What a request is about, without bucket and query.
fn key(request: &Request) -> String {
    let path = request.path.split('?').next().unwrap_or_default();
    path.splitn(3, '/').nth(2).unwrap_or_default().to_owned()
}

/// Writes over an object, behind everybody's back.
async fn overwrite(bucket: &dyn Bucket, key: &str, bytes: &[u8]) {
    let sha256 = Digest::of(bytes).hex();
    let described = Described {
        sha256: &sha256,
        size: bytes.len() as u64,
        content_type: "application/json",
        cache_control: "no-store",
        cache_tag: "",
    };
    let stat = bucket.stat(key).await.expect("it can be asked");
    let when = stat.map_or(When::Missing, |stat| When::Is(stat.tag));
    bucket.put(key, &Content::Bytes(bytes.into()), &described, &when).await.expect("it can be written");
}

async fn delete(bucket: &dyn Bucket, key: &str) {
    let stat = bucket.stat(key).await.expect("it can be asked").unwrap_or_else(|| panic!("{key} is there"));
    bucket.remove(key, &stat.tag).await.expect("it can be removed");
}
