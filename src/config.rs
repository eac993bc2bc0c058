//! `qdn.toml` becomes the options of each module. Everything in it is optional.
//!
//! Options belong to the module that obeys them; this one only fills them, and complains of what
//! nobody would.

use crate::jobs::Status;
use crate::jobs::store::place::Place;
use crate::jobs::terms::{Offer, Service, Terms};
use crate::release::headers::PathHeaders;
use crate::site;
use crate::source::{self, CONFIG_FILE as FILE, Diagnostic, Kind, SourcePath, Sources, Span, Table};
use std::collections::BTreeMap;

/// Everything a project says of itself.
pub struct Config {
    /// How the site is built.
    pub site: site::Options,
    /// Response headers by path, besides those that every answer has.
    pub headers: Vec<PathHeaders>,
    /// By function: the runtime's name. The default is `cloudfront-js-2.0`.
    pub runtimes: BTreeMap<String, (String, Span)>,
    /// The function that decides the site's URLs, where one is named.
    pub viewer_request: Option<(String, Span)>,
    /// What the firm offers, and how long jobs are kept.
    pub terms: Terms,
    /// By stage: where its jobs are kept. `local` is always in the project's own folder.
    pub stores: BTreeMap<String, String>,
}

/// Reads the project's configuration; the defaults where there is none.
pub fn parse(sources: &Sources) -> (Config, Vec<Diagnostic>) {
    let path = SourcePath::new(FILE);
    let mut problems = Vec::new();
    let mut config = Config {
        site: site::Options {
            statuses: statuses(),
            virtual_modules: BTreeMap::from([("qdn:statuses".to_owned(), statuses_module())]),
            ..site::Options::default()
        },
        headers: Vec::new(),
        runtimes: BTreeMap::new(),
        viewer_request: None,
        terms: Terms::default(),
        stores: BTreeMap::new(),
    };
    if sources.bytes(FILE).is_none() {
        return (config, problems);
    }
    let text = match sources.utf8(&path) {
        Ok(text) => text,
        Err(problem) => return (config, vec![problem]),
    };
    let mut root = match source::toml(text, Span::new(0, text.len()), &path) {
        Ok(root) => root,
        Err(problems) => return (config, problems),
    };
    if let Some((table, _)) = root.table("site", &path, &mut problems) {
        read_site(table, &mut config, &path, &mut problems);
    }
    if let Some((table, _)) = root.table("build", &path, &mut problems) {
        read_build(table, &mut config, &path, &mut problems);
    }
    if let Some((table, _)) = root.table("headers", &path, &mut problems) {
        read_headers(table, &mut config, &path, &mut problems);
    }
    if let Some((table, _)) = root.table("functions", &path, &mut problems) {
        read_functions(table, &mut config, &path, &mut problems);
    }
    if let Some((table, _)) = root.table("jobs", &path, &mut problems) {
        read_jobs(table, &mut config, &path, &mut problems);
    }
    root.finish("`qdn.toml`", &["build", "functions", "headers", "jobs", "site"], &path, &mut problems);
    (config, problems)
}

/// `[site]` is free: templates see all of it. One key means something to us.
fn read_site(table: Table, config: &mut Config, path: &SourcePath, problems: &mut Vec<Diagnostic>) {
    if let Some((base, span)) = table.clone().text("base_url", path, problems) {
        let host = base.strip_prefix("https://").or_else(|| base.strip_prefix("http://"));
        match host {
            Some(host) if !host.is_empty() && !host.contains(['/', '?', '#', ' ']) => config.site.base_url = Some(base),
            Some(host) if host.ends_with('/') && host.matches('/').count() == 1 => {
                config.site.base_url = Some(base.trim_end_matches('/').to_owned());
            }
            _ => problems.push(
                Diagnostic::error("base-url", format!("`{base}` is not the address of a site"))
                    .at(path, span)
                    .hint("write scheme and host, and nothing after them: `https://www.example.com`"),
            ),
        }
    }
    read_terms(&table, &mut config.terms, path, problems);
    config.terms.origin = config.site.base_url.clone().unwrap_or_default();
    config.site.site = table;
}

