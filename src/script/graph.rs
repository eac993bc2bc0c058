//! Entries, what they import, and what every imported name means.

use super::link::References;
use super::package;
use super::parse::{Parsed, parse_at};
use super::resolve::{Files, Meaning, resolve};
use super::scope::bindings;
use super::this;
use crate::source::{Diagnostic, SourcePath, Sources, Span, near};
use std::collections::{BTreeMap, BTreeSet};
use swc_core::common::{GLOBALS, Globals, Mark, Spanned, SyntaxContext};
use swc_core::ecma::ast::{
    CallExpr, Callee, ClassDecl, Decl, DefaultDecl, ExportSpecifier, FnDecl, Id, Ident, ImportPhase, ImportSpecifier, ModuleDecl,
    ModuleExportName, ModuleItem, Pat, Stmt, Str, VarDecl, VarDeclKind, VarDeclarator,
};
use swc_core::ecma::visit::{Visit, VisitWith};

/// What modules may import besides files.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// Generated modules: what an `import` says, such as `qdn:redirects`, and the module's text.
    pub virtual_modules: &'a BTreeMap<String, String>,
    /// Modules that the runtime brings, such as `cloudfront`.
    pub externals: &'a [&'a str],
    /// Whether packages may be imported that lie in `node_modules`.
    pub packages: bool,
}

/// Modules that import each other, every import resolved.
pub struct Graph {
    globals: Globals,
    /// In the order in which they run.
    pub(super) modules: Vec<Module>,
    /// Places in `modules`.
    pub(super) entries: Vec<usize>,
}

impl std::fmt::Debug for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.modules()).finish()
    }
}

/// One module of a graph.
pub(super) struct Module {
    pub(super) parsed: Parsed,
    pub(super) text: String,
    /// The statements without `import` and `export`, each declaring one name where it can.
    pub(super) statements: Vec<Stmt>,
    /// The modules it imports, in the order it says so.
    pub(super) dependencies: Vec<usize>,
    /// What each imported name means.
    pub(super) imports: BTreeMap<Id, Target>,
    /// What each exported name means, those of `export *` among them.
    pub(super) exports: BTreeMap<String, Target>,
    /// The object of all exports, where somebody needs it.
    pub(super) namespace: Id,
    /// Whether it does nothing for whoever uses none of its exports, as its package promises.
    pub(super) is_quiet: bool,
    /// The scope of names that we made up.
    pub(super) made_up: SyntaxContext,
    declared: Declared,
}

/// What a name stands for, wherever it is said.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    /// A name that some module declares at its top.
    Local(Id),
    /// All exports of a module, as an object.
    Namespace(usize),
    /// What a module of the runtime exports by default, or one of its members.
    External(String, Option<String>),
}

/// What a module says of its imports and exports, before anything is resolved.
#[derive(Default)]
struct Declared {
    imports: BTreeMap<Id, (Source, Name, Span)>,
    exports: BTreeMap<String, (Export, Span)>,
    stars: Vec<(Source, Span)>,
}

#[derive(Clone)]
enum Source {
    Module(usize),
    External(String),
    /// Complained of already.
    Nothing,
}

#[derive(Clone)]
enum Name {
    All,
    One(String),
}

#[derive(Clone)]
enum Export {
    Own(Id),
    From(Source, Name),
}

impl Graph {
    /// Every module, in the order in which they run: a module comes after those it imports.
    pub fn modules(&self) -> impl Iterator<Item = &Parsed> {
        self.modules.iter().map(|module| &module.parsed)
    }

    /// The entries, as they were asked for.
    pub fn entries(&self) -> impl Iterator<Item = &Parsed> {
        self.entries.iter().map(|entry| &self.modules[*entry].parsed)
    }

