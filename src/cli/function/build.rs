//! `qdn function build`.

use super::super::USAGE;
use super::super::args::Global;
use super::super::build::failed;
use super::super::ui::Ui;
use super::args::Build;
use super::workshop::Workshop;
use crate::source::SourcePath;
use crate::{disk, edge, source};
use anstyle::AnsiColor;
use serde_json::json;

/// Writes the script exactly as it would be uploaded.
pub(super) fn build(global: &Global, command: &Build, ui: &mut Ui) -> Result<u8, String> {
    let workshop = Workshop::open(global, Some(&command.function), command.runtime.as_deref())?;
    let function = &workshop.functions[0];
    let bundle = match workshop.bundle(function) {
        Ok(bundle) => bundle,
        Err(diagnostics) => return Ok(failed(&diagnostics, &workshop.sources, "nothing was written", ui)),
    };
    if let (Some(out), Some(map)) = (&command.out, &command.map)
        && out == map
    {
        return Err("the script and its map cannot be one file".to_owned());
    }
    for target in command.out.iter().chain(&command.map) {
        let is_target = |path: &SourcePath| {
            let source = workshop.base.join(path.as_str());
            target.canonicalize().is_ok_and(|target| source.canonicalize().is_ok_and(|source| source == target))
        };
        if workshop.sources.iter().any(|(path, _)| is_target(path)) {
            return Err(format!(
                "`{0}` is a source of the function, and would be lost\nhint: write to another file",
                target.display()
            ));
        }
    }
    if !ui.json {
        ui.diagnostics(&bundle.warnings, &workshop.sources);
    }
    if let Some(map) = command.map.as_deref()
        && let Err(error) = disk::write_file(map, bundle.source_map.as_bytes())
    {
        ui.error(&format!("`{}` cannot be written: {error}", map.display()));
        return Ok(USAGE);
    }
    let size = bundle.code.len();
    match command.out.as_deref() {
        Some(out) => {
            if let Err(error) = disk::write_file(out, bundle.code.as_bytes()) {
                ui.error(&format!("`{}` cannot be written: {error}", out.display()));
                return Ok(USAGE);
            }
        }
        None if !ui.json => ui.data(&bundle.code),
        None => {}
    }
    if ui.json {
        ui.document(&json!({
            "version": 1, "name": function.name, "runtime": function.runtime.name(), "bytes": size, "limit": edge::MAX_CODE_BYTES,
            "code": bundle.code, "diagnostics": source::json(&bundle.warnings, &workshop.sources),
        }));
    } else {
        let done = ui.paint("bundled", AnsiColor::Green);
        ui.say(&format!("{done} {} for {}: {size} of {} bytes", function.name, function.runtime.name(), edge::MAX_CODE_BYTES));
    }
    Ok(0)
}
