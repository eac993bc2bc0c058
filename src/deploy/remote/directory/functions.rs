//! Functions, and the network in front of the buckets.
//!
//! A function is two objects of a bucket of its own: `<name>/development.js` and `<name>/live.js`, with the runtime's
//! name in the place of a content type. So code and runtime change at one moment, as any object does.

use super::super::{
    Cdn, Content, DistributionInfo, Failure, Fetched, FunctionStage, Invalidation, Kind, RemoteFunction, Running, Tag, Tested, When,
};
use super::objects::{Description, Objects, Record, Turn};
use super::{Directory, FUNCTIONS, aside};
use crate::deploy::invalidation::Item;
use crate::deploy::invalidation::tags::HEADER;
use crate::release::Digest;
use async_trait::async_trait;
use serde_json::Value;
use std::sync::Arc;

/// The most bytes of a function [doc: cloudfront-limits].
const LONGEST_CODE: usize = 10_240;
/// The most letters of a function's name [API: CreateFunction].
const LONGEST_NAME: usize = 64;

/// The network of a folder.
#[derive(Clone, Debug)]
pub(super) struct Network(pub(super) Directory);

fn key(name: &str, stage: FunctionStage) -> String {
    match stage {
        FunctionStage::Development => format!("{name}/development.js"),
        FunctionStage::Live => format!("{name}/live.js"),
    }
}

fn sound(name: &str, code: &str) -> Result<(), Failure> {
    let is_name =
        (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if !is_name {
        let message =
            format!("`{name}` is no name of a function: CloudFront takes 1 to {LONGEST_NAME} of a–z, A–Z, 0–9, `-` and `_`");
        return Err(Failure::new(Kind::Refused, message));
    }
    if code.len() > LONGEST_CODE {
        let message = format!("the function `{name}` has {} bytes, and CloudFront takes {LONGEST_CODE}", code.len());
        return Err(Failure::new(Kind::Refused, message));
    }
    Ok(())
}

fn function((code, record): (Vec<u8>, Record)) -> RemoteFunction {
    let mut all = record.content_type.clone().into_bytes();
    all.push(0);
    all.extend_from_slice(&code);
    // As CloudFront's look. The runtime is part of it: without, its change would pass for none.
    let tag = format!("E{}", Digest::of(&all).short().to_ascii_uppercase());
    RemoteFunction { tag: Tag(tag), code, runtime: record.content_type, comment: String::new() }
}

/// What is in DEVELOPMENT, if it still has this tag.
fn unchanged(turn: &Turn<'_>, name: &str, tag: &Tag) -> Result<RemoteFunction, Failure> {
    let conflict = |what: &str| Failure::new(Kind::Conflict, format!("the function `{name}` {what}"));
    let known = turn.whole(&key(name, FunctionStage::Development))?.map(function).ok_or_else(|| conflict("is gone"))?;
    if known.tag == *tag { Ok(known) } else { Err(conflict("was changed by somebody else")) }
}

/// Writes a function, whatever is there: whoever holds the turn has looked.
fn write(turn: &Turn<'_>, name: &str, stage: FunctionStage, code: &[u8], runtime: &str) -> Result<Tag, Failure> {
    let key = key(name, stage);
    let what = Description {
        sha256: Digest::of(code).hex(),
        size: code.len() as u64,
        content_type: runtime.to_owned(),
        cache_control: String::new(),
        cache_tag: String::new(),
    };
    let when = turn.stat(&key)?.map_or(When::Missing, |known| When::Is(known.tag()));
    turn.put(&key, &Content::Bytes(code.into()), &what, &when)?;
    let written = turn.whole(&key)?.map(function);
    written.map(|function| function.tag).ok_or_else(|| Failure::new(Kind::Lost, format!("the function `{name}` is gone")))
}

impl Network {
    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Objects) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let functions = self.0.objects(FUNCTIONS);
        aside(move || work(&functions)).await
    }
}

#[async_trait]
impl Cdn for Network {
    /// Every distribution is there: its folder is made when something is written. Whatever function its manifest names
    /// runs before it, and cache tags are obeyed.
    async fn distribution(&self, _id: &str) -> Result<DistributionInfo, Failure> {
        let (domain, tag_header) = ("localhost".to_owned(), Some(HEADER.to_owned()));
        Ok(DistributionInfo { domain, viewer_request: None, viewer_response: None, tag_header })
    }

    async fn invalidate(&self, id: &str, reference: &str, items: &[Item]) -> Result<Invalidation, Failure> {
        let (edge, reference, items) = (self.0.edge(id).0, reference.to_owned(), items.to_vec());
        aside(move || edge.invalidate(&reference, &items)).await
    }

    async fn invalidation(&self, id: &str, invalidation: &str) -> Result<Invalidation, Failure> {
        let (edge, invalidation) = (self.0.edge(id).0, invalidation.to_owned());
        aside(move || edge.invalidation(&invalidation)).await
    }

    async fn running(&self, id: &str) -> Result<Running, Failure> {
        let edge = self.0.edge(id).0;
        aside(move || edge.running()).await
    }

    /// What the edge holds or gets. No function runs before it: `path` is the one that the function returned.
    async fn fetch(&self, id: &str, _url: Option<&str>, path: &str) -> Result<Fetched, Failure> {
        self.0.edge(id).get(path).await
    }

    async fn function(&self, name: &str, stage: FunctionStage) -> Result<Option<RemoteFunction>, Failure> {
        let key = key(name, stage);
        Ok(self.aside(move |functions| functions.whole(&key)).await?.map(function))
    }

    async fn create_function(&self, name: &str, code: &str, runtime: &str) -> Result<Tag, Failure> {
        sound(name, code)?;
        let (name, code, runtime) = (name.to_owned(), code.to_owned(), runtime.to_owned());
        self.aside(move |functions| {
            let turn = functions.turn()?;
            if turn.stat(&key(&name, FunctionStage::Development))?.is_some() {
                return Err(Failure::new(Kind::Conflict, format!("there is a function `{name}` already")));
            }
            write(&turn, &name, FunctionStage::Development, code.as_bytes(), &runtime)
        })
        .await
    }

    async fn update_function(&self, name: &str, code: &str, runtime: &str, tag: &Tag) -> Result<Tag, Failure> {
        sound(name, code)?;
        let (name, code, runtime, tag) = (name.to_owned(), code.to_owned(), runtime.to_owned(), tag.clone());
        self.aside(move |functions| {
            let turn = functions.turn()?;
            unchanged(&turn, &name, &tag)?;
            write(&turn, &name, FunctionStage::Development, code.as_bytes(), &runtime)
        })
        .await
    }

    async fn test_function(&self, name: &str, event: &Value, tag: &Tag) -> Result<Tested, Failure> {
        let (tester, name, event, tag) = (Arc::clone(&self.0.0.tester), name.to_owned(), event.clone(), tag.clone());
        self.aside(move |functions| {
            let function = unchanged(&functions.turn()?, &name, &tag)?;
            Ok(tester(&String::from_utf8_lossy(&function.code), &function.runtime, &event))
        })
        .await
    }

    async fn publish_function(&self, name: &str, tag: &Tag) -> Result<(), Failure> {
        let (name, tag) = (name.to_owned(), tag.clone());
        self.aside(move |functions| {
            let turn = functions.turn()?;
            let proven = unchanged(&turn, &name, &tag)?;
            write(&turn, &name, FunctionStage::Live, &proven.code, &proven.runtime).map(drop)
        })
        .await
    }
}
