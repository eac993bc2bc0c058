//! One function by itself: tried at CloudFront, brought back to what it was, or published where no stage keeps books of it.
//!
//! A function of a stage is published as a release: the one that is served, with another version of the function. So the books
//! stay true, and everything that holds for a release holds for it.

use super::books::Books;
use super::{Context, Stopped, functions};
use crate::deploy::ledger::Head;
use crate::deploy::options::Proof;
use crate::deploy::remote::{Cdn, FunctionStage, Kind, RemoteFunction, Stage, Tag, Tested};
use crate::release::{FunctionEntry, Manifest};
use std::sync::Arc;

/// What CloudFront made of one event.
#[derive(Clone, Debug)]
pub struct Tried {
    /// The case's name.
    pub name: String,
    /// What CloudFront says.
    pub tested: Tested,
    /// Whether it is what the emulator says; else the difference, in words.
    pub agrees: Result<(), String>,
}

/// Puts a function's code into DEVELOPMENT of a stage, where it is not there already, and runs its cases on it. What is live is not touched.
///
/// # Errors
/// Where CloudFront does not do it.
pub async fn try_out(
    name: &str,
    code: &str,
    runtime: &str,
    proofs: &[Proof],
    stage: &Stage,
    context: &Context,
) -> Result<Vec<Tried>, Stopped> {
    let (cdn, remote) = (stage.cdn.as_ref(), stage.function_name(name));
    let ready = async || functions::develop(cdn, &remote, code, runtime, context).await;
    let (_, tested) = functions::tested(cdn, &remote, proofs, context, ready).await?;
    let tried = tested.into_iter().map(|(proof, tested)| {
        let agrees = (context.agree)(&proof.expected, &tested);
        Tried { name: proof.name.clone(), tested, agrees }
    });
    Ok(tried.collect())
}

/// The version of a function before the one that a stage has live: the newest of its releases that has another and that nobody went
/// back from. Nothing where the last command was such a step back of this function already.
///
/// # Errors
/// In words, where there is none, or a release's manifest cannot be read.
pub async fn back(
    name: &str,
    head: &Head,
    serves: &Manifest,
    wanted: Option<&str>,
    stage: &Stage,
    context: &Context,
) -> Result<Option<FunctionEntry>, Stopped> {
    let books = Books::new(stage, context);
    let Some(now) = serves.functions.get(name) else {
        return Err(Stopped::Refused(vec![format!("the stage `{}` serves no function `{name}`", stage.name)]));
    };
    if wanted.is_none() && head.is_back(Some(name)) {
        return Ok(None);
    }
    let left = head.left();
    // The versions that somebody went back from, whichever release has them.
    let mut gone: Vec<FunctionEntry> = vec![now.clone()];
    for (at, past) in head.past.iter().enumerate() {
        if Some(&past.release) == head.release.as_ref() && wanted.is_none() {
            continue;
        }
        // What a release was may have been collected since; those before it were too, then.
        let manifest = match books.manifest(&past.release).await {
            Ok(manifest) => manifest,
            Err(stopped) if at == 0 => return Err(stopped),
            Err(_) => break,
        };
        let Some(entry) = manifest.functions.get(name) else { continue };
        match wanted {
            Some(wanted) if entry.sha256.starts_with(wanted) || past.release.starts_with(wanted) => return Ok(Some(entry.clone())),
            None if left.contains(past.release.as_str()) => gone.push(entry.clone()),
            None if !gone.contains(entry) => return Ok(Some(entry.clone())),
            _ => {}
        }
    }
    Err(Stopped::Refused(vec![match wanted {
        Some(wanted) => format!("no release of the stage `{}` had a version `{wanted}` of `{name}`", stage.name),
        None if gone.len() > 1 => {
            format!("the stage `{}` has had no other version of `{name}` but those that it was rolled back from", stage.name)
        }
        None => format!("the stage `{}` has had no other version of `{name}`", stage.name),
    }]))
}

