//! Everything that is tested from outside: one binary, because each one links swc anew.

#![allow(clippy::disallowed_methods, reason = "tests look at the world from outside")]

mod api;
mod bad_input;
mod build;
mod cli;
mod cloud;
mod deploy;
mod distributions;
mod edge;
mod jobs;
mod lambda;
mod layers;
mod ministack;
mod office;
mod preview;
mod project;
mod proxy;
mod publish;
mod readme;
mod statuses;
