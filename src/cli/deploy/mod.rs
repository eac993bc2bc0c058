//! `qdn plan`, `publish`, `promote`, `rollback`, `status`, `releases`, `audit` and `gc`.

mod draw;
pub(super) mod function;
mod github;
mod progress;
pub(super) mod stages;

use super::args::{AuditArgs, Gc, Global, Guards, Manner, OfStage, Plan, Promote, Publish, Rollback};
use super::build::{failed, root, run as run_build};
use super::ui::{Ui, plural};
use super::{INTERRUPTED, PROBLEMS, REMOTE, USAGE, leave};
use crate::build::{self, Runtime};
use crate::deploy::apply::{self, Context, Keep, Look, Stopped, Supply, Wish};
use crate::deploy::invalidation::Change;
use crate::deploy::ledger::{Commit, Head, Kind};
use crate::deploy::options::{InvalidationOptions, Proof, StageOptions, Store};
use crate::deploy::plan::Policy;
use crate::deploy::remote::{Content, Stage};
use crate::disk;
use crate::release::Manifest;
use crate::source::Diagnostic;
use progress::Teller;
use serde_json::{Value, json};
use stages::Project;
use std::collections::BTreeMap;
use std::future::Future;
use std::io::{BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Notify;

/// Why a command ends without having done it.
enum Ended {
    /// The sources are wrong, and that was said.
    Said(u8),
    /// It was used wrongly.
    Usage(String),
    /// The stage.
    Stopped(Stopped),
}

impl From<Stopped> for Ended {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}

impl From<String> for Ended {
    fn from(message: String) -> Self {
        Self::Usage(message)
    }
}

type Result<T> = std::result::Result<T, Ended>;

/// What is to be published, and its bytes.
struct Goods {
    manifest: Manifest,
    contents: BTreeMap<(String, String), Content>,
    functions: BTreeMap<String, Arc<str>>,
    proofs: BTreeMap<String, Vec<Proof>>,
}

/// What every command here has in hand.
struct Desk<'a> {
    root: PathBuf,
    project: Project,
    ui: &'a mut Ui,
    verbose: bool,
    /// Told when somebody wants the end at once.
    ended: Arc<Notify>,
}

/// Runs a command to its end, or to the moment at which somebody has had enough.
fn command<'a, F: Future<Output = Result<u8>>>(
    global: &Global,
    ui: &'a mut Ui,
    work: impl FnOnce(Desk<'a>) -> F,
) -> std::result::Result<u8, String> {
    let root = root(global)?;
    let project = Project::read(&root);
    let errors: Vec<Diagnostic> = project.problems.iter().filter(|problem| problem.is_error()).cloned().collect();
    if !errors.is_empty() {
        return Ok(failed(&errors, &project.sources, "nothing was done", ui));
    }
    let talk = ui.clone();
    let verbose = global.verbose;
    let now = Arc::new(Notify::new());
    let desk = Desk { root, project, ui, verbose, ended: Arc::clone(&now) };
    to_the_end(talk, &now, async { work(desk).await })
}

/// Does something to its end, or to the moment at which somebody has had enough, and says why it did not get there.
fn to_the_end(talk: Ui, now: &Notify, work: impl Future<Output = Result<u8>>) -> std::result::Result<u8, String> {
    let mut talk = talk;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| format!("no thread can be started: {error}"))?;
    let ended = runtime.block_on(async {
        tokio::select! {
            ended = work => ended,
            // Whatever was begun is on record.
            () = now.notified() => Ok(INTERRUPTED),
        }
    });
    leave(runtime);
    Ok(match ended {
        Ok(code) | Err(Ended::Said(code)) => code,
        Err(Ended::Usage(message)) => {
            talk.error(&message);
            USAGE
        }
        Err(Ended::Stopped(stopped)) => say_stopped(&stopped, &mut talk),
    })
}

