//! Canonical bytes for any serde type, for those who write a [`Contents`](crate::Contents) of
//! their own.
//!
//! The bytes are those of [postcard](https://postcard.jamesmunns.com/wire-format). They say nothing
//! of names and types, so adding, removing or reordering fields makes a different type: whoever
//! wants to read old values keeps the old type, for example as a variant of an enum.
//!
//! A type is fit if equal values serialize equally. Unordered collections such as `HashMap` do not:
//! take `BTreeMap`. Of floating-point numbers, `0.0` and `-0.0` are equal and have different bytes,
//! and NaN is not equal to itself. A type that contains itself is read as deeply as the bytes say.

use bytes::Bytes;
use ramus_core::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Returns the canonical bytes of a value.
///
/// # Errors
///
/// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) if the value cannot be serialized, or what
/// it serializes to would be refused by [`decode`].
pub fn encode<T: Serialize + DeserializeOwned>(value: &T) -> Result<Bytes> {
    let type_name = std::any::type_name::<T>();
    let bytes = to_bytes(value).map_err(|cause| {
        Error::invalid_input(format!("cannot encode a `{type_name}`")).with_source(cause)
    })?;
    // What is stored here and refused there would be lost.
    match decode::<T>(&bytes) {
        Ok(_) => Ok(bytes),
        Err(cause) => Err(Error::invalid_input(format!(
            "a `{type_name}` does not read back from its own bytes; store ordered collections, \
             and serialize every field that is deserialized"
        ))
        .with_source(cause)),
    }
}

/// Returns the value that has these canonical bytes.
///
/// # Errors
///
/// [`Corrupt`](ramus_core::ErrorKind::Corrupt) if no value has them.
pub fn decode<T: Serialize + DeserializeOwned>(bytes: &Bytes) -> Result<T> {
    let refuse = |what| {
        let (length, type_name) = (bytes.len(), std::any::type_name::<T>());
        Error::corrupt(format!("{length} bytes are no `{type_name}`: {what}"))
    };
    let value = postcard::from_bytes(bytes)
        .map_err(|cause| refuse("they do not decode").with_source(cause))?;
    match to_bytes(&value) {
        Ok(canonical) if canonical == *bytes => Ok(value),
        Ok(_) => Err(refuse("they are not the canonical ones")),
        Err(cause) => Err(refuse("what they decode to does not encode").with_source(cause)),
    }
}

pub(crate) fn to_bytes<T: Serialize>(value: &T) -> postcard::Result<Bytes> {
    postcard::to_allocvec(value).map(Bytes::from)
}
