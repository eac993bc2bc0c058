//! Plans, receipts, states and audits as people read them.

use crate::cli::ui::{Ui, plural};
use crate::deploy::apply::{Audit, Collected, Finding, Prepared, Receipt, Wrong};
use crate::deploy::invalidation::{self, Way};
use crate::deploy::ledger::Head;
use crate::deploy::plan::{Phase, Reason, Step};
use anstyle::AnsiColor;
use std::collections::BTreeMap;

/// As many steps of a phase are listed, unless more is asked for.
const ROWS: usize = 12;

/// "3.1 kB".
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

fn money(cents: f64) -> String {
    if cents == 0.0 { "free".to_owned() } else { format!("${:.2}", cents / 100.0) }
}

/// A plan, phase by phase, and what the edge will be told.
pub(super) fn plan(prepared: &Prepared, stage: &str, verbose: bool, ui: &mut Ui) {
    let plan = &prepared.plan;
    let replaces = match &plan.previous {
        None => "the first one there".to_owned(),
        Some(id) if *id == plan.release => "which it serves already".to_owned(),
        Some(id) => format!("replaces {id}"),
    };
    if prepared.is_done() {
        ui.data(&format!("{stage} serves release {} already: nothing to do", plan.release));
        return;
    }
    ui.data(&format!("{stage}: release {}, {replaces}", plan.release));
    if let Some(applying) = &prepared.live.head().applying {
        ui.data(&format!("takes up a {} to {} that was interrupted", applying.kind.name(), applying.to));
    }
    let mut phases: BTreeMap<Phase, Vec<&Step>> = BTreeMap::new();
    for step in &plan.steps {
        phases.entry(step.phase).or_default().push(step);
    }
    for (phase, steps) in &phases {
        let bytes: u64 = steps.iter().map(|step| step.bytes).sum();
        let bytes = if bytes == 0 { String::new() } else { format!(", {}", size(bytes)) };
        ui.data(&format!("\n{}: {}{bytes}", phase.name(), tally(steps)));
        let rows = if verbose { steps.len() } else { ROWS };
        for step in steps.iter().take(rows) {
            ui.data(&row(step, ui));
        }
        if steps.len() > rows {
            ui.data(&format!("  and {} more (-v lists all)", steps.len() - rows));
        }
    }
    if plan.steps.is_empty() {
        ui.data("\nnothing to send");
    }
    ui.data(&format!("\nunchanged: {}", plan.unchanged));
    for (distribution, purge) in &prepared.purges {
        if prepared.begins.contains(distribution) {
            ui.data(&format!(
                "\ncache tags of {distribution}: they begin now; pages are stored with them, and the edge forgets everything once, as what it \
                 holds knows none"
            ));
        }
        purges(distribution, purge, verbose, ui);
    }
}

fn tally(steps: &[&Step]) -> String {
    let count = |wanted: fn(&Reason) -> bool| steps.iter().filter(|step| wanted(&step.reason)).count();
    let parts = [
        (count(|reason| *reason == Reason::New), "new"),
        (count(|reason| *reason == Reason::Content), "changed"),
        (count(|reason| matches!(reason, Reason::Headers { .. })), "with other headers"),
        (count(|reason| *reason == Reason::Gone), "gone"),
    ];
    let parts: Vec<String> = parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    parts.join(", ")
}

fn row(step: &Step, ui: &Ui) -> String {
    let (sign, color, why) = match &step.reason {
        Reason::New => ("+", AnsiColor::Green, "new".to_owned()),
        Reason::Content => ("~", AnsiColor::Yellow, "content".to_owned()),
        Reason::Headers { changed } => ("~", AnsiColor::Yellow, format!("headers: {}", changed.join(", "))),
        Reason::Gone => ("-", AnsiColor::Red, "gone".to_owned()),
    };
    let place = step.distribution.as_ref().map_or_else(|| step.key.clone(), |distribution| format!("{distribution}/{}", step.key));
    format!("  {} {place}  ({why})", ui.paint(sign, color))
}

