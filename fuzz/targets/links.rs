#![no_main]

#[expect(dead_code, reason = "a fuzzer is of one decoder")]
#[path = "../../crates/ramus-kv/tests/it/decoders/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::links(data));
