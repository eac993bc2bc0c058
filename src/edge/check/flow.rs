//! Which ways lead through statements to what comes after them.

use super::model::{Body, Model, Returns, bare};
use crate::script::Spanned as _;
use crate::script::ast::{CallExpr, Callee, Expr, Lit, Stmt, SwitchStmt, TryStmt, UnaryOp};
use crate::script::visit::VisitWith;
use std::collections::BTreeSet;

/// How a statement ends.
#[derive(Clone, Default)]
pub(super) struct Ends {
    /// Whether what comes next is reached.
    next: bool,
    /// The labels of the `break`s that leave it; `None` for one without.
    breaks: BTreeSet<Option<String>>,
    /// The same for `continue`.
    continues: BTreeSet<Option<String>>,
}

impl Ends {
    fn with(mut self, other: Self) -> Self {
        self.next |= other.next;
        self.breaks.extend(other.breaks);
        self.continues.extend(other.continues);
        self
    }
}

/// Whether what stands after the statement can be reached through it.
pub(super) fn falls_through(model: &Model<'_>, statement: &Stmt) -> bool {
    Flow { model, depth: 0 }.statement(statement, None).next
}

/// Whether the end of a function's body can be reached.
pub(super) fn reaches_end(model: &Model<'_>, statements: &[Stmt]) -> bool {
    Flow { model, depth: 0 }.all(statements).next
}

struct Flow<'a, 'b> {
    model: &'a Model<'b>,
    depth: usize,
}

/// How far functions that call functions are followed.
const MAX_DEPTH: usize = 4;

impl Flow<'_, '_> {
    fn all(&self, statements: &[Stmt]) -> Ends {
        let mut ends = Ends { next: true, ..Ends::default() };
        for statement in statements {
            if !ends.next {
                break;
            }
            ends.next = false;
            ends = ends.with(self.statement(statement, None));
        }
        ends
    }

    /// As [`Self::looked_at`], once for each statement: in a long chain of `else if`, each is asked for all that follow.
    fn statement(&self, statement: &Stmt, label: Option<&str>) -> Ends {
        let span = statement.span();
        let plain = matches!(statement, Stmt::Return(_) | Stmt::Throw(_) | Stmt::Expr(_) | Stmt::Decl(_) | Stmt::Empty(_));
        if plain || label.is_some() || span.is_dummy() {
            return self.looked_at(statement, label);
        }
        let key = (span.lo.0, span.hi.0, self.depth);
        if let Some(ends) = self.model.ends.borrow().get(&key) {
            return ends.clone();
        }
        let ends = self.looked_at(statement, label);
        self.model.ends.borrow_mut().insert(key, ends.clone());
        ends
    }

    fn looked_at(&self, statement: &Stmt, label: Option<&str>) -> Ends {
        #[cfg(test)]
        LOOKS.set(LOOKS.get() + 1);
        let through = || Ends { next: true, ..Ends::default() };
        match statement {
            Stmt::Return(_) | Stmt::Throw(_) => Ends::default(),
            Stmt::Break(node) => {
                let label = node.label.as_ref().map(|label| label.sym.to_string());
                Ends { breaks: [label].into(), ..Ends::default() }
            }
            Stmt::Continue(node) => {
                let label = node.label.as_ref().map(|label| label.sym.to_string());
                Ends { continues: [label].into(), ..Ends::default() }
            }
            Stmt::Block(block) => self.all(&block.stmts),
            Stmt::If(node) => {
                let consequence = self.statement(&node.cons, None);
                let alternative = node.alt.as_deref().map_or_else(through, |other| self.statement(other, None));
                match constant(&node.test) {
                    Some(true) => consequence,
                    Some(false) => alternative,
                    None => consequence.with(alternative),
                }
            }
            Stmt::While(node) => {
                let ends = self.statement(&node.body, None);
                self.looped(ends, constant(&node.test), false, label)
            }
            Stmt::DoWhile(node) => {
                let ends = self.statement(&node.body, None);
                self.looped(ends, constant(&node.test), true, label)
            }
            Stmt::For(node) => {
                let test = node.test.as_deref().map_or(Some(true), constant);
                let ends = self.statement(&node.body, None);
                self.looped(ends, test, false, label)
            }
            Stmt::ForIn(node) => self.looped(self.statement(&node.body, None), None, false, label),
            Stmt::ForOf(node) => self.looped(self.statement(&node.body, None), None, false, label),
            Stmt::Switch(node) => self.switch(node),
            Stmt::Try(node) => self.attempt(node),
            Stmt::Labeled(node) => {
                let name = node.label.sym.to_string();
                let mut ends = self.statement(&node.body, Some(&name));
                ends.next |= ends.breaks.remove(&Some(name));
                ends
            }
            Stmt::Expr(node) => Ends { next: !self.never_returns(&node.expr), ..Ends::default() },
            Stmt::Empty(_) | Stmt::Debugger(_) | Stmt::Decl(_) | Stmt::With(_) => through(),
        }
    }

