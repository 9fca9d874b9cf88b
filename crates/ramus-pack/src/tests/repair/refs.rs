//! What a repair makes of refs whose blocks or changes are lost.

use ramus_core::{
    AtomicWrite as _, Changes, ContentAddressable as _, Hash as _, ReadOnly as _, RefName, Sha1,
    Storage as _, Update,
};
use ramus_testkit::run;

use super::{main, repair, set};
use crate::Durability;
use crate::tests::sim::SimDisk;
use crate::tests::work::open;

#[test]
fn a_ref_whose_block_is_damaged_goes_back_to_the_value_before() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync).expect("open");
        let first = set(&pack, main(), "the first").await;
        let second = set(&pack, main(), "the second").await;
        let tag = RefName::tag("v1").expect("a name");
        let tagged = set(&pack, tag.clone(), "the tag").await;
        let before = pack.refs().position().await.expect("position");
        drop(pack);
        let damaged = disk.flip(b"the second");

        let report = repair(&disk).expect("repair");
        assert_eq!((report.blocks, report.blocks_lost, report.changes_lost), (2, 1, 0));
        assert!(!report.newest_changes_lost && report.refs_unsure.is_empty(), "{report:?}");
        let [set_back] = &report.refs_set_back[..] else { panic!("{report:?}") };
        assert_eq!((&set_back.name, set_back.from, set_back.to), (&main(), second, Some(first)));
        assert!(report.damages.iter().all(|damage| damage.file == damaged));
        let text = report.to_string();
        assert!(text.contains(&format!("named {second}, which is lost, and goes back to {first}")));
        assert!(text.contains("is in damaged-1"), "{text}");

        let pack = open(&disk, Durability::Sync).expect("open");
        assert_eq!(pack.refs().find(&main()).await.expect("find"), Some(first));
        assert_eq!(pack.refs().find(&tag).await.expect("find"), Some(tagged));
        let changes = pack.refs().changes(before, 1).await.expect("changes");
        assert!(matches!(changes, Changes::Truncated { .. }), "the log begins anew: {changes:?}");
        let at = pack.refs().position().await.expect("position");
        assert_ne!(at.incarnation, before.incarnation);
        assert_eq!(at.sequence, before.sequence);
        pack.close().await.expect("close");
        assert!(repair(&disk).expect("repair").is_sound());
    });
}

#[test]
fn a_ref_goes_back_no_further_than_it_has_to() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync).expect("open");
        for block in ["the first", "the second", "the third", "the fourth"] {
            set(&pack, main(), block).await;
        }
        drop(pack);
        disk.flip(b"the fourth");
        repair(&disk).expect("repair");
        let pack = open(&disk, Durability::Sync).expect("open");
        let found = pack.refs().find(&main()).await.expect("find");
        assert_eq!(found, Some(Sha1::of(b"the third")));
        pack.close().await.expect("close");
    });
}

#[test]
fn behind_a_change_that_is_lost_the_later_ones_count() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync).expect("open");
        let other = RefName::branch("other").expect("a name");
        set(&pack, other.clone(), "of another").await;
        set(&pack, main(), "the first").await;
        let note = Update::new(pack.refs().position().await.expect("position"));
        let lost = pack.blocks().add("lost".into()).await.expect("add");
        let update = note.with_note("the note of what is lost").set(other.clone(), lost);
        assert!(pack.refs().update(update).await.expect("update").is_applied());
        let newest = set(&pack, main(), "the newest").await;
        drop(pack);
        disk.flip(b"the note of what is lost");
        // Later batches tell that this one was durable.
        disk.put("head", Vec::new());

        let report = repair(&disk).expect("repair");
        assert_eq!((report.blocks_lost, report.changes_lost), (0, 1));
        assert!(!report.newest_changes_lost, "{report:?}");
        assert_eq!(report.refs_unsure, std::slice::from_ref(&other));
        let pack = open(&disk, Durability::Sync).expect("open");
        assert_eq!(pack.refs().find(&main()).await.expect("find"), Some(newest));
        let found = pack.refs().find(&other).await.expect("find");
        assert_eq!(found, Some(Sha1::of(b"of another")));
    });
}
