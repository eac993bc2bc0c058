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
use engine::Engine;
pub(super) use engine::Exactly;
use script::Script;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// The stack of the thread a function runs on. The engine stops at [`engine::STACK`]; the rest is for its own recursion.
const THREAD_STACK: usize = 8 << 20;

/// The tick counter ends every run within a fraction of a second. This is for what does not tick, such as
/// joining an array of four thousand million holes: the thread is left to itself then. Long enough for a machine that is busy
/// with other things to make an engine and run it.
pub(super) const PATIENCE: Duration = Duration::from_secs(8);

/// Whatever calls a function with events.
pub(super) trait Call {
    /// Calls it with one.
    fn call(&mut self, event: &Event, exactly: Exactly) -> Outcome;
}

/// A loaded function. It may be sent to another thread.
///
/// Each event meets the script as if for the first time, as each request does at the edge: its top level is run
/// anew, and a script that reaches for the built-ins themselves gets a fresh engine for every event.
#[derive(Debug)]
pub struct Emulator {
    loaded: Loaded,
    worker: Option<Worker>,
}

/// What an engine is made for.
#[derive(Clone, Debug)]
struct Loaded {
    script: Arc<Script>,
    runtime: Runtime,
    pairs: Arc<KeyValues>,
}

impl Emulator {
    /// Takes a script as it would be uploaded.
    ///
    /// # Errors
    /// Where CloudFront would refuse the upload, or the engine of the edge could not parse it.
    pub fn load(code: &str, runtime: Runtime, pairs: KeyValues) -> Result<Self, RunError> {
        Ok(Self::of(Script::new(code, runtime)?, runtime, pairs))
    }

    /// Takes a script that was made to count, see [`script::count`](crate::script::count): each outcome then says which branches were
    /// taken. It may be larger than an upload, and needs more of everything.
    ///
    /// # Errors
    /// Where the engine of the edge could not parse it.
    pub fn load_counted(code: &str, runtime: Runtime, pairs: KeyValues) -> Result<Self, RunError> {
        Ok(Self::of(Script::counted(code, runtime)?, runtime, pairs))
    }

    fn of(script: Script, runtime: Runtime, pairs: KeyValues) -> Self {
        Self { loaded: Loaded { script: Arc::new(script), runtime, pairs: Arc::new(pairs) }, worker: None }
    }

    /// The same function with another key-value store.
    #[must_use]
    pub(super) fn with(&self, pairs: &KeyValues) -> Self {
        Self { loaded: Loaded { pairs: Arc::new(pairs.clone()), ..self.loaded.clone() }, worker: None }
    }

    /// Calls the function with an event.
    pub fn run(&mut self, event: &Event) -> Outcome {
        self.call(event, Exactly::Yes)
    }

    /// The same several times as fast, for many events: its utilization is in steps of fifty percent.
    pub fn decide(&mut self, event: &Event) -> Outcome {
        self.call(event, Exactly::No)
    }

    /// Does `work` where an engine lives, so that no event has to be sent there and no outcome waited for. Nobody waits for the
    /// thread: what does not tick may keep it for ever, and then its pulse stands still.
    ///
    /// # Errors
    /// Where the system has no thread to give.
    pub(super) fn visit(&self, work: impl FnOnce(&mut Resident) + Send + 'static) -> std::io::Result<Pulse> {
        let pulse = Pulse::default();
        let (loaded, beat) = (self.loaded.clone(), pulse.clone());
        spawn(move || work(&mut Resident { loaded, engine: None, pulse: beat }))?;
        Ok(pulse)
    }
}

impl Call for Emulator {
    fn call(&mut self, event: &Event, exactly: Exactly) -> Outcome {
        let worker = match self.worker.take().map_or_else(|| Worker::start(self.loaded.clone()), Ok) {
            Ok(worker) => worker,
            Err(_) => return Outcome::failed(RunError::execution("InternalError: no thread to run the function on")),
        };
        // One that has ended is noticed when its answer is missing.
        let _ = worker.events.send((event.clone(), exactly));
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

/// A function on the thread of its engine: see [`Emulator::visit`].
pub(super) struct Resident {
    loaded: Loaded,
    engine: Option<Engine>,
    pulse: Pulse,
}

impl Resident {
    /// Gives the function another key-value store, if it is another.
    pub(super) fn meet(&mut self, pairs: &KeyValues) {
        if *self.loaded.pairs != *pairs {
            self.loaded.pairs = Arc::new(pairs.clone());
            self.engine = None;
        }
    }
}

impl Call for Resident {
    fn call(&mut self, event: &Event, exactly: Exactly) -> Outcome {
        self.pulse.0.fetch_add(1, Ordering::Relaxed);
        let Loaded { script, runtime, pairs } = &self.loaded;
        Engine::run(&mut self.engine, script, *runtime, pairs, (event, exactly))
    }
}

/// Beats with every event that is begun.
#[derive(Clone, Debug, Default)]
pub(super) struct Pulse(Arc<AtomicU64>);

impl Pulse {
    /// How often it has beaten.
    pub(super) fn beats(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The thread that holds the engine of an [`Emulator`], and can be left behind.
#[derive(Debug)]
struct Worker {
    events: Sender<(Event, Exactly)>,
    outcomes: Receiver<Outcome>,
}

impl Worker {
    fn start(loaded: Loaded) -> std::io::Result<Self> {
        let (events, inbox) = channel::<(Event, Exactly)>();
        let (outbox, outcomes) = channel();
        spawn(move || {
            let mut resident = Resident { loaded, engine: None, pulse: Pulse::default() };
            for (event, exactly) in inbox {
                if outbox.send(resident.call(&event, exactly)).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { events, outcomes })
    }
}

/// A thread with a stack of known size.
fn spawn(work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    thread::Builder::new().name("edge".to_owned()).stack_size(THREAD_STACK).spawn(work).map(drop)
}
