//! Everything that is tested from outside: one binary, because each one links swc anew.

mod bad_input;
mod build;
mod cli;
mod edge;
mod layers;
mod preview;
mod project;
mod readme;
