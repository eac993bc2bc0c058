//! Whether a script could leave something behind in the engine: only what reaches for the built-ins themselves can.

use crate::script::Parsed;
use crate::script::ast::{
    AssignExpr, AssignTarget, CallExpr, Callee, Expr, Ident, Lit, MemberExpr, MemberProp, NewExpr, Prop, SimpleAssignTarget,
    UnaryExpr, UnaryOp, UpdateExpr,
};
use crate::script::visit::{Visit, VisitWith};

/// Members that lead from any value to a built-in that all values share.
const LEADING: &[&str] =
    &["prototype", "__proto__", "constructor", "defineProperty", "defineProperties", "setPrototypeOf", "getPrototypeOf"];

/// Globals that are often handed over as they are, and that nobody then writes to.
const HANDED: &[&str] = &[
    "Boolean",
    "Error",
    "Infinity",
    "NaN",
    "Number",
    "String",
    "TypeError",
    "arguments",
    "decodeURI",
    "decodeURIComponent",
    "encodeURI",
    "encodeURIComponent",
    "isFinite",
    "isNaN",
    "parseFloat",
    "parseInt",
    "undefined",
];

/// `true` where the script might change something that outlives its own variables.
pub(super) fn reaches_builtins(parsed: &Parsed) -> bool {
    let mut reach = Reach { parsed, found: false };
    parsed.module().visit_with(&mut reach);
    reach.found
}

struct Reach<'a> {
    parsed: &'a Parsed,
    found: bool,
}

impl Reach<'_> {
    /// A global that is only looked into or called.
    fn used(&mut self, expression: &Expr) {
        match expression {
            Expr::Ident(name) if self.parsed.is_global(name) => self.found |= matches!(&*name.sym, "globalThis" | "global"),
            other => other.visit_with(self),
        }
    }

    fn written(&mut self, target: &Expr) {
        let mut root = target;
        while let Expr::Member(member) = root {
            root = &member.obj;
        }
        self.found |= matches!(root, Expr::Ident(name) if self.parsed.is_global(name));
        target.visit_with(self);
    }
}

impl Visit for Reach<'_> {
    fn visit_ident(&mut self, node: &Ident) {
        self.found |= self.parsed.is_global(node) && !HANDED.contains(&&*node.sym);
    }

    fn visit_prop(&mut self, node: &Prop) {
        match node {
            Prop::Shorthand(name) => self.visit_ident(name),
            other => other.visit_children_with(self),
        }
    }

    fn visit_member_expr(&mut self, node: &MemberExpr) {
        self.used(&node.obj);
        match &node.prop {
            MemberProp::Ident(name) => self.found |= LEADING.contains(&&*name.sym),
            MemberProp::Computed(name) => match &*name.expr {
                Expr::Lit(Lit::Str(text)) => self.found |= LEADING.iter().any(|leading| text.value.as_str() == Some(*leading)),
                other => other.visit_with(self),
            },
            MemberProp::PrivateName(_) => {}
        }
    }

    fn visit_call_expr(&mut self, node: &CallExpr) {
        match &node.callee {
            Callee::Expr(callee) => self.used(callee),
            other => other.visit_with(self),
        }
        node.args.visit_with(self);
    }

    fn visit_new_expr(&mut self, node: &NewExpr) {
        self.used(&node.callee);
        node.args.visit_with(self);
    }

    fn visit_bin_expr(&mut self, node: &crate::script::ast::BinExpr) {
        self.used(&node.left);
        self.used(&node.right);
    }

    fn visit_unary_expr(&mut self, node: &UnaryExpr) {
        match node.op {
            UnaryOp::Delete => self.written(&node.arg),
            _ => self.used(&node.arg),
        }
    }

    fn visit_update_expr(&mut self, node: &UpdateExpr) {
        self.written(&node.arg);
    }

    fn visit_assign_expr(&mut self, node: &AssignExpr) {
        match &node.left {
            AssignTarget::Simple(SimpleAssignTarget::Ident(name)) => self.found |= self.parsed.is_global(&name.id),
            AssignTarget::Simple(SimpleAssignTarget::Member(member)) => self.written(&Expr::Member(member.clone())),
            other => other.visit_with(self),
        }
        node.right.visit_with(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_reaches_is_told_so() {
        let reaches = |code: &str| {
            let parsed = crate::script::parse(&"f.js".into(), code).map_err(|_| ()).expect("it parses");
            reaches_builtins(&parsed)
        };
        let own = [
            "let n = 0; function handler(e) { n++; e.request.uri = decodeURIComponent('/a'); return e.request; }",
            "function handler(e) { return Object.keys(e).map(encodeURIComponent).concat(JSON.stringify({a: [Math.max(1, 2)]})); }",
            "function handler(e) { try { x(); } catch (error) { if (error instanceof URIError) return new Date(); } }",
            "function handler(e) { const o = {}; o.a = typeof Map; delete o.a; o['b'] = undefined; return arguments; }",
        ];
        for code in own {
            assert!(!reaches(code), "{code}");
        }
        let shared = [
            "Math.x = 1;",
            "Array.prototype.at = function () {};",
            "globalThis.x = 1;",
            "global['x'] = 1;",
            "const o = Object; o.x = 1;",
            "Object.assign(JSON, {});",
            "[].constructor.x = 1;",
            "delete Math.abs;",
            "({}).__proto__.x = 1;",
            "x = 1;",
            "Object.defineProperty(e, 'x', {});",
            "const o = {Math}; o.Math.x = 1;",
        ];
        for code in shared {
            assert!(reaches(code), "{code}");
        }
    }
}
