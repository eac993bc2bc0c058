//! `qdn function trace`.

use super::super::args::Global;
use super::super::build::failed;
use super::super::ui::Ui;
use super::super::{PROBLEMS, USAGE};
use super::args::Trace;
use super::run::place_json;
use super::workshop::Workshop;
use crate::disk;
use crate::edge::{Form, places};
use crate::source::{Sources, line_column};
use serde_json::{Value, json};
use std::io::Read as _;

/// Prints a log with the sources of the places in it.
pub(super) fn trace(global: &Global, command: &Trace, ui: &mut Ui) -> Result<u8, String> {
    let log = match &command.log {
        Some(file) => disk::read_file(file).map_err(|error| format!("`{}` cannot be read: {error}", file.display()))?,
        None => {
            let mut bytes = Vec::new();
            std::io::stdin().read_to_end(&mut bytes).map_err(|error| format!("stdin cannot be read: {error}"))?;
            bytes
        }
    };
    let log = String::from_utf8_lossy(&log);
    let workshop = Workshop::open(global, Some(&command.function), command.runtime.as_deref())?;
    let function = &workshop.functions[0];
    let map = match &command.map {
        Some(file) => {
            let bytes = disk::read_file(file).map_err(|error| format!("`{}` cannot be read: {error}", file.display()))?;
            String::from_utf8_lossy(&bytes).into_owned()
        }
        None => match workshop.bundle(function) {
            Ok(bundle) => bundle.source_map,
            // A script that is uploaded as it stands needs no bundle for its places to be known.
            Err(_) if workshop.check(function).form() == Form::Script => String::new(),
            Err(problems) => return Ok(failed(&problems, &workshop.sources, "", ui)),
        },
    };
    let mut texts = workshop.texts();
    if command.map.is_some() && !take_texts(&map, &mut texts) {
        ui.error("this is no source map with the texts of its sources\nhint: `qdn function build --map FILE` writes one");
        return Ok(USAGE);
    }
    let tracer = crate::edge::Tracer::new(&map, &function.path, &texts, &workshop.modules);
    let (mut found, mut lines) = (false, Vec::new());
    for line in log.lines() {
        let origins: Vec<_> = places(line).into_iter().flat_map(|(line, column)| tracer.origins(line, column)).collect();
        found |= !origins.is_empty();
        if ui.json {
            let sources: Vec<Value> = origins.iter().map(|origin| place_json(origin, &texts)).collect();
            lines.push(json!({ "text": line, "sources": sources }));
            continue;
        }
        ui.data(line);
        for origin in origins {
            let text = texts.text(origin.path.as_str()).unwrap_or_default();
            let (line, column) = line_column(text, origin.span.start);
            let said = text.lines().nth(line - 1).unwrap_or_default().trim();
            ui.data(&format!("        {}:{line}:{column}  {said}", origin.path));
        }
    }
    if ui.json {
        ui.document(&json!({ "version": 1, "lines": lines }));
    } else if !found {
        ui.say("the log names no place of the script: `in 22`, `handler (:3)` and `f (function.js:1:234)` are such");
    }
    Ok(if found { 0 } else { PROBLEMS })
}

/// The sources as they were when the map was made.
fn take_texts(map: &str, texts: &mut Sources) -> bool {
    let map: Value = serde_json::from_str(map).unwrap_or_default();
    let (Some(names), Some(contents)) = (map["sources"].as_array(), map["sourcesContent"].as_array()) else { return false };
    for (name, content) in names.iter().zip(contents) {
        if let (Some(name), Some(content)) = (name.as_str(), content.as_str()) {
            texts.insert(name, content.to_owned().into_bytes());
        }
    }
    true
}
