//! What readers other than people ask for: the sitemap, `robots.txt`, Atom feeds.

use super::asset::Asset;
use super::distribution::Claims;
use super::front_matter::Date;
use super::html;
use super::markdown::escape;
use super::page::{Page, render};
use super::{Options, Shared};
use crate::release::{Class, Key, Object};
use crate::source::{Diagnostic, Span};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// All of them. A page with `noindex` in its `extra` is in none, nor is one of another distribution, whose address
/// nobody knows here; a section whose page has `feed` in its `extra` has an `atom.xml` of the dated pages below it.
pub(super) fn build(
    pages: &[Arc<Page>],
    claims: &Claims,
    shared: &Shared,
    assets: &BTreeMap<String, Asset>,
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
    objects.push(document("sitemap.xml", sitemap(&by_url, base)));
    for section in by_url.iter().filter(|page| page.flag("feed")) {
        objects.push(feed(section, &by_url, base, shared, assets));
    }
    objects
}

fn text(key: &str, text: String) -> Object {
    Object::new(Key::new(key), text.into_bytes(), Class::Page)
}

/// XML. Some characters it has no way to hold, not even escaped; they are left out.
fn document(key: &str, mut xml: String) -> Object {
    xml.retain(|c| !matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}'));
    text(key, xml)
}

fn sitemap(pages: &[&Page], base: &str) -> String {
    let mut xml = String::from(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n",
    );
    for page in pages {
        let date = page.front_matter.date.as_ref();
        let date = date.map_or_else(String::new, |date| format!("<lastmod>{}</lastmod>", date.as_str()));
        let _ = writeln!(xml, "<url><loc>{}</loc>{date}</url>", escape(&format!("{base}{}", page.url)));
    }
    xml + "</urlset>\n"
}

/// An Atom feed (RFC 4287) of the dated pages below a section, the newest first, twenty at most.
fn feed(section: &Page, pages: &[&Page], base: &str, shared: &Shared, assets: &BTreeMap<String, Asset>) -> Object {
    let key = format!("{}atom.xml", section.key.as_str().strip_suffix("index.html").unwrap_or_default());
    let mut entries: Vec<(&Date, &Page)> = pages
        .iter()
        .filter(|page| page.url.starts_with(&section.url) && page.url != section.url)
        .filter_map(|page| Some((page.front_matter.date.as_ref()?, *page)))
        .collect();
    entries.sort_by(|a, b| b.0.instant.cmp(&a.0.instant).then_with(|| a.1.url.cmp(&b.1.url)));
    entries.truncate(20);
    let home = format!("{base}{}", section.url);
    // Never the time of the build: the same sources make the same feed.
    let updated = entries.first().map_or(Cow::Borrowed("1970-01-01T00:00:00Z"), |(date, _)| date.rfc_3339());
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\">\n<title>{}</title>\n<id>{}</id>\n\
         <link href=\"{}\"/>\n<link rel=\"self\" href=\"{}\"/>\n<updated>{}</updated>\n<author><name>{}</name></author>\n",
        escape(&section.title),
        escape(&home),
        escape(&home),
        escape(&format!("{base}{}", Key::new(&key).path())),
        updated,
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
        let mut content = String::new();
        html::scan(&render(page, shared).html, false, |address| absolute(address, &page.url, base, assets), &mut content);
        let content = escape(&content);
        let _ = writeln!(
            xml,
            "<entry><title>{}</title><id>{url}</id><link href=\"{url}\"/><updated>{}</updated>{summary}<content type=\"html\">{content}</content></entry>",
            escape(&page.title),
            date.rfc_3339(),
        );
    }
    document(&key, xml + "</feed>\n")
}

/// Feed readers have no page to resolve an address against, and know no asset but by its real name.
fn absolute(address: &str, page: &str, base: &str, assets: &BTreeMap<String, Asset>) -> Option<String> {
    let has_scheme = address.split(['/', '?', '#']).next().is_some_and(|first| first.contains(':'));
    if has_scheme || address.starts_with("//") {
        return None;
    }
    Some(match super::fingerprinted(address, assets) {
        Some(asset) => format!("{base}{asset}"),
        None if address.starts_with('/') => format!("{base}{address}"),
        None => format!("{base}{page}{address}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_of_ours_is_whole() {
        let asset = Asset { url: "/assets/p.1234.gif".to_owned(), integrity: String::new() };
        let assets = BTreeMap::from([("p.gif".to_owned(), asset)]);
        for (address, expected) in [
            ("/assets/p.gif#x", Some("https://x.test/assets/p.1234.gif#x")),
            ("/", Some("https://x.test/")),
            ("#there", Some("https://x.test/news/one/#there")),
            ("pic.png", Some("https://x.test/news/one/pic.png")),
            ("//cdn.test/x.png", None),
            ("https://y.test/", None),
            ("mailto:a@x.test", None),
        ] {
            assert_eq!(absolute(address, "/news/one/", "https://x.test", &assets).as_deref(), expected, "{address}");
        }
    }

    #[test]
    fn what_xml_cannot_hold_is_left_out() {
        let object = document("a.xml", "<a>b\u{8}\u{b}\t\u{ffff}ü\n</a>".to_owned());
        assert_eq!(&*object.bytes, "<a>b\tü\n</a>".as_bytes());
    }
}
