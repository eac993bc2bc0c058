//! Headers: how they are named, what they are made of, which are CloudFront's own, and that they may be absent.

use super::Scene;
use super::facts::{Owner, What, key, pairs, text};
use crate::edge::event::Kind;
use crate::edge::headers;
use crate::script::ast::{
    AssignExpr, AssignOp, AssignTarget, CatchClause, Expr, Ident, MemberExpr, MemberProp, ObjectLit, OptChainBase, OptChainExpr,
    PropOrSpread, SimpleAssignTarget, TryStmt, UnaryExpr, UnaryOp, VarDeclarator,
};
use crate::script::visit::{Visit, VisitWith};
use crate::script::{Position, Spanned as _};
use std::collections::BTreeSet;

pub(super) fn check(scene: &mut Scene<'_>) {
    let module = scene.parsed.module();
    module.visit_with(&mut Writes { scene });
    let mut tests = Tests { scene, uses: Vec::new(), tested: BTreeSet::new(), in_try: false };
    module.visit_with(&mut tests);
    let Tests { uses, tested, .. } = tests;
    for (what, position) in uses {
        if tested.contains(&name_of(&what)) {
            continue;
        }
        let (kind, name) = match &what {
            What::Header(_, name) => ("header", name),
            What::Entry(kind, name) => (*kind, name),
            _ => continue,
        };
        let what = match kind {
            "query" => format!("the query may have no `{name}`"),
            "cookie" => format!("there may be no cookie `{name}`"),
            _ => format!("there may be no header `{name}`"),
        };
        let message = format!("{what}: reading its `value` then fails the request");
        scene.error("CFF061", position, message, "test it first: `if (x) { … x.value … }`");
    }
}

/// Headers that are written, in an object or by assignment.
struct Writes<'a, 'b> {
    scene: &'a mut Scene<'b>,
}

impl Writes<'_, '_> {
    fn case(&mut self, name: &str, position: Position) {
        if name.chars().any(char::is_uppercase) {
            let message = format!("header names are in lower case: `{name}`");
            let hint = format!("write `{}`", name.to_lowercase());
            self.scene.error("CFF052", position, message, hint);
        }
    }

    /// A header that is added, changed or deleted.
    fn touched(&mut self, owner: Owner, name: &str, position: Position) {
        let lower = name.to_lowercase();
        if headers::disallowed(&lower) {
            let message = format!("functions may not set the header `{lower}`: the viewer gets 502");
            self.scene.error("CFF054", position, message, "use a header of your own name, such as `x-…`");
        }
        let kind = if owner == Owner::Request { Kind::ViewerRequest } else { Kind::ViewerResponse };
        if headers::read_only(kind).contains(&lower.as_str()) {
            let message = format!("the header `{lower}` is read-only here: the viewer gets 502");
            self.scene.error("CFF055", position, message, "leave it as it is; TestFunction does not notice this");
        }
    }

    fn shape(&mut self, what: &str, value: &Expr) {
        let hint = "write `{ value: 'text' }`";
        match value {
            Expr::Lit(_) | Expr::Tpl(_) | Expr::Array(_) => {
                self.scene.error("CFF053", value.span(), format!("the {what} is not an object with a `value`"), hint);
            }
            Expr::Bin(sum) if sum.op.as_str() == "+" => {
                self.scene.error("CFF053", value.span(), format!("the {what} is not an object with a `value`"), hint);
            }
            Expr::Object(object) => {
                let spread = object.props.iter().any(|property| matches!(property, PropOrSpread::Spread(_)));
                let has = |name: &str| object.props.iter().any(|property| names(property).as_deref() == Some(name));
                if !spread && !has("value") && !has("multiValue") {
                    self.scene.error("CFF053", value.span(), format!("the {what} has no `value`"), hint);
                }
                for (_, name, value) in pairs(object) {
                    let number = matches!(value, Expr::Lit(literal) if !matches!(literal, crate::script::ast::Lit::Str(_)));
                    if name == "value" && (number || matches!(value, Expr::Object(_) | Expr::Array(_))) {
                        let message = format!("the `value` of the {what} is not a text");
                        self.scene.error("CFF053", value.span(), message, "write it in quotes");
                    }
                }
            }
            Expr::Paren(inner) => self.shape(what, &inner.expr),
            _ => {}
        }
    }

