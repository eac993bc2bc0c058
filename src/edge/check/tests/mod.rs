use super::syntax::syntax;
use super::*;
use crate::source::{line_column, render};

mod allow;
mod bundling;
mod grammar;
mod pages;
mod probes;
mod rules;
mod samples;

/// Checks one file, or several: the first is the entry.
fn checked(files: &[(&str, &str)], runtime: Runtime) -> (Sources, Checked) {
    let sources: Sources = files.iter().map(|(path, text)| (*path, text.as_bytes().to_vec())).collect();
    let none = BTreeMap::new();
    let checked = check(&sources, &files[0].0.into(), &Options { runtime, virtual_modules: &none });
    (sources, checked)
}

/// What is said of a script: rule, line, column.
pub(super) fn said(text: &str, runtime: Runtime) -> Vec<(&'static str, usize, usize)> {
    let (_, checked) = checked(&[("f.js", text)], runtime);
    let place = |problem: &Diagnostic| problem.place.as_ref().map_or((0, 0), |(_, span)| line_column(text, span.start));
    checked.diagnostics().iter().map(|problem| (problem.rule, place(problem).0, place(problem).1)).collect()
}

/// Says that a script, with `‸` where the complaint is expected, is complained of for that, and for nothing else.
#[track_caller]
fn bad(runtime: Runtime, rule: &'static str, marked: &str) {
    let at = marked.find('‸').unwrap_or_else(|| panic!("{marked} has no mark"));
    let text = marked.replace('‸', "");
    let (line, column) = line_column(&text, at);
    assert_eq!(said(&text, runtime), [(rule, line, column)], "{marked}");
}

/// Says that there is nothing to say.
#[track_caller]
fn good(runtime: Runtime, text: &str) {
    let (sources, checked) = checked(&[("f.js", text)], runtime);
    assert!(checked.diagnostics().is_empty(), "{text}\n{}", render(checked.diagnostics(), &sources, false));
}
