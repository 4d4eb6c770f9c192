//! Ignore files: parsed, and asked about a path.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kiln::fuzzing::ignore_patterns(bytes));
