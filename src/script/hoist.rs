//! `f(await g())` becomes `const value = await g(); f(value)`: the runtime takes no `await` among arguments.
//!
//! What is evaluated before the `await` still is. Only the looking up of a method, as that of `JSON.parse`, may
//! come to happen after it. What cannot be taken apart like this, such as the condition of a loop, is left as it is.

use std::collections::BTreeSet;
use swc_core::common::{DUMMY_SP, Mark, Spanned, SyntaxContext};
use swc_core::ecma::ast::{
    ArrowExpr, ArrowFunctionBody, AssignExpr, AssignOp, AssignTarget, AwaitExpr, BinaryOp, BlockStmt, CallExpr, Callee, Decl,
    EmptyStmt, Expr, ExprStmt, Function, FunctionBody, Id, Ident, IfStmt, Lit, MemberExpr, MemberProp, NewExpr, Null, Pat, Program,
    Prop, PropOrSpread, ReturnStmt, SimpleAssignTarget, Stmt, TaggedTpl, UnaryExpr, UnaryOp, UpdateExpr, VarDecl, VarDeclKind,
    VarDeclOrExpr, VarDeclarator,
};
use swc_core::ecma::visit::{Visit, VisitMut, VisitMutWith, VisitWith};

use super::scope::bindings;

/// Takes every `await` out of arguments, where it can be. The program's scopes must have been found.
pub(super) fn hoist(program: &mut Program) {
    let assigned = assigned(program);
    program.visit_mut_with(&mut Hoister { assigned });
}

/// The names that are assigned to, besides where they are declared.
pub(super) fn assigned(program: &Program) -> BTreeSet<Id> {
    let mut assigned = Assigned(BTreeSet::new());
    program.visit_with(&mut assigned);
    assigned.0
}

/// Names whose value may change while something is waited for.
struct Assigned(BTreeSet<Id>);

impl Visit for Assigned {
    fn visit_assign_expr(&mut self, node: &AssignExpr) {
        self.0.extend(bindings(&node.left).into_iter().map(|ident| ident.to_id()));
        node.visit_children_with(self);
    }

    fn visit_update_expr(&mut self, node: &UpdateExpr) {
        self.0.extend(node.arg.as_ident().map(Ident::to_id));
        node.visit_children_with(self);
    }

    // The variable of a loop changes without an assignment.
    fn visit_for_head(&mut self, node: &swc_core::ecma::ast::ForHead) {
        self.0.extend(bindings(node).into_iter().map(|ident| ident.to_id()));
        node.visit_children_with(self);
    }
}

/// Whether there is an `await` of this very function's, and whether one is among arguments.
#[derive(Default)]
pub(super) struct Awaits {
    depth: usize,
    any: bool,
    among_arguments: bool,
}

impl Awaits {
    fn of(node: &(impl VisitWith<Self> + ?Sized)) -> Self {
        let mut awaits = Self::default();
        node.visit_with(&mut awaits);
        awaits
    }

    fn deeper(&mut self, node: &impl VisitWith<Self>) {
        self.depth += 1;
        node.visit_with(self);
        self.depth -= 1;
    }
}

impl Visit for Awaits {
    fn visit_await_expr(&mut self, node: &AwaitExpr) {
        self.any = true;
        self.among_arguments |= self.depth > 0;
        node.visit_children_with(self);
    }

    fn visit_call_expr(&mut self, node: &CallExpr) {
        node.callee.visit_with(self);
        self.deeper(&node.args);
    }

    fn visit_new_expr(&mut self, node: &NewExpr) {
        node.callee.visit_with(self);
        self.deeper(&node.args);
    }

    fn visit_tagged_tpl(&mut self, node: &TaggedTpl) {
        node.tag.visit_with(self);
        self.deeper(&node.tpl);
    }

    fn visit_function(&mut self, _: &Function) {}

    fn visit_arrow_expr(&mut self, _: &ArrowExpr) {}
}

/// Whether there is an `await` of this very function's.
pub(super) fn waits(node: &(impl VisitWith<Awaits> + ?Sized)) -> bool {
    Awaits::of(node).any
}

fn refused(node: &impl VisitWith<Awaits>) -> bool {
    Awaits::of(node).among_arguments
}

struct Hoister {
    assigned: BTreeSet<Id>,
}

impl VisitMut for Hoister {
    fn visit_mut_stmts(&mut self, statements: &mut Vec<Stmt>) {
        statements.visit_mut_children_with(self);
        if !statements.iter().any(refused) {
            return;
        }
        for statement in std::mem::take(statements) {
            let mut before = Vec::new();
            let statement = self.statement(statement, &mut before);
            statements.append(&mut before);
            statements.extend(statement);
        }
    }

