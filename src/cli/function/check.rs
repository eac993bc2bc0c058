//! `qdn function check`.

use super::super::args::Global;
use super::super::build::failed;
use super::super::ui::{Ui, counted, plural};
use super::super::{PROBLEMS, USAGE};
use super::args::{Check, Format};
use super::mend::{Mended, mend, save};
use super::workshop::Workshop;
use crate::edge::{Levels, report};
use crate::source::{self, Diagnostic};
use anstyle::AnsiColor;
use serde_json::json;

/// Says what the edge would refuse, and what is likely wrong.
pub(super) fn check(global: &Global, command: &Check, ui: &mut Ui) -> Result<u8, String> {
    let mut workshop = Workshop::open(global, command.function.as_deref(), command.runtime.as_deref())?;
    if command.all {
        for function in &mut workshop.functions {
            function.levels = function.levels.over(&Levels::with_advice());
        }
    }
    let mut mended = Vec::new();
    if command.fix || command.dry_run {
        let before = workshop.sources.clone();
        mended = mend(&mut workshop);
        if !command.dry_run
            && let Err(error) = save(&workshop, &before)
        {
            ui.error(&error);
            return Ok(USAGE);
        }
    }
    let diagnostics = problems(&workshop);
    let is_wrong = diagnostics.iter().any(Diagnostic::is_error);
    let code = if is_wrong { PROBLEMS } else { 0 };
    match command.format.unwrap_or(if ui.json { Format::Json } else { Format::Human }) {
        Format::Human => {
            say(&mended, command.dry_run, ui);
            if is_wrong {
                let mut plain = ui.clone();
                plain.json = false;
                return Ok(failed(&diagnostics, &workshop.sources, "", &mut plain));
            }
            ui.diagnostics(&diagnostics, &workshop.sources);
            let done = ui.paint("checked", AnsiColor::Green);
            ui.say(&format!("{done} {}: {}", plural(workshop.functions.len(), "function"), counted(&diagnostics)));
        }
        Format::Json => {
            let mut document = json!({ "version": 1, "diagnostics": source::json(&diagnostics, &workshop.sources) });
            if command.fix || command.dry_run {
                document["fixed"] = mended.iter().map(Mended::json).collect();
            }
            ui.document(&document);
        }
        Format::Sarif => ui.document(&report::sarif(&diagnostics, &workshop.sources, &workshop.prefix())),
        Format::Github => {
            let lines = report::github(&diagnostics, &workshop.sources, &workshop.prefix());
            if !lines.is_empty() {
                ui.data(&lines);
            }
            say(&mended, command.dry_run, ui);
            ui.say(&counted(&diagnostics));
        }
    }
    Ok(code)
}

/// Everything there is to say of the functions.
pub(super) fn problems(workshop: &Workshop) -> Vec<Diagnostic> {
    let mut diagnostics = workshop.diagnostics.clone();
    for function in &workshop.functions {
        diagnostics.extend(workshop.check(function).diagnostics().iter().cloned());
    }
    source::sort(&mut diagnostics);
    diagnostics
}

fn say(mended: &[Mended], dry: bool, ui: &mut Ui) {
    let word = ui.paint(if dry { "would fix" } else { "fixed" }, AnsiColor::Green);
    for one in mended {
        ui.say(&format!("{word} {one}"));
    }
}
