/// Defines the faults, each with what it does.
macro_rules! faults {
    ($($name:ident: $text:literal,)*) => {
        /// What is wrong with a broken storage.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Fault {
            $(#[doc = $text] $name,)*
        }

        impl Fault {
            /// Every fault.
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)*];

            /// Returns what the fault does.
            pub(crate) const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

faults! {
    // Both halves of a storage.
    AbsentIsAnError: "`find` of what is absent is an error",
    FindManyAnswersOnce: "`find_many` answers equal neighbours once",
    FindManyPutsAbsentLast: "`find_many` puts what is absent last",
    ClonesAreCopies: "a clone has data of its own",
    StoresAreOne: "every opening gives the same store",
    ClosedStoresRead: "a closed store goes on reading",
    CloseIsOfOneHandle: "closing one clone leaves the others open",
    ClosingAgainFails: "closing again is an error",
    ClosingClosesAll: "closing a store closes every other one",
    LimitsGoWithClose: "a closed store has other limits",

    // Blocks.
    AddStoresNothing: "`add` stores nothing",
    NamesAreSalted: "names depend on the store",
    NamesAreOfOtherBytes: "`add` stores under the hash of other bytes",
    NameIsOfOtherBytes: "`name` gives another name than `add`",
    NameStores: "`name` stores the value",
    NameRefusesClosed: "`name` of a closed store is an error",
    AddingAgainFails: "adding what is there is an error",
    UnsafeAddStoresNothing: "`unsafe_add` stores nothing",
    LastOfManyIsLost: "`unsafe_add_many` loses its last block",
    NothingAtOnceFails: "`unsafe_add_many` of no blocks is an error",
    KnownAmongManyFails: "`unsafe_add_many` refuses blocks that are there",
    MemSaysNo: "`mem` always says no",
    FlushDropsBlocks: "`flush` drops the blocks",
    EmptyIsAbsent: "a block of no bytes counts as absent",
    BlockLimitIsOneLess: "the largest block is refused",
    LongBlocksAreCut: "a long block is cut",
    BlockLimitIsNotKept: "blocks over the limit are taken",
    FindNowSaysAbsent: "`find_now` says of blocks that are there that they are absent",
    ClosedBlocksFindNow: "closed blocks go on answering at once",
    ClosedBlocksWrite: "closed blocks go on writing",
    RacingAddsFail: "adding what somebody else is adding fails",
    AddsOverwriteEachOther: "racing adds overwrite each other's blocks",

    // Reading refs.
    FirstValueStays: "a key keeps its first value",
    RemovalKeepsTheValue: "a removal leaves the value",
    RemovedKeysGoTogether: "a removal takes the keys that begin with the key along",
    MemRemembersRemovedKeys: "`mem` remembers removed keys",
    FindNowRemembers: "`find_now` remembers removed keys",
    ClosedRefsFindNow: "closed refs go on answering at once",
    ClosedRefsWrite: "closed refs go on writing",

    // Judging updates.
    TestsNeverHold: "a test of a value never holds",
    TestsAreIgnored: "a test of a value is not made",
    NothingMeansAnything: "a test of absence is not made",
    AbsenceMeetsEveryTest: "an absent key meets every test",
    NoopTestsAreSkipped: "the test is not made when the key holds what it would be set to",
    OnlyTheFirstKeyIsApplied: "half an update is applied: its first key",
    RefusalsComeTooLate: "a refused update has changed the keys before the failing one",
    RefusalNamesTheLast: "a refusal names the last key that failed",
    RefusalHoldsTheTest: "a refusal gives the value tested for, not the one held",
    RefusalForgetsThePlace: "a refusal says that the log ends at 0",
    RemovalNeedsTheKey: "removing an absent key is refused",
    NoopIsRefused: "setting a key to what it holds is refused",
    EmptyUpdatesFail: "an update of no key is an error",
    KeyLimitIsNotKept: "updates of too many keys are taken",
    KeyLimitIsOneLess: "an update of the most keys is refused",
    NoteLimitIsNotKept: "too long notes are taken",
    NoteLimitIsOneLess: "the longest note is refused",
    FutureIsBelieved: "a `seen` beyond the end is taken",
    DroppedHalfway: "a dropped update has changed some of its keys",

    // The log.
    PositionLags: "`position` stays one change behind",
    PositionIsBeyond: "`position` is one change ahead",
    CursorIsIncluded: "a cursor is off by one: its own record comes again",
    CursorSkipsOne: "a cursor is off by one: its successor is left out",
    RecordPerKey: "an update of several keys is several records",
    OldValueIsLost: "a record has no old values",
    LaterOldValuesAreLost: "records have no old values, after the first eight",
    RemovalsAreNotRecorded: "a removal is not recorded",
    StayedKeysAreRecorded: "a record lists keys that stayed",
    RecordsAreUnsorted: "a record lists its keys backwards",
    NoopIsRecorded: "an update that changes nothing is recorded",
    NoopAnswersTheNext: "an update that changes nothing answers with the next place",
    RefusalsAreRecorded: "a refused update is recorded",
    RecordsLoseTheNote: "a record has no note",
    RecordsLoseTheId: "a record has another id",
    LateAnswersAreOffByOne: "an answer is the place before the record",
    FirstRecordFollowsAnother: "the first record says that another is before it",
    SequencesStall: "the sequence stops rising",
    PreviousIsZero: "`previous` is always 0",
    PageLimitIsIgnored: "a page ignores its limit",
    PageOfNothingIsTheLast: "a page of nothing says that it is the last",
    EndIsWhereThePageEnds: "a cut page says that the log ends with it",
    NextSkipsOne: "the `next` of a page skips a record",
    IncarnationIsIgnored: "cursors of other incarnations are taken",
    FutureIsAnEmptyPage: "after a cursor beyond the end comes an empty page",
    LogKeepsHalf: "the log keeps half of what it should",
    TruncationIsSilent: "a gap is taken for the successor: a page begins with what is kept",
    OldestIsTooOld: "a truncated log tells a place that it no longer goes on from",
    IncarnationIsFixed: "every store is of the same incarnation",

    // Exactly once.
    SentAgainIsAppliedAgain: "an update is applied a second time after a lost answer",
    SentAgainAnswersTheEnd: "an update sent again is answered with the end of the log",
    TestsComeBeforeIds: "an update sent again fails its own test",
    UpdatesAreKnownByContent: "updates that ask for the same are taken for one",
    RefusedIdsAreRemembered: "the id of a refused update is remembered",
    NoopIdsAreRemembered: "the id of an update that changed nothing is remembered",
    IdsAreTakenOnTrust: "an id that another update used is answered with the place of that one",
    SeenIsCheckedBeforeIds: "`seen` is checked before the id is looked up",
    IdsAreForgottenEarly: "ids are forgotten before their records",
    OldSeenIsBelieved: "a `seen` older than the log is taken, and the update applied",
    OtherIncarnationIsBelieved: "a `seen` of another incarnation is taken, and the update applied",
    AmbiguousSpoilsThePosition: "after an ambiguous answer `position` is what the update had seen",
    AmbiguousIsApplied: "an ambiguous update is applied all the same",
    EdgeOfTheLogIsAmbiguous: "the oldest place that the log goes on from counts as too old",

    // Notices.
    ChangesAreNotNoticed: "a change of a key that was there is not told",
    NewKeysAreNotNoticed: "the first value of a key is not told",
    RemovalsAreNotNoticed: "a lost removal event",
    NoticePerKey: "an update of several keys is several notices",
    NoticeLosesTheNote: "a notice has no note",
    NoticeComesBeforeTheChange: "a notice comes before the write is visible",
    RefusalIsNoticed: "a refused update is told",
    NoopIsNoticed: "an update that changes nothing is told",
    SentAgainIsNoticed: "an update sent again is told again",
    SubscriptionsReplay: "a subscription begins with the last change before it",
    OnlyTheFirstSubscriberIsTold: "only one subscriber at a time is told",
    WriterWaitsForSubscribers: "a writer waits for a slow subscriber",
    LagIsSwallowed: "`Lagged` is swallowed",
    DroppedSubscriptionsFailWriters: "updates fail when the last subscriber has gone",
    SubscriptionsOutliveClose: "a subscription does not end with its store",
    ClosedStoresPromiseNotices: "a subscription of a closed store waits for ever",

    // Snapshots.
    SnapshotMissesTheLast: "a snapshot lacks its last entry",
    SnapshotIsUnsorted: "a snapshot is backwards",
    EmptySnapshotsFail: "a snapshot of an empty store is an error",
    SnapshotKeepsRemovedKeys: "a snapshot holds removed keys",
    PrefixIsIgnored: "a snapshot ignores its prefix",
    PrefixLeavesOutItself: "a snapshot leaves out the key that is its prefix",
    SnapshotIsReadLate: "a snapshot is read when its pages are",
    SnapshotCursorIsOld: "the cursor of a snapshot is that of an older state",

    // Races of refs.
    TestsRace: "an update is judged in one step and applied in another",
    CopiesRace: "an id is looked up in one step and remembered in another",
    ReadsAreStale: "every third read gives the value before",
    KeysAreAppliedOneByOne: "half an update is visible: its keys are applied one by one",
    LogLagsBehindReads: "a change is visible to reads before it is in the log",
    SnapshotIsMixed: "a snapshot is read key by key, of mixed states",
    SnapshotRunsAhead: "a snapshot is newer than its cursor",
    LogLagsBehindOthers: "racing updates are logged in another order than they were applied in",
    LowerChangesComeLater: "a lower sequence becomes visible after a higher one",
    RacingNoticesAreLost: "the notice of an update is lost while another one runs",

    // Storages.
    RefsSeeNoBlocks: "refs see no block",
    DanglingRefsAreTaken: "refs to absent blocks are taken",
    DanglingWritesAreTaken: "`write` takes refs to absent blocks",
    MissingIsAppliedInPart: "an update that names an absent block has changed the keys before",
    TestsMustExist: "a test of a value whose block is absent answers `Missing`",
    WriteStoresOneBlock: "`write` stores its first block only",
    WriteForgetsTheUpdate: "`write` forgets its update",
    WriteWantsNewBlocks: "`write` refuses to bring nothing new",
    WriteIgnoresTests: "`write` ignores the tests of its update",
    WriteTakesANewId: "`write` gives its update a new id",
    KnownWritesStoreNothing: "a `write` whose update is known stores no blocks",
    WriteDropsTheNote: "`write` drops the note",
    WritesAreNotNoticed: "a `write` is not told",
    WriteKeepsNoLimits: "`write` keeps to no limits",
    RefComesBeforeItsBlocks: "`write` moves the refs before it stores the blocks",
    DroppedWriteMovesItsRef: "a dropped `write` has moved its refs without its blocks",
    CloseForgetsTheBlocks: "closing a storage leaves its blocks open",
    ClosedStoragesWrite: "a closed storage goes on writing",

    // Derived data.
    AbsentDerivedIsEmpty: "derived data that were never kept are empty",
    ReplaceLeavesTheRest: "`replace_derived` leaves what the old bytes were longer by",
    AppendReplaces: "`append_derived` replaces what was there",
    AppendIgnoresThePlace: "`append_derived` appends wherever the end is",
    AppendsRace: "racing appends at one place are all kept",
    NamespacesShareDerived: "the names of all namespaces are one",
    DerivedIsARef: "derived data appear among the refs",
    ClosedStoragesKeepDerived: "a closed storage goes on loading and keeping derived data",

    // Sweeps.
    SweepRemovesNothing: "nothing is ever removed",
    RemovedIsStillFound: "what was removed is still found",
    SweepRemovesEverything: "blocks that were not named are removed, too",
    RemovedStaysRemoved: "a removed block cannot be added again",
    RefsRememberBlocks: "a ref may name a block that was removed",
    KeysLeaveOneOut: "`keys` leaves out a block",
    PinsAreIgnored: "a pin is ignored",
    CountIsOfTheNamed: "`remove_many` counts what was named, not what it removed",
    FirstDropUnpins: "the first of two pins to drop ends both",
    PinsLeak: "a dropped pin protects for ever",
    PinsNeedABlock: "a pin of a block that is not there yet is ignored",
    NewBlocksAreRemoved: "a block that is new since the beginning is removed",
    AddingAgainLeavesNoMark: "a block that was added again since the beginning is removed",
    PinsLeaveNoMark: "a block that was pinned since the beginning is removed",
    DroppedPinsLeaveNoMark: "a block whose pin dropped since the beginning is removed",
    WritesLeaveNoMark: "a block that was written again since the beginning is removed",
    OnlyTheLastCollectionCounts: "a collection removes what came after it, when another has begun",
    PinnedLeavesOutAbsent: "`pinned` leaves out blocks that are not there",
    PinnedForgetsDropped: "`pinned` forgets pins that have dropped",
    PinnedRemembersAll: "`pinned` remembers pins that dropped before the beginning",
    PinnedRepeats: "`pinned` gives a name twice",
    PinsRaceWithRemoval: "a block that is pinned while it is removed is removed",
    WritesAreSplit: "a `write` that has not answered protects nothing",
    FinishRemovesTheRest: "`finish` removes what nothing protects, named or not",
    FinishBringsBack: "`finish` brings back what was removed",
    FinishForgetsTheMarks: "a collection that was finished removes what was added since it began",
    FinishesOnce: "a collection that is over cannot be finished",
    ClosedSweepsAnswer: "a closed sweep goes on",
}
