#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ocellus_tests::fuzz::records(bytes));
