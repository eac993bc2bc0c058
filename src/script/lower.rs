//! Syntax that a CloudFront runtime lacks is said in syntax that it has.

use super::hoist::hoist;
use super::parse::Parsed;
use crate::source::Diagnostic;
use swc_core::common::comments::SingleThreadedComments;
use swc_core::common::{DUMMY_SP, Mark, SyntaxContext};
use swc_core::ecma::ast::{
    ArrayLit, CallExpr, Callee, Class, Expr, ExprOrSpread, ForOfStmt, IdentName, Invalid, MemberExpr, MemberProp, Number, Program,
    Stmt,
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
    let mut unfaithful = Unfaithful { parsed, problems: Vec::new() };
    statement.visit_with(&mut unfaithful);
    unfaithful.problems
}

/// Unfaithful that extend one of the runtime's: what is made of them is an instance of that alone. And loops that wait:
/// rewritten, they would not.
struct Unfaithful<'a> {
    parsed: &'a Parsed,
    problems: Vec<Diagnostic>,
}

impl Visit for Unfaithful<'_> {
    fn visit_class(&mut self, class: &Class) {
        if let Some(Expr::Ident(parent)) = class.super_class.as_deref()
            && self.parsed.is_global(parent)
        {
            self.problems.push(
                self.parsed
                    .complain(
                        "not-rewritten",
                        parent.span,
                        format!("a class that extends `{}` cannot be rewritten for the runtime", parent.sym),
                    )
                    .hint("make the object with a function, and tell it apart by a property"),
            );
        }
        class.visit_children_with(self);
    }

    fn visit_for_of_stmt(&mut self, statement: &ForOfStmt) {
        if statement.is_await {
            self.problems.push(
                self.parsed
                    .complain("not-rewritten", statement.span, "`for await` cannot be rewritten for the runtime")
                    .hint("count with an index, and wait for each element in the loop"),
            );
        }
        statement.visit_children_with(self);
    }
}

/// `[...text]` is one element for each letter; rewritten, it would be one for the text.
struct Spreads;

impl VisitMut for Spreads {
    fn visit_mut_array_lit(&mut self, array: &mut ArrayLit) {
        array.visit_mut_children_with(self);
        for element in array.elems.iter_mut().flatten().filter(|element| element.spread.is_some()) {
            if !is_array(&element.expr) {
                let empty = Expr::Array(ArrayLit { span: DUMMY_SP, elems: Vec::new() });
                let value = std::mem::replace(&mut *element.expr, Expr::Invalid(Invalid { span: DUMMY_SP }));
                *element.expr = method_call(method(empty, "slice"), "call", value);
            }
        }
    }
}

fn is_array(expression: &Expr) -> bool {
    /// Methods that give an array, of whatever has them; a text's `slice` and `concat` do not.
    const METHODS: [&str; 7] = ["entries", "filter", "keys", "map", "sort", "split", "values"];
    match expression {
        Expr::Array(_) => true,
        Expr::Call(CallExpr { callee: Callee::Expr(callee), .. }) => {
            matches!(&**callee, Expr::Member(MemberExpr { prop: MemberProp::Ident(name), .. }) if METHODS.contains(&&*name.sym))
        }
        _ => false,
    }
}

fn method(object: Expr, name: &str) -> Expr {
    Expr::Member(MemberExpr {
        span: DUMMY_SP,
        obj: Box::new(object),
        prop: MemberProp::Ident(IdentName::new(name.into(), DUMMY_SP)),
    })
}

fn method_call(object: Expr, name: &str, argument: Expr) -> Expr {
    Expr::Call(CallExpr {
        callee: Callee::Expr(Box::new(method(object, name))),
        args: vec![ExprOrSpread { spread: None, expr: Box::new(argument) }],
        ..CallExpr::default()
    })
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
    assumptions.pure_getters = true;
    assumptions.set_public_class_fields = true;
    assumptions.private_fields_as_properties = true;
    assumptions.skip_for_of_iterator_closing = true;

    program.visit_mut_with(&mut Spreads);
    HELPERS.set(&Helpers::new(false), || {
        program.mutate(&mut transform_from_env(unresolved, None::<SingleThreadedComments>, EnvConfig::from(config), assumptions));
        program.mutate(&mut inject_helpers(unresolved));
    });
    match runtime {
        Runtime::Njs1 => program.visit_mut_with(&mut PlainNumbers),
        Runtime::Njs2 => hoist(program),
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
