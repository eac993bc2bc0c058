//! What was published to a stage is served: what its ledger calls live, through the function that is LIVE there
//! and the cache of its edge. Nothing is built, and nothing is watched but the ledger.

use super::answer::{Origin, Served, answerer, decider};
use super::engine::Engine;
use super::jobs::Jobs;
use super::reload::Message;
use super::server::{Preview, Subject};
use crate::deploy::remote::{Bucket, FunctionStage, RemoteFunction, Stage};
use crate::edge::Runtime;
use crate::jobs::Terms;
use crate::release::Manifest;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// Between two looks at the ledger.
const LOOK: Duration = Duration::from_millis(500);

/// What a preview of a stage is of.
#[derive(Debug)]
pub struct StageOptions {
    /// The stage. A distribution of a release that it does not name is asked for by its own name.
    pub stage: Stage,
    /// What the firm offers, for the job API.
    pub terms: Terms,
    /// Names by which a browser may ask for it, besides those of this machine itself.
    pub hosts: BTreeSet<String>,
    /// The jobs behind `/api/`; none where other machines can listen in.
    pub jobs: Option<Jobs>,
}

/// The part of a stage's `head.json` that matters here.
#[derive(Deserialize)]
struct Head {
    release: Option<String>,
}

/// What was seen of a stage.
#[derive(Default)]
struct Seen {
    manifest: Option<Manifest>,
    function: Option<RemoteFunction>,
    response: Option<RemoteFunction>,
}

/// Serves what is published to a stage until `shutdown` is done. `report` hears of each change: of the release that
/// is served now, if there is one, or of what is wrong.
///
/// # Errors
/// Where the listener fails.
pub async fn serve_stage(
    listener: TcpListener,
    options: StageOptions,
    report: impl Fn(Result<Option<&str>, &str>) + Send,
    shutdown: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let StageOptions { stage, terms, hosts, jobs } = options;
    let preview = Preview::new(&listener, Subject::Stage(stage.name.clone()), hosts, jobs)?;
    preview.job_api.offer(&terms);
    let preview = Arc::new(preview);
    tokio::select! {
        result = Arc::clone(&preview).listen(listener) => result,
        () = follow(&preview, &stage, report) => Ok(()),
        () = shutdown => Ok(()),
    }
}

/// Looks again and again, and shows what is new.
async fn follow(preview: &Preview, stage: &Stage, report: impl Fn(Result<Option<&str>, &str>)) {
    let mut shown: Option<Seen> = None;
    let mut trouble: Option<String> = None;
    loop {
        match look(stage, shown.as_ref()).await {
            Ok(seen) if shown.as_ref().is_some_and(|shown| shown.is_like(&seen)) => {
                if trouble.take().is_some() {
                    preview.solved();
                }
            }
            Ok(seen) => {
                trouble = None;
                preview.show(seen.served(stage), Message::Reload);
                report(Ok(seen.manifest.as_ref().map(|manifest| manifest.release.as_str())));
                shown = Some(seen);
            }
            Err(message) => {
                if trouble.as_ref() != Some(&message) {
                    preview.trouble(message.clone());
                    report(Err(&message));
                    trouble = Some(message);
                }
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What is live now. A manifest that is known already is not read again: one of that name never changes.
async fn look(stage: &Stage, known: Option<&Seen>) -> Result<Seen, String> {
    let head = read(stage.control.as_ref(), &format!("stages/{}/head.json", stage.name)).await?;
    let head: Option<Head> = head
        .map(|text| serde_json::from_slice(&text))
        .transpose()
        .map_err(|error| format!("the ledger of the stage `{}` cannot be read: {error}", stage.name))?;
    let Some(release) = head.and_then(|head| head.release) else { return Ok(Seen::default()) };
    let known = known.and_then(|known| known.manifest.as_ref()).filter(|manifest| manifest.release == release);
    let manifest = match known {
        Some(manifest) => manifest.clone(),
        None => {
            let key = format!("releases/{release}.json");
            let text = read(stage.control.as_ref(), &key).await?;
            let text = text.ok_or_else(|| format!("{} is missing, and it is what is live", stage.control.locate(&key)))?;
            let problem = |why: String| format!("{}: {why}", stage.control.locate(&key));
            let text = std::str::from_utf8(&text).map_err(|error| problem(error.to_string()))?;
            Manifest::parse(text).map_err(|error| problem(error.to_string()))?
        }
    };
    let function = match decider(&manifest) {
        Some(name) => Some(live(stage, name, "decides the URLs").await?),
        None => None,
    };
    let response = match answerer(&manifest) {
        Some(name) => Some(live(stage, name, "sees the answers").await?),
        None => None,
    };
    Ok(Seen { manifest: Some(manifest), function, response })
}

/// The code that is LIVE under a function's name.
async fn live(stage: &Stage, name: &str, what: &str) -> Result<RemoteFunction, String> {
    let remote = stage.function_name(name);
    let live = stage.cdn.function(&remote, FunctionStage::Live).await.map_err(|failure| failure.to_string())?;
    live.ok_or_else(|| format!("the function `{remote}` {what}, and none of this name is LIVE"))
}

async fn read(bucket: &dyn Bucket, key: &str) -> Result<Option<Vec<u8>>, String> {
    let found = bucket.read(key).await.map_err(|failure| failure.to_string())?;
    Ok(found.map(|found| found.bytes))
}

impl Seen {
    fn is_like(&self, other: &Self) -> bool {
        let release = |seen: &Self| seen.manifest.as_ref().map(|manifest| manifest.release.clone());
        release(self) == release(other) && self.function == other.function && self.response == other.response
    }

    fn served(&self, stage: &Stage) -> Option<Served> {
        let manifest = self.manifest.clone()?;
        let start = |function: &RemoteFunction| {
            let runtime = Runtime::from_name(&function.runtime).unwrap_or_default();
            Engine::start_code(String::from_utf8_lossy(&function.code).into_owned(), runtime)
        };
        let (engine, response) = (self.function.as_ref().map(start), self.response.as_ref().map(start));
        Some(Served { origin: Origin::Published(Box::new((stage.clone(), manifest))), engine, response })
    }
}
