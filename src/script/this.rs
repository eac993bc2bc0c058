//! `this` at the top of a module, which is nothing there. Of a script it is the global object.

use swc_core::ecma::ast::{Class, Constructor, Expr, Function, Lit, Stmt, UnaryExpr, UnaryOp};
use swc_core::ecma::visit::{VisitMut, VisitMutWith};

/// Says `void 0` in its place, also in arrow functions.
pub(super) fn is_nothing(statements: &mut Vec<Stmt>) {
    statements.visit_mut_with(&mut Nothing);
}

struct Nothing;

impl VisitMut for Nothing {
    fn visit_mut_expr(&mut self, node: &mut Expr) {
        if let Expr::This(this) = node {
            let zero = Box::new(Expr::Lit(Lit::Num(0.0.into())));
            *node = Expr::Unary(UnaryExpr { span: this.span, op: UnaryOp::Void, arg: zero });
        } else {
            node.visit_mut_children_with(self);
        }
    }

    fn visit_mut_function(&mut self, _: &mut Function) {}

    fn visit_mut_constructor(&mut self, _: &mut Constructor) {}

    // The fields of a class have a `this` of their own; what it extends, and its computed keys, are not worth a look.
    fn visit_mut_class(&mut self, _: &mut Class) {}
}
