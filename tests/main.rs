//! Tests of the whole program.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod build;
mod caching;
mod checks;
mod command_line;
mod diagnostics;
mod escapes;
mod isolation;
mod kit;
mod outputs;
mod pinned;
mod push;
mod rooms;
mod round_trip;
mod secrets;
mod standard_input;
mod stopped;
mod store_safety;