fn say_stopped(stopped: &Stopped, ui: &mut Ui) -> u8 {
    let (kind, code) = match stopped {
        Stopped::Refused(_) => ("refused", PROBLEMS),
        Stopped::Disproved(_) => ("disproved", PROBLEMS),
        Stopped::Failed(_) => ("failed", REMOTE),
        Stopped::Superseded { .. } => ("superseded", REMOTE),
        Stopped::Moved(_) => ("moved_on", REMOTE),
        Stopped::Interrupted(_) => ("interrupted", INTERRUPTED),
    };
    if ui.json {
        ui.document(&json!({ "version": 1, "error": { "kind": kind, "message": stopped.to_string() } }));
    }
    match stopped {
        Stopped::Refused(reasons) | Stopped::Disproved(reasons) => reasons.iter().for_each(|reason| ui.error(reason)),
        _ => ui.error(&stopped.to_string()),
    }
    code
}

impl Desk<'_> {
    /// A stage, and who works on it.
    async fn stage(&self, name: &str, wait: Option<u64>, adopt: bool) -> Result<(StageOptions, Stage, Arc<Context>)> {
        let options = self.project.stage(name)?.clone();
        let stage = stages::stage(&options, &self.root).await?;
        let teller = Teller::new(self.ui);
        let context = stages::context(&options, wait, adopt, Arc::new(move |progress| teller.hear(progress)));
        let context = Arc::new(context);
        on_interrupt(&context, &self.ended);
        Ok((options, stage, context))
    }

    /// A stage, and all others that keep their books where it does: `gc` counts what each of them needs.
    async fn with_the_same_books(&self, options: &StageOptions, stage: &Stage) -> Result<Vec<Stage>> {
        let mut stages = vec![stage.clone()];
        for (name, (other, _)) in &self.project.config.stages {
            if *name != stage.name && other.store == options.store && other.control == options.control {
                stages.push(stages::stage(other, &self.root).await?);
            }
        }
        Ok(stages)
    }

    /// Builds, or takes what was built.
    fn goods(&mut self, dist: Option<&Path>) -> Result<Goods> {
        match dist {
            None => self.built(),
            Some(folder) => self.taken(folder),
        }
    }

    fn built(&mut self) -> Result<Goods> {
        let (sources, outcome) = run_build(&self.root);
        let Some(release) = outcome.release else {
            return Err(Ended::Said(failed(&outcome.diagnostics, &sources, "nothing was published", self.ui)));
        };
        self.ui.diagnostics(&outcome.diagnostics, &sources);
        let proofs = build::proofs(&sources, &release.functions);
        let proofs = proofs.map_err(|problems| Ended::Said(failed(&problems, &sources, "nothing was published", self.ui)))?;
        let contents = release.objects.iter().flat_map(|(name, objects)| {
            objects
                .iter()
                .map(move |(key, object)| ((name.clone(), key.as_str().to_owned()), Content::Bytes(Arc::clone(&object.bytes))))
        });
        Ok(Goods {
            contents: contents.collect(),
            functions: release.functions.iter().map(|(name, function)| (name.clone(), Arc::clone(&function.code))).collect(),
            proofs: proofs.by_function,
            manifest: release.manifest,
        })
    }

    /// What `qdn build` wrote. A file that is missing, or of another size, is found before anything is sent; one whose
    /// bytes are others is refused by the store, as each is sent with its digest.
    fn taken(&mut self, folder: &Path) -> Result<Goods> {
        let stored = disk::stored(folder).map_err(|error| Ended::Usage(error.to_string()))?;
        if !stored.problems.is_empty() {
            let hint = "hint: build again; a release is published whole or not at all";
            return Err(Ended::Stopped(Stopped::Refused(vec![format!("{}\n{hint}", stored.problems.join("\n"))])));
        }
        let functions = stored.functions.into_iter().map(|(name, code)| (name, Arc::from(code)));
        let functions: BTreeMap<String, Arc<str>> = functions.collect();
        let known = stored.manifest.functions.iter().filter_map(|(name, entry)| {
            let function = crate::release::Function {
                name: name.clone(),
                runtime: entry.runtime.clone(),
                code: Arc::clone(functions.get(name)?),
            };
            Some((name.clone(), function))
        });
        let proofs = build::proofs(&self.project.sources, &known.collect());
        let sources = &self.project.sources;
        let proofs = proofs.map_err(|problems| Ended::Said(failed(&problems, sources, "nothing was published", self.ui)))?;
        let contents = stored.files.into_iter().map(|(place, path)| (place, Content::File(path))).collect();
        Ok(Goods { manifest: stored.manifest, contents, functions, proofs: proofs.by_function })
    }

    fn policy(&self, guards: &Guards) -> Policy {
        Policy {
            allow_removals: guards.allow_removals,
            allow_older: guards.allow_older,
            most_removed: self.project.config.publish.removals,
        }
    }

    /// Asks, where somebody sits there, shows what would be done, and does it.
    async fn bring(&mut self, wish: &Wish<'_>, look: Look, saved: Option<Value>, at: &At<'_>, manner: &Manner) -> Result<u8> {
        let At { options, stage, context } = at;
        let is_asked = !manner.yes
            && saved.is_none()
            && !self.ui.json
            && matches!(options.store, Store::Aws { .. })
            && std::io::stdin().is_terminal()
            && std::io::stderr().is_terminal();
        let mut saved = saved;
        if is_asked {
            let live = apply::read(stage, context, Some(&wish.manifest.release), look).await?;
            let prepared = apply::prepare(wish, live, stage, context)?;
            draw::plan(&prepared, &stage.name, self.verbose, self.ui);
            if !prepared.is_done() {
                self.ui.say(&format!("\n{} to {}? [y/N] ", wish.kind.name(), stage.name));
                let mut answer = String::new();
                let _ = std::io::stdin().lock().read_line(&mut answer);
                if !matches!(answer.trim(), "y" | "Y" | "yes") {
                    return Err(Stopped::Interrupted("nothing was changed".to_owned()).into());
                }
                saved = Some(prepared.json(stage));
            }
        }
        let receipt = apply::bring(wish, look, saved.as_ref(), stage, context).await?;
        if self.ui.json {
            self.ui.document(&receipt.json());
        }
        draw::receipt(&receipt, self.ui);
        if let Err(why) = github::report(&receipt, options) {
            self.ui.say(&format!("warning: {why}"));
        }
        Ok(if manner.strict && !receipt.is_complete() { REMOTE } else { 0 })
    }
}

