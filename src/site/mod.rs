//! Content, templates and assets become objects.
//!
//! ```text
//! Sources ──▶ pages (parsed) ┐
//!         ──▶ assets (named) ┴▶ rendered ▸ scanned ▸ minified ──▶ Built ──check_links──▶ Diagnostics
//! ```
//!
//! Everything wrong is reported at once: a page with an error still lets the others be looked at.
//! This module knows no clock, no disk, no edge function (who decides a URL is handed in) and nothing
//! of what the site is about.

mod asset;
mod css;
mod distribution;
mod feed;
mod front_matter;
mod highlight;
mod html;
mod javascript;
mod link;
mod markdown;
mod page;
mod template;

pub use distribution::{Distribution, divide, policy};
pub use link::{Resolve, Target, check_links};

use crate::release::{Cache, Class, Key, Object};
use crate::source::{Diagnostic, Lookup, SourcePath, Sources, Span, Table, near, sort};
use highlight::Highlighter;
use html::Scan;
use minijinja::Value;
use page::{Page, View};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The folder of pages, assets and files.
pub const SITE: &str = "site";
/// Up to so many pages are parsed by one thread.
const FEW: usize = 32;
const ASSETS: &str = "site/assets";
const STATIC: &str = "site/static";

/// What a site may be told besides its sources.
pub struct Options {
    /// `[site]`: what templates see as `site`.
    pub site: Table,
    /// `https://host`, without a slash at its end. Feeds and the sitemap need it.
    pub base_url: Option<String>,
    /// Whether pages lose needless white space.
    pub minify: bool,
    /// Whether drafts are built too.
    pub drafts: bool,
    /// What templates see as `statuses`.
    pub statuses: serde_json::Value,
    /// Modules that browser scripts may import and that no file holds, such as `qdn:statuses`.
    pub virtual_modules: BTreeMap<String, String>,
    /// CloudFront path patterns that lead to no object of ours, such as `/api/*`: not checked.
    pub elsewhere: Vec<String>,
    /// Distributions besides `site`.
    pub distributions: Vec<Distribution>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            site: Table::default(),
            base_url: None,
            minify: true,
            drafts: false,
            statuses: serde_json::Value::Array(Vec::new()),
            virtual_modules: BTreeMap::new(),
            elsewhere: vec!["/api/*".to_owned()],
            distributions: Vec::new(),
        }
    }
}

/// What is kept from one build to the next, so that the next is faster. Never changes what is built.
pub struct Memory {
    /// Coloured code.
    highlighter: Arc<Highlighter>,
    /// Packed images.
    images: Box<dyn Cache>,
    scripts: javascript::Memory,
}

impl Memory {
    /// One that remembers nothing yet but images, which it keeps where it is told.
    pub fn new(images: Box<dyn Cache>) -> Self {
        Self { highlighter: Arc::new(Highlighter::new()), images, scripts: javascript::Memory::default() }
    }
}

/// A built site, all distributions of it. Where there is an error among the diagnostics, it is not to be published.
#[derive(Default)]
pub struct Built {
    /// Everything to be served.
    pub objects: Vec<Object>,
    /// What is wrong, in the order of the files.
    pub diagnostics: Vec<Diagnostic>,
    /// From an alias to the page's address: `/old/` to `/new/`.
    pub redirects: BTreeMap<String, String>,
    /// Hashes for the Content-Security-Policy.
    pub inline_scripts: BTreeSet<String>,
    /// Hashes for the Content-Security-Policy.
    pub inline_styles: BTreeSet<String>,
    /// Source maps by the key they would have.
    pub source_maps: BTreeMap<Key, Arc<[u8]>>,
    /// How many pages there are.
    pub pages: usize,
    /// How many fingerprinted assets there are.
    pub assets: usize,
    linked: Vec<link::Linked>,
    claims: distribution::Claims,
    /// What was copied as it was.
    files: BTreeSet<Key>,
}

/// What rendering a page may ask for besides the page.
struct Shared {
    highlighter: Arc<Highlighter>,
    /// From a page's source to its address.
    urls: BTreeMap<String, String>,
}

