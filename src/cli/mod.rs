//! Arguments in, report and exit code out. The only printer.

mod args;
mod build;
mod ui;

use args::{Args, Command};
use clap::Parser as _;
use std::process::ExitCode;
use ui::Ui;

/// The sources have problems.
const PROBLEMS: u8 = 1;
/// The command was used wrongly, or the system refused.
const USAGE: u8 = 2;

/// Reads the program's arguments and does what they say.
pub fn run() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version are answers, and go to stdout; mistakes go to stderr.
            let code = if error.use_stderr() { USAGE } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let mut ui = Ui::new(&args.global);
    let code = match args.command {
        Command::Build(command) => build::build(&args.global, &command, &mut ui),
        Command::Check => build::check(&args.global, &mut ui),
    };
    match code {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            ui.error(&error);
            ExitCode::from(USAGE)
        }
    }
}
