//! The clock and the dice, handed in so that a test can hold both.

use jiff::{Timestamp, Unit};
use std::fmt;

/// What a program cannot compute.
pub trait World: fmt::Debug + Send + Sync {
    /// The time, in whole seconds: nothing about a job needs it finer.
    fn now(&self) -> Timestamp;

    /// Fills with random bytes that nobody can foresee.
    fn random(&self, bytes: &mut [u8]);
}

/// The real one.
#[derive(Clone, Copy, Debug)]
pub struct System;

impl World for System {
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        now.round(Unit::Second).unwrap_or(now)
    }

    fn random(&self, bytes: &mut [u8]) {
        // Without randomness every secret would be a known one: there is nothing sensible left to do.
        getrandom::fill(bytes).expect("the operating system gives random bytes");
    }
}

/// Random bytes by count.
pub fn random<const N: usize>(world: &dyn World) -> [u8; N] {
    let mut bytes = [0; N];
    world.random(&mut bytes);
    bytes
}
