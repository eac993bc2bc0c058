//! `[stages.…]`: where the site is published.

use super::bucket::{place, shown};
use super::distributions::bad_name;
use super::publish::read_mode;
use super::{Config, number, origin};
use crate::deploy::options::{DistributionOptions, LOCAL, LOCAL_FOLDER, Mode, Place, StageOptions, Store};
use crate::release::DEFAULT_DISTRIBUTION;
use crate::source::{Diagnostic, Kind, SourcePath, Span, Table, near};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// What only a stage at AWS has.
const REMOTE: &[&str] = &["cloudfront_endpoint", "control", "endpoint", "region"];

/// Folders of a project that are something else.
const TAKEN: &[&str] = &["dist", "functions", "site", "templates"];

/// What a ledger keeps behind its prefix, see `deploy::ledger`.
const BOOKS: &[&str] = &["blobs/", "packs/", "proofs/", "releases/", "stages/"];

/// The stage that is always there.
pub(super) fn local(distributions: &[&str]) -> BTreeMap<String, (StageOptions, Span)> {
    let distributions = std::iter::once(DEFAULT_DISTRIBUTION).chain(distributions.iter().copied());
    let stage = StageOptions::folder(LOCAL, PathBuf::from(LOCAL_FOLDER), distributions);
    BTreeMap::from([(LOCAL.to_owned(), (stage, Span::default()))])
}

/// Reads the stages. Everything else is in `config` already.
pub(super) fn read(table: Table, config: &mut Config, path: &SourcePath, problems: &mut Vec<Diagnostic>) {
    let names: Vec<String> = config.site.distributions.iter().map(|distribution| distribution.name.clone()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    config.stages = local(&names);
    let mut reader = Reader {
        path,
        problems,
        distributions: std::iter::once(DEFAULT_DISTRIBUTION).chain(names).collect(),
        functions: Vec::new(),
        places: Vec::new(),
        ids: Vec::new(),
        modes: BTreeMap::new(),
    };
    for (name, span, value) in table.into_entries() {
        let Kind::Table(table) = value.kind else {
            let hint = format!("write `[stages.{name}]`, and under it `control` or `folder`");
            reader.say("wrong-type", format!("`{name}` must be a table"), value.span, hint);
            continue;
        };
        reader.problems.extend(bad_name("stage", &name, path, span));
        if let Some(stage) = reader.stage(&name, span, table) {
            config.stages.insert(name, (stage, span));
        }
    }
    reader.clashes(&config.stages);
    config.named_functions.extend(std::mem::take(&mut reader.functions).into_iter().map(|(_, name, span)| (name, span)));
    let modes = std::mem::take(&mut reader.modes);
    for (name, (stage, _)) in &mut config.stages {
        stage.invalidation = config.invalidation.clone();
        if let Some(mode) = modes.get(name) {
            stage.invalidation.mode = *mode;
        }
    }
}

/// A bucket, or a part of one, as somebody wrote it.
struct Written {
    /// Who has it, for a sentence.
    owner: String,
    /// Buckets of different endpoints are different buckets.
    endpoint: String,
    place: Place,
    span: Span,
    is_control: bool,
}

struct Reader<'a> {
    path: &'a SourcePath,
    problems: &'a mut Vec<Diagnostic>,
    /// The project's.
    distributions: Vec<&'a str>,
    /// Stage, function, and where it is named.
    functions: Vec<(String, String, Span)>,
    places: Vec<Written>,
    /// Owner, endpoint and id.
    ids: Vec<(String, String, String, Span)>,
    /// By stage: the mode of its invalidations, where it has one of its own.
    modes: BTreeMap<String, Mode>,
}

