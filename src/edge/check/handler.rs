//! The handler: that there is one, that CloudFront finds it, that it returns what it must on every path.

use super::facts::{self, Callable, What};
use super::{Form, Scene};
use crate::script::Spanned as _;
use crate::script::ast::{
    ArrowExpr, ArrowFunctionBody, BreakStmt, Expr, Function, FunctionBody, Lit, ReturnStmt, Stmt, SwitchStmt, VarDeclKind,
};
use crate::script::visit::{Visit, VisitWith};
use crate::source::{Diagnostic, Span};

pub(super) fn check(scene: &mut Scene<'_>) {
    if !scene.is_entry {
        return;
    }
    let Some(handler) = facts::handler(scene.parsed.module()) else {
        // The linker of modules knows better whether there is one: it may be imported.
        if scene.form == Form::Script && !made_global(scene) {
            let problem = Diagnostic::error("CFF001", "there is no `handler`")
                .at(scene.parsed.path(), Span::default())
                .hint("CloudFront calls a function of that name: `function handler(event) { return event.request; }`");
            scene.found.push(problem);
        }
        return;
    };
    if scene.form == Form::Script && matches!(handler.variable, Some(VarDeclKind::Const | VarDeclKind::Let)) {
        let hint = "write `function handler(event) { … }`";
        scene.warning("CFF002", handler.name.span, "`handler` is not on the global object, where CloudFront looks for it", hint);
    }
    let Some(callable) = handler.callable else { return };
    match callable {
        Callable::Function(function) => {
            if let Some(body) = &function.body {
                self::body(scene, body);
            }
        }
        Callable::Arrow(arrow) => match &*arrow.body {
            ArrowFunctionBody::FunctionBody(body) => self::body(scene, body),
            ArrowFunctionBody::Expr(expression) => returned(scene, expression),
        },
    }
}

/// `globalThis.handler = …`, by whatever name the global object goes.
fn made_global(scene: &Scene<'_>) -> bool {
    ["globalThis.handler", "global.handler"].iter().any(|text| scene.text.contains(text))
}

fn body(scene: &mut Scene<'_>, body: &FunctionBody) {
    if completes_all(&body.stmts) {
        let end = scene.place(body.span).end;
        let problem = Diagnostic::error("CFF050", "the handler can end without returning anything")
            .at(scene.parsed.path(), Span::new(end.saturating_sub(1), end))
            .label("it ends here")
            .hint("return `event.request`, `event.response` or a response of your own on every path");
        scene.found.push(problem);
    }
    body.visit_with(&mut Returns { scene });
}

fn returned(scene: &mut Scene<'_>, value: &Expr) {
    if scene.facts.what(value) == Some(What::Event) {
        let hint = "return `event.request`, or `event.response` from a viewer-response function";
        scene.error("CFF051", value.span(), "the handler returns the event, and CloudFront wants a part of it", hint);
    }
    if let Expr::Lit(Lit::Null(literal)) = value {
        scene.error("CFF050", literal.span, "the handler returns nothing", "return `event.request` to let the request pass");
    }
}

/// The handler's own returns, not those of functions in it.
struct Returns<'a, 'b> {
    scene: &'a mut Scene<'b>,
}

impl Visit for Returns<'_, '_> {
    fn visit_return_stmt(&mut self, node: &ReturnStmt) {
        match &node.arg {
            Some(value) => returned(self.scene, value),
            None => {
                let hint = "return `event.request` to let the request pass";
                self.scene.error("CFF050", node.span, "the handler returns nothing", hint);
            }
        }
    }

    fn visit_function(&mut self, _: &Function) {}

    fn visit_arrow_expr(&mut self, _: &ArrowExpr) {}
}

/// Whether the end of the statements can be reached.
fn completes_all(statements: &[Stmt]) -> bool {
    statements.iter().all(completes)
}

fn completes(statement: &Stmt) -> bool {
    match statement {
        Stmt::Return(_) | Stmt::Throw(_) => false,
        // Where these lead is looked at by what they leave.
        Stmt::Break(_) | Stmt::Continue(_) => false,
        Stmt::Block(block) => completes_all(&block.stmts),
        Stmt::If(node) => match &node.alt {
            Some(other) => completes(&node.cons) || completes(other),
            None => true,
        },
        Stmt::Labeled(node) => completes(&node.body) || leaves(&node.body),
        Stmt::Switch(node) => switch(node),
        Stmt::While(node) => !forever(Some(&node.test)) || leaves(&node.body),
        Stmt::For(node) => !forever(node.test.as_deref()) || leaves(&node.body),
        Stmt::DoWhile(node) => (completes(&node.body) && !forever(Some(&node.test))) || leaves(&node.body),
        Stmt::Try(node) => match &node.finalizer {
            Some(last) if !completes_all(&last.stmts) => false,
            _ => completes_all(&node.block.stmts) || node.handler.as_ref().is_some_and(|clause| completes_all(&clause.body.stmts)),
        },
        _ => true,
    }
}

fn switch(node: &SwitchStmt) -> bool {
    let has_default = node.cases.iter().any(|case| case.test.is_none());
    let falls_out = node.cases.last().is_none_or(|case| completes_all(&case.cons));
    !has_default || falls_out || node.cases.iter().any(|case| case.cons.iter().any(leaves))
}

/// No condition, or one that is always true.
fn forever(test: Option<&Expr>) -> bool {
    match test {
        None => true,
        Some(Expr::Lit(Lit::Bool(literal))) => literal.value,
        Some(Expr::Lit(Lit::Num(literal))) => literal.value != 0.0,
        Some(_) => false,
    }
}

/// Whether a `break` leaves the statement around. One with a label counts as leaving anything: it is rare.
fn leaves(statement: &Stmt) -> bool {
    let mut breaks = Breaks { found: false, inner: 0 };
    statement.visit_with(&mut breaks);
    breaks.found
}

struct Breaks {
    found: bool,
    /// Loops and switches between here and there, which a plain `break` leaves instead.
    inner: usize,
}

impl Breaks {
    fn within(&mut self, node: &impl VisitWith<Self>) {
        self.inner += 1;
        node.visit_children_with(self);
        self.inner -= 1;
    }
}

impl Visit for Breaks {
    fn visit_break_stmt(&mut self, node: &BreakStmt) {
        self.found |= self.inner == 0 || node.label.is_some();
    }

    fn visit_while_stmt(&mut self, node: &crate::script::ast::WhileStmt) {
        self.within(node);
    }

    fn visit_do_while_stmt(&mut self, node: &crate::script::ast::DoWhileStmt) {
        self.within(node);
    }

    fn visit_for_stmt(&mut self, node: &crate::script::ast::ForStmt) {
        self.within(node);
    }

    fn visit_for_in_stmt(&mut self, node: &crate::script::ast::ForInStmt) {
        self.within(node);
    }

    fn visit_for_of_stmt(&mut self, node: &crate::script::ast::ForOfStmt) {
        self.within(node);
    }

    fn visit_switch_stmt(&mut self, node: &SwitchStmt) {
        self.within(node);
    }

    fn visit_function(&mut self, _: &Function) {}

    fn visit_arrow_expr(&mut self, _: &ArrowExpr) {}
}
