//! Which statements are needed, and how they name each other when they stand in one text.

use super::graph::{Graph, Target, declared_by};
use super::names::Names;
use super::purity;
use std::collections::{BTreeMap, BTreeSet};
use swc_core::atoms::Atom;
use swc_core::common::{DUMMY_SP, Span, Spanned, SyntaxContext};
use swc_core::ecma::ast::{
    AssignPat, Expr, Id, Ident, IdentName, KeyValuePatProp, KeyValueProp, Lit, MemberExpr, MemberProp, ObjectPatProp, Pat, Prop,
    PropName, Stmt,
};
use swc_core::ecma::visit::{Visit, VisitMut, VisitMutWith, VisitWith};

/// One statement at the top of a module.
pub(super) struct Item<'a> {
    pub(super) module: usize,
    pub(super) statement: &'a Stmt,
    pub(super) declares: Vec<Id>,
    pub(super) uses: BTreeSet<Target>,
    /// Whether it does nothing but declare.
    pub(super) pure: bool,
}

/// The statements of all modules in the order in which they run.
pub(super) fn items(graph: &Graph) -> Vec<Item<'_>> {
    let mut items = Vec::new();
    for (at, module) in graph.modules.iter().enumerate() {
        for statement in &module.statements {
            let mut references = References::of(graph, at);
            statement.visit_with(&mut references);
            items.push(Item {
                module: at,
                statement,
                declares: declared_by(statement),
                uses: references.found,
                pure: purity::is_pure(statement, &module.parsed),
            });
        }
    }
    items
}

/// For each item whether it is needed: because it `does` something, or because what is needed uses it.
/// Those that are not `within` are not looked at. A quiet module does nothing until one of its items is used.
pub(super) fn needed<'a>(
    graph: &Graph,
    items: &[Item<'a>],
    roots: impl IntoIterator<Item = Target>,
    within: impl Fn(&Item<'a>) -> bool,
    does: impl Fn(&Item<'a>) -> bool,
) -> Vec<bool> {
    let mut by_name: BTreeMap<&Id, Vec<usize>> = BTreeMap::new();
    for (at, item) in items.iter().enumerate() {
        for id in &item.declares {
            by_name.entry(id).or_default().push(at);
        }
    }
    let mut needed = vec![false; items.len()];
    let mut awake = BTreeSet::new();
    let mut open: Vec<Target> = roots.into_iter().collect();
    let mut seen: BTreeSet<Target> = BTreeSet::new();
    let is_quiet = |item: &Item<'a>| graph.modules[item.module].is_quiet;
    let mut keep = |at: usize, open: &mut Vec<Target>| {
        let mut waiting = vec![at];
        while let Some(at) = waiting.pop() {
            let item = &items[at];
            if needed[at] || !within(item) {
                continue;
            }
            needed[at] = true;
            open.extend(item.uses.iter().cloned());
            if is_quiet(item) && awake.insert(item.module) {
                waiting.extend((0..items.len()).filter(|at| items[*at].module == item.module && does(&items[*at])));
            }
        }
    };
    for (at, item) in items.iter().enumerate() {
        if does(item) && !is_quiet(item) {
            keep(at, &mut open);
        }
    }
    while let Some(target) = open.pop() {
        if !seen.insert(target.clone()) {
            continue;
        }
        match &target {
            Target::Local(id) => {
                for at in by_name.get(id).into_iter().flatten() {
                    keep(*at, &mut open);
                }
            }
            Target::Namespace(module) => open.extend(graph.modules[*module].exports.values().cloned()),
            Target::External(..) => {}
        }
    }
    needed
}

/// What a piece of a module refers to.
pub(super) struct References<'a> {
    graph: &'a Graph,
    module: usize,
    /// Names at the top of this module or another.
    pub(super) found: BTreeSet<Target>,
    /// Names of the runtime's.
    pub(super) globals: BTreeSet<Atom>,
    /// Names that are declared further inside.
    pub(super) nested: BTreeSet<Atom>,
    /// Members of a module's namespace that the module does not export: where, of which module, which.
    pub(super) missing: Vec<(Span, usize, String)>,
}

impl<'a> References<'a> {
    pub(super) fn of(graph: &'a Graph, module: usize) -> Self {
        Self { graph, module, found: BTreeSet::new(), globals: BTreeSet::new(), nested: BTreeSet::new(), missing: Vec::new() }
    }
}

impl Visit for References<'_> {
    fn visit_expr(&mut self, expression: &Expr) {
        match meaning(self.graph, self.module, expression) {
            Meaning::Target(target) => {
                self.found.insert(target);
            }
            Meaning::Missing(module, name) => self.missing.push((expression.span(), module, name)),
            Meaning::Nothing => expression.visit_children_with(self),
        }
    }

    fn visit_ident(&mut self, ident: &Ident) {
        let module = &self.graph.modules[self.module];
        if ident.ctxt == module.parsed.unresolved {
            self.globals.insert(ident.sym.clone());
        } else if ident.ctxt == module.parsed.top || ident.ctxt == module.made_up {
            let target = module.imports.get(&ident.to_id()).cloned().unwrap_or_else(|| Target::Local(ident.to_id()));
            self.found.insert(target);
        } else {
            self.nested.insert(ident.sym.clone());
        }
    }
}

