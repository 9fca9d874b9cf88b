//! How much a campaign does: `RAMUS_SCALE` times as much as usual, with the choices of `RAMUS_SEED`.

use proptest::test_runner::{Config, RngSeed};

/// Returns the settings of a property that has this many cases at scale 1.
pub(crate) fn cases(cases: u32) -> Config {
    let scale = u32::try_from(number_from_env("RAMUS_SCALE", 1)).expect("a scale below 2^32");
    Config {
        cases: cases.saturating_mul(scale),
        rng_seed: RngSeed::Fixed(number_from_env("RAMUS_SEED", 1)),
        failure_persistence: None,
        max_shrink_iters: 4096,
        ..Config::default()
    }
}

pub(crate) fn number_from_env(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")),
        Err(_) => default,
    }
}

/// Runs a future on a runtime of its own.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be built").block_on(future)
}
