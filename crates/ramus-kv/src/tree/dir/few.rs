use std::ops::Deref;

use bytes::Bytes;

/// Bytes of which there are none as a rule: then they take no room beside the value that has them, and little in
/// it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Few(Option<Box<Bytes>>);

static NONE: Bytes = Bytes::new();

impl Few {
    pub(crate) fn into_bytes(self) -> Bytes {
        self.0.map_or_else(Bytes::new, |bytes| *bytes)
    }
}

impl From<Bytes> for Few {
    fn from(bytes: Bytes) -> Self {
        Self((!bytes.is_empty()).then(|| Box::new(bytes)))
    }
}

impl Deref for Few {
    type Target = Bytes;

    fn deref(&self) -> &Bytes {
        self.0.as_deref().unwrap_or(&NONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_the_bytes_that_they_were_made_of() {
        for bytes in [&b""[..], b"x", b"some more"] {
            let few = Few::from(Bytes::from_static(bytes));
            assert_eq!((&few[..], few.clone().into_bytes()), (bytes, Bytes::from_static(bytes)));
        }
        assert_eq!(Few::default(), Few::from(Bytes::new()));
        assert_eq!(size_of::<Few>(), size_of::<usize>());
    }
}
