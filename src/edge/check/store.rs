//! Promises, and the key-value store, whose reads are promises.

use super::findings::Findings;
use super::model::{Model, bare, member_name};
use super::shape::Shape;
use crate::script::Spanned as _;
use crate::script::ast::{
    ArrowExpr, ArrowFunctionBody, AwaitExpr, CallExpr, Callee, Expr, ExprStmt, FnDecl, Function, MemberExpr, TryStmt,
};
use crate::script::visit::{Visit, VisitWith};

/// What changes the origin, and so has to come before it.
const ORIGIN: &[&str] = &["updateRequestOrigin", "selectRequestOriginById", "createRequestOriginGroup", "edgeLocation"];

pub(super) fn check(findings: &mut Findings<'_, '_>) {
    let module = findings.model.parsed.module();
    let mut asked = Asked { model: findings.model, found: false };
    module.visit_with(&mut asked);
    let too_late = findings.model.answers_responses() && !findings.model.answers_requests();
    module.visit_with(&mut Promises { findings, asked: asked.found, too_late, tries: 0 });
}

/// Whether somebody asks the store if there is a key, or says what to do if there is none.
struct Asked<'m, 'a> {
    model: &'m Model<'a>,
    found: bool,
}

impl Visit for Asked<'_, '_> {
    fn visit_member_expr(&mut self, node: &MemberExpr) {
        self.found |= match member_name(&node.prop) {
            Some("exists") => self.model.shape(&node.obj) == Shape::Store,
            Some("catch") => matches!(self.model.shape(&node.obj), Shape::Read | Shape::Promise),
            _ => false,
        };
        node.visit_children_with(self);
    }
}

struct Promises<'f, 'm, 'a> {
    findings: &'f mut Findings<'m, 'a>,
    asked: bool,
    /// Whether the origin has answered before the function runs.
    too_late: bool,
    tries: usize,
}

impl Promises<'_, '_, '_> {
    /// Whether an expression is a read of the store, or makes some.
    fn reads(&self, expression: &Expr) -> bool {
        let model = self.findings.model;
        match bare(expression) {
            Expr::Array(array) => array.elems.iter().flatten().any(|element| self.reads(&element.expr)),
            Expr::Arrow(arrow) => match &*arrow.body {
                ArrowFunctionBody::Expr(value) => self.reads(value),
                ArrowFunctionBody::FunctionBody(_) => false,
            },
            Expr::Call(call) => match &call.callee {
                Callee::Expr(callee) => match bare(callee) {
                    Expr::Member(member) if model.shape(&member.obj) == Shape::Store => true,
                    Expr::Member(member) if member.prop.is_ident_with("map") => {
                        call.args.first().is_some_and(|argument| self.reads(&argument.expr))
                    }
                    _ => false,
                },
                _ => false,
            },
            _ => false,
        }
    }

    fn separate(&mut self, function: Option<usize>, go: impl FnOnce(&mut Self)) {
        let model = self.findings.model;
        let before = self.tries;
        if let Some(function) = function.filter(|function| !model.functions[*function].inline) {
            self.tries = usize::from(model.is_guarded(function));
        }
        go(self);
        self.tries = before;
    }
}

impl Visit for Promises<'_, '_, '_> {
    fn visit_expr_stmt(&mut self, node: &ExprStmt) {
        if let Expr::Call(call) = bare(&node.expr)
            && let Callee::Expr(callee) = &call.callee
        {
            let model = self.findings.model;
            let of_store = matches!(bare(callee), Expr::Member(member) if model.shape(&member.obj) == Shape::Store);
            let own = model.function(callee).is_some_and(|function| model.functions[function].is_async);
            if of_store || own {
                let hint = "write `await` in front of it: a promise that is left alone and fails ends the run";
                self.findings.warning("CFF032", node.expr.span(), "nobody waits for this promise", hint);
            }
        }
        node.visit_children_with(self);
    }

    fn visit_await_expr(&mut self, node: &AwaitExpr) {
        let model = self.findings.model;
        if let Expr::Call(call) = bare(&node.arg)
            && let Callee::Expr(callee) = &call.callee
            && let Expr::Member(member) = bare(callee)
            && member.prop.is_ident_with("get")
            && model.shape(&member.obj) == Shape::Store
            && self.tries == 0
            && !self.asked
        {
            let hint = "catch it: `try { … } catch (error) { … }`, or ask `exists` first";
            self.findings.warning("CFF034", node.span, "a key that the store lacks makes this throw", hint);
        }
        node.visit_children_with(self);
    }

    fn visit_call_expr(&mut self, node: &CallExpr) {
        if let Callee::Expr(callee) = &node.callee
            && let Expr::Member(member) = bare(callee)
            && self.findings.model.is_global(&member.obj, "Promise")
            && matches!(member_name(&member.prop), Some("all" | "allSettled" | "any" | "race"))
            && node.args.first().is_some_and(|argument| self.reads(&argument.expr))
        {
            let hint = "wait for one after the other: the reads are no faster together, and take more memory";
            self.findings.warning("CFF033", node.span, "the store is read several times at once", hint);
        }
        node.visit_children_with(self);
    }

    fn visit_member_expr(&mut self, node: &MemberExpr) {
        if let Some(name) = member_name(&node.prop)
            && self.too_late
            && ORIGIN.contains(&name)
            && self.findings.model.shape(&node.obj) == Shape::Module("cloudfront".to_owned())
        {
            let hint = "do it in a viewer-request function";
            self.findings.error("CFF036", node.span, format!("`{name}` means nothing once the origin has answered"), hint);
        }
        node.visit_children_with(self);
    }

    fn visit_try_stmt(&mut self, node: &TryStmt) {
        let caught = usize::from(node.handler.is_some());
        self.tries += caught;
        node.block.visit_with(self);
        self.tries -= caught;
        node.handler.visit_with(self);
        node.finalizer.visit_with(self);
    }

    fn visit_fn_decl(&mut self, node: &FnDecl) {
        node.function.visit_with(self);
    }

    fn visit_function(&mut self, node: &Function) {
        let function = self.findings.model.function_at(node.span);
        self.separate(function, |this| node.visit_children_with(this));
    }

    fn visit_arrow_expr(&mut self, node: &ArrowExpr) {
        let function = self.findings.model.function_at(node.span);
        self.separate(function, |this| node.visit_children_with(this));
    }
}
