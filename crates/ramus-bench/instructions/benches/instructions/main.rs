//! How many instructions the hottest operations take, a hundred of each, with a hash that costs next to
//! nothing. `../src/main.rs` runs them and compares them with the baseline.

#![expect(missing_docs, reason = "what the macros of the harness make is not documented")]

mod fixture;
mod hash;

use std::hint::black_box;

use fixture::{Fixture, TIMES, block, path, some_path};
use gungraun::{library_benchmark, library_benchmark_group, main};
use hash::Trivial;
use ramus_core::{
    AtomicWrite as _, AtomicWriteExt as _, ContentAddressable as _, Hash as _, ReadOnly as _,
    RefName, Storage as _,
};
use ramus_kv::ListOptions;

fn name() -> RefName {
    RefName::branch("x").expect("a name")
}

/// What is measured is only what a benchmark does, not what it is given: so each has a plain function.
fn add_blocks(fixture: Fixture) -> Fixture {
    fixture.runtime.block_on(async {
        for i in 0..TIMES {
            let (_, bytes) = block(i);
            black_box(fixture.mem.blocks().add(bytes).await.expect("add"));
        }
    });
    fixture
}

fn with_blocks() -> Fixture {
    add_blocks(Fixture::empty())
}

#[library_benchmark]
#[bench::mem(Fixture::empty())]
fn blocks_add(fixture: Fixture) -> Fixture {
    add_blocks(fixture)
}

#[library_benchmark]
#[bench::mem(with_blocks())]
fn blocks_add_again(fixture: Fixture) -> Fixture {
    add_blocks(fixture)
}

#[library_benchmark]
#[bench::mem(with_blocks())]
fn blocks_find(fixture: Fixture) -> Fixture {
    fixture.runtime.block_on(async {
        for i in 0..TIMES {
            black_box(fixture.mem.blocks().find(&block(i).0).await.expect("find"));
        }
    });
    fixture
}

#[library_benchmark]
#[bench::mem(with_blocks())]
fn blocks_find_absent(fixture: Fixture) -> Fixture {
    fixture.runtime.block_on(async {
        for i in TIMES..2 * TIMES {
            black_box(fixture.mem.blocks().find(&block(i).0).await.expect("find"));
        }
    });
    fixture
}

fn set_refs(fixture: Fixture) -> Fixture {
    let (refs, name) = (fixture.mem.refs(), name());
    fixture.runtime.block_on(async {
        for i in 0..TIMES {
            refs.set(name.clone(), block(i).0).await.expect("set");
        }
    });
    fixture
}

#[library_benchmark]
#[bench::mem(with_blocks())]
fn refs_set(fixture: Fixture) -> Fixture {
    set_refs(fixture)
}

#[library_benchmark]
#[bench::mem(set_refs(with_blocks()))]
fn refs_test_and_set(fixture: Fixture) -> Fixture {
    let (refs, name) = (fixture.mem.refs(), name());
    fixture.runtime.block_on(async {
        for i in 0..TIMES {
            let (old, new) = (block((i + TIMES - 1) % TIMES).0, block(i).0);
            let set = refs.test_and_set(name.clone(), Some(old), Some(new)).await;
            assert!(set.expect("test and set"));
        }
    });
    fixture
}

#[library_benchmark]
#[bench::mem(set_refs(with_blocks()))]
fn refs_find(fixture: Fixture) -> Fixture {
    let (refs, name) = (fixture.mem.refs(), name());
    fixture.runtime.block_on(async {
        for _ in 0..TIMES {
            black_box(refs.find(&name).await.expect("find"));
        }
    });
    fixture
}

#[library_benchmark]
#[bench::mem(Fixture::full())]
fn store_find(fixture: Fixture) -> Fixture {
    fixture.runtime.block_on(async {
        for i in 0..TIMES {
            black_box(fixture.main.find(some_path(i)).await.expect("find"));
        }
    });
    fixture
}

#[library_benchmark]
#[bench::mem(Fixture::full())]
fn store_find_absent(fixture: Fixture) -> Fixture {
    fixture.runtime.block_on(async {
        for i in 0..TIMES {
            let path = some_path(i) + "nope";
            black_box(fixture.main.find(path).await.expect("find"));
        }
    });
    fixture
}

#[library_benchmark]
#[bench::mem(Fixture::full())]
fn store_set(fixture: Fixture) -> Fixture {
    fixture.runtime.block_on(async {
        for i in 0..TIMES {
            fixture.main.set(some_path(i), "new", "m").await.expect("set");
        }
    });
    fixture
}

#[library_benchmark]
#[bench::mem(Fixture::full())]
fn store_test_and_set(fixture: Fixture) -> Fixture {
    fixture.runtime.block_on(async {
        for i in 0..TIMES {
            let old = format!("v{}", i * 7919 % 10_000);
            let set = fixture.main.test_and_set(some_path(i), Some(old), Some("new".into()), "m");
            assert!(set.await.expect("test and set"));
        }
    });
    fixture
}

#[library_benchmark]
#[bench::mem(Fixture::full())]
fn transaction_of_a_hundred(fixture: Fixture) -> Fixture {
    fixture.runtime.block_on(async {
        let mut edit = fixture.main.begin().await.expect("a transaction");
        for i in 0..TIMES {
            edit.set(some_path(i), "new").await.expect("set");
        }
        fixture.main.commit(edit, "m").await.expect("commit");
    });
    fixture
}

