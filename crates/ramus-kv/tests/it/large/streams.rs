//! Streams into values: what is refused, what is left, and what is kept from being collected.

use std::collections::HashSet;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use ramus_core::erased::Backend;
use ramus_core::{Error, ErrorKind, Sha1, Storage as _, Sweep as _};
use ramus_kv::block::Link;
use ramus_kv::{Format as _, Kv, Native, Repo, StreamCheck as _, Utf8};
use ramus_mem::Mem;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _, ReadBuf};

use super::support::{Random, block, names, noise, repo};

/// Removes what no pin reaches; returns how many blocks that were.
async fn collect(backend: &Backend<Sha1>) -> usize {
    let sweep = backend.sweep().expect("it can be swept");
    let epoch = sweep.begin().await.expect("a collection");
    let all: HashSet<Sha1> = names(backend).await.into_iter().collect();
    let (mut todo, mut kept) = (sweep.pinned(epoch).await.expect("pins"), HashSet::new());
    while let Some(name) = todo.pop() {
        if all.contains(&name) && kept.insert(name) {
            let links = Native::links::<Sha1>(&block(backend, &name).await).expect("a block");
            todo.extend(links.iter().map(Link::hash));
        }
    }
    let garbage = all.difference(&kept).copied().collect();
    sweep.remove_many(epoch, garbage).await.expect("a removal")
}

/// However long a stream takes, what was stored of it stays; and it stays while an upload or a tree has
/// it.
#[tokio::test]
async fn a_collection_removes_nothing_of_an_upload() {
    let repo = repo();
    let value = noise(40 << 20);
    let (mut input, output) = tokio::io::duplex(1 << 16);
    let upload = tokio::spawn({
        let repo = repo.clone();
        async move { repo.upload(output).await }
    });
    for piece in value.chunks(10 << 20) {
        input.write_all(piece).await.unwrap();
        assert_eq!(collect(repo.backend()).await, 0);
    }
    // What an index block names is protected by that block.
    let sweep = repo.backend().sweep().unwrap();
    let epoch = sweep.begin().await.unwrap();
    let pinned = sweep.pinned(epoch).await.unwrap().len();
    let stored = names(repo.backend()).await.len();
    assert!(pinned + 100 < stored, "{pinned} of {stored} blocks are pinned");
    drop(input);
    let upload = upload.await.unwrap().unwrap();
    assert_eq!((upload.len(), upload.is_empty()), (value.len() as u64, false));
    assert_eq!(collect(repo.backend()).await, 0);
    let mut tree = repo.empty_tree();
    tree.set_upload("v", &upload).await.unwrap();
    drop(upload);
    assert_eq!(collect(repo.backend()).await, 0);
    let reader = tree.reader("v").await.unwrap().unwrap();
    drop(tree);
    assert_eq!(collect(repo.backend()).await, 0);
    assert!(reader.read_range(..).await.unwrap() == value);
    drop(reader);
    assert!(collect(repo.backend()).await > 400);
    assert_eq!(names(repo.backend()).await, []);
}

/// A stream that is given up leaves nothing but what a collection removes, and no edit.
#[tokio::test]
async fn a_dropped_stream_leaves_nothing() {
    let repo = repo();
    let main = repo.main().await.unwrap();
    main.set("v", noise(200), "before").await.unwrap();
    let head = main.head().await.unwrap();
    let blocks = names(repo.backend()).await.len();
    for mib in [0, 1, 5, 18] {
        let (mut input, output) = tokio::io::duplex(1 << 16);
        let value = noise(mib << 20);
        tokio::select! {
            done = main.set_stream("v", output, "write") => panic!("it has no end: {done:?}"),
            sent = input.write_all(&value) => sent.unwrap(),
        }
        assert_eq!(main.head().await.unwrap(), head, "{mib}");
        assert!(main.find("v").await.unwrap().unwrap() == noise(200));
    }
    assert!(names(repo.backend()).await.len() > blocks + 100);
    // The branch is no pin; what it holds stays by the handle on its head.
    collect(repo.backend()).await;
    assert!(names(repo.backend()).await.len() <= blocks);
    assert_eq!(main.find("v").await.unwrap().map(|value| value.len()), Some(200));
}

/// A stream that fails behind some bytes.
struct Failing(usize, Option<io::Error>);

impl AsyncRead for Failing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let length = self.0.min(buffer.remaining());
        if length == 0 {
            return Poll::Ready(self.1.take().map_or(Ok(()), Err));
        }
        buffer.put_slice(&vec![1; length]);
        self.0 -= length;
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_stream_that_fails_says_why() {
    let repo = repo();
    for length in [0, 1000, 9 << 20] {
        let mut tree = repo.empty_tree();
        let cause = io::Error::new(io::ErrorKind::ConnectionReset, "the line is dead");
        let fault = tree.set_stream("v", Failing(length, Some(cause))).await.unwrap_err();
        assert_eq!(fault.kind(), ErrorKind::Unavailable);
        assert!(format!("{fault:?}").contains("the line is dead"), "{fault:?}");
        // What another store says stays what it is.
        let cause = io::Error::other(Error::missing("a block over there"));
        let fault = tree.set_stream("v", Failing(length, Some(cause))).await.unwrap_err();
        assert_eq!(fault.kind(), ErrorKind::Missing);
        assert!(tree.is_empty());
    }
}

