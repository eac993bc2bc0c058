//! From what an `import` says to the module it means.

use super::graph::Options;
use super::package;
use crate::source::{Diagnostic, SCRIPTS, SourcePath, Sources, near};
use std::cell::RefCell;
use std::collections::BTreeSet;

/// The files that are there, and those that were asked for and are not.
pub(super) struct Files<'a> {
    sources: &'a Sources,
    missing: RefCell<BTreeSet<SourcePath>>,
}

impl<'a> Files<'a> {
    pub(super) fn of(sources: &'a Sources) -> Self {
        Self { sources, missing: RefCell::new(BTreeSet::new()) }
    }

    /// Whether there is such a file.
    pub(super) fn has(&self, path: &str) -> bool {
        let found = self.sources.bytes(path).is_some();
        if !found {
            self.missing.borrow_mut().insert(SourcePath::new(path));
        }
        found
    }

    pub(super) fn text(&self, path: &str) -> Option<&'a str> {
        self.sources.text(path)
    }

    pub(super) fn utf8(&self, path: &SourcePath) -> Result<&'a str, Diagnostic> {
        self.sources.utf8(path)
    }

    /// What was asked for in vain.
    pub(super) fn missing(self) -> BTreeSet<SourcePath> {
        self.missing.into_inner()
    }
}

/// What an `import` means.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Meaning {
    /// A file of the project, or a generated module.
    Module(SourcePath),
    /// A module the runtime brings.
    External(String),
}

fn unresolved(message: impl Into<String>, hint: impl Into<Option<String>>) -> Box<Diagnostic> {
    Box::new(Diagnostic::error("unresolved-import", message).maybe_hint(hint.into()))
}

/// What an import means, or what is to be said if it means nothing; the place is the caller's to add.
pub(super) fn resolve(
    files: &Files<'_>,
    options: &Options<'_>,
    from: &SourcePath,
    specifier: &str,
) -> Result<Meaning, Box<Diagnostic>> {
    if options.externals.contains(&specifier) {
        return Ok(Meaning::External(specifier.to_owned()));
    }
    if options.virtual_modules.contains_key(specifier) {
        return Ok(Meaning::Module(SourcePath::new(specifier)));
    }
    if !specifier.starts_with("./") && !specifier.starts_with("../") {
        return match options.packages.then(|| package::resolve(files, from, specifier)).flatten() {
            Some(found) => found.map(|path| Meaning::Module(SourcePath::new(path))),
            None => Err(not_relative(files.sources, options, from, specifier)),
        };
    }
    let Some(path) = join(from.folder(), specifier) else {
        let hint = "a module can only import files of its own project".to_owned();
        return Err(unresolved(format!("`{specifier}` leads out of the project"), hint));
    };
    if files.has(&path) {
        return match path.rsplit_once('.') {
            Some((_, ending)) if SCRIPTS.contains(&ending) => Ok(Meaning::Module(SourcePath::new(path))),
            Some((_, "cjs")) if package::is_inside(&path) => Err(package::common_js(package::name_of(&path))),
            _ => {
                let hint =
                    "only `.js`, `.mjs`, `.ts` and `.mts` files can be imported; write what is in it as a module that exports it"
                        .to_owned();
                Err(unresolved(format!("`{path}` is not a script"), hint))
            }
        };
    }
    if package::is_inside(from.as_str()) {
        return match package::file(files, &path) {
            Some(path) => Ok(Meaning::Module(SourcePath::new(path))),
            None => Err(unresolved(format!("there is no file `{path}`"), "install the package anew".to_owned())),
        };
    }
    // TypeScript has people import `./a.js` where the file is `a.ts`.
    for (written, meant) in [(".js", ".ts"), (".mjs", ".mts")] {
        if let Some(typed) = path.strip_suffix(written).map(|stem| format!("{stem}{meant}"))
            && files.has(&typed)
        {
            return Ok(Meaning::Module(SourcePath::new(typed)));
        }
    }
    let ends = [".js", ".mjs", ".ts", "/index.js", "/index.mjs", "/index.ts"];
    let hint = match ends.into_iter().find(|end| files.has(&format!("{path}{end}"))) {
        Some(end) => Some(format!("write the whole name: `{}{end}`", specifier.trim_end_matches('/'))),
        None => similar(files.sources, &path)
            .map(|found| format!("a file with a similar name exists: `{}`", relative(from.folder(), found))),
    };
    Err(unresolved(format!("there is no file `{path}`"), hint))
}

