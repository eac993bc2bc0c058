//! Every address in every page leads somewhere: asked of whoever decides addresses at the edge.

use super::page::Page;
use super::template::TEMPLATES;
use super::{Built, Options, markdown};
use crate::release::{Class, headers};
use crate::source::{Diagnostic, SourcePath, Sources, Span, near, sort};
use percent_encoding::percent_decode_str;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How often one address may lead to another before we call it a loop.
const MAX_REDIRECTS: usize = 5;

/// A page with what it links to.
pub(super) struct Linked {
    pub(super) page: Arc<Page>,
    pub(super) links: Vec<String>,
    pub(super) ids: BTreeSet<String>,
}

/// What a distribution answers to a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// With the object under this key, if there is one.
    Key(String),
    /// With another address.
    Redirect(String),
    /// With something that the function made itself.
    Response(u16),
    /// With an error, because the function failed.
    Failed(String),
}

/// Decides a raw path with its query string, as CloudFront would hand it to the function.
pub type Resolve<'a> = Box<dyn FnMut(&str) -> Target + 'a>;

/// Checks every link of a built site. `resolver` makes one decider for each thread.
pub fn check_links<'a>(
    built: &Built,
    sources: &Sources,
    options: &Options,
    resolver: &(dyn Fn() -> Resolve<'a> + Sync),
) -> Vec<Diagnostic> {
    let objects: BTreeMap<&str, &crate::release::Object> =
        built.objects.iter().map(|object| (object.key.as_str(), object)).collect();
    let ids: BTreeMap<&str, &BTreeSet<String>> =
        built.linked.iter().map(|linked| (linked.page.key.as_str(), &linked.ids)).collect();

    // A site links to few addresses many times, and asking costs an emulated function call: ask once.
    let base = options.base_url.as_deref();
    let per_page: Vec<Vec<(&str, Address)>> = built
        .linked
        .par_iter()
        .map(|linked| {
            linked.links.iter().filter_map(|link| Some((link.as_str(), address(link, &linked.page.url, base)?))).collect()
        })
        .collect();
    let is_ours = |path: &str| !options.elsewhere.iter().any(|pattern| headers::matches(pattern, path));
    let mut paths: Vec<&str> = per_page.iter().flatten().map(|(_, address)| &*address.path).filter(|path| is_ours(path)).collect();
    paths.par_sort_unstable();
    paths.dedup();
    let share = paths.len().div_ceil(rayon::current_num_threads()).max(64);
    let answers: BTreeMap<&str, Answer> = paths
        .par_chunks(share)
        .flat_map_iter(|paths| {
            let mut resolve = resolver();
            paths.iter().map(|path| (*path, follow(path, &mut resolve, |key| objects.contains_key(key)))).collect::<Vec<_>>()
        })
        .collect();

    let mut problems: Vec<Diagnostic> = built
        .linked
        .par_iter()
        .zip(&per_page)
        .flat_map_iter(|(linked, addresses)| {
            addresses.iter().filter_map(|(link, address)| {
                let answer = answers.get(&*address.path)?;
                let complaint = judge(answer, address, &objects, &ids)?;
                Some((&linked.page, *link, complaint))
            })
        })
        .flat_map_iter(|(page, link, complaint)| place(&complaint, link, page, sources))
        .collect();
    sort(&mut problems);
    problems
}

/// An address of this site.
struct Address {
    /// Raw, with a query string where there is one.
    path: Box<str>,
    fragment: Box<str>,
}

/// Reads an address as a browser on the page at `from` would; nothing for those of other sites.
fn address(link: &str, from: &str, base: Option<&str>) -> Option<Address> {
    let link = match base.and_then(|base| link.strip_prefix(base)) {
        Some("") => "/",
        Some(rest) if rest.starts_with(['/', '?', '#']) => rest,
        _ => link,
    };
    let (link, fragment) = link.split_once('#').unwrap_or((link, ""));
    let first = link.split(['/', '?']).next().unwrap_or_default();
    if first.contains(':') || link.starts_with("//") {
        return None;
    }
    let (path, query) = link.split_once('?').map_or((link, String::new()), |(path, query)| (path, format!("?{query}")));
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let path = match path {
        "" => from.to_owned(),
        path if path.starts_with('/') => normal(path),
        path => normal(&format!("{folder}/{path}")),
    };
    Some(Address { path: (path + &query).into(), fragment: fragment.into() })
}

/// Without dot segments, as browsers send it.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').skip(1) {
        match part {
            "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    // `/a/.` and `/a/..` are folders.
    if path.ends_with("/.") || path.ends_with("/..") {
        parts.push("");
    }
    format!("/{}", parts.join("/"))
}

enum Answer {
    Key { key: String, redirected: Option<String> },
    Missing(String),
    Other(String),
}

fn follow(path: &str, resolve: &mut Resolve<'_>, exists: impl Fn(&str) -> bool) -> Answer {
    let mut at = path.to_owned();
    for _ in 0..MAX_REDIRECTS {
        match resolve(&at) {
            Target::Key(key) if exists(&key) => {
                let redirected = (at != path).then_some(at);
                return Answer::Key { key, redirected };
            }
            Target::Key(key) => return Answer::Missing(key),
            Target::Redirect(to) => match address(&to, &at, None) {
                Some(address) => at = address.path.into(),
                None => return Answer::Other(format!("redirects to `{to}`, which is another site")),
            },
            Target::Response(status) => return Answer::Other(format!("is answered with {status} by the function")),
            Target::Failed(reason) => return Answer::Other(format!("makes the function fail: {reason}")),
        }
    }
    Answer::Other("redirects without end".to_owned())
}

