//! What is wrong with a function, before CloudFront finds out.
//!
//! AWS stores whatever it is given: nothing is parsed on upload or on publishing, and TestFunction does not
//! look at most of what a function returns. So everything is said here, all at once and at its place.
//!
//! A file comes in one of two forms. As a *script* it imports nothing but what the edge brings, and is judged
//! as it stands. As a *module* it imports files or exports its handler; the bundler then rewrites what the edge
//! does not parse, and only what cannot be rewritten is a mistake. The text that comes out of the bundler is
//! read once more in either case.

mod advice;
mod allow;
mod builtins;
mod findings;
mod flow;
mod forgets;
mod guard;
mod habits;
mod handler;
mod headers;
mod model;
mod path;
mod patterns;
mod redirects;
mod response;
mod rules;
mod secrets;
mod shape;
mod state;
mod store;
mod syntax;
#[cfg(test)]
mod tests;
mod texts;

use super::bundle::{self, Bundle};
use super::runtime::Runtime;
use super::syntax::refusals;
use crate::script::ast::{Module, ModuleDecl, ModuleItem};
use crate::script::{self, Parsed};
use crate::source::{Diagnostic, SourcePath, Sources};
use allow::Allows;
use findings::Findings;
use model::Model;
use path::Habits;
use std::collections::{BTreeMap, BTreeSet};

pub use rules::{Level, Levels, RULES, Rule};
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
    /// What every rule says, those that are off included.
    found: Vec<Diagnostic>,
    /// What is said.
    diagnostics: Vec<Diagnostic>,
    bundle: Option<Bundle>,
}

impl Checked {
    fn new(form: Form, mut found: Vec<Diagnostic>, bundle: Option<Bundle>) -> Self {
        crate::source::sort(&mut found);
        Self { form, found, diagnostics: Vec::new(), bundle }.under(&Levels::default())
    }

