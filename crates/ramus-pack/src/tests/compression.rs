//! Blocks that are stored compressed.

use std::sync::Arc;

use bytes::Bytes;
use ramus_core::{
    ContentAddressable as _, ErrorKind, Hash as _, ReadOnly as _, Sha1, Storage as _,
};
use ramus_testkit::run;

use super::sim::{Random, SimDisk};
use super::work::settings;
use crate::check::check_disk;
use crate::compression::{Coding, decode};
use crate::format::Fault;
use crate::format::manifest::FileKind;
use crate::format::record::Stored;
use crate::options::Settings;
use crate::repair::repair_disk;
use crate::stat::stat_disk;
use crate::{Compression, Depth, Durability, Mode, Pack, PackOptions, RepairOptions, Stat};

fn open(disk: &SimDisk, options: PackOptions) -> Pack {
    let settings = Settings { options, ..settings(Durability::Sync) };
    Pack::open_disk(Arc::new(disk.clone()), settings).expect("open")
}

fn plain() -> PackOptions {
    PackOptions::default().with_cache_bytes(0)
}

fn compressed() -> PackOptions {
    plain().with_compression(Compression::Zstd)
}

fn stat(disk: &SimDisk) -> Stat {
    stat_disk::<Sha1>(&(Arc::new(disk.clone()) as _)).expect("stat")
}

/// Returns blocks that can be compressed well, of all sizes.
fn texts(from: usize) -> Vec<Bytes> {
    let text =
        |number: usize| format!("line {number} of some text\n").repeat(1 + number % 90).into();
    (from..from + 100).map(text).collect()
}

async fn add(pack: &Pack, blocks: &[Bytes]) {
    for block in blocks {
        pack.blocks().add(block.clone()).await.expect("add");
    }
}

async fn check(pack: &Pack, blocks: &[Bytes]) {
    let hashes: Vec<_> = blocks.iter().map(|block| Sha1::of(block)).collect();
    let found = pack.blocks().find_many(&hashes).await.expect("find");
    for (block, found) in blocks.iter().zip(found) {
        assert_eq!(found.as_ref(), Some(block));
    }
}

#[test]
fn compressed_blocks_take_less_room_and_are_read_as_they_were() {
    run(async {
        let (disk, other) = (SimDisk::default(), SimDisk::default());
        let blocks = texts(0);
        for (disk, options) in [(&disk, compressed()), (&other, plain())] {
            let pack = open(disk, options);
            add(&pack, &blocks).await;
            // From memory, and from files.
            check(&pack, &blocks).await;
            pack.blocks().flush().await.expect("flush");
            check(&pack, &blocks).await;
            let reader = open(disk, plain().with_mode(Mode::Read));
            check(&reader, &blocks).await;
            pack.close().await.expect("close");
            let report = check_disk::<Sha1>(&Arc::new(disk.clone()), Depth::Full).expect("look");
            assert_eq!(report.problems, Vec::<String>::new());
        }
        let (small, large) = (stat(&disk).bytes.segments, stat(&other).bytes.segments);
        assert!(small * 2 < large, "{small} bytes compressed, {large} bytes not");
    });
}

#[test]
fn what_is_chosen_is_recorded_until_something_else_is() {
    run(async {
        let disk = SimDisk::default();
        let all = [texts(0), texts(100), texts(200)];
        for (blocks, options, recorded) in [
            (&all[0], compressed().with_compression_level(9), Compression::Zstd),
            (&all[1], plain(), Compression::Zstd),
            (&all[2], plain().with_compression(Compression::None), Compression::None),
        ] {
            let pack = open(&disk, options);
            add(&pack, blocks).await;
            pack.close().await.expect("close");
            assert_eq!(stat(&disk).compression, recorded);
        }
        let pack = open(&disk, plain());
        for blocks in &all {
            check(&pack, blocks).await;
        }
        pack.close().await.expect("close");
    });
}

/// Finds a compressed record in a segment.
fn first_frame(disk: &SimDisk) -> (String, usize) {
    const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    let files = disk.files();
    let mut places = files.iter().filter(|(name, _)| name.ends_with(".segment"));
    let found = places.find_map(|(name, file)| {
        Some((name.clone(), file.windows(4).position(|bytes| bytes == MAGIC)?))
    });
    found.expect("something is compressed")
}

