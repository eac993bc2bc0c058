//! A project is served: watched, and built whenever something of it changes.

use super::answer::{Origin, Served, answerer, decider};
use super::engine::Engine;
use super::jobs::Jobs;
use super::reload::{Message, message};
use super::server::{Preview, Subject};
use crate::build::{self, Memory, Outcome};
use crate::disk;
use crate::release::Release;
use crate::source::{self, Diagnostic, Sources};
use std::collections::BTreeSet;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;

/// What a preview is of.
pub struct Options {
    /// The project's folder.
    pub root: PathBuf,
    /// How it is built.
    pub build: build::Options,
    /// Names by which a browser may ask for it, besides those of this machine itself.
    pub hosts: BTreeSet<String>,
    /// The jobs behind `/api/`; none where other machines can listen in.
    pub jobs: Option<Jobs>,
}

/// Serves a project until `shutdown` is done. `report` hears of every build.
///
/// # Errors
/// Where the listener fails, or the project's folder cannot be watched.
pub async fn serve(
    listener: TcpListener,
    options: Options,
    memory: Memory,
    report: impl Fn(&Outcome, &Sources) + Send + 'static,
    shutdown: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let Options { root, build, hosts, jobs } = options;
    let mut watch = disk::watch(&root).map_err(std::io::Error::other)?;
    let preview = Arc::new(Preview::new(&listener, Subject::Project, hosts, jobs)?);
    let shown = Arc::clone(&preview);
    std::thread::Builder::new().name("build".to_owned()).stack_size(build::STACK).spawn(move || {
        let mut last = None;
        loop {
            let (mut sources, problems) = disk::read(&root);
            disk::complete(&mut sources, std::slice::from_ref(&root), build::missing);
            // Editors touch files without changing them; that is no reason to build.
            if last.as_ref() != Some(&(sources.clone(), problems.clone())) {
                last = Some((sources.clone(), problems.clone()));
                let outcome = show(&shown, &sources, problems, build, &memory);
                report(&outcome, &sources);
            }
            if !watch.wait() {
                return;
            }
        }
    })?;
    // Open event streams never end by themselves, so there is nothing to wait for.
    tokio::select! {
        result = preview.listen(listener) => result,
        () = shutdown => Ok(()),
    }
}

fn show(preview: &Preview, sources: &Sources, problems: Vec<Diagnostic>, options: build::Options, memory: &Memory) -> Outcome {
    let mut outcome = build::release(sources, problems, options, memory);
    match outcome.release.take() {
        Some(release) => {
            preview.job_api.offer(&outcome.terms);
            let served = preview.served();
            let old = served.as_ref().and_then(|served| Some((served.built()?, (&served.engine, &served.response))));
            let message = old.map_or(Message::Reload, |(old, _)| message(old, &release));
            // Starting a function takes longer than a page's build; most saves leave it as it is.
            let (engine, response) = match old.filter(|(old, _)| decides_alike(old, &release)) {
                Some((_, (engine, response))) => (engine.clone(), response.clone()),
                None => (outcome.edge.take().map(Engine::start), outcome.response_edge.take().map(Engine::start)),
            };
            preview.show(Some(Served { origin: Origin::Built(release), engine, response }), message);
        }
        None => preview.trouble(source::render(&outcome.diagnostics, sources, false)),
    }
    outcome
}

/// Whether the same functions decide the URLs of both, and see their answers.
fn decides_alike(old: &Release, new: &Release) -> bool {
    decider(&old.manifest) == decider(&new.manifest)
        && answerer(&old.manifest) == answerer(&new.manifest)
        && old.manifest.functions == new.manifest.functions
}
