//! The rules of syntax, as complaints.

use super::super::syntax::{Refusal, refusals};
use super::findings::Findings;
use super::model::Model;
use super::{Runtime, builtins};
use crate::script;
use crate::source::{Diagnostic, Severity, SourcePath, Span};

/// What the edge would refuse to parse of a script.
pub(super) fn syntax(path: &SourcePath, text: &str, runtime: Runtime) -> Vec<Diagnostic> {
    let mut problems = match script::parse(path, text) {
        Ok(parsed) => refusals(&parsed, text, runtime).0.iter().map(|refusal| diagnostic(refusal, path)).collect(),
        Err(problems) => unparsed(problems, text),
    };
    crate::source::sort(&mut problems);
    problems
}

/// What is wrong with a text that is what will be uploaded, whoever wrote it.
pub(in super::super) fn uploaded(path: &SourcePath, text: &str, runtime: Runtime) -> Vec<Diagnostic> {
    let Ok(parsed) = script::parse(path, text) else { return syntax(path, text, runtime) };
    let mut problems: Vec<Diagnostic> =
        refusals(&parsed, text, runtime).0.iter().map(|refusal| diagnostic(refusal, path)).collect();
    // What the compiler adds of its own may want a built-in that the edge lacks.
    let model = Model::of(&parsed, text, runtime, true);
    let mut findings = Findings { model: &model, list: Vec::new() };
    builtins::check_uploaded(&mut findings);
    problems.extend(findings.list.into_iter().filter(|problem| ("CFF021"..="CFF026").contains(&problem.rule)));
    problems
}

/// A refusal as a complaint.
pub(super) fn diagnostic(refusal: &Refusal, path: &SourcePath) -> Diagnostic {
    let problem = match refusal.severity {
        Severity::Error => Diagnostic::error(refusal.rule, refusal.message.as_str()),
        Severity::Warning => Diagnostic::warning(refusal.rule, refusal.message.as_str()),
    };
    problem.at(path, refusal.place).hint(refusal.hint.as_str())
}

/// With how to mend it, where there is one way alone that means the same.
pub(super) fn mended(problem: Diagnostic, text: &str) -> Diagnostic {
    let Some((_, span)) = problem.place.clone() else { return problem };
    match problem.rule {
        "CFF018" => {
            // A name that nobody has: it hides none.
            let free = ["error", "caught", "ignored", "problem"].into_iter().find(|name| !text.contains(name));
            match free {
                Some(name) => problem.fix(Span::new(span.end, span.end), format!(" ({name})")),
                None => problem,
            }
        }
        "CFF010" => {
            match text.get(span.start..span.end).filter(|number| number.starts_with(|first: char| first.is_ascii_digit())) {
                Some(number) => problem.fix(span, number.replace('_', "")),
                None => problem,
            }
        }
        _ => problem,
    }
}

/// Whether the bundler says the same in words that the edge knows.
pub(super) fn rewritten(refusal: &Refusal) -> bool {
    match refusal.rule {
        // It is rewritten in 1.5 KB, and then `[...generator()]` takes the generator for an array.
        "CFF016" => false,
        _ => refusal.lowered,
    }
}

/// A module that nobody has, under the edge's rules. `None` where they have said so themselves.
pub(super) fn unresolved(problem: Diagnostic, runtime: Runtime) -> Option<Diagnostic> {
    let Some(name) = problem.message.strip_prefix("there is no module `").and_then(|rest| rest.strip_suffix('`')) else {
        return Some(problem);
    };
    if runtime == Runtime::V1 && Runtime::V2.importable().contains(&name) {
        let hint = match name {
            "cloudfront" => return None,
            "buffer" => "use runtime 2.0".to_owned(),
            name => format!("write `const {name} = require('{name}');`"),
        };
        let message = format!("runtime 1.0 cannot import `{name}`");
        return Some(Diagnostic { rule: "CFF005", message, hints: vec![hint], ..problem });
    }
    Some(Diagnostic { rule: "CFF005", ..problem })
}

/// What not even our own parser takes, under the edge's rules where there is one for it.
pub(super) fn unparsed(problems: Vec<Diagnostic>, text: &str) -> Vec<Diagnostic> {
    let rule_of = |problem: &Diagnostic| match problem.rule {
        "redeclared" if problem.message.contains("`handler`") => "CFF003",
        "syntax" => {
            let at = problem.place.as_ref().and_then(|(_, span)| text.get(span.start..));
            if at.is_some_and(|rest| rest.starts_with("<!--")) { "CFF019" } else { "syntax" }
        }
        rule => rule,
    };
    problems.into_iter().map(|problem| Diagnostic { rule: rule_of(&problem), ..problem }).collect()
}
