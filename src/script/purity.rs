//! Whether a statement does anything but declare.

use super::parse::Parsed;
use swc_core::ecma::ast::{
    AssignOp, AssignTarget, CallExpr, Callee, Class, ClassMember, Decl, Expr, ExprOrSpread, MemberProp, Pat, Prop, PropName,
    PropOrSpread, SimpleAssignTarget, Stmt, VarDeclKind,
};
use swc_core::ecma::utils::{ExprCtx, ExprExt};

/// Constructors and functions of the runtime that only make a value of what they are given.
const NEW: [&str; 11] =
    ["Array", "Date", "Error", "Headers", "Map", "Object", "Set", "TypeError", "RangeError", "WeakMap", "WeakSet"];
const CALL: [(&str, &[&str]); 5] = [
    ("Object", &["freeze", "create", "keys", "values", "entries", "fromEntries"]),
    ("Array", &["of", "isArray"]),
    ("Number", &["isInteger", "isFinite", "isNaN"]),
    ("String", &["fromCharCode"]),
    ("Symbol", &["for"]),
];

pub(super) fn is_pure(statement: &Stmt, parsed: &Parsed) -> bool {
    match statement {
        Stmt::Empty(_) | Stmt::Decl(Decl::Fn(_)) => true,
        Stmt::Decl(Decl::Class(class)) => class_is_pure(&class.class, parsed),
        Stmt::Decl(Decl::Var(variables)) => variables.decls.iter().all(|declarator| match (&declarator.name, &declarator.init) {
            (Pat::Ident(_), None) => true,
            (Pat::Ident(_), Some(value)) => expression_is_pure(value, parsed),
            _ => false,
        }),
        Stmt::Expr(statement) => expression_is_pure(&statement.expr, parsed),
        _ => false,
    }
}

/// Whether it is a function or a constant whose copies cannot be told apart, so that there may be several.
pub(super) fn may_be_copied(statement: &Stmt) -> bool {
    match statement {
        Stmt::Decl(Decl::Fn(_)) => true,
        Stmt::Decl(Decl::Var(variables)) => {
            variables.kind == VarDeclKind::Const
                && variables.decls.iter().all(|declarator| {
                    declarator.name.is_ident()
                        && declarator
                            .init
                            .as_deref()
                            .is_some_and(|value| matches!(value, Expr::Lit(_) | Expr::Arrow(_) | Expr::Fn(_)))
                })
        }
        _ => false,
    }
}

fn class_is_pure(class: &Class, parsed: &Parsed) -> bool {
    class.decorators.is_empty()
        && class.super_class.as_deref().is_none_or(|parent| matches!(parent, Expr::Ident(_)))
        && class.body.iter().all(|member| match member {
            ClassMember::Method(method) => key_is_pure(&method.key, parsed),
            ClassMember::ClassProp(property) => {
                key_is_pure(&property.key, parsed)
                    && (!property.is_static || property.value.as_deref().is_none_or(|value| expression_is_pure(value, parsed)))
            }
            ClassMember::PrivateProp(property) => {
                !property.is_static || property.value.as_deref().is_none_or(|value| expression_is_pure(value, parsed))
            }
            ClassMember::Constructor(_) | ClassMember::PrivateMethod(_) | ClassMember::Empty(_) => true,
            _ => false,
        })
}

fn key_is_pure(key: &PropName, parsed: &Parsed) -> bool {
    match key {
        PropName::Computed(computed) => expression_is_pure(&computed.expr, parsed),
        _ => true,
    }
}

fn arguments_are_pure(arguments: &[ExprOrSpread], parsed: &Parsed) -> bool {
    arguments.iter().all(|argument| argument.spread.is_none() && expression_is_pure(&argument.expr, parsed))
}

