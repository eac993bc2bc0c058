//! Trying again: pauses between tries, an end to them, and the truth about a write whose answer was lost.

use super::StoreError;
use super::documents::WriteError;
use std::future::Future;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How long a new try may begin: shorter than a browser waits.
const PATIENCE: Duration = Duration::from_secs(5);
/// When everything ends, so that an answer still leaves a Lambda that is given 10 s.
const DEADLINE: Duration = Duration::from_secs(9);
/// The longest pause between two tries, in times of what a try takes. Of those who collide one always gets
/// through, so that longer pauses would save requests and lose time.
const LONGEST_PAUSE: u32 = 8;

/// The tries of one operation. Each begins with a read; [`Tries::may_write`] is asked after it.
#[derive(Debug)]
pub(super) struct Tries {
    failed: u32,
    began: Instant,
    /// When the present try began.
    this_began: Instant,
    /// Why nobody knows whether a write happened. Once set, no answer may say that nothing did.
    lost: Option<String>,
    /// There is time to look whether the lost write happened, and none to write again.
    only_looks: bool,
}

impl Tries {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { failed: 0, began: now, this_began: now, lost: None, only_looks: false }
    }

    /// Whether an earlier try may have done the work.
    pub(super) fn look_first(&self) -> bool {
        self.failed > 0
    }

    /// Waits for something, and no longer than the whole operation may take.
    pub(super) async fn within<T>(&self, what: impl Future<Output = T>) -> Option<T> {
        timeout(DEADLINE.saturating_sub(self.began.elapsed()), what).await.ok()
    }

    /// Whether there is time to write again.
    pub(super) fn may_write(&self) -> Result<(), StoreError> {
        if self.only_looks { Err(self.end()) } else { Ok(()) }
    }

    /// After a write that did not happen, or may not have: waits, or ends the operation.
    pub(super) async fn written(&mut self, error: WriteError) -> Result<(), StoreError> {
        match error {
            WriteError::Failed(why) if self.lost.is_none() => return Err(StoreError::Unreachable(why)),
            WriteError::Failed(_) => return Err(self.end()),
            WriteError::Unknown(why) => self.lost = Some(why),
            WriteError::Conflict => {}
        }
        self.pause().await
    }

    /// After a read that failed: the end, unless a lost write still has to be looked for.
    pub(super) async fn unread(&mut self, error: StoreError) -> Result<(), StoreError> {
        if self.lost.is_none() || matches!(error, StoreError::Broken(_)) { Err(error) } else { self.pause().await }
    }

    /// Random within a bound that doubles, so that those who collided once do not collide again in step.
    /// The bound begins with what a try takes here: a folder is waited for less long than a bucket.
    async fn pause(&mut self) -> Result<(), StoreError> {
        if self.only_looks {
            return Err(self.end());
        }
        self.failed += 1;
        let one = self.this_began.elapsed().clamp(Duration::from_millis(5), Duration::from_millis(100));
        let bound = one * 2_u32.pow(self.failed.min(10)).min(LONGEST_PAUSE);
        let mut random = [0; 4];
        // Without randomness the pause is the bound: still right, only slower.
        let part = getrandom::fill(&mut random).map_or(1.0, |()| f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX));
        let pause = bound.mul_f64(part);
        if self.began.elapsed() + pause > PATIENCE {
            self.only_looks = true;
            return if self.lost.is_some() { Ok(()) } else { Err(self.end()) };
        }
        tokio::time::sleep(pause).await;
        self.this_began = Instant::now();
        Ok(())
    }

    /// What to say when there is no time left.
    pub(super) fn end(&self) -> StoreError {
        match &self.lost {
            Some(why) => StoreError::Unreachable(format!("{why}; whether the change was saved is not known")),
            None => StoreError::Busy,
        }
    }
}
