//! What the engine forgets over an `await`.
//!
//! Measured in njs: at its first `await` an `async` function moves to variables of its own, while closures made
//! before keep the old ones. What either side writes from then on, the other never sees; and what the function wrote
//! after it made the closure is undone. Variables that are never written again are safe, and so are objects, whose
//! properties are written; but a function *declaration* is a closure that was made before any variable had its first value.

use super::Form;
use super::findings::Findings;
use crate::script::Position;
use crate::script::ast::{
    ArrowExpr, AssignExpr, AssignTarget, AwaitExpr, BindingIdent, Constructor, DoWhileStmt, FnDecl, ForInStmt, ForOfStmt, ForStmt,
    Function, Id, Ident, Pat, SimpleAssignTarget, UpdateExpr, VarDeclarator, WhileStmt,
};
use crate::script::visit::{Visit, VisitWith};
use crate::source::Diagnostic;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn check(findings: &mut Findings<'_, '_>, form: Form) {
    let module = findings.model.parsed.module();
    module.visit_with(&mut Functions { findings, form });
}

struct Functions<'f, 'm, 'a> {
    findings: &'f mut Findings<'m, 'a>,
    form: Form,
}

impl Functions<'_, '_, '_> {
    fn judge(&mut self, frame: Frame, last: Option<&Pat>) {
        let Some(first) = frame.awaits.iter().min_by_key(|place| place.lo) else { return };
        // What stands before an `await` in the same loop comes after it in the next round.
        let looped = |at: u32| {
            let together =
                |around: &Position| around.lo.0 <= at && at < around.hi.0 && around.lo <= first.lo && first.lo < around.hi;
            frame.loops.iter().any(together)
        };
        let after = |at: u32| at >= first.hi.0 || looped(at);
        // A module's are kept in variables by the bundler.
        if let (Some(Pat::Rest(rest)), Form::Script) = (last, self.form)
            && let Pat::Ident(rest) = &*rest.arg
            && let Some(lost) =
                frame.uses.iter().find(|used| used.name == rest.to_id() && after(used.closure.unwrap_or(used.place.lo.0)))
        {
            let name = &rest.id.sym;
            let problem = Diagnostic::warning("CFF038", format!("the rest parameter `{name}` is nothing after an `await`"))
                .hint(format!("keep it in a variable before: `const kept = {name};`"));
            self.findings.add(problem, lost.place);
        }
        let mut by_name: BTreeMap<&Id, Vec<&Used>> = BTreeMap::new();
        for used in frame.uses.iter().filter(|used| frame.own.contains(&used.name)) {
            by_name.entry(&used.name).or_default().push(used);
        }
        let mut said: Vec<(&Id, Position, bool)> = Vec::new();
        for (name, uses) in by_name {
            // Nobody is told of a variable that the function itself does not need afterwards.
            let own = || uses.iter().filter(|used| used.closure.is_none());
            if !own().any(|used| after(used.place.lo.0)) {
                continue;
            }
            let parted = || uses.iter().filter(|used| used.closure.is_some_and(|closure| closure < first.hi.0));
            let Some(made) = parted().filter_map(|used| used.closure).min() else { continue };
            let inner = parted().find(|used| used.written).map(|used| (used.place, true));
            let outer = own().find(|used| used.written && used.place.lo.0 > made).map(|used| (used.place, false));
            if let Some((place, within)) = inner.or(outer) {
                said.push((name, place, within));
            }
        }
        for (name, place, within) in said {
            let message = match within {
                true => format!("`{}` is written in a function within, and the one around it forgets that over `await`", name.0),
                false => format!("`{}` is written while a function within has it, and an `await` parts the two", name.0),
            };
            let problem = Diagnostic::warning("CFF038", message)
                .hint(format!("keep it in an object, `const kept = {{ {}: … }};`, or return it from the function within", name.0));
            self.findings.add(problem, place);
        }
    }
}

impl Visit for Functions<'_, '_, '_> {
    fn visit_function(&mut self, node: &Function) {
        if node.is_async {
            let mut frame = Frame::default();
            node.params.visit_with(&mut frame);
            node.body.visit_with(&mut frame);
            self.judge(frame, node.params.last().map(|last| &last.pat));
        }
        node.visit_children_with(self);
    }

    fn visit_arrow_expr(&mut self, node: &ArrowExpr) {
        if node.is_async {
            let mut frame = Frame::default();
            node.params.visit_with(&mut frame);
            node.body.visit_with(&mut frame);
            self.judge(frame, node.params.last());
        }
        node.visit_children_with(self);
    }
}

/// One use of a name.
struct Used {
    name: Id,
    place: Position,
    written: bool,
    /// Where the outermost function within begins that it stands in.
    closure: Option<u32>,
}

/// What one `async` function does with names.
#[derive(Default)]
struct Frame {
    own: BTreeSet<Id>,
    uses: Vec<Used>,
    awaits: Vec<Position>,
    loops: Vec<Position>,
    closure: Option<u32>,
}

impl Frame {
    fn within(&mut self, from: u32, go: impl FnOnce(&mut Self)) {
        let before = self.closure;
        self.closure = before.or(Some(from));
        go(self);
        self.closure = before;
    }

    fn used(&mut self, name: &Ident, written: bool) {
        self.uses.push(Used { name: name.to_id(), place: name.span, written, closure: self.closure });
    }

    fn looped(&mut self, place: Position) {
        if self.closure.is_none() {
            self.loops.push(place);
        }
    }
}

