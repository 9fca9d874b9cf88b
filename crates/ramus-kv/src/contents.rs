mod bytes;
mod collections;
mod counter;
mod extremes;
mod json;
mod register;
mod string;
#[cfg(feature = "text")]
mod text;
mod tuple;
mod whole;

use ::bytes::Bytes;
use ramus_core::{Result, Value};

pub use self::collections::{Bag, Map, Set};
pub use self::counter::Counter;
pub use self::extremes::{Max, Min};
pub use self::json::Json;
pub use self::register::Register;
#[cfg(feature = "text")]
pub use self::text::{Seq, Text};
pub use self::whole::Whole;
use crate::{Conflict, merge};

/// A value that a repository keeps: it has canonical bytes, and two versions of it merge.
///
/// `String`, [`Bytes`], [`Json`], [`Counter`] and [`Whole<T>`](Whole) for any serde type are there.
/// A type of one's own takes its bytes from [`codec`](crate::codec), and its merge from the rules
/// in [`merge`](mod@crate::merge):
///
/// ```
/// use bytes::Bytes;
/// use ramus_core::Result;
/// use ramus_kv::{Conflict, Contents, codec, merge};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
/// struct Account {
///     owner: String,
///     balance: i64,
/// }
///
/// impl Contents for Account {
///     const MERGES_EQUAL_SIDES: bool = true; // two deposits of 5 are two deposits
///
///     fn encode(&self) -> Result<Bytes> {
///         codec::encode(self)
///     }
///
///     fn decode(bytes: &Bytes) -> Result<Self> {
///         codec::decode(bytes)
///     }
///
///     fn merge(
///         ancestor: Option<&Self>,
///         ours: Option<&Self>,
///         theirs: Option<&Self>,
///     ) -> Result<Option<Self>, Conflict> {
///         merge::both(ancestor, ours, theirs, |ancestor, ours, theirs| {
///             let owner = merge::value(ancestor.map(|a| &a.owner), &ours.owner, &theirs.owner)
///                 .map_err(|conflict| conflict.at("owner"))?;
///             let before = ancestor.map(|a| &a.balance);
///             let balance = merge::count(before, &ours.balance, &theirs.balance)
///                 .map_err(|conflict| conflict.at("balance"))?;
///             Ok(Self { owner, balance })
///         })
///     }
/// }
///
/// let account = |balance| Account { owner: "Ada".to_owned(), balance };
/// let merged = Account::merge(Some(&account(10)), Some(&account(15)), Some(&account(8)));
/// assert_eq!(merged, Ok(Some(account(13))));
/// ```
///
/// # What is promised
///
/// - One value has one byte string: equal values encode equally, different ones differently.
/// - [`decode`](Contents::decode) is the inverse of [`encode`](Contents::encode), and refuses every
///   other byte string. It does not panic, whatever the bytes are.
/// - A merge depends on its three arguments alone. Where one side is as the ancestor, the other side
///   stands.
///
/// The functions of `ramus_kv::laws` (feature `testkit`) check this for a type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept in a repository",
    note = "`Whole<{Self}>` keeps a serde type and merges it as a whole",
    note = "a type of your own implements `Contents`, by the modules `codec` and `merge`"
)]
pub trait Contents: Value {
    /// Whether equal sides are still two changes that have to be merged.
    ///
    /// Usually they are not: two sides that made the same value agree, `merge` gives that value, and
    /// the store need not ask. Counting is different: of two sides that each added one to 5, both
    /// have 6, and the merge is 7. A type that counts says `true`, and is then asked.
    const MERGES_EQUAL_SIDES: bool = false;

    /// Returns the canonical bytes.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) or
    /// [`Limit`](ramus_core::ErrorKind::Limit) if this value cannot be stored.
    fn encode(&self) -> Result<Bytes>;

    /// Returns the value that has these canonical bytes.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ramus_core::ErrorKind::Corrupt) if no value has them.
    fn decode(bytes: &Bytes) -> Result<Self>;

    /// Merges what two sides made of the value that they began from.
    ///
    /// A side that has no such value is `None`; so is the ancestor if both sides added theirs, or if
    /// their histories have nothing in common. The answer `None` deletes the value. By default a
    /// value is merged [as a whole](merge::whole).
    ///
    /// # Errors
    ///
    /// The conflict, if a person has to decide.
    fn merge(
        ancestor: Option<&Self>,
        ours: Option<&Self>,
        theirs: Option<&Self>,
    ) -> Result<Option<Self>, Conflict> {
        merge::whole(ancestor, ours, theirs)
    }
}