/// What the compiler makes of an `enum`: `function(E) { E[E["A"] = 0] = "A"; return E; }(E || {})`. It fills an object of its own.
fn is_enum(call: &CallExpr, parsed: &Parsed) -> bool {
    let Callee::Expr(callee) = &call.callee else { return false };
    let function = match &**callee {
        Expr::Fn(function) => &function.function,
        Expr::Paren(paren) => match &*paren.expr {
            Expr::Fn(function) => &function.function,
            _ => return false,
        },
        _ => return false,
    };
    let [parameter] = function.params.as_slice() else { return false };
    let (Pat::Ident(name), Some(body)) = (&parameter.pat, &function.body) else { return false };
    let is_object = |expression: &Expr| expression.as_ident().is_some_and(|ident| ident.to_id() == name.id.to_id());
    let fills = |expression: &Expr| match expression {
        Expr::Assign(assign) if assign.op == AssignOp::Assign => match &assign.left {
            AssignTarget::Simple(SimpleAssignTarget::Member(member)) => {
                is_object(&member.obj)
                    && member.prop.as_computed().is_some_and(|name| match &*name.expr {
                        Expr::Assign(inner) => {
                            inner.left.as_simple().and_then(|left| left.as_member()).is_some_and(|left| {
                                is_object(&left.obj) && left.prop.as_computed().is_some_and(|key| key.expr.is_lit())
                            }) && expression_is_pure(&inner.right, parsed)
                        }
                        key => key.is_lit(),
                    })
                    && expression_is_pure(&assign.right, parsed)
            }
            _ => false,
        },
        _ => false,
    };
    let body_fills = body.stmts.iter().all(|statement| match statement {
        Stmt::Expr(statement) => fills(&statement.expr),
        Stmt::Return(inner) => inner.arg.as_deref().is_some_and(is_object),
        _ => false,
    });
    let [argument] = call.args.as_slice() else { return false };
    let is_fresh = match &*argument.expr {
        Expr::Object(object) => object.props.is_empty(),
        Expr::Bin(either) => either.left.is_ident() && either.right.as_object().is_some_and(|object| object.props.is_empty()),
        _ => false,
    };
    body_fills && is_fresh
}

fn expression_is_pure(expression: &Expr, parsed: &Parsed) -> bool {
    match expression {
        Expr::Array(array) => {
            array.elems.iter().flatten().all(|element| element.spread.is_none() && expression_is_pure(&element.expr, parsed))
        }
        Expr::Object(object) => object.props.iter().all(|property| match property {
            PropOrSpread::Spread(_) => false,
            PropOrSpread::Prop(property) => match &**property {
                Prop::Shorthand(_) => true,
                Prop::KeyValue(pair) => key_is_pure(&pair.key, parsed) && expression_is_pure(&pair.value, parsed),
                Prop::Getter(getter) => key_is_pure(&getter.key, parsed),
                Prop::Setter(setter) => key_is_pure(&setter.key, parsed),
                Prop::Method(method) => key_is_pure(&method.key, parsed),
                Prop::Assign(_) => false,
            },
        }),
        Expr::Class(class) => class_is_pure(&class.class, parsed),
        Expr::Paren(paren) => expression_is_pure(&paren.expr, parsed),
        Expr::Cond(cond) => [&cond.test, &cond.cons, &cond.alt].into_iter().all(|part| expression_is_pure(part, parsed)),
        Expr::Tpl(template) => template.exprs.iter().all(|part| matches!(&**part, Expr::Lit(_))),
        Expr::New(new) => {
            let arguments = new.args.as_deref().unwrap_or_default();
            let known = new.callee.as_ident().is_some_and(|callee| parsed.is_global(callee) && NEW.contains(&&*callee.sym));
            (known || parsed.pure_calls.contains(&new.span.lo.0)) && arguments_are_pure(arguments, parsed)
        }
        Expr::Call(call) if is_enum(call, parsed) => true,
        Expr::Call(call) => {
            let known = match &call.callee {
                Callee::Expr(callee) => match &**callee {
                    Expr::Ident(ident) => parsed.is_global(ident) && matches!(&*ident.sym, "Symbol" | "String" | "Boolean"),
                    Expr::Member(member) => match (member.obj.as_ident(), &member.prop) {
                        (Some(object), MemberProp::Ident(name)) => {
                            parsed.is_global(object)
                                && CALL.iter().any(|(known, names)| *known == &*object.sym && names.contains(&&*name.sym))
                        }
                        _ => false,
                    },
                    _ => false,
                },
                _ => false,
            };
            (known || parsed.pure_calls.contains(&call.span.lo.0)) && arguments_are_pure(&call.args, parsed)
        }
        other => {
            let context =
                ExprCtx { unresolved_ctxt: parsed.unresolved, is_unresolved_ref_safe: false, in_strict: true, remaining_depth: 6 };
            !other.may_have_side_effects(context)
        }
    }
}
