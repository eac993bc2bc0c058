//! Headers, cookies and query parameters: what they are called, which may be touched, and what they look like.

use super::super::event::Kind;
use super::super::headers::{disallowed, read_only};
use super::findings::Findings;
use super::model::{bare, member_name, member_place, properties, property};
use super::shape::{Shape, Table};
use crate::script::ast::{
    AssignExpr, AssignOp, AssignTarget, CallExpr, Callee, Expr, MemberExpr, ObjectLit, SimpleAssignTarget, UnaryExpr, UnaryOp,
};
use crate::script::visit::{Visit, VisitWith};
use crate::script::{Position, Spanned as _};
use crate::source::Diagnostic;

pub(super) fn check(findings: &mut Findings<'_, '_>) {
    let module = findings.model.parsed.module();
    module.visit_with(&mut Entries { findings, written: false, shown: false });
}

struct Entries<'f, 'm, 'a> {
    findings: &'f mut Findings<'m, 'a>,
    /// Whether the member that comes next is what is assigned to.
    written: bool,
    /// Whether what is written out is only shown to somebody.
    shown: bool,
}

/// What a script does to an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Set,
    Delete,
}

impl Entries<'_, '_, '_> {
    fn in_lower_case(&mut self, table: Table, name: &str, place: Position, read: bool) -> bool {
        if !table.is_headers() || !name.chars().any(char::is_uppercase) {
            return true;
        }
        let message = match read {
            true => format!("there is never a header `{name}`: names are in lower case at the edge"),
            false => format!("the header name `{name}` is not in lower case"),
        };
        let lower = name.to_lowercase();
        // Where the name stands elsewhere too, or the other one does, all have to be looked at together.
        let text = self.findings.model.text;
        let is_alone = text.matches(name).count() == 1 && !text.contains(&lower);
        let fix = if is_alone { self.findings.renamed(place, name, &lower) } else { Vec::new() };
        let problem = Diagnostic { fix, ..Diagnostic::error("CFF052", message).hint(format!("write `{lower}`")) };
        self.findings.add(problem, place);
        false
    }

    /// Whether the name may be touched.
    fn changed(&mut self, table: Table, name: &str, place: Position, change: Change) {
        if !table.is_headers() || !self.in_lower_case(table, name, place, false) {
            return;
        }
        if disallowed(name) {
            if change == Change::Set {
                let hint = "CloudFront sets it itself, and answers 502 to a function that does";
                self.findings.error("CFF054", place, format!("a function may not set the header `{name}`"), hint);
            }
            return;
        }
        let kind = match table {
            // What a viewer-response function does to the request goes nowhere.
            Table::RequestHeaders if self.findings.model.answers_responses() => return,
            Table::RequestHeaders => Kind::ViewerRequest,
            _ => Kind::ViewerResponse,
        };
        if read_only(kind).contains(&name) {
            let verb = if change == Change::Set { "change" } else { "delete" };
            let hint = match name {
                "host" if change == Change::Set => {
                    "CloudFront answers 502: keep the host in a header of your own, such as `x-forwarded-host`"
                }
                _ => "CloudFront answers 502 to a function that does, though its test says nothing",
            };
            self.findings.error("CFF055", place, format!("a function may not {verb} the header `{name}`"), hint);
        }
    }

    /// What is assigned to an entry.
    fn entry(&mut self, table: Table, name: &str, value: &Expr) {
        let shape = self.findings.model.shape(value);
        let resolved = self.findings.model.resolve(value);
        let what = table.entry();
        if let Expr::Object(object) = &*resolved {
            self.entry_object(what, name, object);
        } else if matches!(shape, Shape::Text(_) | Shape::Number | Shape::Bool | Shape::Nothing | Shape::List(_)) {
            let found = shape.name().unwrap_or_default();
            let hint = match (&shape, bare(value)) {
                (Shape::Nothing, _) => format!("to remove it, write `delete headers['{name}']`"),
                (Shape::Text(_), Expr::Lit(_)) => {
                    let text = self.text(value.span());
                    format!("write `{{ value: {text} }}`")
                }
                _ => "write `{ value: '…' }`".to_owned(),
            };
            let fix = match (&shape, bare(value)) {
                (Shape::Text(_), Expr::Lit(_)) => {
                    self.findings.instead(value.span(), format!("{{ value: {} }}", self.text(value.span())))
                }
                _ => Vec::new(),
            };
            let message = format!("the {what} `{name}` is {found}, not an object with a `value`");
            self.findings.add(Diagnostic { fix, ..Diagnostic::error("CFF053", message).hint(hint) }, value.span());
        }
    }

    fn text(&self, place: Position) -> &str {
        let span = self.findings.model.parsed.span(place);
        self.findings.model.text.get(span.start..span.end).unwrap_or("…")
    }

    fn entry_object(&mut self, what: &str, name: &str, object: &ObjectLit) {
        let (known, all) = properties(object);
        let find = |wanted: &str| known.iter().find(|property| property.name == wanted);
        if let Some(value) = find("value").and_then(|property| property.value.as_deref()) {
            self.value(what, name, value);
            // Beside a `value`, nobody would miss the list.
            for property in known.iter().filter(|property| property.name != "multiValue") {
                self.misspelt(property.name, property.place);
            }
        } else if all && find("value").is_none() && find("multiValue").is_none() {
            let similar = known.iter().find(|property| matches!(property.name.to_lowercase().as_str(), "value" | "multivalue"));
            let (place, hint) = match similar {
                Some(similar) if similar.name.eq_ignore_ascii_case("value") => (similar.place, "it is called `value`"),
                Some(similar) => (similar.place, "it is called `multiValue`"),
                None => (object.span, "write `{ value: '…' }`"),
            };
            let fix = similar.map(|similar| {
                let right = if similar.name.eq_ignore_ascii_case("value") { "value" } else { "multiValue" };
                self.findings.renamed(similar.place, similar.name, right)
            });
            let problem = Diagnostic::error("CFF053", format!("the {what} `{name}` has no `value`")).hint(hint);
            self.findings.add(Diagnostic { fix: fix.unwrap_or_default(), ..problem }, place);
        }
    }

    fn value(&mut self, what: &str, name: &str, value: &Expr) {
        let shape = self.findings.model.shape(value);
        let wrong = matches!(
            shape,
            Shape::Number
                | Shape::Bool
                | Shape::Nothing
                | Shape::List(_)
                | Shape::Object
                | Shape::Entry(..)
                | Shape::Table(_)
                | Shape::Pattern
                | Shape::Function
                | Shape::Promise
                | Shape::Read
                | Shape::Date
        );
        if wrong {
            let found = match &shape {
                Shape::Object => "an object",
                Shape::Entry(..) => "a whole entry",
                shape => shape.name().unwrap_or("something else"),
            };
            let hint = match shape {
                Shape::Number | Shape::Bool => "write it as a text: `String(…)`, or in quotes",
                Shape::Entry(..) => "take the `value` of it",
                Shape::Promise | Shape::Read => "wait for it: `await …`",
                _ => "a value is a text",
            };
            let written = self.text(value.span());
            let is_plain = matches!(bare(value), Expr::Lit(_)) && written.bytes().all(|byte| byte.is_ascii_digit());
            let fix = if is_plain { self.findings.instead(value.span(), format!("'{written}'")) } else { Vec::new() };
            let problem = Diagnostic::error("CFF053", format!("the value of the {what} `{name}` is {found}, not a text"));
            self.findings.add(Diagnostic { fix, ..problem.hint(hint) }, value.span());
        }
    }

    /// A whole table, written out.
    fn table(&mut self, table: Table, value: &Expr) {
        let value = self.findings.model.resolve(value);
        let Expr::Object(object) = &*value else { return };
        for property in properties(object).0 {
            self.changed(table, property.name, property.place, Change::Set);
            if let Some(value) = &property.value {
                self.entry(table, property.name, value);
            }
        }
    }

    /// All headers of the request are others now.
    fn replaced(&mut self, value: &Expr) {
        let resolved = self.findings.model.resolve(value);
        let Expr::Object(object) = &*resolved else { return };
        let (known, all) = properties(object);
        if all && known.iter().all(|property| property.name != "host") && !self.findings.model.answers_responses() {
            let hint = "set the headers one by one: `request.headers['x-a'] = { value: '…' };`";
            self.findings.error("CFF055", value.span(), "these headers lack `host`, which a function may not delete", hint);
        }
    }

    fn target(&mut self, member: &MemberExpr, op: AssignOp, value: &Expr) {
        let model = self.findings.model;
        let plain = matches!(op, AssignOp::Assign | AssignOp::OrAssign | AssignOp::NullishAssign);
        match model.shape(&member.obj) {
            Shape::Table(table) => {
                if let Some(name) = member_name(&member.prop) {
                    self.changed(table, name, member_place(&member.prop), Change::Set);
                    if plain {
                        self.entry(table, name, value);
                    }
                }
            }
            Shape::Entry(table, name) => {
                let written = member_name(&member.prop);
                if let Some(name) = &name {
                    // The name stands in what is assigned to.
                    let place = match bare(&member.obj) {
                        Expr::Member(entry) => member_place(&entry.prop),
                        other => other.span(),
                    };
                    self.changed(table, name, place, Change::Set);
                }
                let name = name.as_deref().unwrap_or("…");
                if written == Some("value") && plain {
                    self.value(table.entry(), name, value);
                }
            }
            whole @ (Shape::Request | Shape::Response | Shape::OwnResponse) if op == AssignOp::Assign => {
                if let Some(Shape::Table(table)) = member_name(&member.prop).map(|name| whole.member(Some(name))) {
                    self.table(table, value);
                    if table == Table::RequestHeaders {
                        self.replaced(value);
                    }
                }
            }
            _ => {}
        }
    }

    fn wrong_key(&mut self, member: &MemberExpr) {
        if let Some(name) = member_name(&member.prop)
            && name != "multiValue"
            && matches!(self.findings.model.shape(&member.obj), Shape::Entry(..))
        {
            self.misspelt(name, member_place(&member.prop));
        }
    }

    fn misspelt(&mut self, name: &str, place: Position) {
        if name.eq_ignore_ascii_case("multivalue") {
            let fix = self.findings.renamed(place, name, "multiValue");
            let problem = Diagnostic::warning("CFF065", format!("an entry has no `{name}`")).hint("it is called `multiValue`");
            self.findings.add(Diagnostic { fix, ..problem }, place);
        }
    }
}

