//! Texts: encoded twice, counted, and changed without anybody reading what came of it.

use super::findings::Findings;
use super::model::{Model, bare, member_name};
use super::shape::{Origin, Shape, Table};
use crate::script::Spanned as _;
use crate::script::ast::{BinaryOp, CallExpr, Callee, CondExpr, Expr, ExprStmt, ForHead, ForInStmt, IfStmt, MemberExpr, UnaryOp};
use crate::script::visit::{Visit, VisitWith};

/// Methods of texts that leave the text as it is.
const OF_TEXTS: &[&str] = &[
    "replace",
    "replaceAll",
    "slice",
    "substring",
    "substr",
    "trim",
    "trimStart",
    "trimEnd",
    "toLowerCase",
    "toUpperCase",
    "concat",
    "split",
    "padStart",
    "padEnd",
    "repeat",
    "charAt",
];

/// Methods of arrays that leave the array as it is, and call nobody.
const OF_LISTS: &[&str] = &["slice", "concat", "join", "includes", "indexOf"];

/// What counts letters.
const COUNTS: &[&str] = &["length", "slice", "substring", "substr", "charAt", "charCodeAt", "padStart", "padEnd"];

pub(super) fn check(findings: &mut Findings<'_, '_>) {
    let module = findings.model.parsed.module();
    let mut sorts = Sorts(false);
    module.visit_with(&mut sorts);
    module.visit_with(&mut Texts { findings, sorts: sorts.0 });
}

/// Whether anything is put in order.
struct Sorts(bool);

impl Visit for Sorts {
    fn visit_member_expr(&mut self, node: &MemberExpr) {
        self.0 |= member_name(&node.prop) == Some("sort");
        node.visit_children_with(self);
    }
}

struct Texts<'f, 'm, 'a> {
    findings: &'f mut Findings<'m, 'a>,
    sorts: bool,
}

/// Whether the text comes from `decodeURIComponent`.
fn is_decoded(model: &Model<'_>, expression: &Expr) -> bool {
    match &*model.resolve(expression) {
        Expr::Call(call) => match &call.callee {
            Callee::Expr(callee) => ["decodeURIComponent", "decodeURI"].into_iter().any(|name| model.is_global(callee, name)),
            _ => false,
        },
        _ => false,
    }
}

impl Texts<'_, '_, '_> {
    /// A value that is tested for being anything but the empty text.
    fn tested(&mut self, test: &Expr) {
        let model = self.findings.model;
        match bare(test) {
            Expr::Unary(unary) if unary.op == UnaryOp::Bang => self.tested(&unary.arg),
            Expr::Bin(binary) if matches!(binary.op, BinaryOp::LogicalAnd | BinaryOp::LogicalOr) => {
                self.tested(&binary.left);
                self.tested(&binary.right);
            }
            Expr::Member(member)
                if member_name(&member.prop) == Some("value")
                    && matches!(model.shape(&member.obj), Shape::Entry(table, _) if !table.is_own()) =>
            {
                let hint = "test the entry for being there, and the value for what it has to be: `entry.value !== ''`";
                self.findings.warning("CFF086", member.span, "this is false for an entry that is there and empty", hint);
            }
            _ => {}
        }
    }

    fn names_of_query(&mut self, of: &Expr, place: crate::script::Position) {
        if !self.sorts && self.findings.model.shape(of) == Shape::Table(Table::Query) {
            let hint = "put them in order: `Object.keys(…).sort()`";
            let message =
                "the order of names is the edge's own: names such as `1` are not first, and more than ten are in no order";
            self.findings.warning("CFF085", place, message, hint);
        }
    }
}

impl Visit for Texts<'_, '_, '_> {
    fn visit_expr_stmt(&mut self, node: &ExprStmt) {
        let model = self.findings.model;
        if let Expr::Call(call) = bare(&node.expr)
            && let Callee::Expr(callee) = &call.callee
        {
            let dropped = match bare(callee) {
                Expr::Member(member) => member_name(&member.prop).filter(|name| match model.shape(&member.obj) {
                    // Of what is not there another rule has spoken.
                    Shape::Text(_) => {
                        OF_TEXTS.contains(name) && model.runtime.names("String.prototype").is_some_and(|names| names.contains(name))
                    }
                    Shape::List(_) => OF_LISTS.contains(name),
                    _ => false,
                }),
                callee => ["encodeURIComponent", "encodeURI"].into_iter().find(|name| model.is_global(callee, name)),
            };
            if let Some(name) = dropped {
                let message = format!("nobody reads what `{name}` returns, and it changes nothing");
                self.findings.warning("CFF087", node.span, message, "assign it: `request.uri = request.uri.replace(…);`");
            }
        }
        node.visit_children_with(self);
    }

    fn visit_call_expr(&mut self, node: &CallExpr) {
        let model = self.findings.model;
        if let (Callee::Expr(callee), Some(first)) = (&node.callee, node.args.first()) {
            let encodes = ["encodeURIComponent", "encodeURI"].into_iter().find(|name| model.is_global(callee, name));
            // As it came: nobody has decoded it, or taken it apart.
            let raw = match model.shape(&first.expr) {
                Shape::Text(Origin::Query) => true,
                // A whole path is rightly encoded once more where it becomes a value of a query, as behind `?return=`.
                Shape::Text(Origin::Uri) => encodes == Some("encodeURI"),
                _ => false,
            };
            let raw = raw && matches!(&*model.resolve(&first.expr), Expr::Member(_));
            if let (Some(name), true) = (encodes, raw) {
                let message = format!("this is encoded already, and `{name}` encodes it again: `%20` becomes `%2520`");
                self.findings.warning("CFF064", node.span, message, "take it as it is, or decode it first, within `try`");
            }
            if let Expr::Member(member) = bare(callee)
                && model.is_global(&member.obj, "Object")
                && matches!(member_name(&member.prop), Some("keys" | "entries" | "values"))
            {
                self.names_of_query(&first.expr, node.span);
            }
        }
        node.visit_children_with(self);
    }

    fn visit_for_in_stmt(&mut self, node: &ForInStmt) {
        let place = match &node.left {
            ForHead::VarDecl(declaration) => declaration.span,
            other => other.span(),
        };
        self.names_of_query(&node.right, place);
        node.visit_children_with(self);
    }

    fn visit_member_expr(&mut self, node: &MemberExpr) {
        if let Some(name) = member_name(&node.prop).filter(|name| COUNTS.contains(name))
            && is_decoded(self.findings.model, &node.obj)
        {
            let message = format!("`{name}` counts code points at the edge, and halves of them in other engines");
            self.findings.warning("CFF084", node.span, message, "count what is encoded, or compare whole texts");
        }
        node.visit_children_with(self);
    }

    fn visit_if_stmt(&mut self, node: &IfStmt) {
        self.tested(&node.test);
        node.visit_children_with(self);
    }

    fn visit_cond_expr(&mut self, node: &CondExpr) {
        self.tested(&node.test);
        node.visit_children_with(self);
    }
}
