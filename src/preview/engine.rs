//! From requests, which do not wait for each other, to the function, which takes one event at a time.
//! The emulator keeps a looping or greedy function to itself; this keeps the server from waiting on it.

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
