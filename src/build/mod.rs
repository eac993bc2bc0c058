//! From sources to a release: the one place that knows both the site and the function in front of it.
//!
//! ```text
//! Sources ─▶ config ─▶ site::build ─▶ redirects ─▶ edge::check ▸ bundle ─▶ links checked through it ─▶ Release
//! ```
//!
//! `qdn build`, `qdn check` and `qdn preview` all come here: there is no second way to build.

mod addresses;
mod edge;
mod proofs;

pub use addresses::addresses;
pub use edge::{Decision, Edge, FUNCTIONS, REDIRECTS, Runner, decision, entries, missing, name_problem, runtime, virtual_modules};
pub use proofs::{Proofs, Tester, agree, proofs, proofs_of, tester};

use crate::config::{self, Config};
pub use crate::edge::Runtime;
use crate::jobs::Terms;
use crate::release::{self, Cache, Release, headers::Policy};
use crate::site;
use crate::source::{CONFIG_FILE, Diagnostic, Sources, Span, near, sort};
use std::collections::BTreeMap;

/// The stack of a thread that builds. Whoever nests a thousand parentheses has them read by functions that call themselves; the
/// memory is not used before it is needed.
pub const STACK: usize = 512 << 20;

/// What may be asked of a build besides its sources.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Whether drafts are built too: for a look at them, never to be published.
    pub drafts: bool,
}

/// What is kept from one build to the next, so that the next is faster. Never changes what is built.
pub struct Memory {
    site: site::Memory,
    functions: edge::Memory,
}

impl Memory {
    /// One that remembers nothing yet but images, which it keeps where it is told.
    pub fn new(images: Box<dyn Cache>) -> Self {
        Self { site: site::Memory::new(images), functions: edge::Memory::default() }
    }
}

/// What came of a build.
pub struct Outcome {
    /// What was built; nothing where there was an error.
    pub release: Option<Release>,
    /// The release's name, which stays when the release itself is taken.
    pub id: Option<String>,
    /// The function that decides the site's URLs, if there is one.
    pub edge: Option<Edge>,
    /// The function that sees the answers, if there is one.
    pub response_edge: Option<Edge>,
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
    let mut built = site::build(sources, &config.site, &memory.site);
    diagnostics.append(&mut built.diagnostics);
    let mut functions = edge::bundle(sources, &config, &built.redirects, &memory.functions);
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
        response_edge: functions.response_edge.take(),
        terms: config.terms.clone(),
        pages: built.pages,
        assets: built.assets,
        functions: functions.functions.len(),
        diagnostics,
    };
    if !outcome.diagnostics.iter().any(Diagnostic::is_error) {
        let families = std::mem::take(&mut config.family_keys);
        let release = assemble(built, functions, config);
        outcome.diagnostics.extend(no_such_keys(&families, &release));
        sort(&mut outcome.diagnostics);
        outcome.id = Some(release.manifest.release.clone());
        outcome.release = Some(release);
    }
    outcome
}

/// Warnings of keys that `[invalidation.families]` speaks of and no distribution has.
fn no_such_keys(families: &[(String, Span)], release: &Release) -> Vec<Diagnostic> {
    let pages = || release.manifest.distributions.values().flat_map(|distribution| distribution.objects.keys());
    let missing = families.iter().filter(|(key, _)| !pages().any(|known| known == key));
    missing
        .map(|(key, span)| {
            let hint = near(key, pages().map(String::as_str)).map(|near| format!("an object with a similar name exists: `{near}`"));
            Diagnostic::warning("no-such-key", format!("no distribution has an object `{key}`"))
                .at(&CONFIG_FILE.into(), *span)
                .maybe_hint(hint)
        })
        .collect()
}

/// The site's aliases: from where to where. Complaints of the site are another command's business.
pub fn redirects(sources: &Sources) -> BTreeMap<String, String> {
    let (config, _) = config::parse(sources);
    site::aliases(sources, &config.site)
}

fn assemble(mut built: site::Built, functions: edge::Functions, config: Config) -> Release {
    let policy = Policy::new(&built.inline_scripts, &built.inline_styles, config.headers);
    let objects = site::divide(&mut built, &config.site);
    let policy_of = |name: &str| site::policy(&policy, name, &config.site);
    release::assemble_with(
        objects,
        functions.functions,
        &functions.viewer_request,
        &functions.viewer_response,
        policy_of,
        built.source_maps,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::Digest;

    struct Forgetful;

    impl Cache for Forgetful {
        fn get(&self, _: &Digest) -> Option<Vec<u8>> {
            None
        }

        fn put(&self, _: &Digest, _: &[u8]) {}
    }

    fn built(sources: &Sources, memory: &Memory) -> (Option<Release>, Vec<Diagnostic>) {
        let outcome = release(sources, Vec::new(), Options::default(), memory);
        (outcome.release, outcome.diagnostics)
    }

    #[test]
    fn what_is_remembered_changes_nothing() {
        let mut sources: Sources = [
            ("site/index.md", "---\naliases: [/old/]\n---\n```js\nlet a;\n```\n"),
            ("site/assets/a.js", "import { b } from './lib/b.js';\nconsole.log(b);\n"),
            ("site/assets/lib/b.js", "export const b = 1;\n"),
            ("templates/page.html", "<script src=\"{{ asset('a.js') }}\"></script>{{ page.content }}"),
            ("functions/f.js", "import redirects from 'qdn:redirects';\nimport { b } from '../site/assets/lib/b.js';\nexport function handler(event) { const r = event.request; if (redirects[r.uri] || b > 9) r.uri = '/'; if (r.uri.endsWith('/')) r.uri += 'index.html'; return r; }\n"),
        ]
        .map(|(path, text)| (path, text.as_bytes().to_vec()))
        .into_iter()
        .collect();
        let memory = Memory::new(Box::new(Forgetful));
        let mut names = Vec::new();
        for (path, text) in [
            ("site/a.md", "a page"),
            ("site/a.md", "a page that changed"),
            ("site/assets/lib/b.js", "export const b = 2;\n"),
            ("site/assets/lib/b.js", "export const b = ;\n"),
            ("site/assets/lib/b.js", "export const b = 2;\n"),
            ("site/a.md", "---\naliases: [/older/]\n---\n"),
            ("functions/f.js", "export function handler(event) { return nothing; }\n"),
            ("qdn.toml", "[functions]\nviewer_request = \"g\"\n"),
        ] {
            sources.insert(path, text.as_bytes().to_vec());
            let (warm, said) = built(&sources, &memory);
            let (cold, expected) = built(&sources, &Memory::new(Box::new(Forgetful)));
            assert_eq!(said, expected, "after {path}");
            assert_eq!(warm.is_some(), cold.is_some(), "after {path}");
            let (Some(warm), Some(cold)) = (warm, cold) else { continue };
            assert_eq!(warm.manifest, cold.manifest, "after {path}");
            assert_eq!(warm.source_maps, cold.source_maps, "after {path}");
            names.push(warm.manifest.release);
        }
        names.dedup();
        assert!(names.len() >= 4, "the changes change what is built: {names:?}");
    }
}
