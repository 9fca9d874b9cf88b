//! The tests of a backend, one for each law.
//!
//! The names of the laws stand here once more, since a macro cannot read them off the functions. A
//! test of this crate compares the two.

/// Hands the names of the laws of one contract to a macro.
#[doc(hidden)]
#[macro_export]
macro_rules! each_law {
    (blocks, [$($then:tt)+], $($argument:tt)*) => {
        $($then)+! {
            ($($argument)*) blocks:
            finds_what_was_added
            a_block_never_added_is_absent
            equal_values_have_equal_names
            add_names_by_the_hash_of_the_bytes
            name_tells_what_add_returns
            name_stores_nothing
            name_answers_after_close
            adding_again_succeeds
            finds_what_was_added_unsafely
            finds_all_that_was_added_at_once
            no_blocks_can_be_added_at_once
            blocks_added_at_once_may_be_there_already
            mem_agrees_with_find
            what_is_found_at_once_is_what_find_gives
            find_many_gives_one_answer_for_each_key
            find_many_keeps_the_order_of_the_keys
            clones_share_their_blocks
            stores_share_no_blocks
            flush_keeps_every_block
            an_empty_block_is_a_block
            a_block_at_the_limit_is_taken
            blocks_come_back_whole
            a_block_over_the_limit_is_refused
            closed_blocks_refuse_to_read
            closed_blocks_are_not_found_at_once
            closed_blocks_refuse_to_write
            closing_one_clone_closes_all
            closing_again_is_fine
            closing_disturbs_no_other_store
            limits_answer_after_close
            racing_adds_of_one_value_all_succeed
            a_block_stays_found_beside_writers
        }
    };
    (refs, [$($then:tt)+], $($argument:tt)*) => {
        $($then)+! {
            ($($argument)*) refs:
            a_key_never_set_is_absent
            finds_what_was_set_last
            a_removed_key_is_absent
            keys_do_not_disturb_one_another
            mem_agrees_with_find
            what_is_found_at_once_is_what_find_gives
            find_many_gives_one_answer_for_each_key
            find_many_keeps_the_order_of_the_keys
            clones_share_their_refs
            stores_share_no_refs
            closed_refs_refuse_to_read
            closed_refs_are_not_found_at_once
            closed_refs_refuse_to_write
            closing_one_clone_closes_all
            closing_again_is_fine
            closing_disturbs_no_other_store
            limits_answer_after_close
        }
    };
    (update, [$($then:tt)+], $($argument:tt)*) => {
        $($then)+! {
            ($($argument)*) update:
            a_test_that_holds_lets_the_update_pass
            a_test_that_fails_refuses_the_update
            absence_can_be_tested
            an_absent_key_holds_no_value
            a_test_is_judged_when_nothing_would_change
            an_update_is_applied_to_all_its_keys
            a_refused_update_changes_nothing
            a_refusal_names_the_first_key
            a_refusal_says_what_the_key_holds
            a_refusal_says_where_the_log_ends
            removing_an_absent_key_is_applied
            setting_what_is_there_is_applied
            an_update_of_no_key_is_applied
            too_many_keys_are_refused
            as_many_keys_as_allowed_are_taken
            too_long_a_note_is_refused
            the_longest_note_is_taken
            a_seen_beyond_the_end_is_refused
            a_dropped_update_is_whole_or_nothing
        }
    };
    (log, [$($then:tt)+], $($argument:tt)*) => {
        $($then)+! {
            ($($argument)*) log:
            position_is_not_before_an_answer
            position_is_not_beyond_the_end
            changes_begin_after_the_cursor
            changes_leave_nothing_out
            every_update_is_one_record
            a_record_tells_the_old_and_the_new_value
            a_removal_is_recorded
            a_record_leaves_out_keys_that_stayed
            a_record_lists_its_keys_in_order
            an_update_that_changes_nothing_adds_no_record
            an_update_that_changes_nothing_answers_the_end
            a_refused_update_adds_no_record
            a_record_keeps_the_note
            a_record_keeps_the_id
            the_answer_is_the_place_of_the_record
            the_first_record_follows_zero
            sequences_rise
            nothing_lies_between_previous_and_the_record
            a_page_keeps_to_its_limit
            a_page_of_nothing_tells_the_end
            a_page_says_where_the_log_ends
            pages_make_the_whole_log
            another_incarnation_is_truncated
            a_cursor_beyond_the_end_is_truncated
            the_log_keeps_its_capacity
            what_is_no_longer_kept_is_truncated
            truncation_tells_where_to_go_on
            stores_share_no_incarnation
        }
    };
    (once, [$($then:tt)+], $($argument:tt)*) => {
        $($then)+! {
            ($($argument)*) once:
            an_update_sent_again_is_not_applied_again
            an_update_sent_again_is_answered_with_its_place
            an_update_sent_again_is_not_tested_again
            another_id_is_another_update
            a_refused_update_is_judged_anew
            an_update_that_changed_nothing_is_judged_anew
            an_id_of_another_update_is_refused
            a_known_id_is_answered_whatever_was_seen
            an_id_is_known_while_its_record_is_kept
            a_seen_older_than_the_log_is_ambiguous
            a_seen_of_another_incarnation_is_ambiguous
            position_is_of_use_after_ambiguous
            an_ambiguous_update_is_not_applied
            a_seen_that_the_log_goes_on_from_is_judged
        }
    };
    (notices, [$($then:tt)+], $($argument:tt)*) => {
        $($then)+! {
            ($($argument)*) notices:
            a_change_is_noticed
            a_new_key_is_noticed
            a_removal_is_noticed
            an_update_of_many_keys_is_one_notice
            a_notice_is_the_record
            a_notice_comes_after_its_change_is_visible
            a_refused_update_is_not_noticed
            an_update_that_changes_nothing_is_not_noticed
            an_update_sent_again_is_not_noticed_again
            a_subscription_begins_now
            every_subscriber_is_told
            a_writer_waits_for_no_subscriber
            a_slow_subscriber_misses_nothing_in_silence
            a_dropped_subscription_disturbs_nobody
            a_subscription_ends_when_the_store_closes
            a_subscription_of_a_closed_store_is_empty
        }
    };
    (snapshot, [$($then:tt)+], $($argument:tt)*) => {
        $($then)+! {
            ($($argument)*) snapshot:
            a_snapshot_holds_every_entry
            a_snapshot_is_in_key_order
            a_snapshot_of_an_empty_store_is_empty
            a_snapshot_leaves_out_removed_keys
            a_snapshot_keeps_to_its_prefix
            a_key_begins_with_itself
            a_snapshot_sees_no_later_write
            the_log_goes_on_where_a_snapshot_ends
        }
    };
    (races, [$($then:tt)+], $($argument:tt)*) => {
        $($then)+! {
            ($($argument)*) races:
            one_of_racing_tests_wins
            racing_copies_of_an_update_apply_once
            a_reader_never_goes_back
            two_reads_in_a_row_never_go_back
            what_a_read_shows_is_in_the_log
            a_snapshot_sees_updates_whole
            a_snapshot_is_as_of_its_cursor
            the_log_is_the_order_of_updates
            a_follower_of_the_log_misses_nothing
            racing_changes_are_all_noticed
        }
    };
    (watch, [$($then:tt)+], $($argument:tt)*) => {
        $($then)+! {
            ($($argument)*) watch:
            a_watch_gives_a_change
            a_watch_goes_on_after_a_cursor
            a_watch_gives_a_removal
            an_update_of_many_keys_is_one_event
            a_tested_key_is_no_event
            a_refused_update_is_no_event
            an_update_sent_again_is_no_second_event
            a_snapshot_and_its_watch_leave_no_gap
            a_slow_watch_misses_nothing
            a_watch_of_what_is_truncated_resyncs
            a_watch_of_another_incarnation_resyncs
            what_a_watch_gives_is_visible
            the_latest_state_is_never_skipped
            a_watch_beside_writers_gives_the_log
            a_watch_of_a_closed_store_ends
        }
    };
    (storage, [$($then:tt)+], $($argument:tt)*) => {
        $($then)+! {
            ($($argument)*) storage:
            a_ref_can_name_an_added_block
            a_ref_to_an_absent_block_is_refused
            a_write_to_an_absent_block_is_refused
            a_missing_block_changes_nothing
            a_test_may_name_an_absent_block
            a_write_stores_its_blocks
            a_write_applies_its_update
            a_write_may_bring_nothing_new
            a_write_is_judged
            a_write_sent_again_is_not_applied_again
            a_write_sent_again_stores_its_blocks
            a_write_is_one_record
            a_write_is_noticed
            a_write_keeps_to_the_limits
            a_ref_comes_after_its_blocks
            a_dropped_write_leaves_no_ref_without_its_blocks
            closing_closes_blocks_and_refs
            a_closed_storage_refuses_to_write
        }
    };
    (derived, [$($then:tt)+], $($argument:tt)*) => {
        $($then)+! {
            ($($argument)*) derived:
            derived_data_are_absent_at_first
            what_was_replaced_is_loaded
            what_was_appended_is_loaded
            nothing_is_appended_elsewhere
            derived_names_do_not_disturb_one_another
            derived_data_are_no_refs
            clones_share_their_derived_data
            one_of_racing_appends_is_kept
            storages_share_no_derived_data
            a_closed_storage_keeps_no_derived_data
        }
    };
    (sweep, [$($then:tt)+], $($argument:tt)*) => {
        $($then)+! {
            ($($argument)*) sweep:
            what_nothing_protects_is_removed
            what_was_removed_is_absent
            what_was_not_named_stays
            a_pinned_block_stays
            remove_many_counts_what_it_removed
            a_removed_block_can_be_added_again
            a_ref_to_a_removed_block_is_refused
            keys_give_every_block
            a_block_stays_until_its_last_pin_drops
            a_dropped_pin_protects_no_more
            a_block_can_be_pinned_before_it_is_added
            a_block_added_since_begin_stays
            a_block_added_again_since_begin_stays
            a_block_pinned_since_begin_stays
            a_block_pinned_at_begin_stays
            blocks_written_since_begin_stay
            a_later_collection_changes_nothing_for_an_earlier
            pinned_tells_every_pin
            pinned_tells_pins_that_dropped_since
            pinned_forgets_pins_that_dropped_before
            pinned_gives_each_name_once
            a_pinned_block_stays_beside_collections
            a_collection_beside_writers_breaks_no_ref
            what_is_found_stays_when_a_collection_is_finished
            what_was_removed_stays_absent_when_a_collection_is_finished
            a_finished_collection_spares_what_came_since
            finishing_again_is_fine
            a_closed_sweep_refuses
        }
    };
}

