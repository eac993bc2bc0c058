//! The job API, asked in three ways by one suite: in process, over a socket, and as the events of a Lambda
//! function URL.

mod board;
mod booking;
mod document;
mod guard;
mod sessions;
pub(crate) mod site;
