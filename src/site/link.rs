//! Every address in every page leads somewhere: asked of whoever decides addresses at the edge.

use super::html::Texts;
use super::page::Page;
use super::template::TEMPLATES;
use super::{Built, Options, distribution, markdown};
use crate::release::{Class, Object, headers};
use crate::source::{Diagnostic, Lookup, SourcePath, Sources, Span, near, sort};
use memchr::memmem;
use percent_encoding::percent_decode_str;
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

/// How often one address may lead to another before we call it a loop.
const MAX_REDIRECTS: usize = 5;

/// Up to so many addresses that lead nowhere, others are proposed.
const MANY: usize = 100;

/// A page with what it links to.
pub(super) struct Linked {
    pub(super) page: Arc<Page>,
    pub(super) links: Texts,
    pub(super) ids: Texts,
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
    let keys: Keys<'_> = built.objects.iter().map(|object| (object.key.as_str(), ())).collect();
    let pages: Lookup<&str, &Texts> = built.linked.iter().map(|linked| (linked.page.key.as_str(), &linked.ids)).collect();
    let base = options.base_url.as_deref();

    // A site links to few addresses many times, and asking costs an emulated function call: ask once.
    let share = built.linked.len().div_ceil(rayon::current_num_threads() * 8).max(1);
    let shares: Vec<Vec<Path<'_>>> = built
        .linked
        .par_chunks(share)
        .map(|linked| {
            let addresses =
                linked.iter().flat_map(|linked| linked.links.iter().filter_map(|link| address(link, &linked.page.url, base)));
            distinct(addresses.map(|address| Path::new(address.path)).collect())
        })
        .collect();
    let paths = distinct(shares.into_iter().flatten().collect());
    let share = paths.len().div_ceil(rayon::current_num_threads()).max(64);
    let mut answers: Vec<Option<Answer<'_>>> = paths
        .par_chunks(share)
        .flat_map_iter(|paths| {
            let mut resolve = resolver();
            let answers = paths.iter().map(|path| {
                let is_ours = !options.elsewhere.iter().any(|pattern| headers::matches(pattern, &path.text));
                is_ours.then(|| follow(&path.text, &mut resolve, &keys, &pages))
            });
            answers.collect::<Vec<_>>()
        })
        .collect();

    suggest(&paths, &mut answers, &built.objects);

    // Where every address leads somewhere, as it mostly does, only fragments are left to be looked for.
    let is_fine = |answer: &Option<Answer<'_>>| matches!(answer, None | Some(Answer::Key { redirected: None, .. }));
    let all_lead = answers.iter().all(is_fine);
    let mut problems: Vec<Diagnostic> = built
        .linked
        .par_iter()
        .flat_map_iter(|linked| {
            let open = linked.links.iter().filter(|link| !all_lead || link.contains('#'));
            let complaints = open.filter_map(|link| {
                let address = address(link, &linked.page.url, base)?;
                let at = paths.binary_search(&Path::new(Cow::Borrowed(&address.path))).ok()?;
                Some((link, judge(answers.get(at)?.as_ref()?, &address)?))
            });
            // A link that a page has twice is complained of at all its places at once.
            let complaints: BTreeMap<&str, Diagnostic> = complaints.collect();
            complaints.into_iter().flat_map(move |(link, complaint)| place(&complaint, link, &linked.page, sources))
        })
        .collect();
    let relative = distribution::relative_links(built, options);
    problems.extend(relative.flat_map(|(complaint, link, page)| place(&complaint, link, page, sources)));
    sort(&mut problems);
    problems
}

/// Finds for addresses that lead nowhere the pages that may have been meant. To compare each with all pages takes long where a whole
/// site has moved; then nobody reads hints.
fn suggest(paths: &[Path<'_>], answers: &mut [Option<Answer<'_>>], all: &[Object]) {
    let missing = answers.iter().filter(|answer| matches!(answer, Some(Answer::Missing { .. }))).count();
    if missing == 0 || missing > MANY {
        return;
    }
    let pages = all.iter().filter(|object| object.class == Class::Page);
    let pages: Vec<String> = pages.map(|object| page_url(object.key.as_str())).collect();
    answers.par_iter_mut().zip(paths).for_each(|(answer, path)| {
        if let Some(Answer::Missing { similar, .. }) = answer {
            let path = path.text.split('?').next().unwrap_or_default();
            *similar = near(path, pages.iter().map(String::as_str)).map(str::to_owned);
        }
    });
}

/// The path of this site that a link on the page at `from` means, without its query; nothing for other sites.
pub(super) fn path_of(link: &str, from: &str, base: Option<&str>) -> Option<String> {
    let address = address(link, from, base)?;
    Some(address.path.split('?').next().unwrap_or_default().to_owned())
}

/// The keys of what is built.
type Keys<'a> = Lookup<&'a str, ()>;

/// A path, to be found among many. Most comparisons are of two numbers.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Path<'a> {
    hash: u64,
    text: Cow<'a, str>,
}

impl<'a> Path<'a> {
    fn new(text: Cow<'a, str>) -> Self {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Self { hash: hasher.finish(), text }
    }
}

fn distinct(mut paths: Vec<Path<'_>>) -> Vec<Path<'_>> {
    paths.sort_unstable();
    paths.dedup();
    paths
}

/// An address of this site.
struct Address<'a> {
    /// Raw, with a query string where there is one.
    path: Cow<'a, str>,
    fragment: &'a str,
}

