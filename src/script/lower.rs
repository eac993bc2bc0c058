//! Syntax that a CloudFront runtime lacks is said in syntax that it has.

use super::exact;
use super::hoist::hoist;
use super::package::is_of_package;
use super::parse::Parsed;
use super::scope::bindings;
use super::supers;
use super::undeclared;
use super::waits;
use crate::source::Diagnostic;
use std::collections::BTreeSet;
use swc_core::atoms::Atom;
use swc_core::common::comments::SingleThreadedComments;
use swc_core::common::{Mark, Span, Spanned, SyntaxContext};
use swc_core::ecma::ast::{
    ArrowExpr, ArrowFunctionBody, AssignPatProp, BindingIdent, CallExpr, Callee, Class, ClassMember, Constructor, Decl, Expr,
    ExprOrSpread, ForOfStmt, Function, Id, Ident, MemberExpr, MemberProp, Number, ObjectLit, OptChainBase, Pat, Program, Prop,
    PropName, PropOrSpread, Stmt, VarDecl, VarDeclKind,
};
use swc_core::ecma::preset_env::{Config, EnvConfig, Feature, FeatureOrModule, transform_from_env};
use swc_core::ecma::transforms::base::assumptions::Assumptions;
use swc_core::ecma::transforms::base::helpers::{HELPERS, Helpers, inject_helpers};
use swc_core::ecma::transforms::base::hygiene::hygiene;
use swc_core::ecma::visit::{Visit, VisitMut, VisitMutWith, VisitWith};

/// A JavaScript runtime of CloudFront Functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Runtime {
    /// `cloudfront-js-1.0`: no `const`, `let`, `async` or modules.
    Njs1,
    /// `cloudfront-js-2.0`.
    Njs2,
}

/// What neither runtime has.
const BOTH: [Feature; 15] = [
    Feature::Classes,
    Feature::ForOf,
    Feature::Destructuring,
    Feature::Spread,
    Feature::Parameters,
    Feature::OptionalChaining,
    Feature::LogicalAssignmentOperators,
    Feature::OptionalCatchBinding,
    Feature::ObjectRestSpread,
    Feature::NewTarget,
    Feature::ClassProperties,
    Feature::PrivateMethods,
    Feature::ClassStaticBlock,
    Feature::ObjectSuper,
    Feature::Regenerator,
];

/// What would mean something else when it is rewritten.
pub(super) fn check(parsed: &Parsed, statement: &Stmt) -> Vec<Diagnostic> {
    let mut unfaithful = Unfaithful { parsed, problems: Vec::new(), warnings: Vec::new() };
    statement.visit_with(&mut unfaithful);
    let Unfaithful { mut problems, mut warnings, .. } = unfaithful;
    problems.append(&mut warnings);
    problems.extend(supers::check(parsed, statement));
    problems
}

/// What looks at classes that extend one of the runtime's (what is made of them is an instance of that alone), at loops that
/// wait (rewritten, they would not), and at whatever else the rewriting has no words for.
struct Unfaithful<'a> {
    parsed: &'a Parsed,
    problems: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

impl Unfaithful<'_> {
    fn refuse(&mut self, span: Span, message: impl Into<String>, hint: &str) {
        self.problems.push(self.parsed.complain("not-rewritten", span, message).hint(hint));
    }

    /// `keys()` of a typed array is an iterator, and no array; that of an object of one's own may be anything.
    fn iterated(&mut self, list: &Expr) {
        if let Expr::Call(CallExpr { callee: Callee::Expr(callee), args, .. }) = list
            && let Expr::Member(MemberExpr { prop: MemberProp::Ident(name), .. }) = &**callee
            && args.is_empty()
            && matches!(&*name.sym, "entries" | "keys" | "values")
        {
            let message =
                format!("what `{}()` gives is gone through as an array: an iterator would be taken for an empty one", name.sym);
            let problem = Diagnostic::warning("not-rewritten", message).at(self.parsed.path(), self.parsed.span(list.span()));
            self.warnings.push(problem.hint("count with an index, or make sure that it gives an array"));
        }
    }

    /// A default value that says a parameter which comes later, or its own; or a name that the body declares, for it becomes a part of
    /// the body.
    fn parameters<'p>(&mut self, patterns: impl Iterator<Item = &'p Pat>, body: &[Stmt]) {
        let patterns: Vec<&Pat> = patterns.collect();
        let own: Vec<Id> = patterns.iter().flat_map(|pattern| bindings(*pattern)).map(|name| name.to_id()).collect();
        let inner = declared_in(body);
        for pattern in &patterns {
            let mut shared = Shared { inner: &inner, own: &own, in_function: false, found: None };
            pattern.visit_with(&mut shared);
            if let Some((span, name)) = shared.found {
                self.refuse(
                    span,
                    format!("the default value would see the `{name}` that is declared in the body"),
                    "call the one in the body by another name",
                );
            }
        }
        for (at, pattern) in patterns.iter().enumerate() {
            let Pat::Assign(assign) = pattern else { continue };
            let later: Vec<Id> = patterns[at..].iter().flat_map(|later| bindings(*later)).map(|name| name.to_id()).collect();
            let mut said = Said { names: &later, found: None };
            assign.right.visit_with(&mut said);
            if let Some((span, name)) = said.found {
                self.refuse(
                    span,
                    format!("the default value needs `{name}`, which has no value yet"),
                    "put that parameter before this one, or set the value in the body",
                );
            }
        }
    }
}

