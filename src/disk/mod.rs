//! The file system's only door: trees are read, `dist/` is written, changes are watched for.

mod cache;
mod documents;
mod stored;
mod watch;
mod write;

pub use cache::FolderCache;
pub use documents::Folder;
pub use stored::{Stored, stored};
pub use watch::{Watch, watch, watch_folders};
pub use write::{Written, write};

use crate::source::{Diagnostic, SourcePath, Sources, Span};
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{MAIN_SEPARATOR, Path, PathBuf};
use std::sync::Arc;
use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};
use walkdir::{DirEntry, WalkDir};

/// The folders that hold sources.
const FOLDERS: &[&str] = &["functions", "site", "templates"];

/// Up to so many files are read by whoever wants them: others would hardly have begun.
const FEW: usize = 128;

/// The project that `start` lies in: the nearest folder from there upwards that holds `qdn.toml`, or
/// failing that `site/`.
pub fn find_root(start: &Path) -> Option<PathBuf> {
    let holds = |name: &'static str| start.ancestors().find(move |folder| folder.join(name).exists());
    holds(crate::source::CONFIG_FILE)
        .or_else(|| holds("site").filter(|folder| folder.join("templates").is_dir()))
        .map(Path::to_path_buf)
}

/// The folder of sources that a place lies in, or is; the place need not be there.
pub fn source_folder(root: &Path, place: &Path) -> Option<&'static str> {
    let place = std::path::absolute(place).ok()?;
    // Of what is not there yet, the part that is.
    let known = place.ancestors().find(|part| part.exists())?.canonicalize().ok()?;
    FOLDERS.iter().find(|folder| root.join(folder).canonicalize().is_ok_and(|folder| known.starts_with(folder))).copied()
}

/// Reads a project: its configuration, and everything under `site/`, `templates/` and `functions/`.
///
/// Files that editors and systems leave behind are passed over. Links are followed; one that leads
/// into itself, a file that cannot be read, and a name that is not Unicode are complained of.
pub fn read(root: &Path) -> (Sources, Vec<Diagnostic>) {
    read_folders(root, FOLDERS)
}

/// Adds to sources what they lack, for as long as `missing` names files that are there. Each is looked for in the
/// first of `folders`; what a package manager installed may lie in a folder above it, and so in one of the others.
pub fn complete(sources: &mut Sources, folders: &[PathBuf], missing: impl Fn(&Sources) -> BTreeSet<SourcePath>) {
    let mut tried = BTreeSet::new();
    loop {
        let mut found = false;
        for path in missing(sources) {
            if !tried.insert(path.clone()) {
                continue;
            }
            let above = if path.as_str().starts_with("node_modules/") { folders.len() } else { 1 };
            let read = folders.iter().take(above).find_map(|folder| fs::read(folder.join(path.as_str())).ok());
            if let Some(bytes) = read {
                sources.insert(path, bytes);
                found = true;
            }
        }
        if !found {
            return;
        }
    }
}

/// Reads of a project what is there besides pages: its configuration, and everything under `functions/`.
pub fn read_functions(root: &Path) -> (Sources, Vec<Diagnostic>) {
    read_folders(root, &["functions"])
}

/// Reads of a project what [`read_functions`] leaves out, and its configuration.
pub fn read_pages(root: &Path) -> (Sources, Vec<Diagnostic>) {
    read_folders(root, &["site", "templates"])
}

fn read_folders(root: &Path, folders: &[&str]) -> (Sources, Vec<Diagnostic>) {
    let (mut paths, mut problems) = (Vec::new(), Vec::new());
    if root.join(crate::source::CONFIG_FILE).is_file() {
        paths.push((SourcePath::new(crate::source::CONFIG_FILE), root.join(crate::source::CONFIG_FILE)));
    }
    for folder in folders {
        let base = root.join(folder);
        if base.exists() {
            walk(root, &base, &mut paths, &mut problems);
        }
    }
    let read_one = |buffer: &mut Vec<u8>, (path, file): (SourcePath, PathBuf)| (path, read_through(&file, buffer));
    let read: Vec<(SourcePath, io::Result<Arc<[u8]>>)> = if paths.len() <= FEW {
        let mut buffer = Vec::new();
        paths.into_iter().map(|path| read_one(&mut buffer, path)).collect()
    } else {
        paths.into_par_iter().map_init(Vec::new, read_one).collect()
    };
    let mut sources = Sources::new();
    for (path, bytes) in read {
        match bytes {
            Ok(bytes) if sources.bytes(path.as_str()).is_none() => sources.insert(path, bytes),
            Ok(_) => problems.push(
                Diagnostic::error("file-name", format!("`{path}` exists twice, its letters composed in two ways"))
                    .hint("remove one of them: to a browser their names are the same"),
            ),
            Err(error) => problems.push(Diagnostic::error("unreadable", format!("`{path}` cannot be read: {error}"))),
        }
    }
    (sources, problems)
}

