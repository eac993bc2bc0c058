//! What may be typed behind `qdn function`.

use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct FunctionArgs {
    #[command(subcommand)]
    pub(in crate::cli) command: FunctionCommand,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum FunctionCommand {
    /// Find what the edge would refuse, and what is likely wrong
    Check(Check),
    /// Bundle into the flat script that would be uploaded
    Build(Build),
    /// Run for one event, as the edge would
    Run(Run),
    /// Run the cases in `functions/<name>.cases/`
    Test(Test),
    /// List the checker's rules, or show the page of one
    #[command(visible_alias = "explain")]
    Rules(Rules),
    /// Say what takes how many of the bytes that a function may have
    Size(Size),
    /// Lead the places in a log back to the sources
    Trace(Trace),
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct Check {
    /// A function of the project, or a file; by default all of the project's
    #[arg(value_name = "NAME|FILE")]
    pub(super) function: Option<String>,
    /// The runtime, `cloudfront-js-1.0` or `cloudfront-js-2.0`
    #[arg(long, value_name = "RUNTIME")]
    pub(super) runtime: Option<String>,
    /// Mend what can be mended without a doubt, and check again
    #[arg(long)]
    pub(super) fix: bool,
    /// Say what `--fix` would mend, and write nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Say what is advice, too: the rules that are off where nobody asks for them
    #[arg(long)]
    pub(super) all: bool,
    /// How to say it, on stdout but for people [default: human, or json with `--json`]
    #[arg(long, value_name = "FORMAT")]
    pub(super) format: Option<Format>,
}

/// For whom complaints are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Format {
    /// For people, on stderr
    Human,
    /// As `--json`
    Json,
    /// SARIF 2.1.0
    Sarif,
    /// Annotations of GitHub Actions
    Github,
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct Rules {
    /// A rule, by its identifier or its name
    #[arg(value_name = "RULE")]
    pub(super) rule: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct Build {
    /// A function of the project, or a file
    #[arg(value_name = "NAME|FILE")]
    pub(super) function: String,
    /// Where to, instead of stdout
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// Write a source map too: from places in the script to places in the sources
    #[arg(long, value_name = "FILE")]
    pub(super) map: Option<PathBuf>,
    /// The runtime, `cloudfront-js-1.0` or `cloudfront-js-2.0`
    #[arg(long, value_name = "RUNTIME")]
    pub(super) runtime: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct Run {
    /// A function of the project, or a file, bundled or not
    #[arg(value_name = "NAME|FILE")]
    pub(super) function: String,
    /// The event, in CloudFront's own test-event format
    #[arg(long, value_name = "FILE")]
    pub(super) event: PathBuf,
    /// A JSON object: the key-value store
    #[arg(long, value_name = "FILE")]
    pub(super) kvs: Option<PathBuf>,
    /// The runtime, `cloudfront-js-1.0` or `cloudfront-js-2.0`
    #[arg(long, value_name = "RUNTIME")]
    pub(super) runtime: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct Test {
    /// A function of the project, or a file; by default all of the project's
    #[arg(value_name = "NAME|FILE")]
    pub(super) function: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct Size {
    /// A function of the project, or a file; by default all of the project's
    #[arg(value_name = "NAME|FILE")]
    pub(super) function: Option<String>,
    /// The runtime, `cloudfront-js-1.0` or `cloudfront-js-2.0`
    #[arg(long, value_name = "RUNTIME")]
    pub(super) runtime: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct Trace {
    /// A function of the project, or a file: what the log is of, as it was published
    #[arg(value_name = "NAME|FILE")]
    pub(super) function: String,
    /// The log, instead of stdin
    #[arg(value_name = "LOG")]
    pub(super) log: Option<PathBuf>,
    /// The map that `qdn function build --map` wrote, where the sources have changed since
    #[arg(long, value_name = "FILE")]
    pub(super) map: Option<PathBuf>,
    /// The runtime, `cloudfront-js-1.0` or `cloudfront-js-2.0`
    #[arg(long, value_name = "RUNTIME")]
    pub(super) runtime: Option<String>,
}
