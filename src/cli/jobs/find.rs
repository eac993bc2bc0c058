//! Which job somebody means, and why a link opens none.

use super::desk::Desk;
use crate::jobs::job::{EntryKind, Job, JobId};
use crate::jobs::store::StoreError;
use crate::jobs::token::{TOKEN_LENGTH, TokenHash};
use jiff::Timestamp;

/// The fewest characters of an id that are taken for its beginning.
const BEGINNING: usize = 4;

/// What somebody typed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// A whole id.
    Id(JobId),
    /// How an id begins, in hex without hyphens.
    Beginning(String),
    /// A tracking token.
    Token(String),
    /// Neither.
    Other(String),
}

impl Typed {
    /// Reads an id, a token, or a link with a token in its path or its `t`.
    pub(super) fn read(text: &str) -> Self {
        let text = text.trim();
        let inner = match text.split_once("?t=") {
            Some((_, token)) => token.split(['&', '#']).next().unwrap_or_default(),
            None if text.contains('/') => {
                text.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/').rsplit('/').next().unwrap_or_default()
            }
            None => text,
        };
        if let Ok(id) = inner.parse() {
            return Self::Id(id);
        }
        let hex = inner.replace('-', "").to_ascii_lowercase();
        // A token of 22 characters may be all hex digits by a chance of 10⁻¹³.
        if inner.len() == TOKEN_LENGTH && inner.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
            return Self::Token(inner.to_owned());
        }
        if (BEGINNING..32).contains(&hex.len()) && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Self::Beginning(hex);
        }
        Self::Other(inner.to_owned())
    }
}

/// Why there is no answer.
pub(super) enum NotFound {
    /// In words.
    Because(String),
    /// The store's own trouble.
    Store(StoreError),
}

