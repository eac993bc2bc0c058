//! What was dear to make is kept in `.qdn/cache/`. Anyone may delete it at any time.

use crate::release::{Cache, Digest};
use std::fs;
use std::path::{Path, PathBuf};

/// Things of one kind, each in a file that is named by what it is known by.
pub struct FolderCache {
    folder: PathBuf,
}

impl FolderCache {
    /// What a project's `.qdn/` has of a kind: `images`.
    pub fn new(root: &Path, kind: &str) -> Self {
        Self { folder: root.join(".qdn/cache").join(kind) }
    }
}

impl Cache for FolderCache {
    fn get(&self, key: &Digest) -> Option<Vec<u8>> {
        let bytes = fs::read(self.folder.join(key.hex())).ok()?;
        // The first 64 bytes are the digest of the rest: a file cut short is not a file.
        let (digest, rest) = bytes.split_at_checked(64)?;
        (Digest::of(rest).hex().as_bytes() == digest).then(|| rest.to_vec())
    }

    fn put(&self, key: &Digest, bytes: &[u8]) {
        let mut file = Digest::of(bytes).hex().into_bytes();
        file.extend_from_slice(bytes);
        // A cache that cannot be written is slower work, not failed work.
        let _ = fs::create_dir_all(&self.folder);
        let _ = super::write::replace(&self.folder.join(key.hex()), &file);
    }
}
