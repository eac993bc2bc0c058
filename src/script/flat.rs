//! A CloudFront Function: one script, no modules left but the runtime's own.

use super::graph::{Graph, Target};
use super::link::{self, Item};
use super::lower::{self, Runtime};
use super::map::{self, Printed};
use super::names::{Names, Surroundings};
use super::package;
use super::parse::Parsed;
use super::print::{self, Style};
use super::size::{self, Part};
use crate::source::{Diagnostic, SourcePath};
use std::collections::{BTreeMap, BTreeSet};
use swc_core::common::{DUMMY_SP, Span};
use swc_core::ecma::ast::{
    ArrowExpr, AwaitExpr, Class, Decl, Expr, ForOfStmt, Function, Id, Ident, ImportDecl, ImportDefaultSpecifier, ImportSpecifier,
    MetaPropExpr, MetaPropKind, ModuleDecl, ModuleItem, Pat, Stmt, VarDecl, VarDeclKind, VarDeclarator,
};
use swc_core::ecma::visit::{Visit, VisitWith};

/// How a function is written.
#[derive(Clone, Copy, Debug)]
pub struct FunctionOptions {
    /// For whom.
    pub runtime: Runtime,
    /// Whether syntax that the runtime lacks is rewritten, where it can be. Else it is left as it is, for a checker to find.
    pub lower: bool,
    /// Short, or legible.
    pub minify: bool,
}

/// A script that declares `handler`.
#[derive(Clone, Debug)]
pub struct Script {
    /// Its text.
    pub code: String,
    /// A source map, as JSON, with the modules' texts in it.
    pub map: String,
    /// How many bytes of the text come from which module. What is missing from the whole comes from none.
    pub sizes: BTreeMap<SourcePath, usize>,
    /// What takes how many bytes, the largest first, where the script was minified; together they are the whole.
    pub parts: Vec<Part>,
    /// What may mean something else now that it is rewritten, and most likely does not.
    pub warnings: Vec<Diagnostic>,
}

/// Makes one script of the graph's first entry and all it needs.
///
/// The entry's `handler`, exported or not, is what is called; whatever is neither needed for it nor does
/// anything on its own is left out.
///
/// # Errors
/// Where the entry has no `handler`, and where a module cannot be part of a script.
pub fn function(graph: &Graph, options: &FunctionOptions) -> Result<Script, Vec<Diagnostic>> {
    let Some(entry) = graph.entries.first().copied() else {
        return Err(vec![Diagnostic::error("no-handler", "a function needs a module to begin with")]);
    };
    let handler = handler(graph, entry).map_err(|problem| vec![*problem]);
    let items = link::items(graph);
    let needed: Vec<&Item<'_>> = match &handler {
        Ok(handler) => {
            let needed = link::needed(graph, &items, [Target::Local(handler.clone())], |_| true, |item| !item.pure);
            items.iter().zip(needed).filter(|(_, needed)| *needed).map(|(item, _)| item).collect()
        }
        Err(_) => items.iter().collect(),
    };
    // Of what somebody else wrote only that counts which is needed.
    let mut problems = Vec::new();
    for item in &items {
        let parsed = &graph.modules[item.module].parsed;
        if package::is_inside(parsed.path().as_str()) && !needed.iter().any(|needed| std::ptr::eq(*needed, item)) {
            continue;
        }
        item.statement.visit_with(&mut OnlyInModules { parsed, problems: &mut problems });
        if options.lower {
            problems.extend(lower::check(parsed, item.statement));
        }
    }
    let handler = match handler {
        Ok(handler) if !problems.iter().any(Diagnostic::is_error) => handler,
        other => {
            problems.extend(other.err().into_iter().flatten());
            crate::source::sort(&mut problems);
            return Err(problems);
        }
    };

    let printed = graph.with(|| {
        let body = flatten(graph, &handler, &needed);
        let style = Style {
            minify: options.minify,
            keep: vec!["handler".into()],
            runtime: Some(options.runtime),
            lower: options.lower,
            imports_apart: false,
        };
        print::print(graph, body, &style)
    });
    let map = map::json(graph, &printed);
    let sizes = map::sizes(graph, &printed);
    let parts = size::parts(graph, &printed);
    let Printed { code, .. } = printed;
    Ok(Script { code, map, sizes, parts, warnings: problems })
}

/// What the entry calls `handler`.
fn handler(graph: &Graph, entry: usize) -> Result<Id, Box<Diagnostic>> {
    let refuse = |message: String, hint: Option<String>| {
        let path = graph.modules[entry].parsed.path();
        Box::new(Diagnostic::error("no-handler", message).at(path, crate::source::Span::default()).maybe_hint(hint))
    };
    let module = &graph.modules[entry];
    let path = module.parsed.path();
    let own = (swc_core::atoms::Atom::from("handler"), module.parsed.top);
    let exported = module.exports.get("handler").or_else(|| module.imports.get(&own));
    match exported {
        Some(Target::Local(id)) => return Ok(id.clone()),
        Some(_) => return Err(refuse(format!("the `handler` of `{path}` is not a function"), None)),
        None => {}
    }
    if module.statements.iter().flat_map(link::declared).any(|id| id == own) {
        return Ok(own);
    }
    let hint = match module.exports.get("default") {
        Some(_) => "give the default export that name: `export default function handler(event)`".to_owned(),
        None => "CloudFront calls a function of that name: `function handler(event) { return event.request; }`".to_owned(),
    };
    Err(refuse(format!("`{path}` declares no `handler`"), Some(hint)))
}

