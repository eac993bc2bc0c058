//! `qdn function test`.

use super::super::PROBLEMS;
use super::super::args::Global;
use super::super::build::failed;
use super::super::ui::{Ui, plural};
use super::args::Test;
use super::workshop::Workshop;
use crate::edge::cases;
use crate::source::{self, Diagnostic, Sources};
use anstyle::AnsiColor;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How the cases of one function went.
struct Report {
    name: String,
    verdicts: Vec<(String, cases::Verdict)>,
    /// Where in the sources the cases that threw did so.
    thrown: BTreeMap<String, Diagnostic>,
}

impl Report {
    fn failed(&self) -> usize {
        self.verdicts.iter().filter(|(_, verdict)| !verdict.passes()).count()
    }
}

/// Runs the cases.
pub(super) fn test(global: &Global, command: &Test, ui: &mut Ui) -> Result<u8, String> {
    let workshop = Workshop::open(global, command.function.as_deref(), None)?;
    let (reports, diagnostics) = reports(&workshop);
    if diagnostics.iter().any(Diagnostic::is_error) {
        return Ok(failed(&diagnostics, &workshop.sources, "", ui));
    }
    if ui.json {
        let functions: Vec<Value> = reports.iter().map(report_json).collect();
        ui.document(&json!({ "version": 1, "functions": functions }));
    } else {
        ui.diagnostics(&diagnostics, &workshop.sources);
        say(&reports, &workshop.texts(), ui);
    }
    let failures: usize = reports.iter().map(Report::failed).sum();
    Ok(if failures > 0 { PROBLEMS } else { 0 })
}

/// Runs every case of a project's functions, for `qdn check`: the line to print, and whether all passed.
pub(in crate::cli) fn check_cases(global: &Global, ui: &mut Ui) -> Result<(Vec<Diagnostic>, Sources, bool), String> {
    let workshop = Workshop::of_project(global, None, None)?;
    let (reports, diagnostics) = reports(&workshop);
    let passed = reports.iter().all(|report| report.failed() == 0);
    if !ui.json {
        say(&reports, &workshop.texts(), ui);
    }
    Ok((diagnostics, workshop.sources, passed))
}

fn reports(workshop: &Workshop) -> (Vec<Report>, Vec<Diagnostic>) {
    let (mut reports, mut diagnostics) = (Vec::new(), workshop.diagnostics.clone());
    for function in &workshop.functions {
        let bundle = match workshop.bundle(function) {
            Ok(bundle) => bundle,
            Err(found) => {
                diagnostics.extend(found);
                continue;
            }
        };
        let mut verdicts = Vec::new();
        let mut thrown = BTreeMap::new();
        let tracer = workshop.tracer(&bundle.source_map, function);
        let mut runner = cases::Runner::new(&bundle.code, function.runtime);
        for path in cases::of(&workshop.sources, &function.path) {
            let text = match workshop.sources.utf8(&path) {
                Ok(text) => text,
                Err(problem) => {
                    diagnostics.push(problem);
                    continue;
                }
            };
            let (case, found) = cases::parse(&path, text);
            diagnostics.extend(found);
            if let Some(case) = case {
                let verdict = runner.run(&case);
                if let Some(error) = verdict.outcome.error.as_ref().filter(|_| !verdict.outcome.trace.is_empty()) {
                    thrown.insert(case.name.clone(), tracer.explain(error, &verdict.outcome.trace));
                }
                verdicts.push((case.name, verdict));
            }
        }
        reports.push(Report { name: function.name.clone(), verdicts, thrown });
    }
    source::sort(&mut diagnostics);
    (reports, diagnostics)
}

fn report_json(report: &Report) -> Value {
    let cases: Vec<Value> = report
        .verdicts
        .iter()
        .map(|(name, verdict)| {
            let differences: Vec<Value> = verdict
                .differences
                .iter()
                .map(|difference| json!({ "place": difference.place, "expected": difference.expected, "got": difference.got }))
                .collect();
            json!({ "name": name, "passed": verdict.passes(), "utilization": verdict.outcome.utilization, "differences": differences })
        })
        .collect();
    json!({ "name": report.name, "passed": report.verdicts.len() - report.failed(), "failed": report.failed(), "cases": cases })
}

fn say(reports: &[Report], texts: &Sources, ui: &mut Ui) {
    for report in reports {
        for (name, verdict) in report.verdicts.iter().filter(|(_, verdict)| !verdict.passes()) {
            ui.error(&format!("{} · {name}", report.name));
            for difference in &verdict.differences {
                ui.error_detail(&difference.to_string());
            }
            if let Some(problem) = report.thrown.get(name) {
                ui.diagnostics(std::slice::from_ref(problem), texts);
            }
        }
        let passed = report.verdicts.len() - report.failed();
        match (report.verdicts.len(), report.failed()) {
            (0, _) => ui.say(&format!("{} has no cases; write one: functions/{}.cases/<name>.json", report.name, report.name)),
            (_, 0) => {
                let done = ui.paint("passed", AnsiColor::Green);
                let most = report.verdicts.iter().map(|(_, verdict)| verdict.outcome.utilization).max().unwrap_or(0);
                ui.say(&format!("{done} {} of {}, utilization {most} of 100 at most", plural(passed, "case"), report.name));
            }
            (all, failed) => ui.error(&format!("{failed} of {all} cases of {} failed", report.name)),
        }
    }
}
