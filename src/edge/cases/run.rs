//! Cases are run, on as many threads as there are cores.

use super::{Case, Trial, Verdict, forall};
use crate::edge::emulator::{Call, Emulator, Exactly, PATIENCE, Pulse};
use crate::edge::kvs::KeyValues;
use crate::edge::outcome::Outcome;
use crate::edge::runtime::Runtime;
use std::cmp::Reverse;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// How many cases that are one event each a thread takes at once.
const SOME: usize = 16;

/// How often it is looked whether a thread has come to a stop.
const LOOK: Duration = Duration::from_secs(1);

/// Runs a case against a function's code.
pub fn run(case: &Case, code: &str, runtime: Runtime) -> Verdict {
    let mut verdicts = run_all(vec![case.clone()], code, runtime, Trial::default());
    verdicts.pop().expect("a verdict for each case").1
}

/// Runs cases against a function's code. `trial` says with which events of a property, and how many. The cases come back in their
/// order.
pub fn run_all(cases: Vec<Case>, code: &str, runtime: Runtime, trial: Trial) -> Vec<(Case, Verdict)> {
    let emulator = match Emulator::load(code, runtime, KeyValues::default()) {
        Ok(emulator) => emulator,
        Err(error) => {
            let fail = |case| {
                let verdict = Verdict::of(&case, Outcome::failed(error.clone()));
                (case, verdict)
            };
            return cases.into_iter().map(fail).collect();
        }
    };
    let cases = Arc::new(cases);
    let told = at_once(&cases, &emulator, trial);
    let verdicts = cases.iter().zip(told).map(|(case, verdict)| {
        // Where an event took a thread along, event by event: of one that has no end it can be said which it is.
        verdict.unwrap_or_else(|| one(case, &mut emulator.with(&case.pairs), trial))
    });
    let verdicts: Vec<Verdict> = verdicts.collect();
    // A thread that was left behind keeps them.
    let cases = Arc::try_unwrap(cases).unwrap_or_else(|kept| kept.to_vec());
    cases.into_iter().zip(verdicts).collect()
}

fn one(case: &Case, function: &mut impl Call, trial: Trial) -> Verdict {
    match &case.forall {
        Some(forall) => forall::run(case, forall, function, trial),
        None => Verdict::of(case, function.call(&case.event, Exactly::Yes)),
    }
}

/// Runs the cases where the engines live. Those without a verdict were taken by a thread that came to a stop.
fn at_once(cases: &Arc<Vec<Case>>, emulator: &Emulator, trial: Trial) -> Vec<Option<Verdict>> {
    let pieces = Arc::new(pieces(cases, trial));
    let next = Arc::new(AtomicUsize::new(0));
    let (sender, verdicts) = channel();
    let threads = thread::available_parallelism().map_or(1, usize::from).min(pieces.len());
    let start = |_| {
        let (cases, pieces, next, sender) = (Arc::clone(cases), Arc::clone(&pieces), Arc::clone(&next), sender.clone());
        let work = emulator.visit(move |resident| {
            while let Some(piece) = pieces.get(next.fetch_add(1, Ordering::Relaxed)) {
                for at in piece.clone() {
                    resident.meet(&cases[at].pairs);
                    if sender.send((at, one(&cases[at], resident, trial))).is_err() {
                        return;
                    }
                }
            }
        });
        work.ok()
    };
    let pulses: Vec<Pulse> = (0..threads).filter_map(start).collect();
    drop(sender);
    let mut told = vec![None; cases.len()];
    listen(&verdicts, &pulses, |(at, verdict)| told[at] = Some(verdict));
    told
}

/// Takes what the threads send until all have ended, or those that have not stand still.
fn listen<T>(sent: &Receiver<T>, pulses: &[Pulse], mut take: impl FnMut(T)) {
    let beats = || pulses.iter().map(Pulse::beats).sum::<u64>();
    let (mut last, mut still) = (beats(), Duration::ZERO);
    while still < PATIENCE {
        match sent.recv_timeout(LOOK) {
            Ok(one) => take(one),
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                let now = beats();
                still = if now == last { still + LOOK } else { Duration::ZERO };
                last = now;
            }
        }
    }
}

/// What a thread takes at once, the longest first: a property, or some cases that have one key-value store.
fn pieces(cases: &[Case], trial: Trial) -> Vec<Range<usize>> {
    let is_one = |one: &Case, other: &Case| one.forall.is_none() && other.forall.is_none() && one.pairs == other.pairs;
    let mut pieces: Vec<Range<usize>> = Vec::new();
    for at in 0..cases.len() {
        match pieces.last_mut() {
            Some(last) if last.len() < SOME && is_one(&cases[last.start], &cases[at]) => last.end = at + 1,
            _ => pieces.push(at..at + 1),
        }
    }
    let tries = |piece: &Range<usize>| cases[piece.start].forall.as_ref().map_or(0, |forall| forall.tries(trial));
    pieces.sort_by_key(|piece| Reverse((tries(piece), piece.len())));
    pieces
}