impl Reader<'_> {
    fn say(&mut self, rule: &'static str, message: String, span: Span, hint: impl Into<String>) {
        self.problems.push(Diagnostic::error(rule, message).at(self.path, span).hint(hint));
    }

    fn stage(&mut self, name: &str, span: Span, mut table: Table) -> Option<StageOptions> {
        let path = self.path;
        let folder = table.text("folder", path, self.problems);
        let has_remote = REMOTE.iter().any(|key| table.get(key).is_some());
        let distributions = table.table("distributions", path, self.problems);
        let functions = table.table("functions", path, self.problems).map(|(table, _)| self.functions(name, table));
        if let Some((mut invalidation, _)) = table.table("invalidation", path, self.problems) {
            if let Some(mode) = read_mode(&mut invalidation, path, self.problems) {
                self.modes.insert(name.to_owned(), mode);
            }
            invalidation.finish("`[stages.….invalidation]`", &["mode"], path, self.problems);
        }
        let wait = number(&mut table, "wait", 0, 3_600, "seconds", path, self.problems);
        let stage = if name == LOCAL || folder.is_some() {
            if has_remote {
                for key in REMOTE {
                    let Some((span, _)) = table.take(key) else { continue };
                    let message = match name {
                        LOCAL => format!("the stage `{LOCAL}` is always a folder of this machine, and has no `{key}`"),
                        _ => format!("a stage in a folder has no `{key}`"),
                    };
                    self.say("stage", message, span, "give the stage at AWS a name of its own");
                }
            }
            Some(self.folder(name, folder, distributions))
        } else {
            self.remote(name, span, &mut table, distributions)
        };
        let known = [
            "cloudfront_endpoint",
            "control",
            "distributions",
            "endpoint",
            "folder",
            "functions",
            "invalidation",
            "region",
            "wait",
        ];
        table.finish("`[stages.…]`", &known, path, self.problems);
        let wait = wait.and_then(|seconds| u64::try_from(seconds).ok());
        Some(StageOptions { functions: functions.unwrap_or_default(), wait, ..stage? })
    }

    /// A stage in a folder. What is not said of a distribution has a default.
    fn folder(&mut self, name: &str, folder: Option<(String, Span)>, distributions: Option<(Table, Span)>) -> StageOptions {
        let folder = folder.map_or_else(
            || PathBuf::from(LOCAL_FOLDER),
            |(folder, span)| {
                // Without `./`, so that equal folders are equal.
                let path: PathBuf = Path::new(&folder).components().filter(|part| *part != Component::CurDir).collect();
                let first = path.components().next();
                let is_taken = TAKEN.iter().any(|taken| first == Some(Component::Normal(taken.as_ref())));
                if first.is_none() || is_taken {
                    let hint = format!("write one that nothing else is in: `.qdn/stages/{name}`");
                    self.say("stage", format!("a stage cannot be in `{folder}`, where the project is"), span, hint);
                }
                path
            },
        );
        let mut stage = StageOptions::folder(name, folder, self.distributions.iter().copied());
        for (name, _, mut table) in self.known(distributions) {
            let url = self.url(&mut table, "url");
            if let Some(options) = stage.distributions.get_mut(&name) {
                options.url = url;
            }
            table.finish("a distribution of a stage in a folder", &["url"], self.path, self.problems);
        }
        stage
    }

    fn remote(&mut self, name: &str, span: Span, table: &mut Table, distributions: Option<(Table, Span)>) -> Option<StageOptions> {
        let control = table.text("control", self.path, self.problems);
        let region = table.text("region", self.path, self.problems);
        if let Some((region, span)) = &region
            && (region.is_empty() || !region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'))
        {
            self.say("region", format!("`{region}` is not a region of AWS"), *span, "a region is written so: `us-west-2`");
        }
        let endpoint = self.url(table, "endpoint");
        let cloudfront_endpoint = self.url(table, "cloudfront_endpoint");
        if control.is_none() {
            let hint = format!(
                "add `control = \"s3://bucket/prefix\"`, which no distribution serves, or `folder = \".qdn/stages/{name}\"` for a stage on this machine"
            );
            self.say("stage", format!("the stage `{name}` does not say where its ledger is kept"), span, hint);
        }
        let control = control.and_then(|control| self.place(control, format!("the ledger of `{name}`"), endpoint.as_ref(), true));
        let has_any = distributions.as_ref().is_some_and(|(table, _)| !table.is_empty());
        let known = self.known(distributions);
        let missing: Vec<&str> =
            self.distributions.iter().filter(|one| !known.iter().any(|(known, ..)| known == *one)).copied().collect();
        if !has_any {
            let hint = format!("add `[stages.{name}.distributions.site]` with `bucket = \"…\"` and `id = \"E…\"`");
            self.say("stage", format!("the stage `{name}` has no distributions"), span, hint);
        } else {
            for one in missing {
                let hint = format!("add `[stages.{name}.distributions.{one}]` with `bucket = \"…\"` and `id = \"E…\"`");
                self.say("stage", format!("the stage `{name}` does not say where the distribution `{one}` is"), span, hint);
            }
        }
        let mut found = BTreeMap::new();
        for (one, span, mut table) in known {
            let owner = format!("`{one}` of the stage `{name}`");
            if let Some(options) = self.distribution(&owner, span, &mut table, endpoint.as_ref(), cloudfront_endpoint.as_ref()) {
                found.insert(one, options);
            }
            table.finish("`[stages.….distributions.…]`", &["bucket", "id", "url"], self.path, self.problems);
        }
        Some(StageOptions {
            store: Store::Aws { region: region.map(|(region, _)| region), endpoint, cloudfront_endpoint },
            control: control?,
            distributions: found,
            ..StageOptions::folder(name, PathBuf::new(), [])
        })
    }

    fn distribution(
        &mut self,
        owner: &str,
        span: Span,
        table: &mut Table,
        endpoint: Option<&String>,
        cloudfront: Option<&String>,
    ) -> Option<DistributionOptions> {
        let url = self.url(table, "url");
        let bucket = table.text("bucket", self.path, self.problems);
        let id = table.text("id", self.path, self.problems);
        for (key, is_there, example) in [("bucket", bucket.is_some(), "example-site"), ("id", id.is_some(), "E2EXAMPLE")] {
            if !is_there {
                self.say("stage", format!("{owner} has no `{key}`"), span, format!("add `{key} = \"{example}\"`"));
            }
        }
        let place = bucket.and_then(|bucket| self.place(bucket, owner.to_owned(), endpoint, false));
        let id = id.map(|(id, span)| {
            let is_good = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
            // What stands in for CloudFront makes ids that need not begin like its own.
            if id.is_empty() || !id.bytes().all(is_good) || (cloudfront.is_none() && (!id.starts_with('E') || id.len() < 2)) {
                let hint =
                    "an id is an `E` with capital letters and digits: `E2EXAMPLE`; the console lists it beside the distribution";
                self.say("distribution-id", format!("`{id}` is not the id of a distribution"), span, hint);
            }
            self.ids.push((owner.to_owned(), cloudfront.cloned().unwrap_or_default(), id.clone(), span));
            id
        });
        let place = place?;
        Some(DistributionOptions { bucket: place.bucket, prefix: place.prefix, id: id?, url })
    }

    /// The tables of distributions that the project has; complains of any other.
    fn known(&mut self, distributions: Option<(Table, Span)>) -> Vec<(String, Span, Table)> {
        let mut known = Vec::new();
        for (name, span, value) in distributions.into_iter().flat_map(|(table, _)| table.into_entries()) {
            if !self.distributions.contains(&name.as_str()) {
                let hint = match near(&name, self.distributions.iter().copied()) {
                    Some(near) => format!("a distribution with a similar name exists: `{near}`"),
                    None => format!("add `[distributions.{name}]` with `pages = [\"/{name}/*\"]`, or remove this"),
                };
                self.say("no-such-distribution", format!("the project has no distribution `{name}`"), span, hint);
                continue;
            }
            match value.kind {
                Kind::Table(table) => known.push((name, span, table)),
                _ => self.say("wrong-type", format!("`{name}` must be a table"), value.span, "write `bucket` and `id` under it"),
            }
        }
        known
    }

    fn functions(&mut self, stage: &str, table: Table) -> BTreeMap<String, String> {
        let mut functions = BTreeMap::new();
        for (name, span, value) in table.into_entries() {
            self.functions.push((stage.to_owned(), name.clone(), span));
            let is_good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            match value.kind {
                Kind::Text(text) if (1..=64).contains(&text.len()) && text.bytes().all(is_good) => {
                    drop(functions.insert(name, text));
                }
                Kind::Text(text) => {
                    let hint = "it has 1 to 64 letters, digits, hyphens and underscores";
                    self.say("function-name", format!("`{text}` is no name for a function at CloudFront"), value.span, hint);
                }
                _ => {
                    let hint = "write its name at CloudFront";
                    self.say("wrong-type", format!("`{name}` must be a text"), value.span, hint);
                }
            }
        }
        functions
    }

    fn url(&mut self, table: &mut Table, key: &str) -> Option<String> {
        let (text, span) = table.text(key, self.path, self.problems)?;
        let found = origin(&text);
        if found.is_none() {
            let hint = "write scheme and host, and nothing after them: `https://www.example.com`";
            self.say("url", format!("`{text}` is not scheme and host"), span, hint);
        }
        found
    }

    fn place(&mut self, text: (String, Span), owner: String, endpoint: Option<&String>, is_control: bool) -> Option<Place> {
        let (text, span) = text;
        match place(&text) {
            Ok(place) => {
                let endpoint = endpoint.cloned().unwrap_or_default();
                self.places.push(Written { owner, endpoint, place: place.clone(), span, is_control });
                Some(place)
            }
            Err(why) => {
                self.say("bucket", why, span, "write `bucket` or `bucket/prefix`");
                None
            }
        }
    }

    /// Complains of whatever two stages, or two distributions, would both write to.
    fn clashes(&mut self, stages: &BTreeMap<String, (StageOptions, Span)>) {
        // The later line is the one to complain of, whatever the order of the stages' names.
        self.places.sort_by_key(|written| written.span);
        self.ids.sort_by_key(|(.., span)| *span);
        self.same_places();
        for (at, (owner, endpoint, id, span)) in self.ids.iter().enumerate() {
            if let Some((other, ..)) = self.ids[..at].iter().find(|(_, known, other, _)| known == endpoint && other == id) {
                self.problems.push(
                    Diagnostic::error("same-distribution", format!("`{id}` is the id of {other} already"))
                        .at(self.path, *span)
                        .hint(format!("create a distribution for {owner}")),
                );
            }
        }
        let mut folders: Vec<(&str, &Path, Span)> = stages
            .iter()
            .filter_map(|(name, (stage, span))| match &stage.store {
                Store::Folder(folder) => Some((name.as_str(), folder.as_path(), *span)),
                Store::Aws { .. } => None,
            })
            .collect();
        folders.sort_by_key(|(.., span)| *span);
        for (at, (name, folder, span)) in folders.iter().enumerate() {
            let clash = folders[..at].iter().find(|(_, other, _)| folder.starts_with(other) || other.starts_with(folder));
            if let Some((other, ..)) = clash {
                self.problems.push(
                    Diagnostic::error("same-place", format!("the stages `{other}` and `{name}` are in one folder"))
                        .at(self.path, *span)
                        .hint(format!("write `folder = \".qdn/stages/{name}\"`")),
                );
            }
        }
        self.same_functions(stages);
    }

    /// Places that are in each other's way.
    fn same_places(&mut self) {
        for (at, one) in self.places.iter().enumerate() {
            let clash = self.places.iter().enumerate().find_map(|(other_at, other)| {
                if one.endpoint != other.endpoint || one.place.bucket != other.place.bucket {
                    return None;
                }
                let (mine, theirs) = (&one.place.prefix, &other.place.prefix);
                // Behind a ledger's prefix these are its own, and what nobody names there is removed.
                let within = mine.strip_prefix(theirs.as_str()).is_some_and(|rest| BOOKS.iter().any(|part| rest.starts_with(part)));
                match (one.is_control, other.is_control) {
                    (_, true) if within => Some(format!("{} would lie among the books of {}", one.owner, other.owner)),
                    // A ledger may lie beside what is served, and above it, but not within.
                    (true, false) if mine.starts_with(theirs.as_str()) => {
                        Some(format!("{} would be public: {} serves it", one.owner, other.owner))
                    }
                    (false, false) if other_at != at && mine == theirs && other_at < at => {
                        Some(format!("{} is where {} is already", shown(&one.place), other.owner))
                    }
                    (false, false) if mine != theirs && mine.starts_with(theirs.as_str()) => {
                        Some(format!("{} lies within {}, which {} has", shown(&one.place), shown(&other.place), other.owner))
                    }
                    _ => None,
                }
            });
            if let Some(message) = clash {
                let hint = match one.is_control {
                    true => "keep it in a bucket of its own, or under a prefix that nothing serves",
                    false => "give each distribution of each stage a bucket or a prefix of its own",
                };
                self.problems.push(Diagnostic::error("same-place", message).at(self.path, one.span).hint(hint));
            }
        }
    }

    /// Two stages with one function are one stage: what is tried in one is live in the other.
    fn same_functions(&mut self, stages: &BTreeMap<String, (StageOptions, Span)>) {
        let mut taken: BTreeMap<(String, String), (&str, &str)> = BTreeMap::new();
        let mut clashes = Vec::new();
        for (name, (stage, _)) in stages {
            let Store::Aws { cloudfront_endpoint, .. } = &stage.store else { continue };
            let mut functions: Vec<&str> = self.functions.iter().map(|(_, function, _)| function.as_str()).collect();
            functions.sort_unstable();
            functions.dedup();
            for function in functions {
                let remote = stage.functions.get(function).cloned().unwrap_or_else(|| format!("{function}-{name}"));
                let at = (cloudfront_endpoint.clone().unwrap_or_default(), remote.clone());
                if let Some((other, theirs)) = taken.insert(at, (name, function)) {
                    let place = self.functions.iter().filter(|(_, named, _)| named == function || named == theirs);
                    let place = place.max_by_key(|(stage, ..)| stage == name).map_or(Span::default(), |(.., span)| *span);
                    let message = format!("`{remote}` is `{theirs}` of the stage `{other}` and `{function}` of the stage `{name}`");
                    clashes.push(Diagnostic::error("same-function", message).at(self.path, place));
                }
            }
        }
        let hint = "a function of each stage needs a name of its own: without this line it is `<name>-<stage>`";
        self.problems.extend(clashes.into_iter().map(|clash| clash.hint(hint)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;
    use crate::deploy::options::{Aliases, InvalidationOptions};

    fn parsed(text: &str) -> (Config, Vec<Diagnostic>) {
        parse(&[("qdn.toml", text.as_bytes().to_vec())].into_iter().collect())
    }

    #[test]
    fn local_is_always_there() {
        for text in ["", "[distributions.office]\npages = ['/office/*']\n"] {
            let (config, problems) = parsed(text);
            assert!(problems.is_empty());
            let (local, _) = &config.stages[LOCAL];
            assert_eq!(local.store, Store::Folder(LOCAL_FOLDER.into()));
            assert_eq!(local.distributions.contains_key("office"), !text.is_empty());
            assert_eq!(local.distributions["site"].bucket, "site");
        }
        let (config, _) = parse(&crate::source::Sources::new());
        assert!(config.stages.contains_key(LOCAL));
    }

    #[test]
    fn nothing_lies_among_the_books() {
        let problems = |control: &str, bucket: &str, other: &str| {
            let (_, problems) = parsed(&format!(
                "[stages.a]\ncontrol = 's3://{control}'\ndistributions.site = {{ bucket = '{bucket}', id = 'E1' }}\n\
                 [stages.b]\ncontrol = 's3://{other}'\ndistributions.site = {{ bucket = 'elsewhere', id = 'E2' }}\n"
            ));
            problems.iter().map(|problem| problem.message.clone()).collect::<Vec<_>>()
        };
        assert_eq!(problems("books", "books/site", "books"), [""; 0], "beside them is a place");
        assert_eq!(problems("books", "public", "books/of-b"), [""; 0]);
        for (control, bucket, other) in
            [("books", "books/blobs", "other"), ("books/x", "books/x/packs/y", "other"), ("books", "public", "books/stages")]
        {
            let said = problems(control, bucket, other);
            assert!(said.iter().any(|said| said.contains("among the books of")), "{control} {bucket} {other}: {said:?}");
        }
    }

    #[test]
    fn a_stage_may_have_a_mode_of_its_own() {
        let stage = "control = 's3://control'\ndistributions.site = { bucket = 'bucket', id = 'E1' }\n";
        let (config, problems) = parsed(&format!(
            "[invalidation]\nmode = 'tags'\naliases = 'viewer'\n[stages.s]\n{stage}invalidation.mode = 'paths'\n[stages.local.invalidation]\n"
        ));
        assert!(problems.is_empty(), "{problems:?}");
        let of = |name: &str| (config.stages[name].0.invalidation.mode, config.stages[name].0.invalidation.aliases);
        assert_eq!((of("s"), of("local")), ((Mode::Paths, Aliases::Viewer), (Mode::Tags, Aliases::Viewer)));
        assert_eq!(parsed("").0.stages[LOCAL].0.invalidation.mode, Mode::Paths);
        let (_, problems) = parsed("[invalidation]\nmode = 'tag'\n[stages.local.invalidation]\nmode = 'cache'\nmod = 'tags'\n");
        let said: Vec<(&str, &str)> = problems.iter().map(|problem| (problem.rule, problem.hints[0].as_str())).collect();
        assert_eq!(
            said,
            [
                ("mode", "a mode with a similar name exists: `tags`"),
                ("mode", "write `paths`, or `tags` where the distribution reads cache tags"),
                ("unknown-key", "a key with a similar name exists: `mode`"),
            ]
        );
    }

    #[test]
    fn a_stage_has_all_that_is_said_of_it() {
        let (config, problems) = parsed(
            "[stages.s]\ncontrol = 's3://control/a/b/'\nregion = 'us-west-2'\nwait = 9\nendpoint = 'http://127.0.0.1:4566/'\n\
             [stages.s.distributions]\nsite = { bucket = 'bucket/p', id = 'E1', url = 'https://s.test' }\n\
             [stages.s.functions]\nf = 'g'\n[invalidation]\naliases = 'viewer'\ncollateral = 25\nqueries = true\n\
             [invalidation.families]\n'a.html' = '/a/*'\n[publish]\nremovals = 5\n",
        );
        assert!(problems.is_empty(), "{problems:?}");
        let (stage, _) = &config.stages["s"];
        let endpoint = Some("http://127.0.0.1:4566".to_owned());
        assert_eq!(stage.store, Store::Aws { region: Some("us-west-2".to_owned()), endpoint, cloudfront_endpoint: None });
        assert_eq!(stage.control, Place { bucket: "control".to_owned(), prefix: "a/b/".to_owned() });
        let site = &stage.distributions["site"];
        assert_eq!((site.bucket.as_str(), site.prefix.as_str(), site.id.as_str()), ("bucket", "p/", "E1"));
        assert_eq!((site.url.as_deref(), stage.wait, stage.functions["f"].as_str()), (Some("https://s.test"), Some(9), "g"));
        let expected = InvalidationOptions {
            aliases: Aliases::Viewer,
            collateral: 25,
            queries: true,
            families: BTreeMap::from([("a.html".to_owned(), vec!["/a/*".to_owned()])]),
            ..InvalidationOptions::default()
        };
        assert_eq!((&config.invalidation, &stage.invalidation), (&expected, &expected));
        assert_eq!((expected.terms().collateral, expected.terms().queries), (0.25, true));
        assert_eq!(
            (config.publish.removals, config.publish.keep_releases, config.named_functions[0].0.as_str()),
            (Some(5), 10, "f")
        );
    }
}
