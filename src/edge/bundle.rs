//! The one text that is uploaded.

use super::check::{Form, Options, uploaded};
use super::origins::{Origins, byte_at};
use super::runtime::{MAX_CODE_BYTES, Runtime};
use crate::script::ast::{ArrayLit, ObjectLit};
use crate::script::visit::{Visit, VisitWith};
use crate::script::{self, FunctionOptions, Graph, Part, Script};
use crate::source::{Diagnostic, SourcePath, Sources, Span};
use std::collections::{BTreeMap, BTreeSet};

/// From here on it is said that a function grows too large: nine tenths of what it may have.
const MANY_BYTES: usize = 9_216;

/// The generated module that grows with the site, and so is the first to be too large.
const REDIRECTS: &str = "qdn:redirects";

/// A function as it is uploaded.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// The file's name, without its end.
    pub name: String,
    /// Whom it is for.
    pub runtime: Runtime,
    /// The script.
    pub code: String,
    /// Where each piece of it comes from, as JSON.
    pub source_map: String,
    /// What takes how many bytes of it, the largest first; nothing where the script is uploaded as it stands.
    pub parts: Vec<Part>,
    /// What was said about it and does not stop it.
    pub warnings: Vec<Diagnostic>,
    /// The generated modules in it, such as `qdn:redirects`.
    pub imports: BTreeSet<String>,
}

