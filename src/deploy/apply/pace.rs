//! How many requests at once, and how often again: as much as the other side takes, and no more.
//!
//! Concurrency grows by one for as many successes as there are requests in flight, and halves when the store asks to
//! slow down, as TCP does. Retries wait at random within a bound that doubles, so that those who were refused
//! together do not come back together, and draw on one budget: a store that is down is not asked ten times by each
//! of ten thousand requests.

use crate::deploy::remote::{Failure, Kind};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Requests in flight at the beginning.
const FIRST: usize = 32;
/// At most. S3 takes 3,500 writes a second for each prefix, and one of them takes 20 to 50 ms.
const MOST: usize = 192;
/// At least.
const LEAST: usize = 2;
/// How often one request is tried.
const TRIES: u32 = 10;
/// How long one request is tried again.
const PATIENCE: Duration = Duration::from_secs(60);
/// The unit of waits: the bound of the first is two of it.
const UNIT: Duration = Duration::from_millis(25);
/// The longest wait, in units.
const LONGEST: u32 = 200;
/// Retries that all requests together have at the beginning; each success adds one.
const BUDGET: usize = 300;
/// Two halvings are at least so many units apart: one burst of refusals is one reason.
const PAUSE: u32 = 4;

/// What all requests of one command share.
#[derive(Debug)]
pub struct Pace {
    limit: AtomicUsize,
    successes: AtomicUsize,
    budget: AtomicUsize,
    retries: AtomicUsize,
    slowed: std::sync::Mutex<Option<Instant>>,
    stop: AtomicBool,
    unit: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            limit: AtomicUsize::new(FIRST),
            successes: AtomicUsize::new(0),
            budget: AtomicUsize::new(BUDGET),
            retries: AtomicUsize::new(0),
            slowed: std::sync::Mutex::new(None),
            stop: AtomicBool::new(false),
            unit: UNIT,
        }
    }
}

impl Pace {
    /// Nothing new begins from here on; what is in flight ends.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked for the end.
    pub fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// How many requests were made again.
    pub fn retries(&self) -> usize {
        self.retries.load(Ordering::Relaxed)
    }

    /// One request, again while that may help. It is made anew each time, so it may look what the last one did.
    pub async fn run<T, F: Future<Output = Result<T, Failure>>>(&self, request: impl Fn() -> F) -> Result<T, Failure> {
        let began = Instant::now();
        let mut tries = 0;
        loop {
            let failure = match request().await {
                Ok(value) => {
                    self.succeeded();
                    return Ok(value);
                }
                Err(failure) if !failure.is_passing() => return Err(failure),
                Err(failure) => failure,
            };
            tries += 1;
            if failure.kind == Kind::Busy {
                self.slow_down();
            }
            if tries >= TRIES || began.elapsed() > PATIENCE {
                return Err(Failure::new(failure.kind, format!("{} (tried {tries} times)", failure.message)));
            }
            if self.budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err() {
                return Err(Failure::new(
                    failure.kind,
                    format!("{} (too many requests failed to try each again)", failure.message),
                ));
            }
            self.retries.fetch_add(1, Ordering::Relaxed);
            sleep(wait(self.unit, tries)).await;
        }
    }

    /// Does something for each of many, as many at once as the pace allows. After the first error nothing more begins,
    /// and what has begun is waited for. `None` where somebody asked for the end before all was done.
    pub async fn each<I, T, E, F: Future<Output = Result<T, E>>>(
        &self,
        items: impl IntoIterator<Item = I>,
        mut work: impl FnMut(I) -> F,
    ) -> Result<Option<Vec<T>>, E> {
        let mut items = items.into_iter();
        let mut running = FuturesUnordered::new();
        let mut done = Vec::new();
        let mut failed = None;
        let mut left = false;
        loop {
            while failed.is_none() && running.len() < self.limit.load(Ordering::Relaxed) {
                if self.is_stopping() {
                    left = left || items.next().is_some();
                    break;
                }
                match items.next() {
                    Some(item) => running.push(work(item)),
                    None => break,
                }
            }
            match running.next().await {
                None => break,
                Some(Ok(value)) => done.push(value),
                Some(Err(error)) => failed = failed.or(Some(error)),
            }
        }
        match failed {
            Some(error) => Err(error),
            None if left => Ok(None),
            None => Ok(Some(done)),
        }
    }

