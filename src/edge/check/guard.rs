//! What may be missing, and what may throw: whether the script made sure before.
//!
//! Statements are walked in their order with the entries that are known to be there. A test that is taken adds to
//! them on its side; where sides meet again, what both know is left.

use super::findings::Findings;
use super::flow::falls_through;
use super::model::{Body, Model, bare, member_name};
use super::shape::{Shape, Table};
use crate::script::ast::{
    ArrowExpr, ArrowFunctionBody, AssignExpr, AssignTarget, BinExpr, BinaryOp, CallExpr, Callee, ClassDecl, CondExpr, DoWhileStmt,
    Expr, FnDecl, ForInStmt, ForOfStmt, ForStmt, Function, IfStmt, Lit, MemberExpr, ObjectPatProp, OptChainBase, OptChainExpr, Pat,
    SimpleAssignTarget, Stmt, SwitchStmt, TryStmt, UnaryExpr, UnaryOp, VarDeclarator, WhileStmt,
};
use crate::script::visit::{Visit, VisitWith};
use crate::script::{Position, Spanned as _};
use crate::source::Diagnostic;
use std::collections::BTreeSet;

/// An entry, by its table and name.
type Key = (Table, String);

/// Every table that a script does not write itself.
const TABLES: [Table; 5] =
    [Table::RequestHeaders, Table::ResponseHeaders, Table::Query, Table::RequestCookies, Table::ResponseCookies];

/// What is known to be there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Facts {
    keys: BTreeSet<Key>,
    /// Tables that somebody has looked into in a way that is not understood.
    tables: BTreeSet<Table>,
}

impl Facts {
    fn has(&self, key: &Key) -> bool {
        self.keys.contains(key) || self.tables.contains(&key.0)
    }

    fn add(&mut self, other: &Self) {
        self.keys.extend(other.keys.iter().cloned());
        self.tables.extend(&other.tables);
    }

    fn both(&self, other: &Self) -> Self {
        Self {
            keys: self.keys.intersection(&other.keys).cloned().collect(),
            tables: self.tables.intersection(&other.tables).copied().collect(),
        }
    }

    fn either(mut self, other: &Self) -> Self {
        self.add(other);
        self
    }
}

/// What a test says, if it holds and if it does not.
#[derive(Default)]
struct Sides {
    holds: Facts,
    fails: Facts,
}

impl Sides {
    fn turned(self) -> Self {
        Self { holds: self.fails, fails: self.holds }
    }

    fn of(key: Option<Key>) -> Self {
        Self { holds: Facts { keys: key.into_iter().collect(), ..Facts::default() }, ..Self::default() }
    }
}

pub(super) fn check(findings: &mut Findings<'_, '_>) {
    let model = findings.model;
    let mut tested = Tested { model, keys: BTreeSet::new(), tables: BTreeSet::new() };
    model.parsed.module().visit_with(&mut tested);
    let looked = Facts { tables: tested.tables, ..Facts::default() };
    for function in model.separate() {
        let mut walk = Walk {
            findings: &mut *findings,
            tested: &tested.keys,
            facts: looked.clone(),
            tries: usize::from(model.is_guarded(function)),
            elsewhere: Some(function) != model.handler,
        };
        match model.functions[function].body.clone() {
            Body::Block(statements, _) => walk.statements(&statements),
            Body::Expression(value) => value.visit_with(&mut walk),
        }
    }
}

/// The entry that an expression stands for.
fn key(model: &Model<'_>, expression: &Expr) -> Option<Key> {
    match model.shape(expression) {
        Shape::Entry(table, Some(name)) if !table.is_own() => Some((table, name)),
        _ => None,
    }
}

/// Entries that are looked at somewhere without taking them apart.
struct Tested<'m, 'a> {
    model: &'m Model<'a>,
    keys: BTreeSet<Key>,
    /// Tables in which somebody looks for names that are only known when it runs, as in `names.every(name => headers[name])`.
    tables: BTreeSet<Table>,
}

