//! `qdn function run`.

use super::super::PROBLEMS;
use super::super::args::Global;
use super::super::build::failed;
use super::super::ui::Ui;
use super::args::Run;
use super::workshop::Workshop;
use crate::disk;
use crate::edge::{Emulator, Event, Form, Frame, KeyValues, Origin, Outcome, Tracer};
use crate::source::{Diagnostic, SourcePath, Sources, line_column};
use anstyle::AnsiColor;
use serde_json::{Value, json};
use std::path::Path;

/// Runs a function for one event, as the edge would.
pub(super) fn run(global: &Global, command: &Run, ui: &mut Ui) -> Result<u8, String> {
    let workshop = Workshop::open(global, Some(&command.function), command.runtime.as_deref())?;
    let function = &workshop.functions[0];
    let mut texts = Sources::new();
    let mut problems = Vec::new();
    let event = read_json(&command.event, &mut texts)?;
    let (event, found) = Event::parse(&event, texts.text(event.as_str()).unwrap_or_default());
    problems.extend(found);
    let mut pairs = KeyValues::default();
    if let Some(kvs) = &command.kvs {
        let path = read_json(kvs, &mut texts)?;
        match KeyValues::parse(&path, texts.text(path.as_str()).unwrap_or_default()) {
            Ok(found) => pairs = found,
            Err(found) => problems.extend(found),
        }
    }
    let Some(event) = event.filter(|_| !problems.iter().any(Diagnostic::is_error)) else {
        return Ok(failed(&problems, &texts, "", ui));
    };
    let text = workshop.sources.text(function.path.as_str()).unwrap_or_default();
    let (code, map) = match workshop.check(function).form() {
        Form::Script => (text.to_owned(), String::new()),
        Form::Module => match workshop.bundle(function) {
            Ok(bundle) => (bundle.code, bundle.source_map),
            Err(problems) => return Ok(failed(&problems, &workshop.sources, "", ui)),
        },
    };
    let outcome = match Emulator::load(&code, function.runtime, pairs) {
        Ok(mut emulator) => emulator.run(&event),
        Err(error) => Outcome::failed(error),
    };
    let tracer = workshop.tracer(&map, function);
    if ui.json {
        let mut document = outcome.json();
        if !outcome.trace.is_empty() {
            document["trace"] = outcome.trace.iter().map(|frame| frame_json(&tracer, frame, &workshop)).collect();
        }
        ui.document(&document);
    } else {
        ui.diagnostics(&problems, &texts);
        for line in &outcome.logs {
            let label = ui.paint("log", AnsiColor::Cyan);
            ui.say(&format!("{label} {line}"));
        }
        match (&outcome.result, &outcome.error) {
            (Some(result), _) => ui.document(result),
            (None, Some(error)) => match tracer.explain(error, &outcome.trace) {
                problem if problem.place.is_some() => ui.diagnostics(&[problem], &workshop.texts()),
                _ => ui.error(&error.to_string()),
            },
            (None, None) => {}
        }
        ui.say(&format!("utilization {} of 100 (an estimate)", outcome.utilization));
    }
    Ok(if outcome.error.is_some() { PROBLEMS } else { 0 })
}

/// A call that was under way, and where in the sources: what the map does not know has no file.
fn frame_json(tracer: &Tracer<'_>, frame: &Frame, workshop: &Workshop) -> Value {
    let origin = tracer.origins(frame.line, frame.column).into_iter().next();
    let place = origin.map(|origin| place_json(&origin, &workshop.texts()));
    let mut document = json!({ "function": frame.function, "file": null, "line": null, "column": null });
    for (key, value) in place.as_ref().and_then(Value::as_object).into_iter().flatten() {
        document[key] = value.clone();
    }
    document
}

/// A place of a source, as `file`, `line` and `column`.
pub(super) fn place_json(origin: &Origin, texts: &Sources) -> Value {
    let (line, column) = line_column(texts.text(origin.path.as_str()).unwrap_or_default(), origin.span.start);
    json!({ "file": origin.path.as_str(), "line": line, "column": column })
}

fn read_json(file: &Path, texts: &mut Sources) -> Result<SourcePath, String> {
    let bytes = disk::read_file(file).map_err(|error| format!("`{}` cannot be read: {error}", file.display()))?;
    let path = SourcePath::new(file.to_string_lossy());
    texts.insert(path.clone(), bytes);
    Ok(path)
}