impl Visit for Entries<'_, '_, '_> {
    fn visit_assign_expr(&mut self, node: &AssignExpr) {
        if let AssignTarget::Simple(SimpleAssignTarget::Member(member)) = &node.left {
            self.target(member, node.op, &node.right);
            // Its name has been looked at, whether it is the member itself or what that is a part of.
            self.written = true;
            member.visit_with(self);
            self.written = false;
        } else {
            node.left.visit_with(self);
        }
        node.right.visit_with(self);
    }

    fn visit_unary_expr(&mut self, node: &UnaryExpr) {
        if node.op == UnaryOp::Delete
            && let Expr::Member(member) = bare(&node.arg)
        {
            if let (Shape::Table(table), Some(name)) = (self.findings.model.shape(&member.obj), member_name(&member.prop)) {
                self.changed(table, name, member_place(&member.prop), Change::Delete);
            }
            self.written = true;
        }
        node.visit_children_with(self);
        self.written = false;
    }

    fn visit_member_expr(&mut self, node: &MemberExpr) {
        self.wrong_key(node);
        match (self.findings.model.shape(&node.obj), member_name(&node.prop)) {
            (Shape::Table(table), Some(name)) => {
                let written = std::mem::replace(&mut self.written, false);
                let own = table.is_own() || name == "hasOwnProperty" || name == "propertyIsEnumerable" || name == "toString";
                if !written && !own {
                    self.in_lower_case(table, name, member_place(&node.prop), true);
                }
            }
            (Shape::Entry(..), _) => {}
            _ => self.written = false,
        }
        node.visit_children_with(self);
    }

    fn visit_object_lit(&mut self, node: &ObjectLit) {
        if property(node, "statusCode").is_some() && !self.shown {
            for (name, table) in [("headers", Table::OwnHeaders), ("cookies", Table::OwnCookies)] {
                if let Some(value) = property(node, name).and_then(|property| property.value) {
                    self.table(table, &value);
                }
            }
        }
        node.visit_children_with(self);
    }

    fn visit_call_expr(&mut self, node: &CallExpr) {
        let shown = self.shown;
        self.shown |= self.findings.model.is_for_show(node);
        if let Callee::Expr(callee) = &node.callee
            && let Expr::Member(member) = bare(callee)
            && self.findings.model.is_global(&member.obj, "Object")
            && member.prop.is_ident_with("assign")
            && let Some((target, others)) = node.args.split_first()
            && let Shape::Table(table) = self.findings.model.shape(&target.expr)
        {
            for other in others.iter().filter(|other| other.spread.is_none()) {
                self.table(table, &other.expr);
            }
        }
        node.visit_children_with(self);
        self.shown = shown;
    }
}
