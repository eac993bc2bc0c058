//! The script that is uploaded.

use super::check::{Form, LARGE};
use super::runtime::{MAX_CODE_BYTES, Runtime};
use super::syntax;
use crate::script::{self, FunctionOptions, Graph};
use crate::source::{Diagnostic, SourcePath, Span};
use std::collections::{BTreeMap, BTreeSet};

/// A function as it would be uploaded.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// The function's name, from its file's.
    pub name: String,
    /// The runtime it is for.
    pub runtime: Runtime,
    /// The script.
    pub code: String,
    /// A source map, as JSON. Empty for a script that is uploaded as it stands.
    pub source_map: String,
    /// Every module that is in it, generated ones by their name.
    pub imports: BTreeSet<String>,
    /// How many bytes come from which module.
    pub sizes: BTreeMap<SourcePath, usize>,
    /// What is worth knowing about the script itself: that it nears its limit.
    pub warnings: Vec<Diagnostic>,
}

/// Makes the script, and looks at what came out: a compressor that moves an `await` into a call breaks a function
/// that was sound.
pub(super) fn bundle(
    graph: &Graph,
    name: &str,
    entry: &SourcePath,
    runtime: Runtime,
    form: Form,
) -> Result<Bundle, Vec<Diagnostic>> {
    let target = match runtime {
        Runtime::V1 => script::Runtime::Njs1,
        Runtime::V2 => script::Runtime::Njs2,
    };
    let options = FunctionOptions { runtime: target, lower: form == Form::Module, minify: true };
    let made = script::function(graph, &options)?;
    let mut problems = refused(&made.code, entry, runtime);
    let mut warnings = Vec::new();
    let size = made.code.len();
    if size >= LARGE {
        let advice = largest(&made.sizes, entry);
        let message = format!("the bundled function has {size} bytes, a function has {MAX_CODE_BYTES} at most");
        if size > MAX_CODE_BYTES {
            problems.push(
                Diagnostic::error("CFF040", message).at(entry, Span::default()).hint(advice).maybe_hint(redirects(&made.sizes)),
            );
        } else {
            warnings.push(Diagnostic::warning("CFF040", message).at(entry, Span::default()).hint(advice));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Bundle {
        name: name.to_owned(),
        runtime,
        source_map: made.map,
        imports: graph.modules().map(|module| module.path().as_str().to_owned()).collect(),
        sizes: made.sizes,
        warnings,
        code: made.code,
    })
}

/// A script that is uploaded as it stands.
pub(super) fn unchanged(code: &str, name: &str, entry: &SourcePath, runtime: Runtime) -> Bundle {
    Bundle {
        name: name.to_owned(),
        runtime,
        code: code.to_owned(),
        source_map: String::new(),
        imports: BTreeSet::from([entry.as_str().to_owned()]),
        sizes: BTreeMap::from([(entry.clone(), code.len())]),
        warnings: Vec::new(),
    }
}

/// What the edge would not parse of the finished script, with the piece of it in question.
fn refused(code: &str, entry: &SourcePath, runtime: Runtime) -> Vec<Diagnostic> {
    let complain = |rule, what: &str, at: Span| {
        let piece: String = code.get(at.start..).unwrap_or_default().chars().take(40).collect();
        Diagnostic::error(rule, format!("in the bundled function, {what}: `{piece}`"))
            .at(entry, Span::default())
            .hint("write the statement in simpler words, or run `qdn function build` and look")
    };
    match script::parse(entry, code) {
        Ok(parsed) => {
            let (refusals, _) = syntax::refusals(&parsed, code, runtime);
            let errors = refusals.into_iter().filter(|refusal| refusal.severity == crate::source::Severity::Error);
            errors.map(|refusal| complain(refusal.rule, &refusal.message, refusal.place)).collect()
        }
        Err(problems) => problems
            .into_iter()
            .map(|problem| complain("CFF019", &problem.message, problem.place.map_or(Span::default(), |(_, span)| span)))
            .collect(),
    }
}

/// Advice for a site whose aliases have outgrown the function that answers them.
fn redirects(sizes: &BTreeMap<SourcePath, usize>) -> Option<String> {
    let size = sizes.get("qdn:redirects")?;
    Some(format!("the site's aliases take {size} bytes: remove old ones, or move them to a key-value store"))
}

/// Which modules the bytes come from.
fn largest(sizes: &BTreeMap<SourcePath, usize>, entry: &SourcePath) -> String {
    let mut sizes: Vec<_> = sizes.iter().collect();
    sizes.sort_by_key(|(path, size)| (std::cmp::Reverse(**size), (*path).clone()));
    let parts: Vec<String> = sizes.iter().take(3).map(|(path, size)| format!("`{path}` {size}")).collect();
    match parts.is_empty() {
        true => format!("`{entry}` is all there is of it"),
        false => format!("the largest parts: {} bytes; large tables belong into the key-value store", parts.join(", ")),
    }
}
