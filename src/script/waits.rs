//! What the runtime loses over an `await`, and how to write it so that it does not.
//!
//! Measured in njs, and the same in its source of 2023-05: a rest parameter is nothing after the first `await`, while a variable of
//! the function that was given it before is kept. So is a parameter that has the name of its own function expression.

use super::hoist::waits;
use swc_core::atoms::Atom;
use swc_core::common::{DUMMY_SP, Mark, SyntaxContext};
use swc_core::ecma::ast::{
    ArrowExpr, ArrowFunctionBody, Decl, Expr, FnExpr, Function, FunctionBody, Id, Ident, Pat, Program, ReturnStmt, Stmt, VarDecl,
    VarDeclKind, VarDeclarator,
};
use swc_core::ecma::visit::{Visit, VisitMut, VisitMutWith, VisitWith};

/// Gives every rest parameter of a function that waits a variable to be kept in, and takes the names from functions that do not
/// call themselves: a shortened parameter might get the same. The program's scopes must have been found.
pub(super) fn keep(program: &mut Program) {
    program.visit_mut_with(&mut Keeper);
}

struct Keeper;

impl VisitMut for Keeper {
    fn visit_mut_fn_expr(&mut self, node: &mut FnExpr) {
        node.visit_mut_children_with(self);
        if node.function.is_async && node.ident.as_ref().is_some_and(|name| !says(&node.function, &name.to_id())) {
            node.ident = None;
        }
    }

    fn visit_mut_function(&mut self, node: &mut Function) {
        node.visit_mut_children_with(self);
        if let (true, Some(last), Some(body)) = (node.is_async, node.params.last_mut(), &mut node.body)
            && waits(&body.stmts)
            && let Some(kept) = kept(&mut last.pat)
        {
            body.stmts.insert(0, kept);
        }
    }

    fn visit_mut_arrow_expr(&mut self, node: &mut ArrowExpr) {
        node.visit_mut_children_with(self);
        let waits = node.is_async
            && match &*node.body {
                ArrowFunctionBody::FunctionBody(body) => waits(&body.stmts),
                ArrowFunctionBody::Expr(value) => waits(&**value),
            };
        let Some(kept) = node.params.last_mut().filter(|_| waits).and_then(kept) else { return };
        match &mut *node.body {
            ArrowFunctionBody::FunctionBody(body) => body.stmts.insert(0, kept),
            ArrowFunctionBody::Expr(value) => {
                let value = std::mem::replace(value, Expr::undefined(DUMMY_SP));
                let stmts = vec![kept, Stmt::Return(ReturnStmt { span: DUMMY_SP, arg: Some(value) })];
                *node.body = ArrowFunctionBody::FunctionBody(FunctionBody { span: DUMMY_SP, stmts });
            }
        }
    }
}

/// Calls a rest parameter by another name, and answers the variable that has its own.
fn kept(parameter: &mut Pat) -> Option<Stmt> {
    let Pat::Rest(rest) = parameter else { return None };
    let Pat::Ident(name) = &mut *rest.arg else { return None };
    let made_up = SyntaxContext::empty().apply_mark(Mark::new());
    let given = Ident::new(Atom::from(format!("_{}", name.id.sym)), DUMMY_SP, made_up);
    let own = std::mem::replace(&mut name.id, given.clone());
    let declarator =
        VarDeclarator { span: DUMMY_SP, name: Pat::Ident(own.into()), init: Some(Box::new(Expr::Ident(given))), definite: false };
    let declaration = VarDecl { kind: VarDeclKind::Var, decls: vec![declarator], ..VarDecl::default() };
    Some(Stmt::Decl(Decl::Var(Box::new(declaration))))
}

/// Whether a name is said in a function.
fn says(function: &Function, name: &Id) -> bool {
    struct Says<'a>(&'a Id, bool);
    impl Visit for Says<'_> {
        fn visit_ident(&mut self, node: &Ident) {
            self.1 |= node.to_id() == *self.0;
        }
    }
    let mut says = Says(name, false);
    function.visit_with(&mut says);
    says.1
}

/// How many functions lose a rest parameter: it is said anywhere but in the variable that keeps it.
pub(super) fn lost(program: &Program) -> usize {
    let mut lost = Lost(0);
    program.visit_with(&mut lost);
    lost.0
}

struct Lost(usize);

impl Lost {
    fn function(&mut self, is_async: bool, last: Option<&Pat>, body: &[Stmt]) {
        let Some(Pat::Rest(rest)) = last.filter(|_| is_async && waits(body)) else { return };
        let Pat::Ident(name) = &*rest.arg else { return };
        struct Said<'a>(&'a Atom, usize);
        impl Visit for Said<'_> {
            fn visit_ident(&mut self, node: &Ident) {
                self.1 += usize::from(node.sym == *self.0);
            }
        }
        let mut said = Said(&name.id.sym, 0);
        body.visit_with(&mut said);
        let is_kept = |declarator: &VarDeclarator| {
            declarator.init.as_deref().and_then(Expr::as_ident).is_some_and(|value| value.sym == name.id.sym)
        };
        let first = match body.first() {
            Some(Stmt::Decl(Decl::Var(variables))) => variables.decls.iter().filter(|declarator| is_kept(declarator)).count(),
            _ => 0,
        };
        self.0 += usize::from(said.1 > first);
    }
}

impl Visit for Lost {
    fn visit_function(&mut self, node: &Function) {
        let body = node.body.as_ref().map_or(&[][..], |body| &body.stmts);
        self.function(node.is_async, node.params.last().map(|last| &last.pat), body);
        node.visit_children_with(self);
    }

    fn visit_arrow_expr(&mut self, node: &ArrowExpr) {
        match &*node.body {
            ArrowFunctionBody::FunctionBody(body) => self.function(node.is_async, node.params.last(), &body.stmts),
            ArrowFunctionBody::Expr(value) => {
                let body = [Stmt::Return(ReturnStmt { span: DUMMY_SP, arg: Some(value.clone()) })];
                self.function(node.is_async, node.params.last(), &body);
            }
        }
        node.visit_children_with(self);
    }
}
