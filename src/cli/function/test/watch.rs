//! Cases are run again at every save.

use super::super::super::args::Global;
use super::super::super::preview::interrupted;
use super::super::super::ui::Ui;
use super::super::super::{INTERRUPTED, USAGE, leave};
use super::super::args::Test;
use super::super::workshop::Workshop;
use super::once;
use crate::disk::{self, Watch};
use crate::edge::cases;
use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use tokio::sync::mpsc;

/// Runs until it is interrupted.
pub(super) fn watch(global: &Global, command: &Test, ui: &mut Ui) -> Result<u8, String> {
    let mut changes = watched(global, command)?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| format!("no thread can be started: {error}"))?;
    let (saved, mut saves) = mpsc::unbounded_channel();
    // The watcher waits without end, so it has a thread that nobody waits for.
    std::thread::spawn(move || while changes.wait() && saved.send(()).is_ok() {});
    let code = runtime.block_on(async {
        let end = interrupted();
        tokio::pin!(end);
        loop {
            run(global, command, ui);
            tokio::select! {
                () = &mut end => return INTERRUPTED,
                more = saves.recv() => {
                    if more.is_none() {
                        ui.error("the system stopped telling of changes");
                        return USAGE;
                    }
                    // Saves while the cases ran are one.
                    while saves.try_recv().is_ok() {}
                }
            }
        }
    });
    leave(runtime);
    Ok(code)
}

/// One run on a clean screen. What stands against it now may be put right by the next save.
fn run(global: &Global, command: &Test, ui: &mut Ui) {
    if !ui.json && std::io::stderr().is_terminal() {
        ui.say("\u{1b}[2J\u{1b}[H");
    }
    if let Err(message) = once(global, command, ui) {
        ui.error(&message);
    }
    if !ui.json {
        ui.say("watching; Ctrl-C ends it");
    }
}

fn watched(global: &Global, command: &Test) -> Result<Watch, String> {
    let workshop = Workshop::open(global, command.function.as_deref(), None)?;
    let watch = match workshop.is_project {
        true => disk::watch(&workshop.base),
        false => {
            let mut folders: BTreeSet<PathBuf> = BTreeSet::new();
            for (path, _) in workshop.sources.iter() {
                folders.insert(workshop.base.join(path.folder()));
            }
            for function in &workshop.functions {
                folders.insert(workshop.base.join(cases::folder(&function.path)));
            }
            disk::watch_folders(folders.into_iter().collect())
        }
    };
    watch.map_err(|error| format!("changes cannot be watched for: {error}"))
}
