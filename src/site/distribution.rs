//! Who serves what, where a project names distributions besides `site`.
//!
//! A page or file belongs to the distribution whose pattern its path matches, anything else to `site`. What pages need
//! is wherever they are: assets, found through pages, styles and scripts, and the files that pages name. So a
//! distribution is whole by itself, whatever host serves it.
//!
//! References are found as text: an asset's address holds its hash, so where it stands, the asset is meant. That also
//! finds what no list of links has, such as the address in a script's own data.

use super::page::Page;
use super::{Built, Options, link};
use crate::release::{Class, DEFAULT_DISTRIBUTION, Key, Object, encode_path, headers};
use crate::source::{CONFIG_FILE, Diagnostic, SourcePath, Span, near};
use memchr::memmem;
use percent_encoding::percent_decode_str;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

/// A distribution that serves a part of the site.
#[derive(Clone, Debug, Default)]
pub struct Distribution {
    /// Its name, which is the name of its folder in `dist/`.
    pub name: String,
    /// CloudFront path patterns of what it serves, each with its place in `qdn.toml`.
    pub pages: Vec<(String, Span)>,
    /// The address of the page that is published as its `index.html` as well.
    pub home: Option<(String, Span)>,
}

/// Whose each page and file is, by its key. Those of `site` are not in it.
pub(super) type Claims = BTreeMap<Key, String>;

/// What every distribution has one of.
const COMMON: &[&str] = &["404.html", "robots.txt"];

const HOME: &str = "index.html";

/// Finds out whose the pages and files are, and complains of patterns that clash or lead nowhere.
pub(super) fn claim(pages: &[Arc<Page>], files: &[Key], options: &Options, problems: &mut Vec<Diagnostic>) -> Claims {
    let mut claims = Claims::new();
    if options.distributions.is_empty() {
        return claims;
    }
    let mut all: Vec<(&Key, String)> = pages.iter().map(|page| (&page.key, page.url.clone())).collect();
    all.extend(files.iter().map(|key| (key, key.path())));
    all.retain(|(key, _)| !COMMON.contains(&key.as_str()));
    let config = SourcePath::new(CONFIG_FILE);
    let mut clashes: BTreeSet<(&str, &str)> = BTreeSet::new();
    for distribution in &options.distributions {
        for (pattern, span) in &distribution.pages {
            let mut is_used = false;
            for (key, address) in all.iter().filter(|(key, address)| is_match(pattern, key, address)) {
                is_used = true;
                match claims.get(*key) {
                    None => drop(claims.insert((*key).clone(), distribution.name.clone())),
                    Some(other) if *other == distribution.name => {}
                    Some(other) => {
                        let Some(other) = options.distributions.iter().find(|known| known.name == *other) else { continue };
                        // One example is enough: the next would be the same two patterns.
                        if clashes.insert((&other.name, &distribution.name)) {
                            problems.push(
                                Diagnostic::error("two-distributions", format!("`{address}` belongs to `{}` already", other.name))
                                    .at(&config, *span)
                                    .hint("a page or file has one distribution: narrow one of the patterns"),
                            );
                        }
                    }
                }
            }
            if !is_used {
                problems.push(
                    Diagnostic::warning("unused-pattern", format!("nothing matches `{pattern}`")).at(&config, *span).maybe_hint(
                        near(pattern, all.iter().map(|(_, address)| address.as_str()))
                            .map(|address| format!("there is `{address}`; a pattern for it and all below it is `{address}*`")),
                    ),
                );
            }
        }
    }
    for distribution in &options.distributions {
        problems.extend(no_home(distribution, pages, &claims));
    }
    claims
}

/// Whether a pattern means an object, by either of its addresses, written encoded or as it is read.
fn is_match(pattern: &str, key: &Key, address: &str) -> bool {
    let names = [address, &key.path(), &format!("/{key}"), &*percent_decode_str(address).decode_utf8_lossy()]
        .map(|name| headers::matches(pattern, name));
    names.contains(&true)
}

/// What is wrong with a distribution's home page.
fn no_home(distribution: &Distribution, pages: &[Arc<Page>], claims: &Claims) -> Option<Diagnostic> {
    let (home, span) = distribution.home.as_ref()?;
    let home = &encoded(home);
    let config = SourcePath::new(CONFIG_FILE);
    let own = || pages.iter().filter(|page| claims.get(&page.key) == Some(&distribution.name));
    match own().find(|page| page.url == *home) {
        Some(page) if page.key.as_str() != HOME && own().any(|page| page.key.as_str() == HOME) => Some(
            Diagnostic::error(
                "home",
                format!("`{home}` cannot be the home page of `{}`: `/` is one of its pages", distribution.name),
            )
            .at(&config, *span)
            .hint("remove `home`, or leave `/` to another distribution"),
        ),
        Some(_) => None,
        None => {
            let hint = near(home, own().map(|page| page.url.as_str()))
                .map(|name| format!("a page with a similar address exists: `{name}`"))
                .or_else(|| own().next().map(|page| format!("one of its pages is `{}`", page.url)));
            Some(
                Diagnostic::error("home", format!("`{home}` is not a page of the distribution `{}`", distribution.name))
                    .at(&config, *span)
                    .maybe_hint(hint),
            )
        }
    }
}

