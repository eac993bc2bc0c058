//! `qdn function test --stage`, `publish`, `rollback` and `pull`: one function at CloudFront.

use super::super::PROBLEMS;
use super::super::args::Global;
use super::super::build::{failed, root};
use super::super::function::workshop::{Named, Workshop};
use super::super::function::{PublishFunction, Pull, RollbackFunction};
use super::super::ui::{Ui, plural};
use super::progress::Teller;
use super::stages::{self, Project};
use super::{At, Desk, Ended, Result, UNGUARDED, addresses, command, known, on_interrupt, to_the_end};
use crate::build::{self, Proofs, Runtime};
use crate::deploy::apply::{self, Alone, Context, FINE, Look, Stopped, Supply, TOO_MUCH, Tried, Wish};
use crate::deploy::ledger::{Head, Kind};
use crate::deploy::options::Proof;
use crate::deploy::remote::aws::Aws;
use crate::deploy::remote::{Cdn, FunctionStage, RemoteFunction, Stage};
use crate::disk;
use crate::edge::{Form, MAX_CODE_BYTES};
use crate::release::{Digest, Function, FunctionEntry, Manifest};
use anstyle::AnsiColor;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// The region in which requests to CloudFront are signed, wherever anything else is.
const REGION: &str = "us-east-1";

/// A function as it would be uploaded, and what it is proven with.
struct Ready {
    function: Function,
    proofs: Vec<Proof>,
    /// How many cases cannot be tried at CloudFront.
    skipped: usize,
}

/// Bundles a function and runs its cases here. Err: it was said what is wrong.
fn ready(workshop: &Workshop, named: &Named, as_it_stands: bool, ui: &mut Ui) -> std::result::Result<Ready, u8> {
    let bundle = workshop.bundle(named).map_err(|problems| failed(&problems, &workshop.sources, "nothing was sent", ui))?;
    let text = workshop.sources.text(named.path.as_str()).unwrap_or_default();
    // A script that was pulled keeps its comments and its lines.
    let is_kept = as_it_stands && workshop.check(named).form() == Form::Script && text.len() <= MAX_CODE_BYTES;
    let code = if is_kept { text.into() } else { bundle.code.as_str().into() };
    let function = Function { name: named.name.clone(), runtime: named.runtime.name().to_owned(), code };
    let proofs = build::proofs_of(&workshop.sources, &named.path, &function);
    let Proofs { mut by_function, with_store, by_clock } =
        proofs.map_err(|problems| failed(&problems, &workshop.sources, "nothing was sent", ui))?;
    let skipped = with_store.values().sum::<usize>() + by_clock.values().sum::<usize>();
    Ok(Ready { proofs: by_function.remove(&function.name).unwrap_or_default(), function, skipped })
}

/// `qdn function test --stage`.
pub(in crate::cli) fn test(global: &Global, wanted: Option<&str>, name: &str, ui: &mut Ui) -> std::result::Result<u8, String> {
    let workshop = Workshop::open(global, wanted, None)?;
    if !workshop.is_project {
        return Err("a stage has the functions of its project, and this is a file by itself\nhint: `qdn function publish FILE --name …` tries it before it is live".to_owned());
    }
    let mut all = Vec::new();
    for named in &workshop.functions {
        match ready(&workshop, named, false, ui) {
            Ok(ready) => all.push(ready),
            Err(code) => return Ok(code),
        }
    }
    command(global, ui, async |desk| {
        let (_, stage, context) = desk.stage(name, None, false).await?;
        let (mut documents, mut is_wrong) = (Vec::new(), false);
        for ready in &all {
            let Ready { function, proofs, skipped } = ready;
            let tried = apply::try_out(&function.name, &function.code, &function.runtime, proofs, &stage, &context).await?;
            let rows = Row::all(&tried, ready);
            is_wrong |= rows.iter().any(|row| row.tried.agrees.is_err() || row.tried.tested.utilization > TOO_MUCH);
            let remote = stage.function_name(&function.name);
            documents.push(json!({
                "name": function.name, "function": remote, "skipped": skipped, "cases": rows.iter().map(Row::json).collect::<Vec<_>>(),
            }));
            if !desk.ui.json {
                say(&rows, &remote, *skipped, desk.ui);
            }
        }
        if desk.ui.json {
            desk.ui.document(&json!({ "version": 1, "stage": stage.name, "functions": documents }));
        }
        Ok(if is_wrong { PROBLEMS } else { 0 })
    })
}

