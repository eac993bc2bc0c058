//! `[invalidation]` and `[publish]`: how the site is published.

use super::{Config, number};
use crate::deploy::invalidation::{Item, MAX_WILDCARDS};
use crate::deploy::options::{Aliases, Mode};
use crate::source::{Diagnostic, SourcePath, Span, Table, near};

/// `[invalidation]`.
pub(super) fn read_invalidation(mut table: Table, config: &mut Config, path: &SourcePath, problems: &mut Vec<Diagnostic>) {
    if let Some(mode) = read_mode(&mut table, path, problems) {
        config.invalidation.mode = mode;
    }
    let options = &mut config.invalidation;
    if let Some((text, span)) = table.text("aliases", path, problems) {
        match Aliases::ALL.iter().find(|(name, _)| *name == text) {
            Some((_, aliases)) => options.aliases = *aliases,
            None => problems.push(
                Diagnostic::error("aliases", format!("`{text}` does not say which addresses to purge"))
                    .at(path, span)
                    .hint("write `both`, `rewritten` or `viewer`"),
            ),
        }
    }
    let wildcards = i64::try_from(MAX_WILDCARDS).unwrap_or(i64::MAX);
    if let Some(percent) = number(&mut table, "collateral", 0, 100, "percent", path, problems) {
        options.collateral = u8::try_from(percent).unwrap_or(100);
    }
    if let Some(paths) = number(&mut table, "free_paths", 0, 1_000, "paths", path, problems) {
        options.free_paths = paths.unsigned_abs();
    }
    if let Some(reserve) = number(&mut table, "reserve", 0, wildcards, "wildcards", path, problems) {
        options.reserve = reserve.unsigned_abs();
    }
    if let Some((queries, _)) = table.bool("queries", path, problems) {
        options.queries = queries;
    }
    if let Some((mut families, _)) = table.table("families", path, problems) {
        let keys: Vec<(String, Span)> = families.entries().map(|(key, value)| (key.to_owned(), value.span)).collect();
        for (key, span) in keys {
            let rows = families.texts(&key, path, problems);
            for (pattern, span) in &rows {
                if !matches!(pattern.parse(), Ok(Item::Wildcard(_))) {
                    problems.push(
                        Diagnostic::error("family", format!("`{pattern}` is not a family of paths"))
                            .at(path, *span)
                            .hint("it begins with `/`, ends with `*`, and is percent-encoded between: `/track/*`"),
                    );
                }
            }
            if let Some(rest) = key.strip_prefix('/') {
                problems.push(
                    Diagnostic::error("family", format!("`{key}` is an address, and a key is asked for"))
                        .at(path, span)
                        .hint(format!("write `\"{rest}\"`: the object's name in `dist/<distribution>/`")),
                );
            }
            config.family_keys.push((key.clone(), span));
            options.families.insert(key, rows.into_iter().map(|(pattern, _)| pattern).collect());
        }
    }
    let known = ["aliases", "collateral", "families", "free_paths", "mode", "queries", "reserve"];
    table.finish("`[invalidation]`", &known, path, problems);
}

/// `mode`, of `[invalidation]` and of `[stages.….invalidation]`.
pub(super) fn read_mode(table: &mut Table, path: &SourcePath, problems: &mut Vec<Diagnostic>) -> Option<Mode> {
    let (text, span) = table.text("mode", path, problems)?;
    let found = Mode::ALL.iter().find(|(name, _)| *name == text).map(|(_, mode)| *mode);
    if found.is_none() {
        let hint = match near(&text, Mode::ALL.iter().map(|(name, _)| *name)) {
            Some(near) => format!("a mode with a similar name exists: `{near}`"),
            None => "write `paths`, or `tags` where the distribution reads cache tags".to_owned(),
        };
        problems.push(Diagnostic::error("mode", format!("`{text}` is no mode of invalidation")).at(path, span).hint(hint));
    }
    found
}

/// `[publish]`.
pub(super) fn read_publish(mut table: Table, config: &mut Config, path: &SourcePath, problems: &mut Vec<Diagnostic>) {
    let options = &mut config.publish;
    if let Some(percent) = number(&mut table, "removals", 0, 100, "percent", path, problems) {
        options.removals = u8::try_from(percent).ok();
    }
    if let Some(releases) = number(&mut table, "keep_releases", 1, 10_000, "releases", path, problems) {
        options.keep_releases = u32::try_from(releases).unwrap_or(u32::MAX);
    }
    if let Some(days) = number(&mut table, "keep_days", 1, 3_650, "days", path, problems) {
        options.keep_days = u32::try_from(days).unwrap_or(u32::MAX);
    }
    table.finish("`[publish]`", &["keep_days", "keep_releases", "removals"], path, problems);
}