/// Reads an address as a browser on the page at `from` would; nothing for those of other sites.
fn address<'a>(link: &'a str, from: &'a str, base: Option<&str>) -> Option<Address<'a>> {
    let link = match base.and_then(|base| link.strip_prefix(base)) {
        Some("") => "/",
        Some(rest) if rest.starts_with(['/', '?', '#']) => rest,
        _ => link,
    };
    let (link, fragment) = link.split_once('#').unwrap_or((link, ""));
    let has_scheme = || link.split(['/', '?']).next().is_some_and(|first| first.contains(':'));
    if link.starts_with("//") || (!link.starts_with('/') && has_scheme()) {
        return None;
    }
    let (path, query) = link.find('?').map_or((link, ""), |at| link.split_at(at));
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let path = match path {
        "" => Cow::Borrowed(from),
        // Most addresses are what they are already.
        path if path.starts_with('/') && !path.contains("/.") => return Some(Address { path: Cow::Borrowed(link), fragment }),
        path if path.starts_with('/') => normal(path).into(),
        path => normal(&format!("{folder}/{path}")).into(),
    };
    let path = if query.is_empty() { path } else { (path.into_owned() + query).into() };
    Some(Address { path, fragment })
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

enum Answer<'a> {
    /// With an object; where it is a page, with what can be linked to in it, in order.
    Key {
        ids: Option<Vec<&'a str>>,
        redirected: Option<String>,
    },
    /// With the key that is asked for, and a page that may have been meant.
    Missing {
        key: String,
        similar: Option<String>,
    },
    Other(String),
}

fn follow<'a>(path: &str, resolve: &mut Resolve<'_>, keys: &Keys<'_>, pages: &Lookup<&str, &'a Texts>) -> Answer<'a> {
    let mut at = path.to_owned();
    for _ in 0..MAX_REDIRECTS {
        match resolve(&at) {
            Target::Key(key) if keys.has(key.as_str()) => {
                let redirected = (at != path).then_some(at);
                let ids = pages.get(key.as_str()).map(|ids| {
                    let mut ids: Vec<&str> = ids.iter().collect();
                    ids.sort_unstable();
                    ids
                });
                return Answer::Key { ids, redirected };
            }
            Target::Key(key) => return Answer::Missing { key, similar: None },
            Target::Redirect(to) => match address(&to, &at, None) {
                Some(address) => at = address.path.into_owned(),
                None => return Answer::Other(format!("redirects to `{to}`, which is another site")),
            },
            Target::Response(status) => return Answer::Other(format!("is answered with {status} by the function")),
            Target::Failed(reason) => return Answer::Other(format!("makes the function fail: {reason}")),
        }
    }
    Answer::Other("redirects without end".to_owned())
}

/// What is wrong with an address, given what is there.
fn judge(answer: &Answer<'_>, address: &Address<'_>) -> Option<Diagnostic> {
    match answer {
        Answer::Key { ids, redirected } => {
            let fragment = percent_decode_str(address.fragment).decode_utf8_lossy();
            // A text fragment (`#:~:text=`) is no id, and `#top` is the page itself.
            let names_an_id = !fragment.is_empty() && fragment != "top" && !fragment.starts_with(":~:");
            if names_an_id
                && let Some(ids) = ids
                && ids.binary_search(&&*fragment).is_err()
            {
                let hint = near(&fragment, ids.iter().copied()).map(|name| format!("an id with a similar name exists: `#{name}`"));
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
        Answer::Missing { key, similar } => {
            let hint = match similar {
                Some(page) => format!("a page with a similar address exists: `{page}`"),
                None => format!("nothing is stored under `{key}`"),
            };
            Some(Diagnostic::error("broken-link", format!("`{}` leads nowhere", address.path)).hint(hint))
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
    let body = page.text();
    let mut places: Vec<(SourcePath, Span)> = Vec::new();
    for link in spellings(link) {
        if places.is_empty() {
            let found = markdown::find_links(body, &link).into_iter();
            places = found.map(|span| (page.path.clone(), span.shift(page.body))).collect();
        }
        // In HTML: between quotes of either kind, or without any.
        for (before, after) in [("\"", "\""), ("'", "'"), ("=", ">"), ("=", " ")] {
            if places.is_empty() {
                let found = written(&format!("{before}{link}{after}"), page, sources).into_iter();
                places = found.map(|(path, span)| (path, Span::new(span.start + 1, span.end - 1))).collect();
            }
        }
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

/// How a link may have been written that is in a finished page as it is here.
fn spellings(link: &str) -> Vec<Cow<'_, str>> {
    let decoded = percent_decode_str(link).decode_utf8().unwrap_or(Cow::Borrowed(link));
    let escaped = link.replace('&', "&amp;").replace('"', "&quot;");
    let mut all = vec![Cow::Borrowed(link)];
    for other in [decoded, Cow::Owned(escaped)] {
        if !all.contains(&other) {
            all.push(other);
        }
    }
    all
}

/// Where a text is written: in the page, or else in the templates.
fn written(text: &str, page: &Page, sources: &Sources) -> Vec<(SourcePath, Span)> {
    let finder = memmem::Finder::new(text);
    let find = |path: &SourcePath, source: &[u8]| -> Vec<(SourcePath, Span)> {
        finder.find_iter(source).map(|at| (path.clone(), Span::new(at, at + text.len()))).collect()
    };
    let found = find(&page.path, page.source().as_bytes());
    if !found.is_empty() {
        return found;
    }
    sources.under(TEMPLATES).flat_map(|(path, source)| find(path, source)).collect()
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
        let none = Keys::default();
        assert!(matches!(follow("/a", &mut resolve, &none, &Lookup::default()), Answer::Other(_)));
    }
}
