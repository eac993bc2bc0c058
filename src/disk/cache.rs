//! What was dear to make is kept in `.qdn/cache/`. Anyone may delete it at any time.

use crate::release::{Cache, Digest};
use std::fs;
use std::path::PathBuf;

/// Packed images, each in a file that is named by what it was made from.
pub struct ImageCache {
    folder: PathBuf,
}

impl ImageCache {
    /// A cache in a project's `.qdn/`.
    pub fn new(root: &std::path::Path) -> Self {
        Self { folder: root.join(".qdn/cache/images") }
    }
}

impl Cache for ImageCache {
    fn get(&self, key: &Digest) -> Option<Vec<u8>> {
        let bytes = fs::read(self.folder.join(key.hex())).ok()?;
        // The first 32 bytes are the digest of the rest: a file cut short is not a file.
        let (digest, image) = bytes.split_at_checked(64)?;
        (Digest::of(image).hex().as_bytes() == digest).then(|| image.to_vec())
    }

    fn put(&self, key: &Digest, bytes: &[u8]) {
        let mut file = Digest::of(bytes).hex().into_bytes();
        file.extend_from_slice(bytes);
        // A cache that cannot be written is a slower build, not a failed one.
        let _ = fs::create_dir_all(&self.folder);
        let _ = super::write::replace(&self.folder.join(key.hex()), &file);
    }
}