    /// The modules that no other module imports. Of modules that only import each other, the first by name.
    pub fn roots(&self) -> Vec<SourcePath> {
        let mut reached = BTreeSet::new();
        let imported: BTreeSet<usize> = self
            .modules
            .iter()
            .enumerate()
            .flat_map(|(at, module)| module.dependencies.iter().copied().filter(move |to| *to != at))
            .collect();
        let mut roots: Vec<usize> = (0..self.modules.len()).filter(|at| !imported.contains(at)).collect();
        for root in &roots {
            self.reach(*root, &mut reached);
        }
        let mut by_path: Vec<usize> = (0..self.modules.len()).collect();
        by_path.sort_by_key(|at| self.modules[*at].parsed.path());
        for at in by_path {
            if !reached.contains(&at) {
                roots.push(at);
                self.reach(at, &mut reached);
            }
        }
        let mut paths: Vec<_> = roots.into_iter().map(|at| self.modules[at].parsed.path().clone()).collect();
        paths.sort();
        paths
    }

    /// The modules that run when `from` is loaded, itself among them.
    pub(super) fn reach(&self, from: usize, reached: &mut BTreeSet<usize>) {
        let mut open = vec![from];
        while let Some(at) = open.pop() {
            if reached.insert(at) {
                open.extend(&self.modules[at].dependencies);
            }
        }
    }

    /// Runs `work` where the compiler's marks have a meaning.
    pub(super) fn with<T>(&self, work: impl FnOnce() -> T) -> T {
        GLOBALS.set(&self.globals, work)
    }
}

/// Reads the entries and all they import.
///
/// # Errors
/// All that is wrong in any of the modules: syntax, imports that mean no file, names that are not exported.
pub fn graph(sources: &Sources, entries: &[SourcePath], options: &Options<'_>) -> Result<Graph, Vec<Diagnostic>> {
    let globals = Globals::new();
    let (slots, entries, mut problems, _) = GLOBALS.set(&globals, || read(sources, entries, options));
    // A module is numbered when it is first met and runs when all it imports has run.
    let mut graph = Graph { globals, modules: slots.into_iter().flatten().collect(), entries };
    let order = order(&graph);
    graph.renumber(&order);
    if problems.is_empty() {
        problems = graph.bind();
    }
    crate::source::sort(&mut problems);
    if problems.is_empty() { Ok(graph) } else { Err(problems) }
}

/// The files that entries and their imports ask for and that `sources` lack, for whoever can look for them elsewhere.
/// What cannot be read says nothing of its own imports: when more files have been found, ask again.
pub fn missing(sources: &Sources, entries: &[SourcePath], options: &Options<'_>) -> BTreeSet<SourcePath> {
    GLOBALS.set(&Globals::new(), || read(sources, entries, options).3)
}

type Read = (Vec<Option<Module>>, Vec<usize>, Vec<Diagnostic>, BTreeSet<SourcePath>);

fn read(sources: &Sources, entries: &[SourcePath], options: &Options<'_>) -> Read {
    let mut reader = Reader {
        files: Files::of(sources),
        options,
        unresolved: Mark::new(),
        next_base: 1,
        modules: Vec::new(),
        states: BTreeMap::new(),
        problems: Vec::new(),
    };
    let mut found = Vec::new();
    for entry in entries {
        match reader.read(entry) {
            Ok(Some(at)) => found.push(at),
            Ok(None) => {}
            Err(problem) => reader.problems.push(*problem),
        }
    }
    (reader.modules, found, reader.problems, reader.files.missing())
}

struct Reader<'a> {
    files: Files<'a>,
    options: &'a Options<'a>,
    unresolved: Mark,
    next_base: u32,
    modules: Vec<Option<Module>>,
    /// `None` where the module could not be read.
    states: BTreeMap<SourcePath, Option<usize>>,
    problems: Vec<Diagnostic>,
}