/// Links of home pages that mean something else where the page is published as `/`.
pub(super) fn relative_links<'a>(built: &'a Built, options: &'a Options) -> impl Iterator<Item = (Diagnostic, &'a str, &'a Page)> {
    let homes = options.distributions.iter().filter_map(|distribution| {
        let home = encoded(&distribution.home.as_ref()?.0);
        Some((distribution, built.linked.iter().find(|linked| linked.page.url == home)?))
    });
    homes.flat_map(move |(distribution, linked)| {
        let is_relative = |link: &&str| !link.is_empty() && !link.starts_with(['/', '#', '?']);
        let links: BTreeSet<&str> = linked.links.iter().filter(is_relative).collect();
        links.into_iter().filter_map(move |link| {
            let base = options.base_url.as_deref();
            let (here, there) = (link::path_of(link, &linked.page.url, base)?, link::path_of(link, "/", base)?);
            let complaint = Diagnostic::error(
                "relative-link",
                format!("`{link}` leads to `{here}` here, and to `{there}` where this page is `/`"),
            )
            .hint(format!("write `{here}`: the page is the home page of the distribution `{}` too", distribution.name));
            (here != there).then_some((complaint, link, &*linked.page))
        })
    })
}

/// The objects of each distribution.
pub fn divide(built: &mut Built, options: &Options) -> BTreeMap<String, Vec<Object>> {
    let objects = std::mem::take(&mut built.objects);
    if options.distributions.is_empty() {
        return BTreeMap::from([(DEFAULT_DISTRIBUTION.to_owned(), objects)]);
    }
    let references = References::of(&objects, built, options);
    let names: Vec<&str> =
        std::iter::once(DEFAULT_DISTRIBUTION).chain(options.distributions.iter().map(|one| one.name.as_str())).collect();
    let mut reached: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for name in &names {
        let own = objects.iter().enumerate().filter(|(_, object)| {
            let owner = built.claims.get(&object.key).map_or(DEFAULT_DISTRIBUTION, String::as_str);
            object.class != Class::Immutable && (owner == *name || object.key.as_str() == "404.html")
        });
        reached.insert(name, references.reach(own.map(|(at, _)| at)));
    }
    // What nobody is seen to need is somebody's all the same: an image of an e-mail, say.
    let used: BTreeSet<usize> = reached.values().flatten().copied().collect();
    if let Some(site) = reached.get_mut(DEFAULT_DISTRIBUTION) {
        site.extend((0..objects.len()).filter(|at| !used.contains(at)));
    }
    let mut divided = BTreeMap::new();
    for (name, members) in reached {
        let mut members: Vec<Object> = members.into_iter().map(|at| objects[at].clone()).collect();
        if let Some(distribution) = options.distributions.iter().find(|known| known.name == name) {
            members.extend(extras(distribution, &objects, built));
        }
        divided.insert(name.to_owned(), members);
    }
    divided
}

/// What a distribution has besides its part of the site: its home page, and what it says to robots.
fn extras(distribution: &Distribution, objects: &[Object], built: &Built) -> Vec<Object> {
    let own = || built.linked.iter().filter(|linked| built.claims.get(&linked.page.key) == Some(&distribution.name));
    let home = distribution.home.as_ref().and_then(|(home, _)| {
        let home = encoded(home);
        let page = &own().find(|linked| linked.page.url == home)?.page;
        let object = objects.iter().find(|object| object.key == page.key)?;
        (page.key.as_str() != HOME).then(|| Object { key: Key::new(HOME), ..object.clone() })
    });
    let is_hidden = own().all(|linked| linked.page.flag("noindex"));
    let robots = if is_hidden { "User-agent: *\nDisallow: /\n" } else { "User-agent: *\nAllow: /\n" };
    home.into_iter().chain([Object::new(Key::new("robots.txt"), robots.as_bytes(), Class::Page)]).collect()
}

/// By object, the objects that its text names, all by their place among the objects.
struct References(Vec<Vec<usize>>);

