//! What a decoder owes to any bytes at all: it gives a value that has just these bytes, or refuses
//! them as corrupt (a proof: as unproven). The campaign of this suite and the fuzzers in `fuzz/` call the same functions.

use std::collections::BTreeMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use ramus_core::{Error, ErrorKind, Hash as _, Path, Sha1};
use ramus_kv::block::DirectoryBlock;
use ramus_kv::{
    Contents, Counter, Format as _, HistoryIndex, Json, Kv, Native, Proof, Tree, Whole,
};

/// A serde type with a part of every kind.
type Anything =
    Whole<(u16, String, Option<i32>, Vec<bool>, BTreeMap<String, u64>, Result<char, Vec<u8>>)>;

/// Takes any bytes, and panics if the decoder fails them.
pub(crate) type Target = fn(&[u8]);

/// Every decoder, by name.
pub(crate) const TARGETS: [(&str, Target); 13] = [
    ("directory", directory),
    ("commit", commit),
    ("contents", contents),
    ("chunk", chunk),
    ("contents_index", contents_index),
    ("links", links),
    ("proof", proof),
    ("text", text),
    ("bytes", bytes),
    ("json", json),
    ("counter", counter),
    ("whole", whole),
    ("history", history),
];

/// A block of a directory: a leaf, or an index block.
pub(crate) fn directory(data: &[u8]) {
    let decoded = DirectoryBlock::<Sha1>::decode(&copy(data));
    if let Some(block) = sound(decoded) {
        assert_eq!(block.encode().expect("what was read can be written"), data);
        assert!(block.level() <= 15);
    }
}

/// The block of a commit.
pub(crate) fn commit(data: &[u8]) {
    if let Some(commit) = sound(Native::decode_commit::<Sha1>(&copy(data))) {
        assert_eq!(Native::encode_commit(&commit).expect("what was read can be written"), data);
    }
}

/// The block of contents.
pub(crate) fn contents(data: &[u8]) {
    if let Some(encoded) = sound(Native::decode_contents(&copy(data))) {
        assert_eq!(Native::encode_contents(&encoded), data);
    }
}

/// The block of a chunk of large contents.
pub(crate) fn chunk(data: &[u8]) {
    if let Some(bytes) = sound(Native::decode_chunk(&copy(data))) {
        assert_eq!(Native::encode_chunk(&bytes), data);
    }
}

/// An index block of large contents.
pub(crate) fn contents_index(data: &[u8]) {
    if let Some(index) = sound(Native::decode_contents_index::<Sha1>(&copy(data))) {
        assert_eq!(Native::encode_contents_index(&index).expect("what was read is written"), data);
        assert!(index.level <= 10 && index.parts.len() <= 512);
        assert!(index.parts.iter().map(|part| part.length).max() <= Some(index.length()));
    }
}

/// What a block of any kind names: it says so if and only if it is a block.
pub(crate) fn links(data: &[u8]) {
    let data = copy(data);
    let is_block = match data.first() {
        Some(0x01) => Native::decode_contents(&data).is_ok(),
        Some(0x02 | 0x04) => DirectoryBlock::<Sha1>::decode(&data).is_ok(),
        Some(0x03) => Native::decode_commit::<Sha1>(&data).is_ok(),
        Some(0x05) => Native::decode_chunk(&data).is_ok(),
        Some(0x06) => Native::decode_contents_index::<Sha1>(&data).is_ok(),
        _ => false,
    };
    assert_eq!(sound(Native::links::<Sha1>(&data)).is_some(), is_block);
}

/// A proof; what it has is read, as far as it goes.
pub(crate) fn proof(data: &[u8]) {
    let read = match Proof::<Kv<String>>::decode(copy(data)) {
        Ok(proof) => {
            assert_eq!(proof.encode(), data);
            let reading = pin!(read(&proof));
            match reading.poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(read) => read,
                Poll::Pending => panic!("a proof has nothing to wait for"),
            }
        }
        Err(error) => Err(error),
    };
    if let Err(error) = read {
        assert_eq!(error.kind(), ErrorKind::Unproven, "{error:?}");
    }
}

async fn read(proof: &Proof<Kv<String>>) -> Result<(), Error> {
    let reading = async |tree: &mut Tree<Kv<String>>| {
        for entry in tree.list("").await? {
            let path: Path = [entry.step].into_iter().collect();
            tree.find(&path).await?;
            tree.len(&path).await?;
        }
        tree.remove("a").await?;
        Ok(())
    };
    proof.verify(&proof.before(), reading).await
}

/// Text.
pub(crate) fn text(data: &[u8]) {
    encoding::<String>(data);
}

/// Bytes, which are any bytes.
pub(crate) fn bytes(data: &[u8]) {
    encoding::<Bytes>(data);
}

/// JSON.
pub(crate) fn json(data: &[u8]) {
    encoding::<Json>(data);
}

/// Counters.
pub(crate) fn counter(data: &[u8]) {
    encoding::<Counter>(data);
}

/// A serde type.
pub(crate) fn whole(data: &[u8]) {
    encoding::<Anything>(data);
}

/// The history index, also with checksums that fit, so that what they protect is read.
pub(crate) fn history(data: &[u8]) {
    index(data);
    index(&with_checksums(data));
}

fn index(data: &[u8]) {
    if let Some(index) = sound(HistoryIndex::<Sha1>::decode(data)) {
        let encoded = index.encode().expect("what was read can be written");
        let again = HistoryIndex::<Sha1>::decode(&encoded).expect("what was written can be read");
        assert_eq!(again.commits(), index.commits());
        assert_eq!(again.commits_with_paths(), index.commits_with_paths());
        assert_eq!(again.encode().expect("what was read can be written"), encoded);
        // Where parts end is up to whoever wrote them.
        if encoded.len() == data.len() {
            assert_eq!(encoded, data);
        }
    }
}

/// Returns bytes of a history index with the right head and right checksums of its parts.
pub(crate) fn with_checksums(data: &[u8]) -> Vec<u8> {
    const HEAD: &[u8] = b"ramusidx\x01\x04sha1";
    let sum = |bytes: &[u8]| Sha1::of(bytes).as_bytes()[..8].to_vec();
    let mut last = sum(HEAD);
    let mut out = [HEAD, &last].concat();
    let mut rest = data.get(out.len()..).unwrap_or_default();
    while let Some(length) = rest.first_chunk::<4>() {
        let end = 4 + u32::from_be_bytes(*length) as usize;
        let Some((part, after)) = rest.split_at_checked(end) else { break };
        last = sum(&[&last, part].concat());
        out.extend([part, &last].concat());
        rest = after.get(8..).unwrap_or_default();
    }
    out.extend(rest);
    out
}

fn encoding<C: Contents>(data: &[u8]) {
    if let Some(value) = sound(C::decode(&copy(data))) {
        assert_eq!(value.encode().expect("what was read can be written"), data);
    }
}

fn copy(data: &[u8]) -> Bytes {
    Bytes::copy_from_slice(data)
}

fn sound<T>(decoded: Result<T, Error>) -> Option<T> {
    match decoded {
        Ok(value) => Some(value),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
            None
        }
    }
}
