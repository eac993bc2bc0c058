//! `qdn function check|build|run|test`: for a project's functions, and for any file anywhere.

use super::args::{FunctionCommand, Global};
use super::build::{failed, memory, root};
use super::ui::{Ui, counted, plural};
use super::{PROBLEMS, USAGE};
use crate::build;
use crate::config::{self, Config};
use crate::disk;
use crate::edge::{self, Bundle, Emulator, Event, Form, KeyValues, Outcome, Runtime, cases};
use crate::source::{self, Diagnostic, SourcePath, Sources};
use anstyle::AnsiColor;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Does what was typed behind `qdn function`.
pub(super) fn function(global: &Global, command: &FunctionCommand, ui: &mut Ui) -> Result<u8, String> {
    match command {
        FunctionCommand::Check { function, runtime } => check(global, function.as_deref(), runtime.as_deref(), ui),
        FunctionCommand::Build { function, out, runtime } => write(global, function, out.as_deref(), runtime.as_deref(), ui),
        FunctionCommand::Run { function, event, kvs, runtime } => {
            run(global, function, event, kvs.as_deref(), runtime.as_deref(), ui)
        }
        FunctionCommand::Test { function } => test(global, function.as_deref(), ui),
    }
}

/// Functions with everything that they may import.
struct Workshop {
    sources: Sources,
    functions: Vec<Named>,
    modules: BTreeMap<String, String>,
    diagnostics: Vec<Diagnostic>,
}

struct Named {
    name: String,
    path: SourcePath,
    runtime: Runtime,
}

impl Workshop {
    /// The function that was named, or all of the project's.
    fn open(global: &Global, wanted: Option<&str>, runtime: Option<&str>) -> Result<Self, String> {
        let runtime = runtime.map(|name| {
            Runtime::from_name(name).ok_or_else(|| {
                format!(
                    "`{name}` is no runtime of CloudFront Functions\nhint: there are `cloudfront-js-1.0` and `cloudfront-js-2.0`"
                )
            })
        });
        let runtime = runtime.transpose()?;
        match wanted {
            Some(file) if is_file(file) => Self::of_file(global, file, runtime),
            _ => Self::of_project(global, wanted, runtime),
        }
    }

    /// A file by itself needs no project. One of a project's functions is that function.
    fn of_file(global: &Global, file: &str, runtime: Option<Runtime>) -> Result<Self, String> {
        if let Ok(root) = root(global)
            && let (Ok(root), Ok(path)) = (root.canonicalize(), Path::new(file).canonicalize())
            && let Some(inner) = disk::source_path(&root, &path)
            && inner.folder() == build::FUNCTIONS
        {
            let name = inner.as_str().rsplit('/').next().and_then(|file| file.rsplit_once('.')).map_or("", |(stem, _)| stem);
            return Self::of_project(global, Some(name), runtime);
        }
        let bytes = disk::read_file(Path::new(file)).map_err(|error| format!("`{file}` cannot be read: {error}"))?;
        let path = SourcePath::new(file.replace('\\', "/").trim_start_matches("./"));
        let name = Path::new(file).file_stem().map_or_else(|| "function".to_owned(), |stem| stem.to_string_lossy().into_owned());
        let mut sources = Sources::new();
        sources.insert(path.clone(), bytes);
        gather(&mut sources, &path);
        gather_cases(&mut sources, file, &path);
        let functions = vec![Named { name, path, runtime: runtime.unwrap_or_default() }];
        Ok(Self { sources, functions, modules: build::virtual_modules(&BTreeMap::new()), diagnostics: Vec::new() })
    }