/// Makes a test of each law of one contract.
#[doc(hidden)]
#[macro_export]
macro_rules! law_tests {
    (($subject:path) $contract:ident: $($law:ident)*) => {
        mod $contract {
            $(
                #[test]
                fn $law() {
                    $crate::run($crate::laws::$contract::$law(&$subject()));
                }
            )*
        }
    };
}

/// Makes a test of each law of content-addressable stores, for a
/// [`BlocksSubject`](crate::BlocksSubject).
///
/// The tests come into a module `blocks`; call the macro in a module of its own for each store.
///
/// ```
/// # mod laws_of_my_blocks {
/// use ramus_core::Sha1;
/// use ramus_mem::MemBlocks;
/// use ramus_testkit::OpenBlocks;
///
/// ramus_testkit::blocks_laws!(OpenBlocks::new(
///     async || MemBlocks::<Sha1, String>::new(),
///     |number| format!("value {number}"),
///     |value: &String| value.clone().into_bytes(),
/// ));
/// # }
/// ```
#[macro_export]
macro_rules! blocks_laws {
    ($subject:expr) => {
        fn blocks_subject() -> impl $crate::BlocksSubject {
            $subject
        }

        $crate::each_law!(blocks, [$crate::law_tests], super::blocks_subject);
    };
}