/// Whether it is a member that is asked for with `?.`, in however many parentheses.
fn is_optional_member(expression: &Expr) -> bool {
    match expression {
        Expr::Paren(inner) => is_optional_member(&inner.expr),
        Expr::OptChain(chain) => matches!(*chain.base, OptChainBase::Member(_)),
        _ => false,
    }
}

/// What a function's body declares for the whole of itself.
fn declared_in(body: &[Stmt]) -> BTreeSet<Id> {
    struct Vars(BTreeSet<Id>);
    impl Visit for Vars {
        fn visit_var_decl(&mut self, node: &VarDecl) {
            if node.kind == VarDeclKind::Var {
                self.0.extend(node.decls.iter().flat_map(|one| bindings(&one.name)).map(|name| name.to_id()));
            }
            node.visit_children_with(self);
        }
        fn visit_function(&mut self, _: &Function) {}
        fn visit_arrow_expr(&mut self, _: &ArrowExpr) {}
        fn visit_class(&mut self, _: &Class) {}
    }
    let mut vars = Vars(BTreeSet::new());
    body.visit_with(&mut vars);
    for statement in body {
        match statement {
            Stmt::Decl(Decl::Var(variables)) => {
                vars.0.extend(variables.decls.iter().flat_map(|one| bindings(&one.name)).map(|name| name.to_id()));
            }
            Stmt::Decl(Decl::Fn(function)) => {
                vars.0.insert(function.ident.to_id());
            }
            Stmt::Decl(Decl::Class(class)) => {
                vars.0.insert(class.ident.to_id());
            }
            _ => {}
        }
    }
    vars.0
}

/// Looks in default values for names that the body declares. A parameter that the body declares again has its value still where the
/// default value is made, and not where a function in it is called.
struct Shared<'a> {
    inner: &'a BTreeSet<Id>,
    own: &'a [Id],
    in_function: bool,
    found: Option<(Span, Atom)>,
}

impl Visit for Shared<'_> {
    fn visit_ident(&mut self, ident: &Ident) {
        let id = ident.to_id();
        if self.inner.contains(&id) && (self.in_function || !self.own.contains(&id)) {
            self.found.get_or_insert((ident.span, ident.sym.clone()));
        }
    }

    fn visit_binding_ident(&mut self, _: &BindingIdent) {}

    fn visit_assign_pat_prop(&mut self, node: &AssignPatProp) {
        node.value.visit_with(self);
    }

    fn visit_function(&mut self, node: &Function) {
        let before = std::mem::replace(&mut self.in_function, true);
        node.visit_children_with(self);
        self.in_function = before;
    }

    fn visit_arrow_expr(&mut self, node: &ArrowExpr) {
        let before = std::mem::replace(&mut self.in_function, true);
        node.visit_children_with(self);
        self.in_function = before;
    }
}

/// Looks for one of some names, but not into functions: those are called later.
struct Said<'a> {
    names: &'a [Id],
    found: Option<(Span, Atom)>,
}

impl Visit for Said<'_> {
    fn visit_ident(&mut self, ident: &Ident) {
        if self.names.contains(&ident.to_id()) {
            self.found.get_or_insert((ident.span, ident.sym.clone()));
        }
    }

    fn visit_function(&mut self, _: &Function) {}

    fn visit_arrow_expr(&mut self, _: &ArrowExpr) {}
}

