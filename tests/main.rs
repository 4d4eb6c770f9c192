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
mod downloads;
mod elsewhere;
mod escapes;
mod faults;
mod filter;
mod formatting;
mod git;
mod images;
mod isolation;
mod kit;
mod language;
mod limits;
mod lint;
mod login;
mod outputs;
mod pinned;
mod pinning;
mod push;
mod rooms;
mod round_trip;
mod rules;
mod run_flags;
mod secrets;
mod standard_input;
mod stopped;
mod store_safety;
mod upkeep;