/// A case, here and there.
struct Row<'a> {
    tried: &'a Tried,
    /// The emulator's estimate.
    here: u32,
}

impl<'a> Row<'a> {
    fn all(tried: &'a [Tried], ready: &Ready) -> Vec<Self> {
        let emulator = build::tester();
        let here = |proof: &Proof| emulator(&ready.function.code, &ready.function.runtime, &proof.event).utilization;
        tried.iter().zip(&ready.proofs).map(|(tried, proof)| Self { tried, here: here(proof) }).collect()
    }

    fn json(&self) -> Value {
        let Tried { name, tested, agrees } = self.tried;
        json!({
            "name": name, "agrees": agrees.is_ok(), "difference": agrees.as_ref().err(), "emulator": self.here, "cloudfront": tested.utilization,
        })
    }
}

fn say(rows: &[Row<'_>], remote: &str, skipped: usize, ui: &mut Ui) {
    let width = rows.iter().map(|row| row.tried.name.chars().count()).max().unwrap_or(0);
    ui.say(&format!("{:width$}  emulator  CloudFront", "utilization"));
    for Row { tried: Tried { name, tested, agrees }, here } in rows {
        let there = tested.utilization;
        let line = format!("{name:width$}  {here:>8}  {there:>10}");
        match (agrees, there) {
            (Err(difference), _) => {
                ui.error(&format!("{name} is not what the emulator says"));
                ui.error_detail(difference);
            }
            (Ok(()), there) if there > TOO_MUCH => {
                ui.error(&format!("{line}  CFF041: it is likely to be stopped"));
            }
            (Ok(()), there) if there > FINE => {
                let label = ui.paint("warning", AnsiColor::Yellow);
                ui.say(&format!("{label}: {line}  CFF041: near its limit"));
            }
            (Ok(()), _) => ui.say(&line),
        }
    }
    if skipped > 0 {
        ui.say(&format!(
            "{} cannot be tried there: their key-value store or their clock would be another",
            plural(skipped, "case")
        ));
    }
    let wrong = rows.iter().filter(|row| row.tried.agrees.is_err()).count();
    match wrong {
        0 => {
            let done = ui.paint("agreed", AnsiColor::Green);
            ui.say(&format!("{done} {} of {remote} in DEVELOPMENT", plural(rows.len(), "event")));
        }
        wrong => ui.error(&format!("{wrong} of {} of {remote} in DEVELOPMENT differ", plural(rows.len(), "event"))),
    }
}

/// `qdn function publish`.
pub(in crate::cli) fn publish(global: &Global, args: &PublishFunction, ui: &mut Ui) -> std::result::Result<u8, String> {
    let Some(name) = &args.stage else { return publish_alone(global, args, ui) };
    let workshop = Workshop::of_project(global, Some(&args.function), None)?;
    let Ready { function, proofs, .. } = match ready(&workshop, &workshop.functions[0], false, ui) {
        Ok(ready) => ready,
        Err(code) => return Ok(code),
    };
    command(global, ui, async |mut desk| {
        let (options, stage, context) = desk.stage(name, args.manner.wait, args.adopt).await?;
        let (head, serves) = whole(&stage, &context).await?;
        let (sha256, size) = (Digest::of(function.code.as_bytes()).hex(), function.code.len() as u64);
        let manifest = serves.with_function(&function.name, FunctionEntry { sha256, size, runtime: function.runtime.clone() });
        let mut code = apply::functions(&stage, &serves, &context).await?;
        code.insert(function.name.clone(), Arc::clone(&function.code));
        let supply = Supply::Build {
            objects: &|_, _| None,
            functions: BTreeMap::from([(function.name.clone(), Arc::clone(&function.code))]),
            proofs: BTreeMap::from([(function.name.clone(), proofs)]),
        };
        let at = At { options: &options, stage: &stage, context: &context };
        bring(Kind::Publish, &function.name, &manifest, &head, supply, &code, &mut desk, &at, &args.manner).await
    })
}

/// `qdn function rollback`.
pub(in crate::cli) fn rollback(global: &Global, args: &RollbackFunction, ui: &mut Ui) -> std::result::Result<u8, String> {
    command(global, ui, async |mut desk| {
        let (options, stage, context) = desk.stage(&args.stage, args.manner.wait, args.adopt).await?;
        let (head, serves) = whole(&stage, &context).await?;
        let Some(entry) = apply::back(&args.function, &head, &serves, args.to.as_deref(), &stage, &context).await? else {
            if desk.ui.json {
                desk.ui
                    .document(&json!({ "version": 1, "stage": stage.name, "release": serves.release, "previous": serves.release }));
            }
            desk.ui.say(&format!("{} was rolled back already\nhint: to go further back, name a version with `--to`", stage.name));
            return Ok(0);
        };
        let manifest = serves.with_function(&args.function, entry);
        let code = apply::functions(&stage, &manifest, &context).await?;
        let at = At { options: &options, stage: &stage, context: &context };
        bring(Kind::Rollback, &args.function, &manifest, &head, Supply::Stage(&stage), &code, &mut desk, &at, &args.manner).await
    })
}

/// What a stage serves, where it is one release.
async fn whole(stage: &Stage, context: &Context) -> Result<(Head, Manifest)> {
    let head = known(stage, context).await?;
    if let Some(applying) = head.applying.as_ref().filter(|_| !head.is_steady()) {
        return Err(Stopped::Refused(vec![format!(
            "the stage `{}` is in the middle of a {} to the release {}: finish it first, it may bring another version of the function",
            stage.name,
            applying.kind.name(),
            applying.to
        )])
        .into());
    }
    let Some(release) = &head.release else {
        return Err(
            Stopped::Refused(vec![format!("the stage `{0}` serves nothing yet\nhint: `qdn publish {0}`", stage.name)]).into()
        );
    };
    let manifest = apply::manifest(stage, release, context).await?;
    Ok((head, manifest))
}

#[expect(clippy::too_many_arguments, reason = "each is one thing, and the two callers differ in all of them")]
async fn bring(
    kind: Kind,
    function: &str,
    manifest: &Manifest,
    head: &Head,
    supply: Supply<'_>,
    code: &BTreeMap<String, Arc<str>>,
    desk: &mut Desk<'_>,
    at: &At<'_>,
    manner: &super::super::args::Manner,
) -> Result<u8> {
    let addresses = addresses(manifest, code, &at.options.invalidation);
    let wish = Wish {
        kind,
        manifest,
        commit: head.commit.clone(),
        function: Some(function),
        supply,
        policy: UNGUARDED,
        terms: at.options.invalidation.terms(),
        stale: BTreeMap::new(),
        addresses: &addresses,
    };
    // The books tell what was published, and not whether somebody has published something else since.
    let remote = at.stage.function_name(function);
    let live = at.context.pace.run(|| at.stage.cdn.function(&remote, FunctionStage::Live)).await.map_err(Stopped::from)?;
    let entry = manifest.functions.get(function);
    let is_live = live.zip(entry).is_some_and(|(live, entry)| Digest::of(&live.code).hex() == entry.sha256);
    let is_believed = head.release.as_deref() == Some(manifest.release.as_str());
    let look = if is_believed && !is_live { Look::Objects } else { Look::Books };
    desk.bring(&wish, look, None, at, manner).await
}

/// A function of a stage, or of the account that the environment leads to.
async fn find(global: &Global, name: &str, stage: Option<&str>) -> Result<(Arc<dyn Cdn>, String)> {
    match stage {
        None => {
            let aws = Aws::connect(Some(REGION), None, None).await.map_err(Stopped::from)?;
            Ok((aws.cdn(), name.to_owned()))
        }
        Some(stage) => {
            let root = root(global)?;
            let stage = stages::stage(Project::read(&root).stage(stage)?, &root).await?;
            let name = stage.function_name(name);
            Ok((stage.cdn, name))
        }
    }
}

/// Whoever works where there is no stage.
fn worker(ui: &Ui, now: &Arc<Notify>) -> Arc<Context> {
    let teller = Teller::new(ui);
    let context = Arc::new(stages::worker(Duration::ZERO, false, Arc::new(move |progress| teller.hear(progress))));
    on_interrupt(&context, now);
    context
}

/// `qdn function pull`.
pub(in crate::cli) fn pull(global: &Global, args: &Pull, ui: &mut Ui) -> std::result::Result<u8, String> {
    let now = Arc::new(Notify::new());
    let talk = ui.clone();
    to_the_end(talk, &now, async {
        let context = worker(ui, &now);
        let (cdn, name) = find(global, &args.function, args.stage.as_deref()).await?;
        let read = async |stage| context.pace.run(|| cdn.function(&name, stage)).await.map_err(Stopped::from);
        let development = read(FunctionStage::Development).await?;
        let there = if args.development { development.clone() } else { read(FunctionStage::Live).await? };
        let what = if args.development { "DEVELOPMENT" } else { "LIVE" };
        let Some(there) = there else {
            let hint = match &development {
                Some(_) => format!(
                    "\nhint: it was never published; `qdn function pull {} --development` brings what is there",
                    args.function
                ),
                None => String::new(),
            };
            return Err(Stopped::Failed(format!("there is no function `{name}` in {what}{hint}")).into());
        };
        let out = args.out.clone().unwrap_or_else(|| match root(global) {
            Ok(root) => root.join(build::FUNCTIONS).join(format!("{}.js", args.function)),
            Err(_) => PathBuf::from(format!("{}.js", args.function)),
        });
        let is_written = match disk::read_file(&out) {
            Ok(known) if known == there.code => false,
            Ok(_) if !args.force && !asked(&format!("{} holds something else; replace it?", out.display()), ui) => {
                let hint = "hint: `--force` replaces it, `--out` names another file";
                return Err(Stopped::Refused(vec![format!(
                    "`{}` holds something else, and was left as it is\n{hint}",
                    out.display()
                )])
                .into());
            }
            known => {
                let write = if known.is_ok() { disk::write_file } else { disk::write_new };
                write(&out, &there.code).map_err(|error| format!("`{}` cannot be written: {error}", out.display()))?;
                true
            }
        };
        let development = development.as_ref();
        let of_stage = args.stage.is_some();
        say_pulled(&Pulled { there: &there, development, name: &name, what, out: &out, is_written, of_stage }, ui);
        Ok(0)
    })
}

/// What was pulled, and where it is.
struct Pulled<'a> {
    there: &'a RemoteFunction,
    development: Option<&'a RemoteFunction>,
    name: &'a str,
    what: &'a str,
    out: &'a Path,
    is_written: bool,
    /// Whether a stage keeps books of it: then it is published from the project's sources.
    of_stage: bool,
}