impl From<StoreError> for NotFound {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn because<T>(why: impl Into<String>) -> Result<T, NotFound> {
    Err(NotFound::Because(why.into()))
}

/// The job that somebody means, archived ones too. `now` decides whether a link has expired.
pub(super) async fn find(desk: &Desk, typed: &str, now: Timestamp) -> Result<Job, NotFound> {
    match Typed::read(typed) {
        Typed::Id(id) => match desk.store.get(id).await? {
            Some(job) => Ok(job),
            None => match desk.store.export().await?.into_iter().find(|job| job.id == id) {
                Some(job) => Ok(job),
                None => because(format!(
                    "no such job: {id} is not in the stage `{}`{}",
                    desk.stage,
                    elsewhere(desk, |job| job.id == id).await.words
                )),
            },
        },
        Typed::Beginning(hex) => {
            let begins = |job: &Job| job.id.0.simple().to_string().starts_with(&hex);
            let found: Vec<Job> = desk.store.export().await?.into_iter().filter(begins).collect();
            match <[Job; 1]>::try_from(found) {
                Ok([job]) => Ok(job),
                Err(found) if found.is_empty() => because(format!(
                    "no such job: no id in the stage `{}` begins with {hex}{}\nhint: a tracking token has {TOKEN_LENGTH} characters and this has \
                     {}, so it is not one of ours either",
                    desk.stage,
                    elsewhere(desk, begins).await.words,
                    hex.len()
                )),
                Err(found) => {
                    let ids: Vec<String> = found.iter().map(|job| job.id.to_string()).collect();
                    because(format!("{} jobs begin with {hex}: {}", found.len(), ids.join(", ")))
                }
            }
        }
        Typed::Token(token) => by_token(desk, &token, now).await,
        Typed::Other(text) => because(format!(
            "`{text}` is a token of another shape: ours have {TOKEN_LENGTH} letters, digits, `-` and `_`, and this has {} characters",
            text.chars().count()
        )),
    }
}

/// The job behind a link, or why a customer sees none.
async fn by_token(desk: &Desk, token: &str, now: Timestamp) -> Result<Job, NotFound> {
    let hash = TokenHash::of(token);
    let all = desk.store.export().await?;
    if let Some(job) = all.iter().find(|job| job.link.track_sha256 == hash) {
        return match expired(desk, job, now).await? {
            Some(why) => because(why),
            None => Ok(job.clone()),
        };
    }
    let made = |job: &Job, epoch| desk.keys.as_ref().is_some_and(|keys| keys.token_of(job.id, epoch, &hash).is_some());
    for job in &all {
        if (0..job.link.epoch).any(|epoch| made(job, epoch)) {
            let renewed = job.history.iter().rev().find(|entry| entry.kind == EntryKind::Link);
            let when = renewed.map(|entry| format!(" on {}", entry.at.strftime("%Y-%m-%d"))).unwrap_or_default();
            let who = renewed.and_then(|entry| entry.who.clone()).map(|who| format!(" by {who}")).unwrap_or_default();
            return because(format!(
                "revoked: job {} was given another link{when}{who}\nhint: `qdn jobs link {}` prints the one that works",
                job.id, job.id
            ));
        }
    }
    let other = elsewhere(desk, |job| job.link.track_sha256 == hash).await;
    if other.found {
        return because(format!("wrong stage: this token is not of the stage `{}`{}", desk.stage, other.words));
    }
    because(format!(
        "no such job: no link of the stage `{}` has this token, and none had it before{}\nhint: if it was booked just now, look whether the \
         booking got through: `qdn jobs list`",
        desk.stage, other.words
    ))
}

/// Why no link of a job opens anything any more, also a new one; `None` where the job has not ended, or not long ago.
pub(super) async fn expired(desk: &Desk, job: &Job, now: Timestamp) -> Result<Option<String>, StoreError> {
    let id = job.id;
    if job.is_purged() {
        return Ok(Some(format!("expired: the customer’s data was removed from job {id}, and its link opens nothing any more")));
    }
    if desk.store.get(id).await?.is_none() {
        return Ok(Some(format!("expired: job {id} was archived, and links end before that\nhint: `qdn jobs show {id}` shows it")));
    }
    let days = desk.terms.link_days;
    Ok(job.ended_at().filter(|ended| now >= desk.terms.link_ends(*ended)).map(|ended| {
        let ended = ended.strftime("%Y-%m-%d");
        format!("expired: job {id} ended on {ended}, and links end {days} days after\nhint: `qdn jobs show {id}` shows it")
    }))
}

/// What the other stages say of a job.
#[derive(Default)]
struct Elsewhere {
    /// Whether one of them has it.
    found: bool,
    /// The end of a sentence: which has it, and which could not be asked.
    words: String,
}

async fn elsewhere(desk: &Desk, is_it: impl Fn(&Job) -> bool) -> Elsewhere {
    let mut elsewhere = Elsewhere::default();
    for stage in desk.others() {
        let jobs = match desk.other(&stage).await {
            Ok(other) => other.store.export().await.map_err(|error| error.to_string()),
            Err(why) => Err(why),
        };
        match jobs {
            Ok(jobs) if jobs.iter().any(&is_it) => {
                elsewhere.found = true;
                elsewhere.words.push_str(&format!("; it is in the stage `{stage}`: add `--stage {stage}`"));
            }
            Ok(_) => {}
            Err(why) => {
                elsewhere
                    .words
                    .push_str(&format!("; the stage `{stage}` could not be asked ({})", why.lines().next().unwrap_or_default()));
            }
        }
    }
    elsewhere
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_tokens_and_links_are_told_apart() {
        let id = "fcdc1c82-cb28-4dbe-8000-000000000000";
        assert_eq!(Typed::read(id), Typed::Id(id.parse().unwrap()));
        let token = || Typed::Token("abcdefghijklmnopqrst-_".to_owned());
        assert_eq!(Typed::read("abcdefghijklmnopqrst-_"), token());
        for link in [
            "https://x.test/track/abcdefghijklmnopqrst-_",
            "/track/abcdefghijklmnopqrst-_/",
            "https://x.test/track/abcdefghijklmnopqrst-_?utm=1#top",
            "https://x.test/track/?t=abcdefghijklmnopqrst-_&x=1",
        ] {
            assert_eq!(Typed::read(link), token(), "{link}");
        }
        assert_eq!(Typed::read("fcdc1c82cb284dbe"), Typed::Beginning("fcdc1c82cb284dbe".to_owned()));
        assert_eq!(Typed::read("FCDC-1c"), Typed::Beginning("fcdc1c".to_owned()));
        for other in ["", "fcd", "hello", "https://x.test/"] {
            assert!(matches!(Typed::read(other), Typed::Other(_)), "{other}");
        }
    }
}
