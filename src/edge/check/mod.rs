//! What is wrong with a function, before CloudFront finds out.
//!
//! AWS stores whatever it is given: nothing is parsed on upload or on publishing, and TestFunction does not
//! look at most of what a function returns. So everything is said here, all at once and at its place.
//!
//! A file comes in one of two forms. As a *script* it imports nothing but what the edge brings, and is judged
//! as it stands. As a *module* it imports files or exports its handler; the bundler then rewrites what the edge
//! does not parse, and only what cannot be rewritten is a mistake. The text that comes out of the bundler is
//! read once more in either case.

mod builtins;
mod findings;
mod flow;
mod guard;
mod handler;
mod headers;
mod model;
mod path;
mod patterns;
mod response;
mod shape;
mod store;
mod syntax;
#[cfg(test)]
mod tests;

use super::bundle::{self, Bundle};
use super::runtime::Runtime;
use super::syntax::refusals;
use crate::script::ast::{Module, ModuleDecl, ModuleItem};
use crate::script::{self, Parsed};
use crate::source::{Diagnostic, SourcePath, Sources};
use findings::Findings;
use model::Model;
use std::collections::{BTreeMap, BTreeSet};

pub(super) use syntax::uploaded;

/// For what a function is checked.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The runtime it will run in.
    pub runtime: Runtime,
    /// Generated modules: what an `import` says, such as `qdn:redirects`, and the module's text.
    pub virtual_modules: &'a BTreeMap<String, String>,
}

/// A function, and everything there is to say about it.
#[derive(Clone, Debug)]
pub struct Checked {
    form: Form,
    diagnostics: Vec<Diagnostic>,
    bundle: Option<Bundle>,
}

impl Checked {
    /// Everything wrong with it, in the order of its files.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// How it is written.
    pub fn form(&self) -> Form {
        self.form
    }

    /// The script to upload.
    ///
    /// # Errors
    /// What stops it from being built: every error, no warning.
    pub fn bundle(&self) -> Result<Bundle, Vec<Diagnostic>> {
        let errors: Vec<Diagnostic> = self.diagnostics.iter().filter(|problem| problem.is_error()).cloned().collect();
        match &self.bundle {
            Some(bundle) if errors.is_empty() => Ok(Bundle {
                warnings: self.diagnostics.iter().filter(|problem| !problem.is_error()).cloned().collect(),
                ..bundle.clone()
            }),
            _ => Err(errors),
        }
    }
}

/// Whether a file is uploaded as it stands, or made of modules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A script that could be uploaded as it stands.
    Script,
    /// A module, alone or with others, that has to be bundled first.
    Module,
}

impl Form {
    fn of(path: &SourcePath, module: &Module, options: &Options<'_>) -> Self {
        // Types are removed, so the text is not what is uploaded.
        if matches!(path.extension(), "ts" | "mts") {
            return Self::Module;
        }
        let of_modules = module.body.iter().any(|item| match item {
            ModuleItem::ModuleDecl(ModuleDecl::Import(import)) => {
                let specifier = import.src.value.to_string_lossy();
                specifier.starts_with(['.', '/']) || specifier.contains(':') || options.virtual_modules.contains_key(&*specifier)
            }
            ModuleItem::ModuleDecl(_) => true,
            ModuleItem::Stmt(_) => false,
        });
        if of_modules { Self::Module } else { Self::Script }
    }
}

