//! `qdn preview`.

use super::args::{Global, Preview};
use super::build::{memory, root};
use super::deploy::stages::{self, Project};
use super::jobs::desk::{local, local_keys};
use super::ui::{Ui, counted, plural};
use super::{INTERRUPTED, USAGE, leave};
use crate::build::{self, Outcome};
use crate::deploy::options::Store;
use crate::deploy::remote::Stage;
use crate::disk::Folder;
use crate::jobs::Terms;
use crate::jobs::store::json::JsonStore;
use crate::jobs::token::Keys;
use crate::jobs::world::{System, random};
use crate::preview;
use crate::source::Sources;
use anstyle::AnsiColor;
use serde_json::json;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;

/// How many ports after the wanted one are tried.
const MORE_PORTS: u16 = 20;

/// Serves until it is interrupted: a project, which is watched and built, or what was published to a stage.
pub(super) fn preview(global: &Global, command: &Preview, ui: &mut Ui) -> Result<u8, String> {
    let root = root(global)?;
    // Changes are reported with their real paths, whatever links lead to the project.
    let root = root.canonicalize().map_err(|error| format!("`{}` cannot be opened: {error}", root.display()))?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| format!("no thread can be started: {error}"))?;
    let stage = match &command.stage {
        Some(name) => Some(runtime.block_on(stage(&root, name))?),
        None => None,
    };
    let result = runtime.block_on(async {
        let (listener, address) = listen(command, ui).await?;
        let url = format!("http://{address}/");
        // What a session shows are customers: it is for this machine, and never goes over a network in plain http.
        let jobs = if address.ip().is_loopback() { Some(jobs(&root, ui).await) } else { None };
        let dashboard = jobs.as_ref().map(|jobs| format!("{url}dashboard/#sign-in={}", jobs.sign_in()));
        if ui.json {
            ui.data(&json!({ "version": 1, "url": url, "inspector": format!("{url}_qdn/"), "dashboard": dashboard }).to_string());
        }
        let ready = ui.paint("serving", AnsiColor::Green);
        ui.say(&format!("{ready} {url}  (route inspector: {url}_qdn/, Ctrl-C ends it)"));
        if let Some(dashboard) = dashboard {
            ui.say(&format!("dashboard, signed in: {dashboard}"));
        }
        if command.open && open::that_detached(&url).is_err() {
            ui.say("no browser could be opened; the address is above");
        }
        let mut hosts = BTreeSet::new();
        if !address.ip().is_loopback() {
            ui.say("warning: other machines can reach this preview and see unpublished pages; the job API is off, as it would show customers");
            hosts.insert(command.host.to_ascii_lowercase());
            hosts.insert(bracketed(address.ip()));
        }
        let served = match stage {
            Some((stage, terms)) => {
                let report = stage_reporter(ui.clone(), stage.name.clone());
                let options = preview::StageOptions { stage, terms, hosts, jobs };
                preview::serve_stage(listener, options, report, interrupted()).await
            }
            None => {
                let build = build::Options { drafts: command.drafts };
                let options = preview::Options { root: root.clone(), build, hosts, jobs };
                preview::serve(listener, options, memory(&root), reporter(ui.clone()), interrupted()).await
            }
        };
        served.map_err(|error| error.to_string())
    });
    // Neither the watcher nor an open event stream is worth waiting for.
    leave(runtime);
    match result {
        Ok(()) => Ok(INTERRUPTED),
        Err(message) => {
            ui.error(&message);
            Ok(USAGE)
        }
    }
}

/// A stage on this machine, opened, with the terms of the project.
async fn stage(root: &Path, name: &str) -> Result<(Stage, Terms), String> {
    let project = Project::read(root);
    let options = project.stage(name)?;
    if !matches!(options.store, Store::Folder(_)) {
        let hint = "hint: a stage with a `folder` in qdn.toml can be looked at so; this one is on the network already";
        return Err(format!("the stage `{name}` is no folder of this machine\n{hint}"));
    }
    Ok((stages::stage(options, root).await?, project.config.terms))
}

/// This machine's own jobs. Where their secrets cannot be kept, the site can be looked at all the same.
async fn jobs(root: &Path, ui: &mut Ui) -> preview::Jobs {
    let folder = local(root);
    let documents = Arc::new(Folder::new(&folder));
    let keys = match local_keys(documents.as_ref()).await {
        Ok(keys) => keys,
        Err(why) => {
            ui.say(&format!("warning: {why}; links and sessions end with this preview"));
            Keys::from_random(random(&System))
        }
    };
    preview::Jobs { store: Arc::new(JsonStore::new(Folder::new(&folder))), documents, keys }
}

fn bracketed(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// A free port: the wanted one, or one of those after it.
async fn listen(command: &Preview, ui: &mut Ui) -> Result<(TcpListener, SocketAddr), String> {
    let last = command.port.saturating_add(if command.port == 0 { 0 } else { MORE_PORTS });
    for port in command.port..=last {
        match TcpListener::bind((command.host.as_str(), port)).await {
            Ok(listener) => {
                if port != command.port {
                    ui.say(&format!("port {} is taken, so this is port {port}", command.port));
                }
                let address = listener.local_addr().map_err(|error| error.to_string())?;
                return Ok((listener, address));
            }
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(format!("`{}` port {port} cannot be listened on: {error}", command.host)),
        }
    }
    Err(format!("the ports {} to {last} are all taken\nhint: name another with `--port`", command.port))
}

/// Says what each build came to.
fn reporter(ui: Ui) -> impl Fn(&Outcome, &Sources) + Send + 'static {
    move |outcome, sources| {
        let mut ui = ui.clone();
        ui.diagnostics(&outcome.diagnostics, sources);
        match &outcome.id {
            Some(id) => {
                let done = ui.paint("built", AnsiColor::Green);
                let warnings =
                    if outcome.diagnostics.is_empty() { String::new() } else { format!(" ({})", counted(&outcome.diagnostics)) };
                ui.say(&format!(
                    "{done} {}, {}, {} as release {id}{warnings}",
                    plural(outcome.pages, "page"),
                    plural(outcome.assets, "asset"),
                    plural(outcome.functions, "function"),
                ));
            }
            None => ui.error(&format!("{}; the last good build is still served", counted(&outcome.diagnostics))),
        }
    }
}

/// Says what a stage serves.
fn stage_reporter(ui: Ui, stage: String) -> impl Fn(Result<Option<&str>, &str>) + Send {
    move |seen| {
        let mut ui = ui.clone();
        match seen {
            Ok(Some(release)) => {
                let live = ui.paint("live", AnsiColor::Green);
                ui.say(&format!("{live} release {release} on `{stage}`"));
            }
            Ok(None) => ui.say(&format!("nothing is published to `{stage}` yet: `qdn publish {stage}`, and it appears here")),
            Err(why) => ui.error(&format!("{why}; what it served before is still served")),
        }
    }
}

/// Done when someone wants this to end for the second time. However soon that is, it is heard.
pub(super) async fn interrupted_twice(first: impl FnOnce()) {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
            let mut next = async || {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            };
            next().await;
            first();
            next().await;
            return;
        }
    }
    interrupted().await;
    first();
    interrupted().await;
}

/// Done when someone wants this to end.
pub(super) async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
