//! What would fail at the edge, said before anything is uploaded.
//!
//! A script is judged as it stands, because a file may be uploaded as it stands. A module (something
//! that exports, or imports a file) cannot be: it is judged as what the bundler makes of it, so what
//! the bundler rewrites is allowed there.

mod facts;
mod globals;
mod handler;
mod header;
mod response;
mod uri;

use super::bundle::{self, Bundle};
use super::runtime::{MAX_CODE_BYTES, Runtime};
use super::syntax;
use crate::script::ast::{Module, ModuleDecl, ModuleItem};
use crate::script::{self, Graph, Parsed, Position};
use crate::source::{Diagnostic, Severity, SourcePath, Sources, Span};
use facts::Facts;
use std::collections::BTreeMap;

/// From here on a function is told that it is getting large.
pub(super) const LARGE: usize = 9_216;

/// What a function is checked for.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The runtime it will run in.
    pub runtime: Runtime,
    /// Modules that it may import and that are no files, with their texts: `qdn:redirects`.
    pub virtual_modules: &'a BTreeMap<String, String>,
}

/// How a function is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A script that could be uploaded as it is.
    Script,
    /// A module, alone or with others, that has to be bundled.
    Module,
}

/// A function that has been looked at.
pub struct Checked {
    name: String,
    entry: SourcePath,
    runtime: Runtime,
    form: Form,
    diagnostics: Vec<Diagnostic>,
    /// What the bundler can mostly, but not always, put in other words.
    suspects: Vec<Diagnostic>,
    graph: Option<Graph>,
    /// A script whose handler no linker finds: it makes it a member of the global object, and is uploaded as it stands.
    as_is: Option<String>,
}

impl Checked {
    /// Everything that was found, errors and warnings, in the order of the files.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// How the function is written.
    pub fn form(&self) -> Form {
        self.form
    }

    /// The script as it would be uploaded.
    ///
    /// # Errors
    /// The errors of the check, where there are any; else what is wrong with the script that came out.
    pub fn bundle(&self) -> Result<Bundle, Vec<Diagnostic>> {
        if let Some(code) = &self.as_is
            && !self.diagnostics.iter().any(Diagnostic::is_error)
        {
            return Ok(bundle::unchanged(code, &self.name, &self.entry, self.runtime));
        }
        match &self.graph {
            Some(graph) if !self.diagnostics.iter().any(Diagnostic::is_error) => {
                let made = bundle::bundle(graph, &self.name, &self.entry, self.runtime, self.form);
                made.map_err(|problems| {
                    let mut problems: Vec<_> = problems.into_iter().map(|problem| settled(problem, &self.entry)).collect();
                    // What is left in the bundle has a place in the sources, which says more than a place in the bundle.
                    for rule in ["CFF030", "CFF031"] {
                        let written = self.suspects.iter().filter(|problem| problem.rule == rule).cloned();
                        if problems.iter().any(|problem| problem.rule == rule) && written.clone().next().is_some() {
                            problems.retain(|problem| problem.rule != rule);
                            problems.extend(written);
                        }
                    }
                    problems
                })
            }
            _ => Err(self.diagnostics.iter().filter(|problem| problem.is_error()).cloned().collect()),
        }
    }
}

/// Looks at a function and all that it imports.
pub fn check(sources: &Sources, entry: &SourcePath, options: &Options<'_>) -> Checked {
    let file = entry.as_str().rsplit('/').next().unwrap_or_default();
    let name = file.rsplit_once('.').map_or(file, |(stem, _)| stem).to_owned();
    let mut checked = Checked {
        name,
        entry: entry.clone(),
        runtime: options.runtime,
        form: Form::Script,
        diagnostics: Vec::new(),
        suspects: Vec::new(),
        graph: None,
        as_is: None,
    };
    if let Err(problems) = look(sources, options, &mut checked) {
        checked.diagnostics.extend(problems);
    }
    checked.diagnostics = checked.diagnostics.into_iter().map(|problem| settled(problem, entry)).collect();
    crate::source::sort(&mut checked.diagnostics);
    checked
}

fn look(sources: &Sources, options: &Options<'_>, checked: &mut Checked) -> Result<(), Vec<Diagnostic>> {
    let entry = checked.entry.clone();
    let text = sources.utf8(&entry).map_err(|problem| vec![problem])?;
    let parsed = script::parse(&entry, text)?;
    checked.form = form(parsed.module(), &entry);
    if checked.form == Form::Script {
        let found = &mut checked.diagnostics;
        found.extend(size(text, &entry));
        found.extend(refused(&parsed, text, options.runtime).map(|(problem, _)| problem));
        let odd = uri::thinks_of_odd_paths(&parsed);
        judge(&parsed, text, options.runtime, Form::Script, true, odd, found);
        if found.iter().any(Diagnostic::is_error) {
            return Ok(());
        }
        if facts::handler(parsed.module()).is_none() {
            checked.as_is = Some(text.to_owned());
            return Ok(());
        }
    }
    let externals = options.runtime.importable();
    let graph = script::graph(
        sources,
        std::slice::from_ref(&entry),
        &script::Options { virtual_modules: options.virtual_modules, externals },
    )?;
    if checked.form == Form::Module {
        let odd = graph.modules().any(uri::thinks_of_odd_paths);
        for parsed in graph.modules() {
            // Generated modules are ours.
            let Some(text) = sources.text(parsed.path().as_str()) else { continue };
            for (problem, lowered) in refused(parsed, text, options.runtime) {
                if lowered { &mut checked.suspects } else { &mut checked.diagnostics }.push(problem);
            }
            judge(parsed, text, options.runtime, Form::Module, *parsed.path() == entry, odd, &mut checked.diagnostics);
        }
    }
    checked.graph = Some(graph);
    Ok(())
}

