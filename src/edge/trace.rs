//! Places of a bundle, in what a run threw and in what logs say, become places of its sources.

use super::origins::{Origins, byte_at};
use super::outcome::{Frame, RunError};
use crate::source::{Diagnostic, SourcePath, Sources, Span, line_column};
use std::collections::BTreeMap;

/// A place of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file, or the name of a generated module.
    pub path: SourcePath,
    /// Where in it.
    pub span: Span,
}

/// A bundle with what leads back to its sources.
pub struct Tracer<'a> {
    origins: Origins,
    /// The script itself, where it is no bundle: then each place is its own.
    script: &'a SourcePath,
    sources: &'a Sources,
    modules: &'a BTreeMap<String, String>,
}

impl<'a> Tracer<'a> {
    /// By way of a source map; without one, that is with an empty text, places are those of `script`.
    /// The texts are those of `sources` and of the generated `modules`.
    pub fn new(source_map: &str, script: &'a SourcePath, sources: &'a Sources, modules: &'a BTreeMap<String, String>) -> Self {
        Self { origins: Origins::of(source_map), script, sources, modules }
    }

    fn text(&self, path: &str) -> Option<&'a str> {
        self.sources.text(path).or_else(|| self.modules.get(path).map(String::as_str))
    }

    /// The sources of a place. A line without a column may come from several.
    ///
    /// Lines and columns are from 1, as engines count them.
    pub fn origins(&self, line: usize, column: Option<usize>) -> Vec<Origin> {
        let Some(line) = line.checked_sub(1) else { return Vec::new() };
        if self.origins.is_empty() {
            return self
                .origin(self.script.as_str(), line, column.map_or(0, |column| column.saturating_sub(1)))
                .into_iter()
                .collect();
        }
        let found = match column {
            Some(column) => self.origins.of_place(line, column.saturating_sub(1)).into_iter().collect(),
            None => self.origins.of_line(line),
        };
        found.into_iter().filter_map(|(path, line, column)| self.origin(path, line, column)).collect()
    }

    fn origin(&self, path: &str, line: usize, column: usize) -> Option<Origin> {
        let text = self.text(path)?;
        let at = byte_at(text, line, column)?;
        let word =
            text[at..].find(|letter: char| !letter.is_alphanumeric() && !matches!(letter, '_' | '$')).unwrap_or(text.len() - at);
        Some(Origin { path: SourcePath::new(path), span: Span::new(at, at + word) })
    }

    /// An error of a run as a complaint: about the place in the sources where it was thrown, if that is known.
    pub fn explain(&self, error: &RunError, trace: &[Frame]) -> Diagnostic {
        let places: Vec<(&Frame, Origin)> =
            trace.iter().filter_map(|frame| Some((frame, self.origins(frame.line, frame.column).into_iter().next()?))).collect();
        let problem = Diagnostic::error(error.kind.name(), error.message.as_str());
        let Some(((_, first), callers)) = places.split_first() else { return problem };
        let mut problem = problem.at(&first.path, first.span).label("thrown here");
        for (frame, origin) in callers {
            let (line, column) = line_column(self.text(origin.path.as_str()).unwrap_or_default(), origin.span.start);
            let function = if frame.function.is_empty() { String::new() } else { format!("`{}` in ", frame.function) };
            problem = problem.hint(format!("called from {function}{}:{line}:{column}", origin.path));
        }
        problem
    }
}

/// The places of a script that a line of a log names, as lines and columns from 1: `handler (:3)`, `at f (function.js:1:234)`,
/// `SyntaxError: … in 22`. Times and addresses are none.
pub fn places(log: &str) -> Vec<(usize, Option<usize>)> {
    let mut found = Vec::new();
    let mut rest = log;
    while let Some((before, after)) = rest.split_once(':') {
        rest = after;
        // A name of a script, what an engine calls a script without one, or nothing at all.
        let is_script =
            before.ends_with(['(', '>']) || before.ends_with("js") || before.ends_with(" in ") || before.ends_with("at ");
        let Some((line, more)) = number(after).filter(|_| is_script) else { continue };
        let column = more.strip_prefix(':').and_then(number);
        rest = column.map_or(more, |(_, more)| more);
        found.push((line, column.map(|(column, _)| column)));
    }
    if found.is_empty()
        && log.contains("Error")
        && let Some((line, more)) = log.rsplit_once(" in ").and_then(|(_, after)| number(after))
        && !more.starts_with(|next: char| next.is_alphanumeric() || next == '.')
    {
        found.push((line, None));
    }
    found
}

/// The number that a text begins with, and what follows it.
fn number(text: &str) -> Option<(usize, &str)> {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_name_places() {
        for (log, expected) in [
            ("    at handler (:3)", vec![(3, None)]),
            ("    at f (function.js:1:234)", vec![(1, Some(234))]),
            ("    at f (<anonymous>:1:5)", vec![(1, Some(5))]),
            (
                "The CloudFront function … could not run. Error: \"SyntaxError: Token \\\"of\\\" not supported in this version in 22\"",
                vec![(22, None)],
            ),
            ("SyntaxError: Unexpected token \"}\" in function.js:7", vec![(7, None)]),
            ("2026-11-26T12:30:45Z START DistributionID: E1 10.0.0.1:443", vec![]),
            ("    at native (native)", vec![]),
            ("TypeError: cannot get property \"x\" of undefined", vec![]),
            ("took 3 in 4", vec![]),
        ] {
            assert_eq!(places(log), expected, "{log}");
        }
    }
}
