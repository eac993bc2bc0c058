//! What a project says of its stages, as values: `config` reads them, publishing obeys them.

use super::invalidation::Terms;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The stage that every project has: a folder of this machine.
pub const LOCAL: &str = "local";

/// The bucket of a stage's books, where the stage is a folder.
pub const CONTROL: &str = "control";

/// Where that stage is, relative to the project.
pub const LOCAL_FOLDER: &str = ".qdn/stages/local";

/// One stage.
#[derive(Clone, Debug, PartialEq)]
pub struct StageOptions {
    /// Its name: one of `[stages]`.
    pub name: String,
    /// What kind of thing it is.
    pub store: Store,
    /// Where the ledger, the releases and the blobs are.
    pub control: Place,
    /// What it serves, by the distributions' names in the project. Every distribution of the project is in it.
    pub distributions: BTreeMap<String, DistributionOptions>,
    /// From a function's name in the project to its name at CloudFront, where that is not `<name>-<stage>`.
    pub functions: BTreeMap<String, String>,
    /// How many seconds a publish waits for its invalidation to be complete; none: as long as the publisher thinks fit.
    pub wait: Option<u64>,
    /// How its invalidations are chosen: the same for all stages but for the mode.
    pub invalidation: InvalidationOptions,
}

/// What a stage is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    /// A folder of this machine, relative to the project unless it is absolute.
    Folder(PathBuf),
    /// S3 and CloudFront, or something that speaks their protocols.
    Aws {
        /// The region of the buckets; none: that of the environment or the profile.
        region: Option<String>,
        /// Scheme and host of another S3.
        endpoint: Option<String>,
        /// Scheme and host of another CloudFront.
        cloudfront_endpoint: Option<String>,
    },
}

/// A bucket, or a part of one. In a stage in a folder, the bucket is a folder within it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The bucket's name.
    pub bucket: String,
    /// What every key begins with: empty, or with a slash at its end and none in front.
    pub prefix: String,
}

/// One distribution of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DistributionOptions {
    /// The bucket, or folder, that it serves.
    pub bucket: String,
    /// The part of the bucket that it serves: empty, or with a slash at its end and none in front.
    pub prefix: String,
    /// CloudFront's id of it. In a stage in a folder, its name.
    pub id: String,
    /// Scheme and host by which visitors reach it; none: the distribution's own host name.
    pub url: Option<String>,
}

/// `[invalidation]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidationOptions {
    /// What the edge is told: addresses, or cache tags.
    pub mode: Mode,
    /// Which of a changed object's addresses are purged.
    pub aliases: Aliases,
    /// The percentage of the unchanged objects that wildcards may purge to save paths, from 0 to 100.
    pub collateral: u8,
    /// How many of the month's free paths the account is assumed to have left.
    pub free_paths: u64,
    /// How many wildcards are left for people who purge by hand, from 0 to 15.
    pub reserve: u64,
    /// Whether query strings are in the cache key.
    pub queries: bool,
    /// By key: wildcards for viewers' addresses that show it, besides those that the function is found to lead there.
    pub families: BTreeMap<String, Vec<String>>,
}

impl Default for InvalidationOptions {
    fn default() -> Self {
        Self {
            mode: Mode::Paths,
            aliases: Aliases::Both,
            collateral: 10,
            free_paths: 1_000,
            reserve: 2,
            queries: false,
            families: BTreeMap::new(),
        }
    }
}

impl InvalidationOptions {
    /// The terms of one invalidation, with nothing in progress.
    pub fn terms(&self) -> Terms {
        Terms {
            reserve: self.reserve,
            collateral: f64::from(self.collateral) / 100.0,
            queries: self.queries,
            free: self.free_paths,
            ..Terms::default()
        }
    }
}

/// How an edge is told what to forget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// By the addresses of what changed.
    #[default]
    Paths,
    /// By the cache tags that it was stored with. The distribution has to read them from [`HEADER`](super::invalidation::tags::HEADER).
    Tags,
}

impl Mode {
    /// By name, in the order in which a message lists them.
    pub const ALL: [(&'static str, Self); 2] = [("paths", Self::Paths), ("tags", Self::Tags)];
}

/// Under which of its addresses a changed object is purged, where a function leads several to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Aliases {
    /// All of them, as AWS advises.
    #[default]
    Both,
    /// The one that the function rewrites to, which is the one that the cache goes by.
    Rewritten,
    /// Those that visitors ask for.
    Viewer,
}

impl Aliases {
    /// By name, in the order in which a message lists them.
    pub const ALL: [(&'static str, Self); 3] = [("both", Self::Both), ("rewritten", Self::Rewritten), ("viewer", Self::Viewer)];
}

/// `[publish]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishOptions {
    /// The percentage of a distribution's pages and files that a publish may remove unasked, from 0 to 100; none: a
    /// share that is the smaller, the larger the site is.
    pub removals: Option<u8>,
    /// How many of the latest releases `gc` keeps whole.
    pub keep_releases: u32,
    /// How many days `gc` keeps what only older releases name.
    pub keep_days: u32,
}

impl Default for PublishOptions {
    fn default() -> Self {
        Self { removals: None, keep_releases: 10, keep_days: 30 }
    }
}

/// An event, and what a function made of it here: CloudFront has to make the same of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// The case's name.
    pub name: String,
    /// CloudFront's test event.
    pub event: Value,
    /// The whole result, `{"request":…}` or `{"response":…}`, or the name of the kind of error.
    pub expected: Result<Value, String>,
}

impl StageOptions {
    /// A stage in a folder, with every distribution under its own name.
    pub fn folder<'a>(name: &str, folder: PathBuf, distributions: impl IntoIterator<Item = &'a str>) -> Self {
        let distributions = distributions.into_iter().map(|name| {
            let options = DistributionOptions { bucket: name.to_owned(), prefix: String::new(), id: name.to_owned(), url: None };
            (name.to_owned(), options)
        });
        Self {
            name: name.to_owned(),
            store: Store::Folder(folder),
            // No distribution can be called so.
            control: Place { bucket: CONTROL.to_owned(), prefix: String::new() },
            distributions: distributions.collect(),
            functions: BTreeMap::new(),
            wait: None,
            invalidation: InvalidationOptions::default(),
        }
    }
}
