//! Words and heredoc bodies: expanded.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kiln::fuzzing::expansion(bytes));