enum Meaning {
    Target(Target),
    Missing(usize, String),
    Nothing,
}

/// What an expression stands for, if it is the name of something at the top of a module, or `namespace.name`.
fn meaning(graph: &Graph, module: usize, expression: &Expr) -> Meaning {
    match expression {
        Expr::Ident(ident) => {
            let scope = &graph.modules[module];
            match scope.imports.get(&ident.to_id()) {
                Some(target) => Meaning::Target(target.clone()),
                None if ident.ctxt == scope.parsed.top || ident.ctxt == scope.made_up => {
                    Meaning::Target(Target::Local(ident.to_id()))
                }
                None => Meaning::Nothing,
            }
        }
        Expr::Member(member) => {
            let Some(name) = static_name(&member.prop) else { return Meaning::Nothing };
            match meaning(graph, module, &member.obj) {
                Meaning::Target(Target::Namespace(from)) => match graph.modules[from].exports.get(&*name) {
                    Some(target) => Meaning::Target(target.clone()),
                    None => Meaning::Missing(from, name.to_string()),
                },
                Meaning::Missing(from, name) => Meaning::Missing(from, name),
                _ => Meaning::Nothing,
            }
        }
        Expr::Paren(paren) => meaning(graph, module, &paren.expr),
        _ => Meaning::Nothing,
    }
}

fn static_name(property: &MemberProp) -> Option<Atom> {
    match property {
        MemberProp::Ident(name) => Some(name.sym.clone()),
        MemberProp::Computed(computed) => match &*computed.expr {
            Expr::Lit(Lit::Str(text)) => text.value.as_atom().cloned(),
            _ => None,
        },
        MemberProp::PrivateName(_) => None,
    }
}

/// The names a statement declares for its module.
pub(super) fn declared(statement: &Stmt) -> Vec<Id> {
    declared_by(statement)
}

/// All that the items declare and use, in their order.
pub(super) fn all_uses(graph: &Graph, items: &[&Item<'_>]) -> Vec<Target> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    let mut add = |target: Target, all: &mut Vec<Target>| {
        if seen.insert(target.clone()) {
            all.push(target);
        }
    };
    for item in items {
        for id in &item.declares {
            add(Target::Local(id.clone()), &mut all);
        }
        for target in &item.uses {
            add(target.clone(), &mut all);
        }
    }
    // The object of a module's exports uses them all, which may be objects of exports again.
    let mut at = 0;
    while at < all.len() {
        if let Target::Namespace(module) = &all[at] {
            for target in graph.modules[*module].exports.values() {
                add(target.clone(), &mut all);
            }
        }
        at += 1;
    }
    all
}

/// The items as statements of one text, each module's after the object of its exports.
pub(super) fn body<'a>(
    graph: &'a Graph,
    items: &'a [&'a Item<'a>],
    namespaces: &'a BTreeSet<usize>,
    names: &'a Names,
) -> impl Iterator<Item = Stmt> + 'a {
    (0..graph.modules.len()).flat_map(move |module| {
        let object = namespaces.contains(&module).then(|| namespace(graph, module, names));
        object
            .into_iter()
            .chain(items.iter().filter(move |item| item.module == module).map(move |item| renamed(graph, item, names)))
    })
}

/// A statement as it stands among those of other modules. Scopes are taken off: they have to be found anew.
fn renamed(graph: &Graph, item: &Item<'_>, names: &Names) -> Stmt {
    let mut statement = item.statement.clone();
    statement.visit_mut_with(&mut Renamer { graph, module: item.module, names });
    statement
}

struct Renamer<'a> {
    graph: &'a Graph,
    module: usize,
    names: &'a Names,
}

impl Renamer<'_> {
    fn expression(&self, target: &Target, span: Span) -> Expr {
        let ident = |name: &Atom| Expr::Ident(Ident::new_no_ctxt(name.clone(), span));
        match target {
            Target::External(module, Some(member)) => Expr::Member(MemberExpr {
                span,
                obj: Box::new(ident(&self.names.of(&Target::External(module.clone(), None)))),
                prop: MemberProp::Ident(IdentName::new(member.as_str().into(), span)),
            }),
            target => ident(&self.names.of(target)),
        }
    }
}

