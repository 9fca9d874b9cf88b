//! The formats, against bytes that were put together from their descriptions by another program.

use std::fs::File;
use std::sync::Arc;

use ramus_core::{Change, Cursor, Hash as _, Incarnation, KeyChange, RefName, Sha1, UpdateId};

use super::sim::SimDisk;
use crate::compression::{Coding, decode};
use crate::disk::{Disk as _, Locked, RealDisk};
use crate::format::batch::BatchHeader;
use crate::format::change::RefChange;
use crate::format::derived;
use crate::format::files::{Changes, Table, decode_changes, decode_refs, encode_refs};
use crate::format::head::Head;
use crate::format::manifest::{FileEntry, FileKind, Manifest, State};
use crate::format::record::{Kind, RecordHeader, Stored};
use crate::format::segment::SegmentHeader;
use crate::index::run::{Lookup, Run};
use crate::index::write::write;
use crate::index::{Place, Read};
use crate::read::check_record;
use crate::scan::{check_records, scan};
use crate::writer::files::LOCK;
use crate::writer::tail::{Link, Tail};

const SALT: u64 = 0x0102_0304_0506_0708;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).expect("hex digits");
        u8::from_str_radix(pair, 16).expect("hex digits")
    };
    digits.chunks(2).map(byte).collect()
}

macro_rules! golden {
    ($name:literal) => {
        bytes(include_str!(concat!("golden/", $name, ".hex")))
    };
}

fn at(sequence: u64) -> Cursor {
    let incarnation = std::array::from_fn(|index| u8::try_from(index).expect("it is small"));
    Cursor { incarnation: Incarnation::from_bytes(incarnation), sequence }
}

fn hello() -> Sha1 {
    Sha1::of(b"hello")
}

fn main() -> RefName {
    RefName::branch("main").expect("a name")
}

fn change() -> Arc<RefChange<Sha1>> {
    let tag = RefName::tag("v1").expect("a name");
    let keys = vec![
        KeyChange { key: main(), old: None, new: Some(hello()) },
        KeyChange { key: tag, old: Some(hello()), new: None },
    ];
    let id = UpdateId::from_bytes([0x11; 16]);
    Arc::new(Change { cursor: at(42), previous: 41, id, note: "why".into(), keys })
}

fn segment() -> SegmentHeader {
    SegmentHeader { number: 7, salt: SALT, first_batch: 9, after: at(41) }
}

#[test]
fn the_header_of_a_segment() {
    let golden = golden!("segment");
    assert_eq!(segment().encode()[..], golden);
    assert_eq!(SegmentHeader::decode(golden.first_chunk().expect("64 bytes")), Ok(segment()));
}

/// The process 4242, as another program wrote it.
#[test]
fn the_lock() {
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join(LOCK);
    std::fs::write(&path, golden!("lock")).expect("write");
    let held = File::options().read(true).write(true).open(&path).expect("open");
    held.lock().expect("lock");
    let disk = RealDisk::at(place.path());
    let locked = disk.lock(LOCK).expect("it is told who holds it");
    assert!(matches!(locked, Locked::Elsewhere(Some(4242))), "{locked:?}");
    // A process that is just being started may have the file open for a moment longer.
    held.unlock().expect("unlock");
    let locked = disk.lock(LOCK).expect("lock");
    assert!(matches!(locked, Locked::Held(_)), "{locked:?}");
    let ours = std::fs::read(&path).expect("read");
    assert_eq!(ours, format!("{}\n", std::process::id()).into_bytes());
}

#[test]
fn the_head() {
    let golden = golden!("head");
    let head = Head { segment: 7, salt: SALT, durable_end: 4096 };
    assert_eq!(head.encode()[..], golden);
    assert_eq!(Head::decode(golden.first_chunk().expect("32 bytes")), Ok(head));
}

#[test]
fn a_batch_of_a_block_and_a_change() {
    let golden = golden!("batch");
    let mut tail = Tail::new(7, 64, 9);
    let header = RecordHeader::of(Kind::Block, b"hello").encode(hello().as_bytes());
    assert_eq!(tail.push(&header, hello().as_bytes(), b"hello"), 128);
    let body = crate::format::change::encode(&change());
    tail.push(&RecordHeader::of(Kind::Change, &body).encode(&[]), &[], &body);
    let chain = segment().chain();
    let flight = tail.take(Link { salt: SALT, chain, durable_end: 64 });
    assert_eq!(**flight.bytes, golden[..]);

    let file = [&segment().encode()[..], &golden].concat();
    let disk = SimDisk::of_files([("x".to_owned(), file)]);
    let file = crate::disk::Disk::open(&disk, "x", crate::disk::Access::Read).expect("open");
    let scan = scan::<Sha1>(&*file, 7).expect("scan");
    assert_eq!(scan.changes, [change()]);
    let place = Place { segment: 7, offset: 128, length: 5 };
    assert_eq!(scan.places.get(&hello()), Some(&place));
    assert_eq!((scan.end, scan.next_batch), (64 + golden.len() as u64, 10));
}

