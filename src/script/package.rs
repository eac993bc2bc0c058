//! Packages that npm has put into `node_modules`: which of their files an import means.
//!
//! The rules are those of Node.js (`exports`, `imports`, conditions, subpath patterns) and, for packages without
//! `exports`, those of bundlers (`module` before `main`, names without their end). Only ES modules can be linked.

use super::resolve::{Files, join};
use crate::source::{Diagnostic, SourcePath};
use serde_json::{Map, Value};

/// The folder that npm installs into.
const FOLDER: &str = "node_modules";

/// What we take of a conditional export, the best first. `module` is what packages write for bundlers.
const CONDITIONS: [&str; 3] = ["module", "import", "default"];

/// What a name without its end may mean inside of a package, which nobody can edit.
const ENDS: [&str; 5] = ["", ".js", ".mjs", "/index.js", "/index.mjs"];

/// Whether a file belongs to a package.
pub(super) fn is_inside(path: &str) -> bool {
    path.split('/').any(|part| part == FOLDER)
}

/// Whether a file belongs to a package that npm installed.
pub fn is_of_package(path: &SourcePath) -> bool {
    is_inside(path.as_str())
}

/// The name of a package and what is asked of it: `.` or `./sub`. `None` where it names no package.
fn split(specifier: &str) -> Option<(&str, String)> {
    let names = if specifier.starts_with('@') { 2 } else { 1 };
    let end = specifier.match_indices('/').nth(names - 1).map_or(specifier.len(), |(at, _)| at);
    let (name, rest) = specifier.split_at(end);
    let legal = !name.is_empty() && !name.starts_with(['.', '/', '#']) && !name.contains([':', '\\', '%']);
    (legal && name.matches('/').count() + 1 == names).then(|| (name, format!(".{rest}")))
}

/// A folder and all above it, without those that hold packages themselves.
fn upwards(folder: &str) -> impl Iterator<Item = &str> {
    let folders = std::iter::successors(Some(folder), |folder| {
        if folder.is_empty() { None } else { Some(folder.rsplit_once('/').map_or("", |(above, _)| above)) }
    });
    folders.filter(|folder| !folder.ends_with(FOLDER))
}

/// The folder of the nearest package of a name.
fn find(files: &Files<'_>, from: &SourcePath, name: &str) -> Option<String> {
    let absolute = from.as_str().starts_with('/');
    upwards(from.folder()).find_map(|folder| {
        let slash = if folder.is_empty() && !absolute { "" } else { "/" };
        let folder = format!("{folder}{slash}{FOLDER}/{name}");
        files.has(&format!("{folder}/package.json")).then_some(folder)
    })
}

/// Whether an import names a package that is there.
pub(super) fn is_there(files: &Files<'_>, from: &SourcePath, specifier: &str) -> bool {
    split(specifier).is_some_and(|(name, _)| find(files, from, name).is_some())
}

/// The file that an import of a package means; `None` where no such package is installed.
pub(super) fn resolve(files: &Files<'_>, from: &SourcePath, specifier: &str) -> Option<Result<String, Box<Diagnostic>>> {
    if specifier.starts_with('#') {
        return own(files, from, specifier);
    }
    let (name, wanted) = split(specifier)?;
    let folder = find(files, from, name)?;
    Some(description(files, &folder).and_then(|package| {
        let path = match package.get("exports") {
            Some(exports) if !exports.is_null() => by_exports(files, exports, &folder, name, &wanted)?,
            _ => match wanted.strip_prefix("./") {
                Some(inner) => {
                    let path = format!("{folder}/{inner}");
                    file(files, &path).ok_or_else(|| absent(name, &path))?
                }
                None => main(files, &folder, &package).ok_or_else(|| {
                    refuse(format!("the package `{name}` has no file to begin with"), "import one of its files: `package/file.js`")
                })?,
            },
        };
        match path.rsplit_once('.') {
            Some((_, "js" | "mjs")) => Ok(path),
            Some((_, "cjs")) => Err(common_js(name)),
            _ => Err(refuse(format!("`{path}` is not a script"), "only ES modules of a package can be imported")),
        }
    }))
}

