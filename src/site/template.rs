//! Templates: the only file that knows how minijinja is set up, and how its errors become ours.

use super::asset::Asset;
use super::page::FIELDS;
use crate::source::{Diagnostic, SourcePath, Sources, Span, near};
use minijinja::value::{Object, ObjectRepr};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value, escape_formatter};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The folder of templates.
pub(super) const TEMPLATES: &str = "templates";

/// Everything a template can name.
pub(super) struct Globals {
    pub(super) site: Value,
    pub(super) statuses: Value,
    pub(super) pages: Value,
    pub(super) assets: Arc<BTreeMap<String, Asset>>,
    /// Files that went into another asset.
    pub(super) parts: BTreeSet<String>,
}

/// Writes a value as minijinja does, but for the slash: `&#x2f;` in every address is right, long and
/// ugly, and no context that HTML escaping is for needs it.
fn write_value(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let text = match value.as_str() {
        Some(text) if matches!(state.auto_escape(), AutoEscape::Html) && !value.is_safe() => text,
        _ => return escape_formatter(out, state, value),
    };
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'&' | b'<' | b'>' | b'"' | b'\'')) {
        let escaped = match rest.as_bytes()[at] {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            _ => "&#39;",
        };
        out.write_str(&rest[..at])?;
        out.write_str(escaped)?;
        rest = &rest[at + 1..];
    }
    out.write_str(rest)?;
    Ok(())
}

/// All templates, parsed. Problems of every one of them are added to `problems`.
pub(super) fn environment<'s>(sources: &'s Sources, globals: Globals, problems: &mut Vec<Diagnostic>) -> Environment<'s> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_debug(true);
    environment.set_auto_escape_callback(|name| match name.rsplit('.').next() {
        Some("txt" | "md") => AutoEscape::None,
        _ => AutoEscape::Html,
    });
    environment.set_formatter(write_value);
    let (assets, parts) = (Arc::clone(&globals.assets), globals.parts.clone());
    environment.add_function("asset", move |name: &str| find(&assets, &parts, name).map(|asset| asset.url.clone()));
    let (assets, parts) = (Arc::clone(&globals.assets), globals.parts);
    environment.add_function("asset_integrity", move |name: &str| find(&assets, &parts, name).map(|asset| asset.integrity.clone()));
    environment.add_global("site", globals.site);
    environment.add_global("statuses", globals.statuses);
    environment.add_global("pages", globals.pages);
    for (path, _) in sources.under(TEMPLATES) {
        let text = match sources.utf8(path) {
            Ok(text) => text,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        let name = path.as_str().strip_prefix("templates/").unwrap_or(path.as_str());
        if let Err(error) = environment.add_template(name, text) {
            problems.push(complaint(&error, sources, &Value::UNDEFINED, &environment));
        }
    }
    environment
}

fn find<'a>(assets: &'a BTreeMap<String, Asset>, parts: &BTreeSet<String>, name: &str) -> Result<&'a Asset, Error> {
    assets.get(name).ok_or_else(|| {
        let message = if parts.contains(name) {
            format!("`{name}` is part of another asset, because another file imports it")
        } else {
            match near(name, assets.keys().map(String::as_str)) {
                Some(near) => format!("there is no asset `{name}`\u{1f}an asset with a similar name exists: `{near}`"),
                None => format!("there is no asset `{name}`\u{1f}assets lie under `site/assets/`"),
            }
        };
        Error::new(ErrorKind::InvalidOperation, message)
    })
}

/// The values of a page's rendering: what `page` means.
#[derive(Debug)]
pub(super) struct Context(pub(super) Value);

impl Object for Context {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        (key.as_str() == Some("page")).then(|| self.0.clone())
    }
}

