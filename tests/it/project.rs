//! A project in a folder of its own, and the real program run on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// The smallest page template.
pub(crate) const PAGE: &str =
    "<!doctype html><html><head><title>{{ page.title }}</title></head><body>{{ page.content }}</body></html>";

#[must_use]
pub(crate) struct Project {
    folder: TempDir,
}

impl Project {
    /// A project with a home page and the smallest template.
    pub(crate) fn new() -> Self {
        Self::empty().file("templates/page.html", PAGE).file("site/index.md", "---\ntitle: Home\n---\n# Home\n")
    }

    pub(crate) fn empty() -> Self {
        Self { folder: TempDir::new().expect("a temporary folder") }
    }

    pub(crate) fn file(self, path: &str, text: impl AsRef<[u8]>) -> Self {
        self.write(path, text);
        self
    }

    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("the folder can be made");
        fs::write(path, text).expect("the file can be written");
    }

    pub(crate) fn remove(&self, path: &str) {
        fs::remove_file(self.path().join(path)).expect("the file is there");
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub(crate) fn exists(&self, path: &str) -> bool {
        self.path().join(path).exists()
    }

    /// Every file below a folder with its bytes.
    pub(crate) fn tree(&self, folder: &str) -> Vec<(PathBuf, Vec<u8>)> {
        tree(&self.path().join(folder))
    }

    /// Runs `qdn` in the project, far from the environment of whoever runs the tests.
    pub(crate) fn qdn(&self, arguments: &[&str]) -> Run {
        let output = self.command(arguments).output().expect("the program starts");
        Run::of(&output)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_qdn"));
        command.args(arguments).current_dir(self.path()).env_clear().env("NO_COLOR", "1");
        command
    }
}

/// Every file below a folder with its bytes, in order.
pub(crate) fn tree(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else {
                let bytes = fs::read(&path).expect("the file can be read");
                files.push((path.strip_prefix(folder).expect("it lies below").to_path_buf(), bytes));
            }
        }
    }
    files.sort();
    files
}

pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// That the run ended so, with all it said where it did not.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// stdout as one JSON document.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}\nstdout:\n{}\nstderr:\n{}", self.stdout, self.stderr))
    }

    /// `rule file:line:column` of every diagnostic.
    #[track_caller]
    pub(crate) fn places(&self) -> Vec<String> {
        let document = self.json();
        let rows = document["diagnostics"].as_array().expect("diagnostics");
        rows.iter()
            .map(|row| match row["file"].as_str() {
                Some(file) => format!("{} {file}:{}:{}", row["rule"].as_str().unwrap_or("?"), row["line"], row["column"]),
                None => row["rule"].as_str().unwrap_or("?").to_owned(),
            })
            .collect()
    }
}
