//! Variables that the compiler made up and did not declare where they are used.
//!
//! For `super` in the methods of an object it gives the object a variable, and declares that in whatever list of statements it comes to
//! next: for an object at the top of a module, in the function that follows it.

use super::scope::bindings;
use std::collections::BTreeSet;
use swc_core::common::DUMMY_SP;
use swc_core::ecma::ast::{
    ArrowExpr, ArrowFunctionBody, AssignExpr, ClassDecl, Constructor, Decl, FnDecl, Function, FunctionBody, Id, Ident, ImportDecl,
    ModuleItem, Program, ReturnStmt, Stmt, VarDecl, VarDeclKind, VarDeclarator,
};
use swc_core::ecma::visit::{Visit, VisitMut, VisitMutWith, VisitWith};

/// All names of a program: whatever else there is later, the compiler has made up.
pub(super) fn names(program: &Program) -> BTreeSet<Id> {
    struct Names(BTreeSet<Id>);
    impl Visit for Names {
        fn visit_ident(&mut self, node: &Ident) {
            self.0.insert(node.to_id());
        }
    }
    let mut names = Names(BTreeSet::new());
    program.visit_with(&mut names);
    names.0
}

/// Declares what is assigned to, is none of the `known` names, and is declared neither there nor around it.
pub(super) fn declare(program: &mut Program, known: &BTreeSet<Id>) {
    program.visit_mut_with(&mut Scopes { known, around: Vec::new() });
}

struct Scopes<'a> {
    known: &'a BTreeSet<Id>,
    /// What the functions around declare, and the module.
    around: Vec<BTreeSet<Id>>,
}

impl Scopes<'_> {
    /// Looks into a scope: what it lacks, once all that lies within has been seen to.
    fn scope<T: VisitMutWith<Self> + VisitWith<Own>>(&mut self, scope: &mut T) -> Vec<Id> {
        let mut own = Own::default();
        scope.visit_children_with(&mut own);
        self.around.push(own.declared);
        scope.visit_mut_children_with(self);
        let is_declared = |id: &Id| self.known.contains(id) || self.around.iter().any(|declared| declared.contains(id));
        let missing = own.assigned.into_iter().filter(|id| !is_declared(id)).collect();
        self.around.pop();
        missing
    }
}

fn declaration(missing: Vec<Id>) -> Option<Stmt> {
    let declarator = |id: Id| VarDeclarator { span: DUMMY_SP, name: Ident::from(id).into(), init: None, definite: false };
    let decls: Vec<VarDeclarator> = missing.into_iter().map(declarator).collect();
    (!decls.is_empty()).then(|| Stmt::Decl(Decl::Var(Box::new(VarDecl { kind: VarDeclKind::Var, decls, ..VarDecl::default() }))))
}

impl VisitMut for Scopes<'_> {
    fn visit_mut_program(&mut self, node: &mut Program) {
        let missing = self.scope(node);
        if let (Some(declaration), Program::Module(module)) = (declaration(missing), node) {
            let first = module.body.iter().position(|item| matches!(item, ModuleItem::Stmt(_))).unwrap_or(module.body.len());
            module.body.insert(first, ModuleItem::Stmt(declaration));
        }
    }

    fn visit_mut_function(&mut self, node: &mut Function) {
        let missing = self.scope(node);
        if let (Some(declaration), Some(body)) = (declaration(missing), &mut node.body) {
            body.stmts.insert(0, declaration);
        }
    }

    fn visit_mut_constructor(&mut self, node: &mut Constructor) {
        let missing = self.scope(node);
        if let (Some(declaration), Some(body)) = (declaration(missing), &mut node.body) {
            body.stmts.insert(0, declaration);
        }
    }

    fn visit_mut_arrow_expr(&mut self, node: &mut ArrowExpr) {
        let missing = self.scope(node);
        let Some(declaration) = declaration(missing) else { return };
        match &mut *node.body {
            ArrowFunctionBody::FunctionBody(body) => body.stmts.insert(0, declaration),
            ArrowFunctionBody::Expr(value) => {
                let stmts = vec![declaration, Stmt::Return(ReturnStmt { span: DUMMY_SP, arg: Some(value.clone()) })];
                *node.body = ArrowFunctionBody::FunctionBody(FunctionBody { span: DUMMY_SP, stmts });
            }
        }
    }
}

/// What one scope declares and assigns to, without the functions within.
#[derive(Default)]
struct Own {
    declared: BTreeSet<Id>,
    assigned: BTreeSet<Id>,
}

impl Visit for Own {
    fn visit_binding_ident(&mut self, node: &swc_core::ecma::ast::BindingIdent) {
        self.declared.insert(node.to_id());
    }

    fn visit_import_decl(&mut self, node: &ImportDecl) {
        self.declared.extend(node.specifiers.iter().map(|specifier| specifier.local().to_id()));
    }

    fn visit_fn_decl(&mut self, node: &FnDecl) {
        self.declared.insert(node.ident.to_id());
    }

    fn visit_class_decl(&mut self, node: &ClassDecl) {
        self.declared.insert(node.ident.to_id());
        node.class.visit_with(self);
    }

    fn visit_assign_expr(&mut self, node: &AssignExpr) {
        self.assigned.extend(bindings(&node.left).into_iter().map(|ident| ident.to_id()));
        node.right.visit_with(self);
    }

    fn visit_function(&mut self, _: &Function) {}

    fn visit_constructor(&mut self, _: &Constructor) {}

    fn visit_arrow_expr(&mut self, _: &ArrowExpr) {}
}
