//! Assets and their names: every asset's name holds the hash of all that it reaches.
//!
//! Names are made in two steps. First each output is hashed by itself, with a token of fixed length
//! where it refers to another. Then its final hash is that of itself and of everything it reaches, in
//! a fixed order; cycles are no trouble, since nothing waits for anything. So a change in one asset
//! renames exactly those that reach it.

use super::{ASSETS, Memory, css, javascript};
use crate::release::{Cache, Class, Digest, Key, Object, encode_path};
use crate::source::{Diagnostic, SourcePath, Sources};
use base64::Engine as _;
use rayon::prelude::*;
use sha2::{Digest as _, Sha384};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One built asset, before it has its final name.
#[derive(Clone, Debug)]
pub(super) struct Output {
    /// Relative to the folder of assets, as a template names it.
    pub(super) name: String,
    /// Where it comes from.
    pub(super) source: SourcePath,
    /// The bytes, with placeholders.
    pub(super) bytes: Vec<u8>,
    /// The names of the assets it refers to.
    pub(super) references: BTreeSet<String>,
    pub(super) source_map: Option<String>,
}

impl Output {
    pub(super) fn new(name: &str, source: SourcePath, bytes: Vec<u8>) -> Self {
        Self { name: name.to_owned(), source, bytes, references: BTreeSet::new(), source_map: None }
    }
}

/// An asset as pages see it.
#[derive(Clone, Debug)]
pub(super) struct Asset {
    /// Its address: `/assets/css/site.0123456789abcdef.css`.
    pub(super) url: String,
    /// `sha384-…`, for an `integrity` attribute.
    pub(super) integrity: String,
}

/// All assets of a site.
#[derive(Debug, Default)]
pub(super) struct Assets {
    pub(super) by_name: BTreeMap<String, Asset>,
    pub(super) objects: Vec<(Object, SourcePath)>,
    pub(super) source_maps: BTreeMap<Key, Arc<[u8]>>,
    /// Files that are part of another asset, and so no asset: with that other's name.
    pub(super) parts: BTreeSet<String>,
}

/// The name of an asset's source within the folder of assets.
pub(super) fn name(path: &str) -> Option<&str> {
    path.strip_prefix(ASSETS)?.strip_prefix('/')
}

/// What stands for an asset's address until it has one. Its length never varies, so that hashes do
/// not depend on names.
pub(super) fn placeholder(name: &str) -> String {
    crate::script::placeholder(name)
}

/// The source that a relative address in `from` means: nothing for addresses of other sites and for
/// fragments, an error where it leads out of the project.
pub(super) fn local(url: &str, from: &SourcePath) -> Option<Result<SourcePath, ()>> {
    let path = url.split(['#', '?']).next().unwrap_or_default();
    let has_scheme = path.split('/').next().is_some_and(|first| first.contains(':'));
    if path.is_empty() || has_scheme || path.starts_with("//") {
        return None;
    }
    let (base, path) = match path.strip_prefix('/') {
        // `/assets/img/a.png` is how the same file is written in a page.
        Some(path) => (super::SITE, path),
        None => (from.folder(), path),
    };
    let mut parts: Vec<&str> = base.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() {
                    return Some(Err(()));
                }
            }
            part => parts.push(part),
        }
    }
    let path = parts.join("/");
    let path = percent_encoding::percent_decode_str(&path).decode_utf8_lossy();
    Some(Ok(SourcePath::new(path)))
}