impl Visit for Tested<'_, '_> {
    fn visit_expr(&mut self, node: &Expr) {
        match self.model.shape(node) {
            Shape::Entry(table, Some(name)) => {
                self.keys.insert((table, name));
            }
            Shape::Entry(table, None) if matches!(node, Expr::Member(_)) => {
                self.tables.insert(table);
            }
            _ => {}
        }
        if let Expr::Bin(binary) = node
            && binary.op == BinaryOp::In
        {
            self.keys.extend(named(self.model, &binary.right, &binary.left));
        }
        node.visit_children_with(self);
    }

    fn visit_member_expr(&mut self, node: &MemberExpr) {
        match bare(&node.obj) {
            // What is taken apart is not looked at.
            Expr::Member(member) => self.visit_member_expr(member),
            Expr::Ident(_) => {}
            other => other.visit_children_with(self),
        }
        node.prop.visit_with(self);
    }
}

/// The entry of a table with a name that is written out.
fn named(model: &Model<'_>, table: &Expr, name: &Expr) -> Option<Key> {
    match (model.shape(table), &*model.resolve(name)) {
        (Shape::Table(table), Expr::Lit(Lit::Str(name))) => Some((table, name.value.as_str()?.to_owned())),
        _ => None,
    }
}

struct Walk<'f, 'm, 'a> {
    findings: &'f mut Findings<'m, 'a>,
    tested: &'f BTreeSet<Key>,
    facts: Facts,
    /// How many `try` with a `catch` are around.
    tries: usize,
    /// Whether this is a function that others call: they may have made sure.
    elsewhere: bool,
}

