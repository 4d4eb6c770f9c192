//! Archives: read as contexts, layers and sources of ADD.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kiln::fuzzing::tar_archive(bytes));
