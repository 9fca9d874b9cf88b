//! How often the hottest operations allocate, and how many bytes: a hundred of each, on the memory backend.
//!
//! ```sh
//! cargo bench --manifest-path crates/ramus-bench/instructions/Cargo.toml --bench allocations
//! ```
//!
//! The exit code is 1 if a `find` at a head that is in the cache allocates more than the value it returns.

#[path = "../instructions/fixture.rs"]
#[expect(dead_code, reason = "the instructions are counted on more than this")]
mod fixture;
#[path = "../instructions/hash.rs"]
mod hash;

use std::hint::black_box;
use std::process::ExitCode;

use allocation_counter::{AllocationInfo, measure};
use fixture::{Fixture, TIMES, path, some_path};
use ramus_core::{Hash as _, ReadOnly as _, RefName, Storage as _};

/// What a `find` may allocate: the text that it returns.
const FIND_MAX: u64 = 1;

fn main() -> ExitCode {
    println!("{:32} {:>14} {:>12}", "operation", "allocations", "bytes");
    let found = finds();
    sets();
    if found > FIND_MAX * TIMES {
        println!("a find at a cached head is to allocate the value that it returns, and no more");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Returns how often the finds at a cached head allocated.
fn finds() -> u64 {
    let fixture = Fixture::full();
    let paths: Vec<String> = (0..TIMES).map(some_path).collect();
    let absent: Vec<String> = paths.iter().map(|path| format!("{path}nope")).collect();
    let (run, main) = (&fixture.runtime, &fixture.main);
    let find = || {
        run.block_on(async {
            for path in &paths {
                black_box(main.find(path.as_str()).await.expect("find"));
            }
        });
    };
    let found = show("find, at a cached head", find);
    show("find, absent", || {
        run.block_on(async {
            for path in &absent {
                black_box(main.find(path.as_str()).await.expect("find"));
            }
        });
    });
    show("mem", || {
        run.block_on(async {
            for path in &paths {
                black_box(main.mem(path.as_str()).await.expect("mem"));
            }
        });
    });
    let tree = fixture.tree();
    show("find, in a tree", || {
        run.block_on(async {
            for path in &paths {
                black_box(tree.find(path.as_str()).await.expect("find"));
            }
        });
    });
    let (blocks, refs) = (fixture.mem.blocks(), fixture.mem.refs());
    let (name, hash) = (RefName::branch("main").expect("a name"), fixture.head().hash());
    show("find, of a ref", || {
        run.block_on(async {
            for _ in 0..TIMES {
                black_box(refs.find(&name).await.expect("find"));
            }
        });
    });
    show("find, of a block", || {
        run.block_on(async {
            for _ in 0..TIMES {
                black_box(blocks.find(&hash).await.expect("find"));
            }
        });
    });
    assert!(!hash.as_bytes().is_empty(), "a block has a name");
    found.count_total
}

fn sets() {
    let fixture = Fixture::full();
    let (run, main) = (&fixture.runtime, &fixture.main);
    let set = |paths: &[String], value: &str| {
        run.block_on(async {
            for path in paths {
                main.set(path.as_str(), value, "set").await.expect("set");
            }
        });
    };
    let known: Vec<String> = (0..TIMES).map(some_path).collect();
    let fresh: Vec<String> = (0..TIMES).map(|i| path(20_000 + i * 97)).collect();
    // So that maps and queues have grown to what they need.
    set(&known, "warm");
    show("set and commit, known path", || set(&known, "new"));
    show("set and commit, fresh path", || set(&fresh, "new"));
    let edits: Vec<String> = (0..TIMES).map(|i| some_path(i + TIMES)).collect();
    show("set in one transaction", || {
        run.block_on(async {
            let mut edit = main.begin().await.expect("a transaction");
            for path in &edits {
                edit.set(path.as_str(), "other").await.expect("set");
            }
            main.commit(edit, "all").await.expect("commit");
        });
    });
}

/// Counts what `work` allocates, which does an operation `TIMES` times, and prints what one does.
fn show(operation: &str, work: impl Fn()) -> AllocationInfo {
    let counted = measure(work);
    #[expect(clippy::cast_precision_loss, reason = "counts are small")]
    let [count, bytes] = [counted.count_total, counted.bytes_total].map(|all| all as f64 / TIMES as f64);
    println!("{operation:32} {count:>14.2} {bytes:>12.0}");
    counted
}