/// Makes a test of each law of atomic-write stores, for a [`RefsSubject`](crate::RefsSubject).
///
/// The tests come into a module for each part of the contract; call the macro in a module of its
/// own for each store.
///
/// ```
/// # mod laws_of_my_refs {
/// use ramus_mem::{MemOptions, MemRefs};
/// use ramus_testkit::OpenRefs;
///
/// ramus_testkit::refs_laws!(
///     OpenRefs::new(
///         async || MemRefs::<String, u64>::new(&MemOptions::default().with_log_changes_max(200)),
///         |number| format!("key/{number}"),
///         |number| number as u64,
///     )
///     .with_log_capacity(200)
/// );
/// # }
/// ```
#[macro_export]
macro_rules! refs_laws {
    ($subject:expr) => {
        fn refs_subject() -> impl $crate::RefsSubject {
            $subject
        }

        $crate::each_law!(refs, [$crate::law_tests], super::refs_subject);
        $crate::each_law!(update, [$crate::law_tests], super::refs_subject);
        $crate::each_law!(log, [$crate::law_tests], super::refs_subject);
        $crate::each_law!(once, [$crate::law_tests], super::refs_subject);
        $crate::each_law!(notices, [$crate::law_tests], super::refs_subject);
        $crate::each_law!(snapshot, [$crate::law_tests], super::refs_subject);
        $crate::each_law!(races, [$crate::law_tests], super::refs_subject);
        $crate::each_law!(watch, [$crate::law_tests], super::refs_subject);
    };
}