    fn of_project(global: &Global, wanted: Option<&str>, runtime: Option<Runtime>) -> Result<Self, String> {
        let root = root(global).map_err(|error| match wanted {
            Some(name) => format!("there is no file `{name}`, and no project with a function of that name"),
            None => error,
        })?;
        let (sources, _) = disk::read(&root);
        let (config, mut diagnostics) = config::parse(&sources);
        diagnostics.retain(|diagnostic| diagnostic.rule == "runtime");
        let all = build::entries(&sources);
        let known: Vec<String> = all.iter().map(|(name, _)| name.clone()).collect();
        let functions: Vec<Named> = all
            .into_iter()
            .filter(|(name, _)| wanted.is_none_or(|wanted| wanted == name))
            .map(|(name, path)| Named { runtime: runtime_of(&name, runtime, &config, &mut diagnostics), name, path })
            .collect();
        if functions.is_empty() {
            return Err(match wanted {
                Some(name) => {
                    let near = source::near(name, known.iter().map(String::as_str))
                        .map(|near| format!("\nhint: a function with a similar name exists: `{near}`"));
                    format!("there is neither a file nor a function `{name}`{}", near.unwrap_or_default())
                }
                None => format!("there is no function in `{}`", root.join(build::FUNCTIONS).display()),
            });
        }
        let redirects = build::redirects(&sources, &memory(&root));
        Ok(Self { sources, functions, modules: build::virtual_modules(&redirects), diagnostics })
    }

    fn check(&self, function: &Named) -> edge::Checked {
        edge::check(&self.sources, &function.path, &edge::Options { runtime: function.runtime, virtual_modules: &self.modules })
    }

    fn bundle(&self, function: &Named) -> Result<Bundle, Vec<Diagnostic>> {
        self.check(function).bundle()
    }
}

fn runtime_of(name: &str, asked: Option<Runtime>, config: &Config, problems: &mut Vec<Diagnostic>) -> Runtime {
    asked.unwrap_or_else(|| build::runtime(name, config, problems))
}

/// Whether what was typed names a file: by its form, or because there is one.
fn is_file(typed: &str) -> bool {
    typed.contains(['/', '\\']) || [".js", ".mjs", ".ts"].iter().any(|ending| typed.ends_with(ending)) || Path::new(typed).is_file()
}

/// Reads what a file imports, and what that imports. Whatever looks like a relative import is tried;
/// the linker decides what is one.
fn gather(sources: &mut Sources, from: &SourcePath) {
    let text = sources.text(from.as_str()).unwrap_or_default().to_owned();
    for quoted in text.split(['\'', '"']).filter(|quoted| quoted.starts_with("./") || quoted.starts_with("../")) {
        let folder = Path::new(from.folder());
        let mut path = folder.to_path_buf();
        for part in quoted.split('/') {
            match part {
                "." | "" => {}
                ".." => drop(path.pop()),
                part => path.push(part),
            }
        }
        let inner = SourcePath::new(path.to_string_lossy().replace('\\', "/"));
        if sources.bytes(inner.as_str()).is_none()
            && let Ok(bytes) = disk::read_file(&path)
        {
            sources.insert(inner.clone(), bytes);
            gather(sources, &inner);
        }
    }
}

/// Reads `<name>.cases/*.json` beside a file.
fn gather_cases(sources: &mut Sources, file: &str, path: &SourcePath) {
    let stem = |text: &str| text.rsplit_once('.').map_or_else(|| text.to_owned(), |(stem, _)| stem.to_owned());
    let folder = format!("{}.cases", stem(file));
    for name in disk::names(Path::new(&folder)) {
        if let Ok(bytes) = disk::read_file(&Path::new(&folder).join(&name)) {
            sources.insert(SourcePath::new(format!("{}.cases/{name}", stem(path.as_str()))), bytes);
        }
    }
}