fn purges(distribution: &str, purge: &invalidation::Plan, verbose: bool, ui: &mut Ui) {
    ui.data(&format!(
        "\ninvalidation of {distribution}: {}, {} if this month's free paths are left",
        plural(purge.items.len(), "item"),
        money(purge.cents)
    ));
    let rows = if verbose { purge.items.len() } else { ROWS };
    for planned in purge.items.iter().take(rows) {
        ui.data(&format!("  {}  ({planned})", planned.item));
    }
    if purge.items.len() > rows {
        ui.data(&format!("  and {} more (-v lists all)", purge.items.len() - rows));
    }
    if let Some(concession) = purge.concession {
        ui.data(&match concession {
            invalidation::Concession::Collateral => {
                "  more is purged than `collateral` allows: the quotas leave no other way".to_owned()
            }
            invalidation::Concession::Reserve => {
                "  the wildcards left for people are used: the quotas leave no other way".to_owned()
            }
        });
    }
    let ways: Vec<String> = purge
        .alternatives
        .iter()
        .map(|other| {
            let name = match other.way {
                Way::Exact => "every address by itself",
                Way::Everything => "everything (/*)",
                Way::Tags => "by cache tags",
                Way::Paths => "by addresses",
            };
            let also =
                if other.collateral.objects == 0 { String::new() } else { format!(", purging {} more", other.collateral.objects) };
            let fits = if other.fits { "" } else { ", beyond the quota" };
            format!(
                "{name} {} for {}{also}{fits}",
                plural(usize::try_from(other.items).unwrap_or(usize::MAX), "item"),
                money(other.cents)
            )
        })
        .collect();
    if !ways.is_empty() {
        ui.data(&format!("  other ways: {}", ways.join("; ")));
    }
}

/// What was done, in a few lines of talk.
pub(super) fn receipt(receipt: &Receipt, ui: &mut Ui) {
    let done = ui.paint(
        match receipt.kind {
            crate::deploy::ledger::Kind::Publish => "published",
            crate::deploy::ledger::Kind::Promote => "promoted",
            crate::deploy::ledger::Kind::Rollback => "rolled back",
            crate::deploy::ledger::Kind::Repair => "repaired",
        },
        AnsiColor::Green,
    );
    let before = receipt.previous.as_deref().filter(|previous| *previous != receipt.release);
    let before = before.map_or_else(String::new, |previous| format!(" in place of {previous}"));
    ui.say(&format!("{done} {}: release {}{before}", receipt.stage, receipt.release));
    ui.say(&format!(
        "  {} sent ({}), {} copied, {} removed, {} unchanged",
        receipt.uploaded,
        size(receipt.bytes),
        receipt.copied,
        receipt.removed,
        receipt.unchanged
    ));
    for (name, function) in &receipt.functions {
        let what = if function.published { "is live" } else { "was live already" };
        ui.say(&format!("  function {name}: {what} as {}, proven with {}", function.name, plural(function.proven, "case")));
    }
    for (name, purged) in &receipt.purged {
        let state = match (&purged.id, purged.is_complete) {
            (_, true) => "complete".to_owned(),
            (Some(id), false) => format!("in progress ({id}); `qdn status {}` looks again", receipt.stage),
            (None, false) => {
                format!("owed, as CloudFront took no more: `qdn status {}` or the next publish tries again", receipt.stage)
            }
        };
        ui.say(&format!("  invalidation of {name}: {}, {state}", plural(purged.items.len(), "item")));
    }
    let verified = &receipt.verified;
    if verified.looked > 0 {
        ui.say(&format!("  looked at {} through the edge", plural(verified.looked, "changed page")));
    }
    for name in &verified.untagged {
        ui.say(&format!(
            "  warning: the edge of {name} held copies that do not know their cache tags: all that changed was purged by its addresses, and the \
             next publish stores and purges everything once. Does the distribution read `{}` (`CacheTagConfig`), and did it all the time?",
            crate::deploy::invalidation::tags::HEADER
        ));
    }
    for page in &verified.purged_again {
        ui.say(&format!("  warning: {page} was stale although it was purged; it was purged once more, and is fresh"));
    }
    for page in &verified.stale {
        ui.say(&format!("  warning: {page} is still stale at the edge"));
    }
    for page in &verified.unknown {
        ui.say(&format!("  warning: {page}"));
    }
}

/// What a stage serves.
pub(super) fn status(head: &Head, ui: &mut Ui) {
    match &head.release {
        Some(release) => {
            let commit = head.commit.as_ref().map_or_else(String::new, |commit| format!(", commit {}", short(&commit.id)));
            ui.data(&format!("{}: release {release}{commit}", head.stage));
        }
        None => ui.data(&format!("{}: nothing yet", head.stage)),
    }
    ui.data(&format!("  state {} of {} by {}", head.seq, head.at.strftime("%Y-%m-%d %H:%M:%SZ"), head.by));
    if let Some(applying) = &head.applying {
        let holder = applying.holder.as_ref().map_or_else(|| "nobody: it was interrupted".to_owned(), ToString::to_string);
        ui.data(&format!(
            "  a {} to release {} was begun {} and is not finished; at work: {holder}",
            applying.kind.name(),
            applying.to,
            applying.began.strftime("%Y-%m-%d %H:%M:%SZ")
        ));
    }
    for (name, items) in &head.owed {
        ui.data(&format!("  invalidation of {name}: {} owed, as the quota was full", plural(items.len(), "item")));
    }
    for (name, id) in &head.tagged {
        ui.data(&format!("  pages of {name} carry cache tags, and are purged from {id} by them"));
    }
    for (name, issued) in &head.issued {
        for one in issued {
            ui.data(&format!("  invalidation of {name}: {} in progress since {}", one.id, one.at.strftime("%Y-%m-%d %H:%M:%SZ")));
        }
    }
    for (name, function) in &head.functions {
        ui.data(&format!("  function {name}: {} ({})", function.name, &function.sha256[..16.min(function.sha256.len())]));
    }
}