    /// All headers at once.
    fn table(&mut self, owner: Owner, object: &ObjectLit) {
        for (name, text, value) in pairs(object) {
            self.case(&text, name.span());
            self.touched(owner, &text, name.span());
            self.shape(&format!("header `{text}`"), value);
        }
    }

    fn member(&mut self, node: &MemberExpr) {
        if let Some(What::Header(_, name)) = self.scene.facts.member(node) {
            let position = match &node.prop {
                MemberProp::Ident(name) => name.span,
                MemberProp::Computed(computed) => computed.expr.span(),
                MemberProp::PrivateName(_) => node.span,
            };
            self.case(&name, position);
        }
    }
}

/// The name of any kind of property.
fn names(property: &PropOrSpread) -> Option<String> {
    use crate::script::ast::Prop;
    match property {
        PropOrSpread::Prop(property) => match &**property {
            Prop::Shorthand(name) => Some(name.sym.to_string()),
            Prop::KeyValue(pair) => key(&pair.key),
            Prop::Getter(getter) => key(&getter.key),
            Prop::Method(method) => key(&method.key),
            _ => None,
        },
        PropOrSpread::Spread(_) => None,
    }
}

impl Visit for Writes<'_, '_> {
    fn visit_member_expr(&mut self, node: &MemberExpr) {
        self.member(node);
        node.visit_children_with(self);
    }

    fn visit_object_lit(&mut self, node: &ObjectLit) {
        // A response of the function's own.
        if super::facts::property(node, "statusCode").is_some() {
            for (_, name, value) in pairs(node) {
                match (name.as_str(), value) {
                    ("headers", Expr::Object(table)) => self.table(Owner::Generated, table),
                    ("cookies", Expr::Object(table)) => {
                        for (_, name, value) in pairs(table) {
                            self.shape(&format!("cookie `{name}`"), value);
                        }
                    }
                    _ => {}
                }
            }
        }
        node.visit_children_with(self);
    }

    fn visit_assign_expr(&mut self, node: &AssignExpr) {
        if let AssignTarget::Simple(SimpleAssignTarget::Member(target)) = &node.left {
            match self.scene.facts.member(target) {
                Some(What::Header(owner, name)) => {
                    self.touched(owner, &name, target.span);
                    if node.op == AssignOp::Assign {
                        self.shape(&format!("header `{name}`"), &node.right);
                    }
                }
                Some(What::Entry(kind, name)) if node.op == AssignOp::Assign => {
                    self.shape(&format!("{kind} value `{name}`"), &node.right);
                }
                Some(What::Headers(owner)) => {
                    if let Expr::Object(table) = &*node.right {
                        self.table(owner, table);
                        let open = table.props.iter().any(|property| names(property).is_none());
                        let has_host = table.props.iter().any(|property| names(property).as_deref() == Some("host"));
                        if owner == Owner::Request && !open && !has_host {
                            let message = "new headers without `host` delete it, and it is read-only: the viewer gets 502";
                            self.scene.error("CFF055", target.span, message, "change the headers that are there, one by one");
                        }
                    }
                }
                _ => {
                    if let Some(What::Header(owner, name)) = self.scene.facts.what(&target.obj) {
                        self.touched(owner, &name, target.span);
                        if matches!(&target.prop, MemberProp::Ident(part) if &*part.sym == "value")
                            && matches!(&*node.right, Expr::Lit(literal) if !matches!(literal, crate::script::ast::Lit::Str(_)))
                        {
                            let message = format!("the `value` of the header `{name}` is not a text");
                            self.scene.error("CFF053", node.right.span(), message, "write it in quotes");
                        }
                    }
                }
            }
        }
        node.visit_children_with(self);
    }

    fn visit_unary_expr(&mut self, node: &UnaryExpr) {
        if node.op == UnaryOp::Delete
            && let Some(What::Header(owner, name)) = self.scene.facts.what(&node.arg)
            // To delete what one may not add is to do nothing.
            && !headers::disallowed(&name.to_lowercase())
        {
            self.touched(owner, &name, node.span);
        }
        node.visit_children_with(self);
    }
}

