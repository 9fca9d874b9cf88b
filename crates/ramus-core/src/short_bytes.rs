use std::hash::{Hash, Hasher};
use std::ops::{Deref, RangeTo};

use bytes::Bytes;

/// Bytes that lie in the value itself where they are few, and are shared where they are more.
///
/// Names are short as a rule. To keep a short one in a buffer of its own, and to count who shares that, costs
/// more than to copy it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum ShortBytes {
    /// At most `INLINE_MAX` bytes, and zeros behind them.
    Inline { length: u8, bytes: [u8; INLINE_MAX] },
    /// More than that.
    Shared(Bytes),
}

/// The most bytes that lie in the value: with their length they take no more room than shared ones do.
const INLINE_MAX: usize = 23;

impl ShortBytes {
    pub(crate) const fn empty() -> Self {
        Self::Inline { length: 0, bytes: [0; INLINE_MAX] }
    }

    pub(crate) fn copy_from_slice(bytes: &[u8]) -> Self {
        Self::inline(bytes).unwrap_or_else(|| Self::Shared(Bytes::copy_from_slice(bytes)))
    }

    pub(crate) fn concat(parts: &[&[u8]]) -> Self {
        let (mut bytes, mut end) = ([0; INLINE_MAX], 0);
        for part in parts {
            let start = end;
            end += part.len();
            match bytes.get_mut(start..end) {
                Some(place) => place.copy_from_slice(part),
                None => return Self::Shared(parts.concat().into()),
            }
        }
        Self::copy_from_slice(&bytes[..end])
    }

    /// Returns a part of these bytes, which are shared if it is long.
    pub(crate) fn slice_ref(&self, part: &[u8]) -> Self {
        Self::inline(part).unwrap_or_else(|| match self {
            Self::Inline { .. } => Self::copy_from_slice(part),
            Self::Shared(bytes) => Self::Shared(bytes.slice_ref(part)),
        })
    }

    pub(crate) fn slice(&self, range: RangeTo<usize>) -> Self {
        self.slice_ref(&self[range])
    }

    #[inline]
    fn inline(from: &[u8]) -> Option<Self> {
        let mut bytes = [0; INLINE_MAX];
        bytes.get_mut(..from.len())?.copy_from_slice(from);
        Some(Self::Inline { length: u8::try_from(from.len()).ok()?, bytes })
    }
}

impl From<Bytes> for ShortBytes {
    fn from(bytes: Bytes) -> Self {
        Self::inline(&bytes).unwrap_or(Self::Shared(bytes))
    }
}

impl Deref for ShortBytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Inline { length, bytes } => &bytes[..usize::from(*length)],
            Self::Shared(bytes) => bytes,
        }
    }
}

impl Ord for ShortBytes {
    #[inline]
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        match (self, other) {
            // Behind the end of the shorter one are zeros, and nothing is less than those.
            (
                Self::Inline { length, bytes },
                Self::Inline { length: other_length, bytes: other_bytes },
            ) => bytes.cmp(other_bytes).then(length.cmp(other_length)),
            _ => self[..].cmp(other),
        }
    }
}

impl PartialOrd for ShortBytes {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for ShortBytes {
    /// Hashes them as a slice, which they are borrowed as.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self[..].hash(state);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn few_bytes_take_no_room_beside_the_value() {
        assert_eq!(size_of::<ShortBytes>(), size_of::<Bytes>());
    }

    fn some_bytes() -> impl Strategy<Value = Vec<u8>> {
        let few = prop::sample::select(vec![0, 1, b'a', 0xff]);
        prop::collection::vec(few, 0..2 * INLINE_MAX)
    }

    proptest! {
        #[test]
        fn they_are_what_a_slice_is(one in some_bytes(), more in some_bytes(), cut in 0..100_usize) {
            let other = [&one[..cut.min(one.len())], &more].concat();
            let both = [&one, &other].map(|bytes| ShortBytes::copy_from_slice(bytes));
            prop_assert_eq!((&both[0][..], &both[1][..]), (&one[..], &other[..]));
            prop_assert_eq!(both[0].cmp(&both[1]), one.cmp(&other));
            prop_assert_eq!(both[0] == both[1], one == other);
            prop_assert!(both[0] == ShortBytes::from(Bytes::from(one.clone())));
            let joined = ShortBytes::concat(&[&one, &more]);
            prop_assert!(joined == ShortBytes::from(Bytes::from([one.clone(), more].concat())));
            let end = cut.min(one.len());
            prop_assert_eq!(&both[0].slice(..end)[..], &one[..end]);
            prop_assert_eq!(&both[0].slice_ref(&both[0][end..])[..], &one[end..]);
        }
    }
}
