//! Hashes: the names of blocks.
//!
//! [`Sha1`] is the default of the key-value store, [`Sha256`] the choice against an adversary, and
//! [`Blake3`] (feature `blake3`) the fastest. Another algorithm is one [`hash_type!`](crate::hash_type)
//! away.

use std::fmt::Display;
use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha1::Digest as _;

use crate::Key;
pub use crate::digest_hasher::{DigestHash, DigestHasher};

/// The name of a block: the hash of its bytes.
///
/// # What is promised
///
/// - [`of_parts`](Hash::of_parts) depends on the concatenation of the parts alone, and on nothing
///   outside them: one byte string has one name, in every process and on every machine.
/// - The canonical bytes of the key are the digest, [`LENGTH`](Hash::LENGTH) bytes of it.
/// - `Display` prints lower-case hex, and parsing takes it back (capitals too).
///
/// # What is not promised
///
/// That two byte strings never share a name. This holds in practice for `Sha256` and `Blake3`. It
/// does not hold for [`Sha1`] against someone who makes collisions on purpose.
///
/// # Adding a hash
///
/// [`hash_type!`](crate::hash_type) writes the newtype and every trait that it needs.
pub trait Hash:
    Key + Copy + Display + FromStr<Err = crate::Error> + Serialize + DeserializeOwned
{
    /// The name of the algorithm, as it is written in formats and messages: `sha1`.
    const NAME: &'static str;

    /// How many bytes a digest has.
    const LENGTH: usize;

    /// Returns the hash of the parts, one after the other.
    fn of_parts(parts: &[&[u8]]) -> Self;

    /// Returns the hash of `bytes`.
    fn of(bytes: &[u8]) -> Self {
        Self::of_parts(&[bytes])
    }

    /// Returns the digest, [`LENGTH`](Hash::LENGTH) bytes.
    fn as_bytes(&self) -> &[u8];
}

/// Defines a hash: a newtype over its digest, with every trait that [`Hash`](crate::Hash) asks for.
///
/// Give the type, its length in bytes, its name, and a function from the parts to the digest.
///
/// ```
/// use ramus_core::{Hash as _, hash_type};
///
/// hash_type! {
///     /// FNV-1a with 64 bits: for tests, never for data that somebody else may choose.
///     pub struct Fnv([u8; 8]) = "fnv1a-64", |parts| {
///         let mut state = 0xcbf2_9ce4_8422_2325_u64;
///         for byte in parts.iter().flat_map(|part| part.iter()) {
///             state = (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
///         }
///         state.to_be_bytes()
///     };
/// }
///
/// assert_eq!(Fnv::of(b"a").to_string(), "af63dc4c8601ec8c");
/// assert_eq!("af63dc4c8601ec8c".parse::<Fnv>()?, Fnv::of_parts(&[b"", b"a"]));
/// # Ok::<(), ramus_core::Error>(())
/// ```
#[macro_export]
macro_rules! hash_type {
    (
        $(#[$meta:meta])*
        $visibility:vis struct $name:ident([u8; $length:literal]) = $text:literal,
        |$parts:ident| $digest:expr;
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $visibility struct $name([u8; $length]);

        impl $crate::Hash for $name {
            const NAME: &'static str = $text;
            const LENGTH: usize = $length;

            fn of_parts($parts: &[&[u8]]) -> Self {
                Self($digest)
            }

            fn as_bytes(&self) -> &[u8] {
                &self.0
            }
        }

        impl $crate::Key for $name {
            fn to_bytes(&self) -> ::std::borrow::Cow<'_, [u8]> {
                ::std::borrow::Cow::Borrowed(&self.0)
            }

            fn from_bytes(bytes: &[u8]) -> $crate::Result<Self> {
                $crate::hash::from_digest(bytes, $text).map(Self)
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Display::fmt(self, f)
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::Error;

            fn from_str(text: &str) -> $crate::Result<Self> {
                $crate::hash::from_hex(text, $text).map(Self)
            }
        }

        impl $crate::hash::serde::Serialize for $name {
            fn serialize<S>(&self, serializer: S) -> ::std::result::Result<S::Ok, S::Error>
            where
                S: $crate::hash::serde::Serializer,
            {
                $crate::hash::serialize(self, serializer)
            }
        }

        impl<'de> $crate::hash::serde::Deserialize<'de> for $name {
            fn deserialize<D>(deserializer: D) -> ::std::result::Result<Self, D::Error>
            where
                D: $crate::hash::serde::Deserializer<'de>,
            {
                $crate::hash::deserialize(deserializer)
            }
        }
    };
}

hash_type! {
    /// SHA-1, 20 bytes: the default of the key-value store, and the hash of Git.
    ///
    /// It is not collision resistant: whoever can choose two blocks can give them one name. Where
    /// the contents come from people who do not trust each other, take [`Sha256`] or [`Blake3`].
    pub struct Sha1([u8; 20]) = "sha1", |parts| {
        let mut hasher = sha1::Sha1::new();
        for part in parts {
            hasher.update(part);
        }
        hasher.finalize().into()
    };
}

hash_type! {
    /// SHA-256, 32 bytes (FIPS 180-4).
    pub struct Sha256([u8; 32]) = "sha256", |parts| {
        let mut hasher = sha2::Sha256::new();
        for part in parts {
            hasher.update(part);
        }
        hasher.finalize().into()
    };
}

#[cfg(feature = "blake3")]
hash_type! {
    /// BLAKE3, 32 bytes: the fastest of the three. Its fast code wants a C compiler.
    pub struct Blake3([u8; 32]) = "blake3", |parts| {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(part);
        }
        hasher.finalize().into()
    };
}

