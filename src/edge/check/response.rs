//! Responses that a function writes itself.

use super::findings::Findings;
use super::model::{bare, member_name, properties, property};
use super::shape::Shape;
use crate::script::Spanned as _;
use crate::script::ast::{
    ArrayLit, ArrowExpr, AssignExpr, AssignOp, AssignTarget, CallExpr, Constructor, Expr, Function, Lit, ObjectLit,
    SimpleAssignTarget,
};
use crate::script::visit::{Visit, VisitWith};
use crate::source::Diagnostic;
use base64::Engine as _;

pub(super) fn check(findings: &mut Findings<'_, '_>) {
    let module = findings.model.parsed.module();
    module.visit_with(&mut Responses { findings, within: false });
}

struct Responses<'f, 'm, 'a> {
    findings: &'f mut Findings<'m, 'a>,
    /// Whether an object or a list is around.
    within: bool,
}

impl Responses<'_, '_, '_> {
    fn status(&mut self, value: &Expr) -> Option<f64> {
        let resolved = self.findings.model.resolve(value);
        let message = match &*resolved {
            Expr::Lit(Lit::Num(number)) if number.value.fract() == 0.0 && (100.0..600.0).contains(&number.value) => {
                return Some(number.value);
            }
            Expr::Lit(Lit::Num(number)) => format!("there is no status {}", number.value),
            _ => match self.findings.model.shape(value) {
                shape @ (Shape::Text(_) | Shape::Bool | Shape::Nothing | Shape::List(_) | Shape::Object) => {
                    format!("`statusCode` is {}, not a number", shape.name().unwrap_or("an object"))
                }
                _ => return None,
            },
        };
        let fix = match bare(value) {
            Expr::Lit(Lit::Str(text)) => {
                match text.value.as_str().filter(|text| text.len() == 3).and_then(|text| text.parse().ok()) {
                    Some(number @ 100..600u16) => self.findings.instead(value.span(), number.to_string()),
                    _ => Vec::new(),
                }
            }
            _ => Vec::new(),
        };
        let problem = Diagnostic::error("CFF056", message).hint("write a whole number from 100 to 599: `statusCode: 302`");
        self.findings.add(Diagnostic { fix, ..problem }, value.span());
        None
    }

    fn description(&mut self, value: &Expr) {
        let shape = self.findings.model.shape(value);
        if matches!(shape, Shape::Number | Shape::Bool | Shape::List(_) | Shape::Object) {
            let found = shape.name().unwrap_or("an object");
            let message = format!("`statusDescription` is {found}, not a text");
            self.findings.error("CFF056", value.span(), message, "write `statusDescription: 'Found'`, or leave it out");
        }
    }

    fn body(&mut self, value: &Expr) {
        let resolved = self.findings.model.resolve(value);
        if let Expr::Object(object) = &*resolved {
            self.body_object(object);
            return;
        }
        let shape = self.findings.model.shape(value);
        let hint = match shape {
            Shape::Number | Shape::Bool => "write it as a text: `String(…)`",
            Shape::List(_) | Shape::Table(_) | Shape::Entry(..) => "write it as a text: `JSON.stringify(…)`",
            Shape::Buffer => "write `{ encoding: 'base64', data: buffer.toString('base64') }`",
            Shape::Promise | Shape::Read => "wait for it: `await …`",
            _ => return,
        };
        let found = shape.name().unwrap_or("an object");
        self.findings.error("CFF057", value.span(), format!("the body is {found}, not a text"), hint);
    }

    fn body_object(&mut self, object: &ObjectLit) {
        let (known, all) = properties(object);
        let find = |name: &str| known.iter().find(|property| property.name == name);
        let (encoding, data) = (find("encoding"), find("data"));
        if all && (encoding.is_none() || data.is_none()) {
            let missing = if data.is_none() { "data" } else { "encoding" };
            let hint = match data {
                None => "a body is a text, or `{ encoding: 'text', data: '…' }`; of an object make a text with `JSON.stringify`",
                Some(_) => "write `encoding: 'text'` or `encoding: 'base64'`",
            };
            self.findings.error("CFF057", object.span, format!("the body has no `{missing}`"), hint);
            return;
        }
        let text = |value: Option<&Expr>| match value {
            Some(Expr::Lit(Lit::Str(text))) => text.value.as_str().map(str::to_owned),
            _ => None,
        };
        let place = |property: &super::model::Property<'_>| property.value.as_ref().map_or(property.place, |value| value.span());
        let resolved = |property: Option<&super::model::Property<'_>>| {
            property.and_then(|property| property.value.as_deref()).map(|value| self.findings.model.resolve(value))
        };
        let encoding = encoding.map(|property| (place(property), text(resolved(Some(property)).as_deref())));
        let written = text(resolved(data).as_deref());
        match encoding {
            Some((place, Some(encoding))) if !matches!(encoding.as_str(), "text" | "base64") => {
                let hint = "there are `text` and `base64`";
                self.findings.error("CFF057", place, format!("a body has no encoding `{encoding}`"), hint);
            }
            Some((_, Some(encoding))) if encoding == "base64" => {
                let bad = written.is_some_and(|data| base64::engine::general_purpose::STANDARD.decode(data).is_err());
                if let (true, Some(data)) = (bad, data) {
                    self.findings.error("CFF057", place(data), "this is no base64", "encode it with padding: `btoa('…')`");
                }
            }
            _ => {}
        }
        if let Some(value) = data.and_then(|data| data.value.as_deref()) {
            let shape = self.findings.model.shape(value);
            if matches!(shape, Shape::Number | Shape::Bool | Shape::List(_) | Shape::Object | Shape::Nothing | Shape::Buffer) {
                let found = shape.name().unwrap_or("an object");
                self.findings.error("CFF057", value.span(), format!("the `data` of a body is {found}, not a text"), "write a text");
            }
        }
    }
}

