//! How often one address may do what costs something. On AWS the edge counts, before anything is started;
//! here it is done for preview, so that pages meet a 429 before customers do.

use governor::clock::{Clock as _, DefaultClock};
use governor::{Quota, RateLimiter};
use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

type ByAddress = RateLimiter<String, governor::state::keyed::HashMapStateStore<String>, DefaultClock>;

/// Bookings and sign-ins by address.
pub struct Limits {
    bookings: ByAddress,
    sign_ins: ByAddress,
}

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Counted {
    Booking,
    SignIn,
}

impl Limits {
    /// So many of each in five minutes, all at once or one after the other.
    pub fn new(bookings: NonZeroU32, sign_ins: NonZeroU32) -> Self {
        let quota = |count: NonZeroU32| {
            Quota::with_period(Duration::from_secs(300) / count.get()).expect("longer than nothing").allow_burst(count)
        };
        Self { bookings: RateLimiter::hashmap(quota(bookings)), sign_ins: RateLimiter::hashmap(quota(sign_ins)) }
    }

    /// Counts one; the seconds to wait where that was too many.
    pub(super) fn count(&self, what: Counted, address: &str) -> Result<(), u64> {
        let limiter = match what {
            Counted::Booking => &self.bookings,
            Counted::SignIn => &self.sign_ins,
        };
        // An address that is forgotten starts anew, so the list cannot grow without bound.
        limiter.retain_recent();
        let wait = |until: governor::NotUntil<_>| until.wait_time_from(DefaultClock::default().now()).as_secs() + 1;
        limiter.check_key(&address.to_owned()).map_err(wait)
    }
}

impl Default for Limits {
    /// 20 bookings and 10 sign-ins.
    fn default() -> Self {
        Self::new(NonZeroU32::new(20).expect("not zero"), NonZeroU32::new(10).expect("not zero"))
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Limits")
    }
}
