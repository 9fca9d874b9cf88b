use std::pin::{Pin, pin};
use std::time::Duration;

/// How long a law may take before it counts as broken: it waits for what never comes.
const LAW_SECONDS_MAX: u64 = 120;

/// Runs one law on a runtime of its own, with several threads.
///
/// # Panics
///
/// Where the law does, and when it has not ended after two minutes.
pub fn run(law: impl Future<Output = ()>) {
    run_law(pin!(law));
}

/// Not generic, so that a runtime is not compiled once more for each law.
fn run_law(law: Pin<&mut dyn Future<Output = ()>>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("a runtime can be built");
    let limited = async { tokio::time::timeout(Duration::from_secs(LAW_SECONDS_MAX), law).await };
    let ended = runtime.block_on(limited).is_ok();
    assert!(ended, "the law has not ended after {LAW_SECONDS_MAX} seconds: an answer never came");
}
