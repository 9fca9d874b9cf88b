//! Every law fails on a store with the fault that was seeded for it, and is the first of its contract
//! to do so; on the sound store every law holds.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::time::Duration;

use ramus_testkit::{BlocksOf, RefsOf, laws};

use crate::broken::{BrokenSubject, Fault};

/// A law, and how to try it on a storage with a fault.
pub(crate) struct Law {
    pub(crate) contract: &'static str,
    pub(crate) name: &'static str,
    trial: fn(Option<Fault>) -> Trial,
}

type Trial = Pin<Box<dyn Future<Output = ()>>>;

/// What is seeded for a law.
pub(crate) struct Seeded {
    pub(crate) contract: &'static str,
    pub(crate) law: &'static str,
    pub(crate) fault: Fault,
}

macro_rules! trials {
    (($subject:expr) $contract:ident: $($law:ident)*) => {
        vec![$(Law {
            contract: stringify!($contract),
            name: stringify!($law),
            trial: |fault| {
                let subject = $subject(BrokenSubject::new(fault));
                Box::pin(async move { laws::$contract::$law(&subject).await })
            },
        }),*]
    };
}

/// Returns every law, by contract, in the order in which they stand.
pub(crate) fn laws() -> Vec<Vec<Law>> {
    use std::convert::identity as whole;

    vec![
        ramus_testkit::each_law!(blocks, [trials], BlocksOf),
        ramus_testkit::each_law!(refs, [trials], RefsOf),
        ramus_testkit::each_law!(update, [trials], RefsOf),
        ramus_testkit::each_law!(log, [trials], RefsOf),
        ramus_testkit::each_law!(once, [trials], RefsOf),
        ramus_testkit::each_law!(notices, [trials], RefsOf),
        ramus_testkit::each_law!(snapshot, [trials], RefsOf),
        ramus_testkit::each_law!(races, [trials], RefsOf),
        ramus_testkit::each_law!(watch, [trials], RefsOf),
        ramus_testkit::each_law!(storage, [trials], whole),
        ramus_testkit::each_law!(derived, [trials], whole),
        ramus_testkit::each_law!(sweep, [trials], whole),
    ]
}

/// Returns whether a law holds of the storage with this fault.
///
/// One thread and a paused clock: what never comes is known at once, and every run is the same.
fn holds(law: &Law, fault: Option<Fault>) -> bool {
    const PATIENCE: Duration = Duration::from_secs(1000);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let trial = async { tokio::time::timeout(PATIENCE, (law.trial)(fault)).await };
    matches!(catch_unwind(AssertUnwindSafe(|| runtime.block_on(trial))), Ok(Ok(())))
}

#[test]
fn every_law_holds_of_the_sound_store() {
    let laws = laws();
    let broken: Vec<_> = laws.iter().flatten().filter(|law| !holds(law, None)).collect();
    let names: Vec<_> =
        broken.iter().map(|law| format!("{}::{}", law.contract, law.name)).collect();
    assert!(names.is_empty(), "broken on the sound store: {names:#?}");
}