/// `#name` is whatever the package that the importer belongs to says.
fn own(files: &Files<'_>, from: &SourcePath, specifier: &str) -> Option<Result<String, Box<Diagnostic>>> {
    let folder = root(from.as_str())?;
    let name = folder.rsplit_once(&format!("{FOLDER}/")).map_or(folder, |(_, name)| name);
    let package = match description(files, folder) {
        Ok(package) => package,
        Err(problem) => return Some(Err(problem)),
    };
    let imports = package.get("imports")?.as_object()?;
    let target = lookup(imports, specifier)?;
    if let Some(path) = target.strip_prefix("./") {
        let path = format!("{folder}/{path}");
        return Some(if files.has(&path) { Ok(path) } else { Err(absent(name, &path)) });
    }
    // A name of its own may not stand for another one: that could go in a circle.
    if target.starts_with('#') {
        return None;
    }
    resolve(files, from, &target)
}

/// The folder of the package that a file belongs to.
fn root(path: &str) -> Option<&str> {
    let start = path.rfind(&format!("{FOLDER}/"))? + FOLDER.len() + 1;
    let names = if path[start..].starts_with('@') { 2 } else { 1 };
    let end = path[start..].match_indices('/').nth(names - 1)?.0;
    Some(&path[..start + end])
}

fn description(files: &Files<'_>, folder: &str) -> Result<Map<String, Value>, Box<Diagnostic>> {
    let path = format!("{folder}/package.json");
    match serde_json::from_str(files.text(&path).unwrap_or_default()) {
        Ok(Value::Object(package)) => Ok(package),
        Ok(_) => Err(refuse(format!("`{path}` is not an object"), "install the package anew")),
        Err(error) => Err(refuse(format!("`{path}` is not JSON: {error}"), "install the package anew")),
    }
}

fn by_exports(files: &Files<'_>, exports: &Value, folder: &str, name: &str, wanted: &str) -> Result<String, Box<Diagnostic>> {
    let subpaths = exports.as_object().filter(|entries| entries.keys().any(|key| key.starts_with('.')));
    let found = match subpaths {
        Some(entries) => lookup(entries, wanted),
        None => (wanted == ".").then(|| target(exports, None)).flatten(),
    };
    match found.as_deref().map(|found| found.strip_prefix("./")) {
        Some(Some(inner)) => {
            let path = format!("{folder}/{inner}");
            if files.has(&path) { Ok(path) } else { Err(absent(name, &path)) }
        }
        Some(None) => Err(refuse(format!("the exports of `{name}` lead out of the package"), "install the package anew")),
        None => {
            // What is there for `require` alone is no ES module.
            let entry = match subpaths {
                Some(entries) => entries.get(wanted),
                None => Some(exports).filter(|_| wanted == "."),
            };
            if entry.is_some_and(|entry| entry.to_string().contains("\"require\"")) {
                return Err(common_js(name));
            }
            let known: Vec<String> = subpaths
                .into_iter()
                .flat_map(Map::keys)
                .filter(|key| !key.contains('*'))
                .take(8)
                .map(|key| format!("`{name}{}`", key.trim_start_matches('.')))
                .collect();
            let hint =
                if known.is_empty() { "it exports itself alone".to_owned() } else { format!("it exports {}", known.join(", ")) };
            Err(refuse(format!("the package `{name}` does not export `{name}{}`", wanted.trim_start_matches('.')), &hint))
        }
    }
}

/// What a table of `exports` or `imports` says of a name: the name itself, else the longest pattern that fits.
fn lookup(entries: &Map<String, Value>, wanted: &str) -> Option<String> {
    if let Some(entry) = entries.get(wanted) {
        return target(entry, None);
    }
    let fits = entries.iter().filter_map(|(key, value)| {
        let (before, after) = key.split_once('*')?;
        let star = wanted.strip_prefix(before)?.strip_suffix(after).filter(|star| !star.is_empty())?;
        Some((before.len(), star, value))
    });
    let (_, star, value) = fits.max_by_key(|(length, ..)| *length)?;
    target(value, Some(star))
}

