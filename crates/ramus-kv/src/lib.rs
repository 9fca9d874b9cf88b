//! The versioned key-value store of Ramus: trees, commits, branches, merges and watches.

mod repo;
mod store;
mod transaction;

mod branch;
mod collect;
mod commit;
mod conflicts;
mod crew;
mod directory;
mod heads;
mod history;
mod large;
mod line;
mod note;
mod objects;
mod operation;
mod operations;
mod proof;
mod ref_fault;
mod resolution;
mod tree;
mod watch;

mod clock;
mod options;

#[doc(hidden)]
pub mod __derive;
mod conflict;
mod contents;
mod format;
mod info;
mod metadata;
mod schema;

pub mod block;
pub mod codec;
pub mod containers;
#[cfg(feature = "testkit")]
pub mod laws;
pub mod merge;

pub use conflict::Conflict;
pub use contents::{Bag, Contents, Counter, Json, Map, Max, Min, Register, Set, Whole};
#[cfg(feature = "text")]
pub use contents::{Seq, Text};
pub use format::{Format, Native};
pub use info::Info;
pub use metadata::Metadata;
/// Implements [`Contents`](trait@Contents): the encoding by serde, as [`codec`] says, and the merge by
/// the parts of the type.
///
/// A struct merges field by field. An enum merges by variant: sides of one variant field by field,
/// from the ancestor if that is of the same variant; sides of different variants are a conflict,
/// unless one of them is unchanged. A conflict says in which field it is.
///
/// ```
/// use std::collections::{BTreeMap, BTreeSet};
/// use ramus_kv::Contents;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Contents)]
/// #[merge(crate = ramus_kv)] // not needed with the crate `ramus`
/// struct Article {
///     title: String, // one side may change it at a time
///     #[merge(count)]
///     views: u64,
///     #[merge(set)]
///     tags: BTreeSet<String>,
///     #[merge(map(count))]
///     votes: BTreeMap<String, i64>,
/// }
///
/// let article = |title: &str, views, votes| Article {
///     title: title.to_owned(),
///     views,
///     tags: BTreeSet::new(),
///     votes: [("up".to_owned(), votes)].into(),
/// };
/// let (before, ours, theirs) = (article("a", 5, 1), article("b", 6, 2), article("a", 6, 3));
/// let merged = Article::merge(Some(&before), Some(&ours), Some(&theirs));
/// assert_eq!(merged, Ok(Some(article("b", 7, 4))));
/// ```
///
/// # Rules
///
/// A field without an attribute merges as a whole. `#[merge(..)]` on a field names another rule of the
/// module [`merge`](mod@merge):
///
/// | attribute | for a field of type |
/// |---|---|
/// | `value` (the same as none) | any |
/// | `count` | a whole number of up to 64 bits |
/// | `max`, `min` | any that is `Ord` |
/// | `set` | `BTreeSet<T>` |
/// | `multiset` | `BTreeMap<K, u64>` |
/// | `map(rule)` | `BTreeMap<K, V>`; the rule is that of `V` |
/// | `option(rule)` | `Option<T>`; the rule is that of `T` |
/// | `tuple(rule, rule, ..)` | a tuple of up to six, a rule for each place |
/// | `contents` | any that is `Contents`, such as [`Counter`] or a type with this derive |
/// | `lines` (feature `text`) | `String` |
/// | `sequence` (feature `text`) | `Vec<T>` |
/// | `with = path` | any: a function of `(Option<&T>, &T, &T)` to `Result<T, Conflict>` |
///
/// A function whose equal sides are two changes, as those of a count are, is named
/// `with = path + counts`. [`MERGES_EQUAL_SIDES`](Contents::MERGES_EQUAL_SIDES) is `true` if a rule
/// counts.
///
/// On the type itself stand:
///
/// - `#[merge(rule)]`: the type merges as one part, by this rule; its fields have none then.
/// - `#[merge(crate = path)]`: where this crate is found. `::ramus` is the default.
/// - `#[merge(bound = "T: Ord")]`: what a rule asks of a type parameter. Every parameter has to be
///   `Clone + PartialEq + Debug + Send + Sync + 'static` and to be read and written by serde; one that
///   merges by `contents` has to be that. These bounds need not be given.
pub use ramus_derive::Contents;
pub use schema::{Kv, Schema};

pub use clock::{Clock, SystemClock};
pub use collect::{
    Broken, Checked, CollectOptions, Collected, Collection, CollectionPhase, CollectionProgress,
    Root, Why,
};
pub use commit::Commit;
pub use conflicts::Conflicts;
pub use directory::Direction;
pub use heads::{Head, Heads};
pub use history::{Graph, GraphOptions, HistoryIndex, Log, LogOptions};
pub use large::{AnyBytes, ContentsReader, StreamCheck, Streamable, Upload, Utf8};
pub use note::{Made, Note, Reason};
pub use operation::{Operation, Truncated, Undo};
pub use operations::{Operations, OperationsOptions, OperationsOrder};
pub use options::RepoOptions;
pub use proof::Proof;
pub use ref_fault::RefFault;
pub use repo::Repo;
pub use resolution::Resolution;
pub use store::{
    MergeOptions, Merged, OnConflict, PickOptions, Preview, RebaseConflict, RebaseOptions, Rebased,
    SquashOptions, Status, Store, Unmerged,
};
pub use transaction::{OnRace, Transaction, TransactionOptions};
pub use tree::{
    Concrete, ConflictKind, Diff, Difference, Entries, Found, Kind, ListOptions, Listing,
    PathConflict, Side, Stats, StoredConflict, StoredConflicts, Tree, Visit, Walk, WalkOptions,
    WalkOrder,
};
pub use watch::{
    BranchChange, BranchEvent, BranchWatch, BranchesEvent, BranchesPlace, BranchesWatch, Commits,
    EventStream, WatchPlace, WatchStart,
};
