use serde::{Deserialize, Serialize};

use crate::Contents;

/// A value of which the greater one wins, where both sides of a merge changed it.
///
/// Of a tuple the first parts are compared first: `Max<(u64, String)>` is the text with the highest
/// version.
///
/// ```
/// use ramus_kv::{Contents, Max};
///
/// assert_eq!(Max::merge(Some(&Max(5)), Some(&Max(7)), Some(&Max(9))), Ok(Some(Max(9))));
/// ```
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    Contents,
)]
#[serde(transparent)]
#[merge(crate = crate)]
#[merge(bound = "T: Ord")]
pub struct Max<T>(#[merge(max)] pub T);

/// A value of which the smaller one wins, where both sides of a merge changed it.
///
/// ```
/// use ramus_kv::{Contents, Min};
///
/// assert_eq!(Min::merge(Some(&Min(5)), Some(&Min(7)), Some(&Min(9))), Ok(Some(Min(7))));
/// ```
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    Contents,
)]
#[serde(transparent)]
#[merge(crate = crate)]
#[merge(bound = "T: Ord")]
pub struct Min<T>(#[merge(min)] pub T);
