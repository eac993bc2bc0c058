//! Habits that cost, or that do not do what they seem to.

use super::findings::Findings;
use super::model::{Body, bare, member_name, member_place};
use super::shape::{Shape, Table};
use crate::script::Spanned as _;
use crate::script::ast::{AssignExpr, AssignTarget, BinExpr, BinaryOp, Callee, Expr, Lit, MemberExpr, SimpleAssignTarget, Stmt};
use crate::script::visit::{Visit, VisitWith};

/// Headers that keep viewers safe, on a page that says "not found" too.
const SAFETY: &[&str] = &[
    "strict-transport-security",
    "content-security-policy",
    "x-frame-options",
    "x-content-type-options",
    "referrer-policy",
    "permissions-policy",
];

pub(super) fn check(findings: &mut Findings<'_, '_>) {
    let model = findings.model;
    if let Some(Body::Block(statements, _)) = model.handler.map(|handler| model.functions[handler].body.clone()) {
        for statement in statements.iter() {
            logged(findings, statement);
        }
    }
    let module = model.parsed.module();
    module.visit_with(&mut Responses { findings, told: false });
}

/// A line that every request writes.
fn logged(findings: &mut Findings<'_, '_>, statement: &Stmt) {
    let Stmt::Expr(node) = statement else { return };
    if let Expr::Call(call) = bare(&node.expr)
        && let Callee::Expr(callee) = &call.callee
        && let Expr::Member(member) = bare(callee)
        && findings.model.is_global(&member.obj, "console")
    {
        let hint = "log what is odd alone: each line is paid for at CloudWatch, and takes time of the request";
        findings.warning("CFF080", node.span, "every request writes this line", hint);
    }
}

struct Responses<'f, 'm, 'a> {
    findings: &'f mut Findings<'m, 'a>,
    told: bool,
}

impl Responses<'_, '_, '_> {
    fn header(&mut self, member: &MemberExpr) {
        if !self.told
            && self.findings.model.shape(&member.obj) == Shape::Table(Table::ResponseHeaders)
            && let Some(name) = member_name(&member.prop).filter(|name| SAFETY.contains(name))
        {
            self.told = true;
            let message = format!("an answer with an error does not pass here, and will lack `{name}`");
            let hint = "put such headers into a response headers policy: CloudFront adds those to every answer";
            self.findings.warning("CFF090", member_place(&member.prop), message, hint);
        }
    }
}

impl Visit for Responses<'_, '_, '_> {
    fn visit_assign_expr(&mut self, node: &AssignExpr) {
        if let AssignTarget::Simple(SimpleAssignTarget::Member(member)) = &node.left {
            self.header(member);
        }
        node.visit_children_with(self);
    }

    fn visit_bin_expr(&mut self, node: &BinExpr) {
        if matches!(node.op, BinaryOp::EqEq | BinaryOp::EqEqEq) {
            for (one, other) in [(&node.left, &node.right), (&node.right, &node.left)] {
                let of_origin = matches!(bare(one), Expr::Member(member)
                    if member_name(&member.prop) == Some("statusCode") && self.findings.model.shape(&member.obj) == Shape::Response);
                if let (true, Expr::Lit(Lit::Num(number))) = (of_origin, bare(other))
                    && number.value >= 400.0
                {
                    let hint = "give the distribution a custom error response; a bucket that may not be listed says 403 for 404";
                    let message = format!("no viewer-response function runs where the origin answers {}", number.value);
                    self.findings.warning("CFF092", node.span(), message, hint);
                }
            }
        }
        node.visit_children_with(self);
    }
}
