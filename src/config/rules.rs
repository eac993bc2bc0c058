//! How severe the checker's rules are: `[functions.rules]`, and `[functions.<name>.rules]` for one function.

use crate::edge::{Level, Levels, Rule};
use crate::source::{Diagnostic, Kind, SourcePath, Table, near};

/// Reads rows such as `CFF067 = "off"`.
pub(super) fn read(table: Table, path: &SourcePath, problems: &mut Vec<Diagnostic>) -> Levels {
    let mut levels = Levels::default();
    for (id, span, value) in table.into_entries() {
        let mut complain = |place, message: String, hint: String| {
            problems.push(Diagnostic::error("rules", message).at(path, place).hint(hint));
        };
        let Some(rule) = Rule::find(&id) else {
            let near = Rule::near(&id).map(|rule| format!("a rule with a similar name exists: `{}` ({})", rule.id, rule.name));
            let hint = near.unwrap_or_else(|| "`qdn function rules` lists all of them".to_owned());
            complain(span, format!("there is no rule `{id}`"), hint);
            continue;
        };
        let level = match &value.kind {
            Kind::Text(text) => Level::ALL.into_iter().find(|level| level.name() == text),
            _ => None,
        };
        match level {
            None => {
                let written = if let Kind::Text(text) = &value.kind { text.as_str() } else { "" };
                let meant = near(written, Level::ALL.map(Level::name));
                let hint = meant.map(|near| format!("a similar level exists: `{near}`"));
                let hint = hint.unwrap_or_else(|| "write `\"error\"`, `\"warning\"` or `\"off\"`".to_owned());
                complain(value.span, format!("this is no level for {}", rule.id), hint);
            }
            Some(level) if rule.enforced && level != Level::Error => {
                let message = format!("{} cannot be switched off: the edge itself refuses what it is about", rule.id);
                complain(value.span, message, format!("remove this line; `qdn function explain {}` tells more", rule.id));
            }
            Some(level) => levels.set(rule, level),
        }
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use crate::source::{CONFIG_FILE, Diagnostic, line_column};

    #[test]
    fn a_rule_that_is_none_and_a_level_that_is_none_are_said_at_their_places() {
        let text = "[functions.rules]\nCFF067 = 'off'\nCFF999 = 'off'\nopen-redirct = 'off'\nCFF063 = 'of'\nCFF061 = 3\nCFF011 = 'off'\nCFF017 = 'error'\n[functions.f.rules]\nraw-path = 'error'\n";
        let (config, problems) = parse(&[(CONFIG_FILE, text.as_bytes().to_vec())].into_iter().collect());
        let lines: Vec<_> = problems
            .iter()
            .map(|problem| (line_column(text, problem.place.as_ref().map_or(0, |(_, span)| span.start)).0, problem.rule))
            .collect();
        let mut sorted = lines.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [3, 4, 5, 6, 7].map(|line| (line, "rules")));
        let hint = |line: usize| {
            let at = lines.iter().position(|(found, _)| *found == line).expect("a line");
            problems[at].hints[0].clone()
        };
        assert_eq!(hint(4), "a rule with a similar name exists: `CFF068` (open-redirect)");
        assert_eq!(hint(5), "a similar level exists: `off`");
        let raw = || Diagnostic::warning("CFF067", "a");
        assert!(config.levels("g").judge(raw()).is_none());
        assert!(config.levels("f").judge(raw()).is_some_and(|problem| problem.is_error()), "a function's own level wins");
    }
}