pub(super) fn short(commit: &str) -> String {
    commit.chars().take(10).collect()
}

/// The releases of a stage, the newest first.
pub(super) fn releases(head: &Head, ui: &mut Ui) {
    let mut is_live = true;
    for past in &head.past {
        let commit = past.commit.as_ref().map_or_else(|| "-".to_owned(), |commit| short(&commit.id));
        let mark = if is_live && head.release.as_deref() == Some(past.release.as_str()) { "  live" } else { "" };
        is_live = false;
        let function = past.function.as_ref().map_or_else(String::new, |name| format!("  function {name}"));
        ui.data(&format!(
            "{}  {}  {:8}  {commit:10}  {}{function}{mark}",
            past.release,
            past.at.strftime("%Y-%m-%d %H:%M:%SZ"),
            past.kind.name(),
            past.by
        ));
    }
}

/// How many missing bodies are named to people: their names are digests, and a damaged pack has thousands.
const BODIES: usize = 5;

/// What an audit found.
pub(super) fn audit(audit: &Audit, ui: &mut Ui) {
    if let Some(to) = &audit.unfinished {
        // What leads to where the stage is, is no step back from.
        ui.data(&if *to == audit.release {
            format!(
                "a repair of the release {to}, or a `gc`, was interrupted and is not finished: `qdn audit {} --repair` ends it",
                audit.stage
            )
        } else {
            format!(
                "an apply to the release {to} was interrupted and is not finished: run the command again, or `qdn rollback {}`",
                audit.stage
            )
        });
    }
    let is_body = |finding: &&Finding| finding.wrong == Wrong::Body;
    let bodies = audit.findings.iter().filter(is_body);
    let more = bodies.clone().count().saturating_sub(BODIES);
    for finding in audit.findings.iter().filter(|finding| !is_body(finding)).chain(bodies.take(BODIES)) {
        let place = finding.distribution.as_ref().map_or_else(|| finding.key.clone(), |name| format!("{name}/{}", finding.key));
        let what = match finding.wrong {
            Wrong::Missing => "is missing",
            Wrong::Content => "has other bytes than the release",
            Wrong::Headers => "has other headers than the release",
            Wrong::Unknown => "belongs to no release that is known; it is left alone",
            Wrong::Stale => "is stale at the edge",
            Wrong::Body => "is missing: a rollback to this release would need it",
            Wrong::Function => "is not the function that is live",
            Wrong::Tags => "does not read the cache tags by which it is told what to forget (`CacheTagConfig`)",
        };
        ui.data(&format!("{place} {what}"));
    }
    if more > 0 {
        ui.data(&format!("and {more} more of these; `--json` names them all"));
    }
    let verdict = if audit.findings.is_empty() {
        ui.paint("as it should be", AnsiColor::Green)
    } else {
        plural(audit.findings.len(), "finding")
    };
    ui.say(&format!(
        "audited {}, release {}: {} and {} of the edge: {verdict}",
        audit.stage,
        audit.release,
        plural(audit.objects, "object"),
        plural(audit.answers, "answer")
    ));
}

/// What was removed.
pub(super) fn collected(stage: &str, collected: &Collected, only_look: bool, ui: &mut Ui) {
    let assets: usize = collected.assets.values().map(Vec::len).sum();
    let verb = if only_look { "would remove" } else { "removed" };
    for (name, keys) in &collected.assets {
        for key in keys {
            ui.data(&format!("{name}/{key}"));
        }
    }
    ui.say(&format!(
        "{stage}: {verb} {}, {} and {} ({}); keeps {}",
        plural(collected.releases.len(), "release"),
        plural(assets, "asset"),
        plural(collected.documents, "document"),
        size(collected.bytes),
        plural(collected.kept.len(), "release")
    ));
    for (name, count) in &collected.unknown {
        ui.say(&format!("  {name}: {} written by no known release, left alone", plural(*count, "object")));
    }
}