fn say_pulled(pulled: &Pulled<'_>, ui: &mut Ui) {
    let Pulled { there, development, name, what, out, is_written, of_stage } = *pulled;
    let etag = development.map(|development| development.tag.0.as_str());
    if ui.json {
        ui.document(&json!({
            "version": 1, "name": name, "stage": what, "runtime": there.runtime, "comment": there.comment, "etag": there.tag.0,
            "development_etag": etag, "bytes": there.code.len(), "sha256": Digest::of(&there.code).hex(), "file": out.display().to_string(),
            "written": is_written,
        }));
        return;
    }
    let done = ui.paint(if is_written { "pulled" } else { "unchanged" }, AnsiColor::Green);
    ui.say(&format!("{done} {name} ({what}, {}, {} bytes) in {}", there.runtime, there.code.len(), out.display()));
    if !there.comment.is_empty() {
        ui.say(&format!("  comment: {}", there.comment));
    }
    ui.say(&format!("  etag: {}", there.tag.0));
    if let Some(development) = development {
        if development.code != there.code {
            ui.say("warning: DEVELOPMENT holds another version, which somebody may still be working on");
        }
        if !of_stage {
            ui.say(&format!("publish it with: qdn function publish {} --name {name} --etag {}", out.display(), development.tag.0));
        }
    }
}