impl Reader<'_> {
    /// The module's number; `None` if what is wrong with it has been said.
    fn read(&mut self, path: &SourcePath) -> Result<Option<usize>, Box<Diagnostic>> {
        if let Some(state) = self.states.get(path) {
            return Ok(*state);
        }
        let text = match self.options.virtual_modules.get(path.as_str()) {
            Some(text) => text.as_str(),
            None => self.files.utf8(path).map_err(Box::new)?,
        };
        let parsed = match parse_at(path, text, self.next_base, self.unresolved) {
            Ok(parsed) => parsed,
            Err(problems) => {
                self.problems.extend(problems);
                self.states.insert(path.clone(), None);
                return Ok(None);
            }
        };
        if package::is_inside(path.as_str()) && is_common_js(&parsed) {
            self.states.insert(path.clone(), None);
            return Err(package::common_js(package::name_of(path.as_str())));
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).to_owned();
        self.next_base += u32::try_from(text.len()).unwrap_or(u32::MAX / 2) + 1;
        let at = self.modules.len();
        self.modules.push(None);
        self.states.insert(path.clone(), Some(at));
        let module = self.take_apart(parsed, text);
        self.modules[at] = Some(module);
        Ok(Some(at))
    }

    fn take_apart(&mut self, parsed: Parsed, text: String) -> Module {
        let made_up = SyntaxContext::empty().apply_mark(Mark::new());
        let stem = stem(parsed.path());
        let mut taker = Taker {
            default: (stem.as_str().into(), made_up),
            parsed: &parsed,
            reader: self,
            statements: Vec::new(),
            dependencies: Vec::new(),
            declared: Declared::default(),
        };
        for item in &parsed.module().body {
            match item {
                ModuleItem::Stmt(statement) => taker.statement(statement),
                ModuleItem::ModuleDecl(declaration) => taker.declaration(declaration),
            }
        }
        taker.check_own_exports();
        let Taker { mut statements, dependencies, declared, .. } = taker;
        if parsed.module().body.iter().any(ModuleItem::is_module_decl) {
            this::is_nothing(&mut statements);
        }
        let mut calls = DynamicImports { parsed: &parsed, problems: &mut self.problems };
        parsed.module().visit_with(&mut calls);
        Module {
            text,
            is_quiet: !package::has_effects(&self.files, parsed.path().as_str()),
            statements,
            dependencies,
            imports: BTreeMap::new(),
            exports: BTreeMap::new(),
            namespace: (format!("{stem}_exports").into(), made_up),
            made_up,
            declared,
            parsed,
        }
    }
}

/// Whether a module exports in the manner of Node.js's first modules: nothing that could be linked.
fn is_common_js(parsed: &Parsed) -> bool {
    struct Exports<'a>(&'a Parsed, bool);
    impl Visit for Exports<'_> {
        fn visit_ident(&mut self, ident: &Ident) {
            self.1 |= self.0.is_global(ident) && matches!(&*ident.sym, "module" | "exports");
        }
    }
    if parsed.module().body.iter().any(ModuleItem::is_module_decl) {
        return false;
    }
    let mut exports = Exports(parsed, false);
    parsed.module().visit_with(&mut exports);
    exports.1
}

/// Whether an import in `from` names a package that is there.
pub fn is_package(sources: &Sources, from: &SourcePath, specifier: &str) -> bool {
    package::is_there(&Files::of(sources), from, specifier)
}

/// A name for what has none, after the file.
fn stem(path: &SourcePath) -> String {
    let file = path.as_str().rsplit(['/', ':']).next().unwrap_or_default();
    let file = if file.starts_with("index.") { path.folder().rsplit('/').next().unwrap_or_default() } else { file };
    let mut name = String::new();
    for letter in file.split('.').next().unwrap_or_default().chars() {
        match letter {
            'a'..='z' | 'A'..='Z' | '_' | '$' => name.push(letter),
            '0'..='9' if !name.is_empty() => name.push(letter),
            _ if !name.ends_with('_') => name.push('_'),
            _ => {}
        }
    }
    let name = name.trim_matches('_');
    // A reserved word is none of ours: `default.js` must not declare `default`.
    if name.is_empty() || Ident::verify_symbol(name).is_err() { format!("_{name}") } else { name.to_owned() }
}

struct Taker<'a, 'b> {
    parsed: &'a Parsed,
    reader: &'a mut Reader<'b>,
    default: Id,
    statements: Vec<Stmt>,
    dependencies: Vec<usize>,
    declared: Declared,
}

impl Taker<'_, '_> {
    fn complain(&mut self, problem: Diagnostic) {
        self.reader.problems.push(problem);
    }

    /// One declaration of one name, where it can be: what nobody uses is then left out on its own.
    fn statement(&mut self, statement: &Stmt) {
        match statement {
            Stmt::Decl(Decl::Var(declaration)) if declaration.decls.len() > 1 && !declaration.declare => {
                for declarator in &declaration.decls {
                    let one = VarDecl { span: declarator.span, decls: vec![declarator.clone()], ..(**declaration).clone() };
                    self.statements.push(Stmt::Decl(Decl::Var(Box::new(one))));
                }
            }
            Stmt::Empty(_) => {}
            other => self.statements.push(other.clone()),
        }
    }

