//! From keys, which may be any text, to paths below a folder, and back.
//!
//! A key is its own path wherever a file system can say it. What it cannot say is escaped with `%`:
//!
//! * a character that some system gives a meaning, and `%` itself, as in a URL: `a:b.html` → `a%3Ab.html`;
//! * a dot or a blank at the end of a name, so that no name is `.` or `..`: `..` → `.%2E`;
//! * a file without a dot, and a folder with one, but for a first one, by a mark: `LICENSE` → `LICENSE%file`, `v1.2/a.js` → `v1.2%dir/a.js`.
//!   So no name is both, and the objects `a` and `a/b` lie beside each other; names without letters, too: `a/` is
//!   `a/%file`;
//! * where a file system passes over case (and over how an accent is written), upper case and everything not ASCII;
//! * what is too long altogether lies below `%long`, named by the key's digest.
//!
//! Each key has one path, and a path that is no key's is no object.

use crate::release::Digest;
use std::path::{Component, Path, PathBuf};

/// The file systems here pass over case. Elsewhere too some do; keys that differ in case alone are rare enough.
pub(super) const FOLDS: bool = cfg!(any(windows, target_os = "macos"));

/// The folder of objects whose keys cannot be paths. No key is escaped to this name.
pub(super) const LONG: &str = "%long";

const FILE: &str = "%file";
const FOLDER: &str = "%dir";

/// Bytes of a name: file systems take 255, and some encrypt names and take fewer.
const LONGEST_NAME: usize = 240;
/// Bytes of a path below its bucket's folder: Linux takes 4,096 in all.
const LONGEST_PATH: usize = 2_000;

/// Names that Windows gives to devices, with any extension.
const DEVICES: &[&str] = &["con", "prn", "aux", "nul", "com", "lpt"];

/// The path of a key, below the folder of its bucket.
pub(super) fn path(key: &str, folds: bool) -> PathBuf {
    let (folders, file) = key.rsplit_once('/').map_or((None, key), |(folders, file)| (Some(folders), file));
    let mut path = folders.map_or_else(PathBuf::new, |folders| folder(folders, folds));
    path.push(name(file, !is_dotted(file), FILE, folds));
    let is_short = path.as_os_str().len() <= LONGEST_PATH && path.iter().all(|name| name.len() <= LONGEST_NAME);
    if is_short { path } else { Path::new(LONG).join(Digest::of(key.as_bytes()).hex()) }
}

/// The path of the folder in which the keys that begin with `prefix/` are, but for those below [`LONG`].
pub(super) fn folder(prefix: &str, folds: bool) -> PathBuf {
    prefix.split('/').map(|segment| name(segment, is_dotted(segment) || segment.is_empty(), FOLDER, folds)).collect()
}

/// The key of a path, if it is a key's; those below [`LONG`] have lost theirs.
pub(super) fn key(path: &Path, folds: bool) -> Option<String> {
    let mut key = String::new();
    for (at, component) in path.components().enumerate() {
        let Component::Normal(name) = component else { return None };
        if at > 0 {
            key.push('/');
        }
        let name = name.to_str()?;
        let name = name.strip_suffix(FILE).or_else(|| name.strip_suffix(FOLDER)).unwrap_or(name);
        key.push_str(&percent_encoding::percent_decode_str(name).decode_utf8().ok()?);
    }
    (self::path(&key, folds) == path).then_some(key)
}

/// The folder of a bucket, below the root: beside that of the functions, and never that of the books.
pub(super) fn bucket(bucket: &str) -> String {
    let escaped = name(bucket, bucket.is_empty() || bucket == super::FUNCTIONS, FOLDER, FOLDS);
    let escaped = match escaped.strip_prefix('.') {
        Some(rest) => format!("%2E{rest}"),
        None => escaped,
    };
    if escaped.len() <= LONGEST_NAME { escaped } else { format!("{LONG}-{}", Digest::of(bucket.as_bytes()).hex()) }
}

/// Whether a name has an extension, roughly: what decides whether a file or a folder is marked.
fn is_dotted(segment: &str) -> bool {
    segment.strip_prefix('.').unwrap_or(segment).contains('.')
}

