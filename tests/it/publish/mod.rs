//! Publishing: never a broken page, never a lost invalidation, whoever is killed or cut off and when.

#![allow(clippy::unwrap_used, reason = "a test that ends there says where")]

mod books;
mod catalogue;
mod collect;
mod crash;
mod crowd;
mod packs;
pub(crate) mod program;
mod tags;

use qdn::deploy::apply::{self, Context, LEASE, Look, Pace, Packing, Receipt, Stopped, Supply, Wish};
use qdn::deploy::invalidation::{Change, Terms};
use qdn::deploy::ledger::{Holder, Kind};
use qdn::deploy::plan::Policy;
use qdn::deploy::remote::directory::Directory;
use qdn::deploy::remote::{Bucket, Content, Stage, Target, Tested};
use qdn::release::headers::Policy as Headers;
use qdn::release::{Class, Function, Key, Manifest, Object, Release, assemble};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use tempfile::TempDir;

/// The function before the site. `mark` makes its code another.
pub(crate) fn function(mark: &str) -> Function {
    let code = format!(
        "function handler(event) {{ /* {mark} */ var r = event.request; if (r.uri.endsWith('/')) r.uri += 'index.html'; \
         if (r.uri.startsWith('/track/')) r.uri = '/track/index.html'; return r; }}"
    );
    Function { name: "f".to_owned(), runtime: "cloudfront-js-2.0".to_owned(), code: code.into() }
}

/// A site of a version: every page names the version and the asset that it needs.
pub(crate) fn site(version: &str, pages: &[&str]) -> Release {
    let css = format!("body {{ --version: {version} }}");
    let asset = format!("assets/site.{}.css", qdn::release::Digest::of(css.as_bytes()).short());
    let mut objects = vec![Object::new(Key::new(&asset), css.into_bytes(), Class::Immutable)];
    for page in pages {
        let body = format!("<!doctype html><title>{page}</title><link rel=stylesheet href=/{asset}><p>version {version}");
        objects.push(Object::new(Key::new(page), body.into_bytes(), Class::Page));
    }
    let viewer_request = BTreeMap::from([("site".to_owned(), "f".to_owned())]);
    let policy = Headers::new(&BTreeSet::new(), &BTreeSet::new(), Vec::new());
    assemble(BTreeMap::from([("site".to_owned(), objects)]), vec![function(version)], &viewer_request, policy, BTreeMap::new())
}

pub(crate) const PAGES: &[&str] =
    &["index.html", "about/index.html", "blog/index.html", "blog/a/index.html", "track/index.html", "404.html", "sitemap.xml"];

/// Somebody who publishes: a process of its own, as far as the books can tell.
pub(crate) fn context(by: &str) -> Context {
    static PROCESS: AtomicU32 = AtomicU32::new(1);
    static NONCE: AtomicU64 = AtomicU64::new(1);
    let process = PROCESS.fetch_add(1, Ordering::Relaxed);
    let holder = Holder { host: "test".to_owned(), space: String::new(), process, run: process.to_string() };
    Context {
        by: by.to_owned(),
        holder,
        clock: Arc::new(jiff::Timestamp::now),
        nonce: Arc::new(|| NONCE.fetch_add(1, Ordering::Relaxed).to_string()),
        is_gone: Arc::new(|_| false),
        tell: Arc::new(|_| {}),
        pace: Pace::default(),
        packing: Packing::default(),
        lease: LEASE,
        wait: std::time::Duration::from_secs(10),
        adopt: false,
        agree: Arc::new(|_, _| Ok(())),
    }
}

/// The same after everybody else has died.
pub(crate) fn survivor(by: &str) -> Context {
    Context { is_gone: Arc::new(|_| true), ..context(by) }
}

pub(crate) fn stage(name: &str, directory: &Directory) -> Stage {
    Stage {
        name: name.to_owned(),
        control: directory.bucket("control"),
        distributions: BTreeMap::from([(
            "site".to_owned(),
            Target { bucket: directory.bucket("site"), id: "site".to_owned(), url: None },
        )]),
        cdn: directory.cdn(),
        functions: BTreeMap::new(),
        mode: qdn::deploy::options::Mode::Paths,
    }
}

/// A folder of one's own: in memory where there is such a place, as these tests write a hundred thousand files.
pub(crate) fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.unwrap()
}

pub(crate) fn directory(root: &Path) -> Directory {
    Directory::new(root.to_path_buf(), Arc::new(|_, _, _| Tested::default()))
}

/// Where the edge may hold a key: by its own path, as a folder, and for `/track/*` every token.
pub(crate) fn addresses(_: &str, keys: &[String]) -> Vec<Change> {
    keys.iter()
        .map(|key| {
            let mut paths = vec![Key::new(key).path()];
            let families = if key == "track/index.html" { vec!["/track/*".to_owned()] } else { Vec::new() };
            paths.extend(key.strip_suffix("index.html").map(|folder| format!("/{folder}")));
            Change { key: key.clone(), paths, families }
        })
        .collect()
}

/// Publishes a release.
pub(crate) async fn publish(release: &Release, stage: &Stage, context: &Context) -> Result<Receipt, Stopped> {
    let objects =
        |distribution: &str, key: &str| release.object(distribution, key).map(|object| Content::Bytes(Arc::clone(&object.bytes)));
    let functions = release.functions.iter().map(|(name, function)| (name.clone(), Arc::clone(&function.code))).collect();
    let supply = Supply::Build { objects: &objects, functions, proofs: BTreeMap::new() };
    bring(Kind::Publish, &release.manifest, supply, stage, context).await
}