/// Makes a test of each law of a storage, for a [`StorageSubject`](crate::StorageSubject): the laws
/// of its blocks, of its refs, and of both in one place.
///
/// Call the macro in a module of its own for each storage.
///
/// ```
/// # mod laws_of_my_storage {
/// use ramus_core::Sha1;
/// use ramus_mem::Mem;
/// use ramus_testkit::OpenStorage;
///
/// ramus_testkit::storage_laws!(OpenStorage::new(async || Mem::<Sha1>::default()));
/// # }
/// ```
#[macro_export]
macro_rules! storage_laws {
    ($subject:expr) => {
        fn storage_subject() -> impl $crate::StorageSubject {
            $subject
        }

        $crate::blocks_laws!($crate::BlocksOf(storage_subject()));
        $crate::refs_laws!($crate::RefsOf(storage_subject()));
        $crate::each_law!(storage, [$crate::law_tests], super::storage_subject);
    };
}

/// Makes a test of each law of the derived data of a [`Storage`](ramus_core::Storage), for a
/// [`StorageSubject`](crate::StorageSubject) whose storages keep some.
///
/// ```
/// # mod laws_of_my_derived_data {
/// use ramus_core::Sha1;
/// use ramus_mem::Mem;
/// use ramus_testkit::OpenStorage;
///
/// ramus_testkit::derived_laws!(OpenStorage::new(async || Mem::<Sha1>::default()));
/// # }
/// ```
#[macro_export]
macro_rules! derived_laws {
    ($subject:expr) => {
        fn derived_subject() -> impl $crate::StorageSubject {
            $subject
        }

        $crate::each_law!(derived, [$crate::law_tests], super::derived_subject);
    };
}

/// Makes a test of each law of [`Sweep`](ramus_core::Sweep), for a
/// [`StorageSubject`](crate::StorageSubject) whose storages offer one.
///
/// ```
/// # mod laws_of_my_sweep {
/// use ramus_core::Sha1;
/// use ramus_mem::Mem;
/// use ramus_testkit::OpenStorage;
///
/// ramus_testkit::sweep_laws!(OpenStorage::new(async || Mem::<Sha1>::default()));
/// # }
/// ```
#[macro_export]
macro_rules! sweep_laws {
    ($subject:expr) => {
        fn sweep_subject() -> impl $crate::StorageSubject {
            $subject
        }

        $crate::each_law!(sweep, [$crate::law_tests], super::sweep_subject);
    };
}