/// A function that no stage keeps books of.
pub struct Alone<'a> {
    /// Where it is.
    pub cdn: Arc<dyn Cdn>,
    /// CloudFront's name of it.
    pub name: &'a str,
    /// What it shall be.
    pub code: &'a str,
    /// CloudFront's name of its runtime.
    pub runtime: &'a str,
    /// The ETag that DEVELOPMENT had when the code was pulled; none where there shall be no such function yet.
    pub tag: Option<&'a str>,
    /// What it has to do before it is live.
    pub proofs: &'a [Proof],
}

/// Publishes such a function: DEVELOPMENT, every case there, then LIVE. `save` is handed the code that is live, before it is replaced.
///
/// Answers whether anything was published: code that is live already is left alone.
///
/// # Errors
/// Where DEVELOPMENT is not what was pulled, a case fails, or CloudFront or `save` refuse.
pub async fn publish_alone(
    function: &Alone<'_>,
    save: impl FnOnce(&RemoteFunction) -> Result<(), String>,
    context: &Context,
) -> Result<bool, Stopped> {
    let Alone { cdn, name, code, runtime, tag, proofs } = function;
    let is_ours = |there: &RemoteFunction| there.code == code.as_bytes() && there.runtime == *runtime;
    let live = context.pace.run(|| cdn.function(name, FunctionStage::Live)).await?;
    let moved = |there: Option<&RemoteFunction>| {
        let there = there.map_or_else(|| "it is gone".to_owned(), |there| format!("its ETag is {}", bare(&there.tag.0)));
        let pulled = tag.map_or_else(|| "that there is none yet".to_owned(), |tag| format!("the one with the ETag {}", bare(tag)));
        Stopped::Refused(vec![format!(
            "the function `{name}` in DEVELOPMENT is not {pulled}: {there}; somebody changed it, and nothing was overwritten\n\
             hint: `qdn function pull {name} --development` brings what is there"
        )])
    };
    let ready = async || -> Result<Tag, Stopped> {
        let there = context.pace.run(|| cdn.function(name, FunctionStage::Development)).await?;
        let written = match (&there, tag) {
            (Some(there), _) if is_ours(there) => return Ok(there.tag.clone()),
            (Some(there), Some(tag)) if bare(&there.tag.0) == bare(tag) => {
                context.pace.run(|| cdn.update_function(name, code, runtime, &there.tag)).await
            }
            (None, None) => context.pace.run(|| cdn.create_function(name, code, runtime)).await,
            (there, _) => return Err(moved(there.as_ref())),
        };
        match written {
            Ok(tag) => Ok(tag),
            Err(failure) if failure.kind == Kind::Conflict => {
                // Written by somebody else, or by this process, and the answer lost.
                let there = context.pace.run(|| cdn.function(name, FunctionStage::Development)).await?;
                there.as_ref().filter(|there| is_ours(there)).map(|there| there.tag.clone()).ok_or_else(|| moved(there.as_ref()))
            }
            Err(failure) => Err(failure.into()),
        }
    };
    if live.as_ref().is_some_and(is_ours) {
        return Ok(false);
    }
    let (tag, tested) = functions::tested(cdn.as_ref(), name, proofs, context, ready).await?;
    let failed = tested
        .iter()
        .filter_map(|(proof, tested)| Some(format!("  {}: {}", proof.name, (context.agree)(&proof.expected, tested).err()?)));
    let failed: Vec<String> = failed.collect();
    if !failed.is_empty() {
        let head = format!(
            "the function `{name}` does not do at CloudFront what the emulator says, and was not made live; it is in DEVELOPMENT now, and \
             `--etag {}` goes on from there:",
            bare(&tag.0)
        );
        return Err(Stopped::Disproved(vec![format!("{head}\n{}", failed.join("\n"))]));
    }
    if let Some(live) = &live {
        save(live).map_err(Stopped::Failed)?;
    }
    functions::go_live(cdn.as_ref(), name, &is_ours, tag, context, async || Ok(())).await?;
    Ok(true)
}

/// An ETag without the quotes that some write around it.
fn bare(tag: &str) -> &str {
    tag.trim_matches('"')
}