    fn source(&mut self, specifier: &Str) -> Source {
        let place = self.parsed.span(specifier.span);
        let found = resolve(&self.reader.files, self.reader.options, self.parsed.path(), &specifier.value.to_string_lossy());
        let read = found.and_then(|meaning| match meaning {
            Meaning::External(name) => Ok(Source::External(name)),
            Meaning::Module(path) => Ok(self.reader.read(&path)?.map_or(Source::Nothing, Source::Module)),
        });
        match read {
            Ok(source) => {
                if let Source::Module(at) = source
                    && !self.dependencies.contains(&at)
                {
                    self.dependencies.push(at);
                }
                source
            }
            Err(problem) => {
                let path = self.parsed.path().clone();
                // A file that is not UTF-8 has a place of its own.
                self.complain(if problem.place.is_some() { *problem } else { problem.at(&path, place) });
                Source::Nothing
            }
        }
    }

    fn export(&mut self, name: &str, span: swc_core::common::Span, export: Export) {
        if self.declared.exports.contains_key(name) {
            let problem = self.parsed.complain("exported-twice", span, format!("`{name}` is exported twice"));
            self.complain(problem);
            return;
        }
        self.declared.exports.insert(name.to_owned(), (export, self.parsed.span(span)));
    }

    fn declaration(&mut self, declaration: &ModuleDecl) {
        match declaration {
            ModuleDecl::Import(import) => {
                if import.with.is_some() || import.phase != ImportPhase::Evaluation {
                    let problem =
                        self.parsed.complain("import-form", import.span, "imports with attributes or phases are not supported");
                    self.complain(problem);
                }
                let source = self.source(&import.src);
                for specifier in &import.specifiers {
                    let name = match specifier {
                        ImportSpecifier::Namespace(_) => Name::All,
                        ImportSpecifier::Default(_) => Name::One("default".to_owned()),
                        ImportSpecifier::Named(named) => match &named.imported {
                            Some(imported) => Name::One(export_name(imported)),
                            None => Name::One(named.local.sym.to_string()),
                        },
                    };
                    let span = self.parsed.span(specifier.span());
                    self.declared.imports.insert(specifier.local().to_id(), (source.clone(), name, span));
                }
            }
            ModuleDecl::ExportDecl(export) => {
                let names: Vec<Ident> = match &export.decl {
                    Decl::Class(class) => vec![class.ident.clone()],
                    Decl::Fn(function) => vec![function.ident.clone()],
                    Decl::Var(variables) => variables.decls.iter().flat_map(|declarator| bindings(&declarator.name)).collect(),
                    _ => Vec::new(),
                };
                for ident in names {
                    self.export(&ident.sym, ident.span, Export::Own(ident.to_id()));
                }
                self.statement(&Stmt::Decl(export.decl.clone()));
            }
            ModuleDecl::ExportNamed(export) => {
                let source = export.src.as_ref().map(|specifier| self.source(specifier));
                for specifier in &export.specifiers {
                    match specifier {
                        ExportSpecifier::Namespace(all) => {
                            let source = source.clone().unwrap_or(Source::Nothing);
                            self.export(&export_name(&all.name), all.span, Export::From(source, Name::All));
                        }
                        ExportSpecifier::Named(named) => {
                            let name = export_name(named.exported.as_ref().unwrap_or(&named.orig));
                            let meant = match (&source, &named.orig) {
                                (Some(source), orig) => Export::From(source.clone(), Name::One(export_name(orig))),
                                (None, ModuleExportName::Ident(ident)) => Export::Own(ident.to_id()),
                                (None, ModuleExportName::Str(_)) => continue,
                            };
                            let span = named.exported.as_ref().unwrap_or(&named.orig).span();
                            self.export(&name, span, meant);
                        }
                        ExportSpecifier::Default(_) => {}
                    }
                }
            }
            ModuleDecl::ExportAll(export) => {
                let source = self.source(&export.src);
                if matches!(source, Source::External(_)) {
                    let problem = self
                        .parsed
                        .complain("import-form", export.span, "`export *` of a module of the runtime is not supported")
                        .hint("export the names that are used, one by one");
                    self.complain(problem);
                }
                let span = self.parsed.span(export.span);
                self.declared.stars.push((source, span));
            }
            ModuleDecl::ExportDefaultDecl(export) => {
                let ident = |given: &Option<Ident>| match given {
                    Some(ident) => ident.clone(),
                    None => Ident::new(self.default.0.clone(), export.span.shrink_to_lo(), self.default.1),
                };
                let (ident, declaration) = match &export.decl {
                    DefaultDecl::Fn(function) => {
                        let ident = ident(&function.ident);
                        (ident.clone(), Decl::Fn(FnDecl { ident, declare: false, function: function.function.clone() }))
                    }
                    DefaultDecl::Class(class) => {
                        let ident = ident(&class.ident);
                        (ident.clone(), Decl::Class(ClassDecl { ident, declare: false, class: class.class.clone() }))
                    }
                    DefaultDecl::TsInterfaceDecl(_) => return,
                };
                self.export("default", export.span, Export::Own(ident.to_id()));
                self.statement(&Stmt::Decl(declaration));
            }
            ModuleDecl::ExportDefaultExpr(export) => {
                let ident = Ident::new(self.default.0.clone(), export.span.shrink_to_lo(), self.default.1);
                self.export("default", export.span, Export::Own(ident.to_id()));
                let declarator = VarDeclarator {
                    span: export.span,
                    name: Pat::Ident(ident.into()),
                    init: Some(export.expr.clone()),
                    definite: false,
                };
                self.statements.push(Stmt::Decl(Decl::Var(Box::new(VarDecl {
                    span: export.span,
                    kind: VarDeclKind::Const,
                    decls: vec![declarator],
                    ..VarDecl::default()
                }))));
            }
            ModuleDecl::TsImportEquals(_) | ModuleDecl::TsExportAssignment(_) | ModuleDecl::TsNamespaceExport(_) => {
                let problem = self
                    .parsed
                    .complain("import-form", declaration.span(), "this form of import or export is not supported")
                    .hint("write `import … from` and `export`");
                self.complain(problem);
            }
        }
    }