/// An error of minijinja's in our words, at the place where it arose.
pub(super) fn complaint(error: &Error, sources: &Sources, page: &Value, environment: &Environment<'_>) -> Diagnostic {
    let error = innermost(error);
    let path = error.name().map(|name| SourcePath::new(format!("{TEMPLATES}/{name}")));
    let text = path.as_ref().and_then(|path| sources.text(path.as_str())).unwrap_or_default();
    let span = match error.range() {
        Some(range) => Span::new(range.start, range.end),
        None => line(text, error.line().unwrap_or(1)),
    };
    let expression = text.get(span.start..span.end).unwrap_or_default();
    let detail = error.detail().unwrap_or_default();
    let (message, mut hint) = match detail.split_once('\u{1f}') {
        Some((message, hint)) => (message.to_owned(), Some(hint.to_owned())),
        None => (detail.to_owned(), None),
    };
    let (rule, message) = match error.kind() {
        ErrorKind::UndefinedError => {
            let (name, suggestion) = undefined(expression, page, environment);
            hint = suggestion;
            ("undefined", format!("unknown template variable `{name}`"))
        }
        ErrorKind::SyntaxError => ("template-syntax", format!("this is not a template: {message}")),
        ErrorKind::TemplateNotFound => {
            let name = quoted(&message).unwrap_or(message.as_str()).to_owned();
            let known: Vec<&str> = environment.templates().map(|(name, _)| name).collect();
            hint = near(&name, known).map(|near| format!("a template with a similar name exists: `{near}`"));
            ("no-such-template", format!("there is no template `{name}`"))
        }
        ErrorKind::UnknownFilter | ErrorKind::UnknownFunction | ErrorKind::UnknownTest | ErrorKind::UnknownMethod => {
            ("template", if message.is_empty() { error.kind().to_string() } else { message })
        }
        kind if message.is_empty() => ("template", kind.to_string()),
        _ => ("template", message),
    };
    let diagnostic = Diagnostic::error(rule, message).maybe_hint(hint);
    match path {
        Some(path) => diagnostic.at(&path, span),
        None => diagnostic,
    }
}

/// The error in the included template, not the one that says that including failed.
fn innermost(error: &Error) -> &Error {
    let mut found = error;
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if let Some(inner) = inner.downcast_ref::<Error>()
            && inner.name().is_some()
        {
            found = inner;
        }
        source = inner.source();
    }
    found
}

fn line(text: &str, number: usize) -> Span {
    let start: usize = text.split_inclusive('\n').take(number.saturating_sub(1)).map(str::len).sum();
    let length = text[start..].lines().next().unwrap_or_default().len();
    Span::new(start, start + length)
}

fn quoted(message: &str) -> Option<&str> {
    message.split('"').nth(1)
}

/// Which part of `page.extra.tilte` does not exist, and what was probably meant.
fn undefined(expression: &str, page: &Value, environment: &Environment<'_>) -> (String, Option<String>) {
    let parts: Vec<&str> = expression.trim().split('.').map(str::trim).collect();
    let is_name = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
    if !parts.iter().all(|part| is_name(part)) {
        return (expression.trim().to_owned(), None);
    }
    let top: Vec<&str> = environment.globals().map(|(name, _)| name).chain(["page"]).collect();
    let mut value = match parts[0] {
        "page" => page.clone(),
        name => match environment.globals().find(|(known, _)| *known == name) {
            Some((_, value)) => value,
            None => {
                return (
                    parts[0].to_owned(),
                    near(parts[0], top).map(|name| format!("a variable with a similar name exists: `{name}`")),
                );
            }
        },
    };
    for (at, part) in parts.iter().enumerate().skip(1) {
        match value.get_attr(part) {
            Ok(inner) if !inner.is_undefined() => value = inner,
            _ => {
                let name = parts[..=at].join(".");
                let keys: Vec<String> = match at {
                    1 if parts[0] == "page" => FIELDS.iter().map(|field| (*field).to_owned()).collect(),
                    _ => value.try_iter().map(|keys| keys.map(|key| key.to_string()).collect()).unwrap_or_default(),
                };
                let prefix = parts[..at].join(".");
                let hint = near(part, keys.iter().map(String::as_str))
                    .map(|near| format!("a variable with a similar name exists: `{prefix}.{near}`"));
                return (name, hint);
            }
        }
    }
    (expression.trim().to_owned(), None)
}