/// Builds a site.
pub fn build(sources: &Sources, options: &Options, memory: &Memory) -> Built {
    let mut problems = Vec::new();
    let mut built = Built::default();
    let (pages, files) = classify(sources, &mut problems);

    let pages = read_pages(&pages, options, &mut problems);

    let assets = asset::build(sources, &options.virtual_modules, memory, &mut problems);
    let shared = Arc::new(Shared {
        highlighter: Arc::clone(&memory.highlighter),
        urls: pages.iter().map(|page| (page.path.as_str().to_owned(), page.url.clone())).collect(),
    });
    let rendered = render(&pages, &shared, &assets, sources, options, &mut problems);

    let mut keys = Keys::default();
    for (page, made) in pages.iter().zip(rendered) {
        keys.claim(&page.key, &page.path, &mut problems);
        let Some((object, scan)) = made else { continue };
        built.inline_scripts.extend(scan.scripts);
        built.inline_styles.extend(scan.styles);
        built.objects.push(object);
        built.linked.push(link::Linked { page: Arc::clone(page), links: scan.links, ids: scan.ids });
    }
    for (object, source) in assets.objects {
        keys.claim(&object.key, &source, &mut problems);
        built.objects.push(object);
        built.assets += 1;
    }
    for (path, bytes) in files {
        let key = Key::new(path.as_str().strip_prefix("site/static/").unwrap_or(path.as_str()));
        keys.claim(&key, path, &mut problems);
        built.objects.push(Object::new(key.clone(), Arc::clone(bytes), Class::Page));
        built.files.insert(key);
    }
    let files: Vec<Key> = built.files.iter().cloned().collect();
    built.claims = distribution::claim(&pages, &files, options, &mut problems);
    for object in feed::build(&pages, &built.claims, &shared, &assets.by_name, options, &mut problems) {
        // A file of the project's own, such as `site/static/robots.txt`, stands in the place of ours.
        if !keys.taken.has(object.key.as_str()) {
            keys.claim(&object.key.clone(), &SourcePath::new("qdn"), &mut problems);
            built.objects.push(object);
        }
    }
    built.redirects = redirects(&pages, &keys, &mut problems);
    built.pages = pages.len();
    built.source_maps = assets.source_maps;
    sort(&mut problems);
    built.diagnostics = problems;
    built
}

/// The aliases of a site's pages, each with the address of its page: what [`build`] has as redirects, without building the
/// rest. What is wrong with them is for [`build`] to say.
pub fn aliases(sources: &Sources, options: &Options) -> BTreeMap<String, String> {
    let mut problems = Vec::new();
    let (pages, files) = classify(sources, &mut problems);
    let pages = read_pages(&pages, options, &mut problems);
    let mut keys = Keys::default();
    for page in &pages {
        keys.claim(&page.key, &page.path, &mut problems);
    }
    for (path, _) in files {
        let key = Key::new(path.as_str().strip_prefix("site/static/").unwrap_or(path.as_str()));
        keys.claim(&key, path, &mut problems);
    }
    redirects(&pages, &keys, &mut problems)
}

/// Reads pages in parallel; they come in their order.
fn read_pages(files: &[File<'_>], options: &Options, problems: &mut Vec<Diagnostic>) -> Vec<Arc<Page>> {
    let parse = |(path, source): &File<'_>| {
        let mut problems = Vec::new();
        (Page::parse(path, source, &mut problems), problems)
    };
    // Other threads would hardly have begun.
    let is_few = files.len() <= FEW;
    let parsed: Vec<_> = if is_few { files.iter().map(parse).collect() } else { files.par_iter().map(parse).collect() };
    let mut pages = Vec::with_capacity(parsed.len());
    for (page, found) in parsed {
        problems.extend(found);
        pages.extend(page.filter(|page| options.drafts || !page.front_matter.draft).map(Arc::new));
    }
    pages.sort_by(|a, b| order(a).cmp(&order(b)));
    pages
}

/// By weight, then the newest first, then by address.
fn order(page: &Page) -> (i64, std::cmp::Reverse<Option<jiff::Timestamp>>, &str) {
    (page.front_matter.weight, std::cmp::Reverse(page.front_matter.date.as_ref().map(|date| date.instant)), &page.url)
}