/// Makes a stage serve a release that a stage has.
pub(crate) async fn bring(
    kind: Kind,
    manifest: &Manifest,
    supply: Supply<'_>,
    stage: &Stage,
    context: &Context,
) -> Result<Receipt, Stopped> {
    look_and_bring(Look::Books, kind, manifest, supply, stage, context).await
}

/// The same, after a look at everything if that is asked for.
async fn look_and_bring(
    look: Look,
    kind: Kind,
    manifest: &Manifest,
    supply: Supply<'_>,
    stage: &Stage,
    context: &Context,
) -> Result<Receipt, Stopped> {
    let wish = Wish {
        kind,
        manifest,
        commit: None,
        function: None,
        supply,
        policy: Policy { allow_removals: true, ..Policy::default() },
        terms: Terms::default(),
        stale: BTreeMap::new(),
        addresses: &addresses,
    };
    apply::bring(&wish, look, None, stage, context).await
}

/// What a visitor gets for a path, by way of the function that is live and of what the edge holds.
pub(crate) async fn visit(stage: &Stage, path: &str) -> (u16, String) {
    let path = if path.starts_with("/track/") { "/track/index.html".to_owned() } else { path.to_owned() };
    let path = if path.ends_with('/') { format!("{path}index.html") } else { path };
    let fetched = stage.cdn.fetch("site", None, &path).await.expect("the edge answers");
    (fetched.status, String::from_utf8_lossy(&fetched.body).into_owned())
}

/// The paths at which visitors find the pages.
pub(crate) fn paths(release: &Release) -> Vec<String> {
    let pages = release.objects["site"].values().filter(|object| object.class == Class::Page && object.key.as_str() != "404.html");
    pages.map(|object| object.key.path()).collect()
}

/// No page that is served names an asset that is not there (I1).
pub(crate) async fn no_page_is_broken(stage: &Stage, paths: &[String]) {
    for path in paths {
        let (status, body) = visit(stage, path).await;
        if status != 200 {
            continue;
        }
        let asset = body.split("href=/").nth(1).and_then(|rest| rest.split('>').next()).expect("a page names its asset");
        let stat = stage.distributions["site"].bucket.stat(asset).await.expect("the bucket answers");
        assert!(stat.is_some(), "{path} is served and needs {asset}, which is not there");
    }
}

/// The bodies that can be had out of packs: every index names a whole pack.
pub(crate) async fn packed(control: &dyn Bucket) -> BTreeMap<String, Vec<u8>> {
    let mut bodies = BTreeMap::new();
    for index in control.list("packs/").await.expect("it can be listed") {
        let Some(key) = index.key.strip_suffix(".json") else { continue };
        let text = control.read(&index.key).await.expect("it can be read").expect("it is there").bytes;
        let document: serde_json::Value = serde_json::from_slice(&text).expect("an index");
        let pack = control.read(key).await.expect("it can be read").unwrap_or_else(|| panic!("{key} has an index, so it is there"));
        assert_eq!(key, format!("packs/{}", qdn::release::Digest::of(&pack.bytes).hex()));
        for row in document["bodies"].as_array().expect("bodies") {
            let number = |name: &str| usize::try_from(row[name].as_u64().expect("a number")).expect("it is small");
            let body = pack.bytes[number("offset")..][..number("size")].to_vec();
            assert_eq!(row["sha256"], qdn::release::Digest::of(&body).hex());
            bodies.insert(row["sha256"].as_str().expect("a digest").to_owned(), body);
        }
    }
    bodies
}

/// The bucket, the edge and the books agree on a release (I2, I3).
pub(crate) async fn serves(stage: &Stage, release: &Release) {
    let head = apply::state(stage, &context("looker")).await.expect("the books can be read").expect("there is a state");
    assert_eq!(head.release.as_deref(), Some(release.manifest.release.as_str()));
    assert!(head.applying.is_none() && head.owed.is_empty(), "{head:?}");
    let bucket: &dyn Bucket = stage.distributions["site"].bucket.as_ref();
    let packed = packed(stage.control.as_ref()).await;
    for object in release.objects["site"].values() {
        let found =
            bucket.read(object.key.as_str()).await.expect("it can be read").unwrap_or_else(|| panic!("{} is there", object.key));
        assert_eq!(String::from_utf8_lossy(&found.bytes), String::from_utf8_lossy(&object.bytes), "{}", object.key);
        if object.class == Class::Page {
            let blob = stage.control.stat(&format!("blobs/{}", object.digest.hex())).await.expect("it can be asked");
            assert!(blob.is_some() || packed.contains_key(&object.digest.hex()), "the body of {}", object.key);
            if object.key.as_str() != "404.html" {
                let (status, body) = visit(stage, &object.key.path()).await;
                assert_eq!((status, body.as_bytes()), (200, &*object.bytes), "{} at the edge", object.key);
            }
        }
    }
    let listed = bucket.list("").await.expect("it can be listed");
    let extra: Vec<&str> = listed
        .iter()
        .map(|one| one.key.as_str())
        .filter(|key| !key.starts_with("assets/") && release.object("site", key).is_none())
        .collect();
    assert!(extra.is_empty(), "{extra:?} are left");
    let name = stage.function_name("f");
    let live =
        stage.cdn.function(&name, qdn::deploy::remote::FunctionStage::Live).await.expect("it can be asked").expect("it is live");
    assert_eq!(String::from_utf8_lossy(&live.code), *release.functions["f"].code);
}
