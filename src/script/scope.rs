//! What the parser lets through and no engine does: names declared twice, constants assigned to.

use super::parse::Parsed;
use crate::source::Diagnostic;
use std::collections::BTreeMap;
use swc_core::common::Span;
use swc_core::ecma::ast::{
    ArrowExpr, ArrowFunctionBody, AssignExpr, AssignPatProp, AssignTarget, BindingIdent, CatchClause, ClassDecl, Decl, ForHead,
    Function, FunctionBody, Id, Ident, ImportDecl, Pat, SimpleAssignTarget, Stmt, UpdateExpr, UsingDecl, VarDecl, VarDeclKind,
};
use swc_core::ecma::visit::{Visit, VisitWith};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Let,
    Const,
    Class,
    Import,
    Var,
    Function,
    /// A function among the statements of another: it may be declared again.
    Hoisted,
    Parameter,
}

impl Kind {
    fn may_repeat(self) -> bool {
        matches!(self, Self::Var | Self::Hoisted | Self::Parameter)
    }
}

/// What is refused before a script runs, and what only when it comes to that: assignments to constants.
pub(super) fn check(parsed: &Parsed, text: &str) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
    let mut declarations = Declarations { parsed, text, known: BTreeMap::new(), problems: Vec::new() };
    parsed.module().visit_with(&mut declarations);
    let Declarations { known, mut problems, .. } = declarations;
    let mut late = Vec::new();
    parsed.module().visit_with(&mut Assignments { parsed, known: &known, problems: &mut problems, late: &mut late });
    (problems, late)
}

struct Declarations<'a> {
    parsed: &'a Parsed,
    text: &'a str,
    known: BTreeMap<Id, (Kind, Span)>,
    problems: Vec<Diagnostic>,
}

impl Declarations<'_> {
    fn declare(&mut self, ident: &Ident, kind: Kind) {
        match self.known.get(&ident.to_id()) {
            None => {
                self.known.insert(ident.to_id(), (kind, ident.span));
            }
            Some((earlier, place)) if !(earlier.may_repeat() && kind.may_repeat()) => {
                let (line, _) = crate::source::line_column(self.text, self.parsed.span(*place).start);
                self.problems.push(
                    self.parsed
                        .complain("redeclared", ident.span, format!("`{}` is declared twice", ident.sym))
                        .label("declared again")
                        .hint(format!("it is declared first in line {line}")),
                );
            }
            Some(_) => {}
        }
    }

    fn declare_all(&mut self, node: &impl VisitWith<Bindings>, kind: Kind) {
        for ident in bindings(node) {
            self.declare(&ident, kind);
        }
    }
}

impl Visit for Declarations<'_> {
    fn visit_import_decl(&mut self, import: &ImportDecl) {
        for specifier in &import.specifiers {
            self.declare(specifier.local(), Kind::Import);
        }
    }

    fn visit_var_decl(&mut self, declaration: &VarDecl) {
        let kind = match declaration.kind {
            VarDeclKind::Var => Kind::Var,
            VarDeclKind::Let => Kind::Let,
            VarDeclKind::Const => Kind::Const,
        };
        for declarator in &declaration.decls {
            self.declare_all(&declarator.name, kind);
        }
        declaration.visit_children_with(self);
    }

    fn visit_using_decl(&mut self, declaration: &UsingDecl) {
        for declarator in &declaration.decls {
            self.declare_all(&declarator.name, Kind::Const);
        }
        declaration.visit_children_with(self);
    }

    fn visit_class_decl(&mut self, declaration: &ClassDecl) {
        self.declare(&declaration.ident, Kind::Class);
        declaration.visit_children_with(self);
    }

    fn visit_decl(&mut self, declaration: &Decl) {
        if let Decl::Fn(function) = declaration {
            self.declare(&function.ident, Kind::Function);
        }
        declaration.visit_children_with(self);
    }

    fn visit_function_body(&mut self, body: &FunctionBody) {
        for statement in &body.stmts {
            match statement {
                Stmt::Decl(Decl::Fn(function)) => {
                    self.declare(&function.ident, Kind::Hoisted);
                    function.function.visit_with(self);
                }
                other => other.visit_with(self),
            }
        }
    }

    fn visit_function(&mut self, function: &Function) {
        for parameter in &function.params {
            self.declare_all(&parameter.pat, Kind::Parameter);
        }
        function.visit_children_with(self);
    }

    fn visit_arrow_expr(&mut self, arrow: &ArrowExpr) {
        for parameter in &arrow.params {
            self.declare_all(parameter, Kind::Parameter);
        }
        arrow.params.visit_with(self);
        match &*arrow.body {
            ArrowFunctionBody::FunctionBody(body) => body.visit_with(self),
            ArrowFunctionBody::Expr(expression) => expression.visit_with(self),
        }
    }

    fn visit_catch_clause(&mut self, clause: &CatchClause) {
        if let Some(parameter) = &clause.param {
            self.declare_all(parameter, Kind::Parameter);
        }
        clause.visit_children_with(self);
    }
}

