//! From requests, which do not wait for each other, to the function, which takes one event at a time.
//! The emulator keeps a looping or greedy function to itself; this keeps the server from waiting on it.

use crate::build::{self, Edge};
use crate::edge::{Emulator, Event, KeyValues, Outcome, Runtime};
use std::sync::mpsc::{Sender, channel};
use tokio::sync::oneshot;

/// A running function. Dropping it ends its thread.
#[derive(Clone)]
pub(super) struct Engine {
    work: Sender<(Event, oneshot::Sender<Outcome>)>,
}

impl Engine {
    /// Starts a function of a build.
    pub(super) fn start(edge: Edge) -> Self {
        Self::spawn(move || {
            let mut runner = edge.emulator();
            move |event: &Event| runner.run(event)
        })
    }

    /// Starts a function as it was published. One that cannot be loaded fails each event, as it would at the edge.
    pub(super) fn start_code(code: String, runtime: Runtime) -> Self {
        Self::spawn(move || {
            let mut emulator = Emulator::load(&code, runtime, KeyValues::default());
            move |event: &Event| match &mut emulator {
                Ok(emulator) => emulator.run(event),
                Err(error) => Outcome::failed(error.clone()),
            }
        })
    }

    /// An engine stays in the thread that made it.
    fn spawn<R: FnMut(&Event) -> Outcome>(load: impl FnOnce() -> R + Send + 'static) -> Self {
        let (work, inbox) = channel::<(Event, oneshot::Sender<Outcome>)>();
        // It reads the script, which may be nested deeply. Where there is no thread, nobody answers.
        let thread = std::thread::Builder::new().name("function".to_owned()).stack_size(build::STACK);
        let _ = thread.spawn(move || {
            let mut run = load();
            for (event, reply) in inbox {
                // Whoever asked may have gone away.
                let _ = reply.send(run(&event));
            }
        });
        Self { work }
    }

    /// Runs the function for one event; nothing where its thread has ended, which it never should.
    pub(super) async fn run(&self, event: Event) -> Option<Outcome> {
        let (reply, outcome) = oneshot::channel();
        self.work.send((event, reply)).ok()?;
        outcome.await.ok()
    }
}
