//! `qdn function rules`, and `explain` for one of them.

use super::super::USAGE;
use super::super::ui::Ui;
use super::args::Rules;
use crate::edge::{RULES, Rule};
use serde_json::json;

/// Lists the checker's rules, or shows the page of one.
pub(super) fn rules(command: &Rules, ui: &mut Ui) -> Result<u8, String> {
    let Some(wanted) = &command.rule else {
        list(ui);
        return Ok(0);
    };
    if let Some((id, what)) = ELSEWHERE.iter().find(|(id, _)| id.eq_ignore_ascii_case(wanted)) {
        return Ok(elsewhere(id, what, ui));
    }
    let Some(rule) = Rule::find(wanted) else {
        ui.error(&format!("there is no rule `{wanted}`"));
        let near = Rule::near(wanted).map(|rule| format!("hint: a rule with a similar name exists: `{}` ({})", rule.id, rule.name));
        ui.error_detail(&near.unwrap_or_else(|| "hint: `qdn function rules` lists all of them".to_owned()));
        return Ok(USAGE);
    };
    match ui.json {
        true => ui.document(&json!({ "version": 1, "rule": document(rule), "page": rule.page })),
        false => ui.data(rule.page),
    }
    Ok(0)
}

/// What is said of a function at CloudFront, and by no checker of texts: there is no page of it, and nothing to be allowed.
const ELSEWHERE: [(&str, &str); 4] = [
    (
        "CFF041",
        "a case takes over 50 percent of the compute time at CloudFront; over 70 is an error of `qdn function test --stage`",
    ),
    ("CFF095", "the ETag is not the one that CloudFront has: somebody changed the function; `qdn function pull` brings it"),
    ("CFF096", "a function is published without a case that proves it: write one under `functions/<name>.cases/`"),
    ("CFF097", "the code is live already, so it is not published again"),
];

fn elsewhere(id: &str, what: &str, ui: &mut Ui) -> u8 {
    match ui.json {
        true => ui.document(&json!({ "version": 1, "rule": { "id": id, "summary": what }, "page": null })),
        false => ui.data(&format!("{id} is said when a function is tried or published at CloudFront: {what}")),
    }
    0
}

fn list(ui: &mut Ui) {
    if ui.json {
        let rules: Vec<_> = RULES.iter().map(document).collect();
        ui.document(&json!({ "version": 1, "rules": rules }));
        return;
    }
    for rule in RULES {
        ui.data(&format!("{}  {:<7}  {:<20}  {}", rule.id, rule.level.name(), rule.name, rule.summary));
    }
    ui.say("`qdn function explain CFF067` tells more; what is `off` is said with `--all`, or where `qdn.toml` asks for it");
}

fn document(rule: &Rule) -> serde_json::Value {
    json!({
        "id": rule.id, "name": rule.name, "level": rule.level.name(), "enforced": rule.enforced, "summary": rule.summary,
        "reference": rule.reference(),
    })
}