#[library_benchmark]
#[bench::mem(Fixture::full())]
fn tree_find(fixture: Fixture) -> Fixture {
    let tree = fixture.tree();
    fixture.runtime.block_on(async {
        for i in 0..TIMES {
            black_box(tree.find(some_path(i)).await.expect("find"));
        }
    });
    fixture
}

#[library_benchmark]
#[bench::mem(Fixture::full())]
fn tree_set(fixture: Fixture) -> Fixture {
    let mut tree = fixture.tree();
    fixture.runtime.block_on(async {
        for i in 0..TIMES {
            tree.set(some_path(i), "new").await.expect("set");
        }
    });
    fixture
}

#[library_benchmark]
#[bench::mem(Fixture::full())]
fn tree_list(fixture: Fixture) -> Fixture {
    let tree = fixture.tree();
    fixture.runtime.block_on(async {
        for i in 0..TIMES {
            let options = ListOptions::default().with_limit(10);
            black_box(tree.list_with(format!("a/{i:03}"), options).await.expect("list"));
        }
    });
    fixture
}

#[library_benchmark]
#[bench::mem(Fixture::forked())]
fn tree_diff((fixture, other): Forked) -> Forked {
    fixture.runtime.block_on(async {
        let (ours, theirs) = (fixture.main.tree().await, other.tree().await);
        let differences = ours.expect("a tree").diff(&theirs.expect("a tree")).collect().await;
        assert_eq!(differences.expect("differences").len(), 200);
    });
    (fixture, other)
}

type Forked = (Fixture, ramus_kv::Store<fixture::Texts>);

#[library_benchmark]
#[bench::mem(Fixture::forked())]
fn merge((fixture, other): Forked) -> Forked {
    fixture.runtime.block_on(async {
        black_box(fixture.main.merge(&other, "m").await.expect("merge").clean().expect("clean"));
    });
    (fixture, other)
}

#[library_benchmark]
#[bench::mem(Fixture::forked())]
fn lcas((fixture, other): Forked) -> Forked {
    fixture.runtime.block_on(async {
        let (ours, theirs) = (fixture.main.head().await, other.head().await);
        let (ours, theirs) = (ours.expect("a head"), theirs.expect("a head"));
        let (ours, theirs) = (ours.expect("a commit"), theirs.expect("a commit"));
        black_box(fixture.repo.lcas(&ours, &theirs).await.expect("ancestors"));
    });
    (fixture, other)
}

#[library_benchmark]
#[bench::mem(Fixture::line(100))]
fn log(fixture: Fixture) -> Fixture {
    fixture.runtime.block_on(async {
        let log = fixture.main.log().await.expect("a log").collect().await.expect("commits");
        assert_eq!(log.len() as u64, TIMES);
    });
    fixture
}

#[library_benchmark]
#[bench::mem(Fixture::line(100))]
fn last_modified(fixture: Fixture) -> Fixture {
    fixture.runtime.block_on(async {
        black_box(fixture.main.last_modified("a").await.expect("a commit"));
    });
    fixture
}

#[library_benchmark]
#[bench::mem(Fixture::line(100))]
fn changes(fixture: Fixture) -> Fixture {
    let begin = ramus_core::Cursor { sequence: 0, ..fixture.position() };
    fixture.runtime.block_on(async {
        black_box(fixture.mem.refs().changes(begin, 100).await.expect("changes"));
    });
    fixture
}

#[library_benchmark]
#[bench::mem(Fixture::full())]
fn watch(fixture: Fixture) -> Fixture {
    fixture.runtime.block_on(async {
        let mut watch = fixture.main.watch(path(0)).await.expect("a watch");
        for i in 0..TIMES {
            fixture.main.set(path(0), i.to_string(), "m").await.expect("set");
            black_box(watch.next().await.expect("an event").expect("a change"));
        }
    });
    fixture
}

#[library_benchmark]
#[bench::mem(Fixture::full())]
fn prove(fixture: Fixture) -> Fixture {
    let tree = fixture.tree();
    fixture.runtime.block_on(async {
        let proof = tree.prove(async |tree| tree.find(path(1234)).await).await;
        black_box(proof.expect("a proof").0.encode());
    });
    fixture
}

fn proof() -> (Fixture, bytes::Bytes) {
    let fixture = Fixture::full();
    let tree = fixture.tree();
    let proof = tree.prove(async |tree| tree.find(path(1234)).await);
    let proof = fixture.runtime.block_on(proof).expect("a proof").0.encode();
    (fixture, proof)
}

#[library_benchmark]
#[bench::mem(proof())]
fn verify((fixture, encoded): (Fixture, bytes::Bytes)) -> Fixture {
    let proof = ramus_kv::Proof::<fixture::Texts>::decode(encoded).expect("a proof");
    let root = proof.before();
    let read = proof.verify(&root, async |tree| tree.find(path(1234)).await);
    assert_eq!(fixture.runtime.block_on(read).expect("proved").as_deref(), Some("v1234"));
    fixture
}

#[library_benchmark]
#[bench::bytes_of_8192(vec![7; 8192])]
fn hash_alone(bytes: Vec<u8>) -> Trivial {
    Trivial::of(&bytes)
}

library_benchmark_group!(
    name = hottest;
    benchmarks =
        blocks_add, blocks_add_again, blocks_find, blocks_find_absent,
        refs_set, refs_test_and_set, refs_find,
        store_find, store_find_absent, store_set, store_test_and_set, transaction_of_a_hundred,
        tree_find, tree_set, tree_list, tree_diff, merge, lcas,
        log, last_modified, changes, watch, prove, verify, hash_alone
);

main!(library_benchmark_groups = hottest);