fn not_relative(sources: &Sources, options: &Options<'_>, from: &SourcePath, specifier: &str) -> Box<Diagnostic> {
    if specifier.is_empty() {
        return unresolved("an import needs the name of a module", None);
    }
    if let Some(rest) = specifier.strip_prefix('/') {
        let hint = match sources.bytes(rest).is_some() {
            true => format!("write `{}`", relative(from.folder(), rest)),
            false => "write a path relative to this file, beginning with `./` or `../`".to_owned(),
        };
        return unresolved(format!("`{specifier}` is an absolute path"), hint);
    }
    if specifier.contains("://") {
        let hint = "copy the module into the project: what is built must not depend on another server".to_owned();
        return unresolved(format!("`{specifier}` is an address, not a file of this project"), hint);
    }
    let known = options.externals.iter().copied().chain(options.virtual_modules.keys().map(String::as_str));
    let beside = join(from.folder(), specifier).is_some_and(|path| sources.bytes(&path).is_some());
    let hint = match near(specifier, known) {
        Some(name) => format!("a module with a similar name exists: `{name}`"),
        None if beside => format!("a file of that name lies beside this one: write `./{specifier}`"),
        None if specifier.starts_with("node:") => {
            "the edge is no Node.js: it has `buffer`, `cloudfront`, `crypto` and `querystring`, each with less in it".to_owned()
        }
        None if specifier.contains(':') => match options.virtual_modules.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>()
        {
            names if names.is_empty() => "there are no generated modules here".to_owned(),
            names => format!("generated modules are {}", names.join(", ")),
        },
        None if options.packages => {
            format!("no package of that name is installed: `npm install {specifier}` puts it into `node_modules`")
        }
        None => "packages are not read from `node_modules`: copy the file into the project and import it with a relative path"
            .to_owned(),
    };
    unresolved(format!("there is no module `{specifier}`"), hint)
}

/// The path from the project's root; `None` where it would lie outside.
pub(super) fn join(folder: &str, specifier: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in specifier.split('/') {
        match part {
            "" | "." => {}
            // A file that was named by itself may lie above the working folder, and its imports higher yet.
            ".." if parts.last() == Some(&"..") => parts.push(".."),
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    let root = if folder.starts_with('/') { "/" } else { "" };
    Some(format!("{root}{}", parts.join("/")))
}

/// The specifier by which a module in `folder` imports `path`.
fn relative(folder: &str, path: &str) -> String {
    let from: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    let to: Vec<&str> = path.split('/').collect();
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count().min(to.len().saturating_sub(1));
    let up = match from.len() - common {
        0 => "./".to_owned(),
        up => "../".repeat(up),
    };
    format!("{up}{}", to[common..].join("/"))
}

/// A script whose path, or else whose name alone, is nearly that of `path`.
fn similar<'a>(sources: &'a Sources, path: &str) -> Option<&'a str> {
    let scripts = || sources.iter().map(|(path, _)| path.as_str()).filter(|path| path.ends_with("js") || path.ends_with(".ts"));
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let beside: Vec<&str> = scripts().filter(|script| script.rsplit_once('/').map_or("", |(folder, _)| folder) == folder).collect();
    let file = |script: &'a str| script.rsplit_once('/').map_or(script, |(_, name)| name);
    if let Some(found) = near(name, beside.iter().map(|script| file(script))) {
        return beside.into_iter().find(|script| file(script) == found);
    }
    scripts().find(|script| file(script) == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_join_and_come_apart() {
        assert_eq!(join("a/b", "../c/./d.js").as_deref(), Some("a/c/d.js"));
        assert_eq!(join("a", "../../x.js"), None);
        assert_eq!(join("/a/b", "../x.js").as_deref(), Some("/a/x.js"));
        assert_eq!(join("../a", "../../x.js").as_deref(), Some("../../x.js"));
        assert_eq!(relative("a/b", "a/c/d.js"), "../c/d.js");
        assert_eq!(relative("", "d.js"), "./d.js");
        assert_eq!(relative("a", "a/d.js"), "./d.js");
    }
}
