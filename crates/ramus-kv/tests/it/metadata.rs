//! What entries say about their contents.

use bytes::Bytes;
use ramus_core::{Error, ErrorKind, Result};
use ramus_kv::Metadata;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Mode {
    #[default]
    Normal,
    Executable,
    Link,
}

impl Metadata for Mode {
    fn encode(&self) -> Bytes {
        Bytes::from_static(match self {
            Self::Normal => b"",
            Self::Executable => b"x",
            Self::Link => b"l",
        })
    }

    fn decode(bytes: &Bytes) -> Result<Self> {
        match &bytes[..] {
            b"" => Ok(Self::Normal),
            b"x" => Ok(Self::Executable),
            b"l" => Ok(Self::Link),
            _ => Err(Error::corrupt("no mode")),
        }
    }
}

#[test]
fn no_metadata_are_no_bytes() {
    assert_eq!(().encode(), Bytes::new());
    assert_eq!(<()>::decode(&Bytes::new()).unwrap(), ());
    let error = <()>::decode(&Bytes::from_static(b"xy")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_eq!(error.to_string(), "an entry has 2 bytes of metadata; this schema has none");
}

#[test]
fn metadata_merge_as_a_whole() {
    let (normal, executable, link) = (Mode::Normal, Mode::Executable, Mode::Link);
    assert_eq!(Mode::merge(Some(&normal), &executable, &normal), Ok(executable));
    assert_eq!(Mode::merge(Some(&normal), &normal, &link), Ok(link));
    assert_eq!(Mode::merge(None, &link, &link), Ok(link));
    assert!(Mode::merge(Some(&normal), &executable, &link).is_err());
    assert!(Mode::merge(None, &executable, &normal).is_err());
}
