//! What no case reaches.

use super::super::super::ui::{Ui, plural};
use super::super::workshop::Workshop;
use super::Report;
use crate::disk;
use crate::edge::cases::Trial;
use crate::edge::coverage::{self, Counted};
use crate::edge::{Options, RunError};
use crate::source::{Diagnostic, Sources, Span, line_column};
use anstyle::AnsiColor;
use serde_json::{Value, json};
use std::path::Path;

/// A function with its branches.
pub(super) struct Covered {
    name: String,
    counted: Counted,
}

/// Runs all cases once more, on functions that count.
pub(super) fn cover(workshop: &Workshop, reports: &[Report], trial: Trial) -> Result<Vec<Covered>, Vec<Diagnostic>> {
    let (mut all, mut problems) = (Vec::new(), Vec::new());
    for (function, report) in workshop.functions.iter().zip(reports) {
        let options = Options { runtime: function.runtime, virtual_modules: &workshop.modules };
        let counted = coverage::counted(&workshop.sources, &function.path, &options);
        let mut counted = match counted {
            Ok(counted) => counted,
            Err(found) => {
                problems.extend(found);
                continue;
            }
        };
        let wrong = |what: String| Diagnostic::error("coverage", what).at(&function.path, Span::default());
        for (case, verdict) in &report.verdicts {
            let came = |error: &Option<RunError>| error.as_ref().map(|error| error.kind);
            match counted.add(case, trial) {
                // Counting takes time and memory, and must change nothing else. Of properties only the branches are of interest.
                Ok(outcome)
                    if case.forall.is_some()
                        || (&outcome.result, came(&outcome.error)) == (&verdict.outcome.result, came(&verdict.outcome.error)) => {}
                Ok(_) => {
                    problems.push(wrong(format!("the function does something else in the case `{}` when it counts", case.name)));
                }
                Err(error) => {
                    problems.push(wrong(format!("the function cannot be made to count: {error}")));
                    break;
                }
            }
        }
        all.push(Covered { name: function.name.clone(), counted });
    }
    if problems.is_empty() { Ok(all) } else { Err(problems) }
}

/// Writes the branches as editors and services read them.
pub(super) fn write(covered: &[Covered], workshop: &Workshop, file: &Path) -> Result<(), String> {
    let text: String = covered.iter().map(|one| one.counted.lcov(&workshop.sources)).collect();
    disk::write_file(file, text.as_bytes()).map_err(|error| format!("`{}` cannot be written: {error}", file.display()))
}

/// Whether a function has less than what is asked.
pub(super) fn is_short(covered: &[Covered], least: Option<u8>) -> bool {
    least.is_some_and(|least| covered.iter().any(|one| one.counted.percent() < f64::from(least)))
}

pub(super) fn json(covered: &Covered, sources: &Sources) -> Value {
    let (all, taken) = covered.counted.sum();
    let untaken = covered.counted.branches().into_iter().filter(|(_, times)| *times == 0);
    let untaken = untaken.map(|(branch, _)| {
        let (line, column) = line_column(sources.text(branch.path.as_str()).unwrap_or_default(), branch.span.start);
        json!({ "file": branch.path.as_str(), "line": line, "column": column, "what": branch.way.untaken() })
    });
    let untaken: Vec<Value> = untaken.collect();
    json!({ "branches": all, "reached": taken, "percent": tenths(covered.counted.percent()), "unreached": untaken })
}

/// One digit behind the point, and never rounded up to what it is not.
fn tenths(percent: f64) -> f64 {
    (percent * 10.0).floor() / 10.0
}

pub(super) fn say(covered: &[Covered], sources: &Sources, least: Option<u8>, ui: &mut Ui) {
    for one in covered {
        ui.diagnostics(&one.counted.untaken(), sources);
        let (all, taken) = one.counted.sum();
        let percent = tenths(one.counted.percent());
        let line = format!("{taken} of {} of {} ({percent} %)", plural(all, "branch").replace("branchs", "branches"), one.name);
        match least.filter(|least| one.counted.percent() < f64::from(*least)) {
            Some(least) => ui.error(&format!("the cases reach {line}, and {least} % are asked for")),
            None => {
                let done = ui.paint("reached", AnsiColor::Green);
                ui.say(&format!("{done} {line}"));
            }
        }
    }
}
