//! Ids of 128 bits as text and as bytes: what [`UpdateId`](crate::UpdateId) and
//! [`Incarnation`](crate::Incarnation) have in common.
//!
//! Formats that people read get 32 hex digits, binary ones the bytes.

use std::borrow::Cow;

use serde::de::Error as _;
use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

/// Returns the bytes that are written like this, or nothing if it is not 32 hex digits.
pub(crate) fn from_hex(text: &str) -> Option<[u8; 16]> {
    let hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let bits = hex.then(|| u128::from_str_radix(text, 16).ok())??;
    Some(bits.to_be_bytes())
}

pub(crate) fn to_hex(bytes: &[u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(*bytes))
}

pub(crate) fn serialize<S: Serializer>(bytes: &[u8; 16], serializer: S) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() {
        serializer.serialize_str(&to_hex(bytes))
    } else {
        bytes.serialize(serializer)
    }
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(decoder: D) -> Result<[u8; 16], D::Error> {
    if !decoder.is_human_readable() {
        return <[u8; 16]>::deserialize(decoder);
    }
    let text = Cow::<'de, str>::deserialize(decoder)?;
    from_hex(&text).ok_or_else(|| D::Error::custom("an id has to be 32 hex digits"))
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use crate::{Cursor, Incarnation, UpdateId};

    /// Checks that a value is this text in JSON, and so many bytes in postcard.
    fn check<T>(value: &T, json: &str, bytes: usize)
    where
        T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
    {
        assert_eq!(serde_json::to_string(value).unwrap(), json);
        assert_eq!(&serde_json::from_str::<T>(json).unwrap(), value);
        let binary = postcard::to_allocvec(value).unwrap();
        assert_eq!(binary.len(), bytes);
        assert_eq!(&postcard::from_bytes::<T>(&binary).unwrap(), value);
    }

    #[test]
    fn ids_are_hex_in_text_and_bytes_in_binary() {
        let bytes = std::array::from_fn(|index| u8::try_from(index).unwrap());
        let hex = "\"000102030405060708090a0b0c0d0e0f\"";
        check(&UpdateId::from_bytes(bytes), hex, 16);
        let incarnation = Incarnation::from_bytes(bytes);
        check(&incarnation, hex, 16);
        let cursor = Cursor { incarnation, sequence: 7 };
        check(&cursor, &format!("{{\"incarnation\":{hex},\"sequence\":7}}"), 17);
        assert!(serde_json::from_str::<UpdateId>("\"00\"").is_err());
    }
}
