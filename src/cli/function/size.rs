//! `qdn function size`.

use super::super::args::Global;
use super::super::build::failed;
use super::super::ui::Ui;
use super::args::Size;
use super::workshop::{Named, Workshop};
use crate::edge::{Bundle, Cause, MAX_CODE_BYTES, Part};
use crate::source::Diagnostic;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Says what takes how many bytes.
pub(super) fn size(global: &Global, command: &Size, ui: &mut Ui) -> Result<u8, String> {
    let workshop = Workshop::open(global, command.function.as_deref(), command.runtime.as_deref())?;
    let (mut bundles, mut problems) = (Vec::new(), workshop.diagnostics.clone());
    for function in &workshop.functions {
        match workshop.check(function).measured() {
            Ok(bundle) => bundles.push((function, bundle)),
            Err(found) => problems.extend(found),
        }
    }
    if problems.iter().any(Diagnostic::is_error) {
        return Ok(failed(&problems, &workshop.sources, "", ui));
    }
    if ui.json {
        let functions: Vec<Value> = bundles.iter().map(|(function, bundle)| document(function, bundle)).collect();
        ui.document(&json!({ "version": 1, "limit": MAX_CODE_BYTES, "functions": functions }));
        return Ok(0);
    }
    for (at, (function, bundle)) in bundles.iter().enumerate() {
        if at > 0 {
            ui.data("");
        }
        ui.data(&table(function, bundle));
    }
    Ok(0)
}

fn document(function: &Named, bundle: &Bundle) -> Value {
    let parts: Vec<Value> = bundle
        .parts
        .iter()
        .map(|part| match &part.cause {
            Cause::Declaration { module, line, name } => {
                json!({ "kind": "declaration", "bytes": part.bytes, "file": module.as_str(), "line": line, "name": name })
            }
            Cause::Helper(name) => json!({ "kind": "helper", "bytes": part.bytes, "name": name, "for": construct(name) }),
            Cause::Import(name) => json!({ "kind": "import", "bytes": part.bytes, "name": name }),
            Cause::Joint => json!({ "kind": "joint", "bytes": part.bytes }),
        })
        .collect();
    let bytes = bundle.code.len();
    json!({
        "name": function.name, "runtime": function.runtime.name(), "bytes": bytes,
        "left": i64::try_from(MAX_CODE_BYTES).unwrap_or_default() - i64::try_from(bytes).unwrap_or_default(), "parts": parts,
    })
}

/// Modules, the largest first, each with what it declares; then what no module wrote.
fn table(function: &Named, bundle: &Bundle) -> String {
    let bytes = bundle.code.len();
    let left = match MAX_CODE_BYTES.checked_sub(bytes) {
        Some(left) => format!("{left} left"),
        None => format!("{} too many", bytes - MAX_CODE_BYTES),
    };
    let mut lines = vec![format!("{}: {bytes} of {MAX_CODE_BYTES} bytes, {left}", function.name)];
    let mut groups: BTreeMap<String, Vec<&Part>> = BTreeMap::new();
    for part in &bundle.parts {
        let group = match &part.cause {
            Cause::Declaration { module, .. } => module.to_string(),
            Cause::Helper(_) => "brought by the compiler, for syntax that the edge lacks".to_owned(),
            Cause::Import(_) | Cause::Joint => "imports, and what joins modules".to_owned(),
        };
        groups.entry(group).or_default().push(part);
    }
    let total = |parts: &[&Part]| parts.iter().map(|part| part.bytes).sum::<usize>();
    let mut groups: Vec<(String, Vec<&Part>)> = groups.into_iter().collect();
    groups.sort_by_key(|(_, parts)| std::cmp::Reverse(total(parts)));
    for (name, parts) in groups {
        lines.push(format!("{:>7}  {name}", total(&parts)));
        for part in parts {
            let what = match &part.cause {
                Cause::Declaration { line, name, .. } if name.is_empty() => format!("the statement in line {line}"),
                Cause::Declaration { line, name, .. } => format!("{name}  (line {line})"),
                Cause::Helper(name) => format!("{name}: {}", construct(name)),
                Cause::Import(name) => format!("import '{name}'"),
                Cause::Joint => "objects of `import * as`, the name `handler`, what helpers count with".to_owned(),
            };
            lines.push(format!("{:>15}  {what}", part.bytes));
        }
    }
    if bundle.parts.is_empty() {
        lines.push("         it is uploaded as it stands".to_owned());
    }
    lines.join("\n")
}

/// What a helper of the compiler's is for.
fn construct(helper: &str) -> &'static str {
    match helper {
        "_extends" | "_object_spread" | "_object_spread_props" => "spread in objects, `{ ...a }`",
        "_object_without_properties_loose" | "_object_without_properties" => "the rest of an object, `{ a, ...rest }`",
        "_object_destructuring_empty" => "an empty pattern, `{} = a`",
        "_inherits_loose" | "_inherits" | "_set_prototype_of" => "`extends`",
        "_create_class" | "_define_properties" | "_defineProperties" => "getters and setters of classes",
        "_class_private_field_loose_base" | "_class_private_field_loose_key" => "private fields, `#a`",
        "_to_property_key" | "_to_primitive" | "_define_property" => "computed names in classes",
        "_super_prop_base" | "_get" | "_set" | "_get_prototype_of" => "`super.a`",
        "_construct" | "_is_native_reflect_construct" => "spread in `new A(...list)`",
        "_instanceof" => "`instanceof`",
        "_type_of" => "`typeof`",
        _ => "rewritten syntax",
    }
}
