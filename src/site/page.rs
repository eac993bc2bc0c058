//! Pages: where each lies, what it is called, and what a template may ask it for.

use super::front_matter::{self, FrontMatter};
use super::highlight::Highlighter;
use super::markdown::{self, Entry, Rendered};
use super::{SITE, STATIC, Shared, link};
use crate::release::{Key, encode_path};
use crate::source::{Diagnostic, SourcePath, Sources, Span, near, text_of, utf8_of};
use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr, Serde};
use std::sync::Arc;

/// The names by which a template asks a page for something.
pub(super) const FIELDS: &[&str] = &["content", "date", "description", "extra", "title", "toc", "url"];

/// One page of the site.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) path: SourcePath,
    pub(super) key: Key,
    /// Its address, percent-encoded: `/prices/`, `/`, `/404.html`.
    pub(super) url: String,
    pub(super) front_matter: FrontMatter,
    source: Arc<[u8]>,
    /// Where the body begins in the source.
    pub(super) body: usize,
    pub(super) extra: Value,
    /// The front matter's title, or what can be one: the body's first heading, or the file's name.
    pub(super) title: String,
}

impl Page {
    /// Reads a page; nothing where not even its name can be used.
    pub(super) fn parse(path: &SourcePath, source: &Arc<[u8]>, problems: &mut Vec<Diagnostic>) -> Option<Self> {
        let text = match utf8_of(path, source) {
            Ok(text) => text,
            Err(problem) => {
                problems.push(problem);
                return None;
            }
        };
        let (front_matter, body) = front_matter::parse(text, path, problems);
        let route = route(path, front_matter.slug.as_ref(), problems)?;
        let key = match route.as_str() {
            "404" => Key::new("404.html"),
            "" => Key::new("index.html"),
            route => Key::new(format!("{route}/index.html")),
        };
        let url = match route.as_str() {
            "404" => "/404.html".to_owned(),
            "" => "/".to_owned(),
            route => encode_path(&format!("/{route}/")),
        };
        let title = front_matter.title.clone().unwrap_or_else(|| title(&text[body..], path));
        let extra = front_matter::to_template(&front_matter.extra);
        Some(Self { path: path.clone(), key, url, front_matter, source: Arc::clone(source), body, extra, title })
    }

    /// The whole source. Kept at hand, because a large site's is found among many.
    pub(super) fn source(&self) -> &str {
        text_of(&self.source).unwrap_or_default()
    }

    /// The source without the front matter.
    pub(super) fn text(&self) -> &str {
        self.source().get(self.body..).unwrap_or_default()
    }

    /// Whether it is a page that lists of pages should hold.
    pub(super) fn is_listed(&self) -> bool {
        self.key.as_str() != "404.html"
    }

    /// A truth value of `extra`.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.extra.get_attr(name).is_ok_and(|value| value.is_true())
    }
}

/// The path of a page within the site, without slashes at its ends.
fn route(path: &SourcePath, slug: Option<&(String, Span)>, problems: &mut Vec<Diagnostic>) -> Option<String> {
    let inner = path.as_str().strip_prefix(SITE)?.strip_prefix('/')?;
    let stem = inner.strip_suffix(".md").or_else(|| inner.strip_suffix(".html"))?;
    let route = match stem.strip_suffix("index") {
        Some("") => "",
        Some(folder) if folder.ends_with('/') => folder.trim_end_matches('/'),
        _ => stem,
    };
    let Some((slug, span)) = slug else { return Some(route.to_owned()) };
    let complaint = if route.is_empty() {
        Some("the home page cannot have a slug".to_owned())
    } else if slug.is_empty() || slug.contains('/') || slug == "." || slug == ".." || super::unusable(slug).is_some() {
        Some(format!("`{slug}` cannot be a slug: it is one part of a path"))
    } else {
        None
    };
    if let Some(message) = complaint {
        problems.push(Diagnostic::error("slug", message).at(path, *span));
        return Some(route.to_owned());
    }
    Some(match route.rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/{slug}"),
        None => slug.clone(),
    })
}

/// The first `# Heading` of a body, or the file's name.
fn title(body: &str, path: &SourcePath) -> String {
    // A line of HTML that begins with `# ` is no heading.
    let heading = if path.extension() == "html" { None } else { markdown::first_heading(body) };
    heading.unwrap_or_else(|| {
        let file = path.as_str().rsplit('/').next().unwrap_or_default();
        file.rsplit_once('.').map_or(file, |(stem, _)| stem).to_owned()
    })
}

