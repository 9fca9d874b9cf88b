//! What looks like a record or a batch and is none.

use ramus_core::{
    AtomicWrite as _, ContentAddressable as _, Hash as _, ReadOnly as _, RefName, Sha1,
    Storage as _, Update,
};
use ramus_testkit::run;

use super::{main, newest, repair, set};
use crate::Durability;
use crate::format::batch::BatchHeader;
use crate::format::record::{Kind, RecordHeader};
use crate::tests::sim::SimDisk;
use crate::tests::work::open;

/// What a block holds may claim at every place to be a record that is as long as the rest of it.
#[test]
fn behind_damage_a_block_full_of_claims_is_gone_through_once() {
    const LENGTH: usize = 6 << 20;
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync).expect("open");
        pack.blocks().add("it will be damaged".into()).await.expect("add");
        let mut block = Vec::with_capacity(LENGTH);
        let key = [7; 20];
        while block.len() < LENGTH {
            let length = u32::try_from(LENGTH - block.len()).expect("it is small");
            let length = length.saturating_sub(40);
            let claim = RecordHeader { length, ..RecordHeader::of(Kind::Block, b"anything") };
            block.extend_from_slice(&claim.encode(&key));
            block.extend_from_slice(&key);
        }
        pack.blocks().add(block.into()).await.expect("add");
        let kept = set(&pack, main(), "behind it").await;
        let disk = disk.kill();
        drop(pack);
        // The header of the first record, and of the large one.
        let name = disk.flip(b"it will be damaged");
        let (_, mut bytes) = disk.files().into_iter().find(|(of, _)| *of == name).expect("it");
        let claims = bytes.windows(20).position(|part| part == key).expect("they are there") - 16;
        bytes[64 + 64 + 4] ^= 1;
        bytes[claims - 30] ^= 1;
        disk.put(&name, bytes);
        // Where blocking is allowed, so that there is a bound on how long it may take.
        let repaired = crate::read::blocking(move || repair(&disk).map(|report| (report, disk)));
        let (report, disk) = repaired.await.expect("repair");
        assert_eq!(report.blocks, 1, "{report}");
        let pack = open(&disk, Durability::Sync).expect("open");
        assert!(pack.blocks().mem(&kept).await.expect("mem"));
        pack.close().await.expect("close");
    });
}

#[test]
fn a_block_under_a_wrong_name_is_lost() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync).expect("open");
        let wrong = Sha1::of(b"another");
        pack.blocks().unsafe_add(wrong, "block".into()).await.expect("add");
        let right = pack.blocks().add("right".into()).await.expect("add");
        pack.close().await.expect("close");
        let report = repair(&disk).expect("repair");
        assert_eq!((report.blocks, report.blocks_lost), (1, 1));
        let pack = open(&disk, Durability::Sync).expect("open");
        assert!(pack.blocks().mem(&right).await.expect("mem"));
        assert!(!pack.blocks().mem(&wrong).await.expect("mem"));
        pack.close().await.expect("close");
    });
}

#[test]
fn what_a_block_holds_is_no_change() {
    run(async {
        // A block that has a segment of another repository, in which main is moved often.
        let other = SimDisk::default();
        let pack = open(&other, Durability::Sync).expect("open");
        for block in ["1", "2", "3", "4", "5", "6", "7", "8"] {
            set(&pack, main(), block).await;
        }
        drop(pack);
        let files = other.files();
        let segments = files.iter().filter(|(name, _)| name.ends_with(".segment"));
        let segment = segments.max_by_key(|(_, file)| file.len()).expect("a segment").1.clone();
        let end = segment.iter().rposition(|byte| *byte != 0).expect("some byte") + 1;

        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync).expect("open");
        let ours = set(&pack, main(), "ours").await;
        let mut block = b"the segment: ".to_vec();
        block.extend_from_slice(&segment[..end]);
        pack.blocks().add(block.into()).await.expect("add");
        set(&pack, RefName::tag("v1").expect("a name"), "the tag").await;
        drop(pack);
        // The record that holds it begins before its bytes.
        let name = Sha1::of(&[b"the segment: ", &segment[..end]].concat());
        disk.flip(name.as_bytes());
        let report = repair(&disk).expect("repair");
        assert_eq!(report.damages_count, 1, "{report:?}");
        let pack = open(&disk, Durability::Sync).expect("open");
        assert_eq!(pack.refs().find(&main()).await.expect("find"), Some(ours));
        assert!(pack.blocks().mem(&Sha1::of(b"the tag")).await.expect("mem"));
        pack.close().await.expect("close");
    });
}

#[test]
fn what_a_block_holds_is_no_batch() {
    run(async {
        // It depends on where a block lies whether what it holds could begin a batch.
        for padding in 0..8 {
            let disk = SimDisk::default();
            let pack = open(&disk, Durability::Sync).expect("open");
            set(&pack, main(), "the first").await;
            let (_, segment) = newest(&disk, ".segment");
            let header = segment[64..].first_chunk().map(BatchHeader::decode);
            let (header, _) = header.expect("a batch").expect("it is sound");
            let end = 64 + BatchHeader::LENGTH + header.length as usize;
            let mut block = vec![b'-'; padding];
            block.extend_from_slice(&segment[64..end]);
            let name = Sha1::of(&block);
            let update = Update::new(pack.refs().position().await.expect("position"));
            let update = update.set(main(), name);
            assert!(pack.write(vec![(name, block.into())], update).await.expect("w").is_applied());
            drop(pack);
            // The header of the second batch.
            let (segment, mut bytes) = newest(&disk, ".segment");
            bytes[end + 20] ^= 1;
            disk.put(&segment, bytes);
            let report = repair(&disk).expect("repair");
            assert_eq!((report.blocks, report.blocks_lost), (2, 0), "{padding}: {report:?}");
            let pack = open(&disk, Durability::Sync).expect("open");
            assert_eq!(pack.refs().find(&main()).await.expect("find"), Some(name), "{padding}");
        }
    });
}

#[test]
fn later_batches_tell_that_one_was_durable_if_nothing_else_does() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync).expect("open");
        set(&pack, main(), "the first").await;
        set(&pack, RefName::branch("other").expect("a name"), "which is damaged").await;
        let newest = set(&pack, main(), "the newest").await;
        let disk = disk.kill();
        drop(pack);
        disk.flip(b"which is damaged");
        disk.put("head", Vec::new());
        let report = repair(&disk).expect("repair");
        assert_eq!((report.blocks, report.blocks_lost), (2, 1), "{report:?}");
        let pack = open(&disk, Durability::Sync).expect("open");
        assert_eq!(pack.refs().find(&main()).await.expect("find"), Some(newest));
    });
}
