//! A release becomes `dist/`: only what changed is written, and the manifest last.
//!
//! Deleting a folder and making it again costs ten times what writing it costs (ext4 hands out other
//! inodes each time), and for a while there is nothing to serve. So a file that holds the right bytes
//! is left alone, one that does not is replaced by rename, and what no manifest names goes at the end.

use crate::release::{Digest, Manifest, Release};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

const MANIFEST: &str = "manifest.json";
/// In a folder that is filled for the first time, until it has its manifest: whoever is killed meanwhile leaves a folder that
/// is known to be ours.
const UNFINISHED: &str = ".unfinished.qdn";

/// What writing a release came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Files whose bytes are new.
    pub written: usize,
    /// Files that held the right bytes already.
    pub unchanged: usize,
    /// Files that nothing names any longer.
    pub removed: usize,
}

/// Writes a release to a folder.
///
/// # Errors
/// Where the system refuses, with the file it refused. What the folder held is then what it holds, unless it refused to
/// rename or to remove something.
pub fn write(release: &Release, folder: &Path) -> io::Result<Written> {
    let is_new = guard(folder)?;
    let wanted = files(release);
    let written = if is_new { fill(folder, &wanted)? } else { update(folder, &wanted)? };
    let manifest = release.manifest.to_json();
    let target = folder.join(MANIFEST);
    if !fs::read(&target).is_ok_and(|bytes| bytes == manifest.as_bytes()) {
        replace(&target, manifest.as_bytes()).map_err(|error| named(&target, &error))?;
    }
    let removed = if is_new { fs::remove_file(folder.join(UNFINISHED)).map(|()| 0) } else { sweep(folder, &wanted) };
    Ok(Written { removed: removed?, ..written })
}

/// Writes into a folder that is empty. Nothing can be in the way, so nobody is asked: half of the calls to the system are saved.
fn fill(folder: &Path, wanted: &BTreeMap<String, File<'_>>) -> io::Result<Written> {
    for parent in parents(wanted) {
        let parent = folder.join(parent);
        fs::create_dir_all(&parent).map_err(|error| named(&parent, &error))?;
    }
    wanted.par_iter().try_for_each(|(path, file)| {
        let target = folder.join(path);
        fs::write(&target, file.bytes).map_err(|error| named(&target, &error))
    })?;
    Ok(Written { written: wanted.len(), ..Written::default() })
}

/// Writes into a folder that holds a release: first everything that needs space, beside what is there, and when all of
/// it has found its place, renames.
fn update(folder: &Path, wanted: &BTreeMap<String, File<'_>>) -> io::Result<Written> {
    let old = fs::read_to_string(folder.join(MANIFEST)).ok().and_then(|text| Manifest::parse(&text).ok());
    let old = old.as_ref().map(entries).unwrap_or_default();
    for parent in parents(wanted) {
        // A file may stand where a folder has to: `a` was a page's file before `a/b` was one. That is seen below, and so is a
        // folder that the system refuses.
        let _ = fs::create_dir_all(folder.join(parent));
    }
    let prepared: Vec<(PathBuf, &File<'_>, io::Result<Ready>)> = wanted
        .par_iter()
        .map(|(path, file)| {
            let target = folder.join(path);
            let ready = prepare(&target, file, old.get(path.as_str()));
            (target, file, ready)
        })
        .collect();
    if let Some((target, _, Err(error))) = prepared.iter().find(|(.., ready)| ready.is_err()) {
        let error = named(target, error);
        for (target, _, ready) in &prepared {
            let _ = match ready {
                Ok(Ready::New) => fs::remove_file(target),
                Ok(Ready::Beside) | Err(_) => fs::remove_file(beside(target)),
                Ok(Ready::Already | Ready::Blocked) => Ok(()),
            };
        }
        return Err(error);
    }
    // One after the other: what is in the way of one may be in the way of others too.
    for (target, file, _) in prepared.iter().filter(|(.., ready)| matches!(ready, Ok(Ready::Blocked))) {
        make_way(folder, target).and_then(|()| fs::write(target, file.bytes)).map_err(|error| named(target, &error))?;
    }
    let counts = prepared.into_par_iter().map(|(target, _, ready)| {
        let done = match ready? {
            Ready::Already => return Ok(Written { unchanged: 1, ..Written::default() }),
            Ready::New | Ready::Blocked => Ok(()),
            Ready::Beside => fs::rename(beside(&target), &target),
        };
        done.map(|()| Written { written: 1, ..Written::default() }).map_err(|error| named(&target, &error))
    });
    counts.try_reduce(Written::default, |a, b| {
        Ok(Written { written: a.written + b.written, unchanged: a.unchanged + b.unchanged, removed: 0 })
    })
}

/// How far a file has come while the release before is still whole.
enum Ready {
    /// It holds these bytes.
    Already,
    /// It was written where nothing was.
    New,
    /// Its bytes lie beside it.
    Beside,
    /// A folder is where it has to be, or a file where its folder has to be.
    Blocked,
}

fn prepare(target: &Path, file: &File<'_>, promised: Option<&String>) -> io::Result<Ready> {
    match fs::symlink_metadata(target) {
        Ok(metadata) if metadata.is_dir() => Ok(Ready::Blocked),
        Ok(_) if is_there(target, file, promised) => Ok(Ready::Already),
        Ok(_) => fs::write(beside(target), file.bytes).map(|()| Ready::Beside),
        Err(_) if target.ancestors().skip(1).any(|part| part.exists() && !part.is_dir()) => Ok(Ready::Blocked),
        // A new name needs no rename: nobody can have opened it before.
        Err(_) => fs::write(target, file.bytes).inspect_err(|_| drop(fs::remove_file(target))).map(|()| Ready::New),
    }
}

/// Every folder that a file is in, once.
fn parents<'a>(wanted: &'a BTreeMap<String, File<'_>>) -> Vec<&'a str> {
    let mut parents: Vec<&str> = wanted.keys().filter_map(|path| Some(path.rsplit_once('/')?.0)).collect();
    parents.sort_unstable();
    parents.dedup();
    parents
}

struct File<'a> {
    bytes: &'a [u8],
    digest: Option<Digest>,
}