    fn visit_mut_if_stmt(&mut self, node: &mut IfStmt) {
        in_block(&mut node.cons);
        if let Some(alternative) = &mut node.alt {
            in_block(alternative);
        }
        node.visit_mut_children_with(self);
    }

    fn visit_mut_stmt(&mut self, node: &mut Stmt) {
        match node {
            Stmt::While(inner) => in_block(&mut inner.body),
            Stmt::DoWhile(inner) => in_block(&mut inner.body),
            Stmt::For(inner) => in_block(&mut inner.body),
            Stmt::ForIn(inner) => in_block(&mut inner.body),
            Stmt::ForOf(inner) => in_block(&mut inner.body),
            _ => {}
        }
        node.visit_mut_children_with(self);
    }

    fn visit_mut_arrow_expr(&mut self, node: &mut ArrowExpr) {
        if let ArrowFunctionBody::Expr(value) = &mut *node.body
            && refused(value)
        {
            let stmts = vec![Stmt::Return(ReturnStmt { span: value.span(), arg: Some(take(value)) })];
            *node.body = ArrowFunctionBody::FunctionBody(FunctionBody { span: DUMMY_SP, stmts });
        }
        node.visit_mut_children_with(self);
    }
}

/// A statement that has to become several needs a block to be them in.
fn in_block(statement: &mut Box<Stmt>) {
    if !matches!(**statement, Stmt::Block(_)) && refused(statement) {
        let inner = std::mem::replace(&mut **statement, Stmt::Empty(EmptyStmt { span: DUMMY_SP }));
        **statement = Stmt::Block(BlockStmt { stmts: vec![inner], ..BlockStmt::default() });
    }
}

fn take(expression: &mut Box<Expr>) -> Box<Expr> {
    std::mem::replace(expression, Box::new(Expr::Lit(Lit::Null(Null { span: DUMMY_SP }))))
}

impl Hoister {
    /// The statement, or what it becomes; what has to come before it goes into `before`.
    fn statement(&self, mut statement: Stmt, before: &mut Vec<Stmt>) -> Vec<Stmt> {
        match &mut statement {
            Stmt::Expr(inner) if refused(&inner.expr) => self.flatten(&mut inner.expr, before),
            Stmt::Return(inner) if refused(&inner.arg) => inner.arg.iter_mut().for_each(|value| self.flatten(value, before)),
            Stmt::Throw(inner) if refused(&inner.arg) => self.flatten(&mut inner.arg, before),
            Stmt::If(inner) if refused(&inner.test) => self.flatten(&mut inner.test, before),
            Stmt::Switch(inner) if refused(&inner.discriminant) => self.flatten(&mut inner.discriminant, before),
            Stmt::ForIn(inner) if refused(&inner.right) => self.flatten(&mut inner.right, before),
            Stmt::ForOf(inner) if refused(&inner.right) => self.flatten(&mut inner.right, before),
            // What a loop begins with is evaluated once, and the first of it before the rest.
            Stmt::For(inner) => {
                if let Some(VarDeclOrExpr::VarDecl(variables)) = &mut inner.init
                    && let Some(value) = variables.decls.first_mut().and_then(|first| first.init.as_mut())
                    && refused(value)
                {
                    self.flatten(value, before);
                }
            }
            Stmt::Decl(Decl::Var(variables)) if variables.decls.iter().any(|one| refused(&one.init)) => {
                for mut declarator in std::mem::take(&mut variables.decls) {
                    if let Some(value) = declarator.init.as_mut().filter(|value| refused(*value)) {
                        self.flatten(value, before);
                    }
                    let one = VarDecl { decls: vec![declarator], ..(**variables).clone() };
                    before.push(Stmt::Decl(Decl::Var(Box::new(one))));
                }
                return Vec::new();
            }
            _ => {}
        }
        vec![statement]
    }

    /// Whether it is the same whenever it is evaluated.
    fn is_steady(&self, expression: &Expr) -> bool {
        match expression {
            Expr::Lit(_) | Expr::This(_) | Expr::Fn(_) | Expr::Arrow(_) => true,
            Expr::Ident(ident) => !self.assigned.contains(&ident.to_id()),
            Expr::Paren(inner) => self.is_steady(&inner.expr),
            _ => false,
        }
    }

    /// Gives the value a name, so that it is evaluated now.
    fn name(&self, expression: &mut Box<Expr>, before: &mut Vec<Stmt>) {
        if self.is_steady(expression) {
            return;
        }
        let ident = fresh(expression.span());
        let value = std::mem::replace(expression, Box::new(Expr::Ident(ident.clone())));
        before.push(declare(VarDeclKind::Const, ident, Some(value)));
    }

