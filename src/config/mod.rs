//! `qdn.toml` becomes the options of each module. Everything in it is optional.
//!
//! Options belong to the module that obeys them; this one only fills them, and complains of what
//! nobody would.

mod bucket;
mod distributions;
mod jobs;
mod publish;
mod rules;
mod stages;

pub use distributions::{NAMES, is_name};

use crate::deploy::options::{InvalidationOptions, PublishOptions, StageOptions};
use crate::edge::Levels;
use crate::jobs::Status;
use crate::jobs::terms::Terms;
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
    /// How severe the checker's rules are.
    pub rules: Levels,
    /// By function: where that differs.
    pub function_rules: BTreeMap<String, Levels>,
    /// The function that decides the site's URLs, where one is named.
    pub viewer_request: Option<(String, Span)>,
    /// The function that sees the answers to the site's requests, where one is named.
    pub viewer_response: Option<(String, Span)>,
    /// By distribution: the function that decides its URLs, where that is not the site's.
    pub deciders: BTreeMap<String, (String, Span)>,
    /// Functions that are named where a stage gives them another name at CloudFront.
    pub named_functions: Vec<(String, Span)>,
    /// By name: where the site is published. `local` is always there, and all others are as `qdn.toml` has them.
    pub stages: BTreeMap<String, (StageOptions, Span)>,
    /// How invalidations are chosen.
    pub invalidation: InvalidationOptions,
    /// Keys that `[invalidation.families]` speaks of.
    pub family_keys: Vec<(String, Span)>,
    /// What a publish may do, and what is kept of earlier ones.
    pub publish: PublishOptions,
    /// What the firm offers, and how long jobs are kept.
    pub terms: Terms,
    /// By stage: where its jobs are kept. `local` is always in the project's own folder.
    pub stores: BTreeMap<String, String>,
}

impl Config {
    /// How severe the checker's rules are for a function.
    pub fn levels(&self, function: &str) -> Levels {
        self.function_rules.get(function).map_or_else(|| self.rules.clone(), |own| own.over(&self.rules))
    }
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
        rules: Levels::default(),
        function_rules: BTreeMap::new(),
        viewer_request: None,
        viewer_response: None,
        deciders: BTreeMap::new(),
        named_functions: Vec::new(),
        stages: stages::local(&[]),
        invalidation: InvalidationOptions::default(),
        family_keys: Vec::new(),
        publish: PublishOptions::default(),
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
        jobs::read_jobs(table, &mut config, &path, &mut problems);
    }
    if let Some((table, _)) = root.table("distributions", &path, &mut problems) {
        distributions::read(table, &mut config, &path, &mut problems);
    }
    if let Some((table, _)) = root.table("invalidation", &path, &mut problems) {
        publish::read_invalidation(table, &mut config, &path, &mut problems);
    }
    if let Some((table, _)) = root.table("publish", &path, &mut problems) {
        publish::read_publish(table, &mut config, &path, &mut problems);
    }
    // Last, since stages are made of all the others.
    let table = root.table("stages", &path, &mut problems).map(|(table, _)| table).unwrap_or_default();
    stages::read(table, &mut config, &path, &mut problems);
    let known = ["build", "distributions", "functions", "headers", "invalidation", "jobs", "publish", "site", "stages"];
    root.finish("`qdn.toml`", &known, &path, &mut problems);
    (config, problems)
}

/// `[site]` is free: templates see all of it. One key means something to us.
fn read_site(table: Table, config: &mut Config, path: &SourcePath, problems: &mut Vec<Diagnostic>) {
    if let Some((base, span)) = table.clone().text("base_url", path, problems) {
        match origin(&base) {
            Some(base) => config.site.base_url = Some(base),
            None => problems.push(
                Diagnostic::error("base-url", format!("`{base}` is not the address of a site"))
                    .at(path, span)
                    .hint("write scheme and host, and nothing after them: `https://www.example.com`"),
            ),
        }
    }
    jobs::read_terms(&table, &mut config.terms, path, problems);
    config.terms.origin = config.site.base_url.clone().unwrap_or_default();
    config.site.site = table;
}

/// Scheme and host, without a slash at the end; nothing where there is more or less.
fn origin(text: &str) -> Option<String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let host = host.strip_suffix('/').unwrap_or(host);
    let is_host = !host.is_empty() && !host.contains(['/', '?', '#', ' ']);
    is_host.then(|| text.strip_suffix('/').unwrap_or(text).to_owned())
}

/// A whole number within bounds.
fn number(
    table: &mut Table,
    key: &str,
    least: i64,
    most: i64,
    what: &str,
    path: &SourcePath,
    problems: &mut Vec<Diagnostic>,
) -> Option<i64> {
    let (number, span) = table.integer(key, path, problems)?;
    if (least..=most).contains(&number) {
        return Some(number);
    }
    problems.push(Diagnostic::error("out-of-range", format!("`{key}` must be from {least} to {most} {what}")).at(path, span));
    None
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
    config.viewer_response = table.text("viewer_response", path, problems);
    if let Some((rows, _)) = table.table("rules", path, problems) {
        config.rules = rules::read(rows, path, problems);
    }
    for (name, named, value) in table.into_entries() {
        let Kind::Table(mut function) = value.kind else {
            problems.push(
                Diagnostic::error("wrong-type", format!("`{name}` must be a table"))
                    .at(path, value.span)
                    .hint("say `viewer_request = \"name\"`, or `[functions.name]` with a `runtime`"),
            );
            continue;
        };
        if let Some((rows, _)) = function.table("rules", path, problems) {
            config.function_rules.insert(name.clone(), rules::read(rows, path, problems));
            config.named_functions.push((name.clone(), named));
        }
        if let Some((runtime, span)) = function.text("runtime", path, problems) {
            config.runtimes.insert(name, (runtime, span));
        }
        function.finish("`[functions.…]`", &["rules", "runtime"], path, problems);
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
