//! `qdn function record`.

use super::super::USAGE;
use super::super::args::Global;
use super::super::build::failed;
use super::super::ui::{Ui, plural};
use super::args::Record;
use super::workshop::Workshop;
use crate::disk;
use crate::edge::cases;
use crate::edge::traffic::{self, Keep, Line, Reader, Recorder, Recording};
use anstyle::AnsiColor;
use flate2::read::MultiGzDecoder;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Cursor, Read};
use std::path::Path;

/// How many lines were what.
#[derive(Default)]
struct Tally {
    lines: u64,
    requests: u64,
    /// Why lines were skipped: how many, and where the first was.
    skipped: BTreeMap<String, (u64, String, u64)>,
}

/// Makes cases of logs.
pub(super) fn record(global: &Global, command: &Record, ui: &mut Ui) -> Result<u8, String> {
    // One word may be the function, or the first log.
    let mut logs: Vec<&Path> = command.logs.iter().map(AsRef::as_ref).collect();
    let mut wanted = command.function.as_deref();
    if let Some(word) = wanted.filter(|word| is_log(word)) {
        logs.insert(0, Path::new(word));
        wanted = None;
    }
    let workshop = Workshop::open(global, wanted, None)?;
    let [function] = workshop.functions.as_slice() else {
        let names: Vec<&str> = workshop.functions.iter().map(|function| function.name.as_str()).collect();
        return Err(format!(
            "there are several functions: name the one that the log's requests met\nhint: there are {}",
            names.join(", ")
        ));
    };
    let bundle = match workshop.bundle(function) {
        Ok(bundle) => bundle,
        Err(problems) => return Ok(failed(&problems, &workshop.sources, "nothing was recorded", ui)),
    };
    let mut recorder = match Recorder::new(&bundle.code, function.runtime, Keep::new(&command.keep)) {
        Ok(recorder) => recorder,
        Err(error) => return Err(format!("{} cannot be run: {error}", function.name)),
    };
    let mut taken = BTreeSet::new();
    for path in cases::of(&workshop.sources, &function.path) {
        let name = path.as_str().rsplit('/').next().unwrap_or_default();
        taken.insert(name.trim_end_matches(".json").to_owned());
        if let (Some(case), _) = cases::parse(&path, workshop.sources.text(path.as_str()).unwrap_or_default()) {
            recorder.knows(&case);
        }
    }
    let mut tally = Tally::default();
    if logs.is_empty() {
        read("stdin", std::io::stdin().lock(), command, &mut recorder, &mut tally)?;
    }
    for log in logs {
        let bytes = disk::read_file(log).map_err(|error| format!("`{}` cannot be read: {error}", log.display()))?;
        read(&log.display().to_string(), Cursor::new(bytes), command, &mut recorder, &mut tally)?;
    }
    let recording = recorder.finish(command.limit, command.errors, &taken);
    if !command.dry_run {
        for one in &recording.cases {
            let file = workshop.base.join(traffic::file(&function.path, &one.name).as_str());
            if let Err(error) = disk::write_new(&file, traffic::text(&one.case).as_bytes()) {
                ui.error(&format!("`{}` cannot be written: {error}", file.display()));
                return Ok(USAGE);
            }
        }
    }
    let file = |name: &str| traffic::file(&function.path, name).to_string();
    if ui.json {
        ui.document(&document(&function.name, &recording, &tally, command.dry_run, file));
    } else {
        say(&recording, &tally, command.dry_run, file, ui);
    }
    Ok(0)
}

/// Whether a word names a log: a file that is no script.
fn is_log(word: &str) -> bool {
    let is_script = crate::source::SourcePath::new(word).is_script();
    !is_script && Path::new(word).is_file()
}

fn read(name: &str, log: impl Read, command: &Record, recorder: &mut Recorder, tally: &mut Tally) -> Result<(), String> {
    let wrong = |error: std::io::Error| format!("`{name}` cannot be read: {error}");
    let mut log = BufReader::new(log);
    let is_packed = log.fill_buf().map_err(wrong)?.starts_with(&[0x1f, 0x8b]);
    let log: Box<dyn Read> = if is_packed { Box::new(MultiGzDecoder::new(log)) } else { Box::new(log) };
    let mut log = BufReader::new(log);
    let mut reader = Reader::new(&command.fields);
    let (mut line, mut number) = (Vec::new(), 0);
    loop {
        line.clear();
        if log.read_until(b'\n', &mut line).map_err(wrong)? == 0 {
            return Ok(());
        }
        number += 1;
        tally.lines += 1;
        match reader.line(&String::from_utf8_lossy(&line)) {
            Line::Comment => {}
            Line::Request(request) => {
                tally.requests += 1;
                recorder.add(&request);
            }
            Line::Skipped(why) => tally.skipped.entry(why).or_insert_with(|| (0, name.to_owned(), number)).0 += 1,
        }
    }
}

fn document(name: &str, recording: &Recording, tally: &Tally, dry_run: bool, file: impl Fn(&str) -> String) -> Value {
    let recorded = recording.cases.iter().map(|one| json!({ "name": one.name, "file": file(&one.name), "requests": one.count }));
    let skipped =
        tally.skipped.iter().map(|(why, (count, log, line))| json!({ "reason": why, "lines": count, "log": log, "line": line }));
    json!({
        "version": 1, "function": name, "dry_run": dry_run, "lines": tally.lines, "requests": tally.requests,
        "recorded": recorded.collect::<Vec<_>>(), "known": recording.known, "left": recording.left, "masked": recording.masked,
        "failing": recording.failing, "skipped": skipped.collect::<Vec<_>>(),
    })
}

fn say(recording: &Recording, tally: &Tally, dry_run: bool, file: impl Fn(&str) -> String, ui: &mut Ui) {
    for one in &recording.cases {
        let done = ui.paint(if dry_run { "would record" } else { "recorded" }, AnsiColor::Green);
        ui.say(&format!("{done} {} (stands for {})", file(&one.name), plural(one.count as usize, "request")));
    }
    let skipped: u64 = tally.skipped.values().map(|(count, ..)| count).sum();
    ui.say(&format!(
        "read {}: {}, {skipped} skipped",
        plural(tally.lines as usize, "line"),
        plural(tally.requests as usize, "request")
    ));
    for (why, (count, log, line)) in &tally.skipped {
        ui.say(&format!("  {} like {log}:{line}: {why}", plural(*count as usize, "line")));
    }
    if recording.known > 0 {
        ui.say(&format!("{} of request known from existing cases", plural(recording.known, "kind")));
    }
    if recording.left > 0 {
        ui.say(&format!("{} more kinds were left out: `--limit` takes more", recording.left));
    }
    if recording.masked > 0 {
        ui.say(&format!(
            "{} left out, as masking changes what is decided: `--keep` what decides it (`path`, `query`, `cookies`, `headers`, or a name)",
            plural(recording.masked as usize, "request")
        ));
    }
    for (error, count) in &recording.failing {
        let label = ui.paint("warning", AnsiColor::Yellow);
        ui.say(&format!(
            "{label}: the function fails for {}: {error}\n  `--errors` records them as they are",
            plural(*count as usize, "request")
        ));
    }
}
