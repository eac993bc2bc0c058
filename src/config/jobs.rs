//! What the firm offers, and where its jobs are kept.

use super::{Config, number};
use crate::jobs::store::place::Place;
use crate::jobs::terms::{Offer, Service, Terms};
use crate::source::{Diagnostic, Kind, SourcePath, Span, Table};

/// What bookings are checked against is what the pages show. `[site]` is free, so what has another shape is
/// somebody's own and is left alone; a time zone that is none would be wrong on every page.
pub(super) fn read_terms(table: &Table, terms: &mut Terms, path: &SourcePath, problems: &mut Vec<Diagnostic>) {
    let text = |table: &Table, key: &str| match table.get(key).map(|value| &value.kind) {
        Some(Kind::Text(text)) => Some(text.clone()),
        _ => None,
    };
    let rows = |key: &str| -> Vec<&Table> {
        match table.get(key).map(|value| &value.kind) {
            Some(Kind::List(rows)) => {
                rows.iter().filter_map(|row| if let Kind::Table(row) = &row.kind { Some(row) } else { None }).collect()
            }
            _ => Vec::new(),
        }
    };
    let offers = |key: &str| -> Vec<Offer> {
        rows(key).into_iter().filter_map(|row| Some(Offer { id: text(row, "id")?, label: text(row, "label")? })).collect()
    };
    let services = rows("services").into_iter().filter_map(|row| {
        let dollars = match row.get("price").map(|value| &value.kind) {
            Some(Kind::Integer(dollars)) => u32::try_from(*dollars).ok(),
            _ => None,
        };
        let price_cents = dollars.and_then(|dollars| dollars.checked_mul(100));
        Some(Service { id: text(row, "id")?, label: text(row, "label")?, price_cents })
    });
    let services: Vec<Service> = services.collect();
    if !services.is_empty() {
        terms.services = services;
    }
    let windows = offers("windows");
    if !windows.is_empty() {
        terms.windows = windows;
    }
    if let Some(state) = text(table, "region") {
        terms.state = state;
    }
    if let Some(Kind::List(zips)) = table.get("zips").map(|value| &value.kind) {
        terms.zips = zips.iter().filter_map(|zip| if let Kind::Text(zip) = &zip.kind { Some(zip.clone()) } else { None }).collect();
    }
    if let Some(zone) = text(table, "time_zone") {
        if jiff::tz::TimeZone::get(&zone).is_err() {
            let span = table.get("time_zone").map_or(Span::new(0, 0), |value| value.span);
            problems.push(
                Diagnostic::error("time-zone", format!("`{zone}` is not a time zone"))
                    .at(path, span)
                    .hint("write its name in the IANA database: `America/Los_Angeles`"),
            );
        }
        terms.time_zone = zone;
    }
}

/// `[jobs]`: numbers of the terms, and where each stage keeps its jobs.
pub(super) fn read_jobs(mut table: Table, config: &mut Config, path: &SourcePath, problems: &mut Vec<Diagnostic>) {
    let days = |number: i64| u16::try_from(number).unwrap_or(u16::MAX);
    let terms = &mut config.terms;
    if let Some(most) = number(&mut table, "most_waiting", 1, 100_000, "jobs", path, problems) {
        terms.most_waiting = usize::try_from(most).unwrap_or(usize::MAX);
    }
    if let Some(link) = number(&mut table, "link_days", 1, 3650, "days", path, problems) {
        terms.link_days = days(link);
    }
    if let Some(archive) = number(&mut table, "archive_days", 1, 3650, "days", path, problems) {
        terms.archive_days = days(archive);
    }
    if let Some(purge) = number(&mut table, "purge_days", 1, 3650, "days", path, problems) {
        terms.purge_days = days(purge);
    }
    if let Some((stores, _)) = table.table("stores", path, problems) {
        for (stage, span, value) in stores.into_entries() {
            match value.kind {
                _ if stage == "local" => problems.push(
                    Diagnostic::error("reserved", "the stage `local` keeps its jobs in the project's folder `.qdn/jobs`")
                        .at(path, span),
                ),
                Kind::Text(place) => match place.parse::<Place>() {
                    Ok(_) => drop(config.stores.insert(stage, place)),
                    Err(why) => problems.push(Diagnostic::error("jobs-store", why).at(path, value.span)),
                },
                _ => problems.push(
                    Diagnostic::error("wrong-type", format!("`{stage}` must be a text such as \"s3://bucket/prefix\""))
                        .at(path, value.span),
                ),
            }
        }
    }
    table.finish("`[jobs]`", &["archive_days", "link_days", "most_waiting", "purge_days", "stores"], path, problems);
}