impl References {
    fn of(objects: &[Object], built: &Built, options: &Options) -> Self {
        let assets: BTreeMap<String, usize> = objects
            .iter()
            .enumerate()
            .filter(|(_, object)| object.class == Class::Immutable)
            .map(|(at, object)| (object.key.path(), at))
            .collect();
        let texts =
            objects.par_iter().map(|object| if is_text(object.key.as_str()) { named(&object.bytes, &assets) } else { Vec::new() });
        let mut references: Vec<Vec<usize>> = texts.collect();
        let places: BTreeMap<&str, usize> = objects.iter().enumerate().map(|(at, object)| (object.key.as_str(), at)).collect();
        let wanted = |link: &str, page: &Page| {
            let path = link::path_of(link, &page.url, options.base_url.as_deref())?;
            let key = percent_decode_str(path.strip_prefix('/')?).decode_utf8_lossy().into_owned();
            let at = *places.get(key.as_str())?;
            (objects[at].class == Class::Immutable || built.files.contains(key.as_str())).then_some(at)
        };
        for linked in &built.linked {
            let Some(from) = places.get(linked.page.key.as_str()) else { continue };
            references[*from].extend(linked.links.iter().filter_map(|link| wanted(link, &linked.page)));
        }
        Self(references)
    }

    /// The objects themselves, and all they need.
    fn reach(&self, from: impl Iterator<Item = usize>) -> BTreeSet<usize> {
        let mut open: Vec<usize> = from.collect();
        let mut found: BTreeSet<usize> = open.iter().copied().collect();
        while let Some(at) = open.pop() {
            open.extend(self.0[at].iter().filter(|other| found.insert(**other)));
        }
        found
    }
}

/// Whether an object may name others: images and fonts do not, but for SVG.
fn is_text(key: &str) -> bool {
    let kind = headers::content_type(key);
    kind.starts_with("text/") || ["json", "xml", "javascript"].iter().any(|part| kind.contains(part))
}

/// The assets whose addresses stand in a text.
fn named(bytes: &[u8], assets: &BTreeMap<String, usize>) -> Vec<usize> {
    let longest = assets.keys().map(String::len).max().unwrap_or_default();
    let starts = memmem::find_iter(bytes, "/assets/").filter_map(|start| {
        let rest = &bytes[start..bytes.len().min(start + longest)];
        let end = rest.iter().position(|byte| !byte.is_ascii_graphic()).unwrap_or(rest.len());
        prefix_of(std::str::from_utf8(&rest[..end]).ok()?, assets)
    });
    starts.collect()
}

/// The longest address that a text begins with. Those that begin alike stand side by side, so each step back in their
/// order leaves only what the last one and the text have in common.
fn prefix_of(mut text: &str, assets: &BTreeMap<String, usize>) -> Option<usize> {
    loop {
        let (address, at) = assets.range::<str, _>((Bound::Unbounded, Bound::Included(text))).next_back()?;
        if text.starts_with(address.as_str()) {
            return Some(*at);
        }
        let common = text.bytes().zip(address.bytes()).take_while(|(one, other)| one == other).count();
        text = &text[..common];
    }
}

/// An address as pages have it, however it is written.
fn encoded(address: &str) -> String {
    encode_path(&percent_decode_str(address).decode_utf8_lossy())
}

/// The rows of headers that a distribution's home page has as `/`.
pub fn policy(policy: &headers::Policy, name: &str, options: &Options) -> headers::Policy {
    let home = options.distributions.iter().find(|known| known.name == name).and_then(|known| known.home.as_ref());
    match home {
        Some((home, _)) => policy.clone().also(&encoded(home), &["/", "/index.html"]),
        None => policy.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_where_they_stand() {
        let assets: BTreeMap<String, usize> = ["/assets/a.1.js", "/assets/a.1.js.txt", "/assets/b%20c.2.png"]
            .iter()
            .enumerate()
            .map(|(at, name)| ((*name).to_owned(), at))
            .collect();
        let text = b"import'/assets/a.1.js';url(https://x.test/assets/b%20c.2.png)/assets/none.js /assets/a.1.js.txt\xff/assets/";
        assert_eq!(named(text, &assets), [0, 2, 1], "`;` comes behind `.`, so the longer name lies between");
    }

    #[test]
    fn a_pattern_means_a_page_by_any_of_its_names() {
        let key = Key::new("café/index.html");
        for pattern in ["/caf*", "/café/", "/caf%C3%A9/", "/café/index.html", "/caf%C3%A9/index.html", "*"] {
            assert!(is_match(pattern, &key, "/caf%C3%A9/"), "{pattern}");
        }
        assert!(!is_match("/cafe/*", &key, "/caf%C3%A9/"));
    }
}