/// `qdn function publish FILE --name`.
fn publish_alone(global: &Global, args: &PublishFunction, ui: &mut Ui) -> std::result::Result<u8, String> {
    let name = args.name.clone().unwrap_or_default();
    let now = Arc::new(Notify::new());
    let talk = ui.clone();
    to_the_end(talk, &now, async {
        let context = worker(ui, &now);
        let (cdn, _) = find(global, &name, None).await?;
        let there = context.pace.run(|| cdn.function(&name, FunctionStage::Development)).await.map_err(Stopped::from)?;
        let known = there.as_ref().map(|there| there.runtime.clone()).filter(|name| Runtime::from_name(name).is_some());
        let workshop = Workshop::open(global, Some(&args.function), args.runtime.as_deref().or(known.as_deref()))?;
        let Ready { function, proofs, skipped } = ready(&workshop, &workshop.functions[0], true, ui).map_err(Ended::Said)?;
        if proofs.is_empty() {
            ui.say("warning: CFF096: it has no cases, so nothing is proven but that CloudFront takes it");
        }
        let is_asked = !args.manner.yes && !ui.json && std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        if is_asked && !asked(&format!("publish {} as {name}, after {}?", args.function, plural(proofs.len(), "case")), ui) {
            return Err(Stopped::Interrupted("nothing was changed".to_owned()).into());
        }
        let mut kept = None;
        let save = |live: &RemoteFunction| {
            let file =
                Path::new(&args.function).with_file_name(format!("{name}.live.{}.js.txt", &Digest::of(&live.code).hex()[..8]));
            disk::write_file(&file, &live.code)
                .map_err(|error| format!("what is live could not be kept in `{}`: {error}", file.display()))?;
            kept = Some(file);
            Ok(())
        };
        let alone = Alone {
            cdn: Arc::clone(&cdn),
            name: &name,
            code: &function.code,
            runtime: &function.runtime,
            tag: args.etag.as_deref(),
            proofs: &proofs,
        };
        let is_published = apply::publish_alone(&alone, save, &context).await?;
        let tag = context.pace.run(|| cdn.function(&name, FunctionStage::Development)).await.map_err(Stopped::from)?;
        let etag = tag.map(|there| there.tag.0);
        let kept = kept.map(|file| file.display().to_string());
        if ui.json {
            ui.document(&json!({
                "version": 1, "name": name, "published": is_published, "proven": if is_published { proofs.len() } else { 0 }, "skipped": skipped,
                "etag": etag, "kept": kept,
            }));
            return Ok(0);
        }
        match is_published {
            true => {
                let done = ui.paint("live", AnsiColor::Green);
                ui.say(&format!("{done} {name}, proven with {}", plural(proofs.len(), "case")));
            }
            false => ui.say(&format!("{name}: the same code is live already")),
        }
        if let Some(kept) = kept {
            ui.say(&format!("  what was live before is kept in {kept}"));
        }
        if let Some(etag) = etag {
            ui.say(&format!("  etag: {etag}"));
        }
        Ok(0)
    })
}

/// Asks whoever sits there. Nobody does: no.
fn asked(question: &str, ui: &mut Ui) -> bool {
    if ui.json || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return false;
    }
    ui.say(&format!("{question} [y/N] "));
    let mut answer = String::new();
    let _ = std::io::stdin().lock().read_line(&mut answer);
    matches!(answer.trim(), "y" | "Y" | "yes")
}
