//! The one text that is uploaded.

use super::check::{Form, Options, uploaded};
use super::runtime::{MAX_CODE_BYTES, Runtime};
use crate::script::ast::{ArrayLit, ObjectLit};
use crate::script::visit::{Visit, VisitWith};
use crate::script::{self, FunctionOptions, Graph, Script};
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
                let script = Script { code, map: String::new(), sizes: BTreeMap::new() };
                return Some(finished(script, sources, entry, BTreeSet::new(), options, diagnostics));
            }
            let missing: Vec<_> =
                missing.into_iter().filter(|_| !known).map(|problem| Diagnostic { rule: "CFF001", ..problem }).collect();
            // What was said of a place already is not said of it again in the linker's words.
            let places: BTreeSet<_> = diagnostics.iter().filter_map(|problem| problem.place.clone()).collect();
            let others = others.into_iter().filter(|problem| problem.place.as_ref().is_none_or(|place| !places.contains(place)));
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
    reread(&script, &name, entry, sources, options, diagnostics);
    diagnostics.extend(size(&script, entry, &imports, options));
    Bundle { name, runtime: options.runtime, code: script.code, source_map: script.map, warnings: Vec::new(), imports }
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
        // The same mistake, said of the source already.
        let consequence = problem.rule == "CFF021" && !known.is_empty();
        if !problem.is_error() || known.contains(problem.rule) || consequence {
            continue;
        }
        let at = problem.place.as_ref().map_or(0, |(_, span)| span.start);
        let origin = origins.of_byte(&script.code, at);
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

/// A source, a line and a column, each from 0.
type Origin = (usize, usize, usize);

/// A source map, read backwards.
struct Origins {
    sources: Vec<String>,
    /// For each line its pieces: the column, and the source, line and column it comes from.
    lines: BTreeMap<usize, Vec<(usize, Option<Origin>)>>,
}

impl Origins {
    fn of(map: &str) -> Self {
        let map: serde_json::Value = serde_json::from_str(map).unwrap_or_default();
        let sources = map["sources"].as_array().into_iter().flatten();
        let sources = sources.map(|source| source.as_str().unwrap_or_default().to_owned()).collect();
        let mut origins = Self { sources, lines: BTreeMap::new() };
        let mut place = [0i64; 3];
        for (line, pieces) in map["mappings"].as_str().unwrap_or_default().split(';').enumerate() {
            let mut column = 0;
            for piece in pieces.split(',').filter(|piece| !piece.is_empty()) {
                let numbers = numbers(piece);
                column += numbers.first().copied().unwrap_or_default();
                let origin = numbers.get(1..4).map(|moved| {
                    place.iter_mut().zip(moved).for_each(|(place, moved)| *place += moved);
                    let [source, line, column] = place.map(|number| usize::try_from(number).unwrap_or_default());
                    (source, line, column)
                });
                origins.lines.entry(line).or_default().push((usize::try_from(column).unwrap_or_default(), origin));
            }
        }
        origins
    }

    /// Path, line and column of what stands at a byte; lines and columns from 0, columns in UTF-16 units.
    fn of_byte(&self, code: &str, at: usize) -> Option<(&str, usize, usize)> {
        let before = code.get(..at)?;
        let line = before.matches('\n').count();
        let column: usize = before.rsplit('\n').next()?.chars().map(char::len_utf16).sum();
        let pieces = self.lines.get(&line)?;
        // What was made up has no origin of its own: it stands with what came before it.
        let until = pieces.partition_point(|(start, _)| *start <= column);
        let (source, line, column) = pieces[..until].iter().rev().find_map(|(_, origin)| *origin)?;
        Some((self.sources.get(source)?, line, column))
    }
}

/// The numbers in a piece of a source map.
fn numbers(piece: &str) -> Vec<i64> {
    let (mut found, mut number, mut shift) = (Vec::new(), 0i64, 0);
    for letter in piece.bytes() {
        let digit = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            _ => 63,
        };
        number |= i64::from(digit & 31) << shift;
        shift = (shift + 5).min(55);
        if digit & 32 == 0 {
            found.push(if number & 1 == 1 { -(number >> 1) } else { number >> 1 });
            (number, shift) = (0, 0);
        }
    }
    found
}

/// The byte at a line and a column, both from 0.
fn byte_at(text: &str, line: usize, column: usize) -> Option<usize> {
    // A byte order mark is no column to the compiler.
    let skipped = text.len() - text.strip_prefix('\u{feff}').unwrap_or(text).len();
    let text = &text[skipped..];
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let mut units = 0;
    let rest = text.get(start..)?.split('\n').next()?;
    let within = rest.char_indices().find(|(_, letter)| {
        let here = units >= column;
        units += letter.len_utf16();
        here
    });
    Some(skipped + start + within.map_or(rest.len(), |(at, _)| at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_bundle_leads_to_its_source() {
        let main = "\u{feff}import { page } from './page.js';\n\nexport function handler(event) {\n  event.request.uri = page();\n  return event.request;\n}\n";
        let page = "// Ü\nexport const page = () => /* ü */ '/index.html';\n";
        let sources: Sources = [("main.js", main.as_bytes().to_vec()), ("page.js", page.as_bytes().to_vec())].into_iter().collect();
        let none = BTreeMap::new();
        let graph = script::graph(&sources, &["main.js".into()], &script::Options { virtual_modules: &none, externals: &[] });
        let graph = graph.map_err(|_| ()).expect("it is read");
        let options = FunctionOptions { runtime: script::Runtime::Njs2, lower: true, minify: true };
        let script = script::function(&graph, &options).expect("it is built");
        let origins = Origins::of(&script.map);
        for (word, path, text) in [("\"/index.html\"", "page.js", "'/index.html'"), ("request", "main.js", "request")] {
            let at = script.code.find(word).expect("it is there");
            let (found, line, column) = origins.of_byte(&script.code, at).expect("it comes from somewhere");
            let source = sources.text(path).expect("there is such a file");
            let at = byte_at(source, line, column).expect("it is in the file");
            assert_eq!(found, path);
            assert!(source[at..].starts_with(text), "{}", &source[at..]);
        }
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1_000, 10_240, 1_234_567].map(grouped), ["0", "999", "1,000", "10,240", "1,234,567"]);
    }
}
