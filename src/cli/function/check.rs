//! `qdn function check`.

use super::super::args::Global;
use super::super::build::failed;
use super::super::ui::{Ui, counted, plural};
use super::args::Check;
use super::workshop::Workshop;
use crate::source::{self, Diagnostic};
use anstyle::AnsiColor;
use serde_json::json;

/// Says what the edge would refuse, and what is likely wrong.
pub(super) fn check(global: &Global, command: &Check, ui: &mut Ui) -> Result<u8, String> {
    let workshop = Workshop::open(global, command.function.as_deref(), command.runtime.as_deref())?;
    let mut diagnostics = workshop.diagnostics.clone();
    for function in &workshop.functions {
        let checked = workshop.check(function);
        diagnostics.extend(checked.diagnostics().iter().cloned());
        if !diagnostics.iter().any(Diagnostic::is_error) {
            match checked.bundle() {
                Ok(bundle) => diagnostics.extend(bundle.warnings),
                Err(found) => diagnostics.extend(found),
            }
        }
    }
    source::sort(&mut diagnostics);
    if diagnostics.iter().any(Diagnostic::is_error) {
        return Ok(failed(&diagnostics, &workshop.sources, "", ui));
    }
    if ui.json {
        ui.document(&json!({ "version": 1, "diagnostics": source::json(&diagnostics, &workshop.sources) }));
    } else {
        ui.diagnostics(&diagnostics, &workshop.sources);
        let done = ui.paint("checked", AnsiColor::Green);
        ui.say(&format!("{done} {}: {}", plural(workshop.functions.len(), "function"), counted(&diagnostics)));
    }
    Ok(0)
}
