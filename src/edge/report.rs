//! Complaints for other programs than ours: SARIF 2.1.0, and the annotations of GitHub Actions.

use super::check::{Level, RULES, Rule};
use crate::source::{Diagnostic, Severity, SourcePath, Sources, Span, line_column};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What a path needs to be a part of an address: everything but what is plain in one.
const PATH: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One SARIF 2.1.0 log of one run. `prefix` leads from the folder that the reader stands in to the sources' own,
/// and is empty or ends in a slash.
pub fn sarif(diagnostics: &[Diagnostic], sources: &Sources, prefix: &str) -> Value {
    let broken: BTreeSet<&str> = diagnostics.iter().map(|problem| problem.rule).collect();
    let known: Vec<&Rule> = RULES.iter().filter(|rule| broken.contains(rule.id)).collect();
    let rules: Vec<Value> = known.iter().map(|rule| descriptor(rule)).collect();
    let results = diagnostics.iter().map(|problem| {
        let mut result = json!({
            "ruleId": problem.rule, "level": level(problem.severity),
            "message": { "text": message(problem) },
        });
        if let Some(index) = known.iter().position(|rule| rule.id == problem.rule) {
            result["ruleIndex"] = json!(index);
        }
        if let Some((path, span)) = &problem.place {
            let text = sources.text(path.as_str()).unwrap_or_default();
            result["locations"] = json!([{ "physicalLocation": {
                "artifactLocation": location(path, prefix), "region": region(text, *span),
            } }]);
            if !problem.fix.is_empty() {
                let replacements: Vec<Value> = problem
                    .fix
                    .iter()
                    .map(|edit| json!({ "deletedRegion": region(text, edit.span), "insertedContent": { "text": edit.text } }))
                    .collect();
                result["fixes"] = json!([{
                    "description": { "text": problem.hints.first().map_or("mend it", String::as_str) },
                    "artifactChanges": [{ "artifactLocation": location(path, prefix), "replacements": replacements }],
                }]);
            }
        }
        result
    });
    let results: Vec<Value> = results.collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "qdn", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn descriptor(rule: &Rule) -> Value {
    let level = match rule.level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Off => "none",
    };
    json!({
        "id": rule.id, "name": rule.name,
        "shortDescription": { "text": rule.summary },
        "fullDescription": { "text": why(rule) },
        "help": { "text": rule.page, "markdown": rule.page },
        "helpUri": rule.reference(),
        "defaultConfiguration": { "level": level },
    })
}

