//! The function that CloudFront calls, and what comes back from it.

use super::Form;
use super::findings::Findings;
use super::flow::reaches_end;
use super::model::{Body, Model, bare, properties};
use super::shape::Shape;
use crate::script::Spanned as _;
use crate::script::ast::{
    ArrowExpr, AssignExpr, AssignTarget, Constructor, Expr, Function, Ident, MemberExpr, ReturnStmt, SimpleAssignTarget, VarDecl,
    VarDeclKind,
};
use crate::script::visit::{Visit, VisitWith};
use crate::source::{Diagnostic, Span, line_column, near};

/// What a handler can be given back as.
const RETURNS: &str = "a handler returns `event.request`, `event.response`, or a response of its own";

pub(super) fn check(findings: &mut Findings<'_, '_>, form: Form) {
    let model = findings.model;
    let mut declarations = Declarations { model, constant: None, assigned: false, any: false, names: Vec::new() };
    model.parsed.module().visit_with(&mut declarations);
    let Some(handler) = model.handler else {
        // Something of that name is there, though not a function that can be looked into.
        if !declarations.any && !declarations.assigned {
            missing(findings, &declarations.names);
        }
        return;
    };
    let handler = &model.functions[handler];
    if let (Some(place), Form::Script) = (declarations.constant, form) {
        findings.warning(
            "CFF002",
            place,
            "a constant is no member of the global object, where CloudFront looks for `handler`",
            "write `function handler(event) { … }`: the bundler does so, an upload of this file would not",
        );
    }
    match handler.body.clone() {
        Body::Expression(value) => returned(findings, &value),
        Body::Block(statements, place) => {
            let mut returns = ReturnStatements { findings };
            statements.visit_with(&mut returns);
            if reaches_end(model, &statements) {
                let (line, _) = line_column(model.text, model.parsed.span(place).end.saturating_sub(1));
                let problem = Diagnostic::error("CFF050", "there is a way through `handler` that returns nothing")
                    .label(format!("line {line} is reached without a `return`"))
                    .hint("return `event.request` or a response on every path: CloudFront answers with an error otherwise");
                findings.add(problem, handler.place);
            }
        }
    }
}

fn missing(findings: &mut Findings<'_, '_>, names: &[String]) {
    let path = findings.model.parsed.path();
    let hint = match near("handler", names.iter().map(String::as_str)) {
        Some(name) => format!("a function with a similar name exists: `{name}`"),
        None => "CloudFront calls a function of that name: `function handler(event) { return event.request; }`".to_owned(),
    };
    let problem = Diagnostic::error("CFF001", format!("`{path}` declares no `handler`")).hint(hint);
    findings.add_at(problem, Span::default());
}

/// What is declared, and how.
struct Declarations<'m, 'a> {
    model: &'m Model<'a>,
    /// Where `handler` is declared with `const` or `let`.
    constant: Option<crate::script::Position>,
    /// Whether something is assigned to the global object as `handler`.
    assigned: bool,
    any: bool,
    names: Vec<String>,
}

impl Declarations<'_, '_> {
    fn is_handler(&self, name: &Ident) -> bool {
        &*name.sym == "handler" && self.model.parsed.is_top_level(name)
    }
}

impl Visit for Declarations<'_, '_> {
    fn visit_var_decl(&mut self, node: &VarDecl) {
        for name in node.decls.iter().filter_map(|declarator| declarator.name.as_ident()) {
            if self.is_handler(&name.id) && node.kind != VarDeclKind::Var {
                self.constant = Some(name.id.span);
            }
        }
        node.visit_children_with(self);
    }

    fn visit_binding_ident(&mut self, node: &crate::script::ast::BindingIdent) {
        self.visit_ident(&node.id);
    }

    fn visit_ident(&mut self, node: &Ident) {
        self.any |= self.is_handler(node);
        if self.model.parsed.is_top_level(node) {
            self.names.push(node.sym.to_string());
        }
    }

    fn visit_export_named_specifier(&mut self, node: &crate::script::ast::ExportNamedSpecifier) {
        let name = node.exported.as_ref().unwrap_or(&node.orig);
        // Of another file: what it is, is said there.
        self.any |= matches!(name, crate::script::ast::ModuleExportName::Ident(name) if &*name.sym == "handler");
    }

    fn visit_export_all(&mut self, _: &crate::script::ast::ExportAll) {
        self.any = true;
    }

    fn visit_assign_expr(&mut self, node: &AssignExpr) {
        if let AssignTarget::Simple(SimpleAssignTarget::Member(MemberExpr { obj, prop, .. })) = &node.left
            && prop.is_ident_with("handler")
        {
            self.assigned |= ["global", "globalThis"].into_iter().any(|name| self.model.is_global(obj, name));
        }
        node.visit_children_with(self);
    }
}

/// The handler's own `return`s.
struct ReturnStatements<'f, 'm, 'a> {
    findings: &'f mut Findings<'m, 'a>,
}

impl Visit for ReturnStatements<'_, '_, '_> {
    fn visit_return_stmt(&mut self, node: &ReturnStmt) {
        match &node.arg {
            Some(value) => returned(self.findings, value),
            None => self.findings.error("CFF050", node.span, "`handler` returns nothing here", RETURNS),
        }
    }
    fn visit_function(&mut self, _: &Function) {}
    fn visit_constructor(&mut self, _: &Constructor) {}
    fn visit_arrow_expr(&mut self, _: &ArrowExpr) {}
}

fn returned(findings: &mut Findings<'_, '_>, value: &Expr) {
    let value = bare(value);
    match value {
        Expr::Cond(condition) => {
            returned(findings, &condition.cons);
            returned(findings, &condition.alt);
            return;
        }
        Expr::Seq(sequence) => {
            if let Some(last) = sequence.exprs.last() {
                returned(findings, last);
            }
            return;
        }
        _ => {}
    }
    match findings.model.shape(value) {
        Shape::Event => findings.error(
            "CFF051",
            value.span(),
            "`handler` returns the event",
            "return `event.request` in a viewer-request function, `event.response` in a viewer-response function",
        ),
        Shape::Table(_) | Shape::Entry(..) => {
            findings.error("CFF050", value.span(), "`handler` returns a part of what it should return", RETURNS);
        }
        Shape::Object => unfinished(findings, value),
        // Who calls `handler` waits for promises.
        Shape::Promise | Shape::Read | Shape::Request | Shape::Response | Shape::OwnResponse => {}
        shape => {
            if let Some(name) = shape.name() {
                findings.error("CFF050", value.span(), format!("`handler` returns {name}"), RETURNS);
            }
        }
    }
}

/// An object without a `statusCode`: perhaps a copy of the request, or a response of another service.
fn unfinished(findings: &mut Findings<'_, '_>, value: &Expr) {
    let Expr::Object(object) = value else { return };
    let (known, all) = properties(object);
    let has = |name: &str| known.iter().any(|property| property.name == name);
    if !all || has("uri") || has("method") {
        return;
    }
    let (place, hint) = match known.iter().find(|property| property.name == "status") {
        Some(status) => (status.place, "write `statusCode: 302`, a number: `status` is how Lambda@Edge says it"),
        None if has("request") || has("response") => (value.span(), "return the request or the response itself"),
        None => (value.span(), "a response has a `statusCode`, such as `statusCode: 302`"),
    };
    findings.error("CFF056", place, "this is no response: it has no `statusCode`", hint);
}