impl<'m, 'a> Walk<'_, 'm, 'a> {
    fn model(&self) -> &'m Model<'a> {
        self.findings.model
    }

    fn statements(&mut self, statements: &[Stmt]) {
        for statement in statements {
            statement.visit_with(self);
        }
    }

    /// Walks with more than is known here, and forgets what was learnt.
    fn with(&mut self, more: &Facts, go: impl FnOnce(&mut Self)) -> Facts {
        let before = self.facts.clone();
        self.facts.add(more);
        go(self);
        std::mem::replace(&mut self.facts, before)
    }

    /// An entry is taken apart.
    fn taken_apart(&mut self, entry: &Expr, what: &str, place: Position) {
        let Some(key) = key(self.model(), entry) else { return };
        let (table, name) = &key;
        let always = *table == Table::RequestHeaders && name == "host";
        // Of a name that is never there something else has been said.
        let never = table.is_headers() && name.chars().any(char::is_uppercase);
        let sure = self.facts.has(&key) || self.tries > 0 || always || never || (self.elsewhere && self.tested.contains(&key));
        if !sure {
            let message = format!("the {} `{name}` may be missing, and `{what}` of nothing throws", table.entry());
            let problem = match name.starts_with("cloudfront-") {
                // A policy of the distribution can ask for these, so that they are there.
                true => Diagnostic::warning("CFF061", message),
                false => Diagnostic::error("CFF061", message),
            };
            let problem = problem.hint(format!("test it first: {}", self.test(entry)));
            self.findings.add(problem, place);
        }
        self.facts.keys.insert(key);
    }

    /// How to make sure of an entry, in the script's own words.
    fn test(&self, entry: &Expr) -> String {
        let span = self.model().parsed.span(entry.span());
        match self.model().text.get(span.start..span.end) {
            Some(text) if text.len() < 60 && !text.contains('\n') => format!("`if ({text}) {{ … }}`"),
            _ => "`if (entry) { … }`".to_owned(),
        }
    }

    /// What is known after a test.
    fn sides(&self, test: &Expr, depth: usize) -> Sides {
        let model = self.model();
        let test = bare(test);
        if depth > 8 {
            return Sides::default();
        }
        if let Some(key) = key(model, test) {
            return Sides::of(Some(key));
        }
        match test {
            Expr::Unary(unary) if unary.op == UnaryOp::Bang => self.sides(&unary.arg, depth + 1).turned(),
            Expr::Bin(binary) => self.binary(binary, depth),
            Expr::OptChain(_) | Expr::Member(_) => Sides { holds: self.chain(test), ..Sides::default() },
            Expr::Call(call) => self.call(call, depth),
            // `const isMobile = headers.x && …; if (isMobile) …`
            Expr::Ident(_) => {
                let meant = model.resolve(test);
                if matches!(&*meant, Expr::Ident(_)) { Sides::default() } else { self.sides(&meant, depth + 1) }
            }
            _ => self.mentioned(test),
        }
    }

    fn binary(&self, binary: &BinExpr, depth: usize) -> Sides {
        let model = self.model();
        match binary.op {
            BinaryOp::LogicalAnd => {
                let (left, right) = (self.sides(&binary.left, depth + 1), self.sides(&binary.right, depth + 1));
                Sides { fails: left.fails.both(&right.fails), holds: left.holds.either(&right.holds) }
            }
            BinaryOp::LogicalOr => {
                let (left, right) = (self.sides(&binary.left, depth + 1), self.sides(&binary.right, depth + 1));
                Sides { holds: left.holds.both(&right.holds), fails: left.fails.either(&right.fails) }
            }
            BinaryOp::In => Sides::of(named(model, &binary.right, &binary.left)),
            BinaryOp::EqEq | BinaryOp::EqEqEq => self.equal(binary).turned(),
            BinaryOp::NotEq | BinaryOp::NotEqEq => self.equal(binary),
            _ => self.mentioned(&binary.left.clone()).either(self.mentioned(&binary.right)),
        }
    }

    /// What `a !== b` says.
    fn equal(&self, binary: &BinExpr) -> Sides {
        let model = self.model();
        for (one, other) in [(&binary.left, &binary.right), (&binary.right, &binary.left)] {
            let (one, other) = (bare(one), bare(other));
            if model.shape(other) == Shape::Nothing {
                return Sides { holds: self.chain(one).either(&Sides::of(key(model, one)).holds), ..Sides::default() };
            }
            if let Expr::Unary(unary) = one
                && unary.op == UnaryOp::TypeOf
                && let Expr::Lit(Lit::Str(kind)) = other
            {
                let sides =
                    Sides { holds: Sides::of(key(model, &unary.arg)).holds.either(&self.chain(&unary.arg)), ..Sides::default() };
                return if kind.value == *"undefined" { sides } else { sides.turned() };
            }
        }
        // Whatever equals something is something.
        let equal = |expression: &Expr| self.chain(bare(expression));
        let known = |expression: &Expr| !matches!(model.shape(expression), Shape::Unknown | Shape::Nothing | Shape::Circular);
        let mut fails = Facts::default();
        if known(&binary.right) {
            fails.add(&equal(&binary.left));
        }
        if known(&binary.left) {
            fails.add(&equal(&binary.right));
        }
        let mentioned = self.mentioned(&binary.left).either(self.mentioned(&binary.right));
        Sides { holds: mentioned.holds, fails: fails.either(&mentioned.fails) }
    }

    fn call(&self, call: &CallExpr, _: usize) -> Sides {
        let model = self.model();
        let Callee::Expr(callee) = &call.callee else { return Sides::default() };
        let first = call.args.first().map(|argument| &*argument.expr);
        if let Expr::Member(member) = bare(callee) {
            match (member_name(&member.prop), first, call.args.get(1)) {
                (Some("hasOwnProperty"), Some(name), _) if matches!(model.shape(&member.obj), Shape::Table(_)) => {
                    return Sides::of(named(model, &member.obj, name));
                }
                // `Object.prototype.hasOwnProperty.call(headers, 'x')`
                (Some("call"), Some(table), Some(name)) if matches!(model.shape(table), Shape::Table(_)) => {
                    return Sides::of(named(model, table, &name.expr));
                }
                _ => {}
            }
        }
        let mut sides = self.mentioned_in_call(call);
        sides.holds.add(&self.chain_of_callee(callee));
        sides
    }

    /// `headers.x?.value.startsWith('/')` holds only where there is such a header.
    fn chain_of_callee(&self, callee: &Expr) -> Facts {
        match bare(callee) {
            Expr::Member(member) => self.chain(&member.obj),
            Expr::OptChain(_) => self.chain(callee),
            _ => Facts::default(),
        }
    }

    /// What has to be there for a chain to be anything.
    fn chain(&self, expression: &Expr) -> Facts {
        let mut facts = Facts::default();
        let mut next = Some(bare(expression));
        while let Some(expression) = next {
            facts.keys.extend(key(self.model(), expression));
            next = match expression {
                Expr::Member(member) => Some(bare(&member.obj)),
                Expr::OptChain(OptChainExpr { base, .. }) => match &**base {
                    OptChainBase::Member(member) => Some(bare(&member.obj)),
                    OptChainBase::Call(call) => Some(bare(&call.callee)),
                },
                Expr::Call(CallExpr { callee: Callee::Expr(callee), .. }) => Some(bare(callee)),
                _ => None,
            };
        }
        facts
    }

    /// A test that asks some function about a whole table may say anything about what is in it.
    fn mentioned(&self, test: &Expr) -> Sides {
        match bare(test) {
            Expr::Call(call) => self.mentioned_in_call(call),
            Expr::Member(member) => self.mentioned(&member.obj),
            Expr::Bin(binary) => self.mentioned(&binary.left).either(self.mentioned(&binary.right)),
            Expr::Unary(unary) => self.mentioned(&unary.arg),
            Expr::Await(waiting) => self.mentioned(&waiting.arg),
            _ => Sides::default(),
        }
    }

    fn mentioned_in_call(&self, call: &CallExpr) -> Sides {
        let mut tables = BTreeSet::new();
        // A function of the script may look into any table that it can reach.
        if let Callee::Expr(callee) = &call.callee
            && self.model().function(callee).is_some()
        {
            tables.extend(TABLES);
        }
        let mut mention = |expression: &Expr| match self.model().shape(expression) {
            Shape::Table(table) => {
                tables.insert(table);
            }
            Shape::Request | Shape::Event => {
                tables.extend([Table::RequestHeaders, Table::Query, Table::RequestCookies]);
            }
            Shape::Response => tables.extend([Table::ResponseHeaders, Table::ResponseCookies]),
            _ => {}
        };
        for argument in &call.args {
            mention(&argument.expr);
        }
        let mut sides = Sides::default();
        if let Callee::Expr(callee) = &call.callee
            && let Expr::Member(member) = bare(callee)
        {
            sides = self.mentioned(&member.obj);
        }
        sides.holds.tables.extend(&tables);
        sides.fails.tables.extend(&tables);
        sides
    }

    /// A function that is handed over, or declared in the midst of another.
    fn inner(&mut self, function: Option<usize>, go: impl FnOnce(&mut Self)) {
        let separate = function.is_some_and(|function| !self.model().functions[function].inline);
        // It is walked on its own.
        if separate {
            return;
        }
        self.with(&Facts::default(), go);
    }
}