/// Reads a file by way of a buffer that many files share: its bytes are then put in memory once, and
/// nobody asks for its size.
fn read_through(file: &Path, buffer: &mut Vec<u8>) -> io::Result<Arc<[u8]>> {
    buffer.clear();
    buffer.reserve(64 * 1024);
    File::open(file)?.take(u64::MAX).read_to_end(buffer)?;
    Ok(buffer.as_slice().into())
}

fn walk(root: &Path, base: &Path, paths: &mut Vec<(SourcePath, PathBuf)>, problems: &mut Vec<Diagnostic>) {
    let entries = |follow: bool| {
        let entries = WalkDir::new(base).follow_links(follow).sort_by_file_name();
        entries.into_iter().filter_entry(|entry| !is_litter(entry.file_name()))
    };
    // Following links means asking for the kind of every file, which the folder tells already where there are none.
    let found: Vec<walkdir::Result<DirEntry>> = entries(false).collect();
    let has_links = found.iter().flatten().any(DirEntry::path_is_symlink);
    for entry in if has_links { entries(true).collect() } else { found } {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                problems.push(unreadable(root, &error));
                continue;
            }
        };
        if !entry.file_type().is_file() {
            continue;
        }
        match source_path(root, entry.path()) {
            Some(path) => paths.push((path, entry.into_path())),
            None => {
                problems.push(Diagnostic::error("file-name", format!("the name of `{}` is not Unicode", entry.path().display())));
            }
        }
    }
}

fn unreadable(root: &Path, error: &walkdir::Error) -> Diagnostic {
    let place = error.path().and_then(|path| source_path(root, path));
    let name = place.as_ref().map_or_else(|| "a file".to_owned(), |path| format!("`{path}`"));
    let problem = match error.loop_ancestor().and_then(|ancestor| source_path(root, ancestor)) {
        Some(ancestor) => Diagnostic::error("link-loop", format!("{name} is a link into itself: it leads to `{ancestor}`"))
            .hint("remove the link"),
        None => {
            let reason = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
            Diagnostic::error("unreadable", format!("{name} cannot be read: {reason}"))
        }
    };
    match place {
        Some(path) => problem.at(&path, Span::default()),
        None => problem,
    }
}

/// The path within the project, `/`-separated and composed (NFC), as browsers send names.
pub fn source_path(root: &Path, path: &Path) -> Option<SourcePath> {
    let inner = path.strip_prefix(root).ok()?.to_str()?;
    let path = if MAIN_SEPARATOR == '/' { Cow::Borrowed(inner) } else { inner.replace(MAIN_SEPARATOR, "/").into() };
    let is_composed = path.is_ascii() || is_nfc_quick(path.chars()) == IsNormalized::Yes;
    Some(if is_composed { SourcePath::new(path) } else { SourcePath::new(path.nfc().collect::<String>()) })
}

/// What editors, file managers and version control leave in a folder.
fn is_litter(name: &std::ffi::OsStr) -> bool {
    let name = name.to_string_lossy();
    matches!(&*name, ".DS_Store" | "Thumbs.db" | "desktop.ini" | ".git" | ".gitkeep" | ".gitignore" | "4913" | "node_modules")
        || name.ends_with('~')
        || name.starts_with(".#")
        || (name.starts_with('.') && (name.ends_with(".swp") || name.ends_with(".swx")))
        || (name.starts_with('#') && name.ends_with('#'))
}

/// Reads any one file, for commands that are given one by name.
///
/// # Errors
/// As the system has them.
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    fs::read(path)
}

/// The names in a folder, in order; none where there is no such folder.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// Writes any one file, for commands that are told where to.
///
/// # Errors
/// As the system has them.
pub fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write::replace(path, bytes)
}

/// Writes a file that is not there yet, and the folders that it lies in.
///
/// # Errors
/// As the system has them; `AlreadyExists` where there is one.
pub fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    fs::OpenOptions::new().write(true).create_new(true).open(path)?.write_all(bytes)
}

/// Writes what nobody else on this machine should read. A file is replaced at one moment, also where a link
/// leads to it; a pipe or a device is written to.
///
/// # Errors
/// As the system has them.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    match fs::metadata(&path) {
        Ok(metadata) if !metadata.is_file() => fs::OpenOptions::new().write(true).open(&path)?.write_all(bytes),
        _ => documents::replace(&path, bytes),
    }
}
