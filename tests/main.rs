//! Tests of the whole program.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod agents;
mod build;
mod caching;
mod checks;
mod command_line;
mod copying;
mod corpus;
mod diagnostics;
mod faults;
mod git;
mod images;
mod isolation;
mod kit;
mod language;
mod login;
mod outputs;
mod pinned;
mod pinning;
mod push;
mod rooms;
mod round_trip;
mod rules;
mod secrets;
mod standard_input;
mod stopped;
mod upkeep;
