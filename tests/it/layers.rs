//! Who may use whom, and what the Lambda must not link. The table is the map of the program: it is
//! repeated in `docs/architecture.md`, and a test compares them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Module, what it may use, and whether it may touch the world.
const TABLE: &[(&str, &[&str], &str)] = &[
    ("source", &[], "pure"),
    ("release", &[], "pure"),
    ("script", &["source"], "pure"),
    ("site", &["source", "release", "script"], "pure"),
    ("edge", &["source", "release", "script"], "pure"),
    ("deploy", &["release"], "pure"),
    ("jobs", &[], "pure"),
    ("config", &["source", "release", "site", "edge", "deploy", "jobs"], "pure"),
    ("build", &["source", "release", "site", "edge", "deploy", "jobs", "config"], "pure"),
    ("disk", &["source", "release", "jobs"], "rim"),
    ("preview", &["source", "release", "site", "edge", "deploy", "jobs", "build", "disk"], "rim"),
    ("cli", &["source", "release", "site", "edge", "deploy", "jobs", "config", "build", "disk", "preview"], "rim"),
];

/// What only a rim may name: disk, environment, clock, network, threads that wait.
const EFFECTS: &[&str] = &[
    "std::fs",
    "std::env::",
    "std::net::Tcp",
    "std::net::Udp",
    "std::process",
    "SystemTime",
    "Instant::now",
    "tokio::",
    "println!",
    "eprintln!",
];

/// Where a pure module meets the world after all: the stores, the buckets and the router wait for the network, and
/// the clock has to be somewhere.
const DOORS: &[&str] = &["deploy/apply/", "deploy/remote/", "jobs/store/", "jobs/api/", "jobs/auth/staff.rs", "jobs/world.rs"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// Every source file with the module it belongs to; tests that lie beside a module may do as they like.
fn sources() -> Vec<(String, PathBuf, String)> {
    let mut found = Vec::new();
    let mut open = vec![root().join("src")];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.extend(Some(path).filter(|path| !path.ends_with("tests")));
            } else if !path.ends_with("tests.rs") && path.extension().is_some_and(|extension| extension == "rs") {
                let inner = path.strip_prefix(root().join("src")).expect("below src").to_path_buf();
                let first = inner.iter().next().expect("a name").to_string_lossy().trim_end_matches(".rs").to_owned();
                let text = fs::read_to_string(&path).expect("text");
                found.push((first, inner, text));
            }
        }
    }
    found.sort();
    found
}

/// The modules that a text names behind `crate::`, within braces too.
fn used(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        let list = match rest.strip_prefix('{') {
            Some(inner) => inner.split('}').next().unwrap_or_default().split(',').map(str::trim).collect(),
            None => vec![rest],
        };
        for item in list {
            names.push(item.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>());
        }
    }
    names
}

#[test]
fn nobody_uses_whom_they_may_not() {
    let table: BTreeMap<&str, &[&str]> = TABLE.iter().map(|(module, may, _)| (*module, *may)).collect();
    let mut wrong = Vec::new();
    for (module, path, text) in sources() {
        if matches!(module.as_str(), "lib" | "main" | "bin") {
            continue;
        }
        let Some(may) = table.get(module.as_str()) else {
            wrong.push(format!("{}: `{module}` has no row in the table", path.display()));
            continue;
        };
        for name in used(&text) {
            if name != module && !may.contains(&name.as_str()) {
                wrong.push(format!("{}: `{module}` must not use `{name}`", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_pure_modules_touch_nothing() {
    let pure: Vec<&str> = TABLE.iter().filter(|(_, _, kind)| *kind == "pure").map(|(module, _, _)| *module).collect();
    let mut wrong = Vec::new();
    for (module, path, text) in sources() {
        let name = path.to_string_lossy().replace('\\', "/");
        if DOORS.iter().any(|door| name.starts_with(door)) {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for effect in EFFECTS.iter().filter(|effect| pure.contains(&module.as_str()) && code.contains(**effect)) {
            wrong.push(format!("{}: `{effect}` in a pure module", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_heavy_crate_is_named_in_one_place() {
    let homes: [(&str, &[&str]); 10] = [
        ("swc_core::", &["script/"]),
        ("lightningcss::", &["site/css.rs"]),
        ("syntect::", &["site/highlight.rs"]),
        ("notify::", &["disk/watch.rs"]),
        ("rquickjs::", &["edge/emulator/"]),
        ("saphyr::", &["source/table.rs"]),
        ("annotate_snippets::", &["source/diagnostic.rs"]),
        ("aws_sdk_s3::", &["jobs/store/s3.rs", "deploy/remote/aws/"]),
        ("aws_sdk_cloudfront::", &["deploy/remote/aws/"]),
        ("aws_sdk_dynamodb::", &["jobs/store/dynamo/"]),
    ];
    for (_, path, text) in sources() {
        let path = path.to_string_lossy().into_owned();
        for (name, homes) in homes {
            let is_home = homes.iter().any(|home| path.starts_with(home));
            assert!(!text.contains(name) || is_home, "{path} names `{name}`, which belongs to {}", homes.join(" and "));
        }
    }
}

#[test]
fn features_are_decided_in_one_file() {
    for (_, path, text) in sources() {
        assert!(
            path == Path::new("lib.rs") || !text.contains("cfg(feature"),
            "{}: `cfg(feature …)` belongs to lib.rs",
            path.display()
        );
    }
}

#[test]
fn the_page_on_the_architecture_has_the_same_table() {
    let page = fs::read_to_string(root().join("docs/architecture.md")).expect("docs/architecture.md");
    for (module, may, kind) in TABLE {
        let uses = if may.is_empty() { "–".to_owned() } else { may.join(", ") };
        let row = page
            .lines()
            .find(|line| line.starts_with(&format!("| `{module}` |")))
            .unwrap_or_else(|| panic!("no row for `{module}`"));
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        assert_eq!((cells[3], cells[4]), (uses.as_str(), *kind), "`{module}` in docs/architecture.md");
    }
}

#[test]
fn the_lambda_links_no_compiler() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--edges", "normal", "--prefix", "none", "--no-default-features", "--features", "lambda", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8_lossy(&output.stdout);
    assert!(tree.contains("qdn"), "a tree: {tree}");
    for unwanted in ["swc_", "rquickjs", "lightningcss", "minijinja", "walkdir", "notify", "aws-lc"] {
        assert!(!tree.contains(unwanted), "the Lambda links `{unwanted}`:\n{tree}");
    }
}