fn target(value: &Value, star: Option<&str>) -> Option<String> {
    match value {
        Value::String(path) => Some(star.map_or_else(|| path.clone(), |star| path.replace('*', star))),
        Value::Array(several) => several.iter().find_map(|value| target(value, star)),
        Value::Object(conditions) => CONDITIONS.iter().find_map(|name| target(conditions.get(*name)?, star)),
        _ => None,
    }
}

/// The file that a package without `exports` begins with.
fn main(files: &Files<'_>, folder: &str, package: &Map<String, Value>) -> Option<String> {
    let named = ["module", "main"].into_iter().filter_map(|key| package.get(key)?.as_str());
    named.chain(["index"]).find_map(|named| ENDS.iter().find_map(|end| there(files, &join(folder, &format!("{named}{end}"))?)))
}

/// What a path inside of a package means: a file, one whose end was left out, or a folder with a description of its own.
pub(super) fn file(files: &Files<'_>, path: &str) -> Option<String> {
    let found = ENDS.iter().find_map(|end| there(files, &format!("{path}{end}")));
    found.or_else(|| {
        files.has(&format!("{path}/package.json")).then(|| description(files, path).ok())??.get("module").and_then(|module| {
            let inner = join(path, module.as_str()?)?;
            there(files, &inner)
        })
    })
}

fn there(files: &Files<'_>, path: &str) -> Option<String> {
    files.has(path).then(|| path.to_owned())
}

/// Whether a module does something when it is merely imported: all do, unless their package promises otherwise.
pub(super) fn has_effects(files: &Files<'_>, path: &str) -> bool {
    let Some(folder) = root(path) else { return true };
    let Ok(package) = description(files, folder) else { return true };
    let inner = path[folder.len()..].trim_start_matches('/');
    match package.get("sideEffects") {
        Some(Value::Bool(effects)) => *effects,
        Some(Value::Array(patterns)) => patterns.iter().any(|pattern| {
            let Some(pattern) = pattern.as_str() else { return true };
            let pattern = pattern.trim_start_matches("./");
            match pattern.trim_start_matches("**/").strip_prefix('*') {
                Some(end) if !end.contains('*') => inner.ends_with(end),
                _ => pattern == inner || pattern.contains('*'),
            }
        }),
        _ => true,
    }
}

fn refuse(message: String, hint: &str) -> Box<Diagnostic> {
    Box::new(Diagnostic::error("package", message).hint(hint))
}

fn absent(name: &str, path: &str) -> Box<Diagnostic> {
    refuse(format!("the package `{name}` has no file `{path}`"), "look at what its `package.json` exports, or install it anew")
}

/// A package that was written for `require`.
pub(super) fn common_js(name: &str) -> Box<Diagnostic> {
    refuse(
        format!("`{name}` is CommonJS: only ES modules can be bundled"),
        "use a package or an edition of it that has ES modules (often `…-es` or `…/esm`), or copy the function that you need into a file of yours",
    )
}

