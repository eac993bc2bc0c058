//! Functions are proven in DEVELOPMENT and then made LIVE; what was live before is kept.
//!
//! CloudFront compiles nothing when a function is published: one with a mistake goes live and every request fails.
//! So each case runs there first, through `TestFunction`, on exactly the code that is then published: the ETag says so.

use super::books::{Books, Hold};
use super::{Context, Prepared, Progress, Proof, Stopped, Wish, supply};
use crate::deploy::ledger::{self, LiveFunction};
use crate::deploy::plan::Phase;
use crate::deploy::remote::{Cdn, Content, Described, Failure, FunctionStage, Kind, RemoteFunction, Stage, Tag, Tested, When};
use crate::release::{Digest, FunctionEntry};
use std::collections::BTreeMap;

/// How often a function is read again where its ETag is not the one that was known.
const LOOKS: u32 = 4;
/// How often a test is run that is said to have taken no time.
const ASKED: u32 = 5;
/// Up to this share of its time, in percent, a function is far from its limit
/// [doc: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/test-function.html].
pub const FINE: u32 = 50;
/// From here on it is likely to be stopped.
pub const TOO_MUCH: u32 = 70;
/// How many cases that fail are told of.
const TOLD: usize = 10;

/// What became of a function.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) live: LiveFunction,
    /// Whether it was published; else the same code was live already.
    pub(super) published: bool,
    /// How many cases it was proven with.
    pub(super) proven: usize,
}

/// Makes the functions of a plan live. All are proven before the first is published.
pub(super) async fn make_live(prepared: &Prepared, wish: &Wish<'_>, hold: &Hold<'_>) -> Result<BTreeMap<String, Outcome>, Stopped> {
    let books = &hold.books;
    let changed: Vec<&str> =
        prepared.plan.steps.iter().filter(|step| step.phase == Phase::Functions).map(|step| step.key.as_str()).collect();
    let mut ready = Vec::new();
    if changed.is_empty() {
        return Ok(BTreeMap::new());
    }
    (books.context.tell)(&Progress::Begins { what: "functions", steps: changed.len() });
    for name in changed {
        let Some(entry) = wish.manifest.functions.get(name) else { continue };
        ready.push((name, entry, prove(name, entry, prepared, wish, books).await?));
    }
    let mut done = BTreeMap::new();
    for (name, entry, proven) in ready {
        let outcome = publish(entry, proven, hold).await?;
        (books.context.tell)(&Progress::Step { bytes: entry.size });
        done.insert(name.to_owned(), outcome);
    }
    (books.context.tell)(&Progress::Ends);
    Ok(done)
}

/// Whether the functions of a plan that are live now were made live by this stage, or are to be replaced all the same.
/// One that the books do not know is somebody's work: another project's of this account, or a person's.
pub(super) async fn are_ours(prepared: &Prepared, wish: &Wish<'_>, stage: &Stage, context: &Context) -> Result<(), Stopped> {
    let head = prepared.live.head();
    let changed = prepared.plan.steps.iter().filter(|step| step.phase == Phase::Functions);
    for name in changed.map(|step| &step.key).filter(|name| !head.functions.contains_key(*name)) {
        let (remote, entry) = (stage.function_name(name), wish.manifest.functions.get(name));
        if context.adopt || head.applying.is_some() {
            continue;
        }
        let live = context.pace.run(|| stage.cdn.function(&remote, FunctionStage::Live)).await?;
        let sha256 = live.map(|live| Digest::of(&live.code).hex());
        if sha256.is_some() && sha256 != entry.map(|entry| entry.sha256.clone()) {
            return Err(Stopped::Refused(vec![format!(
                "the account has a function `{remote}` that is live, and the stage `{}` never published it\nhint: if it is an older version of \
                 functions/{name}.js, `--adopt` replaces it (its code is kept); if not, give this one another name in \
                 `[stages.{}.functions]`",
                stage.name, stage.name
            )]));
        }
    }
    Ok(())
}

/// A function that lies in DEVELOPMENT and does there what its cases say.
struct Proven {
    /// CloudFront's name for it.
    remote: String,
    code: String,
    tag: Tag,
    cases: usize,
    live: Option<RemoteFunction>,
}