    /// `export { a }` where nothing is called `a`.
    fn check_own_exports(&mut self) {
        let mut known: BTreeSet<Id> = self.declared.imports.keys().cloned().collect();
        known.extend(self.statements.iter().flat_map(declared_by));
        let mut problems = Vec::new();
        for (export, span) in self.declared.exports.values() {
            if let Export::Own(id) = export
                && !known.contains(id)
            {
                let hint = near(&id.0, known.iter().map(|(name, _)| &**name));
                problems.push(
                    Diagnostic::error("undeclared-export", format!("`{}` is exported and declared nowhere", id.0))
                        .at(self.parsed.path(), *span)
                        .maybe_hint(hint.map(|name| format!("a similar name is declared: `{name}`"))),
                );
            }
        }
        self.reader.problems.extend(problems);
    }
}

/// The names that a statement declares for its module.
pub(super) fn declared_by(statement: &Stmt) -> Vec<Id> {
    match statement {
        Stmt::Decl(Decl::Class(class)) => vec![class.ident.to_id()],
        Stmt::Decl(Decl::Fn(function)) => vec![function.ident.to_id()],
        Stmt::Decl(Decl::Using(using)) => {
            using.decls.iter().flat_map(|declarator| bindings(&declarator.name)).map(|ident| ident.to_id()).collect()
        }
        // `var` may stand anywhere in a statement and still belong to the module.
        other => {
            let mut vars = Vars(Vec::new());
            other.visit_with(&mut vars);
            if let Stmt::Decl(Decl::Var(variables)) = other {
                vars.0.extend(variables.decls.iter().flat_map(|declarator| bindings(&declarator.name)).map(|ident| ident.to_id()));
            }
            vars.0
        }
    }
}

struct Vars(Vec<Id>);

impl Visit for Vars {
    fn visit_var_decl(&mut self, declaration: &VarDecl) {
        if declaration.kind == VarDeclKind::Var {
            self.0.extend(declaration.decls.iter().flat_map(|declarator| bindings(&declarator.name)).map(|ident| ident.to_id()));
        }
    }

