//! Cases that fail are brought up to what the function does now.

use super::super::super::ui::Ui;
use super::super::workshop::Workshop;
use super::Report;
use crate::disk;
use crate::edge::cases::{self, Difference, Trial, Unchanged};
use anstyle::AnsiColor;
use serde_json::{Value, json};

/// What became of a case that failed.
pub(super) struct Change {
    function: String,
    case: String,
    file: String,
    differences: Vec<Difference>,
    left: Option<Unchanged>,
}

/// Rewrites the files of cases that fail, and their verdicts. Where the function itself fails, only with `errors`.
pub(super) fn update(workshop: &Workshop, reports: &mut [Report], errors: bool, trial: Trial) -> Result<Vec<Change>, String> {
    let mut changes = Vec::new();
    for report in reports {
        let function = workshop.functions.iter().find(|function| function.name == report.name);
        let Some((function, bundle)) = function.and_then(|function| Some((function, workshop.bundle(function).ok()?))) else {
            continue;
        };
        for (case, verdict) in report.verdicts.iter_mut().filter(|(_, verdict)| !verdict.passes()) {
            let text = workshop.sources.text(case.path.as_str()).unwrap_or_default();
            let mut change = Change {
                function: report.name.clone(),
                case: case.name.clone(),
                file: case.path.to_string(),
                differences: verdict.differences.clone(),
                left: None,
            };
            match cases::updated(text, case, verdict, errors) {
                Ok(new) => {
                    let file = workshop.base.join(case.path.as_str());
                    disk::write_file(&file, new.as_bytes())
                        .map_err(|error| format!("`{}` cannot be written: {error}", file.display()))?;
                    if let (Some(read), _) = cases::parse(&case.path, &new) {
                        let read = cases::run_all(vec![read], &bundle.code, function.runtime, trial);
                        read.into_iter().for_each(|read| (*case, *verdict) = read);
                    }
                }
                Err(why) => change.left = Some(why),
            }
            changes.push(change);
        }
    }
    Ok(changes)
}

pub(super) fn json(changes: &[Change], function: &str) -> Value {
    let own = changes.iter().filter(|change| change.function == function && change.left.is_none());
    let rows = own.map(|change| {
        let differences: Vec<Value> = change
            .differences
            .iter()
            .map(|difference| json!({ "place": difference.place, "before": difference.expected, "after": difference.got }))
            .collect();
        json!({ "name": change.case, "file": change.file, "differences": differences })
    });
    rows.collect()
}

pub(super) fn say(changes: &[Change], ui: &mut Ui) {
    for change in changes {
        match change.left {
            None => {
                let done = ui.paint("updated", AnsiColor::Yellow);
                ui.say(&format!("{done} {}", change.file));
                for difference in &change.differences {
                    let text = |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_string);
                    ui.say(&format!("  {}\n  - {}\n  + {}", difference.place, text(&difference.expected), text(&difference.got)));
                }
            }
            Some(why) => ui.say(&format!("left as it is: {}: {why}", change.file)),
        }
    }
}
