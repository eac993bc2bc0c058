//! Responses: a status that is one, a body that can be sent.

use super::Scene;
use super::facts::{What, pairs, property, text};
use crate::script::Spanned as _;
use crate::script::ast::{AssignExpr, AssignOp, AssignTarget, Expr, Lit, ObjectLit, SimpleAssignTarget};
use crate::script::visit::{Visit, VisitWith};
use base64::Engine as _;

pub(super) fn check(scene: &mut Scene<'_>) {
    let module = scene.parsed.module();
    module.visit_with(&mut Responses { scene });
}

struct Responses<'a, 'b> {
    scene: &'a mut Scene<'b>,
}

impl Responses<'_, '_> {
    fn status(&mut self, value: &Expr) {
        let hint = "write a number such as `302`";
        match value {
            Expr::Lit(Lit::Num(number)) if number.value.fract() == 0.0 && (100.0..=599.0).contains(&number.value) => {}
            Expr::Lit(Lit::Num(number)) => {
                self.scene.error("CFF056", number.span, format!("`{}` is no status", number.value), hint);
            }
            Expr::Lit(literal) => {
                self.scene.error("CFF056", literal.span(), "the status is not a number", hint);
            }
            Expr::Tpl(template) => self.scene.error("CFF056", template.span, "the status is not a number", hint),
            _ => {}
        }
    }

    fn body(&mut self, value: &Expr) {
        let hint = "write a text, or `{ encoding: 'base64', data: '…' }`";
        match value {
            Expr::Lit(Lit::Str(_)) => {}
            Expr::Lit(literal) => {
                self.scene.error("CFF057", literal.span(), "the body is not a text", hint);
            }
            Expr::Array(array) => self.scene.error("CFF057", array.span, "the body is not a text", hint),
            Expr::Object(object) => {
                let encoding = property(object, "encoding");
                let data = property(object, "data");
                match encoding {
                    Some(given) => {
                        if let Some(name) = text(given)
                            && !matches!(name.as_str(), "text" | "base64")
                        {
                            let message = format!("a body has no encoding `{name}`");
                            self.scene.error("CFF057", given.span(), message, "there are `text` and `base64`");
                        }
                    }
                    None if pairs(object).count() == object.props.len() => {
                        self.scene.error("CFF057", object.span, "the body has no `encoding`", hint);
                    }
                    None => {}
                }
                if let Some(Expr::Lit(literal)) = data
                    && !matches!(literal, Lit::Str(_))
                {
                    self.scene.error("CFF057", literal.span(), "the `data` of the body is not a text", hint);
                }
                if let (Some("base64"), Some(data)) = (encoding.and_then(text).as_deref(), data)
                    && let Some(bytes) = text(data)
                    && base64::engine::general_purpose::STANDARD.decode(bytes).is_err()
                {
                    self.scene.error("CFF057", data.span(), "this is not base64", "CloudFront refuses the whole response");
                }
            }
            _ => {}
        }
    }
}

impl Visit for Responses<'_, '_> {
    fn visit_object_lit(&mut self, node: &ObjectLit) {
        if let Some(status) = property(node, "statusCode") {
            self.status(status);
            if let Some(body) = property(node, "body") {
                self.body(body);
                if let Expr::Lit(Lit::Num(number)) = status
                    && (number.value == 204.0 || number.value == 304.0)
                {
                    let message = format!("a response with the status {} has no body", number.value);
                    self.scene.error("CFF057", body.span(), message, "remove the body, or answer with another status");
                }
            }
        }
        node.visit_children_with(self);
    }

    fn visit_assign_expr(&mut self, node: &AssignExpr) {
        if let AssignTarget::Simple(SimpleAssignTarget::Member(target)) = &node.left
            && node.op == AssignOp::Assign
        {
            match self.scene.facts.member(target) {
                Some(What::Status) => self.status(&node.right),
                Some(What::Body) => self.body(&node.right),
                _ => {}
            }
        }
        node.visit_children_with(self);
    }
}
