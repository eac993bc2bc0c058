//! A release becomes `dist/`: only what changed is written, and the manifest last.
//!
//! Deleting a folder and making it again costs ten times what writing it costs (ext4 hands out other
//! inodes each time), and for a while there is nothing to serve. So a file that holds the right bytes
//! is left alone, one that does not is replaced by rename, and what no manifest names goes at the end.

use crate::release::Release;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::{MAIN_SEPARATOR, Path, PathBuf};
use walkdir::WalkDir;

const MANIFEST: &str = "manifest.json";
/// How many bytes of a file are compared at a time.
const STEP: usize = 64 << 10;
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
fn fill(folder: &Path, wanted: &BTreeMap<String, &[u8]>) -> io::Result<Written> {
    for parent in parents(wanted) {
        let parent = folder.join(parent);
        fs::create_dir_all(&parent).map_err(|error| named(&parent, &error))?;
    }
    wanted.par_iter().try_for_each(|(path, bytes)| {
        let target = folder.join(path);
        fs::write(&target, bytes).map_err(|error| named(&target, &error))
    })?;
    Ok(Written { written: wanted.len(), ..Written::default() })
}

/// Writes into a folder that holds a release: first everything that needs space, beside what is there, and when all of
/// it has found its place, renames.
fn update(folder: &Path, wanted: &BTreeMap<String, &[u8]>) -> io::Result<Written> {
    let prepared: Vec<(PathBuf, &[u8], io::Result<Ready>)> = wanted
        .par_iter()
        .map_init(Vec::new, |buffer, (path, bytes)| {
            let target = folder.join(path);
            let ready = prepare(&target, bytes, buffer);
            (target, *bytes, ready)
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
    for (target, bytes, _) in prepared.iter().filter(|(.., ready)| matches!(ready, Ok(Ready::Blocked))) {
        make_way(folder, target).and_then(|()| fs::write(target, bytes)).map_err(|error| named(target, &error))?;
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

fn prepare(target: &Path, bytes: &[u8], buffer: &mut Vec<u8>) -> io::Result<Ready> {
    match fs::symlink_metadata(target) {
        Ok(metadata) if metadata.is_dir() => Ok(Ready::Blocked),
        Ok(metadata) if is_there(target, &metadata, bytes, buffer) => Ok(Ready::Already),
        Ok(_) => fs::write(beside(target), bytes).map(|()| Ready::Beside),
        Err(_) => match target.parent().map_or(Ok(()), fs::create_dir_all) {
            // `a` was a page's file before `a/b` was one.
            Err(_) if target.ancestors().skip(1).any(|part| part.exists() && !part.is_dir()) => Ok(Ready::Blocked),
            // A new name needs no rename: nobody can have opened it before.
            made => {
                made.and_then(|()| fs::write(target, bytes).inspect_err(|_| drop(fs::remove_file(target)))).map(|()| Ready::New)
            }
        },
    }
}

/// Every folder that a file is in, once.
fn parents<'a>(wanted: &'a BTreeMap<String, &[u8]>) -> Vec<&'a str> {
    let mut parents: Vec<&str> = wanted.keys().filter_map(|path| Some(path.rsplit_once('/')?.0)).collect();
    parents.sort_unstable();
    parents.dedup();
    parents
}

/// Every file but the manifest, by its path in the folder.
fn files(release: &Release) -> BTreeMap<String, &[u8]> {
    let objects = release.objects.iter().flat_map(|(distribution, objects)| {
        objects.values().map(move |object| (format!("{distribution}/{}", object.key), &*object.bytes))
    });
    let functions =
        release.functions.values().map(|function| (format!("functions/{}.js", function.name), function.code.as_bytes()));
    objects.chain(functions).collect()
}

/// Whether a file holds these bytes. Its size, then its bytes: what the manifest in the folder says is not enough, since anyone may
/// have edited the file since.
fn is_there(target: &Path, metadata: &fs::Metadata, bytes: &[u8], buffer: &mut Vec<u8>) -> bool {
    metadata.is_file() && metadata.len() == bytes.len() as u64 && holds(target, bytes, buffer).unwrap_or(false)
}

/// Reads no further than to the first difference.
fn holds(target: &Path, mut bytes: &[u8], buffer: &mut Vec<u8>) -> io::Result<bool> {
    buffer.resize(STEP, 0);
    let mut file = fs::File::open(target)?;
    while !bytes.is_empty() {
        let most = bytes.len().min(STEP);
        let read = file.read(&mut buffer[..most])?;
        if read == 0 || buffer[..read] != bytes[..read] {
            return Ok(false);
        }
        bytes = &bytes[read..];
    }
    Ok(true)
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
fn sweep(folder: &Path, wanted: &BTreeMap<String, &[u8]>) -> io::Result<usize> {
    let mut removed = 0;
    for entry in WalkDir::new(folder).contents_first(true).min_depth(1) {
        let entry = entry.map_err(io::Error::other)?;
        let path = entry.path();
        let inner = path.strip_prefix(folder).unwrap_or(path).to_string_lossy();
        let inner = if MAIN_SEPARATOR == '/' { inner } else { inner.replace(MAIN_SEPARATOR, "/").into() };
        if entry.file_type().is_dir() {
            if !is_needed(&inner, wanted) {
                // Fails, as it should, where the folder holds something.
                let _ = fs::remove_dir(path);
            }
            continue;
        }
        // A link in the place of a folder has been written through, and stays.
        if inner != MANIFEST && !wanted.contains_key(&*inner) && !is_needed(&inner, wanted) {
            fs::remove_file(path).map_err(|error| named(path, &error))?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Whether a folder holds something that is named.
fn is_needed(folder: &str, wanted: &BTreeMap<String, &[u8]>) -> bool {
    let begin = format!("{folder}/");
    wanted.range(begin.clone()..).next().is_some_and(|(path, _)| path.starts_with(&begin))
}

/// Refuses to empty a folder that is not ours: one that holds anything and neither a manifest of ours nor the mark of a build that was
/// cut off. Makes the folder, and says whether it is empty; then it bears that mark.
fn guard(folder: &Path) -> io::Result<bool> {
    let holds_something = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if holds_something && !is_ours(&folder.join(MANIFEST)) && !folder.join(UNFINISHED).exists() {
        let what = if folder.join(MANIFEST).exists() { "a `manifest.json` of something else" } else { "no `manifest.json`" };
        return Err(io::Error::other(format!(
            "`{}` holds files and {what}, so it was not made by qdn; its files would be lost\nhint: name another folder with `--out`",
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

/// Whether a file begins as a release's manifest does: web apps and extensions have a `manifest.json` too.
fn is_ours(manifest: &Path) -> bool {
    let mut head = [0; 128];
    let read = fs::File::open(manifest).and_then(|mut file| file.read(&mut head)).unwrap_or(0);
    let text: String = String::from_utf8_lossy(&head[..read]).split_whitespace().collect();
    let rest = text.strip_prefix("{\"version\":").map(|rest| rest.trim_start_matches(|letter: char| letter.is_ascii_digit()));
    rest.is_some_and(|rest| rest.starts_with(",\"release\":\""))
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("`{}`: {error}", path.display()))
}
