//! Jobs as text.

use crate::jobs::job::EntryKind;
use crate::jobs::terms::Terms;
use crate::jobs::view::{StaffEntry, StaffJob};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// A row a job, in columns.
pub(super) fn list(jobs: &[StaffJob], today: Date) -> Vec<String> {
    let rows: Vec<[String; 6]> = jobs
        .iter()
        .map(|job| {
            let id = job.id.0.simple().to_string();
            let is_late = job.canceled_at.is_none() && job.completed_at.is_none() && job.window.date < today;
            let date = format!("{}{}", job.window.date, if is_late { " late" } else { "" });
            let part = line(&job.window.part);
            [id[..8].to_owned(), stands(job), date, part, line(&job.address.street), line(&format!("{} {}", job.name, job.phone))]
        })
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..6).map(width).collect();
    let cells = |row: &[String; 6]| {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell}{}", " ".repeat(width - cell.chars().count()))).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(cells).collect()
}

fn stands(job: &StaffJob) -> String {
    if job.canceled_at.is_some() { "canceled".to_owned() } else { job.status.label().to_lowercase() }
}

/// On one line, and without anything that a terminal obeys.
pub(in crate::cli) fn line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Everything about one job.
pub(super) fn job(job: &StaffJob, terms: &Terms) -> String {
    let zone = TimeZone::get(&terms.time_zone).unwrap_or(TimeZone::UTC);
    let time = |at: Timestamp| at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string();
    let address = &job.address;
    let part = terms.window(&job.window.part).map_or(job.window.part.as_str(), |window| &window.label);
    let mut rows = vec![
        ("job", job.id.to_string()),
        ("stands", format!("{} (version {})", stands(job), job.version)),
        ("when", line(&format!("{}, {part}", job.window.date))),
        ("where", line(&format!("{}, {}, {} {}", address.street, address.city, address.state, address.zip))),
        ("what", line(&format!("{}: {}", job.service_label, job.details))),
        ("who", line(&format!("{} {} {}", job.name, job.phone, job.email.as_deref().unwrap_or_default()))),
    ];
    rows.extend(job.access.as_deref().map(|access| ("access", line(access))));
    rows.extend(job.price_cents.map(|cents| ("price", format!("${}.{:02}", cents / 100, cents % 100))));
    rows.extend(job.cancel_reason.as_deref().map(|reason| ("reason", line(reason))));
    if job.needs_review {
        rows.push(("review", "look at this booking first: it is outside the area, or full of links".to_owned()));
    }
    let link = job.tracking_url.clone().unwrap_or_else(|| "cannot be shown: the key that made it is not here".to_owned());
    rows.push(("link", link));
    rows.extend(job.link_ends.map(|ends| ("until", time(ends))));
    for (at, entry) in job.history.iter().enumerate() {
        let name = if at == 0 { "history" } else { "" };
        rows.push((name, format!("{}  {}", time(entry.at), said(entry))));
    }
    rows.iter().map(|(name, value)| format!("{name:<8} {}", value.trim_end())).collect::<Vec<_>>().join("\n")
}

fn said(entry: &StaffEntry) -> String {
    let to = entry.to.map(|status| status.label().to_lowercase()).unwrap_or_default();
    let what = match entry.kind {
        EntryKind::Book => "booked it".to_owned(),
        EntryKind::Move => format!("moved it to {to}"),
        EntryKind::Undo => format!("went back to {to}"),
        EntryKind::Cancel => "canceled it".to_owned(),
        EntryKind::Edit => "changed fields".to_owned(),
        EntryKind::Link => "made another link".to_owned(),
        EntryKind::Purge => "removed personal data".to_owned(),
    };
    let note = entry.note.as_deref().map(|note| format!(": {}", line(note))).unwrap_or_default();
    let nobody = if entry.kind == EntryKind::Book { "the customer" } else { "the system" };
    line(&format!("{} {what}{note}", entry.who.as_deref().unwrap_or(nobody)))
}
