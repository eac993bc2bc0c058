//! `qdn function test`.

mod cover;
mod remember;
mod report;
mod update;
mod watch;

use super::super::args::Global;
use super::super::build::failed;
use super::super::ui::Ui;
use super::super::{PROBLEMS, deploy};
use super::args::{Test, Update};
use super::workshop::{Named, Workshop};
use crate::edge::cases::{self, Case, Trial, Verdict};
use crate::source::{self, Diagnostic, SourcePath, Sources};
use remember::{Memory, Passed};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How the cases of one function went.
pub(in crate::cli) struct Report {
    pub(in crate::cli) name: String,
    /// The function's file.
    path: SourcePath,
    pub(in crate::cli) verdicts: Vec<(Case, Verdict)>,
    /// Where in the sources the cases that threw did so, by their names.
    thrown: BTreeMap<String, Diagnostic>,
    /// What passed before, where nothing was run as nothing had changed.
    recalled: Option<Vec<Passed>>,
}

impl Report {
    fn of(function: &Named) -> Self {
        let (name, path) = (function.name.clone(), function.path.clone());
        Self { name, path, verdicts: Vec::new(), thrown: BTreeMap::new(), recalled: None }
    }

    fn failed(&self) -> usize {
        self.verdicts.iter().filter(|(_, verdict)| !verdict.passes()).count()
    }
}

/// Runs the cases: once, at every save, or at CloudFront too.
pub(super) fn test(global: &Global, command: &Test, ui: &mut Ui) -> Result<u8, String> {
    if command.watch && ui.json {
        return Err("`--watch` runs again and again, and `--json` is one document\nhint: leave out one of them".to_owned());
    }
    if command.watch {
        return watch::watch(global, command, ui);
    }
    match &command.stage {
        Some(stage) => deploy::function::test(global, command.function.as_deref(), stage, ui),
        None => once(global, command, ui),
    }
}

fn once(global: &Global, command: &Test, ui: &mut Ui) -> Result<u8, String> {
    let workshop = Workshop::open(global, command.function.as_deref(), None)?;
    let trial = Trial { seed: command.seed.unwrap_or(0), tries: command.tries };
    let is_more = command.update.is_some() || command.coverage || command.least.is_some() || command.lcov.is_some();
    let memory = if is_more { None } else { Memory::of(&workshop, trial) };
    let (mut reports, diagnostics) = reports(&workshop, trial, memory.as_ref(), command.again);
    if diagnostics.iter().any(Diagnostic::is_error) {
        return Ok(failed(&diagnostics, &workshop.sources, "", ui));
    }
    let changes = match command.update {
        Some(what) => update::update(&workshop, &mut reports, what == Update::Errors, trial)?,
        None => Vec::new(),
    };
    let mut covered = None;
    if command.coverage || command.least.is_some() || command.lcov.is_some() {
        match cover::cover(&workshop, &reports, trial) {
            Ok(counted) => covered = Some(counted),
            Err(problems) => return Ok(failed(&problems, &workshop.sources, "nothing was counted", ui)),
        }
    }
    if let (Some(covered), Some(file)) = (&covered, &command.lcov) {
        cover::write(covered, &workshop, file)?;
    }
    let failures: usize = reports.iter().map(Report::failed).sum();
    let is_short = covered.as_ref().is_some_and(|covered| cover::is_short(covered, command.least));
    if ui.json {
        let functions = reports.iter().enumerate().map(|(at, report)| {
            let mut document = report::json(report);
            if command.update.is_some() {
                document["updated"] = update::json(&changes, &report.name);
            }
            if let Some(covered) = covered.as_ref().and_then(|covered| covered.get(at)) {
                document["coverage"] = cover::json(covered, &workshop.sources);
            }
            document
        });
        let functions: Vec<Value> = functions.collect();
        ui.document(&json!({ "version": 1, "functions": functions }));
    } else {
        ui.diagnostics(&diagnostics, &workshop.sources);
        update::say(&changes, ui);
        report::say(&reports, &workshop.texts(), ui);
        if let Some(covered) = &covered {
            cover::say(covered, &workshop.sources, command.least, ui);
        }
    }
    Ok(if failures > 0 || is_short { PROBLEMS } else { 0 })
}

/// Runs every case of a project's functions, for `qdn check`: the line to print, and whether all passed.
pub(in crate::cli) fn check_cases(global: &Global, ui: &mut Ui) -> Result<(Vec<Diagnostic>, Sources, bool), String> {
    let workshop = Workshop::of_project(global, None, None)?;
    let memory = Memory::of(&workshop, Trial::default());
    let (reports, diagnostics) = reports(&workshop, Trial::default(), memory.as_ref(), false);
    let passed = reports.iter().all(|report| report.failed() == 0);
    if !ui.json {
        report::say(&reports, &workshop.texts(), ui);
    }
    Ok((diagnostics, workshop.sources, passed))
}

/// The verdicts of all cases, and what is wrong with functions and cases. What passed before and has not changed is not run, unless it
/// shall be run `again`.
fn reports(workshop: &Workshop, trial: Trial, memory: Option<&Memory>, again: bool) -> (Vec<Report>, Vec<Diagnostic>) {
    let (mut reports, mut diagnostics) = (Vec::new(), workshop.diagnostics.clone());
    for function in &workshop.functions {
        if let Some(passed) = memory.filter(|_| !again).and_then(|memory| memory.recall(&function.path)) {
            reports.push(Report { recalled: Some(passed), ..Report::of(function) });
            continue;
        }
        let before = diagnostics.len();
        let bundle = match workshop.bundle(function) {
            Ok(bundle) => bundle,
            Err(found) => {
                diagnostics.extend(found);
                continue;
            }
        };
        let (cases, said) = cases::read(&workshop.sources, &function.path);
        diagnostics.extend(said);
        let verdicts = cases::run_all(cases, &bundle.code, function.runtime, trial);
        let tracer = workshop.tracer(&bundle.source_map, function);
        let mut thrown = BTreeMap::new();
        for (case, verdict) in &verdicts {
            if let Some(error) = verdict.outcome.error.as_ref().filter(|_| !verdict.outcome.trace.is_empty()) {
                thrown.insert(case.name.clone(), tracer.explain(error, &verdict.outcome.trace));
            }
        }
        let report = Report { verdicts, thrown, ..Report::of(function) };
        // What is said of it is to be said again.
        if let (Some(memory), true) = (memory, diagnostics.len() == before) {
            memory.keep(&function.path, &report);
        }
        reports.push(report);
    }
    source::sort(&mut diagnostics);
    (reports, diagnostics)
}
