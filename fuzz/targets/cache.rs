//! Objects of a shared cache.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kiln::fuzzing::shared_cache(bytes));
