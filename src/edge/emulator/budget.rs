//! How much a run may do, counted and not timed, so that every machine comes to the same end.

use crate::edge::outcome::RunError;
use std::cell::Cell;

/// Turns of a loop that are called 100 %. CloudFront does not publish its limit; it is said to be about
/// a millisecond, and njs does some ten thousand turns of an ordinary loop in one.
const FULL: u32 = 10_000;

/// Ticks after which a run is stopped. The engine ticks once in ten thousand calls and jumps, a turn of a loop being
/// two of them: ten times the budget is past any doubt about the estimate.
const LIMIT: u32 = 20;

/// The counter of one run.
#[derive(Default)]
pub(super) struct Budget {
    ticks: Cell<u32>,
    extra: Cell<u32>,
    exceeded: Cell<bool>,
    probing: Cell<bool>,
}

impl Budget {
    /// Called by the engine once in ten thousand calls and jumps; `true` stops it.
    pub(super) fn tick(&self) -> bool {
        if self.probing.get() {
            return true;
        }
        self.ticks.set(self.ticks.get() + 1);
        if self.ticks.get() >= LIMIT {
            self.exceeded.set(true);
        }
        self.exceeded.get()
    }

    /// Work that is done outside of the engine, in turns of a loop that it is worth.
    pub(super) fn spend(&self, units: usize) {
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        self.extra.set(self.extra.get().saturating_add(units));
    }

    /// Forgets the run before. The engine's own count begins anew with every probe.
    pub(super) fn begin(&self) {
        self.ticks.set(0);
        self.extra.set(0);
        self.exceeded.set(false);
        self.probing.set(false);
    }

    /// From here on the next tick stops the engine: the calls it takes until then tell what is left of this one.
    pub(super) fn probe(&self) {
        self.probing.set(true);
    }

    /// Whether the run was stopped. A script cannot hide it by catching the error.
    pub(super) fn is_exceeded(&self) -> bool {
        self.exceeded.get()
    }

    /// Everything counted, in turns of a loop: a tick is `whole` of them, and `left` were found unused in the last.
    pub(super) fn spent(&self, whole: u32, left: u32) -> u32 {
        let ticks = self.ticks.get().saturating_mul(whole);
        ticks.saturating_add(whole.saturating_sub(left)).saturating_add(self.extra.get())
    }
}

/// Turns of a loop in percent: never nothing, never more than everything.
pub(super) fn percent(units: u32) -> u8 {
    u8::try_from(u64::from(units).saturating_mul(100).div_ceil(u64::from(FULL)).clamp(1, 100)).unwrap_or(100)
}

/// What a run is told that did not come to an end.
pub(super) fn exceeded() -> RunError {
    RunError::execution("InternalError: the function used more than its compute time")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_one_to_a_hundred() {
        assert_eq!([0, 1, 150, 9_999, u32::MAX].map(percent), [1, 1, 2, 100, 100]);
    }
}
