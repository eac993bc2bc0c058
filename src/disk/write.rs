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
use std::path::Path;
use walkdir::WalkDir;

const MANIFEST: &str = "manifest.json";

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
/// Where the system refuses, with the file it refused. The old manifest then still stands, and names
/// files of which some may hold newer bytes; the next run mends it.
pub fn write(release: &Release, folder: &Path) -> io::Result<Written> {
    let is_new = guard(folder)?;
    let wanted = files(release);
    let old = fs::read_to_string(folder.join(MANIFEST)).ok().and_then(|text| Manifest::parse(&text).ok());
    let old = old.as_ref().map(entries).unwrap_or_default();
    let mut parents: Vec<&str> = wanted.keys().filter_map(|path| Some(path.rsplit_once('/')?.0)).collect();
    parents.sort_unstable();
    parents.dedup();
    for parent in parents {
        make_folder(folder, &folder.join(parent), is_new)?;
    }
    let results: Vec<io::Result<bool>> = wanted
        .par_iter()
        .map(|(path, file)| {
            let target = folder.join(path);
            if is_new {
                // Nothing can be in the way, so nobody is asked: half of the calls to the system are saved.
                fs::write(&target, file.bytes).map_err(|error| named(&target, &error))?;
                return Ok(true);
            }
            if is_there(&target, file, old.get(path.as_str())) {
                return Ok(false);
            }
            put(&target, file.bytes).map_err(|error| named(&target, &error))?;
            Ok(true)
        })
        .collect();
    let mut written = Written::default();
    for result in results {
        match result? {
            true => written.written += 1,
            false => written.unchanged += 1,
        }
    }
    let manifest = release.manifest.to_json();
    let target = folder.join(MANIFEST);
    if !fs::read(&target).is_ok_and(|bytes| bytes == manifest.as_bytes()) {
        replace(&target, manifest.as_bytes()).map_err(|error| named(&target, &error))?;
    }
    if !is_new {
        written.removed = sweep(folder, &wanted)?;
    }
    Ok(written)
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

/// Writes a file in place. A new name needs no rename: nobody can have opened it before.
fn put(target: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::symlink_metadata(target) {
        Err(_) => fs::write(target, bytes),
        Ok(metadata) if metadata.is_dir() => {
            fs::remove_dir_all(target)?;
            fs::write(target, bytes)
        }
        Ok(_) => replace(target, bytes),
    }
}

/// Puts new bytes in the place of old ones at one moment: a reader sees the one or the other.
pub(super) fn replace(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let temporary = target.with_file_name(format!(".{name}.{}.qdn", std::process::id()));
    fs::write(&temporary, bytes)?;
    fs::rename(&temporary, target).inspect_err(|_| drop(fs::remove_file(&temporary)))
}

fn make_folder(root: &Path, folder: &Path, is_new: bool) -> io::Result<()> {
    if is_new {
        return fs::create_dir_all(folder).map_err(|error| named(folder, &error));
    }
    if folder.is_dir() {
        return Ok(());
    }
    // A file may stand where a folder has to: `a` was a page's file before `a/b` was one.
    for part in folder.ancestors().take_while(|part| *part != root) {
        if fs::symlink_metadata(part).is_ok_and(|metadata| !metadata.is_dir()) {
            fs::remove_file(part).map_err(|error| named(part, &error))?;
        }
    }
    fs::create_dir_all(folder).map_err(|error| named(folder, &error))
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

/// Refuses to empty a folder that is not ours: one that holds anything and no manifest. Makes the folder,
/// and says whether it is empty.
fn guard(folder: &Path) -> io::Result<bool> {
    let holds_something = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if holds_something && !folder.join(MANIFEST).exists() {
        return Err(io::Error::other(format!(
            "`{}` holds files and no `{MANIFEST}`, so it was not made by qdn; its files would be lost",
            folder.display()
        )));
    }
    fs::create_dir_all(folder).map_err(|error| named(folder, &error))?;
    Ok(!holds_something)
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("`{}`: {error}", path.display()))
}