struct Assignments<'a> {
    parsed: &'a Parsed,
    known: &'a BTreeMap<Id, (Kind, Span)>,
    problems: &'a mut Vec<Diagnostic>,
    late: &'a mut Vec<Diagnostic>,
}

impl Assignments<'_> {
    fn assigned(&mut self, ident: &Ident) {
        let problem = |what: &str| {
            self.parsed.complain("constant-assigned", ident.span, format!("cannot assign to the {what} `{}`", ident.sym))
        };
        match self.known.get(&ident.to_id()) {
            Some((Kind::Const, _)) => self.late.push(problem("constant").hint("declare it with `let`")),
            Some((Kind::Import, _)) => {
                self.problems.push(
                    problem("import")
                        .hint("an import is read-only: export a function that changes it from the module that declares it"),
                );
            }
            _ => {}
        }
    }
}

impl Visit for Assignments<'_> {
    fn visit_assign_expr(&mut self, assignment: &AssignExpr) {
        match &assignment.left {
            AssignTarget::Simple(SimpleAssignTarget::Ident(target)) => self.assigned(&target.id),
            AssignTarget::Pat(pattern) => {
                for ident in bindings(pattern) {
                    self.assigned(&ident);
                }
            }
            AssignTarget::Simple(_) => {}
        }
        assignment.visit_children_with(self);
    }

    fn visit_update_expr(&mut self, update: &UpdateExpr) {
        if let Some(ident) = update.arg.as_ident() {
            self.assigned(ident);
        }
        update.visit_children_with(self);
    }

    fn visit_for_head(&mut self, head: &ForHead) {
        if let ForHead::Pat(pattern) = head {
            match &**pattern {
                Pat::Expr(expression) => {
                    if let Some(ident) = expression.as_ident() {
                        self.assigned(ident);
                    }
                }
                pattern => {
                    for ident in bindings(pattern) {
                        self.assigned(&ident);
                    }
                }
            }
        }
        head.visit_children_with(self);
    }
}

/// The names a pattern binds.
pub(super) fn bindings(node: &impl VisitWith<Bindings>) -> Vec<Ident> {
    let mut found = Bindings(Vec::new());
    node.visit_with(&mut found);
    found.0
}

pub(super) struct Bindings(Vec<Ident>);

impl Visit for Bindings {
    fn visit_binding_ident(&mut self, ident: &BindingIdent) {
        self.0.push(ident.id.clone());
    }

    fn visit_assign_pat_prop(&mut self, property: &AssignPatProp) {
        self.0.push(property.key.id.clone());
    }

    // What stands in a default value or a computed key is used, not bound.
    fn visit_expr(&mut self, _: &swc_core::ecma::ast::Expr) {}
}
