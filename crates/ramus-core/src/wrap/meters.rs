use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a metered store has done so far, by operation.
///
/// Counting costs a few atomic additions for each call. The numbers of one [`Reading`] are read one
/// after the other, so beside running calls they need not fit together exactly.
///
/// ```
/// use ramus_core::wrap::{Meters, Operation};
///
/// let meters = Meters::default();
/// for operation in Operation::ALL {
///     assert_eq!(meters.read(operation).calls, 0, "{operation}");
/// }
/// ```
#[derive(Debug, Default)]
pub struct Meters([Counters; Operation::ALL.len()]);

/// What was counted of one operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reading {
    /// How many calls have begun.
    pub calls: u64,
    /// How many answered with an error. A lost race is no error.
    pub errors: u64,
    /// How many were dropped before they answered.
    pub dropped: u64,
    /// The bytes of the values that were given to the store.
    pub bytes_in: u64,
    /// The bytes of the values that the store gave.
    pub bytes_out: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    calls: AtomicU64,
    errors: AtomicU64,
    dropped: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

impl Meters {
    /// Returns what was counted of an operation.
    pub fn read(&self, operation: Operation) -> Reading {
        let Counters { calls, errors, dropped, bytes_in, bytes_out } = self.counters(operation);
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Reading {
            calls: load(calls),
            errors: load(errors),
            dropped: load(dropped),
            bytes_in: load(bytes_in),
            bytes_out: load(bytes_out),
        }
    }

    pub(super) fn counters(&self, operation: Operation) -> &Counters {
        // The variants number the array.
        &self.0[operation as usize]
    }
}

impl Counters {
    pub(super) fn begun(&self, bytes_in: usize) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.bytes_in.fetch_add(bytes_in as u64, Ordering::Relaxed);
    }

    pub(super) fn gave(&self, bytes_out: usize) {
        self.bytes_out.fetch_add(bytes_out as u64, Ordering::Relaxed);
    }

    pub(super) fn failed(&self) {
        self.errors.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn was_dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

macro_rules! operations {
    ($($(#[$meta:meta])* $variant:ident = $name:literal,)+) => {
        /// An operation of a store, as it is counted and as spans name it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Operation {
            $($(#[$meta])* $variant,)+
        }

        impl Operation {
            /// Every operation.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];

            /// Returns the name of the method.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

operations! {
    /// [`find`](crate::ReadOnly::find)
    Find = "find",
    /// [`mem`](crate::ReadOnly::mem)
    Mem = "mem",
    /// [`find_many`](crate::ReadOnly::find_many)
    FindMany = "find_many",
    /// [`add`](crate::ContentAddressable::add)
    Add = "add",
    /// [`unsafe_add`](crate::ContentAddressable::unsafe_add)
    UnsafeAdd = "unsafe_add",
    /// [`unsafe_add_many`](crate::ContentAddressable::unsafe_add_many)
    UnsafeAddMany = "unsafe_add_many",
    /// [`flush`](crate::ContentAddressable::flush)
    Flush = "flush",
    /// [`update`](crate::AtomicWrite::update)
    Update = "update",
    /// [`snapshot`](crate::AtomicWrite::snapshot); bytes are counted as its pages are read.
    Snapshot = "snapshot",
    /// [`changes`](crate::AtomicWrite::changes)
    Changes = "changes",
    /// [`position`](crate::AtomicWrite::position)
    Position = "position",
    /// [`subscribe`](crate::AtomicWrite::subscribe); bytes are counted as notices are given.
    Subscribe = "subscribe",
    /// [`write`](crate::Storage::write)
    Write = "write",
    /// [`load_derived`](crate::Storage::load_derived)
    LoadDerived = "load_derived",
    /// [`append_derived`](crate::Storage::append_derived)
    AppendDerived = "append_derived",
    /// [`replace_derived`](crate::Storage::replace_derived)
    ReplaceDerived = "replace_derived",
    /// `close`
    Close = "close",
    /// [`begin`](crate::Sweep::begin)
    Begin = "begin",
    /// [`keys`](crate::Sweep::keys)
    Keys = "keys",
    /// [`pinned`](crate::Sweep::pinned)
    Pinned = "pinned",
    /// [`remove_many`](crate::Sweep::remove_many)
    RemoveMany = "remove_many",
    /// [`finish`](crate::Sweep::finish)
    Finish = "finish",
    /// [`pin`](crate::Sweep::pin)
    Pin = "pin",
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
