//! What a decoder owes to any bytes at all: it gives a value that has just these bytes, or refuses
//! them as corrupt (a proof: as unproven). The campaign of this suite and the fuzzers in `fuzz/` call the same functions.

use std::collections::BTreeMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use ramus_core::{Error, ErrorKind, Path, Sha1};
use ramus_kv::block::DirectoryBlock;
use ramus_kv::{Contents, Counter, Format as _, Json, Kv, Native, Proof, Tree, Whole};

/// A serde type with a part of every kind.
type Anything =
    Whole<(u16, String, Option<i32>, Vec<bool>, BTreeMap<String, u64>, Result<char, Vec<u8>>)>;

/// Takes any bytes, and panics if the decoder fails them.
pub(crate) type Target = fn(&[u8]);

/// Every decoder, by name.
pub(crate) const TARGETS: [(&str, Target); 9] = [
    ("directory", directory),
    ("commit", commit),
    ("contents", contents),
    ("proof", proof),
    ("text", text),
    ("bytes", bytes),
    ("json", json),
    ("counter", counter),
    ("whole", whole),
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
