//! `qdn build` and `qdn check`.

use super::args::{Build, Global};
use super::ui::{Ui, counted, plural};
use super::{PROBLEMS, USAGE, function};
use crate::build::{self, Memory, Options, Outcome};
use crate::disk::{self, FolderCache};
use crate::source::{self, Diagnostic, Sources};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The project that a command is about.
pub(super) fn root(global: &Global) -> Result<PathBuf, String> {
    if let Some(root) = &global.root {
        return match root.is_dir() {
            true => Ok(root.clone()),
            false => Err(format!("there is no folder `{}`", root.display())),
        };
    }
    let here = std::env::current_dir().map_err(|error| format!("the working folder cannot be found: {error}"))?;
    disk::find_root(&here).ok_or_else(|| {
        format!("there is no project in `{}` or above it\nhint: a project has a folder `site` and a folder `templates`; name another with `--root`", here.display())
    })
}

/// What is kept between builds of one project.
pub(super) fn memory(root: &Path) -> Memory {
    Memory::new(Box::new(FolderCache::new(root, "images")))
}

#[expect(clippy::disallowed_methods, reason = "how long it took is told to people, and is never part of what is built")]
fn now() -> Instant {
    Instant::now()
}

pub(super) fn run(root: &Path) -> (Sources, Outcome) {
    // This thread would wait for the others; so it works instead of one of them.
    let _ = rayon::ThreadPoolBuilder::new().use_current_thread().build_global();
    let (mut sources, problems) = disk::read(root);
    disk::complete(&mut sources, &[root.to_path_buf()], build::missing);
    let outcome = build::release(&sources, problems, Options::default(), &memory(root));
    (sources, outcome)
}

/// Builds into `dist/`, unless there is an error.
pub(super) fn build(global: &Global, command: &Build, ui: &mut Ui) -> Result<u8, String> {
    let started = now();
    let root = root(global)?;
    let (sources, outcome) = run(&root);
    let Some(release) = &outcome.release else { return Ok(failed(&outcome.diagnostics, &sources, "nothing was written", ui)) };
    ui.diagnostics(&outcome.diagnostics, &sources);
    let out = command.out.clone().unwrap_or_else(|| root.join("dist"));
    if let Some(folder) = disk::source_folder(&root, &out) {
        return Err(format!("`{}` lies in `{folder}`, among the sources\nhint: name another folder with `--out`", out.display()));
    }
    let written = match disk::write(release, &out) {
        Ok(written) => written,
        Err(error) => {
            ui.error(&error.to_string());
            return Ok(USAGE);
        }
    };
    let milliseconds = started.elapsed().as_millis();
    if ui.json {
        ui.document(&json!({
            "version": 1, "release": release.manifest.release, "pages": outcome.pages, "assets": outcome.assets,
            "functions": release.functions.len(), "written": written.written, "unchanged": written.unchanged,
            "removed": written.removed, "bytes": release.bytes(), "milliseconds": u64::try_from(milliseconds).unwrap_or(u64::MAX),
            "diagnostics": source::json(&outcome.diagnostics, &sources),
        }));
    } else {
        let done = ui.paint("built", anstyle::AnsiColor::Green);
        ui.say(&format!(
            "{done} {}, {}, {} as release {} in {milliseconds} ms",
            plural(outcome.pages, "page"),
            plural(outcome.assets, "asset"),
            plural(release.functions.len(), "function"),
            release.manifest.release,
        ));
        ui.say(&format!(
            "      {}: {} written, {} unchanged, {} removed",
            out.display(),
            written.written,
            written.unchanged,
            written.removed
        ));
    }
    // The program ends here, and gives back all at once what would take a while to give back piece by piece.
    std::mem::forget((sources, outcome));
    Ok(0)
}

/// Finds everything wrong.
pub(super) fn check(global: &Global, ui: &mut Ui) -> Result<u8, String> {
    let root = root(global)?;
    let (sources, outcome) = run(&root);
    if outcome.release.is_none() {
        return Ok(failed(&outcome.diagnostics, &sources, "", ui));
    }
    let mut passed = true;
    if outcome.functions > 0 {
        let (problems, case_sources, all) = function::check_cases(global, ui)?;
        if problems.iter().any(Diagnostic::is_error) {
            return Ok(failed(&problems, &case_sources, "", ui));
        }
        passed = all;
    }
    if ui.json {
        ui.document(&json!({ "version": 1, "diagnostics": source::json(&outcome.diagnostics, &sources), "cases_passed": passed }));
    } else {
        ui.diagnostics(&outcome.diagnostics, &sources);
    }
    if !passed {
        return Ok(PROBLEMS);
    }
    if !ui.json {
        let done = ui.paint("checked", anstyle::AnsiColor::Green);
        ui.say(&format!(
            "{done} {} and {}: {}",
            plural(outcome.pages, "page"),
            plural(outcome.assets, "asset"),
            counted(&outcome.diagnostics)
        ));
    }
    Ok(0)
}

/// Says what is wrong, once, in the form that was asked for.
pub(super) fn failed(diagnostics: &[Diagnostic], sources: &Sources, after: &str, ui: &mut Ui) -> u8 {
    if ui.json {
        ui.document(&json!({ "version": 1, "diagnostics": source::json(diagnostics, sources) }));
    } else {
        ui.diagnostics(diagnostics, sources);
        let after = if after.is_empty() { String::new() } else { format!("; {after}") };
        ui.error(&format!("{}{after}", counted(diagnostics)));
    }
    PROBLEMS
}
