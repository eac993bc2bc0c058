//! From sources to a release: the one place that knows both the site and the function in front of it.
//!
//! ```text
//! Sources ─▶ config ─▶ site::build ─▶ redirects ─▶ edge::check ▸ bundle ─▶ links checked through it ─▶ Release
//! ```
//!
//! `qdn build`, `qdn check` and `qdn preview` all come here: there is no second way to build.

use crate::config::{self, Config};
use crate::release::{self, Function, Release, headers::Policy};
use crate::site::{self, Memory, Resolve, Target};
use crate::source::{Diagnostic, Sources, sort};
use std::collections::BTreeMap;

/// What may be asked of a build besides its sources.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Whether drafts are built too: for a look at them, never to be published.
    pub drafts: bool,
}

/// What came of a build.
pub struct Outcome {
    /// What was built; nothing where there was an error.
    pub release: Option<Release>,
    /// Everything wrong, in the order of the files.
    pub diagnostics: Vec<Diagnostic>,
    /// How many pages there are.
    pub pages: usize,
    /// How many fingerprinted assets there are.
    pub assets: usize,
}

/// Builds a project. `problems` are those of reading it.
pub fn release(sources: &Sources, problems: Vec<Diagnostic>, options: Options, memory: &Memory) -> Outcome {
    let (mut config, mut diagnostics) = config::parse(sources);
    diagnostics.extend(problems);
    config.site.drafts = options.drafts;
    let mut built = site::build(sources, &config.site, memory);
    diagnostics.append(&mut built.diagnostics);
    if !diagnostics.iter().any(Diagnostic::is_error) {
        diagnostics.extend(site::check_links(&built, sources, &config.site, &|| resolver()));
    }
    sort(&mut diagnostics);
    let failed = diagnostics.iter().any(Diagnostic::is_error);
    let (pages, assets) = (built.pages, built.assets);
    let release = (!failed).then(|| assemble(built, Vec::new(), config));
    Outcome { release, diagnostics, pages, assets }
}

fn resolver<'a>() -> Resolve<'a> {
    Box::new(|path| {
        let path = path.split('?').next().unwrap_or_default();
        let key = percent_encoding::percent_decode_str(path.trim_start_matches('/')).decode_utf8_lossy().into_owned();
        Target::Key(if key.is_empty() || key.ends_with('/') { key + "index.html" } else { key })
    })
}

fn assemble(built: site::Built, functions: Vec<Function>, config: Config) -> Release {
    let policy = Policy::new(&built.inline_scripts, &built.inline_styles, config.headers);
    let objects = BTreeMap::from([(release::DEFAULT_DISTRIBUTION.to_owned(), built.objects)]);
    release::assemble(objects, functions, &BTreeMap::new(), policy, built.source_maps)
}