    /// Evaluates what is called, but for its last step: a method is looked up when it is called.
    fn name_callee(&self, callee: &mut Box<Expr>, before: &mut Vec<Stmt>) {
        match &mut **callee {
            Expr::Member(member) => {
                if !self.is_path(&member.obj) {
                    self.name(&mut member.obj, before);
                }
                if let MemberProp::Computed(key) = &mut member.prop {
                    self.name(&mut key.expr, before);
                }
            }
            Expr::SuperProp(_) => {}
            _ => self.name(callee, before),
        }
    }

    /// `a`, `a.b`, `a.b.c`.
    fn is_path(&self, expression: &Expr) -> bool {
        match expression {
            Expr::Member(MemberExpr { obj, prop: MemberProp::Ident(_), .. }) => self.is_path(obj),
            other => self.is_steady(other),
        }
    }

    /// All that come before the last that waits are evaluated in their order; `named` says that none may wait where it stands.
    fn in_order<'a>(&self, parts: impl Iterator<Item = &'a mut Box<Expr>>, named: bool, before: &mut Vec<Stmt>) {
        let mut parts: Vec<_> = parts.collect();
        let Some(last) = parts.iter().rposition(|part| waits(&***part)) else { return };
        for (at, part) in parts.iter_mut().enumerate().take(last + 1) {
            if refused(&***part) {
                self.flatten(part, before);
            }
            if at < last || (named && waits(&***part)) {
                self.name(part, before);
            }
        }
    }

    /// Takes apart an expression with an `await` among arguments.
    fn flatten(&self, expression: &mut Box<Expr>, before: &mut Vec<Stmt>) {
        match &mut **expression {
            Expr::Await(inner) => self.flatten(&mut inner.arg, before),
            Expr::Unary(inner) if inner.op != UnaryOp::Delete => self.flatten(&mut inner.arg, before),
            Expr::Paren(inner) => self.flatten(&mut inner.expr, before),
            Expr::Call(call) => {
                let Callee::Expr(callee) = &mut call.callee else { return };
                if refused(callee) || (waits(callee) && waits(&call.args)) {
                    self.flatten_callee(callee, before);
                }
                if waits(&call.args) {
                    self.name_callee(callee, before);
                    self.in_order(call.args.iter_mut().map(|argument| &mut argument.expr), true, before);
                }
            }
            Expr::New(new) => {
                if let Some(arguments) = &mut new.args
                    && waits(arguments)
                {
                    self.name(&mut new.callee, before);
                    self.in_order(arguments.iter_mut().map(|argument| &mut argument.expr), true, before);
                }
            }
            Expr::TaggedTpl(tagged) if waits(&tagged.tpl) => {
                self.name_callee(&mut tagged.tag, before);
                self.in_order(tagged.tpl.exprs.iter_mut(), true, before);
            }
            Expr::Member(member) => match &mut member.prop {
                MemberProp::Computed(key) => self.in_order([&mut member.obj, &mut key.expr].into_iter(), false, before),
                _ => self.flatten(&mut member.obj, before),
            },
            Expr::Bin(binary) => match binary.op {
                BinaryOp::LogicalAnd | BinaryOp::LogicalOr | BinaryOp::NullishCoalescing if refused(&binary.right) => {
                    let (op, left, right) = (binary.op, take(&mut binary.left), take(&mut binary.right));
                    **expression = self.either(op, left, right, before);
                }
                BinaryOp::LogicalAnd | BinaryOp::LogicalOr | BinaryOp::NullishCoalescing => self.flatten(&mut binary.left, before),
                _ => self.in_order([&mut binary.left, &mut binary.right].into_iter(), false, before),
            },
            Expr::Cond(cond) => {
                if refused(&cond.test) {
                    self.flatten(&mut cond.test, before);
                }
                if refused(&cond.cons) || refused(&cond.alt) {
                    let ident = fresh(cond.span);
                    before.push(declare(VarDeclKind::Let, ident.clone(), None));
                    let then = self.assign(&ident, take(&mut cond.cons));
                    let otherwise = self.assign(&ident, take(&mut cond.alt));
                    before.push(Stmt::If(IfStmt { span: cond.span, test: take(&mut cond.test), cons: then, alt: Some(otherwise) }));
                    **expression = Expr::Ident(ident);
                }
            }
            Expr::Assign(assignment) if assignment.op == AssignOp::Assign => match &assignment.left {
                AssignTarget::Simple(SimpleAssignTarget::Ident(_)) => self.flatten(&mut assignment.right, before),
                AssignTarget::Simple(SimpleAssignTarget::Member(MemberExpr { obj, prop: MemberProp::Ident(_), .. }))
                    if self.is_path(obj) =>
                {
                    self.flatten(&mut assignment.right, before);
                }
                _ => {}
            },
            Expr::Array(array) if array.elems.iter().flatten().all(|element| element.spread.is_none()) => {
                self.in_order(array.elems.iter_mut().flatten().map(|element| &mut element.expr), false, before);
            }
            Expr::Object(object) => {
                // Only where every property is a plain one: anything else has an order of its own.
                let plain = |property: &PropOrSpread| match property {
                    PropOrSpread::Prop(property) => match &**property {
                        Prop::KeyValue(pair) => !pair.key.is_computed(),
                        Prop::Shorthand(name) => !self.assigned.contains(&name.to_id()),
                        Prop::Method(method) => !method.key.is_computed(),
                        _ => false,
                    },
                    PropOrSpread::Spread(_) => false,
                };
                if object.props.iter().all(plain) {
                    let values = object.props.iter_mut().filter_map(|property| match property {
                        PropOrSpread::Prop(property) => match &mut **property {
                            Prop::KeyValue(pair) => Some(&mut pair.value),
                            _ => None,
                        },
                        PropOrSpread::Spread(_) => None,
                    });
                    self.in_order(values, false, before);
                }
            }
            Expr::Tpl(template) => self.in_order(template.exprs.iter_mut(), false, before),
            Expr::Seq(sequence) => {
                let Some(mut last) = sequence.exprs.pop() else { return };
                for mut part in std::mem::take(&mut sequence.exprs) {
                    if refused(&part) {
                        self.flatten(&mut part, before);
                    }
                    before.push(Stmt::Expr(ExprStmt { span: part.span(), expr: part }));
                }
                if refused(&last) {
                    self.flatten(&mut last, before);
                }
                *expression = last;
            }
            _ => {}
        }
    }

    fn flatten_callee(&self, callee: &mut Box<Expr>, before: &mut Vec<Stmt>) {
        match &mut **callee {
            Expr::Member(member) if waits(&member.obj) => {
                if refused(&member.obj) {
                    self.flatten(&mut member.obj, before);
                }
            }
            _ => {
                if refused(callee) {
                    self.flatten(callee, before);
                }
            }
        }
    }

    /// `left && right` and its like, where the right side becomes statements that must not always run.
    fn either(&self, op: BinaryOp, mut left: Box<Expr>, right: Box<Expr>, before: &mut Vec<Stmt>) -> Expr {
        if refused(&left) {
            self.flatten(&mut left, before);
        }
        let ident = fresh(left.span());
        before.push(declare(VarDeclKind::Let, ident.clone(), Some(left)));
        let known = Box::new(Expr::Ident(ident.clone()));
        let test = match op {
            BinaryOp::LogicalAnd => known,
            BinaryOp::LogicalOr => Box::new(Expr::Unary(UnaryExpr { span: DUMMY_SP, op: UnaryOp::Bang, arg: known })),
            _ => Box::new(Expr::Bin(swc_core::ecma::ast::BinExpr {
                span: DUMMY_SP,
                op: BinaryOp::EqEq,
                left: known,
                right: Box::new(Expr::Lit(Lit::Null(Null { span: DUMMY_SP }))),
            })),
        };
        let cons = self.assign(&ident, right);
        before.push(Stmt::If(IfStmt { span: DUMMY_SP, test, cons, alt: None }));
        Expr::Ident(ident)
    }

    /// `{ ident = value; }`
    fn assign(&self, ident: &Ident, mut value: Box<Expr>) -> Box<Stmt> {
        let mut stmts = Vec::new();
        if refused(&value) {
            self.flatten(&mut value, &mut stmts);
        }
        let assignment = AssignExpr {
            span: value.span(),
            op: AssignOp::Assign,
            left: AssignTarget::Simple(SimpleAssignTarget::Ident(ident.clone().into())),
            right: value,
        };
        stmts.push(Stmt::Expr(ExprStmt { span: assignment.span, expr: Box::new(Expr::Assign(assignment)) }));
        Box::new(Stmt::Block(BlockStmt { stmts, ..BlockStmt::default() }))
    }
}

/// A name that nothing else has; what it is called is decided when all scopes are known.
fn fresh(span: swc_core::common::Span) -> Ident {
    Ident::new("value".into(), span.shrink_to_lo(), SyntaxContext::empty().apply_mark(Mark::new()))
}

fn declare(kind: VarDeclKind, ident: Ident, init: Option<Box<Expr>>) -> Stmt {
    let span = init.as_ref().map_or(DUMMY_SP, |value| value.span());
    let declarator = VarDeclarator { span, name: Pat::Ident(ident.into()), init, definite: false };
    Stmt::Decl(Decl::Var(Box::new(VarDecl { span, kind, decls: vec![declarator], ..VarDecl::default() })))
}