fn check(global: &Global, wanted: Option<&str>, runtime: Option<&str>, ui: &mut Ui) -> Result<u8, String> {
    let workshop = Workshop::open(global, wanted, runtime)?;
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

fn write(global: &Global, wanted: &str, out: Option<&Path>, runtime: Option<&str>, ui: &mut Ui) -> Result<u8, String> {
    let workshop = Workshop::open(global, Some(wanted), runtime)?;
    let function = &workshop.functions[0];
    let bundle = match workshop.bundle(function) {
        Ok(bundle) => bundle,
        Err(diagnostics) => return Ok(failed(&diagnostics, &workshop.sources, "nothing was written", ui)),
    };
    if !ui.json {
        ui.diagnostics(&bundle.warnings, &workshop.sources);
    }
    let size = bundle.code.len();
    match out {
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

fn run(global: &Global, wanted: &str, event: &Path, kvs: Option<&Path>, runtime: Option<&str>, ui: &mut Ui) -> Result<u8, String> {
    let workshop = Workshop::open(global, Some(wanted), runtime)?;
    let function = &workshop.functions[0];
    let mut texts = Sources::new();
    let mut problems = Vec::new();
    let event = read_json(event, &mut texts)?;
    let (event, found) = Event::parse(&event, texts.text(event.as_str()).unwrap_or_default());
    problems.extend(found);
    let mut pairs = KeyValues::default();
    if let Some(kvs) = kvs {
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
    let code = match workshop.check(function).form() {
        Form::Script => text.to_owned(),
        Form::Module => match workshop.bundle(function) {
            Ok(bundle) => bundle.code,
            Err(problems) => return Ok(failed(&problems, &workshop.sources, "", ui)),
        },
    };
    let outcome = match Emulator::load(&code, function.runtime, pairs) {
        Ok(mut emulator) => emulator.run(&event),
        Err(error) => Outcome::failed(error),
    };
    if ui.json {
        ui.document(&outcome.json());
    } else {
        ui.diagnostics(&problems, &texts);
        for line in &outcome.logs {
            let label = ui.paint("log", AnsiColor::Cyan);
            ui.say(&format!("{label} {line}"));
        }
        match (&outcome.result, &outcome.error) {
            (Some(result), _) => ui.document(result),
            (None, Some(error)) => ui.error(&error.to_string()),
            (None, None) => {}
        }
        ui.say(&format!("utilization {} of 100 (an estimate)", outcome.utilization));
    }
    Ok(if outcome.error.is_some() { PROBLEMS } else { 0 })
}

fn read_json(file: &Path, texts: &mut Sources) -> Result<SourcePath, String> {
    let bytes = disk::read_file(file).map_err(|error| format!("`{}` cannot be read: {error}", file.display()))?;
    let path = SourcePath::new(file.to_string_lossy());
    texts.insert(path.clone(), bytes);
    Ok(path)
}

/// How the cases of one function went.
pub(super) struct Report {
    name: String,
    verdicts: Vec<(String, cases::Verdict)>,
}

impl Report {
    fn failed(&self) -> usize {
        self.verdicts.iter().filter(|(_, verdict)| !verdict.passes()).count()
    }
}

fn test(global: &Global, wanted: Option<&str>, ui: &mut Ui) -> Result<u8, String> {
    let workshop = Workshop::open(global, wanted, None)?;
    let (reports, diagnostics) = reports(&workshop);
    if diagnostics.iter().any(Diagnostic::is_error) {
        return Ok(failed(&diagnostics, &workshop.sources, "", ui));
    }
    if ui.json {
        let functions: Vec<Value> = reports.iter().map(report_json).collect();
        ui.document(&json!({ "version": 1, "functions": functions }));
    } else {
        ui.diagnostics(&diagnostics, &workshop.sources);
        say(&reports, ui);
    }
    let failures: usize = reports.iter().map(Report::failed).sum();
    Ok(if failures > 0 { PROBLEMS } else { 0 })
}

/// Runs every case of a project's functions, for `qdn check`: the line to print, and whether all passed.
pub(super) fn check_cases(global: &Global, ui: &mut Ui) -> Result<(Vec<Diagnostic>, Sources, bool), String> {
    let workshop = Workshop::of_project(global, None, None)?;
    let (reports, diagnostics) = reports(&workshop);
    let passed = reports.iter().all(|report| report.failed() == 0);
    if !ui.json {
        say(&reports, ui);
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
                let verdict = cases::run(&case, &bundle.code, function.runtime);
                verdicts.push((case.name, verdict));
            }
        }
        reports.push(Report { name: function.name.clone(), verdicts });
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

fn say(reports: &[Report], ui: &mut Ui) {
    for report in reports {
        for (name, verdict) in report.verdicts.iter().filter(|(_, verdict)| !verdict.passes()) {
            ui.error(&format!("{} · {name}", report.name));
            for difference in &verdict.differences {
                ui.error_detail(&difference.to_string());
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