/// Builds and names every asset.
pub(super) fn build(
    sources: &Sources,
    virtual_modules: &BTreeMap<String, String>,
    memory: &Memory,
    problems: &mut Vec<Diagnostic>,
) -> Assets {
    let cache = memory.images.as_ref();
    let files: Vec<(SourcePath, String)> =
        sources.under(ASSETS).filter_map(|(path, _)| Some((path.clone(), name(path.as_str())?.to_owned()))).collect();
    let of = |extensions: &[&str]| -> Vec<(SourcePath, String)> {
        files.iter().filter(|(path, _)| extensions.contains(&path.extension())).cloned().collect()
    };
    let (sheets, scripts) = (of(&["css"]), of(javascript::EXTENSIONS));
    let (styles, modules) = rayon::join(
        || {
            let mut problems = Vec::new();
            (css::build(sources, &sheets, &mut problems), problems)
        },
        || {
            let mut problems = Vec::new();
            (javascript::build(sources, &scripts, virtual_modules, &memory.scripts, &mut problems), problems)
        },
    );
    let mut outputs = styles.0;
    outputs.extend(modules.0);
    problems.extend(styles.1);
    problems.extend(modules.1);

    let parts: BTreeSet<String> = {
        let built: BTreeSet<&str> = outputs.iter().map(|output| output.source.as_str()).collect();
        let mut all = sheets.iter().chain(&scripts);
        all.by_ref().filter(|(path, _)| !built.contains(path.as_str())).map(|(_, name)| name.clone()).collect()
    };
    let rest: Vec<&(SourcePath, String)> =
        files.iter().filter(|(path, _)| path.extension() != "css" && !javascript::EXTENSIONS.contains(&path.extension())).collect();
    let passed: Vec<(Output, Option<Diagnostic>)> = rest.par_iter().map(|(path, name)| pass(sources, path, name, cache)).collect();
    for (output, problem) in passed {
        outputs.push(output);
        problems.extend(problem);
    }
    let mut assets = fingerprint(outputs);
    assets.parts = parts;
    assets
}

/// Images, fonts and all else go through as they are, but for PNG, which is packed without loss.
fn pass(sources: &Sources, path: &SourcePath, name: &str, cache: &dyn Cache) -> (Output, Option<Diagnostic>) {
    let bytes = sources.bytes(path.as_str()).map(|bytes| bytes.to_vec()).unwrap_or_default();
    if path.extension() != "png" {
        return (Output::new(name, path.clone(), bytes), None);
    }
    match smaller_png(&bytes, cache) {
        Ok(smaller) => (Output::new(name, path.clone(), smaller), None),
        Err(reason) => {
            let problem = Diagnostic::warning("png", format!("this is not a PNG that can be read: {reason}"))
                .at(path, crate::source::Span::default())
                .hint("it is published as it is");
            (Output::new(name, path.clone(), bytes), Some(problem))
        }
    }
}

/// Packs a PNG. A second or more for a large one, so the result is kept.
fn smaller_png(bytes: &[u8], cache: &dyn Cache) -> Result<Vec<u8>, oxipng::PngError> {
    /// Part of the key: another release of the packer may find fewer bytes.
    const RECIPE: &[u8] = b"oxipng 10 preset 4 strip safe\n";
    let key = Digest::of(&[RECIPE, bytes].concat());
    if let Some(kept) = cache.get(&key) {
        return Ok(kept);
    }
    let options = oxipng::Options { strip: oxipng::StripChunks::Safe, ..oxipng::Options::from_preset(4) };
    let smaller = oxipng::optimize_from_memory(bytes, &options)?;
    cache.put(&key, &smaller);
    Ok(smaller)
}

/// Gives every output its final name, and writes the names where they are referred to.
fn fingerprint(outputs: Vec<Output>) -> Assets {
    let outputs: BTreeMap<String, Output> = outputs.into_iter().map(|output| (output.name.clone(), output)).collect();
    let alone: BTreeMap<&str, Digest> = outputs.iter().map(|(name, output)| (name.as_str(), Digest::of(&output.bytes))).collect();
    let names: BTreeMap<&str, String> = outputs
        .keys()
        .map(|name| {
            let hash = reachable(name, &outputs).into_iter().fold(String::new(), |text, name| {
                // Lengths first, so that no two lists of names and hashes read alike.
                format!("{text}{}:{name}{}", name.len(), alone[name].hex())
            });
            (name.as_str(), final_name(name, &Digest::of(format!("{name}\n{hash}").as_bytes()).short()))
        })
        .collect();
    let mut assets = Assets::default();
    for (name, output) in &outputs {
        let mut bytes = output.bytes.clone();
        if !output.references.is_empty()
            && let Ok(text) = String::from_utf8(bytes.clone())
        {
            let text = output.references.iter().fold(text, |text, reference| match names.get(reference.as_str()) {
                Some(target) => text.replace(&placeholder(reference), &encode_path(&format!("/{target}"))),
                None => text,
            });
            bytes = text.into_bytes();
        }
        let key = Key::new(&names[name.as_str()]);
        let integrity = format!("sha384-{}", base64::engine::general_purpose::STANDARD.encode(Sha384::digest(&bytes)));
        assets.by_name.insert(name.clone(), Asset { url: key.path(), integrity });
        if let Some(map) = &output.source_map {
            assets.source_maps.insert(Key::new(format!("{key}.map")), map.as_bytes().into());
        }
        assets.objects.push((Object::new(key, bytes, Class::Immutable), output.source.clone()));
    }
    assets
}