/// Makes the script, and reads it once more as the edge will.
pub(super) fn assemble(
    graph: &Graph,
    sources: &Sources,
    entry: &SourcePath,
    form: Form,
    options: &Options<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Bundle> {
    let runtime = match options.runtime {
        Runtime::V1 => script::Runtime::Njs1,
        Runtime::V2 => script::Runtime::Njs2,
    };
    let script = match script::function(graph, &FunctionOptions { runtime, lower: true, minify: true }) {
        Ok(script) => script,
        Err(problems) => {
            let known = diagnostics.iter().any(|problem| problem.rule == "CFF001");
            let (missing, others): (Vec<_>, Vec<_>) = problems.into_iter().partition(|problem| problem.rule == "no-handler");
            // `global.handler = …` is a handler to CloudFront, and not a name that could be followed.
            if form == Form::Script && !known && others.is_empty() && diagnostics.iter().all(|problem| !problem.is_error()) {
                let code = sources.text(entry.as_str()).unwrap_or_default().to_owned();
                let script = Script { code, map: String::new(), sizes: BTreeMap::new(), parts: Vec::new(), warnings: Vec::new() };
                return Some(finished(script, sources, entry, BTreeSet::new(), options, diagnostics));
            }
            let missing: Vec<_> =
                missing.into_iter().filter(|_| !known).map(|problem| Diagnostic { rule: "CFF001", ..problem }).collect();
            // What was said of a place already is not said of it again in the linker's words.
            let start = |problem: &Diagnostic| problem.place.as_ref().map(|(path, span)| (path.clone(), span.start));
            let places: BTreeSet<_> = diagnostics.iter().filter_map(start).collect();
            let others = others.into_iter().filter(|problem| start(problem).is_none_or(|place| !places.contains(&place)));
            diagnostics.extend(missing.into_iter().chain(others));
            return None;
        }
    };
    let modules = graph.modules().map(|module| module.path().as_str());
    let imports: BTreeSet<String> = modules.filter(|path| options.virtual_modules.contains_key(*path)).map(str::to_owned).collect();
    Some(finished(script, sources, entry, imports, options, diagnostics))
}

fn finished(
    script: Script,
    sources: &Sources,
    entry: &SourcePath,
    imports: BTreeSet<String>,
    options: &Options<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Bundle {
    let name = name(entry);
    diagnostics.extend(script.warnings.iter().cloned());
    reread(&script, &name, entry, sources, options, diagnostics);
    diagnostics.extend(size(&script, entry, &imports, options));
    Bundle {
        name,
        runtime: options.runtime,
        code: script.code,
        source_map: script.map,
        parts: script.parts,
        warnings: Vec::new(),
        imports,
    }
}

/// What CloudFront shall call the function: the file, or the folder of an `index.js`.
fn name(entry: &SourcePath) -> String {
    let file = entry.as_str().rsplit('/').next().unwrap_or_default();
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let folder = entry.folder().rsplit('/').next().unwrap_or_default();
    if stem == "index" && !folder.is_empty() { folder.to_owned() } else { stem.to_owned() }
}

/// Rewriting and shortening are other people's programs: what they wrote is believed when it has been read.
fn reread(
    script: &Script,
    name: &str,
    entry: &SourcePath,
    sources: &Sources,
    options: &Options<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let path = SourcePath::new(format!("{name}.js (bundled)"));
    let origins = Origins::of(&script.map);
    let known: BTreeSet<&'static str> = diagnostics.iter().filter(|known| known.is_error()).map(|known| known.rule).collect();
    let start = (entry.clone(), Span::default());
    for mut problem in uploaded(&path, &script.code, options.runtime) {
        let at = problem.place.as_ref().map_or(0, |(_, span)| span.start);
        let origin = origins.of_byte(&script.code, at);
        // The same mistake, said of the source already; of the source of a package nothing is said.
        let in_package = origin.is_some_and(|(path, ..)| script::is_of_package(&path.into()));
        let consequence = problem.rule == "CFF021" && !known.is_empty();
        let judged = !in_package && (known.contains(problem.rule) || consequence || ("CFF022"..="CFF026").contains(&problem.rule));
        if !problem.is_error() || judged {
            continue;
        }
        problem.place = origin.and_then(|(path, line, column)| {
            let text = match options.virtual_modules.get(path) {
                Some(text) => text.as_str(),
                None => sources.text(path)?,
            };
            let at = byte_at(text, line, column)?;
            Some((SourcePath::new(path), Span::new(at, at)))
        });
        problem.place.get_or_insert_with(|| start.clone());
        // The compressor makes a literal of `new RegExp('(')`, of which another rule has spoken.
        let starts = |other: &Diagnostic| other.place.as_ref().map(|(path, span)| (path.clone(), span.start));
        if diagnostics.iter().any(|known| known.is_error() && starts(known) == starts(&problem)) {
            continue;
        }
        problem.label = "after bundling".to_owned();
        diagnostics.push(problem);
    }
}

/// A script may be pasted into a console as it stands, and CloudFront counts its comments too.
pub(super) fn as_it_stands(text: &str, entry: &SourcePath) -> Option<Diagnostic> {
    (text.len() > MAX_CODE_BYTES).then(|| {
        let message = format!("as it stands, the file has {} bytes, more than CloudFront takes", grouped(text.len()));
        Diagnostic::warning("CFF040", message).at(entry, Span::default()).hint("upload what `qdn function build` makes of it")
    })
}

/// The limit is on the text as it is uploaded.
fn size(script: &Script, entry: &SourcePath, imports: &BTreeSet<String>, options: &Options<'_>) -> Option<Diagnostic> {
    let bytes = script.code.len();
    let problem = if bytes > MAX_CODE_BYTES {
        let over = bytes - MAX_CODE_BYTES;
        let message = format!("the function has {} bytes, {} more than CloudFront takes", grouped(bytes), grouped(over));
        Diagnostic::error("CFF040", message).hint(format!("the limit is {} bytes and cannot be raised", grouped(MAX_CODE_BYTES)))
    } else if bytes >= MANY_BYTES {
        let message = format!("the function has {} bytes, {} are left", grouped(bytes), grouped(MAX_CODE_BYTES - bytes));
        Diagnostic::warning("CFF040", message).hint(format!("CloudFront takes {} bytes at most", grouped(MAX_CODE_BYTES)))
    } else {
        return None;
    };
    let problem = problem.at(entry, Span::default());
    let taken = |path: &str| script.sizes.get(path).copied().unwrap_or_default();
    if imports.contains(REDIRECTS) {
        let count = options.virtual_modules.get(REDIRECTS).map_or(0, |text| entries(text));
        return Some(problem.hint(format!(
            "{} redirects take {} bytes: move them to a KeyValueStore, or remove old aliases",
            grouped(count),
            grouped(taken(REDIRECTS))
        )));
    }
    // A module of some weight is worth naming; a function of one file is not.
    let largest = script.sizes.iter().max_by_key(|(_, bytes)| **bytes).filter(|_| script.sizes.len() > 1);
    Some(problem.maybe_hint(largest.map(|(path, bytes)| format!("most of it is `{path}`, with {} bytes", grouped(*bytes)))))
}

/// How many things the largest list or table of a module holds.
fn entries(text: &str) -> usize {
    struct Largest(usize);
    impl Visit for Largest {
        fn visit_array_lit(&mut self, node: &ArrayLit) {
            self.0 = self.0.max(node.elems.len());
            node.visit_children_with(self);
        }
        fn visit_object_lit(&mut self, node: &ObjectLit) {
            self.0 = self.0.max(node.props.len());
            node.visit_children_with(self);
        }
    }
    let mut largest = Largest(0);
    if let Ok(parsed) = script::parse(&REDIRECTS.into(), text) {
        parsed.module().visit_with(&mut largest);
    }
    largest.0
}

/// 10,240 rather than 10240.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1_000, 10_240, 1_234_567].map(grouped), ["0", "999", "1,000", "10,240", "1,234,567"]);
    }
}