impl Visit for Frame {
    fn visit_binding_ident(&mut self, node: &BindingIdent) {
        if self.closure.is_none() {
            self.own.insert(node.id.to_id());
        }
    }

    fn visit_ident(&mut self, node: &Ident) {
        self.used(node, false);
    }

    fn visit_var_declarator(&mut self, node: &VarDeclarator) {
        // A function declaration is made before any variable has its first value, and keeps none.
        if let (Pat::Ident(name), Some(_)) = (&node.name, &node.init) {
            self.used(&name.id, true);
        }
        node.visit_children_with(self);
    }

    fn visit_assign_expr(&mut self, node: &AssignExpr) {
        match &node.left {
            AssignTarget::Simple(SimpleAssignTarget::Ident(name)) => self.used(&name.id, true),
            other => other.visit_with(self),
        }
        node.right.visit_with(self);
    }

    fn visit_update_expr(&mut self, node: &UpdateExpr) {
        match &*node.arg {
            crate::script::ast::Expr::Ident(name) => self.used(name, true),
            other => other.visit_with(self),
        }
    }

    fn visit_await_expr(&mut self, node: &AwaitExpr) {
        if self.closure.is_none() {
            self.awaits.push(node.span);
        }
        node.visit_children_with(self);
    }

    fn visit_fn_decl(&mut self, node: &FnDecl) {
        // It is made before everything else, wherever it stands.
        self.within(0, |this| node.function.visit_children_with(this));
    }

    fn visit_function(&mut self, node: &Function) {
        self.within(node.span.lo.0, |this| node.visit_children_with(this));
    }

    fn visit_constructor(&mut self, node: &Constructor) {
        self.within(node.span.lo.0, |this| node.visit_children_with(this));
    }

    fn visit_arrow_expr(&mut self, node: &ArrowExpr) {
        self.within(node.span.lo.0, |this| node.visit_children_with(this));
    }

    fn visit_for_stmt(&mut self, node: &ForStmt) {
        self.looped(node.span);
        node.visit_children_with(self);
    }

    fn visit_while_stmt(&mut self, node: &WhileStmt) {
        self.looped(node.span);
        node.visit_children_with(self);
    }

    fn visit_do_while_stmt(&mut self, node: &DoWhileStmt) {
        self.looped(node.span);
        node.visit_children_with(self);
    }

    fn visit_for_in_stmt(&mut self, node: &ForInStmt) {
        self.looped(node.span);
        node.visit_children_with(self);
    }

    fn visit_for_of_stmt(&mut self, node: &ForOfStmt) {
        self.looped(node.span);
        node.visit_children_with(self);
    }
}

/// For the tests of what the engine does: whether a body is complained of.
#[cfg(test)]
mod tests {
    use super::super::tests::said;
    use crate::edge::Runtime;

    fn forgets(body: &str) -> bool {
        let text = format!(
            "async function handler(event) {{ const r = await work(event); event.request.uri = '/' + r; return event.request; }}\nasync function work(event) {{ {body} }}\nasync function g() {{ return 1; }}"
        );
        said(&text, Runtime::V2).iter().any(|(rule, _, _)| *rule == "CFF038")
    }

    /// Each of these gave another value in njs than the language says.
    #[test]
    fn what_the_engine_forgets_is_found() {
        for body in [
            "let n = 1; await g().then(() => { n = 5; }); return n;",
            "const t = {}; function e(k) { t[k] = 1; } await g(); e('x'); return t.x;",
            "let n = 1; const f = () => { n = 5; }; f(); await g(); return n;",
            "let n = 1; const f = () => { n = 5; }; await g(); f(); return n;",
            "let n = 1; const f = () => n; await g(); n = 7; return f();",
            "let n = 1; function f() { n = 5; } await g(); f(); return n;",
            "let n = 0; [1, 2].forEach(x => { n += x; }); await g(); return n;",
            "let n = 0; const f = async () => { n = 4; }; await f(); return n;",
            "let n = 0; const f = () => n; n = 7; await g(); return [n, f()].join('');",
            "let n = 0; for (let i = 0; i < 2; i++) { [1].forEach(x => { n += x; }); await g(); } return n;",
            "const f = async (...list) => { await g(); return list.length; }; return f(1);",
            "const f = async function (...list) { for (;;) { const n = list.length; if (n) return n; await g(); } }; return f(1);",
        ] {
            assert!(forgets(body), "{body}");
        }
    }

    /// And each of these the same.
    #[test]
    fn what_it_keeps_is_left_alone() {
        for body in [
            "let n = 1; await g(); const f = () => { n = 5; }; f(); return n;",
            "let n = 1; const f = () => n; await g(); return f();",
            "let n; const f = () => n; n = 3; await g(); return f();",
            "const o = { n: 1 }; await g().then(() => { o.n = 5; }); return o.n;",
            "let n = 0; await g(); [1, 2].forEach(x => { n += x; }); await g(); return n;",
            "const seen = []; [1, 2].forEach(x => { seen.push(x); }); await g(); return seen.join('');",
            "let n = 'a'; try { n = await g(); } catch (e) { console.log(String(e)); } return n;",
            "let n = 0; n = 7; const f = () => n; await g(); return [n, f()].join('');",
            "const f = async (...list) => { const kept = list; await g(); return kept.length; }; return f(1);",
            "const f = async (...list) => { const count = () => list.length; await g(); return count(); }; return f(1);",
            "const f = async (...list) => list.length; await g(); return f(1);",
        ] {
            assert!(!forgets(body), "{body}");
        }
    }
}
