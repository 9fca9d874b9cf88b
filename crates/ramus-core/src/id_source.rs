use std::fmt::Debug;
use std::sync::Arc;

use crate::UpdateId;

/// Where the ids of updates come from.
///
/// [`OsRandom`] is right for every program. A test takes a source of its own to make a run repeat
/// itself:
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use ramus_core::{IdSource, UpdateId};
///
/// #[derive(Debug, Default)]
/// struct Counted(AtomicU64);
///
/// impl IdSource for Counted {
///     fn next_id(&self) -> UpdateId {
///         let number = self.0.fetch_add(1, Ordering::Relaxed);
///         UpdateId::from_bytes(u128::from(number).to_be_bytes())
///     }
/// }
///
/// let ids = Counted::default();
/// assert_ne!(ids.next_id(), ids.next_id());
/// ```
///
/// # What is promised
///
/// No id is given twice, nor one that any other source gives to updates of the same store: an update
/// whose id is known is taken for an earlier one that is sent again, and not applied. So what a
/// source gives is random, all 128 bits of it, wherever a store has more than one writer or outlives
/// the process.
pub trait IdSource: Debug + Send + Sync {
    /// Returns an id that was not given before.
    fn next_id(&self) -> UpdateId;
}

/// Ids from the operating system's randomness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OsRandom;

impl IdSource for OsRandom {
    fn next_id(&self) -> UpdateId {
        UpdateId::random()
    }
}

/// Whoever shares a source draws from the same one.
impl<I: IdSource + ?Sized> IdSource for Arc<I> {
    fn next_id(&self) -> UpdateId {
        (**self).next_id()
    }
}
