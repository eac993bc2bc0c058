//! Publishing, against the places it publishes to.

#![allow(clippy::unwrap_used, reason = "in a test, what went wrong and where is all there is to say")]

mod aws;
mod folder;
mod remote;