/// The first paragraph of a rule's page.
fn why(rule: &Rule) -> String {
    let paragraph = rule.page.split("\n\n").nth(1).unwrap_or(rule.summary);
    paragraph.replace('\n', " ")
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// What is wrong, and what to do.
fn message(problem: &Diagnostic) -> String {
    match problem.hints.is_empty() {
        true => problem.message.clone(),
        false => format!("{} ({})", problem.message, problem.hints.join("; ")),
    }
}

fn location(path: &SourcePath, prefix: &str) -> Value {
    let path = format!("{prefix}{path}");
    json!({ "uri": percent_encoding::utf8_percent_encode(&path, PATH).to_string(), "uriBaseId": "%SRCROOT%" })
}

/// Lines and columns from 1; the end is one past the last character.
fn region(text: &str, span: Span) -> Value {
    let ((line, column), (end_line, end_column)) = (line_column(text, span.start), line_column(text, span.end));
    json!({ "startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column })
}

/// One workflow command for each complaint, which GitHub Actions shows beside the line it is about.
pub fn github(diagnostics: &[Diagnostic], sources: &Sources, prefix: &str) -> String {
    let mut lines = String::new();
    for problem in diagnostics {
        let place = problem.place.as_ref().map(|(path, span)| {
            let (line, column) = line_column(sources.text(path.as_str()).unwrap_or_default(), span.start);
            format!("file={},line={line},col={column},", property(&format!("{prefix}{path}")))
        });
        let title = match Rule::find(problem.rule) {
            Some(rule) => format!("{} {}", rule.id, rule.name),
            None => problem.rule.to_owned(),
        };
        let mut text = problem.message.clone();
        for hint in &problem.hints {
            text.push_str(&format!("\nhint: {hint}"));
        }
        lines.push_str(&format!(
            "::{} {}title={}::{}\n",
            level(problem.severity),
            place.unwrap_or_default(),
            property(&title),
            escaped(&text)
        ));
    }
    lines
}

/// What would end a command, or be taken for an escape.
fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// As [`escaped`], for what stands before the second `::`.
fn property(text: &str) -> String {
    escaped(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem() -> (Sources, Diagnostic) {
        let sources: Sources = [("functions/ö, a.js", "let x;\nh['Ä-A']".as_bytes().to_vec())].into_iter().collect();
        let problem = Diagnostic::error("CFF052", "100%: `a`\nb")
            .at(&"functions/ö, a.js".into(), Span::new(9, 15))
            .hint("write `ä-a`")
            .fix(Span::new(9, 15), "'ä-a'");
        (sources, problem)
    }

    #[test]
    fn an_annotation_is_one_line_whatever_is_in_it() {
        let (sources, problem) = problem();
        let other = Diagnostic::warning("rules", "no place");
        assert_eq!(
            github(&[problem, other], &sources, "sub/"),
            "::error file=sub/functions/ö%2C a.js,line=2,col=3,title=CFF052 header-case::100%25: `a`%0Ab%0Ahint: write `ä-a`\n::warning title=rules::no place\n"
        );
    }

    /// What the schema of SARIF 2.1.0 requires of what we use of it.
    #[test]
    fn the_log_is_what_the_schema_asks_for() {
        let (sources, problem) = problem();
        let log = sarif(&[problem, Diagnostic::warning("rules", "no place")], &sources, "");
        assert_eq!((&log["version"], log["runs"].as_array().map(Vec::len)), (&json!("2.1.0"), Some(1)));
        let run = &log["runs"][0];
        let driver = &run["tool"]["driver"];
        assert_eq!(driver["name"], "qdn");
        let rules = driver["rules"].as_array().expect("rules");
        assert_eq!(rules.len(), 1);
        for rule in rules {
            assert!(
                rule["id"].is_string()
                    && rule["shortDescription"]["text"].is_string()
                    && rule["fullDescription"]["text"].is_string()
            );
            assert!(rule["helpUri"].as_str().is_some_and(|uri| uri.starts_with("https://")));
            assert!(
                ["error", "warning", "note", "none"].contains(&rule["defaultConfiguration"]["level"].as_str().unwrap_or_default())
            );
        }
        let results = run["results"].as_array().expect("results");
        assert_eq!(results.len(), 2);
        for result in results {
            assert!(result["message"]["text"].as_str().is_some_and(|text| !text.is_empty()));
            assert!(["error", "warning", "note", "none"].contains(&result["level"].as_str().unwrap_or_default()));
            if let Some(index) = result.get("ruleIndex").and_then(Value::as_u64) {
                assert_eq!(rules[usize::try_from(index).expect("small")]["id"], result["ruleId"]);
            }
        }
        let place = &results[0]["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "functions/%C3%B6%2C%20a.js");
        // Columns count code points, and the end is one past the last.
        let region = json!({ "startLine": 2, "startColumn": 3, "endLine": 2, "endColumn": 8 });
        assert_eq!(place["region"], region);
        let change = &results[0]["fixes"][0]["artifactChanges"][0];
        assert_eq!(change["artifactLocation"], place["artifactLocation"]);
        assert_eq!(change["replacements"][0], json!({ "deletedRegion": region, "insertedContent": { "text": "'ä-a'" } }));
        assert!(results[1].get("locations").is_none());
    }

    #[test]
    fn every_rule_says_why() {
        for rule in RULES {
            assert!(why(rule).len() > 20 && !why(rule).contains("```"), "{}", rule.id);
        }
    }
}