    fn visit_function(&mut self, _: &swc_core::ecma::ast::Function) {}

    fn visit_expr(&mut self, _: &swc_core::ecma::ast::Expr) {}
}

struct DynamicImports<'a> {
    parsed: &'a Parsed,
    problems: &'a mut Vec<Diagnostic>,
}

impl Visit for DynamicImports<'_> {
    fn visit_call_expr(&mut self, call: &CallExpr) {
        if matches!(call.callee, Callee::Import(_)) {
            self.problems.push(
                self.parsed
                    .complain("dynamic-import", call.span, "`import()` is not supported")
                    .hint("import the module at the top of the file"),
            );
        }
        call.visit_children_with(self);
    }
}

fn export_name(name: &ModuleExportName) -> String {
    name.atom().to_string()
}

/// The modules' numbers in the order in which they run.
fn order(graph: &Graph) -> Vec<usize> {
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    for entry in &graph.entries {
        // A stack of (module, how many of its imports are done), since a chain of imports may be long.
        let mut stack = vec![(*entry, 0)];
        while let Some((at, done)) = stack.pop() {
            if done == 0 && !seen.insert(at) {
                continue;
            }
            match graph.modules[at].dependencies.get(done) {
                Some(next) => {
                    stack.push((at, done + 1));
                    if !seen.contains(next) {
                        stack.push((*next, 0));
                    }
                }
                None => order.push(at),
            }
        }
    }
    order
}

enum Found {
    Target(Target),
    Missing,
    Ambiguous(Vec<usize>),
    Circular,
    /// Complained of already.
    Nothing,
}

impl Graph {
    fn renumber(&mut self, order: &[usize]) {
        let mut place = BTreeMap::new();
        for (new, old) in order.iter().enumerate() {
            place.insert(*old, new);
        }
        let moved = |at: &mut usize| *at = place.get(at).copied().unwrap_or(*at);
        let moved_source = |source: &mut Source| {
            if let Source::Module(at) = source {
                moved(at);
            }
        };
        self.entries.iter_mut().for_each(moved);
        let mut modules: Vec<Option<Module>> = std::mem::take(&mut self.modules).into_iter().map(Some).collect();
        for old in order {
            let Some(mut module) = modules[*old].take() else { continue };
            module.dependencies.iter_mut().for_each(moved);
            module.declared.imports.values_mut().for_each(|(source, _, _)| moved_source(source));
            module.declared.stars.iter_mut().for_each(|(source, _)| moved_source(source));
            for (export, _) in module.declared.exports.values_mut() {
                if let Export::From(source, _) = export {
                    moved_source(source);
                }
            }
            self.modules.push(module);
        }
    }

    /// Finds what every name means.
    fn bind(&mut self) -> Vec<Diagnostic> {
        let mut problems = Vec::new();
        for at in 0..self.modules.len() {
            let mut exports = BTreeMap::new();
            for name in self.export_names(at, &mut BTreeSet::new()) {
                let found = self.find(at, &name, &mut BTreeSet::new());
                let own = self.modules[at].declared.exports.get(&name);
                match (found, own) {
                    (Found::Target(target), _) => {
                        exports.insert(name, target);
                    }
                    (found, Some((Export::From(Source::Module(from), Name::One(wanted)), span))) => {
                        problems.extend(self.not_found(&found, at, *span, *from, wanted));
                    }
                    // An `export *` of names that collide is no mistake until somebody imports one.
                    _ => {}
                }
            }
            let mut imports = BTreeMap::new();
            for (local, (source, name, span)) in &self.modules[at].declared.imports {
                match (self.follow(source, name, &mut BTreeSet::new()), source, name) {
                    (Found::Target(target), _, _) => {
                        imports.insert(local.clone(), target);
                    }
                    (found, Source::Module(from), Name::One(wanted)) => {
                        problems.extend(self.not_found(&found, at, *span, *from, wanted));
                    }
                    _ => {}
                }
            }
            self.modules[at].exports = exports;
            self.modules[at].imports = imports;
        }
        for at in 0..self.modules.len() {
            let mut references = References::of(self, at);
            self.modules[at].statements.visit_with(&mut references);
            for (span, from, wanted) in references.missing {
                let span = self.modules[at].parsed.span(span);
                problems.extend(self.not_found(&Found::Missing, at, span, from, &wanted));
            }
        }
        problems
    }

