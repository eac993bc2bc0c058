//! Arguments in, report and exit code out. The only printer.

mod args;
mod build;
mod deploy;
mod function;
mod jobs;
mod log;
mod preview;
mod staff;
mod ui;

use args::{Args, Command};
use clap::{CommandFactory as _, Parser as _};
use std::process::ExitCode;
use ui::Ui;

/// The sources have problems.
const PROBLEMS: u8 = 1;
/// What was asked for could not be done where it is kept; nothing is lost, run it again.
const REMOTE: u8 = 3;
/// Somebody pressed Ctrl-C.
const INTERRUPTED: u8 = 130;
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
    log::start(&args.global);
    let mut ui = Ui::new(&args.global);
    let code = match args.command {
        Command::Build(command) => build::build(&args.global, &command, &mut ui),
        Command::Check => build::check(&args.global, &mut ui),
        Command::Preview(command) => preview::preview(&args.global, &command, &mut ui),
        Command::Function(command) => function::function(&args.global, &command.command, &mut ui),
        Command::Plan(command) => deploy::plan(&args.global, &command, &mut ui),
        Command::Publish(command) => deploy::publish(&args.global, &command, &mut ui),
        Command::Promote(command) => deploy::promote(&args.global, &command, &mut ui),
        Command::Rollback(command) => deploy::rollback(&args.global, &command, &mut ui),
        Command::Status(command) => deploy::status(&args.global, &command, &mut ui),
        Command::Releases(command) => deploy::releases(&args.global, &command, &mut ui),
        Command::Audit(command) => deploy::audit(&args.global, &command, &mut ui),
        Command::Gc(command) => deploy::gc(&args.global, &command, &mut ui),
        Command::Jobs(command) => jobs::jobs(&args.global, &command, &mut ui),
        Command::Staff(command) => staff::staff(&args.global, &command, &mut ui),
        Command::Completions { shell } => Ok(completions(shell)),
        Command::Man => man(),
    };
    match code {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            ui.error(&error);
            ExitCode::from(USAGE)
        }
    }
}

/// Leaves a runtime to the end of the program, which comes next. To shut it down in the background is to detach threads that are
/// just ending, and glibc (2.36, `pthread_detach`) then looks at memory that such a thread may have given back: a publish that
/// had succeeded, and had said so, ended with a segmentation fault.
fn leave(runtime: tokio::runtime::Runtime) {
    std::mem::forget(runtime);
}

/// Writes a shell's completions to stdout.
fn completions(shell: clap_complete::Shell) -> u8 {
    clap_complete::generate(shell, &mut Args::command(), "qdn", &mut std::io::stdout());
    0
}

/// Writes the manual, one page for all commands, to stdout.
fn man() -> Result<u8, String> {
    let mut page = Vec::new();
    let mut command = Args::command();
    command.build();
    render_man(&command, &mut page).map_err(|error| error.to_string())?;
    std::io::Write::write_all(&mut std::io::stdout(), &page).map_err(|error| error.to_string())?;
    Ok(0)
}

fn render_man(command: &clap::Command, page: &mut Vec<u8>) -> std::io::Result<()> {
    let man = clap_mangen::Man::new(command.clone());
    man.render(page)?;
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help") {
        render_man(inner, page)?;
    }
    Ok(())
}