/// A page as a template sees it.
///
/// The content is rendered when a template asks for it and kept only for the page at hand, so that a
/// site of ten thousand pages never holds ten thousand contents.
pub(super) struct View {
    pub(super) page: Arc<Page>,
    pub(super) shared: Arc<Shared>,
    pub(super) rendered: Option<(Value, Vec<Entry>)>,
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "page {}", self.page.url)
    }
}

impl View {
    /// The page as an entry of a list.
    pub(super) fn listed(page: &Arc<Page>, shared: &Arc<Shared>) -> Value {
        Value::from_object(Self { page: Arc::clone(page), shared: Arc::clone(shared), rendered: None })
    }

    /// The page as the one at hand.
    pub(super) fn current(page: &Arc<Page>, shared: &Arc<Shared>, rendered: Rendered) -> Value {
        let rendered = Some((Value::from_safe_string(rendered.html), rendered.toc));
        Value::from_object(Self { page: Arc::clone(page), shared: Arc::clone(shared), rendered })
    }

    fn content(&self) -> Value {
        match &self.rendered {
            Some((content, _)) => content.clone(),
            None => Value::from_safe_string(render(&self.page, &self.shared).html),
        }
    }

    fn toc(&self) -> Value {
        match &self.rendered {
            Some((_, toc)) => Value::from(Serde(toc)),
            None => Value::from(Serde(&render(&self.page, &self.shared).toc)),
        }
    }
}

impl Object for View {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str()? {
            "title" => Value::from(self.page.title.as_str()),
            "description" => Value::from(self.page.front_matter.description.as_deref().unwrap_or_default()),
            "date" => self.page.front_matter.date.as_ref().map_or(Value::from(()), |date| Value::from(date.as_str())),
            "url" => Value::from(self.page.url.as_str()),
            "extra" => self.page.extra.clone(),
            "content" => self.content(),
            "toc" => self.toc(),
            _ => return None,
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(FIELDS)
    }
}

/// The body of a page as HTML.
pub(super) fn render(page: &Page, shared: &Shared) -> Rendered {
    let body = page.text();
    if page.path.extension() == "html" {
        return Rendered { html: body.to_owned(), ..Rendered::default() };
    }
    markdown::render(body, highlighter(shared), |target| linked_page(target, page, shared))
}

fn highlighter(shared: &Shared) -> &Highlighter {
    &shared.highlighter
}

/// The address of the page that a link to a Markdown file means.
fn linked_page(target: &str, page: &Page, shared: &Shared) -> Option<String> {
    let path = super::asset::local(target, &page.path)?.ok()?;
    shared.urls.get(path.as_str()).cloned()
}

/// Complaints of links to Markdown files that are no pages, nor files that are copied as they are.
pub(super) fn unknown_links(unknown: &[String], page: &Page, shared: &Shared, sources: &Sources) -> Vec<Diagnostic> {
    if unknown.is_empty() {
        return Vec::new();
    }
    let body = page.text();
    let mut problems = Vec::new();
    for destination in unknown.iter().filter(|destination| !is_file(destination, page, sources)) {
        let path = destination.split(['#', '?']).next().unwrap_or_default();
        let wanted = super::asset::local(path, &page.path).and_then(Result::ok);
        let hint = wanted.as_ref().and_then(|path| near(path.as_str(), shared.urls.keys().map(String::as_str)));
        for span in markdown::find_links(body, destination) {
            problems.push(
                Diagnostic::error("broken-link", format!("there is no page `{path}`"))
                    .at(&page.path, span.shift(page.body))
                    .maybe_hint(hint.map(|name| format!("a page with a similar name exists: `{name}`"))),
            );
        }
    }
    problems
}

/// Whether the address that a link of a page leads to is that of a file in `site/static/`.
fn is_file(destination: &str, page: &Page, sources: &Sources) -> bool {
    let Some(path) = link::path_of(destination, &page.url, None) else { return false };
    let path = percent_encoding::percent_decode_str(&path).decode_utf8_lossy();
    sources.bytes(&format!("{STATIC}{path}")).is_some()
}
