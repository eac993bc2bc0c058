//! What readers other than people ask for: the sitemap, `robots.txt`, Atom feeds.

use super::distribution::Claims;
use super::markdown::escape;
use super::page::{Page, render};
use super::{Options, Shared};
use crate::release::{Class, Key, Object};
use crate::source::{Diagnostic, Span};
use std::fmt::Write as _;
use std::sync::Arc;

/// All of them. A page with `noindex` in its `extra` is in none, nor is one of another distribution, whose address
/// nobody knows here; a section whose page has `feed` in its `extra` has an `atom.xml` of the dated pages below it.
pub(super) fn build(
    pages: &[Arc<Page>],
    claims: &Claims,
    shared: &Shared,
    options: &Options,
    problems: &mut Vec<Diagnostic>,
) -> Vec<Object> {
    let mut objects = Vec::new();
    let listed = pages.iter().map(Arc::as_ref).filter(|page| page.is_listed() && !page.flag("noindex"));
    let (mut by_url, others): (Vec<&Page>, Vec<&Page>) = listed.partition(|page| !claims.contains_key(&page.key));
    for page in others.into_iter().filter(|page| page.flag("feed")) {
        problems.push(
            Diagnostic::warning("feed", "only the distribution `site` has feeds, and this page is of another")
                .at(&page.path, Span::default())
                .hint("remove `feed` from its `extra`"),
        );
    }
    by_url.sort_by(|a, b| a.url.cmp(&b.url));
    let Some(base) = &options.base_url else {
        for page in by_url.iter().filter(|page| page.flag("feed")) {
            problems.push(
                Diagnostic::error("feed", "a feed needs the site's own address")
                    .at(&page.path, Span::default())
                    .hint("add `base_url = \"https://…\"` to `[site]` in `qdn.toml`"),
            );
        }
        objects.push(text("robots.txt", "User-agent: *\nAllow: /\n".to_owned()));
        return objects;
    };
    objects.push(text("robots.txt", format!("User-agent: *\nAllow: /\n\nSitemap: {base}/sitemap.xml\n")));
    objects.push(text("sitemap.xml", sitemap(&by_url, base)));
    for section in by_url.iter().filter(|page| page.flag("feed")) {
        objects.push(feed(section, &by_url, base, shared));
    }
    objects
}

fn text(key: &str, text: String) -> Object {
    Object::new(Key::new(key), text.into_bytes(), Class::Page)
}

fn sitemap(pages: &[&Page], base: &str) -> String {
    let mut xml = String::from(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n",
    );
    for page in pages {
        let date = page.front_matter.date.as_ref().map_or_else(String::new, |date| format!("<lastmod>{date}</lastmod>"));
        let _ = writeln!(xml, "<url><loc>{}</loc>{date}</url>", escape(&format!("{base}{}", page.url)));
    }
    xml + "</urlset>\n"
}

/// An Atom feed (RFC 4287) of the dated pages below a section, the newest first, twenty at most.
fn feed(section: &Page, pages: &[&Page], base: &str, shared: &Shared) -> Object {
    let key = format!("{}atom.xml", section.key.as_str().strip_suffix("index.html").unwrap_or_default());
    let mut entries: Vec<(&str, &Page)> = pages
        .iter()
        .filter(|page| page.url.starts_with(&section.url) && page.url != section.url)
        .filter_map(|page| Some((page.front_matter.date.as_deref()?, *page)))
        .collect();
    entries.sort_by(|a, b| b.0.cmp(a.0).then_with(|| a.1.url.cmp(&b.1.url)));
    entries.truncate(20);
    let home = format!("{base}{}", section.url);
    // Never the time of the build: the same sources make the same feed.
    let updated = entries.first().map_or("1970-01-01", |(date, _)| date);
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\">\n<title>{}</title>\n<id>{}</id>\n\
         <link href=\"{}\"/>\n<link rel=\"self\" href=\"{}\"/>\n<updated>{}</updated>\n<author><name>{}</name></author>\n",
        escape(&section.title),
        escape(&home),
        escape(&home),
        escape(&format!("{base}{}", Key::new(&key).path())),
        instant(updated),
        escape(base.trim_start_matches("https://").trim_start_matches("http://")),
    );
    for (date, page) in entries {
        let url = format!("{base}{}", page.url);
        let url = escape(&url);
        let summary = page
            .front_matter
            .description
            .as_deref()
            .map_or_else(String::new, |text| format!("<summary>{}</summary>", escape(text)));
        let content = absolute(&render(page, shared).html, base);
        let content = escape(&content);
        let _ = writeln!(
            xml,
            "<entry><title>{}</title><id>{url}</id><link href=\"{url}\"/><updated>{}</updated>{summary}<content type=\"html\">{content}</content></entry>",
            escape(&page.title),
            instant(date),
        );
    }
    text(&key, xml + "</feed>\n")
}

/// Feed readers have no page to resolve a path against.
fn absolute(html: &str, base: &str) -> String {
    html.replace("href=\"/", &format!("href=\"{base}/")).replace("src=\"/", &format!("src=\"{base}/"))
}

/// A day is the instant it begins at, in UTC.
fn instant(date: &str) -> String {
    if date.len() == 10 { format!("{date}T00:00:00Z") } else { date.to_owned() }
}