fn flatten(graph: &Graph, handler: &Id, needed: &[&Item<'_>]) -> Vec<ModuleItem> {
    let root = Target::Local(handler.clone());
    let around = Surroundings::of(graph);
    let mut externals: Vec<String> = Vec::new();
    let mut namespaces: BTreeSet<usize> = BTreeSet::new();
    let mut targets: Vec<Target> = Vec::new();
    for target in link::all_uses(graph, needed) {
        match &target {
            Target::External(module, _) if !externals.contains(module) => externals.push(module.clone()),
            Target::Namespace(module) => {
                namespaces.insert(*module);
            }
            _ => {}
        }
        targets.push(target);
    }
    externals.sort();
    // Where something further inside is called `handler` too, the name cannot go to who is called by it there.
    let alias = !around.allows(graph, &root, &handler.0, &"handler".into());
    let fixed = if alias { (Target::External("handler".to_owned(), None), "handler") } else { (root.clone(), "handler") };
    let of_runtime = externals.iter().map(|module| Target::External(module.clone(), None));
    let names = Names::choose(graph, &around, &[fixed], of_runtime.chain(targets));

    let mut body: Vec<ModuleItem> = Vec::new();
    for module in &externals {
        let local = Ident::new_no_ctxt(names.of(&Target::External(module.clone(), None)), DUMMY_SP);
        body.push(ModuleItem::ModuleDecl(ModuleDecl::Import(ImportDecl {
            span: DUMMY_SP,
            specifiers: vec![ImportSpecifier::Default(ImportDefaultSpecifier { span: DUMMY_SP, local })],
            src: Box::new(module.as_str().into()),
            type_only: false,
            with: None,
            phase: swc_core::ecma::ast::ImportPhase::Evaluation,
        })));
    }
    body.extend(link::body(graph, needed, &namespaces, &names).map(|mut statement| {
        // The runtime looks the handler up as a member of the global object, where `const` and `let` do not go.
        if let Stmt::Decl(Decl::Var(variables)) = &mut statement
            && variables.decls.iter().any(|declarator| declarator.name.as_ident().is_some_and(|name| &*name.id.sym == "handler"))
        {
            variables.kind = VarDeclKind::Var;
        }
        ModuleItem::Stmt(statement)
    }));
    if alias {
        let declarator = VarDeclarator {
            span: DUMMY_SP,
            name: Pat::Ident(Ident::new_no_ctxt("handler".into(), DUMMY_SP).into()),
            init: Some(Box::new(Expr::Ident(Ident::new_no_ctxt(names.of(&root), DUMMY_SP)))),
            definite: false,
        };
        let declaration = VarDecl { kind: VarDeclKind::Var, decls: vec![declarator], ..VarDecl::default() };
        body.push(ModuleItem::Stmt(Stmt::Decl(Decl::Var(Box::new(declaration)))));
    }
    body
}

/// What a module may say and a script may not.
struct OnlyInModules<'a> {
    parsed: &'a Parsed,
    problems: &'a mut Vec<Diagnostic>,
}

impl OnlyInModules<'_> {
    fn top_level_await(&mut self, span: Span) {
        self.problems.push(
            self.parsed
                .complain("top-level-await", span, "`await` outside of a function")
                .hint("a CloudFront Function can only wait in an `async function`, such as its handler"),
        );
    }
}

impl Visit for OnlyInModules<'_> {
    fn visit_await_expr(&mut self, node: &AwaitExpr) {
        self.top_level_await(node.span);
        node.visit_children_with(self);
    }

    fn visit_for_of_stmt(&mut self, node: &ForOfStmt) {
        if node.is_await {
            self.top_level_await(node.span);
        }
        node.visit_children_with(self);
    }

    fn visit_meta_prop_expr(&mut self, node: &MetaPropExpr) {
        if node.kind == MetaPropKind::ImportMeta {
            self.problems.push(self.parsed.complain(
                "import-meta",
                node.span,
                "`import.meta` means nothing in a CloudFront Function",
            ));
        }
    }

    fn visit_function(&mut self, node: &Function) {
        node.visit_children_with(&mut MetaProperties(self));
    }

    fn visit_arrow_expr(&mut self, node: &ArrowExpr) {
        node.visit_children_with(&mut MetaProperties(self));
    }

    fn visit_class(&mut self, node: &Class) {
        node.visit_children_with(&mut MetaProperties(self));
    }
}

/// Inside of functions, where `await` is nothing odd.
struct MetaProperties<'a, 'b>(&'a mut OnlyInModules<'b>);

impl Visit for MetaProperties<'_, '_> {
    fn visit_meta_prop_expr(&mut self, node: &MetaPropExpr) {
        self.0.visit_meta_prop_expr(node);
    }
}