/// A stage to be changed.
struct At<'a> {
    options: &'a StageOptions,
    stage: &'a Stage,
    context: &'a Arc<Context>,
}

/// From the first interrupt on nothing new begins; at the second one the program ends.
fn on_interrupt(context: &Arc<Context>, ended: &Arc<Notify>) {
    let (context, ended) = (Arc::clone(context), Arc::clone(ended));
    tokio::spawn(async move {
        super::preview::interrupted_twice(|| {
            context.pace.stop();
            (context.tell)(&apply::Progress::Note("ending; once more ends at once".to_owned()));
        })
        .await;
        ended.notify_one();
    });
}

/// Under which addresses the edge may hold keys, by the function of a release.
fn addresses<'a>(
    manifest: &'a Manifest,
    functions: &'a BTreeMap<String, Arc<str>>,
    options: &'a InvalidationOptions,
) -> impl Fn(&str, &[String]) -> Vec<Change> + Send + Sync + 'a {
    move |distribution, keys| {
        let name = manifest.distributions.get(distribution).and_then(|one| one.viewer_request.as_ref());
        let function = name.and_then(|name| {
            let runtime = Runtime::from_name(&manifest.functions.get(name)?.runtime)?;
            Some((functions.get(name)?.as_ref(), runtime))
        });
        build::addresses(keys, function, options)
    }
}

