//! `// qdn-allow CFF067: the reason`, which lets one place be as it is.
//!
//! It speaks of its own line, or where it has that to itself, of the next line with code on it. Whatever is
//! wrong with such a comment is said, so that none outlives what it was written for. What is said of a file as a whole,
//! such as its size, is allowed anywhere in it.

use super::rules::Rule;
use crate::script::Parsed;
use crate::source::{Diagnostic, SourcePath, Sources, Span, line_column};

/// The word that such a comment begins with.
pub(super) const WORD: &str = "qdn-allow";

/// A rule that is allowed somewhere.
struct Allowed {
    rule: &'static str,
    line: usize,
    path: SourcePath,
    place: Span,
    used: bool,
}

/// Everything that is allowed in a function.
#[derive(Default)]
pub(super) struct Allows {
    allowed: Vec<Allowed>,
    complaints: Vec<Diagnostic>,
}

impl Allows {
    /// Reads the comments of a file.
    pub(super) fn read(&mut self, parsed: &Parsed, text: &str) {
        for (place, comment) in parsed.notes() {
            let Some(rest) = comment.strip_prefix(WORD) else { continue };
            let (rules, reason) = rest.split_once(':').unwrap_or((rest, ""));
            let mut complain = |message: String, hint: &str| {
                self.complaints.push(Diagnostic::warning("CFF098", message).at(parsed.path(), *place).hint(hint));
            };
            let names: Vec<&str> = rules.split([',', ' ']).filter(|name| !name.is_empty()).collect();
            if names.is_empty() {
                complain("this allows no rule".to_owned(), "name the rule and the reason: `// qdn-allow CFF067: …`");
            } else if reason.trim().is_empty() {
                let hint = "say after a colon why it is right here: `// qdn-allow CFF067: …`";
                complain(format!("no reason is given to allow {}", names.join(" and ")), hint);
                continue;
            }
            for name in names {
                match Rule::find(name) {
                    Some(rule) => self.allowed.push(Allowed {
                        rule: rule.id,
                        line: spoken_of(text, *place),
                        path: parsed.path().clone(),
                        place: *place,
                        used: false,
                    }),
                    None => {
                        let near = Rule::near(name).map(|rule| format!("a rule with a similar name exists: `{}`", rule.id));
                        let hint = near.unwrap_or_else(|| "`qdn function rules` lists all of them".to_owned());
                        complain(format!("there is no rule `{name}`"), &hint);
                    }
                }
            }
        }
    }

    /// What is left of the complaints.
    pub(super) fn filter(&mut self, problems: Vec<Diagnostic>, sources: &Sources) -> Vec<Diagnostic> {
        problems.into_iter().filter(|problem| !self.allows(problem, sources)).collect()
    }

    fn allows(&mut self, problem: &Diagnostic, sources: &Sources) -> bool {
        let Some((path, span)) = &problem.place else { return false };
        if self.allowed.iter().all(|allowed| allowed.rule != problem.rule || allowed.path != *path) {
            return false;
        }
        let (line, _) = line_column(sources.text(path.as_str()).unwrap_or_default(), span.start);
        // What is said of the whole file is allowed anywhere in it.
        let of_file = *span == Span::default();
        let mut allowed = self.allowed.iter_mut().filter(|allowed| allowed.rule == problem.rule && allowed.path == *path);
        let found = allowed.find(|allowed| allowed.line == line || of_file);
        let Some(found) = found else { return false };
        found.used = true;
        // It is known, and cannot be helped: the edge will refuse it.
        let enforced = problem.is_error() && Rule::find(problem.rule).is_some_and(|rule| rule.enforced);
        if enforced {
            let message = format!("{} cannot be allowed: the edge itself refuses this", problem.rule);
            let complaint = Diagnostic::warning("CFF098", message).at(path, found.place).hint("mend it, and remove the comment");
            self.complaints.push(complaint);
        }
        !enforced
    }

    /// What is wrong with the comments; with `unused`, also those that allow nothing.
    pub(super) fn complaints(self, unused: bool) -> impl Iterator<Item = Diagnostic> {
        let idle = self.allowed.into_iter().filter(move |allowed| unused && !allowed.used).map(|allowed| {
            Diagnostic::warning("CFF098", format!("nothing on line {} breaks {}", allowed.line, allowed.rule))
                .at(&allowed.path, allowed.place)
                .hint("remove it, or put it on the line above what it allows")
        });
        self.complaints.into_iter().chain(idle)
    }
}

/// The line that a comment speaks of, from 1.
fn spoken_of(text: &str, place: Span) -> usize {
    let (line, _) = line_column(text, place.start);
    let lines: Vec<&str> = text.lines().collect();
    let own = lines.get(line - 1).copied().unwrap_or_default();
    let is_comment = |line: &str| line.is_empty() || line.starts_with("//") || (line.starts_with("/*") && line.ends_with("*/"));
    if !is_comment(own.trim()) {
        return line;
    }
    let next = lines.iter().enumerate().skip(line).find(|(_, text)| !is_comment(text.trim()));
    next.map_or(line, |(at, _)| at + 1)
}
