//! From sources to a release: the one place that knows both the site and the function in front of it.
//!
//! ```text
//! Sources ─▶ config ─▶ site::build ─▶ redirects ─▶ edge::check ▸ bundle ─▶ links checked through it ─▶ Release
//! ```
//!
//! `qdn build`, `qdn check` and `qdn preview` all come here: there is no second way to build.

mod edge;

pub use edge::{Decision, Edge, FUNCTIONS, REDIRECTS, Runner, decision, entries, runtime, virtual_modules};

use crate::config::{self, Config};
use crate::jobs::Terms;
use crate::release::{self, Release, headers::Policy};
use crate::site::{self, Memory};
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
    /// The release's name, which stays when the release itself is taken.
    pub id: Option<String>,
    /// The function that decides the site's URLs, if there is one.
    pub edge: Option<Edge>,
    /// Everything wrong, in the order of the files.
    pub diagnostics: Vec<Diagnostic>,
    /// What the firm offers, for the job API.
    pub terms: Terms,
    /// How many pages there are.
    pub pages: usize,
    /// How many fingerprinted assets there are.
    pub assets: usize,
    /// How many functions there are.
    pub functions: usize,
}

/// Builds a project. `problems` are those of reading it.
pub fn release(sources: &Sources, problems: Vec<Diagnostic>, options: Options, memory: &Memory) -> Outcome {
    let (mut config, mut diagnostics) = config::parse(sources);
    diagnostics.extend(problems);
    config.site.drafts = options.drafts;
    let mut built = site::build(sources, &config.site, memory);
    diagnostics.append(&mut built.diagnostics);
    let mut functions = edge::bundle(sources, &config, &built.redirects);
    diagnostics.append(&mut functions.diagnostics);
    // A page that failed has no links to check, and a link to it would be called broken.
    if !diagnostics.iter().any(Diagnostic::is_error) {
        let edge = functions.edge.as_ref();
        diagnostics.extend(site::check_links(&built, sources, &config.site, &|| edge::resolver(edge)));
    }
    sort(&mut diagnostics);
    let mut outcome = Outcome {
        release: None,
        id: None,
        edge: functions.edge.take(),
        terms: config.terms.clone(),
        pages: built.pages,
        assets: built.assets,
        functions: functions.functions.len(),
        diagnostics,
    };
    if !outcome.diagnostics.iter().any(Diagnostic::is_error) {
        let release = assemble(built, functions, config);
        outcome.id = Some(release.manifest.release.clone());
        outcome.release = Some(release);
    }
    outcome
}

/// The site's aliases: from where to where. Complaints of the site are another command's business.
pub fn redirects(sources: &Sources, memory: &Memory) -> BTreeMap<String, String> {
    let (config, _) = config::parse(sources);
    site::build(sources, &config.site, memory).redirects
}

fn assemble(built: site::Built, functions: edge::Functions, config: Config) -> Release {
    let policy = Policy::new(&built.inline_scripts, &built.inline_styles, config.headers);
    let objects = BTreeMap::from([(release::DEFAULT_DISTRIBUTION.to_owned(), built.objects)]);
    release::assemble(objects, functions.functions, &functions.viewer_request, policy, built.source_maps)
}
