//! Changes to a project's sources, in batches.

use super::FOLDERS;
use crate::source::SCRIPTS;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// An editor saves in several steps (write, rename, touch), all within a few milliseconds. Waiting
/// this long after the last of them is not felt, and makes one build of them.
const QUIET: Duration = Duration::from_millis(8);

/// And no longer than this after the first, whatever is still being saved.
const LONGEST: Duration = Duration::from_millis(200);

/// A project being watched. Dropping it ends the watch.
pub struct Watch {
    changes: Receiver<notify::Result<notify::Event>>,
    root: PathBuf,
    /// Where a file is by itself: the folders that are watched instead of a project's.
    folders: Option<Vec<PathBuf>>,
    watcher: RecommendedWatcher,
}

/// Begins to watch a project's sources.
///
/// # Errors
/// Where the system cannot watch, for want of handles most often.
pub fn watch(root: &Path) -> notify::Result<Watch> {
    let (sender, changes) = channel();
    let mut watcher = notify::recommended_watcher(sender)?;
    // The root alone, for `qdn.toml` and for folders that come later; `dist/` and `target/` lie in it
    // too, and watching those would make each build the cause of the next.
    watcher.watch(root, RecursiveMode::NonRecursive)?;
    let mut watch = Watch { changes, root: root.to_path_buf(), folders: None, watcher };
    watch.add_folders();
    Ok(watch)
}

/// Begins to watch the scripts and cases in some folders, those that come later among them. What lies deeper is not looked at.
///
/// # Errors
/// Where the system cannot watch, for want of handles most often.
pub fn watch_folders(folders: Vec<PathBuf>) -> notify::Result<Watch> {
    let (sender, changes) = channel();
    let watcher = notify::recommended_watcher(sender)?;
    let mut watch = Watch { changes, root: PathBuf::new(), folders: Some(folders), watcher };
    watch.add_folders();
    Ok(watch)
}

impl Watch {
    fn add_folders(&mut self) {
        for folder in self.folders.iter().flatten() {
            let path = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            if path.is_dir() {
                let _ = self.watcher.watch(path, RecursiveMode::NonRecursive);
            }
        }
        if self.folders.is_some() {
            return;
        }
        for folder in FOLDERS {
            let path = self.root.join(folder);
            if path.is_dir() {
                // A folder that vanished meanwhile is no error: its going is an event of its own.
                let _ = self.watcher.watch(&path, RecursiveMode::Recursive);
            }
        }
    }

    /// Waits for the next change to a source; `false` when there will be none.
    pub fn wait(&mut self) -> bool {
        loop {
            let Ok(event) = self.changes.recv() else { return false };
            if !self.concerns(&event) {
                continue;
            }
            let mut last = Instant::now();
            let end = last + LONGEST;
            // What does not concern us may go on for ever, such as a log that is written in the project's folder.
            while last.elapsed() < QUIET && Instant::now() < end {
                match self.changes.recv_timeout(QUIET.saturating_sub(last.elapsed())) {
                    Ok(event) if self.concerns(&event) => last = Instant::now(),
                    Ok(_) => {}
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => return false,
                }
            }
            self.add_folders();
            return true;
        }
    }

    fn concerns(&self, event: &notify::Result<notify::Event>) -> bool {
        // An error most often means that events were lost: look at everything again.
        let Ok(event) = event else { return true };
        if matches!(event.kind, EventKind::Access(_)) {
            return false;
        }
        if let Some(folders) = &self.folders {
            let is_source = |path: &PathBuf| {
                path.extension().is_none_or(|ending| ending == "json" || SCRIPTS.iter().any(|known| ending == *known))
            };
            return !folders.is_empty() && event.paths.iter().any(is_source);
        }
        event.paths.iter().any(|path| {
            let inner = path.strip_prefix(&self.root).unwrap_or(path);
            inner == Path::new(crate::source::CONFIG_FILE) || FOLDERS.iter().any(|folder| inner.starts_with(folder))
        })
    }
}
