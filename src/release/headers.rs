//! The one table of response headers: preview sends it, publish configures it.
//!
//! Headers come in two kinds, as CloudFront has them. Those that belong to an object (type, cache
//! life) are stored with it. Those that belong to every answer (security) are a policy of the
//! distribution, chosen by the path the viewer asked for.

use super::Class;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Headers sent with every answer of a distribution, before any of the project's own.
const SECURITY: &[(&str, &str)] = &[
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), interest-cohort=(), microphone=()"),
    ("referrer-policy", "strict-origin-when-cross-origin"),
    ("strict-transport-security", "max-age=63072000; includeSubDomains"),
    ("x-content-type-options", "nosniff"),
];

/// The Content-Security-Policy, but for the hashes of inline scripts and styles. There is no
/// `upgrade-insecure-requests`: Strict-Transport-Security does its work, and Safari would obey it on
/// a preview's `http://127.0.0.1`.
const CONTENT_SECURITY: &[(&str, &str)] = &[
    ("default-src", "'none'"),
    ("script-src", "'self'"),
    ("style-src", "'self'"),
    ("img-src", "'self' data:"),
    ("connect-src", "'self'"),
    ("font-src", "'self'"),
    ("manifest-src", "'self'"),
    ("form-action", "'self'"),
    ("base-uri", "'none'"),
    ("frame-ancestors", "'none'"),
    ("require-trusted-types-for", "'script'"),
    ("trusted-types", "'none'"),
];

/// The headers of every answer of a distribution.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// For every path.
    pub all: BTreeMap<String, String>,
    /// For some: a path pattern of CloudFront's (`*` any run of characters, `?` one) and its headers,
    /// which replace those of `all` by name. Where several match, the later one wins.
    pub paths: Vec<PathHeaders>,
}

/// The headers of one path pattern.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathHeaders {
    /// CloudFront's pattern, matched against the path the viewer asked for.
    pub pattern: String,
    /// Header name, lower case, to value.
    pub headers: BTreeMap<String, String>,
}

impl Policy {
    /// The table, with the hashes of the inline scripts and styles that the pages hold
    /// (`'sha256-…'`), and the project's own rows.
    pub fn new(inline_scripts: &BTreeSet<String>, inline_styles: &BTreeSet<String>, paths: Vec<PathHeaders>) -> Self {
        let mut all: BTreeMap<String, String> =
            SECURITY.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        all.insert("content-security-policy".to_owned(), content_security_policy(inline_scripts, inline_styles));
        Self { all, paths }
    }

    /// Adds rows by which other paths have the headers that `path` has: those of a page that is published twice.
    #[must_use]
    pub fn also(mut self, path: &str, others: &[&str]) -> Self {
        let rows = self.paths.iter().filter(|row| matches(&row.pattern, path)).map(|row| &row.headers);
        let headers: BTreeMap<String, String> = rows.flatten().map(|(name, value)| (name.clone(), value.clone())).collect();
        if !headers.is_empty() {
            self.paths.extend(others.iter().map(|other| PathHeaders { pattern: (*other).to_owned(), headers: headers.clone() }));
        }
        self
    }

    /// What is sent with an answer to a request for this path (raw, without the query string).
    pub fn for_path(&self, path: &str) -> BTreeMap<&str, &str> {
        let rows = self.paths.iter().filter(|row| matches(&row.pattern, path)).map(|row| &row.headers);
        std::iter::once(&self.all).chain(rows).flatten().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }
}

fn content_security_policy(scripts: &BTreeSet<String>, styles: &BTreeSet<String>) -> String {
    let directives = CONTENT_SECURITY.iter().map(|(name, value)| {
        let hashes = match *name {
            "script-src" => scripts,
            "style-src" => styles,
            _ => &BTreeSet::new(),
        };
        hashes.iter().fold(format!("{name} {value}"), |text, hash| format!("{text} {hash}"))
    });
    directives.collect::<Vec<_>>().join("; ")
}