#[test]
fn every_law_catches_its_fault_first() {
    let (laws, mut wrong) = (laws(), Vec::new());
    for contract in &laws {
        for seeded in seeded().iter().filter(|seeded| seeded.contract == contract[0].contract) {
            let first = contract.iter().find(|law| !holds(law, Some(seeded.fault)));
            let first = first.map_or("none", |law| law.name);
            if first != seeded.law {
                let Seeded { contract, law, fault } = seeded;
                wrong.push(format!("{contract}: {fault:?} was for {law}, and {first} caught it"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of the faults:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_law_has_a_fault_and_every_fault_a_law() {
    let seeded = seeded();
    let with_fault: BTreeSet<_> = seeded.iter().map(|one| (one.contract, one.law)).collect();
    assert_eq!(with_fault.len(), seeded.len(), "one fault for each law");
    let all: Vec<_> = laws().into_iter().flatten().collect();
    let all: BTreeSet<_> = all.iter().map(|law| (law.contract, law.name)).collect();
    let missing: Vec<_> = all.symmetric_difference(&with_fault).collect();
    assert!(missing.is_empty(), "laws without a fault, or faults without a law: {missing:#?}");
    let unused: Vec<_> = Fault::ALL
        .iter()
        .filter(|fault| seeded.iter().all(|seeded| seeded.fault != **fault))
        .collect();
    assert!(unused.is_empty(), "faults that nobody seeds: {unused:?}");
}

macro_rules! seeded {
    ($($contract:ident { $($law:ident: $fault:ident,)* })*) => {
        /// Returns the fault of each law.
        pub(crate) fn seeded() -> Vec<Seeded> {
            vec![$($(Seeded {
                contract: stringify!($contract),
                law: stringify!($law),
                fault: Fault::$fault,
            },)*)*]
        }
    };
}

seeded! {
    blocks {
        finds_what_was_added: AddStoresNothing,
        a_block_never_added_is_absent: AbsentIsAnError,
        equal_values_have_equal_names: NamesAreSalted,
        add_names_by_the_hash_of_the_bytes: NamesAreOfOtherBytes,
        name_tells_what_add_returns: NameIsOfOtherBytes,
        name_stores_nothing: NameStores,
        name_answers_after_close: NameRefusesClosed,
        adding_again_succeeds: AddingAgainFails,
        finds_what_was_added_unsafely: UnsafeAddStoresNothing,
        finds_all_that_was_added_at_once: LastOfManyIsLost,
        no_blocks_can_be_added_at_once: NothingAtOnceFails,
        blocks_added_at_once_may_be_there_already: KnownAmongManyFails,
        mem_agrees_with_find: MemSaysNo,
        what_is_found_at_once_is_what_find_gives: FindNowSaysAbsent,
        find_many_gives_one_answer_for_each_key: FindManyAnswersOnce,
        find_many_keeps_the_order_of_the_keys: FindManyPutsAbsentLast,
        clones_share_their_blocks: ClonesAreCopies,
        stores_share_no_blocks: StoresAreOne,
        flush_keeps_every_block: FlushDropsBlocks,
        an_empty_block_is_a_block: EmptyIsAbsent,
        a_block_at_the_limit_is_taken: BlockLimitIsOneLess,
        blocks_come_back_whole: LongBlocksAreCut,
        a_block_over_the_limit_is_refused: BlockLimitIsNotKept,
        closed_blocks_refuse_to_read: ClosedStoresRead,
        closed_blocks_are_not_found_at_once: ClosedBlocksFindNow,
        closed_blocks_refuse_to_write: ClosedBlocksWrite,
        closing_one_clone_closes_all: CloseIsOfOneHandle,
        closing_again_is_fine: ClosingAgainFails,
        closing_disturbs_no_other_store: ClosingClosesAll,
        limits_answer_after_close: LimitsGoWithClose,
        racing_adds_of_one_value_all_succeed: RacingAddsFail,
        a_block_stays_found_beside_writers: AddsOverwriteEachOther,
    }
    refs {
        a_key_never_set_is_absent: AbsentIsAnError,
        finds_what_was_set_last: FirstValueStays,
        a_removed_key_is_absent: RemovalKeepsTheValue,
        keys_do_not_disturb_one_another: RemovedKeysGoTogether,
        mem_agrees_with_find: MemRemembersRemovedKeys,
        what_is_found_at_once_is_what_find_gives: FindNowRemembers,
        find_many_gives_one_answer_for_each_key: FindManyAnswersOnce,
        find_many_keeps_the_order_of_the_keys: FindManyPutsAbsentLast,
        clones_share_their_refs: ClonesAreCopies,
        stores_share_no_refs: StoresAreOne,
        closed_refs_refuse_to_read: ClosedStoresRead,
        closed_refs_are_not_found_at_once: ClosedRefsFindNow,
        closed_refs_refuse_to_write: ClosedRefsWrite,
        closing_one_clone_closes_all: CloseIsOfOneHandle,
        closing_again_is_fine: ClosingAgainFails,
        closing_disturbs_no_other_store: ClosingClosesAll,
        limits_answer_after_close: LimitsGoWithClose,
    }
    update {
        a_test_that_holds_lets_the_update_pass: TestsNeverHold,
        a_test_that_fails_refuses_the_update: TestsAreIgnored,
        absence_can_be_tested: NothingMeansAnything,
        an_absent_key_holds_no_value: AbsenceMeetsEveryTest,
        a_test_is_judged_when_nothing_would_change: NoopTestsAreSkipped,
        an_update_is_applied_to_all_its_keys: OnlyTheFirstKeyIsApplied,
        a_refused_update_changes_nothing: RefusalsComeTooLate,
        a_refusal_names_the_first_key: RefusalNamesTheLast,
        a_refusal_says_what_the_key_holds: RefusalHoldsTheTest,
        a_refusal_says_where_the_log_ends: RefusalForgetsThePlace,
        removing_an_absent_key_is_applied: RemovalNeedsTheKey,
        setting_what_is_there_is_applied: NoopIsRefused,
        an_update_of_no_key_is_applied: EmptyUpdatesFail,
        too_many_keys_are_refused: KeyLimitIsNotKept,
        as_many_keys_as_allowed_are_taken: KeyLimitIsOneLess,
        too_long_a_note_is_refused: NoteLimitIsNotKept,
        the_longest_note_is_taken: NoteLimitIsOneLess,
        a_seen_beyond_the_end_is_refused: FutureIsBelieved,
        a_dropped_update_is_whole_or_nothing: DroppedHalfway,
    }
    log {
        position_is_not_before_an_answer: PositionLags,
        position_is_not_beyond_the_end: PositionIsBeyond,
        changes_begin_after_the_cursor: CursorIsIncluded,
        changes_leave_nothing_out: CursorSkipsOne,
        every_update_is_one_record: RecordPerKey,
        a_record_tells_the_old_and_the_new_value: OldValueIsLost,
        a_removal_is_recorded: RemovalsAreNotRecorded,
        a_record_leaves_out_keys_that_stayed: StayedKeysAreRecorded,
        a_record_lists_its_keys_in_order: RecordsAreUnsorted,
        an_update_that_changes_nothing_adds_no_record: NoopIsRecorded,
        an_update_that_changes_nothing_answers_the_end: NoopAnswersTheNext,
        a_refused_update_adds_no_record: RefusalsAreRecorded,
        a_record_keeps_the_note: RecordsLoseTheNote,
        a_record_keeps_the_id: RecordsLoseTheId,
        the_answer_is_the_place_of_the_record: LateAnswersAreOffByOne,
        the_first_record_follows_zero: FirstRecordFollowsAnother,
        sequences_rise: SequencesStall,
        nothing_lies_between_previous_and_the_record: PreviousIsZero,
        a_page_keeps_to_its_limit: PageLimitIsIgnored,
        a_page_of_nothing_tells_the_end: PageOfNothingIsTheLast,
        a_page_says_where_the_log_ends: EndIsWhereThePageEnds,
        pages_make_the_whole_log: NextSkipsOne,
        another_incarnation_is_truncated: IncarnationIsIgnored,
        a_cursor_beyond_the_end_is_truncated: FutureIsAnEmptyPage,
        the_log_keeps_its_capacity: LogKeepsHalf,
        what_is_no_longer_kept_is_truncated: TruncationIsSilent,
        truncation_tells_where_to_go_on: OldestIsTooOld,
        stores_share_no_incarnation: IncarnationIsFixed,
    }
    once {
        an_update_sent_again_is_not_applied_again: SentAgainIsAppliedAgain,
        an_update_sent_again_is_answered_with_its_place: SentAgainAnswersTheEnd,
        an_update_sent_again_is_not_tested_again: TestsComeBeforeIds,
        another_id_is_another_update: UpdatesAreKnownByContent,
        a_refused_update_is_judged_anew: RefusedIdsAreRemembered,
        an_update_that_changed_nothing_is_judged_anew: NoopIdsAreRemembered,
        an_id_of_another_update_is_refused: IdsAreTakenOnTrust,
        a_known_id_is_answered_whatever_was_seen: SeenIsCheckedBeforeIds,
        an_id_is_known_while_its_record_is_kept: IdsAreForgottenEarly,
        a_seen_older_than_the_log_is_ambiguous: OldSeenIsBelieved,
        a_seen_of_another_incarnation_is_ambiguous: OtherIncarnationIsBelieved,
        position_is_of_use_after_ambiguous: AmbiguousSpoilsThePosition,
        an_ambiguous_update_is_not_applied: AmbiguousIsApplied,
        a_seen_that_the_log_goes_on_from_is_judged: EdgeOfTheLogIsAmbiguous,
    }
    notices {
        a_change_is_noticed: ChangesAreNotNoticed,
        a_new_key_is_noticed: NewKeysAreNotNoticed,
        a_removal_is_noticed: RemovalsAreNotNoticed,
        an_update_of_many_keys_is_one_notice: NoticePerKey,
        a_notice_is_the_record: NoticeLosesTheNote,
        a_notice_comes_after_its_change_is_visible: NoticeComesBeforeTheChange,
        a_refused_update_is_not_noticed: RefusalIsNoticed,
        an_update_that_changes_nothing_is_not_noticed: NoopIsNoticed,
        an_update_sent_again_is_not_noticed_again: SentAgainIsNoticed,
        a_subscription_begins_now: SubscriptionsReplay,
        every_subscriber_is_told: OnlyTheFirstSubscriberIsTold,
        a_writer_waits_for_no_subscriber: WriterWaitsForSubscribers,
        a_slow_subscriber_misses_nothing_in_silence: LagIsSwallowed,
        a_dropped_subscription_disturbs_nobody: DroppedSubscriptionsFailWriters,
        a_subscription_ends_when_the_store_closes: SubscriptionsOutliveClose,
        a_subscription_of_a_closed_store_is_empty: ClosedStoresPromiseNotices,
    }
    snapshot {
        a_snapshot_holds_every_entry: SnapshotMissesTheLast,
        a_snapshot_is_in_key_order: SnapshotIsUnsorted,
        a_snapshot_of_an_empty_store_is_empty: EmptySnapshotsFail,
        a_snapshot_leaves_out_removed_keys: SnapshotKeepsRemovedKeys,
        a_snapshot_keeps_to_its_prefix: PrefixIsIgnored,
        a_key_begins_with_itself: PrefixLeavesOutItself,
        a_snapshot_sees_no_later_write: SnapshotIsReadLate,
        the_log_goes_on_where_a_snapshot_ends: SnapshotCursorIsOld,
    }
    races {
        one_of_racing_tests_wins: TestsRace,
        racing_copies_of_an_update_apply_once: CopiesRace,
        a_reader_never_goes_back: ReadsAreStale,
        two_reads_in_a_row_never_go_back: KeysAreAppliedOneByOne,
        what_a_read_shows_is_in_the_log: LogLagsBehindReads,
        a_snapshot_sees_updates_whole: SnapshotIsMixed,
        a_snapshot_is_as_of_its_cursor: SnapshotRunsAhead,
        the_log_is_the_order_of_updates: LogLagsBehindOthers,
        a_follower_of_the_log_misses_nothing: LowerChangesComeLater,
        racing_changes_are_all_noticed: RacingNoticesAreLost,
    }
    watch {
        a_watch_gives_a_change: ChangesAreNotNoticed,
        a_watch_gives_a_removal: RemovalsAreNotRecorded,
        an_update_of_many_keys_is_one_event: RecordPerKey,
        a_tested_key_is_no_event: StayedKeysAreRecorded,
        a_refused_update_is_no_event: RefusalsAreRecorded,
        an_update_sent_again_is_no_second_event: SentAgainIsAppliedAgain,
        a_watch_goes_on_after_a_cursor: CursorSkipsOne,
        a_snapshot_and_its_watch_leave_no_gap: SnapshotIsReadLate,
        a_slow_watch_misses_nothing: NextSkipsOne,
        a_watch_of_what_is_truncated_resyncs: TruncationIsSilent,
        a_watch_of_another_incarnation_resyncs: IncarnationIsIgnored,
        what_a_watch_gives_is_visible: NoticeComesBeforeTheChange,
        the_latest_state_is_never_skipped: LaterOldValuesAreLost,
        a_watch_beside_writers_gives_the_log: LowerChangesComeLater,
        a_watch_of_a_closed_store_ends: SubscriptionsOutliveClose,
    }
    storage {
        a_ref_can_name_an_added_block: RefsSeeNoBlocks,
        a_ref_to_an_absent_block_is_refused: DanglingRefsAreTaken,
        a_write_to_an_absent_block_is_refused: DanglingWritesAreTaken,
        a_missing_block_changes_nothing: MissingIsAppliedInPart,
        a_test_may_name_an_absent_block: TestsMustExist,
        a_write_stores_its_blocks: WriteStoresOneBlock,
        a_write_applies_its_update: WriteForgetsTheUpdate,
        a_write_may_bring_nothing_new: WriteWantsNewBlocks,
        a_write_is_judged: WriteIgnoresTests,
        a_write_sent_again_is_not_applied_again: WriteTakesANewId,
        a_write_sent_again_stores_its_blocks: KnownWritesStoreNothing,
        a_write_is_one_record: WriteDropsTheNote,
        a_write_is_noticed: WritesAreNotNoticed,
        a_write_keeps_to_the_limits: WriteKeepsNoLimits,
        a_ref_comes_after_its_blocks: RefComesBeforeItsBlocks,
        a_dropped_write_leaves_no_ref_without_its_blocks: DroppedWriteMovesItsRef,
        closing_closes_blocks_and_refs: CloseForgetsTheBlocks,
        a_closed_storage_refuses_to_write: ClosedStoragesWrite,
    }
    derived {
        derived_data_are_absent_at_first: AbsentDerivedIsEmpty,
        what_was_replaced_is_loaded: ReplaceLeavesTheRest,
        what_was_appended_is_loaded: AppendReplaces,
        nothing_is_appended_elsewhere: AppendIgnoresThePlace,
        one_of_racing_appends_is_kept: AppendsRace,
        derived_names_do_not_disturb_one_another: NamespacesShareDerived,
        derived_data_are_no_refs: DerivedIsARef,
        clones_share_their_derived_data: ClonesAreCopies,
        storages_share_no_derived_data: StoresAreOne,
        a_closed_storage_keeps_no_derived_data: ClosedStoragesKeepDerived,
    }
    sweep {
        what_nothing_protects_is_removed: SweepRemovesNothing,
        what_was_removed_is_absent: RemovedIsStillFound,
        what_was_not_named_stays: SweepRemovesEverything,
        a_pinned_block_stays: PinsAreIgnored,
        remove_many_counts_what_it_removed: CountIsOfTheNamed,
        a_removed_block_can_be_added_again: RemovedStaysRemoved,
        a_ref_to_a_removed_block_is_refused: RefsRememberBlocks,
        keys_give_every_block: KeysLeaveOneOut,
        a_block_stays_until_its_last_pin_drops: FirstDropUnpins,
        a_dropped_pin_protects_no_more: PinsLeak,
        a_block_can_be_pinned_before_it_is_added: PinsNeedABlock,
        a_block_added_since_begin_stays: NewBlocksAreRemoved,
        a_block_added_again_since_begin_stays: AddingAgainLeavesNoMark,
        a_block_pinned_since_begin_stays: PinsLeaveNoMark,
        a_block_pinned_at_begin_stays: DroppedPinsLeaveNoMark,
        blocks_written_since_begin_stay: WritesLeaveNoMark,
        a_later_collection_changes_nothing_for_an_earlier: OnlyTheLastCollectionCounts,
        pinned_tells_every_pin: PinnedLeavesOutAbsent,
        pinned_tells_pins_that_dropped_since: PinnedForgetsDropped,
        pinned_forgets_pins_that_dropped_before: PinnedRemembersAll,
        pinned_gives_each_name_once: PinnedRepeats,
        a_pinned_block_stays_beside_collections: PinsRaceWithRemoval,
        a_collection_beside_writers_breaks_no_ref: WritesAreSplit,
        what_is_found_stays_when_a_collection_is_finished: FinishRemovesTheRest,
        what_was_removed_stays_absent_when_a_collection_is_finished: FinishBringsBack,
        a_finished_collection_spares_what_came_since: FinishForgetsTheMarks,
        finishing_again_is_fine: FinishesOnce,
        a_closed_sweep_refuses: ClosedSweepsAnswer,
    }
}