#[doc(hidden)]
pub use support::{deserialize, from_digest, from_hex, serde, serialize};

/// What [`hash_type!`] expands to calls of.
#[expect(missing_docs, reason = "public only for the macro")]
mod support {
    use std::borrow::Cow;
    use std::fmt::{self, Display};
    use std::marker::PhantomData;

    pub use serde;
    use serde::de::{Error as _, Visitor};
    use serde::{Deserializer, Serializer};

    use super::Hash;
    use crate::step::Excerpt;
    use crate::{Error, Result};

    pub fn from_digest<const N: usize>(bytes: &[u8], name: &str) -> Result<[u8; N]> {
        bytes.try_into().map_err(|_| {
            let length = bytes.len();
            Error::invalid_input(format!("a {name} digest has {N} bytes, not {length}"))
        })
    }

    pub fn from_hex<const N: usize>(text: &str, name: &str) -> Result<[u8; N]> {
        let refuse = |what: &dyn Display| {
            let text = Excerpt(text.as_bytes());
            Error::invalid_input(format!("`{text}` is no {name} hash: {what}"))
        };
        if text.len() != 2 * N {
            let (want, have) = (2 * N, text.len());
            return Err(refuse(&format_args!("it has {have} characters, not {want}")));
        }
        let mut digest = [0; N];
        for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let (high, low) = (nibble(pair[0]), nibble(pair[1]));
            let (Some(high), Some(low)) = (high, low) else {
                return Err(refuse(&"a character is not a hex digit"));
            };
            *byte = high << 4 | low;
        }
        Ok(digest)
    }

    fn nibble(digit: u8) -> Option<u8> {
        match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            b'A'..=b'F' => Some(digit - b'A' + 10),
            _ => None,
        }
    }

    /// Text formats get hex, binary ones the digest.
    pub fn serialize<H: Hash, S: Serializer>(hash: &H, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(hash)
        } else {
            serializer.serialize_bytes(hash.as_bytes())
        }
    }

    pub fn deserialize<'de, H: Hash, D: Deserializer<'de>>(decoder: D) -> Result<H, D::Error> {
        if decoder.is_human_readable() {
            let text = <Cow<'de, str> as serde::Deserialize>::deserialize(decoder)?;
            text.parse().map_err(D::Error::custom)
        } else {
            decoder.deserialize_bytes(DigestVisitor(PhantomData))
        }
    }

    struct DigestVisitor<H>(PhantomData<H>);

    impl<H: Hash> Visitor<'_> for DigestVisitor<H> {
        type Value = H;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{} bytes of {}", H::LENGTH, H::NAME)
        }

        fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<H, E> {
            H::from_bytes(bytes).map_err(E::custom)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks a hash against the value that its specification gives for `abc`.
    fn check<H: Hash>(abc: &str) {
        let hash = H::of(b"abc");
        assert_eq!(hash.to_string(), abc);
        assert_eq!(H::of_parts(&[b"a", b"", b"bc"]), hash, "only the concatenation counts");
        assert_eq!(abc.to_uppercase().parse::<H>().unwrap(), hash);
        assert_eq!(H::from_bytes(hash.as_bytes()).unwrap(), hash);
        assert_eq!(hash.as_bytes().len(), H::LENGTH);
        let bytes = postcard::to_allocvec(&hash).unwrap();
        assert_eq!(postcard::from_bytes::<H>(&bytes).unwrap(), hash);
        let json = serde_json::to_string(&hash).unwrap();
        assert_eq!(json, format!("\"{abc}\""));
        assert_eq!(serde_json::from_str::<H>(&json).unwrap(), hash);
    }

    #[test]
    fn digests_are_those_of_the_specifications() {
        check::<Sha1>("a9993e364706816aba3e25717850c26c9cd0d89d");
        check::<Sha256>("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        #[cfg(feature = "blake3")]
        check::<Blake3>("6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85");
    }

    #[test]
    fn a_malformed_hash_says_what_is_wrong() {
        let message = |text: &str| text.parse::<Sha1>().unwrap_err().to_string();
        assert_eq!(message("abc"), "`abc` is no sha1 hash: it has 3 characters, not 40");
        let bad = "g9993e364706816aba3e25717850c26c9cd0d89d";
        assert!(message(bad).ends_with("a character is not a hex digit"));
        assert!(message("é9993e364706816aba3e25717850c26c9cd0d89").ends_with("digit"));
        assert!(message(&"\u{1b}".repeat(10_000)).len() < 1000, "the message is bounded");
        let short = Sha1::from_bytes(&[0; 19]).unwrap_err();
        assert_eq!(short.to_string(), "a sha1 digest has 20 bytes, not 19");
    }
}