/// A file with its bytes.
type File<'a> = (&'a SourcePath, &'a Arc<[u8]>);

/// Sorts the files under `site/` into pages and files to be copied; assets are another's business.
fn classify<'a>(sources: &'a Sources, problems: &mut Vec<Diagnostic>) -> (Vec<File<'a>>, Vec<File<'a>>) {
    let (mut pages, mut files) = (Vec::new(), Vec::new());
    for (path, bytes) in sources.under(SITE) {
        if let Some(c) = unusable(path.as_str()) {
            problems.push(
                Diagnostic::error("file-name", format!("a file whose name holds {} cannot be published", described(c)))
                    .at(path, Span::default())
                    .hint("rename it: browsers, S3 and CloudFront each read such a name in another way"),
            );
            continue;
        }
        let is_in = |folder: &str| path.as_str().strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        if is_in(ASSETS) {
            continue;
        } else if is_in(STATIC) {
            files.push((path, bytes));
        } else if matches!(path.extension(), "md" | "html") {
            pages.push((path, bytes));
        } else {
            problems.push(
                Diagnostic::error("not-a-page", "this is neither a page (`.md`, `.html`), nor an asset, nor a file to be copied")
                    .at(path, Span::default())
                    .hint("move it to `site/assets/` to have it fingerprinted, or to `site/static/` to have it copied"),
            );
        }
    }
    if pages.is_empty() && problems.is_empty() {
        problems.push(
            Diagnostic::error("no-pages", "there is no page under `site/`")
                .hint("write one: `site/index.md` becomes the home page"),
        );
    }
    (pages, files)
}

/// A character that no published name may hold. Spaces and letters of any script are fine.
fn unusable(name: &str) -> Option<char> {
    name.chars().find(|c| matches!(c, '#' | '?' | '%' | '\\') || c.is_control())
}

fn described(c: char) -> String {
    if c.is_control() { format!("the control character U+{:04X}", u32::from(c)) } else { format!("`{c}`") }
}

/// A finished page, and what was found in it.
type Made = (Object, Scan);

/// Renders and scans every page; nothing for one that has an error.
fn render(
    pages: &[Arc<Page>],
    shared: &Arc<Shared>,
    assets: &asset::Assets,
    sources: &Sources,
    options: &Options,
    problems: &mut Vec<Diagnostic>,
) -> Vec<Option<Made>> {
    let by_name = Arc::new(assets.by_name.clone());
    let globals = template::Globals {
        site: front_matter::to_template(&options.site),
        statuses: Value::from(minijinja::value::Serde(&options.statuses)),
        pages: pages.iter().filter(|page| page.is_listed()).map(|page| View::listed(page, shared)).collect::<Vec<_>>().into(),
        assets: Arc::clone(&by_name),
        parts: assets.parts.clone(),
    };
    let before = problems.len();
    let environment = template::environment(sources, globals, problems);
    // An unknown asset is a consequence where the asset could not be built; one complaint is enough.
    let can_render = problems.len() == before && !problems.iter().any(|problem| problem.is_error() && is_asset(problem));
    let results: Vec<(Option<Made>, Vec<Diagnostic>)> = pages
        .par_iter()
        .map_init(String::new, |finished, page| {
            let rendered = page::render(page, shared);
            let mut problems = page::unknown_links(&rendered.unknown, page, shared, sources);
            if !can_render {
                return (None, problems);
            }
            let view = View::current(page, shared, rendered);
            match fill(page, &view, &environment, sources) {
                Ok(html) => {
                    finished.clear();
                    let scan = html::scan(&html, options.minify, |address| fingerprinted(address, &by_name), finished);
                    problems.extend(blocked(&scan.blocked(&html), page, shared, sources));
                    let object = Object::new(page.key.clone(), finished.as_bytes(), Class::Page);
                    (Some((object, scan)), problems)
                }
                Err(problem) => {
                    problems.push(problem);
                    (None, problems)
                }
            }
        })
        .collect();
    let mut scans = Vec::with_capacity(results.len());
    for (scan, found) in results {
        scans.push(scan);
        problems.extend(found);
    }
    scans
}