#[test]
fn changes_that_are_taken_back_leave_a_batch_that_is_valid() {
    let mut tail = Tail::new(7, 64, 9);
    let header = RecordHeader::of(Kind::Block, b"hello").encode(hello().as_bytes());
    tail.push(&header, hello().as_bytes(), b"hello");
    let body = crate::format::change::encode(&change());
    tail.push(&RecordHeader::of(Kind::Change, &body).encode(&[]), &[], &body);
    tail.take(Link { salt: SALT, chain: 3, durable_end: 64 });
    tail.void_changes(Sha1::LENGTH);
    let flight = tail.flight().expect("it has not landed");
    let (header, sum) =
        BatchHeader::decode(flight.bytes.first_chunk().expect("a header")).expect("it is valid");
    assert_eq!((header.chain, sum), (3, flight.chain()));
    let records = &flight.bytes[BatchHeader::LENGTH..];
    assert_eq!(check_records(records, header.records, Sha1::LENGTH), Ok(()));
    let kinds =
        crate::scan::records(records, Sha1::LENGTH).map(|record| record.unwrap().header.kind);
    assert_eq!(kinds.collect::<Vec<_>>(), [Kind::Block, Kind::Void]);
}

#[test]
fn the_manifest() {
    let golden = golden!("manifest");
    let file = |kind, number, length, first, last| {
        let dead = if kind == FileKind::Segment { 3 } else { 0 };
        FileEntry { kind, number, length, first, last, dead }
    };
    let manifest = Manifest {
        hash: "sha1".to_owned(),
        key_length: 20,
        state: State::InUseSync,
        coding: Coding::Plain,
        generation: 3,
        incarnation: at(0).incarnation,
        active: 7,
        next_file: 12,
        durable_end: 64,
        files: vec![
            file(FileKind::Segment, 1, 1000, 1, 9),
            file(FileKind::Index, 5, 200, 3, 0),
            file(FileKind::Changes, 1, 300, 1, 41),
            file(FileKind::Refs, 6, 90, 41, 0),
        ],
    };
    assert_eq!(manifest.encode(), golden);
    assert_eq!(Manifest::decode(&golden), Ok(manifest));
}

#[test]
fn changes_and_refs() {
    let golden = golden!("changes");
    let mut changes: Changes<Sha1> = [change()].iter().collect();
    // Again, as after a seal that failed; and with no copy of what was written before.
    for _ in 0..2 {
        assert_eq!(changes.file(at(0).incarnation, <[u8]>::to_vec), golden);
    }
    assert_eq!(changes.span(), Some([42, 42]));
    assert_eq!(decode_changes(&golden), Ok(vec![change()]));

    let golden = golden!("refs");
    let refs: Table<Sha1> = Table::new_sync().insert(main(), hello());
    assert_eq!(encode_refs(&refs, at(42)), golden);
    assert_eq!(decode_refs(&golden), Ok((refs, at(42))));
}

#[test]
fn an_index() {
    let golden = golden!("index");
    let mut keys = [b"a", b"b", b"c"].map(|text| Sha1::of(text));
    keys.sort();
    let place = |index: u32| Place { segment: 1, offset: 128 + 10 * index, length: index };
    let disk = SimDisk::default();
    let entries = keys.iter().zip(0..).map(|(key, index)| Ok((key.as_bytes(), place(index))));
    write(&disk, 5, Sha1::LENGTH, keys.len(), entries).expect("write");
    assert_eq!(disk.files(), [("00000005.index".to_owned(), golden.clone())]);
    let run = Run::open(&disk, 5, Sha1::LENGTH).expect("open");
    assert_eq!(run.size(), golden.len() as u64);
    for (key, index) in keys.iter().zip(0..) {
        let found = run.find(key.as_bytes(), Read::Wait).expect("find");
        assert_eq!(found, Lookup::Found(place(index)));
    }
    let absent = run.find(Sha1::of(b"d").as_bytes(), Read::Wait).expect("find");
    assert_eq!(absent, Lookup::Absent);
}

#[test]
fn derived_data() {
    let golden = golden!("derived");
    let name = RefName::internal("history/native").expect("a name");
    let (bytes, extent) = derived::encode(&name, SALT, &[b"first ", b"second"]);
    assert_eq!(bytes, golden);
    let sound = derived::decode(&golden, &name).expect("it is sound");
    assert_eq!((&sound.data[..], sound.extent, sound.whole), (&b"first second"[..], extent, true));
    let (first, one) = derived::encode(&name, SALT, &[b"first "]);
    assert_eq!([first, derived::encode_part(one, b"second").0].concat(), golden);
    let file = derived::file_name::<Sha1>(&name);
    assert_eq!(file, "060a5e57a051f735a44e135f453347cc181ae165.derived");
}

#[test]
fn a_block_that_is_compressed() {
    let golden = golden!("compressed");
    let block = bytes::Bytes::from(vec![b'a'; 200]);
    let key = Sha1::of(&block);
    let header = check_record::<Sha1>(&key, golden.len() - 36, &golden).expect("it is sound");
    assert_eq!((header.kind, header.stored), (Kind::Block, Stored::Zstd));
    assert_eq!(header.encode(key.as_bytes()), golden[..16]);
    let body = bytes::Bytes::from(golden).slice(36..);
    assert_eq!(decode(header.stored, body), Ok(block));
}

#[test]
fn a_manifest_says_how_blocks_are_stored() {
    let mut golden = golden!("manifest");
    let manifest = Manifest::decode(&golden).expect("it is sound");
    let coding = Coding::Zstd { level: 7 };
    golden[16..18].copy_from_slice(&[1, 7]);
    let end = golden.len() - 4;
    let sum = crate::format::checksum(&[&golden[..end]]);
    golden[end..].copy_from_slice(&sum.to_le_bytes());
    let compressed = Manifest { coding, ..manifest };
    assert_eq!(compressed.encode(), golden);
    assert_eq!(Manifest::decode(&golden), Ok(compressed));
}