    fn succeeded(&self) {
        self.budget.fetch_add(1, Ordering::Relaxed);
        let limit = self.limit.load(Ordering::Relaxed);
        if self.successes.fetch_add(1, Ordering::Relaxed) + 1 >= limit {
            self.successes.store(0, Ordering::Relaxed);
            self.limit.store((limit + 1 + limit / 8).min(MOST), Ordering::Relaxed);
        }
    }

    fn slow_down(&self) {
        let now = Instant::now();
        let mut slowed = self.slowed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if slowed.is_none_or(|at| now.duration_since(at) > self.unit * PAUSE) {
            *slowed = Some(now);
            self.limit.store((self.limit.load(Ordering::Relaxed) / 2).max(LEAST), Ordering::Relaxed);
            self.successes.store(0, Ordering::Relaxed);
        }
    }
}

/// A wait before another try, at random up to a bound that doubles. Without randomness it is the bound: right, only slower.
fn wait(unit: Duration, tries: u32) -> Duration {
    let bound = unit * (2 << tries.min(10)).min(LONGEST);
    let mut random = [0; 4];
    let part = getrandom::fill(&mut random).map_or(1.0, |()| f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX));
    bound.mul_f64(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// One that waits a tenth of the time.
    fn hasty() -> Pace {
        Pace { unit: UNIT / 10, ..Pace::default() }
    }

    #[tokio::test]
    async fn a_store_that_asks_to_slow_down_is_asked_less_and_again() {
        let pace = &hasty();
        // One in two is refused at first, so that one answer in three is a refusal, and none is refused until it is given up.
        let work = |item: u32| async move {
            let refusals = Cell::new(item % 2);
            let request = || async {
                sleep(Duration::from_millis(2)).await;
                match refusals.replace(0) {
                    0 => Ok(()),
                    _ => Err(Failure::new(Kind::Busy, "slow down")),
                }
            };
            pace.run(request).await
        };
        let result = pace.each(0..1000, work).await;
        assert_eq!(result.unwrap().unwrap().len(), 1000);
        assert!(pace.limit.load(Ordering::Relaxed) < FIRST, "a third refused keeps it low");
    }

    #[tokio::test]
    async fn a_store_that_is_down_is_given_up() {
        let pace = hasty();
        let asked = Cell::new(0_usize);
        let down = || async {
            asked.set(asked.get() + 1);
            Err::<(), _>(Failure::new(Kind::Lost, "no answer"))
        };
        let result = pace.each(0..1000, |_| pace.run(down)).await;
        assert!(result.is_err());
        assert!(asked.get() <= BUDGET + FIRST, "{} requests", asked.get());
    }

    #[tokio::test]
    async fn what_helps_nothing_is_not_tried_again_and_ends_all() {
        let pace = Pace::default();
        let asked = Cell::new(0_usize);
        let refused = || async {
            asked.set(asked.get() + 1);
            Err::<(), _>(Failure::new(Kind::Refused, "no"))
        };
        assert!(pace.each(0..1000, |_| pace.run(refused)).await.is_err());
        assert!(asked.get() <= FIRST);
    }

    #[tokio::test]
    async fn who_asks_for_the_end_gets_it() {
        let pace = &Pace::default();
        let work = |at| async move {
            if at == 10 {
                pace.stop();
            }
            Ok::<_, Failure>(())
        };
        assert!(pace.each(0..1000, work).await.unwrap().is_none());
    }
}
