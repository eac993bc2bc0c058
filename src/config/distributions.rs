//! `[distributions.…]`: who serves which part of the site.

use super::{Config, not_a_pattern};
use crate::deploy::options::CONTROL;
use crate::release::DEFAULT_DISTRIBUTION;
use crate::site::Distribution;
use crate::source::{Diagnostic, Kind, SourcePath, Span, Table};

/// Names that are something else in `dist/` or elsewhere.
const RESERVED: &[(&str, &str)] = &[
    (DEFAULT_DISTRIBUTION, "it serves what no other does, and its function is named by `viewer_request` in `[functions]`"),
    (CONTROL, "that is where a stage in a folder keeps its books"),
    ("functions", "that is the folder of functions in `dist/`"),
];

pub(super) fn read(table: Table, config: &mut Config, path: &SourcePath, problems: &mut Vec<Diagnostic>) {
    for (name, span, value) in table.into_entries() {
        let Kind::Table(mut table) = value.kind else {
            problems.push(
                Diagnostic::error("wrong-type", format!("`{name}` must be a table"))
                    .at(path, value.span)
                    .hint(format!("write `[distributions.{name}]`, and under it `pages = [\"/{name}/*\"]`")),
            );
            continue;
        };
        if let Some((_, why)) = RESERVED.iter().find(|(reserved, _)| *reserved == name) {
            problems.push(
                Diagnostic::error("reserved", format!("no distribution can be called `{name}` here")).at(path, span).hint(*why),
            );
            continue;
        }
        problems.extend(bad_name("distribution", &name, path, span));
        let distribution = read_one(&name, span, &mut table, config, path, problems);
        table.finish("`[distributions.…]`", &["home", "pages", "viewer_request"], path, problems);
        config.site.distributions.push(distribution);
    }
}

fn read_one(
    name: &str,
    span: Span,
    table: &mut Table,
    config: &mut Config,
    path: &SourcePath,
    problems: &mut Vec<Diagnostic>,
) -> Distribution {
    let has_pages = table.get("pages").is_some();
    let pages = table.texts("pages", path, problems);
    for (pattern, span) in &pages {
        if !pattern.starts_with('/') && !pattern.starts_with('*') {
            problems.push(not_a_pattern(pattern, path, *span));
        }
    }
    if pages.is_empty() && !has_pages {
        problems.push(
            Diagnostic::error("no-pages", format!("the distribution `{name}` does not say what it serves"))
                .at(path, span)
                .hint(format!("add `pages = [\"/{name}/*\"]`")),
        );
    }
    let home = table.text("home", path, problems);
    if let Some((home, span)) = &home
        && !home.starts_with('/')
    {
        problems.push(
            Diagnostic::error("home", format!("`{home}` is not the address of a page"))
                .at(path, *span)
                .hint("an address begins with `/`: `/dashboard/`"),
        );
    }
    let home = home.filter(|(home, _)| home.starts_with('/'));
    if let Some(function) = table.text("viewer_request", path, problems) {
        config.deciders.insert(name.to_owned(), function);
    }
    Distribution { name: name.to_owned(), pages, home }
}

/// What is wrong with the name of a distribution or a stage. It becomes a folder and a part of names at AWS.
pub(super) fn bad_name(what: &str, name: &str, path: &SourcePath, span: Span) -> Option<Diagnostic> {
    if is_name(name) {
        return None;
    }
    let problem = Diagnostic::error("name", format!("`{name}` cannot be the name of a {what}"));
    Some(problem.at(path, span).hint(NAMES))
}

/// Whether this can be the name of a stage or a distribution: it becomes part of keys, folders and functions' names.
pub fn is_name(name: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let ends = |byte: Option<u8>| byte.is_some_and(|byte| byte != b'-');
    let (first, last) = (name.bytes().next(), name.bytes().next_back());
    name.bytes().all(is_good) && ends(first) && ends(last) && name.len() <= 32
}

/// What [`is_name`] asks for.
pub const NAMES: &str = "a name has 1 to 32 of the letters a–z, digits and hyphens, and no hyphen at its ends";
