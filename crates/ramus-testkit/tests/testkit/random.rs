//! The model and the checker of histories: they hold of the sound store, and see what is wrong with a
//! broken one.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ramus_testkit::linear::{Answer, Call, Operation, check, histories_are_linearizable};
use ramus_testkit::{Campaign, RefsOf, follows_the_model};

use crate::broken::{BrokenSubject, Fault};

const SHORT: Campaign = Campaign { seed: 1, scale: 1 };

/// Returns whether a check passes, on one thread, so that it is the same every time.
fn passes(check: impl Future<Output = ()>) -> bool {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    catch_unwind(AssertUnwindSafe(|| runtime.block_on(check))).is_ok()
}

#[test]
fn the_sound_store_follows_the_model() {
    for seed in 1..5 {
        let campaign = Campaign { seed, scale: 1 };
        assert!(passes(follows_the_model(&BrokenSubject::new(None), campaign, 400)));
    }
}

#[test]
fn the_model_sees_what_is_wrong() {
    let faults = [
        Fault::AddStoresNothing,
        Fault::AbsenceMeetsEveryTest,
        Fault::CursorSkipsOne,
        Fault::DanglingRefsAreTaken,
        Fault::FirstValueStays,
        Fault::NoopIdsAreRemembered,
        Fault::NoopIsRecorded,
        Fault::NoopTestsAreSkipped,
        Fault::OldValueIsLost,
        Fault::PageLimitIsIgnored,
        Fault::PrefixIsIgnored,
        Fault::RecordsLoseTheNote,
        Fault::RefusalNamesTheLast,
        Fault::RefusalsComeTooLate,
        Fault::RemovalsAreNotRecorded,
        Fault::SentAgainIsAppliedAgain,
        Fault::SnapshotCursorIsOld,
        Fault::TestsAreIgnored,
        Fault::TruncationIsSilent,
        Fault::WriteStoresOneBlock,
    ];
    let missed: Vec<_> = faults
        .into_iter()
        .filter(|fault| passes(follows_the_model(&BrokenSubject::new(Some(*fault)), SHORT, 2000)))
        .collect();
    assert!(missed.is_empty(), "faults that the model did not see: {missed:?}");
}

#[test]
fn histories_of_the_sound_store_are_linearizable() {
    let subject = RefsOf(BrokenSubject::new(None));
    assert!(passes(histories_are_linearizable(&subject, SHORT, 300)));
}

#[test]
fn recorded_histories_show_what_is_wrong() {
    let faults = [
        Fault::KeysAreAppliedOneByOne,
        Fault::ReadsAreStale,
        Fault::SnapshotIsMixed,
        Fault::TestsAreIgnored,
        Fault::TestsRace,
    ];
    for fault in faults {
        let subject = RefsOf(BrokenSubject::new(Some(fault)));
        let seen = !passes(histories_are_linearizable(&subject, SHORT, 300));
        assert!(seen, "{fault:?} was not seen");
    }
}

/// A key, what it must hold, if anything is asked of it, and what it will hold.
type Edit = (usize, Option<Option<usize>>, Option<usize>);

/// An update of keys, from one moment to another.
fn update([called, answered]: [u64; 2], edits: &[Edit], answer: Answer) -> Call {
    let edits = edits.iter().map(|(key, test, set)| (*key, (*test, *set))).collect();
    Call { called, answered, operation: Operation::Update(edits), answer }
}

fn find([called, answered]: [u64; 2], key: usize, found: Option<usize>) -> Call {
    Call { called, answered, operation: Operation::Find(key), answer: Answer::Found(found) }
}

fn snapshot([called, answered]: [u64; 2], entries: &[(usize, usize)]) -> Call {
    let answer = Answer::Entries(entries.iter().copied().collect());
    Call { called, answered, operation: Operation::Snapshot, answer }
}

/// Sets two keys to one value.
fn both(moments: [u64; 2], value: usize) -> Call {
    update(moments, &[(0, None, Some(value)), (1, None, Some(value))], Answer::Applied)
}

#[test]
fn a_history_that_an_order_explains_is_taken() {
    assert_eq!(check(&[]), Ok(vec![]));
    // The read overlaps the write: it may come before it or after it.
    assert_eq!(check(&[both([0, 3], 1), find([1, 2], 0, None)]), Ok(vec![1, 0]));
    assert_eq!(check(&[both([0, 3], 1), find([1, 2], 0, Some(1))]), Ok(vec![0, 1]));
    // Two writes overlap, and the reads after both say which came last.
    let writes = [both([0, 3], 1), both([1, 2], 2)];
    let history = [&writes[..], &[find([4, 5], 0, Some(1)), find([6, 7], 1, Some(1))]].concat();
    assert_eq!(check(&history), Ok(vec![1, 0, 2, 3]));
    // Of two that want the key for themselves one is refused, told what the other set.
    let create = |moments, value, answer| update(moments, &[(0, Some(None), Some(value))], answer);
    let refused = create([0, 3], 1, Answer::Refused(0, Some(2)));
    assert!(check(&[refused, create([1, 2], 2, Answer::Applied)]).is_ok());
}

#[test]
fn a_read_that_misses_an_answered_write_is_not_linearizable() {
    assert!(check(&[both([0, 1], 1), find([2, 3], 0, None)]).is_err());
}

#[test]
fn two_tests_of_one_state_that_both_hold_are_not_linearizable() {
    let create = |value| update([0, 1], &[(0, Some(None), Some(value))], Answer::Applied);
    assert!(check(&[create(1), create(2)]).is_err());
}

#[test]
fn half_an_update_is_not_linearizable() {
    // One key is read new, and then the other old, while the write runs.
    let reads = |second| [both([0, 5], 1), find([1, 2], 0, Some(1)), find([3, 4], 1, second)];
    assert!(check(&reads(None)).is_err());
    assert!(check(&reads(Some(1))).is_ok());
}

#[test]
fn a_snapshot_of_mixed_states_is_not_linearizable() {
    let seen = |entries: &[_]| check(&[both([0, 3], 1), snapshot([1, 2], entries)]);
    assert!(seen(&[(0, 1)]).is_err());
    assert!(seen(&[]).is_ok() && seen(&[(0, 1), (1, 1)]).is_ok());
}

#[test]
fn a_reader_that_goes_back_is_not_linearizable() {
    let writes = [both([0, 1], 1), both([2, 7], 2)];
    let reads = [find([3, 4], 0, Some(2)), find([5, 6], 0, Some(1))];
    assert!(check(&[&writes[..], &reads[..]].concat()).is_err());
}

#[test]
fn a_refusal_that_nothing_explains_is_not_linearizable() {
    let refused = |holds| [update([0, 1], &[(0, Some(None), Some(1))], Answer::Refused(0, holds))];
    assert!(check(&refused(Some(2))).is_err());
    assert!(check(&refused(None)).is_err());
}