/// Every file but the manifest, by its path in the folder.
fn files(release: &Release) -> BTreeMap<String, File<'_>> {
    let objects = release.objects.iter().flat_map(|(distribution, objects)| {
        objects.values().map(move |object| {
            (format!("{distribution}/{}", object.key), File { bytes: &object.bytes, digest: Some(object.digest) })
        })
    });
    let functions = release
        .functions
        .values()
        .map(|function| (format!("functions/{}.js", function.name), File { bytes: function.code.as_bytes(), digest: None }));
    objects.chain(functions).collect()
}

/// Digests and sizes that the manifest in the folder promises.
fn entries(manifest: &Manifest) -> BTreeMap<String, String> {
    let objects = manifest.distributions.iter().flat_map(|(name, distribution)| {
        distribution.objects.iter().map(move |(key, entry)| (format!("{name}/{key}"), entry.sha256.clone()))
    });
    objects.collect()
}

/// Whether a file holds these bytes. Its size, then its bytes: a manifest's promise is not enough,
/// since anyone may have edited the file since.
fn is_there(target: &Path, file: &File<'_>, promised: Option<&String>) -> bool {
    if let (Some(promised), Some(digest)) = (promised, file.digest)
        && *promised != digest.hex()
    {
        return false;
    }
    fs::symlink_metadata(target).is_ok_and(|metadata| metadata.is_file() && metadata.len() == file.bytes.len() as u64)
        && fs::read(target).is_ok_and(|bytes| bytes == file.bytes)
}

/// Puts new bytes in the place of old ones at one moment: a reader sees the one or the other.
pub(super) fn replace(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = beside(target);
    fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, target)).inspect_err(|_| drop(fs::remove_file(&temporary)))
}

/// Where the bytes wait that will replace a file.
fn beside(target: &Path) -> PathBuf {
    let name = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    target.with_file_name(format!(".{name}.{}.qdn", std::process::id()))
}

/// Removes what stands in the way of a file: a folder of its name, or a file where its folder has to be.
fn make_way(root: &Path, target: &Path) -> io::Result<()> {
    if fs::symlink_metadata(target).is_ok_and(|metadata| metadata.is_dir()) {
        return fs::remove_dir_all(target);
    }
    let Some(folder) = target.parent() else { return Ok(()) };
    for part in folder.ancestors().take_while(|part| *part != root) {
        if fs::symlink_metadata(part).is_ok_and(|metadata| !metadata.is_dir()) {
            fs::remove_file(part)?;
        }
    }
    fs::create_dir_all(folder)
}

/// Removes what nothing names, and folders that are empty then.
fn sweep(folder: &Path, wanted: &BTreeMap<String, File<'_>>) -> io::Result<usize> {
    let mut removed = 0;
    for entry in WalkDir::new(folder).contents_first(true).min_depth(1) {
        let entry = entry.map_err(io::Error::other)?;
        let path = entry.path();
        if entry.file_type().is_dir() {
            // Fails, as it should, where the folder holds something.
            let _ = fs::remove_dir(path);
            continue;
        }
        let inner = path.strip_prefix(folder).unwrap_or(path).to_string_lossy().replace('\\', "/");
        if inner != MANIFEST && !wanted.contains_key(&inner) {
            fs::remove_file(path).map_err(|error| named(path, &error))?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Refuses to empty a folder that is not ours: one that holds anything and neither a manifest nor the mark of a build that was
/// cut off. Makes the folder, and says whether it is empty; then it bears that mark.
fn guard(folder: &Path) -> io::Result<bool> {
    let holds_something = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if holds_something && !folder.join(MANIFEST).exists() && !folder.join(UNFINISHED).exists() {
        return Err(io::Error::other(format!(
            "`{}` holds files and no `{MANIFEST}`, so it was not made by qdn; its files would be lost",
            folder.display()
        )));
    }
    fs::create_dir_all(folder).map_err(|error| named(folder, &error))?;
    if !holds_something {
        let mark = folder.join(UNFINISHED);
        fs::write(&mark, b"").map_err(|error| named(&mark, &error))?;
    }
    Ok(!holds_something)
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("`{}`: {error}", path.display()))
}