/// What bookings are checked against is what the pages show. `[site]` is free, so what has another shape is
/// somebody's own and is left alone; a time zone that is none would be wrong on every page.
fn read_terms(table: &Table, terms: &mut Terms, path: &SourcePath, problems: &mut Vec<Diagnostic>) {
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
fn read_jobs(mut table: Table, config: &mut Config, path: &SourcePath, problems: &mut Vec<Diagnostic>) {
    let mut number = |key: &str, least: i64, most: i64, what: &str| {
        let (number, span) = table.integer(key, path, problems)?;
        if (least..=most).contains(&number) {
            return Some(number);
        }
        problems.push(Diagnostic::error("out-of-range", format!("`{key}` must be from {least} to {most} {what}")).at(path, span));
        None
    };
    let days = |number: i64| u16::try_from(number).unwrap_or(u16::MAX);
    let terms = &mut config.terms;
    if let Some(most) = number("most_waiting", 1, 100_000, "jobs") {
        terms.most_waiting = usize::try_from(most).unwrap_or(usize::MAX);
    }
    if let Some(link) = number("link_days", 1, 3650, "days") {
        terms.link_days = days(link);
    }
    if let Some(archive) = number("archive_days", 1, 3650, "days") {
        terms.archive_days = days(archive);
    }
    if let Some(purge) = number("purge_days", 1, 3650, "days") {
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

fn read_build(mut table: Table, config: &mut Config, path: &SourcePath, problems: &mut Vec<Diagnostic>) {
    if let Some((minify, _)) = table.bool("minify_html", path, problems) {
        config.site.minify = minify;
    }
    for (pattern, span) in table.texts("elsewhere", path, problems) {
        if !pattern.starts_with('/') && !pattern.starts_with('*') {
            problems.push(not_a_pattern(&pattern, path, span));
        }
        config.site.elsewhere.push(pattern);
    }
    table.finish("`[build]`", &["elsewhere", "minify_html"], path, problems);
}

fn not_a_pattern(pattern: &str, path: &SourcePath, span: Span) -> Diagnostic {
    Diagnostic::error("path-pattern", format!("`{pattern}` is not a path pattern"))
        .at(path, span)
        .hint("a path pattern begins with `/` or `*`: `/track/*`")
}

/// `[headers."/track/*"]`: rows for paths, in the order of their patterns; the longer pattern wins.
fn read_headers(table: Table, config: &mut Config, path: &SourcePath, problems: &mut Vec<Diagnostic>) {
    for (pattern, span, value) in table.into_entries() {
        if !pattern.starts_with('/') && !pattern.starts_with('*') {
            problems.push(not_a_pattern(&pattern, path, span));
        }
        let Kind::Table(table) = value.kind else {
            problems.push(Diagnostic::error("wrong-type", format!("`{pattern}` must be a table of headers")).at(path, value.span));
            continue;
        };
        let mut headers = BTreeMap::new();
        for (name, span, value) in table.into_entries() {
            let is_token = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
            match value.kind {
                Kind::Text(text) if is_token && !text.chars().any(char::is_control) => {
                    headers.insert(name.to_lowercase(), text);
                }
                _ => problems
                    .push(Diagnostic::error("header", format!("`{name}` is not a header with a text for a value")).at(path, span)),
            }
        }
        config.headers.push(PathHeaders { pattern, headers });
    }
    config.headers.sort_by(|a, b| (a.pattern.len(), &a.pattern).cmp(&(b.pattern.len(), &b.pattern)));
}

fn read_functions(mut table: Table, config: &mut Config, path: &SourcePath, problems: &mut Vec<Diagnostic>) {
    config.viewer_request = table.text("viewer_request", path, problems);
    for (name, _, value) in table.into_entries() {
        let Kind::Table(mut function) = value.kind else {
            problems.push(
                Diagnostic::error("wrong-type", format!("`{name}` must be a table"))
                    .at(path, value.span)
                    .hint("say `viewer_request = \"name\"`, or `[functions.name]` with a `runtime`"),
            );
            continue;
        };
        if let Some((runtime, span)) = function.text("runtime", path, problems) {
            config.runtimes.insert(name, (runtime, span));
        }
        function.finish("`[functions.…]`", &["runtime"], path, problems);
    }
}

/// The job statuses as templates and the browser see them.
fn statuses() -> serde_json::Value {
    let rows = Status::ALL.iter().map(|status| {
        serde_json::json!({
            "id": status.id(), "label": status.label(), "customer": status.customer(),
            "verb": status.verb(), "next": status.next().map(Status::id),
        })
    });
    rows.collect()
}

fn statuses_module() -> String {
    format!("export const statuses = {};\n", statuses())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (Config, Vec<Diagnostic>) {
        parse(&[(FILE, text.as_bytes().to_vec())].into_iter().collect())
    }

    #[test]
    fn everything_is_optional() {
        let (config, problems) = parse(&Sources::new());
        assert!(problems.is_empty() && config.site.base_url.is_none() && config.viewer_request.is_none());
        let (config, problems) = parsed("[site]\nbase_url = 'https://x.test/'\nanything = { goes = 1 }\n");
        assert_eq!((config.site.base_url.as_deref(), problems.len()), (Some("https://x.test"), 0));
    }

    #[test]
    fn what_nobody_would_obey_is_a_mistake() {
        let (_, problems) = parsed("[sites]\n[build]\nminify = true\n[site]\nbase_url = 'x.test'\n[headers.track]\n'a b' = 'c'\n");
        let rules: Vec<_> = problems.iter().map(|problem| problem.rule).collect();
        assert_eq!(rules, ["base-url", "unknown-key", "path-pattern", "header", "unknown-key"]);
        assert_eq!(problems[1].hints, ["a key with a similar name exists: `minify_html`"]);
        assert_eq!(problems[4].hints, ["a key with a similar name exists: `site`"]);
    }

    #[test]
    fn the_longer_pattern_comes_later_and_wins() {
        let (config, _) = parsed("[headers.'/a/b/*']\nx = '2'\n[headers.'/a/*']\nx = '1'\n");
        assert_eq!(config.headers.iter().map(|row| row.pattern.as_str()).collect::<Vec<_>>(), ["/a/*", "/a/b/*"]);
    }
}
