//! How cases went, for people and for programs.

use super::super::super::ui::{Ui, plural};
use super::Report;
use super::remember::Passed;
use crate::edge::cases::{self, Case, Verdict};
use crate::source::Sources;
use anstyle::AnsiColor;
use serde_json::{Value, json};

pub(super) fn json(report: &Report) -> Value {
    let cases: Vec<Value> = match &report.recalled {
        None => report.verdicts.iter().map(|(case, verdict)| one(case, verdict)).collect(),
        Some(passed) => passed.iter().map(recalled).collect(),
    };
    let failed = report.failed();
    json!({
        "name": report.name, "passed": cases.len() - failed, "failed": failed, "recalled": report.recalled.is_some(), "cases": cases,
    })
}

fn recalled(case: &Passed) -> Value {
    let mut document = json!({ "name": case.name, "passed": true, "utilization": case.utilization, "differences": [] });
    if let Some(tries) = case.tries {
        document["tries"] = json!(tries);
    }
    document
}

fn one(case: &Case, verdict: &Verdict) -> Value {
    let differences: Vec<Value> = verdict
        .differences
        .iter()
        .map(|difference| json!({ "place": difference.place, "expected": difference.expected, "got": difference.got }))
        .collect();
    let mut document = json!({
        "name": case.name, "passed": verdict.passes(), "utilization": verdict.outcome.utilization, "differences": differences,
    });
    if case.forall.is_some() {
        document["tries"] = json!(verdict.tries);
    }
    if let Some(event) = &verdict.found {
        document["found"] = case.found(event);
    }
    document
}

pub(super) fn say(reports: &[Report], texts: &Sources, ui: &mut Ui) {
    for report in reports {
        for (case, verdict) in report.verdicts.iter().filter(|(_, verdict)| !verdict.passes()) {
            match verdict.tries {
                0 => ui.error(&format!("{} · {}", report.name, case.name)),
                tries => ui.error(&format!("{} · {} does not hold for every event ({tries} tried)", report.name, case.name)),
            }
            for difference in &verdict.differences {
                ui.error_detail(&difference.to_string());
            }
            if let Some(problem) = report.thrown.get(&case.name) {
                ui.diagnostics(std::slice::from_ref(problem), texts);
            }
            if let Some(event) = &verdict.found {
                ui.error_detail(&format!("the smallest event found, as a case of its own:\n{:#}", case.found(event)));
            }
        }
        if let Some(passed) = &report.recalled {
            let most = passed.iter().map(|case| case.utilization).max().unwrap_or(0);
            let tried = passed.iter().filter_map(|case| case.tries).sum();
            say_passed(&report.name, passed.len(), tried, most, "; nothing has changed since they were run", ui);
            continue;
        }
        match (report.verdicts.len(), report.failed()) {
            (0, _) => ui.say(&format!("{} has no cases; write one: {}/<name>.json", report.name, cases::folder(&report.path))),
            (passed, 0) => {
                let most = report.verdicts.iter().map(|(_, verdict)| verdict.outcome.utilization).max().unwrap_or(0);
                let tried: u32 = report.verdicts.iter().map(|(_, verdict)| verdict.tries).sum();
                say_passed(&report.name, passed, tried, most, "", ui);
            }
            (all, failed) => ui.error(&format!("{failed} of {all} cases of {} failed", report.name)),
        }
    }
}

fn say_passed(name: &str, passed: usize, tried: u32, most: u8, more: &str, ui: &mut Ui) {
    let done = ui.paint("passed", AnsiColor::Green);
    let tried = match tried {
        0 => String::new(),
        tried => format!(", with {} tried for its properties", plural(tried as usize, "event")),
    };
    ui.say(&format!("{done} {} of {name}{tried}, utilization {most} of 100 at most{more}", plural(passed, "case")));
}