/// Checks a function: the entry and all it imports.
///
/// This never fails: what is wrong, even where there is no such file, is among the diagnostics.
pub fn check(sources: &Sources, entry: &SourcePath, options: &Options<'_>) -> Checked {
    let text = match sources.utf8(entry) {
        Ok(text) => text,
        Err(problem) => return Checked { form: Form::Script, diagnostics: vec![problem], bundle: None },
    };
    let parsed = match script::parse(entry, text) {
        Ok(parsed) => parsed,
        Err(problems) => return Checked { form: Form::Script, diagnostics: syntax::unparsed(problems, text), bundle: None },
    };
    let form = Form::of(entry, parsed.module(), options);
    let mut diagnostics = Vec::new();
    let read = script::graph(
        sources,
        std::slice::from_ref(entry),
        &script::Options { virtual_modules: options.virtual_modules, externals: externals(options.runtime, form) },
    );
    let bundle = match read {
        Ok(graph) => {
            let all: Vec<&Module> = graph.modules().map(Parsed::module).collect();
            for module in graph.modules() {
                let path = module.path();
                let written = match options.virtual_modules.get(path.as_str()) {
                    Some(text) => Some(text.as_str()),
                    None => sources.text(path.as_str()),
                };
                diagnostics.extend(module_problems(
                    module,
                    written.unwrap_or_default(),
                    form,
                    module.path() == entry,
                    options,
                    &all,
                ));
            }
            if form == Form::Script {
                diagnostics.extend(bundle::as_it_stands(text, entry));
            }
            bundle::assemble(&graph, sources, entry, form, options, &mut diagnostics)
        }
        Err(problems) => {
            diagnostics.extend(module_problems(&parsed, text, form, true, options, &[parsed.module()]));
            let start = |problem: &Diagnostic| problem.place.as_ref().map(|(path, span)| (path.clone(), span.start));
            let places: BTreeSet<_> = diagnostics.iter().filter_map(start).collect();
            // What a script cannot import has been said, in words of the edge.
            let problems = problems
                .into_iter()
                .filter(|problem| form == Form::Module || problem.rule != "unresolved-import")
                .filter(|problem| start(problem).is_none_or(|place| !places.contains(&place)));
            diagnostics.extend(problems.filter_map(|problem| syntax::unresolved(problem, options.runtime)));
            None
        }
    };
    crate::source::sort(&mut diagnostics);
    Checked { form, diagnostics, bundle }
}

/// A function and all it imports, read and not judged.
///
/// # Errors
/// Where it cannot be read.
pub(super) fn graph(sources: &Sources, entry: &SourcePath, options: &Options<'_>) -> Result<script::Graph, Vec<Diagnostic>> {
    let text = sources.utf8(entry).map_err(|problem| vec![problem])?;
    let form = Form::of(entry, script::parse(entry, text)?.module(), options);
    let externals = externals(options.runtime, form);
    script::graph(sources, std::slice::from_ref(entry), &script::Options { virtual_modules: options.virtual_modules, externals })
}

/// The modules that need not be files. A script may name what the edge lacks: that is said by the rules of syntax.
fn externals(runtime: Runtime, form: Form) -> &'static [&'static str] {
    match form {
        Form::Module => runtime.importable(),
        Form::Script => Runtime::V2.importable(),
    }
}

/// What is wrong with one file: its syntax, and what it does.
fn module_problems(
    parsed: &Parsed,
    text: &str,
    form: Form,
    is_entry: bool,
    options: &Options<'_>,
    all: &[&Module],
) -> Vec<Diagnostic> {
    let (refused, _) = refusals(parsed, text, options.runtime);
    let mut problems: Vec<Diagnostic> = refused
        .iter()
        .filter(|refusal| form == Form::Script || !syntax::rewritten(refusal))
        .map(|refusal| syntax::diagnostic(refusal, parsed.path()))
        .collect();
    // Nobody wrote a generated module, so nobody could do anything about it.
    if options.virtual_modules.contains_key(parsed.path().as_str()) {
        return problems;
    }
    let model = Model::of(parsed, text, options.runtime, is_entry);
    let mut findings = Findings { model: &model, list: Vec::new() };
    if is_entry {
        handler::check(&mut findings, form);
    }
    builtins::check(&mut findings, form);
    headers::check(&mut findings);
    response::check(&mut findings);
    path::check(&mut findings, all);
    guard::check(&mut findings);
    store::check(&mut findings);
    patterns::check(&mut findings);
    problems.append(&mut findings.list);
    problems
}