#[tokio::test]
async fn streams_go_where_values_go() {
    let main = repo().main().await.unwrap();
    let value = noise(1 << 20);
    main.set("a/b", b"1".to_vec(), "one").await.unwrap();
    for path in ["", "a", "a/b/c"] {
        let fault = main.set_stream(path, &value[..], "two").await.unwrap_err();
        assert_eq!(fault.kind(), ErrorKind::InvalidInput, "{path}: {fault}");
    }
    assert!(main.reader("a").await.unwrap().is_none());
    assert!(main.reader("x").await.unwrap().is_none());
    let upload = main.repo().upload(&value[..]).await.unwrap();
    let mut other = repo().empty_tree();
    let fault = other.set_upload("v", &upload).await.unwrap_err();
    assert_eq!(fault.kind(), ErrorKind::InvalidInput);
    // One upload may be put in many places.
    let mut edit = main.begin().await.unwrap();
    edit.set_upload("x", &upload).await.unwrap();
    edit.set_upload("y", &upload.clone()).await.unwrap();
    main.commit(edit, "both").await.unwrap();
    assert!(main.find("y").await.unwrap().unwrap() == value);
}

#[tokio::test]
async fn a_reader_seeks_as_a_file_does() {
    let main = repo().main().await.unwrap();
    for length in [10_usize, 1 << 20] {
        let value = noise(length);
        main.set("v", value.clone(), "write").await.unwrap();
        let mut reader = main.reader("v").await.unwrap().unwrap();
        let mut byte = [0];
        assert_eq!(reader.seek(io::SeekFrom::End(-1)).await.unwrap(), length as u64 - 1);
        reader.read_exact(&mut byte).await.unwrap();
        assert_eq!(byte, value[length - 1..]);
        assert_eq!(reader.read(&mut byte).await.unwrap(), 0);
        assert_eq!(reader.seek(io::SeekFrom::Current(-3)).await.unwrap(), length as u64 - 3);
        reader.read_exact(&mut byte).await.unwrap();
        assert_eq!(byte, value[length - 3..length - 2]);
        reader.seek(io::SeekFrom::Current(1)).await.unwrap();
        reader.read_exact(&mut byte).await.unwrap();
        assert_eq!(byte, value[length - 1..]);
        assert_eq!(reader.seek(io::SeekFrom::End(7)).await.unwrap(), length as u64 + 7);
        assert_eq!(reader.read(&mut byte).await.unwrap(), 0);
        let fault = reader.seek(io::SeekFrom::Current(-(1 << 40))).await.unwrap_err();
        assert_eq!(fault.kind(), io::ErrorKind::InvalidInput);
        for range in [(3, 2), (0, length as u64 + 1), (length as u64 + 1, length as u64 + 1)] {
            let fault = reader.read_range(range.0..range.1).await.unwrap_err();
            assert_eq!(fault.kind(), ErrorKind::InvalidInput, "{range:?}");
        }
        assert_eq!(reader.read_range(length as u64..).await.unwrap(), Bytes::new());
    }
}

/// A stream of text is refused where reading it as text would be.
#[tokio::test]
async fn a_stream_of_text_is_utf_8() {
    let main = Repo::<Kv<String>>::new(Backend::new(Mem::default())).main().await.unwrap();
    let text = "語".repeat(2 << 20);
    main.set_stream("v", text.as_bytes(), "write").await.unwrap();
    assert!(main.find("v").await.unwrap().unwrap() == text);
    for (at, what) in [(4 << 20, "from byte 4194303 on"), (5 << 20, "from byte 5242878 on")] {
        let mut bytes = text.clone().into_bytes();
        bytes[at] = 0xff;
        let fault = main.set_stream("v", &bytes[..], "write").await.unwrap_err();
        assert_eq!(fault.kind(), ErrorKind::InvalidInput);
        assert!(fault.to_string().contains(what), "{fault}");
    }
    let cut = &text.as_bytes()[..text.len() - 1];
    assert_eq!(main.set_stream("v", cut, "w").await.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn pieces_of_text_are_judged_as_the_whole_is() {
    let mut random = Random(1);
    let units = [
        &b"a"[..],
        "é".as_bytes(),
        "語".as_bytes(),
        "😀".as_bytes(),
        b"\x80",
        b"\xe2",
        b"\xf0\x9f",
    ];
    for _ in 0..20_000 {
        // Mostly sound.
        let count = random.below(8);
        let bytes: Vec<u8> = (0..count)
            .flat_map(|_| {
                let kinds = if random.below(8) == 0 { units.len() } else { 4 };
                units[random.below(kinds)].to_vec()
            })
            .collect();
        let (mut check, mut rest) = (Utf8::default(), &bytes[..]);
        let mut judged = Ok(());
        while judged.is_ok() && !rest.is_empty() {
            let (piece, behind) = rest.split_at(1 + random.below(rest.len()));
            judged = check.piece(piece);
            rest = behind;
        }
        let judged = judged.and_then(|()| check.end());
        match (judged, str::from_utf8(&bytes)) {
            (Ok(()), Ok(_)) => {}
            (Err(fault), Err(of_whole)) => {
                let what = format!("from byte {} on", of_whole.valid_up_to());
                assert!(fault.to_string().contains(&what), "{fault}, for {bytes:02x?}");
            }
            (judged, _) => panic!("{judged:?} for {bytes:02x?}"),
        }
    }
}
