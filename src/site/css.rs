//! Style sheets: bundled, prefixed, minified, with every `url()` turned into a reference to an asset.
//!
//! The only file that names lightningcss.

use super::asset::{self, Output};
use crate::source::{Diagnostic, SourcePath, Sources, Span, near};
use lightningcss::bundler::{BundleErrorKind, Bundler, ResolveResult, SourceProvider};
use lightningcss::dependencies::{Dependency, DependencyOptions};
use lightningcss::error::{Error, ErrorLocation};
use lightningcss::printer::PrinterOptions;
use lightningcss::rules::CssRule;
use lightningcss::stylesheet::{MinifyOptions, ParserOptions, StyleSheet};
use lightningcss::targets::{Browsers, Targets};
use parcel_sourcemap::SourceMap;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

/// The oldest browsers whose style sheets we write: the spring of 2023, when `:has()`, nesting's
/// forerunners and cascade layers were in all of them.
fn targets() -> Targets {
    let version = |major: u32, minor: u32| Some(major << 16 | minor << 8);
    Targets::from(Browsers {
        chrome: version(111, 0),
        edge: version(111, 0),
        firefox: version(114, 0),
        safari: version(16, 4),
        ios_saf: version(16, 4),
        samsung: version(22, 0),
        opera: version(97, 0),
        ..Browsers::default()
    })
}

/// Builds every style sheet that no other style sheet imports.
pub(super) fn build(sources: &Sources, files: &[(SourcePath, String)], problems: &mut Vec<Diagnostic>) -> Vec<Output> {
    let before = problems.len();
    let mut imported: BTreeMap<&SourcePath, Vec<SourcePath>> = BTreeMap::new();
    for (path, _) in files {
        let Ok(text) = sources.utf8(path).map_err(|problem| problems.push(problem)) else { continue };
        imported.insert(path, imports(text, path, sources, problems));
    }
    if problems.len() > before {
        return Vec::new();
    }
    let entries = entries(&imported);
    files
        .iter()
        .filter(|(path, _)| entries.contains(path))
        .filter_map(|(path, name)| bundle(sources, path, name, problems))
        .collect()
}

/// The style sheets that no other imports, and of those that import each other in a circle the first.
fn entries<'a>(imported: &'a BTreeMap<&'a SourcePath, Vec<SourcePath>>) -> BTreeSet<&'a SourcePath> {
    let by_others: BTreeSet<&SourcePath> =
        imported.iter().flat_map(|(path, targets)| targets.iter().filter(move |target| target != path)).collect();
    let mut entries: BTreeSet<&SourcePath> = imported.keys().copied().filter(|path| !by_others.contains(path)).collect();
    let mut reached = BTreeSet::new();
    let mut open: Vec<&SourcePath> = entries.iter().copied().collect();
    loop {
        while let Some(path) = open.pop() {
            if reached.insert(path) {
                open.extend(imported.get(path).into_iter().flatten());
            }
        }
        let Some(first) = imported.keys().copied().find(|path| !reached.contains(path)) else { return entries };
        entries.insert(first);
        open.push(first);
    }
}

/// What a style sheet imports. Everything in it that is not CSS is complained of here, once a file.
fn imports(text: &str, path: &SourcePath, sources: &Sources, problems: &mut Vec<Diagnostic>) -> Vec<SourcePath> {
    let warnings = Arc::new(RwLock::new(Vec::new()));
    let options = ParserOptions { error_recovery: true, warnings: Some(Arc::clone(&warnings)), ..ParserOptions::default() };
    let mut found = Vec::new();
    match StyleSheet::parse(text, options) {
        Ok(sheet) => {
            for rule in &sheet.rules.0 {
                let CssRule::Import(rule) = rule else { continue };
                let Some(target) = asset::local(&rule.url, path) else { continue };
                let target = match target {
                    Ok(target) if sources.bytes(target.as_str()).is_some() => target,
                    _ => {
                        let at = byte(text, rule.loc.line, rule.loc.column);
                        problems.push(no_such_file(&rule.url, path, text, at, sources, ".css"));
                        continue;
                    }
                };
                found.push(target);
            }
        }
        Err(error) => problems.push(complaint(&error.kind.to_string(), path, text, error.loc.as_ref())),
    }
    if let Ok(warnings) = warnings.read() {
        problems.extend(warnings.iter().map(|error| complaint(&error.kind.to_string(), path, text, error.loc.as_ref())));
    }
    found
}

fn no_such_file(url: &str, path: &SourcePath, text: &str, from: usize, sources: &Sources, extension: &str) -> Diagnostic {
    let at = text[from..].find(url).map_or(from, |at| from + at);
    let wanted = asset::local(url, path).and_then(Result::ok).map_or_else(|| url.to_owned(), |path| path.to_string());
    let known: Vec<&str> =
        sources.under(super::ASSETS).map(|(path, _)| path.as_str()).filter(|path| path.ends_with(extension)).collect();
    Diagnostic::error("no-such-file", format!("there is no file `{wanted}`"))
        .at(path, Span::new(at, at + url.len()))
        .maybe_hint(near(&wanted, known).map(|name| format!("a file with a similar name exists: `{name}`")))
}