/// What is wrong with an address, given what is there.
fn judge(
    answer: &Answer,
    address: &Address,
    objects: &BTreeMap<&str, &crate::release::Object>,
    ids: &BTreeMap<&str, &BTreeSet<String>>,
) -> Option<Diagnostic> {
    match answer {
        Answer::Key { key, redirected } => {
            let fragment = percent_decode_str(&address.fragment).decode_utf8_lossy();
            // A text fragment (`#:~:text=`) is no id, and `#top` is the page itself.
            let names_an_id = !fragment.is_empty() && fragment != "top" && !fragment.starts_with(":~:");
            if names_an_id
                && let Some(ids) = ids.get(key.as_str())
                && !ids.contains(&*fragment)
            {
                let hint = near(&fragment, ids.iter().map(String::as_str))
                    .map(|name| format!("an id with a similar name exists: `#{name}`"));
                return Some(
                    Diagnostic::error("broken-fragment", format!("`{}` has no `#{fragment}`", address.path)).maybe_hint(hint),
                );
            }
            let to = redirected.as_ref()?;
            Some(
                Diagnostic::warning("redirected-link", format!("`{}` redirects to `{to}`", address.path))
                    .hint(format!("link to `{to}`")),
            )
        }
        Answer::Missing(key) => {
            let pages: Vec<String> =
                objects.values().filter(|object| object.class == Class::Page).map(|object| page_url(object.key.as_str())).collect();
            let path = address.path.split('?').next().unwrap_or_default();
            let hint =
                near(path, pages.iter().map(String::as_str)).map(|page| format!("a page with a similar address exists: `{page}`"));
            let hint = hint.or_else(|| Some(format!("nothing is stored under `{key}`")));
            Some(Diagnostic::error("broken-link", format!("`{}` leads nowhere", address.path)).maybe_hint(hint))
        }
        Answer::Other(what) => Some(Diagnostic::error("broken-link", format!("`{}` {what}", address.path))),
    }
}

fn page_url(key: &str) -> String {
    let path = key.strip_suffix("index.html").unwrap_or(key);
    crate::release::encode_path(&format!("/{path}"))
}

/// Says a complaint at every place where the link is written.
fn place(complaint: &Diagnostic, link: &str, page: &Page, sources: &Sources) -> Vec<Diagnostic> {
    let text = sources.text(page.path.as_str()).unwrap_or_default();
    let body = text.get(page.body..).unwrap_or_default();
    let mut places: Vec<(SourcePath, Span)> =
        markdown::find_links(body, link).into_iter().map(|span| (page.path.clone(), span.shift(page.body))).collect();
    if places.is_empty() {
        places = written(&format!("\"{link}\""), page, sources)
            .into_iter()
            .map(|(path, span)| (path, Span::new(span.start + 1, span.end - 1)))
            .collect();
    }
    // A link to another source was written with that source's name, but with this fragment.
    if let (true, Some((_, fragment))) = (places.is_empty(), link.split_once('#')) {
        places = written(&format!("#{fragment}"), page, sources);
    }
    if places.is_empty() {
        return vec![complaint.clone().at(&page.path, Span::default()).hint(format!("in this page's template: `{link}`"))];
    }
    places.into_iter().map(|(path, span)| complaint.clone().at(&path, span)).collect()
}

/// Where a text is written: in the page, or else in the templates.
pub(super) fn written(text: &str, page: &Page, sources: &Sources) -> Vec<(SourcePath, Span)> {
    let find = |path: &SourcePath| -> Vec<(SourcePath, Span)> {
        let source = sources.text(path.as_str()).unwrap_or_default();
        source.match_indices(text).map(|(at, _)| (path.clone(), Span::new(at, at + text.len()))).collect()
    };
    let found = find(&page.path);
    if !found.is_empty() {
        return found;
    }
    sources.under(TEMPLATES).flat_map(|(path, _)| find(path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_a_browser_reads_them() {
        let read = |link: &str| {
            address(link, "/a/b/", Some("https://x.test")).map(|address| format!("{}#{}", address.path, address.fragment))
        };
        for (link, expected) in [
            ("", Some("/a/b/#")),
            ("#x", Some("/a/b/#x")),
            ("c", Some("/a/b/c#")),
            ("../c/?q=1#y", Some("/a/c/?q=1#y")),
            ("/d/./../e", Some("/e#")),
            ("../../../..", Some("/#")),
            ("?q", Some("/a/b/?q#")),
            ("https://x.test", Some("/#")),
            ("https://x.test/z", Some("/z#")),
            ("https://x.test.evil/z", None),
            ("mailto:a@x.test", None),
            ("//cdn.test/x", None),
        ] {
            assert_eq!(read(link).as_deref(), expected, "{link}");
        }
    }

    #[test]
    fn a_loop_of_redirects_ends() {
        let mut resolve: Resolve<'_> = Box::new(|path| Target::Redirect(if path == "/a" { "/b".into() } else { "/a".into() }));
        assert!(matches!(follow("/a", &mut resolve, |_| true), Answer::Other(_)));
    }
}
