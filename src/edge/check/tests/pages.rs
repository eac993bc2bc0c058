//! The pages of the rules: every rule has one, and every example on it is run.

use super::*;
use crate::edge::event::Event;
use std::path::Path;

/// A block of code on a page: its language and what is said of it, and the code.
fn examples(page: &str) -> Vec<(Vec<&str>, String)> {
    let mut found = Vec::new();
    for block in page.split("\n```").skip(1).step_by(2) {
        let (head, code) = block.split_once('\n').expect("a block has lines");
        found.push((head.split(' ').collect(), expanded(code)));
    }
    found
}

/// `// … and 39 more` stands for as many lines like the one before it, with other numbers.
fn expanded(code: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in code.lines() {
        let more = line.trim().strip_prefix("// … and ").and_then(|rest| rest.strip_suffix(" more"));
        match more.and_then(|count| count.parse::<usize>().ok()) {
            Some(count) => {
                let model = lines.last().cloned().unwrap_or_default();
                lines.extend((2..count + 2).map(|number| model.replace('1', &number.to_string())));
            }
            None => lines.push(line.to_owned()),
        }
    }
    lines.join("\n") + "\n"
}

/// The rules that are broken, with this one switched on.
fn broken(rule: &'static Rule, marks: &[&str], code: &str) -> Vec<&'static str> {
    if marks.contains(&"json") {
        return Event::parse(&"e.json".into(), code).1.iter().map(|problem| problem.rule).collect();
    }
    let runtime = if marks.contains(&"1.0") { Runtime::V1 } else { Runtime::V2 };
    let mut sources: Sources = [("functions/f.js", code.as_bytes().to_vec())].into_iter().collect();
    if marks.contains(&"cases") {
        sources.insert("functions/f.cases/a.json", b"{}".to_vec());
    }
    let mut levels = Levels::default();
    if rule.level == Level::Off {
        levels.set(rule, Level::Warning);
    }
    let none = BTreeMap::new();
    let checked = check(&sources, &"functions/f.js".into(), &Options { runtime, virtual_modules: &none }).under(&levels);
    checked.diagnostics().iter().map(|problem| problem.rule).collect()
}

#[test]
fn every_example_is_what_its_page_says() {
    let mut wrong = Vec::new();
    for rule in RULES {
        let examples = examples(rule.page);
        for kind in ["bad", "good"] {
            if !examples.iter().any(|(marks, _)| marks.contains(&kind)) {
                wrong.push(format!("{} has no {kind} example", rule.id));
            }
        }
        for (marks, code) in &examples {
            // The names of files are looked at in tests/it.
            if marks.contains(&"path") {
                continue;
            }
            let found = broken(rule, marks, code);
            let is_right = match marks.contains(&"bad") {
                true => !found.is_empty() && found.iter().all(|found| *found == rule.id),
                false => found.is_empty(),
            };
            if !is_right {
                wrong.push(format!("{} {marks:?}: {found:?}\n{code}", rule.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the pages are files")]
fn every_rule_has_its_page_and_every_page_its_rule() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules");
    let mut pages: Vec<String> = std::fs::read_dir(folder)
        .expect("there are pages")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    pages.sort();
    let expected: Vec<String> = RULES.iter().map(|rule| format!("{}.md", rule.id)).collect();
    assert_eq!(pages, expected);
    for rule in RULES {
        assert!(rule.page.starts_with(&format!("# {} {}\n\n", rule.id, rule.name)), "{}", rule.id);
        let says = match (rule.enforced, rule.level) {
            (true, _) => "can be neither allowed nor switched off",
            (false, Level::Off) => "To be told:",
            (false, _) => "= \"off\"`",
        };
        assert!(rule.page.contains(says), "{} says how to live with it", rule.id);
    }
}
