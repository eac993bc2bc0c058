//! What may be typed behind `qdn function`.

use super::super::args::Manner;
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
    /// Make cases of what visitors ask for, from CloudFront's logs, without what may be personal
    Record(Record),
    /// Prove one function at CloudFront and make it live, on a stage or by its name there
    Publish(PublishFunction),
    /// Make the version of a function live that a stage had before
    Rollback(RollbackFunction),
    /// Bring the code that CloudFront has of a function, with its ETag
    Pull(Pull),
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
    /// Run them again at every save
    #[arg(long, conflicts_with = "stage")]
    pub(super) watch: bool,
    /// Rewrite what failing cases expect, and show the difference; `errors` where the function fails too
    #[arg(long, value_name = "WHAT", num_args = 0..=1, require_equals = true, default_missing_value = "results", conflicts_with = "stage")]
    pub(super) update: Option<Update>,
    /// Show which branches of the sources no case reaches
    #[arg(long, conflicts_with = "stage")]
    pub(super) coverage: bool,
    /// Fail where the cases reach less than so many percent of the branches
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100), conflicts_with = "stage")]
    pub(super) least: Option<u8>,
    /// Write which branches were reached, in the format of lcov
    #[arg(long, value_name = "FILE", conflicts_with = "stage")]
    pub(super) lcov: Option<PathBuf>,
    /// Try properties with other events
    #[arg(long, value_name = "N", conflicts_with = "stage")]
    pub(super) seed: Option<u64>,
    /// How many events each property is tried with
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000), conflicts_with = "stage")]
    pub(super) tries: Option<u32>,
    /// Run them at CloudFront too, in DEVELOPMENT of this stage's function, and compare
    #[arg(long, value_name = "STAGE")]
    pub(super) stage: Option<String>,
    /// Run also those that passed and of which nothing has changed since
    #[arg(long)]
    pub(super) again: bool,
}

/// Which failing cases are rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Update {
    /// Those where the function returned something else
    Results,
    /// Those where it failed, too
    Errors,
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct Record {
    /// A function of the project, or a script; by default the project's only one
    #[arg(value_name = "NAME|FILE.js")]
    pub(super) function: Option<String>,
    /// Logs of CloudFront, gzipped or not; by default stdin
    #[arg(value_name = "LOG")]
    pub(super) logs: Vec<PathBuf>,
    /// The fields of a log without a header, in order; by default those of a real-time log with all fields
    #[arg(long, value_name = "FIELD,…", value_delimiter = ',')]
    pub(super) fields: Vec<String>,
    /// Record at most so many cases, those first that stand for the most requests
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(super) limit: usize,
    /// Keep what may be personal: `path`, `query`, `cookies`, `referer`, or a parameter or cookie by its name
    #[arg(long, value_name = "WHAT,…", value_delimiter = ',')]
    pub(super) keep: Vec<String>,
    /// Record requests for which the function fails, too
    #[arg(long)]
    pub(super) errors: bool,
    /// Only say what would be recorded
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct PublishFunction {
    /// A function of the project; or a file, with `--name`
    #[arg(value_name = "NAME|FILE")]
    pub(in crate::cli) function: String,
    /// A stage of qdn.toml that serves something already
    #[arg(value_name = "STAGE", required_unless_present = "name", conflicts_with = "name")]
    pub(in crate::cli) stage: Option<String>,
    /// CloudFront's name of a function that no stage keeps books of
    #[arg(long, value_name = "FUNCTION")]
    pub(in crate::cli) name: Option<String>,
    /// The ETag of DEVELOPMENT that `qdn function pull` printed; without it, a function is made that is not there yet
    #[arg(long, value_name = "ETAG", requires = "name")]
    pub(in crate::cli) etag: Option<String>,
    /// The runtime of a file, `cloudfront-js-1.0` or `cloudfront-js-2.0`
    #[arg(long, value_name = "RUNTIME", requires = "name")]
    pub(in crate::cli) runtime: Option<String>,
    /// Replace what something other than qdn published (its code is kept)
    #[arg(long, conflicts_with = "name")]
    pub(in crate::cli) adopt: bool,
    #[command(flatten)]
    pub(in crate::cli) manner: Manner,
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct RollbackFunction {
    /// A function of the project
    #[arg(value_name = "NAME")]
    pub(in crate::cli) function: String,
    /// A stage of qdn.toml
    #[arg(value_name = "STAGE")]
    pub(in crate::cli) stage: String,
    /// A release that had the version, or the SHA-256 of its code, or how one begins; by default the version before
    #[arg(long, value_name = "VERSION")]
    pub(in crate::cli) to: Option<String>,
    /// Replace what something other than qdn published (its code is kept)
    #[arg(long)]
    pub(in crate::cli) adopt: bool,
    #[command(flatten)]
    pub(in crate::cli) manner: Manner,
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct Pull {
    /// CloudFront's name of the function; with `--stage`, the project's
    #[arg(value_name = "NAME")]
    pub(in crate::cli) function: String,
    /// The function of a stage of qdn.toml; by default the account of the environment
    #[arg(long, value_name = "STAGE")]
    pub(in crate::cli) stage: Option<String>,
    /// What is LIVE, which is the default
    #[arg(long, conflicts_with = "development")]
    pub(in crate::cli) live: bool,
    /// What is in DEVELOPMENT
    #[arg(long)]
    pub(in crate::cli) development: bool,
    /// Where to; by default `functions/NAME.js` of the project, or `NAME.js` here
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) out: Option<PathBuf>,
    /// Replace a file that holds something else
    #[arg(long)]
    pub(in crate::cli) force: bool,
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
