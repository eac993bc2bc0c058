//! What `qdn build` wrote, taken up again to be published as it is.

use crate::release::Manifest;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A release in a folder.
#[derive(Debug)]
pub struct Stored {
    /// What is in it.
    pub manifest: Manifest,
    /// The file of each object, by distribution and key.
    pub files: BTreeMap<(String, String), PathBuf>,
    /// The code of the functions, by name.
    pub functions: BTreeMap<String, String>,
    /// Files that are missing, or not of the size that the manifest says.
    pub problems: Vec<String>,
}

/// Takes up a release. Its files are looked for and not read.
///
/// # Errors
/// Where the folder holds no manifest of ours.
pub fn stored(folder: &Path) -> io::Result<Stored> {
    let path = folder.join("manifest.json");
    let named = |error: &dyn std::fmt::Display| io::Error::other(format!("`{}`: {error}", path.display()));
    let text = fs::read_to_string(&path).map_err(|error| named(&error))?;
    let manifest = Manifest::parse(&text).map_err(|error| named(&error))?;
    if !manifest.is_genuine() {
        return Err(named(&"it is not as `qdn build` wrote it: its content has another name"));
    }
    let (mut files, mut functions, mut problems) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    for (name, distribution) in &manifest.distributions {
        for (key, entry) in &distribution.objects {
            let file = folder.join(name).join(key);
            match fs::metadata(&file) {
                Ok(metadata) if metadata.is_file() && metadata.len() == entry.size => {}
                Ok(metadata) => problems.push(format!(
                    "`{}` has {} bytes, and its manifest says {}",
                    file.display(),
                    metadata.len(),
                    entry.size
                )),
                Err(error) => problems.push(format!("`{}` cannot be read: {error}", file.display())),
            }
            files.insert((name.clone(), key.clone()), file);
        }
    }
    for (name, entry) in &manifest.functions {
        let file = folder.join("functions").join(format!("{name}.js"));
        match fs::read_to_string(&file) {
            Ok(code) if crate::release::Digest::of(code.as_bytes()).hex() == entry.sha256 => {
                drop(functions.insert(name.clone(), code));
            }
            Ok(_) => problems.push(format!("`{}` is not the function that its manifest names", file.display())),
            Err(error) => problems.push(format!("`{}` cannot be read: {error}", file.display())),
        }
    }
    Ok(Stored { manifest, files, functions, problems })
}