    fn export_names(&self, at: usize, seen: &mut BTreeSet<usize>) -> BTreeSet<String> {
        if !seen.insert(at) {
            return BTreeSet::new();
        }
        let declared = &self.modules[at].declared;
        let mut names: BTreeSet<String> = declared.exports.keys().cloned().collect();
        for (source, _) in &declared.stars {
            if let Source::Module(from) = source {
                names.extend(self.export_names(*from, seen).into_iter().filter(|name| name != "default"));
            }
        }
        names
    }

    fn find(&self, at: usize, name: &str, seen: &mut BTreeSet<(usize, String)>) -> Found {
        if !seen.insert((at, name.to_owned())) {
            return Found::Circular;
        }
        let declared = &self.modules[at].declared;
        if let Some((export, _)) = declared.exports.get(name) {
            return match export {
                Export::From(source, name) => self.follow(source, name, seen),
                Export::Own(id) => match declared.imports.get(id) {
                    Some((source, name, _)) => self.follow(source, name, seen),
                    None => Found::Target(Target::Local(id.clone())),
                },
            };
        }
        if name == "default" {
            return Found::Missing;
        }
        let mut found: Vec<(usize, Target)> = Vec::new();
        for (source, _) in &declared.stars {
            match source {
                Source::Module(from) => match self.find(*from, name, &mut seen.clone()) {
                    Found::Target(target) => found.push((*from, target)),
                    Found::Ambiguous(modules) => return Found::Ambiguous(modules),
                    _ => {}
                },
                _ => return Found::Nothing,
            }
        }
        match found.split_first() {
            None => Found::Missing,
            Some(((_, first), rest)) if rest.iter().all(|(_, other)| other == first) => Found::Target(first.clone()),
            Some(_) => Found::Ambiguous(found.into_iter().map(|(from, _)| from).collect()),
        }
    }

    fn follow(&self, source: &Source, name: &Name, seen: &mut BTreeSet<(usize, String)>) -> Found {
        match (source, name) {
            (Source::Nothing, _) => Found::Nothing,
            (Source::Module(from), Name::All) => Found::Target(Target::Namespace(*from)),
            (Source::Module(from), Name::One(name)) => self.find(*from, name, seen),
            (Source::External(module), Name::One(name)) if name != "default" => {
                Found::Target(Target::External(module.clone(), Some(name.clone())))
            }
            (Source::External(module), _) => Found::Target(Target::External(module.clone(), None)),
        }
    }

    fn not_found(&self, found: &Found, at: usize, span: Span, from: usize, wanted: &str) -> Option<Diagnostic> {
        let source = self.modules[from].parsed.path();
        let problem = |message: String| Diagnostic::error("missing-export", message).at(self.modules[at].parsed.path(), span);
        match found {
            Found::Target(_) | Found::Nothing => None,
            Found::Circular => {
                Some(problem(format!("`{wanted}` of `{source}` is only ever exported from one module to the next, in a circle")))
            }
            Found::Ambiguous(modules) => {
                let mut names: Vec<_> = modules.iter().map(|module| format!("`{}`", self.modules[*module].parsed.path())).collect();
                names.sort();
                Some(
                    problem(format!("`{wanted}` of `{source}` could be either that of {}", names.join(" or that of ")))
                        .hint("import it from the module that declares it"),
                )
            }
            Found::Missing => {
                let names = self.export_names(from, &mut BTreeSet::new());
                let private = self.modules[from].statements.iter().flat_map(declared_by).any(|id| *id.0 == *wanted);
                let hint = match near(wanted, names.iter().map(String::as_str)) {
                    _ if private => format!("`{source}` declares it: put `export` in front of it"),
                    Some(name) => format!("an export with a similar name exists: `{name}`"),
                    None if names.is_empty() => format!("`{source}` exports nothing"),
                    None => format!("it exports {}", names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")),
                };
                let what = if wanted == "default" { "no default export".to_owned() } else { format!("no export `{wanted}`") };
                Some(problem(format!("`{source}` has {what}")).hint(hint))
            }
        }
    }
}