fn bundle(sources: &Sources, entry: &SourcePath, name: &str, problems: &mut Vec<Diagnostic>) -> Option<Output> {
    let reader = Reader { sources };
    let mut map = SourceMap::new("/");
    let sheet = Bundler::new(&reader, Some(&mut map), ParserOptions::default()).bundle(Path::new(entry.as_str()));
    let mut sheet = match sheet {
        Ok(sheet) => sheet,
        Err(error) => {
            problems.push(bundle_complaint(&error, entry, sources));
            return None;
        }
    };
    if let Err(error) = sheet.minify(MinifyOptions { targets: targets(), ..MinifyOptions::default() }) {
        let path = SourcePath::new(error.loc.as_ref().map_or(entry.as_str(), |loc| &loc.filename));
        problems.push(complaint(
            &error.kind.to_string(),
            &path,
            sources.text(path.as_str()).unwrap_or_default(),
            error.loc.as_ref(),
        ));
        return None;
    }
    let printed = sheet.to_css(PrinterOptions {
        minify: true,
        source_map: Some(&mut map),
        targets: targets(),
        analyze_dependencies: Some(DependencyOptions { remove_imports: false }),
        ..PrinterOptions::default()
    });
    let printed = match printed {
        Ok(printed) => printed,
        Err(error) => {
            let path = SourcePath::new(error.loc.as_ref().map_or(entry.as_str(), |loc| &loc.filename));
            let text = sources.text(path.as_str()).unwrap_or_default();
            problems.push(complaint(&error.kind.to_string(), &path, text, error.loc.as_ref()));
            return None;
        }
    };
    let mut output = Output::new(name, entry.clone(), Vec::new());
    let mut code = printed.code;
    for dependency in printed.dependencies.unwrap_or_default() {
        let url = match dependency {
            Dependency::Url(url) => url,
            // Of another site: what is ours has been bundled.
            Dependency::Import(import) => {
                code = code.replace(&quoted(&import.placeholder), &quoted(&import.url));
                continue;
            }
        };
        let from = SourcePath::new(&url.loc.file_path);
        let written = match asset::local(&url.url, &from) {
            None => url.url.clone(),
            Some(Ok(target)) if asset::name(target.as_str()).is_some() && sources.bytes(target.as_str()).is_some() => {
                let name = asset::name(target.as_str()).unwrap_or_default().to_owned();
                // `sprite.svg#truck`: the fragment is not part of the file's name, and stays.
                let rest = url.url.find(['#', '?']).map_or("", |at| &url.url[at..]);
                let token = asset::placeholder(&name) + rest;
                output.references.insert(name);
                token
            }
            Some(_) => {
                let text = sources.text(from.as_str()).unwrap_or_default();
                let at = byte(text, url.loc.start.line.saturating_sub(1), url.loc.start.column);
                problems.push(no_such_file(&url.url, &from, text, at.saturating_sub(8), sources, ""));
                continue;
            }
        };
        code = code.replace(&quoted(&url.placeholder), &quoted(&written));
    }
    output.bytes = code.into_bytes();
    output.source_map = map.to_json(None).ok();
    Some(output)
}

/// A text as CSS has it between quotes.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            // The blank ends the number, and is no part of the text.
            letter if letter.is_control() => quoted.push_str(&format!("\\{:x} ", u32::from(letter))),
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

fn bundle_complaint(error: &Error<BundleErrorKind<'_, Unreadable>>, entry: &SourcePath, sources: &Sources) -> Diagnostic {
    let path = error.loc.as_ref().map_or_else(|| entry.clone(), |loc| SourcePath::new(&loc.filename));
    complaint(&error.kind.to_string(), &path, sources.text(path.as_str()).unwrap_or_default(), error.loc.as_ref())
}

fn complaint(message: &str, path: &SourcePath, text: &str, loc: Option<&ErrorLocation>) -> Diagnostic {
    let mut message = message.trim_end_matches('.').to_owned();
    if let Some(first) = message.get(..1).map(str::to_lowercase) {
        message.replace_range(..1, &first);
    }
    let at = loc.map_or(0, |loc| byte(text, loc.line, loc.column));
    Diagnostic::error("css", message).at(path, Span::new(at, at))
}

/// The byte at a line from 0 and a column from 1, which counts UTF-16 units.
fn byte(text: &str, line: u32, column: u32) -> usize {
    let start: usize = text.split_inclusive('\n').take(line as usize).map(str::len).sum();
    let mut units = 0;
    for (at, c) in text[start.min(text.len())..].char_indices() {
        if units + 1 >= column as usize || c == '\n' {
            return start + at;
        }
        units += c.len_utf16();
    }
    text.len()
}

struct Reader<'s> {
    sources: &'s Sources,
}

