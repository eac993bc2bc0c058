//! `qdn function …`: for a project's functions, and for any file anywhere.

mod args;
mod build;
mod check;
mod mend;
mod rules;
mod run;
mod size;
mod test;
mod trace;
mod workshop;

pub(super) use args::{FunctionArgs, FunctionCommand};
pub(super) use test::check_cases;

use super::args::Global;
use super::ui::Ui;

/// Does what was typed behind `qdn function`.
pub(super) fn function(global: &Global, command: &FunctionCommand, ui: &mut Ui) -> Result<u8, String> {
    match command {
        FunctionCommand::Check(command) => check::check(global, command, ui),
        FunctionCommand::Build(command) => build::build(global, command, ui),
        FunctionCommand::Run(command) => run::run(global, command, ui),
        FunctionCommand::Test(command) => test::test(global, command, ui),
        FunctionCommand::Rules(command) => rules::rules(command, ui),
        FunctionCommand::Size(command) => size::size(global, command, ui),
        FunctionCommand::Trace(command) => trace::trace(global, command, ui),
    }
}