    /// The same with the rules as severe as is said.
    #[must_use]
    pub fn under(mut self, levels: &Levels) -> Self {
        self.diagnostics = self.found.iter().cloned().filter_map(|problem| levels.judge(problem)).collect();
        self
    }

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
        self.bundle_but_for(|_| false)
    }

    /// The script, though it may be too large to be uploaded: for whoever wants to know why.
    ///
    /// # Errors
    /// As [`Self::bundle`], but for its size.
    pub fn measured(&self) -> Result<Bundle, Vec<Diagnostic>> {
        self.bundle_but_for(|problem| problem.rule == "CFF040")
    }

    fn bundle_but_for(&self, passed_over: impl Fn(&Diagnostic) -> bool) -> Result<Bundle, Vec<Diagnostic>> {
        let errors = self.diagnostics.iter().filter(|problem| problem.is_error() && !passed_over(problem));
        let errors: Vec<Diagnostic> = errors.cloned().collect();
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
    fn of(sources: &Sources, path: &SourcePath, module: &Module, options: &Options<'_>) -> Self {
        // Types are removed, so the text is not what is uploaded.
        if path.is_typed() {
            return Self::Module;
        }
        let of_modules = module.body.iter().any(|item| match item {
            ModuleItem::ModuleDecl(ModuleDecl::Import(import)) => {
                let specifier = import.src.value.to_string_lossy();
                specifier.starts_with(['.', '/'])
                    || specifier.contains(':')
                    || options.virtual_modules.contains_key(&*specifier)
                    || script::is_package(sources, path, &specifier)
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
        Err(problem) => return Checked::new(Form::Script, vec![problem], None),
    };
    let parsed = match script::parse(entry, text) {
        Ok(parsed) => parsed,
        Err(problems) => return Checked::new(Form::Script, syntax::unparsed(problems, text), None),
    };
    let form = Form::of(sources, entry, parsed.module(), options);
    let mut diagnostics = Vec::new();
    let mut allows = Allows::default();
    let read = script::graph(sources, std::slice::from_ref(entry), &script_options(options, form));
    let bundle = match read {
        Ok(graph) => {
            let all: Vec<&Module> = graph.modules().map(Parsed::module).collect();
            let written = |module: &Parsed| match options.virtual_modules.get(module.path().as_str()) {
                Some(text) => text.as_str(),
                None => sources.text(module.path().as_str()).unwrap_or_default(),
            };
            let mut habits = Habits::default();
            for module in graph.modules() {
                habits.of(&Model::of(module, written(module), options.runtime, module.path() == entry));
            }
            for module in graph.modules() {
                let written = written(module);
                allows.read(module, written);
                diagnostics.extend(module_problems(module, written, form, module.path() == entry, options, (&all, &habits)));
            }
            if form == Form::Script {
                diagnostics.extend(bundle::as_it_stands(text, entry));
            }
            advice::check(sources, entry, options.runtime, &mut diagnostics);
            // Before the bundle is read, so that what is allowed in one place hides nothing in another; and after.
            let mut left = allows.filter(diagnostics, sources);
            let bundle = bundle::assemble(&graph, sources, entry, form, options, &mut left);
            diagnostics = allows.filter(left, sources);
            bundle
        }
        Err(problems) => {
            let mut habits = Habits::default();
            habits.of(&Model::of(&parsed, text, options.runtime, true));
            diagnostics.extend(module_problems(&parsed, text, form, true, options, (&[parsed.module()], &habits)));
            let start = |problem: &Diagnostic| problem.place.as_ref().map(|(path, span)| (path.clone(), span.start));
            let places: BTreeSet<_> = diagnostics.iter().filter_map(start).collect();
            // What a script cannot import has been said, in words of the edge.
            let problems = problems
                .into_iter()
                .filter(|problem| form == Form::Module || problem.rule != "unresolved-import")
                .filter(|problem| start(problem).is_none_or(|place| !places.contains(&place)));
            diagnostics.extend(problems.filter_map(|problem| syntax::unresolved(problem, options.runtime)));
            allows.read(&parsed, text);
            diagnostics = allows.filter(diagnostics, sources);
            None
        }
    };
    // Where the function was not looked at to its end, nobody knows what is of no use.
    diagnostics.extend(allows.complaints(bundle.is_some()));
    Checked::new(form, diagnostics, bundle)
}

/// The files that a function imports, and what they import, as far as `sources` lack them: most of all those of packages,
/// which nobody reads beforehand. Found files may want others: whoever adds some asks again.
pub fn missing(sources: &Sources, entry: &SourcePath, options: &Options<'_>) -> BTreeSet<SourcePath> {
    script::missing(sources, std::slice::from_ref(entry), &script_options(options, Form::Module))
}

fn script_options<'a>(options: &Options<'a>, form: Form) -> script::Options<'a> {
    script::Options { virtual_modules: options.virtual_modules, externals: externals(options.runtime, form), packages: true }
}

/// A function and all it imports, read and not judged.
///
/// # Errors
/// Where it cannot be read.
pub(super) fn graph(sources: &Sources, entry: &SourcePath, options: &Options<'_>) -> Result<script::Graph, Vec<Diagnostic>> {
    let text = sources.utf8(entry).map_err(|problem| vec![problem])?;
    let form = Form::of(sources, entry, script::parse(entry, text)?.module(), options);
    script::graph(sources, std::slice::from_ref(entry), &script_options(options, form))
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
    (all, habits): (&[&Module], &Habits),
) -> Vec<Diagnostic> {
    // What a package has and nobody uses is left out. What stays of it is judged in the bundle.
    if script::is_of_package(parsed.path()) {
        return Vec::new();
    }
    let (refused, _) = refusals(parsed, text, options.runtime);
    let mut problems: Vec<Diagnostic> = refused
        .iter()
        .filter(|refusal| form == Form::Script || !syntax::rewritten(refusal))
        .map(|refusal| syntax::mended(syntax::diagnostic(refusal, parsed.path()), text))
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
    path::check(&mut findings, habits);
    guard::check(&mut findings);
    store::check(&mut findings);
    forgets::check(&mut findings, form);
    patterns::check(&mut findings);
    redirects::check(&mut findings, all);
    texts::check(&mut findings);
    secrets::check(&mut findings);
    state::check(&mut findings);
    habits::check(&mut findings);
    problems.append(&mut findings.list);
    problems
}