#[derive(Debug)]
struct Unreadable(String);

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` cannot be read", self.0)
    }
}

impl std::error::Error for Unreadable {}

impl SourceProvider for Reader<'_> {
    type Error = Unreadable;

    fn read<'a>(&'a self, file: &Path) -> Result<&'a str, Unreadable> {
        let path = file.to_string_lossy();
        self.sources.text(&path).ok_or_else(|| Unreadable(path.into_owned()))
    }

    fn resolve(&self, specifier: &str, originating_file: &Path) -> Result<ResolveResult, Unreadable> {
        match asset::local(specifier, &SourcePath::new(originating_file.to_string_lossy())) {
            None => Ok(ResolveResult::External(specifier.to_owned())),
            Some(Ok(path)) => Ok(ResolveResult::File(PathBuf::from(path.as_str()))),
            Some(Err(())) => Err(Unreadable(specifier.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(files: &[(&str, &str)]) -> (Vec<Output>, Vec<Diagnostic>) {
        let sources: Sources = files.iter().map(|(path, text)| (*path, text.as_bytes().to_vec())).collect();
        let sheets: Vec<_> = sources
            .iter()
            .filter(|(path, _)| path.extension() == "css")
            .map(|(path, _)| (path.clone(), asset::name(path.as_str()).unwrap_or_default().to_owned()))
            .collect();
        let mut problems = Vec::new();
        (build(&sources, &sheets, &mut problems), problems)
    }

    #[test]
    fn an_import_is_bundled_and_its_addresses_are_its_own() {
        let (outputs, problems) = built(&[
            ("site/assets/css/site.css", "@import './parts/base.css';\np { user-select: none; background: url(data:x) }"),
            ("site/assets/css/parts/base.css", "body { background: url('../../img/a.png#x') }"),
            ("site/assets/img/a.png", ""),
        ]);
        assert_eq!(problems, []);
        assert_eq!(outputs.len(), 1, "an imported style sheet is no asset of its own");
        let css = String::from_utf8(outputs[0].bytes.clone()).unwrap();
        assert_eq!(
            css,
            format!(
                "body{{background:url(\"{}#x\")}}p{{-webkit-user-select:none;user-select:none;background:url(\"data:x\")}}",
                asset::placeholder("img/a.png")
            )
        );
        assert_eq!(outputs[0].references.iter().collect::<Vec<_>>(), ["img/a.png"]);
        assert!(outputs[0].source_map.as_ref().is_some_and(|map| map.contains("parts/base.css")));
    }

    #[test]
    fn addresses_of_others_stay_as_they_are() {
        let svg = r#"data:image/svg+xml;utf8,<svg xmlns="http://www.w3.org/2000/svg"/>"#;
        let text = format!(
            "@import url(\"https://fonts.test/css2?family=Inter\") screen;\n.a{{background:url('{svg}')}}\n\
             .b{{background:url(\"https://h.test/x?a=\\\"b\\\\\")}}\n.c{{background:url('data:,a\\a b')}}"
        );
        let (outputs, problems) = built(&[("site/assets/site.css", &text)]);
        assert_eq!(problems, []);
        let css = String::from_utf8(outputs[0].bytes.clone()).unwrap();
        assert!(css.contains(r#"@import "https://fonts.test/css2?family=Inter" screen;"#), "{css}");
        assert!(css.contains(&format!("url(\"{}\")", svg.replace('"', "\\\""))), "{css}");
        assert!(css.contains(r#"url("https://h.test/x?a=\"b\\")"#), "{css}");
        assert!(css.contains(r#"url("data:,a\a b")"#), "{css}");
        // And read once more, it says the same.
        let (again, problems) = built(&[("site/assets/site.css", &css)]);
        assert_eq!((String::from_utf8(again[0].bytes.clone()).unwrap(), problems), (css, Vec::new()));
    }

    #[test]
    fn a_circle_of_imports_has_a_beginning() {
        let (outputs, problems) = built(&[
            ("site/assets/a.css", "@import 'b.css'; a{x:y}"),
            ("site/assets/b.css", "@import 'a.css'; b{x:y}"),
            ("site/assets/c.css", "@import 'c.css'; c{x:y}"),
        ]);
        assert_eq!(problems, []);
        assert_eq!(outputs.iter().map(|output| output.name.as_str()).collect::<Vec<_>>(), ["a.css", "c.css"]);
    }

    #[test]
    fn every_mistake_is_found_at_once() {
        let (_, problems) = built(&[
            ("site/assets/a.css", "@import 'bass.css';\np { color: red; colour }\nq { width: calc(1px + ; }\n"),
            ("site/assets/base.css", "p { background: url(nosuch.png) }\n"),
            ("site/assets/c.css", "\nb { background: url(nosuch.png) }\n:hover( { }"),
        ]);
        let places: Vec<_> = problems
            .iter()
            .map(|problem| (problem.rule, problem.place.clone().map(|(path, span)| (path.to_string(), span.start))))
            .collect();
        assert!(problems.len() >= 3, "{places:?}");
        let (_, problems) =
            built(&[("site/assets/c.css", "\nb { background: url(nosuch.png) }\n"), ("site/assets/nosuch.jpg", "")]);
        let (_, span) = problems[0].place.clone().unwrap();
        assert_eq!(&"\nb { background: url(nosuch.png) }\n"[span.start..span.end], "nosuch.png");
    }
}
