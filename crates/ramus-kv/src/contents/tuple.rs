use bytes::Bytes;
use ramus_core::Result;

use crate::{Conflict, Contents, codec, merge};

/// Two contents merge each by its type. They are stored as their encodings, each behind its length.
impl<A: Contents, B: Contents> Contents for (A, B) {
    const MERGES_EQUAL_SIDES: bool = A::MERGES_EQUAL_SIDES || B::MERGES_EQUAL_SIDES;

    fn encode(&self) -> Result<Bytes> {
        codec::encode(&(self.0.encode()?, self.1.encode()?))
    }

    fn decode(bytes: &Bytes) -> Result<Self> {
        let parts: (Bytes, Bytes) = codec::decode(bytes)?;
        Ok((A::decode(&parts.0)?, B::decode(&parts.1)?))
    }

    fn merge(
        ancestor: Option<&Self>,
        ours: Option<&Self>,
        theirs: Option<&Self>,
    ) -> Result<Option<Self>, Conflict> {
        merge::both(ancestor, ours, theirs, |ancestor, ours, theirs| {
            merge::pair(ancestor, ours, theirs, merge::contents, merge::contents)
        })
    }
}

/// Three contents merge each by its type. They are stored as their encodings, each behind its length.
impl<A: Contents, B: Contents, C: Contents> Contents for (A, B, C) {
    const MERGES_EQUAL_SIDES: bool =
        A::MERGES_EQUAL_SIDES || B::MERGES_EQUAL_SIDES || C::MERGES_EQUAL_SIDES;

    fn encode(&self) -> Result<Bytes> {
        codec::encode(&(self.0.encode()?, self.1.encode()?, self.2.encode()?))
    }

    fn decode(bytes: &Bytes) -> Result<Self> {
        let parts: (Bytes, Bytes, Bytes) = codec::decode(bytes)?;
        Ok((A::decode(&parts.0)?, B::decode(&parts.1)?, C::decode(&parts.2)?))
    }

    fn merge(
        ancestor: Option<&Self>,
        ours: Option<&Self>,
        theirs: Option<&Self>,
    ) -> Result<Option<Self>, Conflict> {
        merge::both(ancestor, ours, theirs, |ancestor, ours, theirs| {
            let rule = (merge::contents, merge::contents, merge::contents);
            merge::triple(ancestor, ours, theirs, rule.0, rule.1, rule.2)
        })
    }
}