/// What may be absent, and where it is used as if it were not.
struct Tests<'a, 'b> {
    scene: &'a Scene<'b>,
    uses: Vec<(What, Position)>,
    /// What is looked at as a whole anywhere: compared, tested, assigned.
    tested: BTreeSet<String>,
    in_try: bool,
}

fn name_of(what: &What) -> String {
    format!("{what:?}")
}

fn may_be_absent(what: &What) -> bool {
    match what {
        // Every viewer's request has one.
        What::Header(Owner::Request, name) => name != "host",
        What::Header(Owner::Response, _) | What::Entry(..) => true,
        _ => false,
    }
}

impl Tests<'_, '_> {
    fn part(&mut self, object: &Expr, position: Position) -> bool {
        let Some(what) = self.scene.facts.what(object).filter(may_be_absent) else { return false };
        if !self.in_try {
            self.uses.push((what, position));
        }
        true
    }

    fn mention(&mut self, what: Option<What>) {
        if let Some(what) = what.filter(may_be_absent) {
            self.tested.insert(name_of(&what));
        }
    }

    /// What is inside of an expression, but not the expression itself.
    fn inside(&mut self, expression: &Expr) {
        match expression {
            Expr::Member(member) => {
                member.obj.visit_with(self);
                if let MemberProp::Computed(computed) = &member.prop {
                    computed.visit_with(self);
                }
            }
            Expr::Paren(inner) => self.inside(&inner.expr),
            _ => {}
        }
    }
}

impl Visit for Tests<'_, '_> {
    fn visit_member_expr(&mut self, node: &MemberExpr) {
        let name = super::facts::member_name(&node.prop);
        if matches!(name.as_deref(), Some("value" | "multiValue" | "attributes")) && self.part(&node.obj, node.span) {
            self.inside(&node.obj);
            return;
        }
        self.mention(self.scene.facts.member(node));
        node.visit_children_with(self);
    }

    fn visit_opt_chain_expr(&mut self, node: &OptChainExpr) {
        if let OptChainBase::Member(member) = &*node.base
            && node.optional
        {
            self.mention(self.scene.facts.what(&member.obj));
            self.inside(&member.obj);
            return;
        }
        node.visit_children_with(self);
    }

    fn visit_ident(&mut self, node: &Ident) {
        self.mention(self.scene.facts.what(&Expr::Ident(node.clone())));
    }

    fn visit_var_declarator(&mut self, node: &VarDeclarator) {
        // To give it another name is no test.
        match &node.init {
            Some(init) if self.scene.facts.what(init).is_some_and(|what| may_be_absent(&what)) => self.inside(init),
            init => init.visit_with(self),
        }
    }

    fn visit_bin_expr(&mut self, node: &crate::script::ast::BinExpr) {
        // 'name' in headers
        if node.op.as_str() == "in"
            && let Some(name) = text(&node.left)
        {
            self.named(&node.right, name);
        }
        node.visit_children_with(self);
    }

    fn visit_call_expr(&mut self, node: &crate::script::ast::CallExpr) {
        // headers.hasOwnProperty('name'), Object.prototype.hasOwnProperty.call(headers, 'name')
        let texts: Vec<String> = node.args.iter().filter_map(|argument| text(&argument.expr)).collect();
        for name in texts {
            if let crate::script::ast::Callee::Expr(callee) = &node.callee
                && let Expr::Member(member) = &**callee
            {
                self.named(&member.obj, name.clone());
            }
            for argument in &node.args {
                self.named(&argument.expr, name.clone());
            }
        }
        node.visit_children_with(self);
    }

    fn visit_try_stmt(&mut self, node: &TryStmt) {
        let before = self.in_try;
        self.in_try |= node.handler.is_some();
        node.block.visit_with(self);
        self.in_try = before;
        node.handler.visit_with(self);
        node.finalizer.visit_with(self);
    }

    fn visit_catch_clause(&mut self, node: &CatchClause) {
        node.body.visit_with(self);
    }
}

impl Tests<'_, '_> {
    fn named(&mut self, table: &Expr, name: String) {
        let what = match self.scene.facts.what(table) {
            Some(What::Headers(owner)) => What::Header(owner, name),
            Some(What::Query) => What::Entry("query", name),
            Some(What::Cookies) => What::Entry("cookie", name),
            _ => return,
        };
        self.mention(Some(what));
    }
}