/// Whether a path fits a pattern of CloudFront's: `*` stands for any run of characters, `?` for one.
///
/// Linear in pattern times path: the last star alone is ever tried again.
pub fn matches(pattern: &str, path: &str) -> bool {
    let (pattern, path) = (pattern.as_bytes(), path.as_bytes());
    let (mut p, mut s) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while s < path.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, s));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == path[s] => {
                p += 1;
                s += 1;
            }
            _ => match &mut star {
                Some((at, from)) => {
                    *from += 1;
                    (p, s) = (*at + 1, *from);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// The media type of a key, by its extension; `application/octet-stream` for one we do not know.
pub fn content_type(key: &str) -> &'static str {
    let name = key.rsplit('/').next().unwrap_or_default();
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
    match extension.as_str() {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "xml" => "application/xml",
        "atom" => "application/atom+xml",
        "txt" => "text/plain; charset=utf-8",
        "md" => "text/markdown; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "ico" => "image/vnd.microsoft.icon",
        "woff2" => "font/woff2",
        "woff" => "font/woff",
        "ttf" => "font/ttf",
        "otf" => "font/otf",
        "pdf" => "application/pdf",
        "webmanifest" => "application/manifest+json",
        "wasm" => "application/wasm",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        "mp3" => "audio/mpeg",
        "zip" => "application/zip",
        "ics" => "text/calendar; charset=utf-8",
        "vcf" => "text/vcard; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// How long browsers and edges may keep an object.
pub fn cache_control(class: Class, key: &str) -> &'static str {
    match (class, key) {
        (Class::Immutable, _) => "public, max-age=31536000, immutable",
        // A page that did not exist a moment ago must not stay missing for a day.
        (Class::Page, "404.html") => "public, max-age=0, s-maxage=10, must-revalidate",
        // Nobody re-reads these by hand; a lost invalidation heals within a minute.
        (Class::Page, "robots.txt" | "service-worker.js") => "public, max-age=0, s-maxage=60, must-revalidate",
        // Browsers ask each time (304), edges hold a day, an invalidation ends it sooner.
        (Class::Page, _) => "public, max-age=0, s-maxage=86400, must-revalidate",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_cloudfront_does() {
        for (pattern, path, expected) in [
            ("/track/*", "/track/abc", true),
            ("/track/*", "/track/", true),
            ("/track/*", "/track", false),
            ("/track*", "/track", true),
            ("*.js", "/a/b.js", true),
            ("/a?c", "/abc", true),
            ("/a?c", "/ac", false),
            ("*", "", true),
            ("/*a*b", "/xxaxxab", true),
            ("/*a*b", "/xxaxxac", false),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn nothing_inline_runs_but_by_its_hash() {
        let none = BTreeSet::new();
        let policy = Policy::new(&none, &none, Vec::new());
        assert!(!policy.for_path("/")["content-security-policy"].contains("unsafe"));
        let one = BTreeSet::from(["'sha256-abc'".to_owned()]);
        let policy = Policy::new(&one, &none, Vec::new());
        assert!(policy.for_path("/")["content-security-policy"].contains("script-src 'self' 'sha256-abc';"));
    }

    #[test]
    fn the_last_row_that_matches_wins() {
        let row = |pattern: &str, value: &str| PathHeaders {
            pattern: pattern.to_owned(),
            headers: BTreeMap::from([("referrer-policy".to_owned(), value.to_owned())]),
        };
        let none = BTreeSet::new();
        let policy = Policy::new(&none, &none, vec![row("/a/*", "one"), row("/a/b/*", "two")]);
        assert_eq!(policy.for_path("/a/b/c")["referrer-policy"], "two");
        assert_eq!(policy.for_path("/a/c")["referrer-policy"], "one");
        assert_eq!(policy.for_path("/c")["referrer-policy"], "strict-origin-when-cross-origin");
        let policy = policy.also("/a/b/", &["/", "/index.html"]);
        assert_eq!((policy.for_path("/")["referrer-policy"], policy.for_path("/index.html")["referrer-policy"]), ("two", "two"));
    }
}