    /// What becomes of a loop, given how its body ends and what its test always is.
    fn looped(&self, mut body: Ends, test: Option<bool>, at_least_once: bool, label: Option<&str>) -> Ends {
        let left = body.breaks.remove(&None);
        let mut again = body.continues.remove(&None);
        if let Some(label) = label {
            again |= body.continues.remove(&Some(label.to_owned()));
        }
        // After the test there is something only where the test is reached, and may fail.
        let tested = !at_least_once || body.next || again;
        body.next = left || (test != Some(true) && tested);
        body
    }

    fn switch(&self, node: &SwitchStmt) -> Ends {
        let mut ends = Ends { next: !node.cases.iter().any(|case| case.test.is_none()), ..Ends::default() };
        let mut last = true;
        for case in &node.cases {
            let mut case = self.all(&case.cons);
            last = std::mem::take(&mut case.next);
            ends = ends.with(case);
        }
        ends.next |= last;
        ends.next |= ends.breaks.remove(&None);
        ends
    }

    fn attempt(&self, node: &TryStmt) -> Ends {
        let mut ends = self.all(&node.block.stmts);
        if let Some(handler) = &node.handler {
            ends = ends.with(self.all(&handler.body.stmts));
        }
        match &node.finalizer {
            Some(finalizer) => {
                let last = self.all(&finalizer.stmts);
                // Whatever came before, a `return` in `finally` is what counts.
                if last.next { ends } else { last }
            }
            None => ends,
        }
    }

    /// A call of a function of the script that always throws.
    fn never_returns(&self, expression: &Expr) -> bool {
        let call = match bare(expression) {
            Expr::Call(call) => call,
            Expr::Await(waiting) => match bare(&waiting.arg) {
                Expr::Call(call) => call,
                _ => return false,
            },
            _ => return false,
        };
        let CallExpr { callee: Callee::Expr(callee), .. } = call else { return false };
        let Some(function) = self.model.function(callee).map(|at| &self.model.functions[at]) else { return false };
        // Whoever does not wait for it goes on.
        if self.depth >= MAX_DEPTH || (function.is_async && !matches!(bare(expression), Expr::Await(_))) {
            return false;
        }
        let Body::Block(statements, _) = &function.body else { return false };
        let mut returns = Returns(Vec::new());
        statements.visit_with(&mut returns);
        returns.0.is_empty() && !Flow { model: self.model, depth: self.depth + 1 }.all(statements).next
    }
}

/// What a test always is.
fn constant(test: &Expr) -> Option<bool> {
    match bare(test) {
        Expr::Lit(Lit::Bool(value)) => Some(value.value),
        Expr::Lit(Lit::Num(value)) => Some(value.value != 0.0),
        Expr::Unary(unary) if unary.op == UnaryOp::Bang => constant(&unary.arg).map(|value| !value),
        _ => None,
    }
}

#[cfg(test)]
thread_local! {
    /// How many statements have been looked at.
    static LOOKS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
mod tests {
    use super::super::tests::said;
    use super::*;
    use crate::edge::runtime::Runtime;

    #[test]
    fn a_long_chain_is_gone_through_once() {
        let looks = |length: usize| {
            let tests: String = (0..length).map(|at| format!(" else if (r.uri === '/{at}') {{ r.uri = '/b'; }}")).collect();
            // What imports nothing that is there is not bundled.
            let text = format!(
                "import './none.js'; function handler(event) {{ const r = event.request; if (r.uri === '/') {{ return r; }}{tests} return r; }}"
            );
            let before = LOOKS.get();
            assert_eq!(said(&text, Runtime::V2).len(), 1, "the import alone");
            LOOKS.get() - before
        };
        let few = looks(20);
        assert!(looks(80) <= 5 * few, "{few} for 20, {} for 80", looks(80));
    }
}
