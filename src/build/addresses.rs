//! Who can see an object: asked of the function in front of the site, as links are.
//!
//! An edge holds an object under the path that the function rewrote to, and AWS advises to purge the paths that
//! visitors asked for as well [DeveloperGuide: invalidation-specifying-objects, "Changing the URI"]. Which these are is
//! no guess: each candidate is run through the bundled function, and counts if it leads to the object. What the
//! function answers itself, redirects above all, is never cached, and so never purged.

use super::edge::{Decision, Edge, Runner, decision};
use crate::deploy::invalidation::Change;
use crate::deploy::options::{Aliases, InvalidationOptions};
use crate::edge::{Event, Runtime};
use crate::release::{Key, encode_path};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use rayon::prelude::*;
use std::collections::BTreeSet;

/// One part of a path that no site has. It passes for a token: 22 characters, as 128 bits have in base64url.
const UNLIKELY: &str = "qdnnosuchpagezq7xzq7xz";

/// What a browser encodes in a path, and no more (WHATWG URL, "path percent-encode set").
const BROWSER: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'^').add(b'`').add(b'{').add(b'}');

/// For each key, in their order: the paths under which the edge may hold it, and wildcards for those that are without
/// number. Everything is encoded as an invalidation wants it.
///
/// `function` is the bundled code that decides the distribution's URLs; without one a key has its own path, and `/`
/// stands for the home page, which the distribution's default root object sees to.
pub fn addresses(keys: &[String], function: Option<(&str, Runtime)>, options: &InvalidationOptions) -> Vec<Change> {
    let Some((code, runtime)) = function else {
        return keys.iter().map(|key| change(key, None, options)).collect();
    };
    let edge = Edge::of(code, runtime);
    // An emulator costs as much as many events, so each thread has one for as many keys as there are for it.
    let share = keys.len().div_ceil(rayon::current_num_threads()).max(64);
    keys.par_chunks(share)
        .flat_map_iter(|keys| {
            let mut runner = edge.emulator();
            keys.iter().map(|key| change(key, Some(&mut runner), options)).collect::<Vec<_>>()
        })
        .collect()
}

fn change(key: &str, runner: Option<&mut Runner>, options: &InvalidationOptions) -> Change {
    let own = Key::new(key).path();
    let mut paths = BTreeSet::new();
    let mut families: BTreeSet<String> = options.families.get(key).into_iter().flatten().cloned().collect();
    if options.aliases != Aliases::Rewritten {
        match runner {
            Some(runner) => {
                viewers(key, runner, &mut paths, &mut families);
                // Where the own path counts in any case, there is nothing to ask.
                if options.aliases == Aliases::Viewer && leads(runner, &format!("/{key}"), key) {
                    paths.insert(own.clone());
                }
            }
            None => {
                paths.insert(own.clone());
                paths.extend((key == "index.html").then(|| "/".to_owned()));
            }
        }
    }
    // Whatever is asked for, an object without any address would never be purged.
    if options.aliases != Aliases::Viewer || paths.is_empty() {
        paths.insert(own);
    }
    Change { key: key.to_owned(), paths: paths.into_iter().collect(), families: families.into_iter().collect() }
}

/// Asks the function for everything that a visitor may type to see the object.
fn viewers(key: &str, runner: &mut Runner, paths: &mut BTreeSet<String>, families: &mut BTreeSet<String>) {
    let own = format!("/{key}");
    let mut candidates = Vec::new();
    // What is below a page may be the page as well: `/track/` and every token.
    let folder = match own.strip_suffix("index.html").filter(|folder| folder.ends_with('/')) {
        Some("/") => {
            candidates.push("/".to_owned());
            Some("/".to_owned())
        }
        Some(folder) => {
            candidates.push(folder.to_owned());
            candidates.push(folder.trim_end_matches('/').to_owned());
            Some(folder.to_owned())
        }
        None => own.strip_suffix(".html").map(|page| {
            candidates.push(page.to_owned());
            format!("{page}/")
        }),
    };
    paths.extend(candidates.into_iter().filter(|path| leads(runner, path, key)).map(|path| encode_path(&path)));
    if let Some(folder) = folder
        && ["", "/"].iter().any(|end| leads(runner, &format!("{folder}{UNLIKELY}{end}"), key))
    {
        families.insert(format!("{}*", encode_path(&folder)));
    }
}