/// The output itself and all it reaches, in the order of their names.
fn reachable<'a>(name: &'a str, outputs: &'a BTreeMap<String, Output>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::from([name]);
    let mut open = vec![name];
    while let Some(name) = open.pop() {
        for reference in outputs.get(name).map(|output| &output.references).into_iter().flatten() {
            if outputs.contains_key(reference) && found.insert(reference) {
                open.push(reference);
            }
        }
    }
    found
}

/// `css/site.css` becomes `assets/css/site.0123456789abcdef.css`; TypeScript becomes JavaScript.
fn final_name(name: &str, hash: &str) -> String {
    let (folder, file) = name.rsplit_once('/').map_or(("", name), |(folder, file)| (folder, file));
    let (stem, extension) = file.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).unwrap_or((file, ""));
    let extension = if extension == "ts" || extension == "mjs" { "js" } else { extension };
    let slash = if folder.is_empty() { "" } else { "/" };
    let dot = if extension.is_empty() { "" } else { "." };
    format!("assets/{folder}{slash}{stem}.{hash}{dot}{extension}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(name: &str, text: &str, references: &[&str]) -> Output {
        let text = references.iter().fold(text.to_owned(), |text, reference| text + &placeholder(reference));
        let mut output = Output::new(name, SourcePath::new(format!("site/assets/{name}")), text.into_bytes());
        output.references = references.iter().map(|name| (*name).to_owned()).collect();
        output
    }

    fn urls(outputs: Vec<Output>) -> BTreeMap<String, String> {
        fingerprint(outputs).by_name.into_iter().map(|(name, asset)| (name, asset.url)).collect()
    }

    #[test]
    fn a_change_renames_exactly_those_that_reach_it() {
        let site = |font: &str, image: &str| {
            urls(vec![
                output("a.css", "a", &["b.css", "f.woff2"]),
                output("b.css", "b", &["a.css"]),
                output("c.css", "c", &["i.png"]),
                output("f.woff2", font, &[]),
                output("i.png", image, &[]),
            ])
        };
        let (before, after) = (site("one", "x"), site("two", "x"));
        let changed: Vec<_> = before.iter().filter(|(name, url)| after[*name] != **url).map(|(name, _)| name.as_str()).collect();
        assert_eq!(changed, ["a.css", "b.css", "f.woff2"], "both style sheets of the cycle reach the font");
        let again = site("one", "x");
        assert_eq!(before, again);
    }

    #[test]
    fn the_placeholders_are_gone() {
        let assets = fingerprint(vec![output("a.css", "x", &["img/b c.png"]), output("img/b c.png", "y", &[])]);
        let text = String::from_utf8(assets.objects[0].0.bytes.to_vec()).unwrap();
        assert_eq!(text, format!("x{}", assets.by_name["img/b c.png"].url));
        assert!(text.contains("/assets/img/b%20c."));
    }

    #[test]
    fn addresses_lead_to_sources() {
        let from = SourcePath::new("site/assets/css/site.css");
        let local = |url: &str| local(url, &from).map(|path| path.map(|path| path.to_string()));
        assert_eq!(local("../img/a%20b.png?x#y"), Some(Ok("site/assets/img/a b.png".to_owned())));
        assert_eq!(local("/assets/a.png"), Some(Ok("site/assets/a.png".to_owned())));
        assert_eq!(local("../../../../../etc/passwd"), Some(Err(())));
        for other in ["https://x.test/a", "//x.test/a", "#a", "data:image/png,x", ""] {
            assert_eq!(local(other), None, "{other}");
        }
    }

    #[test]
    fn final_names_keep_their_folder_and_kind() {
        assert_eq!(final_name("js/app.ts", "h"), "assets/js/app.h.js");
        assert_eq!(final_name("LICENSE", "h"), "assets/LICENSE.h");
        assert_eq!(final_name(".well-known", "h"), "assets/.well-known.h");
    }
}
