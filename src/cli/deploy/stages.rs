//! From names in qdn.toml to stages that can be asked.

use crate::build;
use crate::config::{self, Config};
use crate::deploy::apply::{self, Context, Pace, Packing};
use crate::deploy::ledger::{Commit, Holder};
use crate::deploy::options::{StageOptions, Store};
use crate::deploy::remote::aws::Aws;
use crate::deploy::remote::directory::Directory;
use crate::deploy::remote::{Bucket, Cdn, Stage, Target};
use crate::disk;
use crate::jobs::world::{System, random};
use crate::source::{Diagnostic, Sources, near};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// How long an invalidation is waited for, unless the stage or the command says so.
const WAIT: Duration = Duration::from_secs(60);

/// A project as far as publishing reads it without building: its settings and its functions.
pub(in crate::cli) struct Project {
    pub(in crate::cli) sources: Sources,
    pub(in crate::cli) config: Config,
    pub(in crate::cli) problems: Vec<Diagnostic>,
}

impl Project {
    pub(in crate::cli) fn read(root: &Path) -> Self {
        let (sources, _) = disk::read_functions(root);
        let (config, problems) = config::parse(&sources);
        Self { sources, config, problems }
    }

    /// What qdn.toml says of a stage.
    pub(in crate::cli) fn stage(&self, name: &str) -> Result<&StageOptions, String> {
        if let Some((options, _)) = self.config.stages.get(name) {
            return Ok(options);
        }
        if !config::is_name(name) {
            return Err(format!("`{name}` cannot be the name of a stage\nhint: {}", config::NAMES));
        }
        let known: Vec<&str> = self.config.stages.keys().map(String::as_str).collect();
        let hint = match near(name, known.iter().copied()) {
            Some(near) => format!("a stage with a similar name exists: `{near}`"),
            None => format!("there are {}; another is written as `[stages.{name}]` in qdn.toml", known.join(", ")),
        };
        Err(format!("there is no stage `{name}`\nhint: {hint}"))
    }
}

/// Opens a stage. Nothing is asked of it yet.
pub(in crate::cli) async fn stage(options: &StageOptions, root: &Path) -> Result<Stage, String> {
    type Place = dyn Fn(&str, &str) -> Arc<dyn Bucket>;
    let (place, cdn): (Box<Place>, Arc<dyn Cdn>) = match &options.store {
        Store::Folder(folder) => {
            let directory = Directory::new(root.join(folder), build::tester());
            let cdn = directory.cdn();
            (Box::new(move |bucket, _| directory.bucket(bucket)), cdn)
        }
        Store::Aws { region, endpoint, cloudfront_endpoint } => {
            let aws = Aws::connect(region.as_deref(), endpoint.as_deref(), cloudfront_endpoint.as_deref()).await;
            let aws = aws.map_err(|failure| failure.message)?;
            let cdn = aws.cdn();
            (Box::new(move |bucket, prefix| aws.bucket(bucket, prefix)), cdn)
        }
    };
    let targets = options.distributions.iter().map(|(name, one)| {
        let target = Target { bucket: place(&one.bucket, &one.prefix), id: one.id.clone(), url: one.url.clone() };
        (name.clone(), target)
    });
    Ok(Stage {
        name: options.name.clone(),
        control: place(&options.control.bucket, &options.control.prefix),
        distributions: targets.collect(),
        cdn,
        functions: options.functions.clone(),
        mode: options.invalidation.mode,
    })
}

/// Who works, for the books and for whoever waits.
pub(super) fn context(
    options: &StageOptions,
    wait: Option<u64>,
    adopt: bool,
    tell: Arc<dyn Fn(&apply::Progress) + Send + Sync>,
) -> Context {
    worker(wait.or(options.wait).map_or(WAIT, Duration::from_secs), adopt, tell)
}

/// The same without a stage: how long an edge is waited for, in seconds.
pub(super) fn worker(wait: Duration, adopt: bool, tell: Arc<dyn Fn(&apply::Progress) + Send + Sync>) -> Context {
    let host = gethostname::gethostname().to_string_lossy().into_owned();
    let nonce = || random::<16>(&System).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let space = process_space();
    let holder = Holder { host: host.clone(), space: space.clone(), process: std::process::id(), run: nonce() };
    let user = ["GITHUB_ACTOR", "GITLAB_USER_LOGIN", "USER", "LOGNAME", "USERNAME"].into_iter().find_map(variable);
    Context {
        by: format!("{}@{host}", user.unwrap_or_else(|| "somebody".to_owned())),
        holder,
        clock: Arc::new(jiff::Timestamp::now),
        nonce: Arc::new(nonce),
        is_gone: Arc::new(move |other| !space.is_empty() && other.space == space && is_gone(other.process)),
        tell,
        pace: Pace::default(),
        packing: Packing::default(),
        lease: apply::LEASE,
        wait,
        adopt,
        agree: Arc::new(build::agree),
    }
}

/// This start of this machine, and its space of process numbers. Empty where the system does not tell.
fn process_space() -> String {
    let boot = disk::read_file(Path::new("/proc/sys/kernel/random/boot_id")).unwrap_or_default();
    let space = std::fs::read_link("/proc/self/ns/pid").map(|link| link.to_string_lossy().into_owned());
    match space {
        Ok(space) if !boot.is_empty() => format!("{} {space}", String::from_utf8_lossy(&boot).trim()),
        _ => String::new(),
    }
}

/// Whether a process of this machine has ended. Where that cannot be seen, its lease has to run out.
fn is_gone(process: u32) -> bool {
    let all = Path::new("/proc");
    all.join("self").exists() && !all.join(process.to_string()).exists()
}

#[expect(clippy::disallowed_methods, reason = "the environment is read by `cli`")]
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The commit that is checked out, where git knows it.
pub(super) fn commit(root: &Path) -> Option<Commit> {
    let output = Command::new("git").arg("-C").arg(root).args(["log", "-1", "--format=%H %cI"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    let (id, time) = text.trim().split_once(' ')?;
    Some(Commit { id: id.to_owned(), time: time.parse().ok()? })
}