/// `/assets/img/a.png`, as a page may write it, is the asset under its real name.
fn fingerprinted(address: &str, assets: &BTreeMap<String, asset::Asset>) -> Option<String> {
    let address = address.strip_prefix("/assets/")?;
    let (path, rest) = address.find(['#', '?']).map_or((address, ""), |at| address.split_at(at));
    let name = percent_encoding::percent_decode_str(path).decode_utf8().ok()?;
    assets.get(&*name).map(|asset| format!("{}{rest}", asset.url))
}

fn is_asset(problem: &Diagnostic) -> bool {
    problem.place.as_ref().is_some_and(|(path, _)| path.as_str().starts_with(ASSETS))
}

/// The page's template, filled.
fn fill(page: &Page, view: &Value, environment: &minijinja::Environment<'_>, sources: &Sources) -> Result<String, Diagnostic> {
    let (name, span) =
        page.front_matter.template.as_ref().map_or(("page.html", Span::default()), |(name, span)| (name.as_str(), *span));
    let template = environment.get_template(name).map_err(|_| {
        let known: Vec<&str> = environment.templates().map(|(name, _)| name).collect();
        let hint = match near(name, known.iter().copied()) {
            Some(near) => format!("a template with a similar name exists: `{near}`"),
            None => format!("write `templates/{name}`"),
        };
        let problem = Diagnostic::error("no-such-template", format!("there is no template `{name}`")).hint(hint);
        // Every page uses the default one; its absence is no fault of any of them.
        if page.front_matter.template.is_some() { problem.at(&page.path, span) } else { problem }
    })?;
    template
        .render(Value::from_object(template::Context(view.clone())))
        .map_err(|error| template::complaint(&error, sources, view, environment))
}

/// Complains of attributes that the Content-Security-Policy switches off, each where it is written, if that can be told.
fn blocked(attributes: &BTreeSet<&str>, page: &Page, shared: &Shared, sources: &Sources) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    if attributes.is_empty() {
        return problems;
    }
    // Code that a page shows looks like what it has; only in the finished body is it clear which it is.
    let body = page::render(page, shared).html;
    let found = html::scan(&body, false, |_| None, &mut String::new());
    let own = found.blocked(&body);
    let mut unplaced = BTreeSet::new();
    for &attribute in attributes {
        let name = attribute.split(|c: char| c == '=' || c.is_ascii_whitespace()).next().unwrap_or_default();
        let hint = if name.eq_ignore_ascii_case("style") {
            "give the element a class, and style it in a style sheet"
        } else {
            "add the listener in a script: `element.addEventListener(…)`"
        };
        let message = format!("the Content-Security-Policy switches off the attribute `{name}`");
        let complaint = Diagnostic::error("inline-code", message).hint(hint);
        let is_own = own.contains(attribute);
        let places = written(attribute, is_own, page, sources);
        if places.is_empty() && unplaced.insert(name) {
            problems.push(complaint.clone().at(&page.path, Span::default()).hint(format!("in the finished page: `{attribute}`")));
        }
        problems.extend(places.into_iter().map(|(path, at)| complaint.clone().at(&path, Span::new(at, at + name.len()))));
    }
    problems
}

/// Where an attribute is written: in the templates, in the page if that has it as its own, or else in what the page tells
/// its template.
fn written(attribute: &str, is_own: bool, page: &Page, sources: &Sources) -> Vec<(SourcePath, usize)> {
    let under = sources.under(template::TEMPLATES);
    let templates: Vec<(&SourcePath, &str)> = under.filter_map(|(path, _)| Some((path, sources.text(path.as_str())?))).collect();
    let mut places = Vec::new();
    for &(path, text) in &templates {
        places.extend(attributes_in(text, attribute).map(|at| (path.clone(), at)));
    }
    if is_own {
        places.extend(attributes_in(page.text(), attribute).map(|at| (page.path.clone(), page.body + at)));
    }
    if !places.is_empty() || is_own {
        return places;
    }
    let front_matter = page.source().get(..page.body).unwrap_or_default();
    places.extend(attributes_in(front_matter, attribute).map(|at| (page.path.clone(), at)));
    if !places.is_empty() {
        return places;
    }
    // The template may make the value, but writes what stands before it.
    let Some(equals) = attribute.find('=') else { return places };
    let value = attribute[equals + 1..].trim_ascii_start();
    let quote = usize::from(value.starts_with(['"', '\'']));
    let start = &attribute[..attribute.len() - value.len() + quote];
    let is_made = |value: &str| value.split(['"', '\'', '>']).next().is_some_and(|value| value.contains('{'));
    for &(path, text) in &templates {
        let made = attributes_in(text, start).filter(|at| is_made(&text[at + start.len()..]));
        places.extend(made.map(|at| (path.clone(), at)));
    }
    places
}