impl VisitMut for Renamer<'_> {
    fn visit_mut_expr(&mut self, expression: &mut Expr) {
        match meaning(self.graph, self.module, expression) {
            Meaning::Target(target) => *expression = self.expression(&target, expression.span()),
            _ => expression.visit_mut_children_with(self),
        }
    }

    fn visit_mut_prop(&mut self, property: &mut Prop) {
        if let Prop::Shorthand(ident) = property {
            let mut value = Expr::Ident(ident.clone());
            self.visit_mut_expr(&mut value);
            if value.as_ident().is_none_or(|renamed| renamed.sym != ident.sym) {
                let key = PropName::Ident(IdentName::new(ident.sym.clone(), ident.span));
                *property = Prop::KeyValue(KeyValueProp { key, value: Box::new(value) });
                return;
            }
        }
        property.visit_mut_children_with(self);
    }

    fn visit_mut_object_pat_prop(&mut self, property: &mut ObjectPatProp) {
        property.visit_mut_children_with(self);
        if let ObjectPatProp::Assign(assign) = property {
            let Some(original) = self.names.original(self.module, &assign.key.id.sym) else { return };
            let key = PropName::Ident(IdentName::new(original, assign.key.span));
            let target = Pat::Ident(assign.key.clone());
            let value = match assign.value.take() {
                Some(right) => Pat::Assign(AssignPat { span: assign.span, left: Box::new(target), right }),
                None => target,
            };
            *property = ObjectPatProp::KeyValue(KeyValuePatProp { key, value: Box::new(value) });
        }
    }

    fn visit_mut_ident(&mut self, ident: &mut Ident) {
        let module = &self.graph.modules[self.module];
        if ident.ctxt == module.parsed.top || ident.ctxt == module.made_up {
            ident.sym = self.names.of(&Target::Local(ident.to_id()));
        }
        ident.ctxt = SyntaxContext::empty();
    }

    fn visit_mut_syntax_context(&mut self, context: &mut SyntaxContext) {
        *context = SyntaxContext::empty();
    }
}

/// The object of all that a module exports, as a declaration.
fn namespace(graph: &Graph, module: usize, names: &Names) -> Stmt {
    use swc_core::ecma::ast::{
        CallExpr, Callee, Decl, ExprOrSpread, Function, FunctionBody, GetterProp, ObjectLit, PropOrSpread, ReturnStmt, VarDecl,
        VarDeclKind, VarDeclarator,
    };
    let ident = |name: Atom| Expr::Ident(Ident::new_no_ctxt(name, DUMMY_SP));
    let key = |name: &str| match Ident::verify_symbol(name) {
        Ok(()) => PropName::Ident(IdentName::new(name.into(), DUMMY_SP)),
        Err(_) => PropName::Str(name.into()),
    };
    let mut properties = vec![Prop::KeyValue(KeyValueProp {
        key: PropName::Ident(IdentName::new("__proto__".into(), DUMMY_SP)),
        value: Box::new(Expr::Lit(Lit::Null(swc_core::ecma::ast::Null { span: DUMMY_SP }))),
    })];
    for (name, target) in &graph.modules[module].exports {
        let value = Renamer { graph, module, names }.expression(target, DUMMY_SP);
        // A getter, since the export may change, and may not be there yet.
        properties.push(Prop::Getter(GetterProp {
            span: DUMMY_SP,
            key: key(name),
            function: Box::new(Function {
                body: Some(FunctionBody {
                    span: DUMMY_SP,
                    stmts: vec![Stmt::Return(ReturnStmt { span: DUMMY_SP, arg: Some(Box::new(value)) })],
                }),
                ..Function::default()
            }),
        }));
    }
    let object = Expr::Object(ObjectLit {
        span: DUMMY_SP,
        props: properties.into_iter().map(|property| PropOrSpread::Prop(Box::new(property))).collect(),
    });
    let freeze = MemberExpr {
        span: DUMMY_SP,
        obj: Box::new(ident("Object".into())),
        prop: MemberProp::Ident(IdentName::new("freeze".into(), DUMMY_SP)),
    };
    let frozen = CallExpr {
        callee: Callee::Expr(Box::new(Expr::Member(freeze))),
        args: vec![ExprOrSpread { spread: None, expr: Box::new(object) }],
        ..CallExpr::default()
    };
    let name = Ident::new_no_ctxt(names.of(&Target::Namespace(module)), DUMMY_SP);
    Stmt::Decl(Decl::Var(Box::new(VarDecl {
        kind: VarDeclKind::Const,
        decls: vec![VarDeclarator {
            span: DUMMY_SP,
            name: Pat::Ident(name.into()),
            init: Some(Box::new(Expr::Call(frozen))),
            definite: false,
        }],
        ..VarDecl::default()
    })))
}
