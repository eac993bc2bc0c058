//! stub
use super::args::*;
use super::ui::Ui;
pub(super) fn function(_: &Global, _: &FunctionCommand, _: &mut Ui) -> Result<u8, String> { Ok(0) }