/// `qdn plan`.
pub(super) fn plan(global: &Global, args: &Plan, ui: &mut Ui) -> std::result::Result<u8, String> {
    command(global, ui, async |mut desk| {
        let (options, stage, context) = desk.stage(&args.stage, None, args.guards.adopt).await?;
        let goods = desk.goods(args.dist.as_deref())?;
        let policy = desk.policy(&args.guards);
        let commit = if args.dist.is_none() { stages::commit(&desk.root) } else { None };
        let prepared = with_goods(&goods, &options, policy, commit, async |wish| {
            let live = apply::read(&stage, &context, Some(&wish.manifest.release), look(&args.guards)).await?;
            apply::prepare(wish, live, &stage, &context)
        });
        let prepared = prepared.await?;
        let document = prepared.json(&stage);
        if let Some(out) = &args.out {
            let text = format!("{document:#}\n");
            disk::write_file(out, text.as_bytes()).map_err(|error| format!("`{}` cannot be written: {error}", out.display()))?;
        }
        if desk.ui.json {
            desk.ui.document(&document);
        } else {
            draw::plan(&prepared, &stage.name, desk.verbose, desk.ui);
        }
        Ok(0)
    })
}

fn look(guards: &Guards) -> Look {
    if guards.audit { Look::Objects } else { Look::Books }
}

/// Makes a wish of what was built, and hands it on.
async fn with_goods<T>(
    goods: &Goods,
    options: &StageOptions,
    policy: Policy,
    commit: Option<Commit>,
    work: impl AsyncFnOnce(&Wish<'_>) -> T,
) -> T {
    let objects = |name: &str, key: &str| goods.contents.get(&(name.to_owned(), key.to_owned())).cloned();
    let supply = Supply::Build { objects: &objects, functions: goods.functions.clone(), proofs: goods.proofs.clone() };
    let addresses = addresses(&goods.manifest, &goods.functions, &options.invalidation);
    let wish = Wish {
        kind: Kind::Publish,
        manifest: &goods.manifest,
        commit,
        function: None,
        supply,
        policy,
        terms: options.invalidation.terms(),
        stale: BTreeMap::new(),
        addresses: &addresses,
    };
    work(&wish).await
}

/// `qdn publish`.
pub(super) fn publish(global: &Global, args: &Publish, ui: &mut Ui) -> std::result::Result<u8, String> {
    command(global, ui, async |mut desk| {
        let saved = match &args.plan {
            None => None,
            Some(file) => {
                let bytes = disk::read_file(file).map_err(|error| format!("`{}` cannot be read: {error}", file.display()))?;
                let plan: Value =
                    serde_json::from_slice(&bytes).map_err(|error| format!("`{}` is no plan: {error}", file.display()))?;
                Some(plan)
            }
        };
        let (options, stage, context) = desk.stage(&args.stage, args.manner.wait, args.guards.adopt).await?;
        let goods = desk.goods(args.dist.as_deref())?;
        // Of what was built before nobody knows from which commit.
        let commit = if args.dist.is_none() { stages::commit(&desk.root) } else { None };
        let policy = desk.policy(&args.guards);
        let at = At { options: &options, stage: &stage, context: &context };
        with_goods(&goods, &options, policy, commit, async |wish| {
            desk.bring(wish, look(&args.guards), saved, &at, &args.manner).await
        })
        .await
    })
}

/// A release that a stage keeps, and how another or the same shall come to serve it.
struct Kept<'a> {
    kind: Kind,
    from: &'a Stage,
    release: &'a str,
    commit: Option<Commit>,
    policy: Policy,
    /// Keys, by distribution, of which the edge holds something else.
    stale: BTreeMap<String, Vec<String>>,
}