impl Visit for Responses<'_, '_, '_> {
    fn visit_object_lit(&mut self, node: &ObjectLit) {
        let within = std::mem::replace(&mut self.within, true);
        // A row of a table, such as `{ from: '/a', statusCode: '301' }`, may be made into a response later on.
        let is_row =
            within && ["headers", "body", "statusDescription", "cookies"].into_iter().all(|name| property(node, name).is_none());
        if let Some(code) = property(node, "statusCode").filter(|_| !is_row) {
            let status = code.value.and_then(|value| self.status(&value));
            if let Some(value) = property(node, "statusDescription").and_then(|property| property.value) {
                self.description(&value);
            }
            if let Some(body) = property(node, "body") {
                if let Some(value) = &body.value {
                    self.body(value);
                }
                let empty = |value: &Expr| matches!(value, Expr::Lit(Lit::Str(text)) if text.value.is_empty());
                let some = body.value.as_deref().filter(|value| !empty(bare(value)));
                if let (Some(status), Some(value)) = (status.filter(|status| matches!(*status as u16, 204 | 304)), some) {
                    let message = format!("a response with status {status} has no body");
                    self.findings.warning("CFF057", value.span(), message, "leave `body` out");
                }
            }
        }
        node.visit_children_with(self);
        self.within = within;
    }

    fn visit_array_lit(&mut self, node: &ArrayLit) {
        let within = std::mem::replace(&mut self.within, true);
        node.visit_children_with(self);
        self.within = within;
    }

    fn visit_function(&mut self, node: &Function) {
        let within = std::mem::replace(&mut self.within, false);
        node.visit_children_with(self);
        self.within = within;
    }

    fn visit_constructor(&mut self, node: &Constructor) {
        let within = std::mem::replace(&mut self.within, false);
        node.visit_children_with(self);
        self.within = within;
    }

    fn visit_arrow_expr(&mut self, node: &ArrowExpr) {
        let within = std::mem::replace(&mut self.within, false);
        node.visit_children_with(self);
        self.within = within;
    }

    fn visit_call_expr(&mut self, node: &CallExpr) {
        if !self.findings.model.is_for_show(node) {
            node.visit_children_with(self);
        }
    }

    fn visit_assign_expr(&mut self, node: &AssignExpr) {
        if let AssignTarget::Simple(SimpleAssignTarget::Member(member)) = &node.left
            && node.op == AssignOp::Assign
            && matches!(self.findings.model.shape(&member.obj), Shape::Response | Shape::OwnResponse)
        {
            match member_name(&member.prop) {
                Some("statusCode") => {
                    self.status(&node.right);
                }
                Some("statusDescription") => self.description(&node.right),
                Some("body") => self.body(&node.right),
                _ => {}
            }
        }
        node.visit_children_with(self);
    }
}
