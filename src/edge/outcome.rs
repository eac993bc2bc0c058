//! What came of one run.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt;

/// The classes of failure, by the names they have in CloudFront's metrics and headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorKind {
    /// The script does not parse, threw, or used too much memory or time: the viewer gets 503.
    Execution,
    /// The script ran, and what it returned is not allowed: the viewer gets 502.
    Validation,
    /// The code would be refused when it is uploaded, with HTTP 413.
    SizeLimit,
}

impl ErrorKind {
    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Execution => "FunctionExecutionError",
            Self::Validation => "FunctionValidationError",
            Self::SizeLimit => "FunctionSizeLimitExceeded",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Execution, Self::Validation, Self::SizeLimit].into_iter().find(|kind| kind.name() == name)
    }

    /// The status that a viewer is answered with.
    pub fn status(self) -> u16 {
        match self {
            Self::Execution | Self::SizeLimit => 503,
            Self::Validation => 502,
        }
    }
}

/// Why a run has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunError {
    /// The class of failure.
    pub kind: ErrorKind,
    /// The engine's message for an execution error (`TypeError: …`), CloudFront's sentence for a validation error.
    pub message: String,
}

impl RunError {
    /// The script could not run, or not to its end.
    pub fn execution(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Execution, message: message.into() }
    }

    /// The script returned something that CloudFront does not take.
    pub fn validation(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Validation, message: message.into() }
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.message)
    }
}

impl std::error::Error for RunError {}

/// A call that was under way when an error was thrown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The function's name in the script; empty where it has none.
    pub function: String,
    /// The line in the script, from 1.
    pub line: usize,
    /// The column in that line, from 1.
    pub column: Option<usize>,
}

/// What came of one run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// `{"request": …}` or `{"response": …}`, the form of TestFunction's `FunctionOutput`.
    pub result: Option<Value>,
    /// Why there is no result.
    pub error: Option<RunError>,
    /// One text for each call of `console.log`, ten kilobytes of them at most.
    pub logs: Vec<String>,
    /// How much of the time budget was used, in percent: an estimate, the same every time.
    pub utilization: u8,
    /// What the function asked of `cf.updateRequestOrigin` and the like: `{"call": …, "with": …}`, in order.
    pub origin: Vec<Value>,
    /// Where an error was thrown, innermost first: places of the script as it ran.
    pub trace: Vec<Frame>,
    /// The error with its place in the sources, drawn: from whoever has the sources.
    pub shown: Option<String>,
    /// The numbers of the branches that were taken, of a script that was made to count them.
    pub reached: BTreeSet<usize>,
}

impl Outcome {
    /// A run that ended in an error before it printed anything.
    pub fn failed(error: RunError) -> Self {
        Self { error: Some(error), ..Self::default() }
    }

    /// The document that `qdn function run --json` prints. This form is a contract.
    pub fn json(&self) -> Value {
        let error = self.error.as_ref().map(|error| json!({ "kind": error.kind.name(), "message": error.message }));
        let mut document = json!({
            "version": 1, "result": self.result, "error": error, "logs": self.logs, "utilization": self.utilization,
        });
        if !self.origin.is_empty() {
            document["origin"] = Value::Array(self.origin.clone());
        }
        document
    }

    /// The request to go on with, if the function let it pass.
    pub fn request(&self) -> Option<&Value> {
        self.result.as_ref()?.get("request")
    }

    /// The response the function gave, if it gave one.
    pub fn response(&self) -> Option<&Value> {
        self.result.as_ref()?.get("response")
    }
}