/// A module exports something, or imports what only a bundler finds.
fn form(module: &Module, path: &SourcePath) -> Form {
    if path.extension() != "js" {
        return Form::Module;
    }
    let bundled = module.body.iter().any(|item| match item {
        ModuleItem::ModuleDecl(ModuleDecl::Import(import)) => {
            let name = import.src.value.to_string_lossy();
            name.starts_with('.') || name.starts_with('/') || name.contains(':')
        }
        ModuleItem::ModuleDecl(_) => true,
        ModuleItem::Stmt(_) => false,
    });
    if bundled { Form::Module } else { Form::Script }
}

/// A script that is uploaded as it stands has all its comments with it.
fn size(text: &str, path: &SourcePath) -> Option<Diagnostic> {
    let length = text.len();
    let hint = "CloudFront counts comments and blanks; a module (`export function handler`) is uploaded without them";
    if length > MAX_CODE_BYTES {
        let over = Span::new(MAX_CODE_BYTES, MAX_CODE_BYTES);
        let message = format!("the script has {length} bytes, a function has {MAX_CODE_BYTES} at most");
        return Some(Diagnostic::error("CFF040", message).at(path, over).label("the last byte that would fit").hint(hint));
    }
    (length >= LARGE).then(|| {
        Diagnostic::warning("CFF040", format!("the script has {length} of the {MAX_CODE_BYTES} bytes of a function"))
            .at(path, Span::default())
            .hint(hint)
    })
}

/// What the edge does not parse, and whether the bundler puts it in other words.
fn refused(parsed: &Parsed, text: &str, runtime: Runtime) -> impl Iterator<Item = (Diagnostic, bool)> {
    let (refusals, _) = syntax::refusals(parsed, text, runtime);
    refusals.into_iter().map(|refusal| {
        let make = if refusal.severity == Severity::Error { Diagnostic::error } else { Diagnostic::warning };
        (make(refusal.rule, refusal.message).at(parsed.path(), refusal.place).hint(refusal.hint), refusal.lowered)
    })
}

/// What parses, and fails all the same.
fn judge(parsed: &Parsed, text: &str, runtime: Runtime, form: Form, is_entry: bool, odd: bool, found: &mut Vec<Diagnostic>) {
    let facts = Facts::of(parsed, is_entry);
    let mut scene = Scene { parsed, text, runtime, form, is_entry, odd, facts: &facts, found };
    globals::check(&mut scene);
    handler::check(&mut scene);
    header::check(&mut scene);
    response::check(&mut scene);
    uri::check(&mut scene);
}

/// One module under examination.
struct Scene<'a> {
    parsed: &'a Parsed,
    text: &'a str,
    runtime: Runtime,
    form: Form,
    is_entry: bool,
    /// Whether some module shows that odd paths were thought of.
    odd: bool,
    facts: &'a Facts,
    found: &'a mut Vec<Diagnostic>,
}

impl Scene<'_> {
    fn place(&self, position: Position) -> Span {
        self.parsed.span(position)
    }

    fn error(&mut self, rule: &'static str, position: Position, message: impl Into<String>, hint: impl Into<String>) {
        let place = self.place(position);
        self.found.push(Diagnostic::error(rule, message).at(self.parsed.path(), place).hint(hint));
    }

    fn warning(&mut self, rule: &'static str, position: Position, message: impl Into<String>, hint: impl Into<String>) {
        let place = self.place(position);
        self.found.push(Diagnostic::warning(rule, message).at(self.parsed.path(), place).hint(hint));
    }
}

/// A complaint of the compiler's, as one of ours: with our number for it, and with a place.
fn settled(problem: Diagnostic, entry: &SourcePath) -> Diagnostic {
    let mut problem = renamed(problem);
    problem.place.get_or_insert_with(|| (entry.clone(), Span::default()));
    problem
}

/// Complaints of the compiler's that have a number of their own here.
fn renamed(mut problem: Diagnostic) -> Diagnostic {
    problem.rule = match problem.rule {
        "no-handler" => "CFF001",
        "redeclared" if problem.message.contains("`handler`") => "CFF003",
        "import-form" | "dynamic-import" => "CFF005",
        "top-level-await" => "CFF019",
        "syntax" if problem.message.contains("HTML") => "CFF019",
        rule => rule,
    };
    problem
}

#[cfg(test)]
mod tests;
