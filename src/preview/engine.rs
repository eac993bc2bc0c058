//! The function in a thread of its own: the engine never leaves it, and a function that loops or
//! fills its memory ends as an outcome there, not here.

use crate::build::Edge;
use crate::edge::{Event, Outcome};
use std::sync::mpsc::{Sender, channel};
use tokio::sync::oneshot;

/// A running function. Dropping it ends its thread.
#[derive(Clone)]
pub(super) struct Engine {
    work: Sender<(Event, oneshot::Sender<Outcome>)>,
}

impl Engine {
    /// Starts a function.
    pub(super) fn start(edge: Edge) -> Self {
        let (work, inbox) = channel::<(Event, oneshot::Sender<Outcome>)>();
        std::thread::spawn(move || {
            let mut emulator = edge.emulator();
            for (event, reply) in inbox {
                let outcome = emulator.run(&event);
                // Whoever asked may have gone away.
                let _ = reply.send(outcome);
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