impl Sides {
    fn either(mut self, other: Self) -> Self {
        self.holds.add(&other.holds);
        self.fails.add(&other.fails);
        self
    }
}

impl Visit for Walk<'_, '_, '_> {
    fn visit_stmts(&mut self, node: &[Stmt]) {
        self.statements(node);
    }

    fn visit_if_stmt(&mut self, node: &IfStmt) {
        node.test.visit_with(self);
        let sides = self.sides(&node.test, 0);
        let taken = self.with(&sides.holds, |this| node.cons.visit_with(this));
        let other = self.with(&sides.fails, |this| node.alt.visit_with(this));
        let model = self.model();
        let alternative = node.alt.as_deref().is_none_or(|other| falls_through(model, other));
        self.facts = match (falls_through(model, &node.cons), alternative) {
            (true, true) => taken.both(&other),
            (true, false) => taken,
            (false, true) => other,
            // Nobody comes here.
            (false, false) => taken.either(&other),
        };
    }

    fn visit_cond_expr(&mut self, node: &CondExpr) {
        node.test.visit_with(self);
        let sides = self.sides(&node.test, 0);
        let taken = self.with(&sides.holds, |this| node.cons.visit_with(this));
        let other = self.with(&sides.fails, |this| node.alt.visit_with(this));
        self.facts = taken.both(&other);
    }

    fn visit_bin_expr(&mut self, node: &BinExpr) {
        node.left.visit_with(self);
        let more = match node.op {
            BinaryOp::LogicalAnd => self.sides(&node.left, 0).holds,
            BinaryOp::LogicalOr => self.sides(&node.left, 0).fails,
            BinaryOp::NullishCoalescing => Facts::default(),
            _ => {
                node.right.visit_with(self);
                return;
            }
        };
        self.with(&more, |this| node.right.visit_with(this));
    }

    fn visit_while_stmt(&mut self, node: &WhileStmt) {
        node.test.visit_with(self);
        let sides = self.sides(&node.test, 0);
        self.with(&sides.holds, |this| node.body.visit_with(this));
        self.facts.add(&sides.fails);
    }

    fn visit_do_while_stmt(&mut self, node: &DoWhileStmt) {
        node.body.visit_with(self);
        node.test.visit_with(self);
    }

    fn visit_for_stmt(&mut self, node: &ForStmt) {
        node.init.visit_with(self);
        node.test.visit_with(self);
        let holds = node.test.as_deref().map(|test| self.sides(test, 0).holds).unwrap_or_default();
        self.with(&holds, |this| {
            node.body.visit_with(this);
            node.update.visit_with(this);
        });
    }

    fn visit_for_in_stmt(&mut self, node: &ForInStmt) {
        node.right.visit_with(self);
        self.with(&Facts::default(), |this| node.body.visit_with(this));
    }

    fn visit_for_of_stmt(&mut self, node: &ForOfStmt) {
        node.right.visit_with(self);
        self.with(&Facts::default(), |this| node.body.visit_with(this));
    }

    fn visit_switch_stmt(&mut self, node: &SwitchStmt) {
        node.discriminant.visit_with(self);
        let always = matches!(bare(&node.discriminant), Expr::Lit(Lit::Bool(value)) if value.value);
        for case in &node.cases {
            case.test.visit_with(self);
            let holds = case.test.as_deref().filter(|_| always).map(|test| self.sides(test, 0).holds).unwrap_or_default();
            self.with(&holds, |this| this.statements(&case.cons));
        }
    }

    fn visit_try_stmt(&mut self, node: &TryStmt) {
        let caught = usize::from(node.handler.is_some());
        self.tries += caught;
        let learnt = self.with(&Facts::default(), |this| this.statements(&node.block.stmts));
        self.tries -= caught;
        if let Some(handler) = &node.handler {
            self.with(&Facts::default(), |this| this.statements(&handler.body.stmts));
            // Who comes here has come through all of the block, if nobody comes out of the `catch`.
            if !handler.body.stmts.iter().all(|statement| falls_through(self.findings.model, statement)) {
                self.facts = learnt;
            }
        } else {
            self.facts = learnt;
        }
        node.finalizer.visit_with(self);
    }

    fn visit_member_expr(&mut self, node: &MemberExpr) {
        node.obj.visit_with(self);
        node.prop.visit_with(self);
        let what = member_name(&node.prop).map_or_else(|| "[…]".to_owned(), |name| format!(".{name}"));
        self.taken_apart(&node.obj, &what, node.span);
    }

    fn visit_opt_chain_expr(&mut self, node: &OptChainExpr) {
        match &*node.base {
            // `entry?.value` is sure of itself.
            OptChainBase::Member(member) if node.optional => {
                member.obj.visit_with(self);
                member.prop.visit_with(self);
            }
            OptChainBase::Member(member) => member.visit_with(self),
            OptChainBase::Call(call) => {
                call.callee.visit_with(self);
                call.args.visit_with(self);
            }
        }
    }

    fn visit_assign_expr(&mut self, node: &AssignExpr) {
        node.right.visit_with(self);
        node.left.visit_with(self);
        if let AssignTarget::Simple(SimpleAssignTarget::Member(member)) = &node.left {
            let model = self.model();
            match (model.member(member), member_name(&member.prop)) {
                (Shape::Entry(table, Some(name)), _) => {
                    self.facts.keys.insert((table, name));
                }
                // All of it is new.
                (Shape::Table(table), _) => {
                    self.facts.tables.insert(table);
                }
                _ => {}
            }
        }
    }

    fn visit_unary_expr(&mut self, node: &UnaryExpr) {
        node.arg.visit_with(self);
        if node.op == UnaryOp::Delete
            && let Some(key) = key(self.model(), &node.arg)
        {
            self.facts.keys.remove(&key);
        }
    }

    fn visit_var_declarator(&mut self, node: &VarDeclarator) {
        node.init.visit_with(self);
        if let (Pat::Object(pattern), Some(init)) = (&node.name, &node.init) {
            let first = pattern.props.iter().find_map(|property| match property {
                ObjectPatProp::Assign(property) => Some((&*property.key.sym, property.span)),
                _ => None,
            });
            let (name, place) = first.unwrap_or(("…", pattern.span));
            self.taken_apart(init, &format!(".{name}"), place);
        }
    }

    fn visit_call_expr(&mut self, node: &CallExpr) {
        node.callee.visit_with(self);
        node.args.visit_with(self);
        let (Callee::Expr(callee), Some(first)) = (&node.callee, node.args.first()) else { return };
        let model = self.model();
        let input = matches!(model.shape(&first.expr), Shape::Text(origin) if origin.is_input());
        if self.tries > 0 || !input {
            return;
        }
        for name in ["decodeURIComponent", "decodeURI"] {
            if model.is_global(callee, name) {
                self.findings.error(
                    "CFF062",
                    node.span,
                    format!("`{name}` throws over what is not well encoded, such as `%` or `%ff`"),
                    "catch it: `try { … } catch (error) { return request; }`",
                );
            }
        }
        if let Expr::Member(member) = bare(callee)
            && model.is_global(&member.obj, "JSON")
            && member.prop.is_ident_with("parse")
        {
            self.findings.warning(
                "CFF063",
                node.span,
                "`JSON.parse` throws over what is no JSON, and this comes from elsewhere",
                "catch it: `try { … } catch (error) { … }`",
            );
        }
    }

    fn visit_fn_decl(&mut self, _: &FnDecl) {}

    fn visit_class_decl(&mut self, _: &ClassDecl) {}

    fn visit_function(&mut self, node: &Function) {
        let function = self.model().function_at(node.span);
        self.inner(function, |this| {
            if let Some(body) = &node.body {
                this.statements(&body.stmts);
            }
        });
    }

    fn visit_arrow_expr(&mut self, node: &ArrowExpr) {
        let function = self.model().function_at(node.span);
        self.inner(function, |this| match &*node.body {
            ArrowFunctionBody::FunctionBody(body) => this.statements(&body.stmts),
            ArrowFunctionBody::Expr(value) => value.visit_with(this),
        });
    }
}
