//! A function is run as the edge would run it: its built-ins, its limits, its rules.
//!
//! The engine is QuickJS, which is not the edge's njs. What the edge cannot parse is refused before
//! the engine sees it, what it lacks is taken away, and what it returns is held to CloudFront's rules.
//! `docs/emulator.md` lists what still differs.

mod budget;
mod engine;
mod host;
mod message;
mod pattern;
mod script;

use super::event::Event;
use super::kvs::KeyValues;
use super::outcome::{Outcome, RunError};
use super::runtime::Runtime;
use engine::{Engine, Exactly};
use script::Script;
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// The stack of the thread a function runs on. The engine stops at [`engine::STACK`]; the rest is for its own recursion.
const THREAD_STACK: usize = 8 << 20;

/// The tick counter ends every run within a fraction of a second. This is for what does not tick, such as
/// joining an array of four thousand million holes: the thread is left to itself then. Long enough for a machine that is busy
/// with other things to make an engine and run it.
const PATIENCE: Duration = Duration::from_secs(8);

/// How many events are with the engine before the first of their outcomes is looked at: enough that neither waits for the other.
const AHEAD: usize = 64;

/// A loaded function. It may be sent to another thread.
///
/// Each event meets the script as if for the first time, as each request does at the edge: its top level is run
/// anew, and a script that reaches for the built-ins themselves gets a fresh engine for every event.
#[derive(Debug)]
pub struct Emulator {
    script: Arc<Script>,
    runtime: Runtime,
    pairs: Arc<KeyValues>,
    worker: Option<Worker>,
}

impl Emulator {
    /// Takes a script as it would be uploaded.
    ///
    /// # Errors
    /// Where CloudFront would refuse the upload, or the engine of the edge could not parse it.
    pub fn load(code: &str, runtime: Runtime, pairs: KeyValues) -> Result<Self, RunError> {
        Ok(Self { script: Arc::new(Script::new(code, runtime)?), runtime, pairs: Arc::new(pairs), worker: None })
    }

    /// Takes a script that was made to count, see [`script::count`](crate::script::count): each outcome then says which branches were
    /// taken. It may be larger than an upload, and needs more of everything.
    ///
    /// # Errors
    /// Where the engine of the edge could not parse it.
    pub fn load_counted(code: &str, runtime: Runtime, pairs: KeyValues) -> Result<Self, RunError> {
        Ok(Self { script: Arc::new(Script::counted(code, runtime)?), runtime, pairs: Arc::new(pairs), worker: None })
    }

    /// One for another thread, with the same function.
    #[must_use]
    pub fn another(&self) -> Self {
        Self { script: self.script.clone(), runtime: self.runtime, pairs: self.pairs.clone(), worker: None }
    }

    /// Calls the function with an event.
    pub fn run(&mut self, event: &Event) -> Outcome {
        self.call(event, Exactly::Yes)
    }

    /// The same several times as fast, for many events: its utilization is in steps of fifty percent.
    pub fn decide(&mut self, event: &Event) -> Outcome {
        self.call(event, Exactly::No)
    }

    /// [`run`](Self::run) for one event after the other. The function goes on while the outcomes before are looked at; nothing is
    /// looked at any more after `look` breaks.
    pub fn run_all(&mut self, events: impl IntoIterator<Item = Event>, look: impl FnMut(&Event, Outcome) -> ControlFlow<()>) {
        self.all(events, Exactly::Yes, look);
    }

    /// [`decide`](Self::decide) in the same way.
    pub fn decide_all(&mut self, events: impl IntoIterator<Item = Event>, look: impl FnMut(&Event, Outcome) -> ControlFlow<()>) {
        self.all(events, Exactly::No, look);
    }

    fn call(&mut self, event: &Event, exactly: Exactly) -> Outcome {
        self.send(&Arc::new(event.clone()), exactly);
        self.receive()
    }

    fn all(
        &mut self,
        events: impl IntoIterator<Item = Event>,
        exactly: Exactly,
        mut look: impl FnMut(&Event, Outcome) -> ControlFlow<()>,
    ) {
        let mut events = events.into_iter().map(Arc::new).fuse();
        let mut sent = VecDeque::with_capacity(AHEAD);
        loop {
            while sent.len() < AHEAD
                && let Some(event) = events.next()
            {
                self.send(&event, exactly);
                sent.push_back(event);
            }
            let Some(event) = sent.pop_front() else { return };
            let outcome = self.receive();
            if self.worker.is_none() {
                // It was left behind with all that it had been given.
                sent.iter().for_each(|event| self.send(event, exactly));
            }
            if look(&event, outcome).is_break() {
                // The answers that are on their way are nobody's.
                self.worker = self.worker.take().filter(|_| sent.is_empty());
                return;
            }
        }
    }

    fn send(&mut self, event: &Arc<Event>, exactly: Exactly) {
        if self.worker.is_none() {
            self.worker = Worker::start(self.script.clone(), self.runtime, self.pairs.clone()).ok();
        }
        if let Some(worker) = &self.worker {
            // One that has ended is noticed when its answer is missing.
            let _ = worker.events.send((Arc::clone(event), exactly));
        }
    }

    /// The outcome of the first event that has none yet.
    fn receive(&mut self) -> Outcome {
        let Some(worker) = self.worker.take() else {
            return Outcome::failed(RunError::execution("InternalError: no thread to run the function on"));
        };
        match worker.outcomes.recv_timeout(PATIENCE) {
            Ok(outcome) => {
                self.worker = Some(worker);
                outcome
            }
            Err(RecvTimeoutError::Timeout) => Outcome { utilization: 100, ..Outcome::failed(budget::exceeded()) },
            Err(RecvTimeoutError::Disconnected) => {
                Outcome::failed(RunError::execution("InternalError: the engine ended unexpectedly"))
            }
        }
    }
}

/// Loads and runs in one step: what `qdn function run` prints. A function that cannot be loaded has failed.
pub fn run(code: &str, runtime: Runtime, pairs: KeyValues, event: &Event) -> Outcome {
    match Emulator::load(code, runtime, pairs) {
        Ok(mut emulator) => emulator.run(event),
        Err(error) => Outcome::failed(error),
    }
}

/// The thread that holds the engine: it has a stack of known size, and can be left behind.
#[derive(Debug)]
struct Worker {
    events: Sender<(Arc<Event>, Exactly)>,
    outcomes: Receiver<Outcome>,
}

impl Worker {
    fn start(script: Arc<Script>, runtime: Runtime, pairs: Arc<KeyValues>) -> std::io::Result<Self> {
        let (events, inbox) = channel::<(Arc<Event>, Exactly)>();
        let (outbox, outcomes) = channel();
        thread::Builder::new().name("edge".to_owned()).stack_size(THREAD_STACK).spawn(move || {
            let mut engine = None;
            for (event, exactly) in inbox {
                let outcome = Engine::run(&mut engine, &script, runtime, &pairs, (&event, exactly));
                if outbox.send(outcome).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { events, outcomes })
    }
}