async fn prove(
    name: &str,
    entry: &FunctionEntry,
    prepared: &Prepared,
    wish: &Wish<'_>,
    books: &Books<'_>,
) -> Result<Proven, Stopped> {
    let Books { stage, context } = *books;
    let remote = stage.function_name(name);
    let code = supply::code(name, &entry.sha256, wish, stage, context).await?;
    let live = context.pace.run(|| stage.cdn.function(&remote, FunctionStage::Live)).await?;
    if let Some(there) = live.as_ref().filter(|live| live.code == code.as_bytes() && live.runtime == entry.runtime) {
        // It was proven when it became live, and a way back must not depend on proving it again.
        let tag = there.tag.clone();
        return Ok(Proven { remote, code, tag, cases: 0, live });
    }
    let proofs = supply::proofs(name, &entry.sha256, wish, context).await?;
    if let Some(live) = &live {
        known_or_saved(name, &remote, live, entry, prepared, books).await?;
    }
    let ready = async || develop(stage.cdn.as_ref(), &remote, &code, &entry.runtime, context).await;
    let (tag, tested) = tested(stage.cdn.as_ref(), &remote, &proofs, context, ready).await?;
    let most = tested.iter().map(|(_, tested)| tested.utilization).max().unwrap_or(0);
    if most > FINE {
        context.say(&format!("warning: CFF041: the function `{name}` takes {most} of 100 of its time at CloudFront; over 70 it is stopped now and then"));
    }
    let verdict = |(proof, tested): &(&'_ Proof, Tested)| (context.agree)(&proof.expected, tested).err();
    let failed = tested.iter().filter_map(|one| Some((one.0, verdict(one)?)));
    let failed: Vec<(&Proof, String)> = failed.collect();
    if failed.is_empty() {
        return Ok(Proven { remote, code, tag, cases: proofs.len(), live });
    }
    let mut lines = vec![format!(
        "the function `{name}` does not do at CloudFront what the emulator says, in {} of {} cases; it was not made live:",
        failed.len(),
        proofs.len()
    )];
    lines.extend(failed.iter().take(TOLD).map(|(proof, why)| format!("  {}: {why}", proof.name)));
    if failed.len() > TOLD {
        lines.push(format!("  and {} more", failed.len() - TOLD));
    }
    Err(Stopped::Disproved(vec![lines.join("\n")]))
}

/// What is live is kept among the blobs. If it is neither what this stage made live nor what it is about to, somebody
/// else published it, and their work is not undone unasked.
async fn known_or_saved(
    name: &str,
    remote: &str,
    live: &RemoteFunction,
    entry: &FunctionEntry,
    prepared: &Prepared,
    books: &Books<'_>,
) -> Result<(), Stopped> {
    let Books { stage, context } = *books;
    let sha256 = Digest::of(&live.code).hex();
    let head = prepared.live.head();
    let recorded = head.functions.get(name).map(|known| known.sha256.clone());
    // An interrupted apply may have published the function of its release, and died before it could say so.
    let mut known: Vec<String> = recorded.iter().cloned().chain([entry.sha256.clone()]).collect();
    if let Some(applying) = &head.applying {
        for release in &applying.touched {
            known.extend(books.manifest(release).await?.functions.get(name).map(|function| function.sha256.clone()));
        }
    }
    let is_known = known.contains(&sha256);
    if recorded.is_some() && !is_known && !context.adopt {
        return Err(Stopped::Failed(format!(
            "the function `{remote}` that is live is not the one that the stage `{}` published: somebody else changed it\n{}\nhint: bring the change \
             into functions/{name}.js, or replace it with `--adopt` (its code is kept)",
            stage.name,
            difference(books, recorded.as_deref(), live).await,
        )));
    }
    if sha256 != entry.sha256 {
        let described = Described {
            sha256: &sha256,
            size: live.code.len() as u64,
            content_type: "text/javascript; charset=utf-8",
            cache_control: "no-store",
            cache_tag: "",
        };
        let (key, content) = (ledger::blob(&sha256), Content::Bytes(live.code.as_slice().into()));
        let saved = context.pace.run(|| stage.control.put(&key, &content, &described, &When::Missing)).await;
        match saved {
            Err(failure) if failure.kind != Kind::Conflict => return Err(failure.into()),
            _ => {}
        }
    }
    Ok(())
}

/// The first line in which what is live differs from what was published.
async fn difference(books: &Books<'_>, recorded: Option<&str>, live: &RemoteFunction) -> String {
    let Some(recorded) = recorded else { return String::new() };
    let Ok(Some(found)) = books.read(&ledger::blob(recorded)).await else { return String::new() };
    let (ours, theirs) = (String::from_utf8_lossy(&found.bytes).into_owned(), String::from_utf8_lossy(&live.code).into_owned());
    let same = ours.chars().zip(theirs.chars()).take_while(|(a, b)| a == b).count();
    let part = |text: &str| -> String { text.chars().skip(same.saturating_sub(20)).take(80).collect() };
    format!("  published: …{}…\n  live:      …{}…", part(&ours), part(&theirs))
}

/// Runs events on what is in DEVELOPMENT, under the tag that `ready` says it has. Answers the tag under which all of them ran, and what
/// CloudFront made of each, in their order.
pub(super) async fn tested<'a>(
    cdn: &dyn Cdn,
    remote: &str,
    proofs: &'a [Proof],
    context: &Context,
    ready: impl AsyncFn() -> Result<Tag, Stopped>,
) -> Result<(Tag, Vec<(&'a Proof, Tested)>), Stopped> {
    let mut looks = 1;
    loop {
        let tag = ready().await?;
        let ran = context.pace.each(proofs.iter().enumerate(), |(at, proof)| {
            let tag = &tag;
            async move { Ok::<_, Failure>((at, proof, ask(cdn, remote, proof, tag, context).await?)) }
        });
        match ran.await {
            // Somebody else wrote, or the update answered with a tag that is not the function's: the one that is there counts.
            Err(failure) if failure.kind == Kind::Conflict && looks < LOOKS => looks += 1,
            ran => {
                let mut ran = ran?.ok_or_else(|| Stopped::Interrupted(String::new()))?;
                ran.sort_by_key(|(at, ..)| *at);
                return Ok((tag, ran.into_iter().map(|(_, proof, tested)| (proof, tested)).collect()));
            }
        }
    }
}

/// CloudFront sometimes answers that a function took no time at all; asked again, it says how much.
async fn ask(cdn: &dyn Cdn, remote: &str, proof: &Proof, tag: &Tag, context: &Context) -> Result<Tested, Failure> {
    let mut tested = context.pace.run(|| cdn.test_function(remote, &proof.event, tag)).await?;
    for _ in 1..ASKED {
        if tested.utilization > 0 || tested.error.is_some() {
            break;
        }
        tested = context.pace.run(|| cdn.test_function(remote, &proof.event, tag)).await?;
    }
    Ok(tested)
}

/// Puts code into DEVELOPMENT, and says under which tag it lies there.
pub(super) async fn develop(cdn: &dyn Cdn, remote: &str, code: &str, runtime: &str, context: &Context) -> Result<Tag, Stopped> {
    for _ in 0..LOOKS {
        let there = context.pace.run(|| cdn.function(remote, FunctionStage::Development)).await?;
        let written = match there {
            Some(there) if there.code == code.as_bytes() && there.runtime == runtime => return Ok(there.tag),
            Some(there) => context.pace.run(|| cdn.update_function(remote, code, runtime, &there.tag)).await,
            None => context.pace.run(|| cdn.create_function(remote, code, runtime)).await,
        };
        match written {
            Ok(tag) => return Ok(tag),
            // Somebody else wrote, or this was written and the answer lost: what is there now decides.
            Err(failure) if failure.kind == Kind::Conflict => {}
            Err(failure) => return Err(failure.into()),
        }
    }
    Err(Stopped::Failed(format!("somebody else keeps changing the function `{remote}` in DEVELOPMENT")))
}

async fn publish(entry: &FunctionEntry, proven: Proven, hold: &Hold<'_>) -> Result<Outcome, Stopped> {
    let Books { stage, context } = hold.books;
    let Proven { remote, code, tag, cases, live } = proven;
    let is_ours = |function: &RemoteFunction| function.code == code.as_bytes() && function.runtime == entry.runtime;
    let before = live.as_ref().map(|live| Digest::of(&live.code).hex()).filter(|before| *before != entry.sha256);
    let outcome = |published| Outcome {
        live: LiveFunction { name: remote.clone(), sha256: entry.sha256.clone(), before: before.clone() },
        published,
        proven: cases,
    };
    if live.as_ref().is_some_and(is_ours) {
        return Ok(outcome(false));
    }
    let fence = async || {
        hold.touch();
        hold.fence().await
    };
    go_live(stage.cdn.as_ref(), &remote, &is_ours, tag, context, fence).await?;
    Ok(outcome(true))
}

/// Makes LIVE what is in DEVELOPMENT, as long as that is ours. Before each try the fence is asked.
pub(super) async fn go_live(
    cdn: &dyn Cdn,
    remote: &str,
    is_ours: &(dyn Fn(&RemoteFunction) -> bool + Sync),
    tag: Tag,
    context: &Context,
    fence: impl AsyncFn() -> Result<(), Failure>,
) -> Result<(), Stopped> {
    let mut tag = tag;
    for _ in 0..LOOKS {
        let publish = || async {
            fence().await?;
            cdn.publish_function(remote, &tag).await
        };
        match context.pace.run(publish).await {
            Ok(()) => return Ok(()),
            Err(failure) if failure.kind == Kind::Conflict => {}
            Err(failure) => return Err(failure.into()),
        }
        // The answer of a publish that happened may have been lost.
        if context.pace.run(|| cdn.function(remote, FunctionStage::Live)).await?.as_ref().is_some_and(is_ours) {
            return Ok(());
        }
        match context.pace.run(|| cdn.function(remote, FunctionStage::Development)).await? {
            // The same code under another tag was proven all the same.
            Some(there) if is_ours(&there) => tag = there.tag,
            _ => {
                return Err(Stopped::Failed(format!(
                    "somebody else changed the function `{remote}` in DEVELOPMENT after it was proven, so it was not made live"
                )));
            }
        }
    }
    Err(Stopped::Failed(format!("CloudFront refuses to publish the function `{remote}` under the tag that it gave itself")))
}