fn name(segment: &str, is_marked: bool, mark: &str, folds: bool) -> String {
    let mut escaped = String::with_capacity(segment.len() + mark.len());
    let stem = segment.split('.').next().unwrap_or_default().trim_end_matches(|c: char| c.is_ascii_digit()).to_ascii_lowercase();
    let is_device = folds && DEVICES.contains(&stem.as_str());
    let last = segment.char_indices().last().map_or(0, |(at, _)| at);
    for (at, c) in segment.char_indices() {
        let is_plain = match c {
            '%' | '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => false,
            c if c.is_control() => false,
            '.' | ' ' if at == last => false,
            _ if at == 0 && is_device => false,
            c if folds => c.is_ascii() && !c.is_ascii_uppercase(),
            _ => true,
        };
        if is_plain {
            escaped.push(c);
        } else {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                escaped.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    if is_marked {
        escaped.push_str(mark);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const KEYS: &[&str] = &[
        "index.html",
        "track/index.html",
        "a",
        "a/b",
        "a/b/c",
        "a/",
        "a//",
        "a//b",
        "/",
        "//",
        "/a",
        "a.b",
        "a.b/c",
        "a.b/c.d",
        ".",
        "..",
        "../x",
        "x/../../y",
        "...",
        ".qdn",
        ".qdn/x.html",
        ".well-known/security.txt",
        "%",
        "%2E",
        "%file",
        "a%file",
        "a%dir/b",
        "%long/x",
        "%long",
        "A",
        "a.HTML",
        "a.html",
        "é.html",
        "e\u{301}.html",
        "con",
        "con.html",
        "aux/index.html",
        "com1.txt",
        "a\\b",
        "a:b",
        "a*?\"<>|",
        "a\u{0}b",
        "a\nb",
        "a b ",
        "a.",
        "日本/語.html",
        "a%2Fb",
        "café",
        "CON",
        "a/.",
        "a/..",
        "./a",
        " ",
        "x/ /y",
    ];

    #[test]
    fn each_key_has_a_path_of_its_own_below_the_folder_and_comes_back() {
        let long = ["x".repeat(1_024), "y/".repeat(500), "é".repeat(500), format!("{}/a", "z".repeat(300))];
        for folds in [false, true] {
            let mut paths = BTreeMap::new();
            for key in KEYS.iter().copied().chain(long.iter().map(String::as_str)) {
                let path = path(key, folds);
                assert!(path.components().all(|part| matches!(part, Component::Normal(_))), "{key:?} → {path:?}");
                assert!(path.iter().all(|name| name.len() <= LONGEST_NAME), "{key:?} → {path:?}");
                if !path.starts_with(LONG) {
                    assert_eq!(super::key(&path, folds).as_deref(), Some(key), "{path:?}");
                }
                let seen = match folds {
                    true => path.to_str().expect("text").to_lowercase(),
                    false => path.to_str().expect("text").to_owned(),
                };
                assert_eq!(paths.insert(seen, key), None, "{key:?} → {path:?}");
            }
            // No object is the folder of another.
            for path in paths.keys() {
                for folder in Path::new(path).ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty()) {
                    assert!(!paths.contains_key(folder.to_str().expect("text")), "{folder:?} is an object and a folder");
                }
            }
        }
    }

    #[test]
    fn what_people_look_at_looks_as_it_is() {
        for key in ["index.html", "track/index.html", "assets/css/site.1a2b3c4d.css", "robots.txt", ".well-known/x.txt"] {
            assert_eq!(path(key, false), Path::new(key));
        }
        assert_eq!(path("v1.2/LICENSE", false), Path::new("v1.2%dir/LICENSE%file"));
        assert_eq!(path("Logo.PNG", true), Path::new("%4Cogo.%50%4E%47"));
        for stranger in ["CNAME", "a:b.html", "a.b/c.html", "%zz.html", "%2e.html"] {
            assert_eq!(key(Path::new(stranger), false), None, "{stranger}");
        }
    }

    #[test]
    fn no_bucket_is_the_functions_folder_or_the_books() {
        assert_eq!(bucket("site"), "site");
        assert_eq!(bucket("my.bucket-1"), "my.bucket-1");
        let odd = ["functions", ".qdn", "..", ".", "", "a/b", "../x"].map(bucket);
        assert_eq!(odd, ["functions%dir", "%2Eqdn", "%2E%2E", "%2E", "%dir", "a%2Fb", "%2E.%2Fx"]);
    }
}