/// Where an attribute, or its beginning, stands in a text: `style="x"` not where that ends `data-style="x"`.
fn attributes_in(text: &str, attribute: &str) -> impl Iterator<Item = usize> {
    let is_in_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b':' | b'.');
    let places = text.match_indices(attribute).map(|(at, _)| at);
    places.filter(move |at| text.as_bytes()[..*at].last().is_none_or(|byte| !is_in_name(byte)))
}

/// Which source makes which key; two that make the same are a mistake.
#[derive(Default)]
struct Keys {
    taken: Lookup<Key, SourcePath>,
    /// In lower case, then as it is.
    folded: Lookup<Key, Key>,
    folders: Lookup<String, SourcePath>,
}

impl Keys {
    fn claim(&mut self, key: &Key, source: &SourcePath, problems: &mut Vec<Diagnostic>) {
        let name = key.as_str();
        let is_low = name.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
        let folded = if is_low { key.clone() } else { Key::new(name.to_lowercase()) };
        let mut clash = |message: String, hint: &str| {
            problems.push(Diagnostic::error("same-key", message).at(source, Span::default()).hint(hint));
        };
        if let Some(other) = self.taken.get(name) {
            clash(format!("`{name}` is made by `{other}` too"), "rename one of them, or give the page a `slug`");
        } else if let Some(other) = self.folded.get(&folded) {
            clash(
                format!("`{name}` and `{other}` differ by case alone"),
                "rename one of them: on macOS and Windows they are one file",
            );
        } else if let Some(other) = self.folders.get(name) {
            clash(format!("`{name}` is a file, and a folder for what `{other}` makes"), "rename one of them");
        }
        let mut folder = name;
        while let Some((parent, _)) = folder.rsplit_once('/') {
            if let Some(other) = self.taken.get(parent) {
                problems.push(
                    Diagnostic::error("same-key", format!("`{parent}` is a folder for `{name}`, and a file that `{other}` makes"))
                        .at(source, Span::default())
                        .hint("rename one of them"),
                );
            }
            if self.folders.has(parent) {
                break;
            }
            self.folders.keep(parent.to_owned(), || source.clone());
            folder = parent;
        }
        self.taken.keep(key.clone(), || source.clone());
        self.folded.keep(folded, || key.clone());
    }
}

/// Aliases as redirects, each to the address of its page.
fn redirects(pages: &[Arc<Page>], keys: &Keys, problems: &mut Vec<Diagnostic>) -> BTreeMap<String, String> {
    let mut redirects = BTreeMap::new();
    for page in pages {
        for (alias, span) in &page.front_matter.aliases {
            let complaint = |message: String, hint: &str| Diagnostic::error("alias", message).at(&page.path, *span).hint(hint);
            if !alias.starts_with('/') || alias.starts_with("//") || unusable(alias).is_some() {
                problems.push(complaint(format!("`{alias}` is not a path"), "an alias is a path of this site: `/old/`"));
                continue;
            }
            let from = crate::release::encode_path(alias);
            let object = alias.trim_start_matches('/');
            let index = format!(
                "{}index.html",
                if object.is_empty() { String::new() } else { format!("{}/", object.trim_end_matches('/')) }
            );
            if let Some(other) = keys.taken.get(object).or_else(|| keys.taken.get(index.as_str())) {
                problems
                    .push(complaint(format!("`{alias}` cannot be an alias: `{other}` is there"), "remove the alias, or the page"));
            } else if let Some(other) = redirects.insert(from, page.url.clone()) {
                problems.push(complaint(format!("`{alias}` is an alias of `{other}` already"), "an alias leads to one page"));
            }
        }
    }
    redirects
}
