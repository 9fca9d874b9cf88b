//! The versioned key-value store of Ramus: trees, commits, branches, merges and watches.

mod repo;
mod store;
mod transaction;

mod branch;
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
mod tree;
mod watch;

mod clock;
mod options;

mod conflict;
mod contents;
mod format;
mod info;
mod metadata;
mod schema;

pub mod block;
pub mod codec;
#[cfg(feature = "testkit")]
pub mod laws;
pub mod merge;

pub use conflict::Conflict;
pub use contents::{Contents, Counter, Json, Whole};
pub use format::{Format, Native};
pub use info::Info;
pub use metadata::Metadata;
pub use schema::{Kv, Schema};

pub use clock::{Clock, SystemClock};
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
pub use store::{MergeOptions, Merged, Resolution, Status, Store, Unmerged};
pub use transaction::{OnRace, Transaction, TransactionOptions};
pub use tree::{
    Concrete, Diff, Difference, Entries, Found, Kind, ListOptions, Listing, PathConflict, Side,
    Stats, Tree, Visit, Walk, WalkOptions, WalkOrder,
};
pub use watch::{
    BranchChange, BranchEvent, BranchWatch, BranchesEvent, BranchesWatch, Commits, EventStream,
    WatchPlace, WatchStart,
};