impl Visit for Unfaithful<'_> {
    fn visit_class(&mut self, class: &Class) {
        if let Some(Expr::Ident(parent)) = class.super_class.as_deref()
            && self.parsed.is_global(parent)
        {
            self.refuse(
                parent.span,
                format!("a class that extends `{}` cannot be rewritten for the runtime", parent.sym),
                "make the object with a function, and tell it apart by a property",
            );
        }
        for member in &class.body {
            if let ClassMember::Method(method) = member {
                self.own_iterator(&method.key);
            }
        }
        class.visit_children_with(self);
    }

    fn visit_for_of_stmt(&mut self, statement: &ForOfStmt) {
        if statement.is_await {
            self.refuse(
                statement.span,
                "`for await` cannot be rewritten for the runtime",
                "count with an index, and wait for each element in the loop",
            );
        }
        self.iterated(&statement.right);
        statement.visit_children_with(self);
    }

    fn visit_constructor(&mut self, node: &Constructor) {
        let parameters = node.params.iter().filter_map(|parameter| parameter.as_param());
        let body = node.body.as_ref().map_or(&[][..], |body| &body.stmts);
        self.parameters(parameters.map(|parameter| &parameter.pat), body);
        node.visit_children_with(self);
    }

    /// `(a?.b)()` calls with `a` for its `this`, and the compiler keeps it only without the parentheses.
    fn visit_call_expr(&mut self, node: &CallExpr) {
        if let Callee::Expr(callee) = &node.callee
            && let Expr::Paren(inner) = &**callee
            && is_optional_member(&inner.expr)
        {
            self.refuse(
                inner.span,
                "a method in parentheses behind `?.` would lose its `this`",
                "leave out the parentheses: `a?.b()`",
            );
        }
        node.visit_children_with(self);
    }

    fn visit_expr_or_spread(&mut self, node: &ExprOrSpread) {
        if node.spread.is_some() {
            self.iterated(&node.expr);
        }
        node.visit_children_with(self);
    }

    fn visit_object_lit(&mut self, object: &ObjectLit) {
        if let Some(span) = exact::accessor_beside_spread(object) {
            self.refuse(
                span,
                "a getter or setter cannot stand in an object that others are spread into",
                "make the object without it, and add it with `Object.defineProperty`",
            );
        }
        for property in object.props.iter().filter_map(PropOrSpread::as_prop) {
            match &**property {
                Prop::Method(method) => self.own_iterator(&method.key),
                Prop::KeyValue(pair) => self.own_iterator(&pair.key),
                Prop::Getter(getter) => self.own_iterator(&getter.key),
                _ => {}
            }
        }
        object.visit_children_with(self);
    }

    fn visit_function(&mut self, function: &Function) {
        // Of files of one's own the rules of syntax say so.
        if function.is_generator && is_of_package(self.parsed.path()) {
            self.refuse(function.span, "a generator cannot be rewritten for the runtime", "use a function that gives an array");
        }
        let body = function.body.as_ref().map_or(&[][..], |body| &body.stmts);
        self.parameters(function.params.iter().map(|parameter| &parameter.pat), body);
        function.visit_children_with(self);
    }

    fn visit_arrow_expr(&mut self, arrow: &ArrowExpr) {
        let body = match &*arrow.body {
            ArrowFunctionBody::FunctionBody(body) => &body.stmts[..],
            ArrowFunctionBody::Expr(_) => &[],
        };
        self.parameters(arrow.params.iter(), body);
        arrow.visit_children_with(self);
    }
}

impl Unfaithful<'_> {
    fn own_iterator(&mut self, key: &PropName) {
        if let PropName::Computed(computed) = key
            && let Expr::Member(MemberExpr { obj, prop: MemberProp::Ident(name), .. }) = &*computed.expr
            && obj.as_ident().is_some_and(|object| self.parsed.is_global(object) && &*object.sym == "Symbol")
            && matches!(&*name.sym, "iterator" | "asyncIterator")
        {
            let message = format!("nothing asks for `Symbol.{}` once loops are rewritten for the runtime", name.sym);
            self.refuse(computed.span, message, "give an array from a method, and go through that");
        }
    }
}

/// Rewrites what can be. The program's scopes must have been found, and have to be found anew.
pub(super) fn lower(program: &mut Program, runtime: Runtime, unresolved: Mark) {
    let mut include: Vec<FeatureOrModule> = BOTH.into_iter().map(FeatureOrModule::Feature).collect();
    if runtime == Runtime::Njs1 {
        include.push(FeatureOrModule::Feature(Feature::BlockScoping));
    }
    let newest = serde_json::from_value(serde_json::json!({ "chrome": "120" })).ok();
    let config = Config { include, targets: newest, loose: true, ..Config::default() };
    let mut assumptions = Assumptions::default();
    assumptions.iterable_is_array = true;
    assumptions.array_like_is_iterable = true;
    assumptions.set_spread_properties = true;
    assumptions.object_rest_no_symbols = true;
    assumptions.ignore_function_length = true;
    assumptions.no_document_all = true;
    assumptions.set_public_class_fields = true;
    assumptions.private_fields_as_properties = true;
    assumptions.skip_for_of_iterator_closing = true;

    exact::rewrite(program, unresolved);
    let rests = exact::RestParameters::hide(program);
    let known = undeclared::names(program);
    HELPERS.set(&Helpers::new(false), || {
        program.mutate(&mut transform_from_env(unresolved, None::<SingleThreadedComments>, EnvConfig::from(config), assumptions));
        program.mutate(&mut inject_helpers(unresolved));
    });
    undeclared::declare(program, &known);
    rests.show(program);
    program.visit_mut_with(&mut exact::Rests);
    match runtime {
        Runtime::Njs1 => program.visit_mut_with(&mut PlainNumbers),
        Runtime::Njs2 => {
            hoist(program);
            waits::keep(program);
        }
    }
    program.visit_mut_with(&mut hygiene());
    program.visit_mut_with(&mut NoScopes);
}

/// `1_000` is no number to the older runtime.
struct PlainNumbers;

impl VisitMut for PlainNumbers {
    fn visit_mut_number(&mut self, number: &mut Number) {
        number.raw = None;
    }
}

/// Takes the scopes off, for the names themselves to say them.
pub(super) struct NoScopes;

impl VisitMut for NoScopes {
    fn visit_mut_syntax_context(&mut self, context: &mut SyntaxContext) {
        *context = SyntaxContext::empty();
    }
}