/// Makes a wish of what a stage keeps, and hands it on.
async fn with_kept<T>(kept: Kept<'_>, at: &At<'_>, work: impl AsyncFnOnce(&Wish<'_>) -> Result<T>) -> Result<T> {
    let manifest = apply::manifest(kept.from, kept.release, at.context).await?;
    let functions = apply::functions(kept.from, &manifest, at.context).await?;
    let addresses = addresses(&manifest, &functions, &at.options.invalidation);
    let wish = Wish {
        kind: kept.kind,
        manifest: &manifest,
        commit: kept.commit,
        function: None,
        supply: Supply::Stage(kept.from),
        policy: kept.policy,
        terms: at.options.invalidation.terms(),
        stale: kept.stale,
        addresses: &addresses,
    };
    work(&wish).await
}

/// A way back is no build that went wrong.
const UNGUARDED: Policy = Policy { allow_removals: true, allow_older: true, most_removed: None };

/// What a stage has been used for before, or that it has not.
async fn known(stage: &Stage, context: &Context) -> Result<Head> {
    let head = apply::state(stage, context).await?;
    Ok(head.ok_or_else(|| {
        Stopped::Refused(vec![format!("nothing was published to the stage `{0}` yet\nhint: `qdn publish {0}`", stage.name)])
    })?)
}

/// `qdn promote`.
pub(super) fn promote(global: &Global, args: &Promote, ui: &mut Ui) -> std::result::Result<u8, String> {
    command(global, ui, async |mut desk| {
        if args.from == args.to {
            return Err(Ended::Usage(format!("`{}` would be promoted to itself", args.to)));
        }
        let (_, from, _) = desk.stage(&args.from, None, false).await?;
        let (options, stage, context) = desk.stage(&args.to, args.manner.wait, args.guards.adopt).await?;
        let head = known(&from, &context).await?;
        // A repair and a `gc` leave it with the release that it serves.
        if let Some(applying) = head.applying.as_ref().filter(|_| !head.is_steady()) {
            return Err(Stopped::Refused(vec![format!(
                "the stage `{}` is in the middle of a {} to the release {}: it serves pages of two releases until that is done",
                from.name,
                applying.kind.name(),
                applying.to
            )])
            .into());
        }
        let Some(release) = head.release.clone() else {
            return Err(Stopped::Refused(vec![format!("the stage `{}` serves nothing yet", from.name)]).into());
        };
        let policy = desk.policy(&args.guards);
        let at = At { options: &options, stage: &stage, context: &context };
        let commit = head.commit.clone();
        let kept = Kept { kind: Kind::Promote, from: &from, release: &release, commit, policy, stale: BTreeMap::new() };
        with_kept(kept, &at, async |wish| desk.bring(wish, look(&args.guards), None, &at, &args.manner).await).await
    })
}

/// `qdn rollback`.
pub(super) fn rollback(global: &Global, args: &Rollback, ui: &mut Ui) -> std::result::Result<u8, String> {
    command(global, ui, async |mut desk| {
        let (options, stage, context) = desk.stage(&args.stage, args.manner.wait, args.adopt).await?;
        let head = known(&stage, &context).await?;
        let back = head.back(args.to.as_deref()).map_err(|why| Stopped::Refused(vec![why]))?;
        let Some(release) = back else {
            let serves = head.release.as_deref().unwrap_or("nothing");
            if desk.ui.json {
                desk.ui.document(
                    &json!({ "version": 1, "stage": stage.name, "release": serves, "previous": serves, "uploaded": 0, "copied": 0,
                    "removed": 0, "invalidation": { "items": [], "id": null, "status": "none" } }),
                );
            }
            desk.ui.say(&format!(
                "{} was rolled back already, and serves release {serves}\nhint: to go further back, name a release of `qdn releases {}` with `--to`",
                stage.name, stage.name
            ));
            return Ok(0);
        };
        let commit = head.past.iter().find(|past| past.release == release).and_then(|past| past.commit.clone());
        let at = At { options: &options, stage: &stage, context: &context };
        let kept =
            Kept { kind: Kind::Rollback, from: &stage, release: &release, commit, policy: UNGUARDED, stale: BTreeMap::new() };
        with_kept(kept, &at, async |wish| desk.bring(wish, Look::Books, None, &at, &args.manner).await).await
    })
}

/// `qdn status`.
pub(super) fn status(global: &Global, args: &OfStage, ui: &mut Ui) -> std::result::Result<u8, String> {
    command(global, ui, async |desk| {
        let (_, stage, context) = desk.stage(&args.stage, None, false).await?;
        known(&stage, &context).await?;
        let head = apply::refresh(&stage, &context).await?;
        if desk.ui.json {
            desk.ui.document(&json!({
                "version": 1, "stage": head.stage, "release": head.release, "commit": head.commit, "seq": head.seq, "at": head.at, "by": head.by,
                "applying": head.applying, "owed": head.owed, "in_progress": head.issued, "functions": head.functions, "tagged": head.tagged,
            }));
        } else {
            draw::status(&head, desk.ui);
        }
        Ok(0)
    })
}

/// `qdn releases`.
pub(super) fn releases(global: &Global, args: &OfStage, ui: &mut Ui) -> std::result::Result<u8, String> {
    command(global, ui, async |desk| {
        let (_, stage, context) = desk.stage(&args.stage, None, false).await?;
        let head = known(&stage, &context).await?;
        if desk.ui.json {
            desk.ui.document(&json!({ "version": 1, "stage": head.stage, "release": head.release, "releases": head.past }));
        } else {
            draw::releases(&head, desk.ui);
        }
        Ok(0)
    })
}

/// `qdn audit`.
pub(super) fn audit(global: &Global, args: &AuditArgs, ui: &mut Ui) -> std::result::Result<u8, String> {
    command(global, ui, async |mut desk| {
        let (options, stage, context) = desk.stage(&args.stage, args.manner.wait, args.repair).await?;
        if args.repair
            && let Some(head) = apply::restore(&stage, &context).await?
        {
            let serves = head.release.as_deref().unwrap_or("nothing");
            desk.ui.say(&format!(
                "the state of {} was damaged or gone; the newest one of its log says that it serves {serves}",
                stage.name
            ));
        }
        if !args.repair {
            // Of a stage that has lost its state it is told what helps.
            known(&stage, &context).await?;
        }
        let audit = apply::audit(&stage, &context).await?;
        if desk.ui.json && (!args.repair || audit.is_whole()) {
            desk.ui.document(&json!(audit));
        } else if !desk.ui.json {
            draw::audit(&audit, desk.ui);
        }
        if !args.repair || audit.is_whole() {
            return Ok(if audit.is_whole() { 0 } else { REMOTE });
        }
        let at = At { options: &options, stage: &stage, context: &context };
        let commit = known(&stage, &context).await?.commit;
        let release = audit.release.as_str();
        let kept = Kept { kind: Kind::Repair, from: &stage, release, commit, policy: UNGUARDED, stale: audit.stale() };
        let code = with_kept(kept, &at, async |wish| desk.bring(wish, Look::Objects, None, &at, &args.manner).await);
        let code = code.await?;
        apply::restore_bodies(&stage, &context).await?;
        let left = apply::audit(&stage, &context).await?;
        if left.is_whole() {
            return Ok(code);
        }
        let many = format!("{} left that the stage's own books cannot put right", plural(left.findings.len(), "finding"));
        if desk.ui.json {
            // The one document has told what was repaired; `qdn audit` tells the rest.
            desk.ui.error(&many);
        } else {
            desk.ui.say(&format!("{many}:"));
            draw::audit(&left, desk.ui);
        }
        Ok(REMOTE)
    })
}

/// `qdn gc`.
pub(super) fn gc(global: &Global, args: &Gc, ui: &mut Ui) -> std::result::Result<u8, String> {
    command(global, ui, async |desk| {
        let (options, stage, context) = desk.stage(&args.stage, None, false).await?;
        known(&stage, &context).await?;
        let stages = desk.with_the_same_books(&options, &stage).await?;
        let settings = desk.project.config.publish;
        let keep = Keep {
            releases: usize::try_from(args.keep.unwrap_or(settings.keep_releases)).unwrap_or(usize::MAX),
            days: u16::try_from(args.days.unwrap_or(settings.keep_days)).unwrap_or(u16::MAX),
            only_look: args.dry_run,
        };
        let collected = apply::collect(keep, &stages, &context).await?;
        if desk.ui.json {
            let mut document = json!(collected);
            document["version"] = json!(1);
            document["stage"] = json!(stage.name);
            document["dry_run"] = json!(args.dry_run);
            desk.ui.document(&document);
        } else {
            draw::collected(&stage.name, &collected, args.dry_run, desk.ui);
        }
        Ok(0)
    })
}