/// Whether a visitor who asks for a path is shown the object.
fn leads(runner: &mut Runner, path: &str, key: &str) -> bool {
    let path = utf8_percent_encode(path, BROWSER).to_string();
    let headers = [("host".to_owned(), "localhost".to_owned())];
    let outcome = runner.decide(&Event::viewer_request("GET", &path, None, &headers, "192.0.2.1"));
    matches!(decision(&outcome), Decision::Key(found) if found == key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// A folder's index is shown for `/d/`; `/d` is redirected; every token below `/track/` is one page.
    const FUNCTION: &str = "function handler(event) {
        var r = event.request;
        if (/^\\/track(\\/[^\\/.]*\\/?)?$/.test(r.uri)) { r.uri = '/track/index.html'; return r; }
        if (r.uri.endsWith('/')) { r.uri += 'index.html'; return r; }
        if (r.uri === '/plain') { r.uri = '/plain.html'; return r; }
        if (r.uri.indexOf('.') < 0) return { statusCode: 301, statusDescription: 'Moved', headers: { location: { value: r.uri + '/' } } };
        return r;
    }";

    fn asked(key: &str, function: bool, options: &InvalidationOptions) -> (Vec<String>, Vec<String>) {
        let function = function.then_some((FUNCTION, Runtime::V2));
        let change = addresses(&[key.to_owned()], function, options).remove(0);
        assert_eq!(change.key, key);
        (change.paths, change.families)
    }

    #[test]
    fn the_function_is_asked_who_sees_an_object() {
        let both = InvalidationOptions::default();
        for (key, paths, families) in [
            ("index.html", &["/", "/index.html"][..], &[][..]),
            ("prices/index.html", &["/prices/", "/prices/index.html"], &[]),
            ("track/index.html", &["/track", "/track/", "/track/index.html"], &["/track/*"]),
            ("plain.html", &["/plain", "/plain.html"], &[]),
            ("404.html", &["/404.html"], &[]),
            ("a/b.pdf", &["/a/b.pdf"], &[]),
            ("a~b/myindex.html", &["/a~b/myindex.html"], &[]),
            ("café [1]/index.html", &["/caf%C3%A9%20%5B1%5D/", "/caf%C3%A9%20%5B1%5D/index.html"], &[]),
        ] {
            let found = asked(key, true, &both);
            assert_eq!(
                found,
                (paths.iter().map(ToString::to_string).collect(), families.iter().map(ToString::to_string).collect()),
                "{key}"
            );
        }
    }

    #[test]
    fn without_a_function_a_key_is_its_own_address() {
        let both = InvalidationOptions::default();
        assert_eq!(asked("a/index.html", false, &both).0, ["/a/index.html"]);
        assert_eq!(asked("index.html", false, &both).0, ["/", "/index.html"]);
    }

    #[test]
    fn a_project_may_know_better() {
        let with = |aliases| InvalidationOptions {
            aliases,
            families: BTreeMap::from([("prices/index.html".to_owned(), vec!["/costs/*".to_owned()])]),
            ..InvalidationOptions::default()
        };
        let viewer = asked("track/index.html", true, &with(Aliases::Viewer));
        assert_eq!(viewer.0, ["/track", "/track/", "/track/index.html"], "the function lets the object's own path through");
        let rewritten = asked("track/index.html", true, &with(Aliases::Rewritten));
        assert_eq!(rewritten, (vec!["/track/index.html".to_owned()], Vec::new()));
        let declared = asked("prices/index.html", true, &with(Aliases::Rewritten));
        assert_eq!(declared, (vec!["/prices/index.html".to_owned()], vec!["/costs/*".to_owned()]));
    }

    #[test]
    fn an_object_that_nobody_can_ask_for_is_purged_all_the_same() {
        let closed = "function handler(event) { return { statusCode: 403, statusDescription: 'No' }; }";
        let options = InvalidationOptions { aliases: Aliases::Viewer, ..InvalidationOptions::default() };
        let changes = addresses(&["a.html".to_owned()], Some((closed, Runtime::V2)), &options);
        assert_eq!(changes[0].paths, ["/a.html"]);
    }

    #[test]
    fn the_order_is_that_of_the_keys() {
        let keys: Vec<String> = (0..300).rev().map(|n| format!("p{n}/index.html")).collect();
        let found = addresses(&keys, Some((FUNCTION, Runtime::V2)), &InvalidationOptions::default());
        assert!(found.iter().map(|change| &change.key).eq(&keys));
    }
}
