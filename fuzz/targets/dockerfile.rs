//! Dockerfiles: parsed, planned, judged, formatted.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kiln::fuzzing::dockerfile(bytes));
