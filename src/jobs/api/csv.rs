//! Jobs for a spreadsheet, in which no customer can hide a formula.

use crate::jobs::job::Job;
use crate::jobs::terms::Terms;

const HEAD: [&str; 20] = [
    "id",
    "status",
    "canceled",
    "date",
    "window",
    "service",
    "price",
    "name",
    "phone",
    "email",
    "street",
    "city",
    "state",
    "zip",
    "details",
    "access",
    "submitted_at",
    "pickup_at",
    "completed_at",
    "canceled_at",
];

/// All jobs, a row each, with every cell quoted. It begins with a byte order mark, without which Excel takes
/// UTF-8 for something else.
pub fn of(jobs: &[Job], terms: &Terms) -> Vec<u8> {
    let mut writer =
        csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    // Writing to memory fails for rows of another length only, and both are arrays of one.
    let _ = writer.write_record(HEAD);
    for job in jobs {
        let time = |time: Option<jiff::Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
        let row: [String; HEAD.len()] = [
            job.id.to_string(),
            job.status.id().to_owned(),
            job.closure.as_ref().map(|closure| closure.reason.clone()).unwrap_or_default(),
            job.window.date.to_string(),
            job.window.part.clone(),
            terms.service_label(&job.service).to_owned(),
            job.price_cents.map(|cents| format!("{}.{:02}", cents / 100, cents % 100)).unwrap_or_default(),
            job.customer.name.clone(),
            job.customer.phone.clone(),
            job.customer.email.clone().unwrap_or_default(),
            job.address.street.clone(),
            job.address.city.clone(),
            job.address.state.clone(),
            job.address.zip.clone(),
            job.details.clone(),
            job.access.clone().unwrap_or_default(),
            time(Some(job.submitted_at)),
            time(job.pickup_at),
            time(job.completed_at),
            // The reason is gone once personal data is.
            time(job.closure.as_ref().map(|closure| closure.at)),
        ];
        let _ = writer.write_record(row.map(|cell| harmless(&cell)));
    }
    let rows = writer.into_inner().unwrap_or_default();
    ["\u{feff}".as_bytes(), &rows].concat()
}

/// A cell that a spreadsheet would compute gets an apostrophe in front: it then shows as text. Full-width
/// characters count as well, as some programs read them as the plain ones.
fn harmless(cell: &str) -> String {
    let first = cell.trim_start_matches([' ', '\n', '\r', '\t', '\u{3000}']).chars().next();
    let computed = first.is_some_and(|c| "=+-@\u{ff1d}\u{ff0b}\u{ff0d}\u{ff20}|%".contains(c));
    if computed || cell.starts_with(['\t', '\r', '\n']) { format!("'{cell}") } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::event::tests::{at, booked};
    use crate::jobs::event::{Change, Event};

    #[test]
    fn a_spreadsheet_computes_nothing() {
        for formula in ["=HYPERLINK(\"http://x\")", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\u{ff1d}1", "\n=1"] {
            assert_eq!(harmless(formula), format!("'{formula}"));
        }
        for text in ["12 Elm St", "", "a=b", "O'Neil"] {
            assert_eq!(harmless(text), text);
        }
    }

    #[test]
    fn a_canceled_job_is_told_from_an_open_one_also_when_it_was_purged() {
        let mut job = booked();
        for event in [Event::Cancel { reason: "no show".to_owned() }, Event::Purge] {
            job = job.after(&Change { event, who: None, at: at(5), request: "r".to_owned() }).unwrap();
        }
        let text = String::from_utf8(of(&[booked(), job], &Terms::example())).unwrap();
        let ends: Vec<&str> = text.lines().map(|line| line.rsplit(',').next().unwrap()).collect();
        assert_eq!(ends, ["\"canceled_at\"", "\"\"", "\"2026-11-24T17:05:00Z\""], "{text}");
    }

    #[test]
    fn every_cell_is_quoted_and_lines_stay_in_their_cell() {
        let mut job = booked();
        job.customer.name = "Ann \"the\" O, Neil\nJr".to_owned();
        let text = String::from_utf8(of(&[job], &Terms::example())).unwrap();
        assert!(text.starts_with("\u{feff}\"id\",\"status\",\"canceled\""), "{text}");
        assert!(text.contains("\"Ann \"\"the\"\" O, Neil\nJr\",\"'+16195550142\",\"mark@x.test\""), "{text}");
        assert!(text.contains("\"Half truck\",\"330.00\""), "{text}");
    }
}