/// The name of the package that a file belongs to.
pub(super) fn name_of(path: &str) -> &str {
    let folder = root(path).unwrap_or(path);
    folder.rfind(&format!("{FOLDER}/")).map_or(folder, |at| &folder[at + FOLDER.len() + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Sources;

    #[test]
    fn names_come_apart() {
        assert_eq!(split("a"), Some(("a", ".".to_owned())));
        assert_eq!(split("a/b/c"), Some(("a", "./b/c".to_owned())));
        assert_eq!(split("@a/b"), Some(("@a/b", ".".to_owned())));
        assert_eq!(split("@a/b/c"), Some(("@a/b", "./c".to_owned())));
        for none in ["@a", "./a", "/a", "node:fs", "", "https://a", "#a"] {
            assert_eq!(split(none), None, "{none}");
        }
        assert_eq!(root("f/node_modules/@a/b/c/d.js"), Some("f/node_modules/@a/b"));
        assert_eq!(root("node_modules/a/node_modules/b/c.js"), Some("node_modules/a/node_modules/b"));
        assert_eq!(name_of("node_modules/a/node_modules/@b/c/d.js"), "@b/c");
    }

    #[test]
    fn exports_are_read_as_node_reads_them() {
        let package = r##"{ "name": "p", "main": "old.cjs", "exports": {
            ".": { "types": "./p.d.ts", "require": "./p.cjs", "import": { "node": "./node.mjs", "default": "./p.mjs" } },
            "./one": "./lib/one.js", "./deep/*": { "import": "./lib/deep/*.js" }, "./deep/secret/*": null,
            "./many": [{ "require": "./x.cjs" }, "./lib/many.js"], "./old": { "require": "./old.cjs" }, "./gone": "./gone.js" },
            "imports": { "#inner": "./lib/one.js", "#other": "q" } }"##;
        let q = r#"{ "name": "q", "module": "es/index.js", "main": "lib/index.js", "sideEffects": ["*.css", "./es/loud.js"] }"#;
        let files: Vec<(&str, &str)> = vec![
            ("node_modules/p/package.json", package),
            ("node_modules/p/p.mjs", ""),
            ("node_modules/p/lib/one.js", ""),
            ("node_modules/p/lib/many.js", ""),
            ("node_modules/p/lib/deep/x.js", ""),
            ("node_modules/q/package.json", q),
            ("node_modules/q/es/index.js", ""),
            ("node_modules/q/es/sub.js", ""),
            ("f/node_modules/q/package.json", r#"{ "main": "./nearer" }"#),
            ("f/node_modules/q/nearer/index.js", ""),
        ];
        let sources: Sources = files.into_iter().map(|(path, text)| (path, text.as_bytes().to_vec())).collect();
        let files = Files::of(&sources);
        let found = |from: &str, specifier: &str| match resolve(&files, &SourcePath::new(from), specifier) {
            None => "none".to_owned(),
            Some(Ok(path)) => path,
            Some(Err(problem)) => problem.message,
        };
        for (from, specifier, expected) in [
            ("main.js", "p", "node_modules/p/p.mjs"),
            ("f/main.js", "p", "node_modules/p/p.mjs"),
            ("main.js", "p/one", "node_modules/p/lib/one.js"),
            ("main.js", "p/deep/x", "node_modules/p/lib/deep/x.js"),
            ("main.js", "p/many", "node_modules/p/lib/many.js"),
            ("main.js", "p/deep/secret/x", "the package `p` does not export `p/deep/secret/x`"),
            ("main.js", "p/lib/one.js", "the package `p` does not export `p/lib/one.js`"),
            ("main.js", "p/old", "`p` is CommonJS: only ES modules can be bundled"),
            ("main.js", "p/gone", "the package `p` has no file `node_modules/p/gone.js`"),
            ("main.js", "q", "node_modules/q/es/index.js"),
            ("main.js", "q/es/sub", "node_modules/q/es/sub.js"),
            ("f/lib/main.js", "q", "f/node_modules/q/nearer/index.js"),
            ("node_modules/p/p.mjs", "#inner", "node_modules/p/lib/one.js"),
            ("node_modules/p/p.mjs", "#other", "node_modules/q/es/index.js"),
            ("main.js", "r", "none"),
        ] {
            assert_eq!(found(from, specifier), expected, "{specifier} from {from}");
        }
        assert!(has_effects(&files, "node_modules/q/es/loud.js") && !has_effects(&files, "node_modules/q/es/sub.js"));
        assert!(has_effects(&files, "node_modules/p/p.mjs") && has_effects(&files, "f/main.js"));
    }
}