#[test]
fn a_damaged_frame_is_told_with_its_place_and_repaired() {
    run(async {
        let disk = SimDisk::default();
        let blocks = texts(0);
        let pack = open(&disk, compressed());
        add(&pack, &blocks).await;
        pack.close().await.expect("close");
        let (name, at) = first_frame(&disk);
        let mut file = disk.files().into_iter().find(|(other, _)| *other == name).expect("it").1;
        file[at + 9] ^= 4;
        disk.put(&name, file);
        let sealed = stat(&disk).active != FileKind::of_file_name(&name).expect("a segment").1;
        assert!(sealed, "the first frame is in a sealed segment");
        let pack = open(&disk, plain());
        let mut refused = 0;
        for block in &blocks {
            match pack.blocks().find(&Sha1::of(block)).await {
                Ok(found) => assert_eq!(found.as_ref(), Some(block)),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corrupt);
                    assert!(error.to_string().contains(&format!("{name} is damaged at byte")));
                    refused += 1;
                }
            }
        }
        assert_eq!(refused, 1);
        pack.close().await.expect("close");
        let options = RepairOptions::default();
        let report = repair_disk::<Sha1>(&(Arc::new(disk.clone()) as _), &options).expect("repair");
        assert_eq!(report.blocks_lost, 1);
        assert_eq!(stat(&disk).compression, Compression::Zstd);
        let pack = open(&disk, plain());
        let mut left = 0;
        for block in &blocks {
            let found = pack.blocks().find(&Sha1::of(block)).await.expect("find");
            assert!(found.as_ref().is_none_or(|found| found == block));
            left += usize::from(found.is_some());
        }
        assert_eq!(left as u64, report.blocks);
        pack.close().await.expect("close");
    });
}

#[test]
fn a_length_that_cannot_be_is_refused_before_room_is_made() {
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 200, 0x43, 6, 0, b'a'];
    let body = |length: u32| Bytes::from([&length.to_le_bytes()[..], &frame].concat());
    assert_eq!(decode(Stored::Zstd, body(200)), Ok(Bytes::from(vec![b'a'; 200])));
    let read = Fault::Damaged("a compressed block cannot be read");
    assert_eq!(decode(Stored::Zstd, body(199)), Err(read));
    assert_eq!(decode(Stored::Zstd, body(201)), Err(read));
    let cannot_be = Fault::Damaged("the length of a block cannot be");
    assert_eq!(decode(Stored::Zstd, body(u32::MAX)), Err(cannot_be));
    let ends = Fault::Damaged("it ends too early");
    assert_eq!(decode(Stored::Zstd, Bytes::from_static(b"abc")), Err(ends));
}

#[test]
fn what_does_not_pay_is_stored_as_it_is() {
    let zstd = Coding::Zstd { level: 3 };
    let mut random = Random::new(1);
    let noise: Bytes = (0..4096).map(|_| random.byte()).collect();
    assert_eq!(zstd.encode(noise.clone()), (Stored::Plain, noise));
    for (length, expected) in [(63, Stored::Plain), (64, Stored::Zstd), (100_000, Stored::Zstd)] {
        let block = Bytes::from(vec![b'a'; length]);
        let (stored, body) = zstd.encode(block.clone());
        assert_eq!(stored, expected, "{length} bytes");
        assert_eq!(decode(stored, body), Ok(block));
    }
    let plain = Bytes::from(vec![b'a'; 1000]);
    assert_eq!(Coding::Plain.encode(plain.clone()), (Stored::Plain, plain));
}

#[cfg(feature = "zstd")]
#[test]
fn what_becomes_large_is_decompressed_where_blocking_is_allowed() {
    run(async {
        for (length, is_now) in [(1 << 10, true), (8 << 20, false)] {
            let disk = SimDisk::default();
            let pack = open(&disk, compressed());
            let block = Bytes::from(vec![7; length]);
            let name = pack.blocks().add(block.clone()).await.expect("add");
            for place in ["memory", "the file"] {
                let now = pack.blocks().0.shared.is_found_now(&name);
                assert_eq!(now, is_now, "{length} bytes from {place}");
                assert_eq!(pack.blocks().find(&name).await.expect("find").as_ref(), Some(&block));
                pack.blocks().flush().await.expect("flush");
            }
        }
    });
}
