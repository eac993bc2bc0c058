//! A CloudFront Function is checked, bundled, and run as CloudFront would run it.
//!
//! AWS compiles nothing when a function is uploaded or published: a mistake in its syntax is found by
//! the first visitor, who gets a 503. So everything here happens before: the checker refuses what the
//! runtime refuses, the emulator runs the script with the built-ins, the limits and the rules
//! of the edge, and the cases say what is expected of it.
//!
//! This module knows the runtime; it does not know AWS, nor where a file comes from.

mod bundle;
pub mod cases;
mod check;
pub mod coverage;
mod emulator;
mod event;
mod headers;
mod keys;
mod kvs;
mod origin;
mod origins;
mod outcome;
mod places;
pub mod report;
mod runtime;
mod syntax;
mod trace;
pub mod traffic;
mod validate;

pub use crate::script::{Cause, Inputs, Last, Part};
pub use bundle::Bundle;
pub use check::{Checked, Form, Level, Levels, Options, RULES, Rule, check, missing};
pub use emulator::{Emulator, run};
pub use event::{DEFAULT_TIME, Event, Kind, query_string};
pub use kvs::KeyValues;
pub use origins::Origins;
pub use outcome::{ErrorKind, Frame, Outcome, RunError};
pub use runtime::{MAX_CODE_BYTES, Runtime};
pub use trace::{Origin, Tracer, places};
