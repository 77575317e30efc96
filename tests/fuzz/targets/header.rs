#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| imapwarden_fuzz::header(data));
