//! What the code that the derive writes refers to. It is for that code alone, and may change.

use std::collections::BTreeMap;

pub use bytes::Bytes;
pub use ramus_core::Result;
use ramus_core::Value;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a type parameter of a contents type has to be, so that its values can be kept.
pub trait Part: Value + Serialize + DeserializeOwned {}

impl<T: Value + Serialize + DeserializeOwned> Part for T {}

/// A map or an option, to get at the type of its values.
pub trait Around {
    /// The type of the values.
    type Inside;
}

impl<K, V> Around for BTreeMap<K, V> {
    type Inside = V;
}

impl<T> Around for Option<T> {
    type Inside = T;
}

/// A tuple, to get at the type of a place of it.
pub trait Place<const INDEX: usize> {
    /// The type at the place.
    type Part;
}

macro_rules! places {
    ($([$($all:ident),+] $index:literal $one:ident;)+) => {
        $(
            impl<$($all),+> Place<$index> for ($($all,)+) {
                type Part = $one;
            }
        )+
    };
}

places! {
    [A] 0 A;
    [A, B] 0 A;
    [A, B] 1 B;
    [A, B, C] 0 A;
    [A, B, C] 1 B;
    [A, B, C] 2 C;
    [A, B, C, D] 0 A;
    [A, B, C, D] 1 B;
    [A, B, C, D] 2 C;
    [A, B, C, D] 3 D;
    [A, B, C, D, E] 0 A;
    [A, B, C, D, E] 1 B;
    [A, B, C, D, E] 2 C;
    [A, B, C, D, E] 3 D;
    [A, B, C, D, E] 4 E;
    [A, B, C, D, E, F] 0 A;
    [A, B, C, D, E, F] 1 B;
    [A, B, C, D, E, F] 2 C;
    [A, B, C, D, E, F] 3 D;
    [A, B, C, D, E, F] 4 E;
    [A, B, C, D, E, F] 5 F;
}
