//! `--fix`: what can be mended without a doubt is mended.

use super::check::problems;
use super::workshop::Workshop;
use crate::disk;
use crate::source::{Diagnostic, Edit, SourcePath, Sources, Span, edited, line_column};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Mending one thing may uncover another, such as a header's name in what was no object before.
const ROUNDS: usize = 8;

/// What was mended, and where it stood then.
pub(super) struct Mended {
    path: SourcePath,
    line: usize,
    column: usize,
    rule: &'static str,
    message: String,
}

impl Mended {
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "rule": self.rule, "file": self.path.as_str(), "line": self.line, "column": self.column, "message": self.message,
        })
    }
}

impl std::fmt::Display for Mended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{} {}: {}", self.path, self.line, self.column, self.rule, self.message)
    }
}

/// Mends the sources in memory until nothing is left that can be mended.
pub(super) fn mend(workshop: &mut Workshop) -> Vec<Mended> {
    let mut mended = Vec::new();
    for _ in 0..ROUNDS {
        let mut edits: BTreeMap<SourcePath, Vec<Edit>> = BTreeMap::new();
        for problem in problems(workshop) {
            if let Some((path, one)) = mendable(&problem, workshop, &edits) {
                mended.push(one);
                edits.entry(path).or_default().extend(problem.fix);
            }
        }
        if edits.is_empty() {
            break;
        }
        for (path, edits) in edits {
            let text = edited(workshop.sources.text(path.as_str()).unwrap_or_default(), &edits);
            workshop.sources.insert(path, text.into_bytes());
        }
    }
    mended
}

/// A complaint with a fix, of which no part is in the way of what is mended already.
fn mendable(problem: &Diagnostic, workshop: &Workshop, edits: &BTreeMap<SourcePath, Vec<Edit>>) -> Option<(SourcePath, Mended)> {
    let (path, span) = problem.place.as_ref()?;
    let text = workshop.sources.text(path.as_str())?;
    let others = edits.get(path).map(Vec::as_slice).unwrap_or_default();
    let touch = |a: Span, b: Span| a.start <= b.end && b.start <= a.end;
    let free = problem.fix.iter().all(|edit| others.iter().all(|other| !touch(edit.span, other.span)));
    if problem.fix.is_empty() || !free {
        return None;
    }
    let (line, column) = line_column(text, span.start);
    let mended = Mended { path: path.clone(), line, column, rule: problem.rule, message: problem.message.clone() };
    Some((path.clone(), mended))
}

/// Writes the files that differ from before, each at one moment.
pub(super) fn save(workshop: &Workshop, before: &Sources) -> Result<(), String> {
    for (path, bytes) in workshop.sources.iter() {
        if before.bytes(path.as_str()).is_some_and(|old| old == bytes) {
            continue;
        }
        let file = workshop.base.join(path.as_str());
        write(&file, bytes).map_err(|error| format!("`{}` cannot be written: {error}", file.display()))?;
    }
    Ok(())
}

/// Where a link leads to the file, the file is written and the link stays.
fn write(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    disk::write_file(&file.canonicalize()?, bytes)
}
