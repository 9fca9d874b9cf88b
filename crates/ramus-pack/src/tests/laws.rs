//! Every law of the contracts, on the real file system and with small segments.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ramus_testkit::{OpenStorage, StorageSubject};

use crate::disk::{Disk, RealDisk};
use crate::options::Settings;
use crate::{Durability, Pack, PackOptions};

/// Small, so that the laws of truncation are quick.
const LOG_CHANGES: usize = 256;
/// Small, so that little fills a segment.
const SMALL_BYTES: u64 = 20_000;
const LARGE_BYTES: u64 = 64 << 20;

fn subject(durability: Durability, segment_bytes: u64) -> impl StorageSubject {
    let options = PackOptions::default().with_durability(durability);
    let directory = tempfile::tempdir().expect("a directory for tests");
    let count = AtomicUsize::new(0);
    let open = move || {
        let path = directory.path().join(count.fetch_add(1, Ordering::Relaxed).to_string());
        let options = options.clone();
        async move { open(&path, options, segment_bytes) }
    };
    OpenStorage::new(open).with_log_capacity(LOG_CHANGES)
}

fn open(path: &Path, options: PackOptions, segment_bytes: u64) -> Pack {
    let disk = RealDisk::open_or_create(path).expect("a directory");
    open_disk(Arc::new(disk), options, segment_bytes)
}

fn open_disk(disk: Arc<dyn Disk>, options: PackOptions, segment_bytes: u64) -> Pack {
    let settings = Settings { log_changes: LOG_CHANGES, segment_bytes, ..Settings::new(options) };
    Pack::open_disk(disk, settings).expect("open")
}

mod sync {
    use super::*;

    fn subject() -> impl StorageSubject {
        super::subject(Durability::Sync, LARGE_BYTES)
    }

    ramus_testkit::storage_laws!(subject());
    ramus_testkit::derived_laws!(subject());
    ramus_testkit::sweep_laws!(subject());
}

mod os_and_small_segments {
    use super::*;

    fn subject() -> impl StorageSubject {
        super::subject(Durability::Os, SMALL_BYTES)
    }

    ramus_testkit::storage_laws!(subject());
    ramus_testkit::sweep_laws!(subject());
}

mod campaigns {
    //! Random tests; see docs/campaigns.md for the long ones.

    use parking_lot::Mutex;
    use ramus_testkit::linear::histories_are_linearizable;
    use ramus_testkit::{Campaign, RefsOf, follows_the_model, run};

    use super::*;
    use crate::SyncBy;
    use crate::tests::sim::SimDisk;

    /// Operations and histories per unit of scale.
    const OPERATIONS: usize = 4000;
    const HISTORIES: usize = 200;
    /// To make a directory takes a dozen syncs.
    const HISTORIES_ON_DISK: usize = 30;

    /// How packs are opened: options, and the bytes of a segment.
    type Way = (PackOptions, u64);

    fn sync() -> Way {
        (PackOptions::default(), LARGE_BYTES)
    }

    fn os_and_small_segments() -> Way {
        (PackOptions::default().with_durability(Durability::Os), SMALL_BYTES)
    }

    /// With small segments, so that some updates are written by whoever waits, and others beside a seal.
    fn sync_by_caller() -> Way {
        (PackOptions::default().with_sync_by(SyncBy::Caller), SMALL_BYTES)
    }

    /// On the real file system, one after the other: with each the directory of the one before is removed.
    fn on_disk((options, segment_bytes): Way) -> impl StorageSubject {
        let newest = Mutex::new(None);
        let open = move || {
            let directory = tempfile::tempdir().expect("a directory for tests");
            let pack = open(directory.path(), options.clone(), segment_bytes);
            drop(newest.lock().replace(directory));
            async move { pack }
        };
        OpenStorage::new(open).with_log_capacity(LOG_CHANGES)
    }

    fn in_memory((options, segment_bytes): Way) -> impl StorageSubject {
        let open = move || {
            let disk = Arc::new(SimDisk::default());
            let pack = open_disk(disk, options.clone(), segment_bytes);
            async move { pack }
        };
        OpenStorage::new(open).with_log_capacity(LOG_CHANGES)
    }

    /// Returns the parts of the campaign: one seed after the other, each with a bound of its own on how long it
    /// may take.
    fn parts() -> impl Iterator<Item = Campaign> {
        let Campaign { seed, scale } = Campaign::from_env();
        (0..scale as u64).map(move |part| Campaign { seed: seed.wrapping_add(part), scale: 1 })
    }

    fn check_model(way: Way) {
        let subject = on_disk(way);
        parts().for_each(|part| run(follows_the_model(&subject, part, OPERATIONS)));
    }

    fn check_histories(subject: impl StorageSubject, histories: usize) {
        let refs = RefsOf(subject);
        parts().for_each(|part| run(histories_are_linearizable(&refs, part, histories)));
    }

    #[test]
    fn with_sync_random_operations_follow_the_model() {
        check_model(sync());
    }

    #[test]
    fn with_os_and_small_segments_random_operations_follow_the_model() {
        check_model(os_and_small_segments());
    }

    #[test]
    fn with_syncs_by_the_caller_random_operations_follow_the_model() {
        check_model(sync_by_caller());
    }

    #[test]
    fn with_sync_concurrent_histories_are_linearizable() {
        check_histories(in_memory(sync()), HISTORIES);
    }

    #[test]
    fn on_disk_concurrent_histories_are_linearizable() {
        check_histories(on_disk(sync()), HISTORIES_ON_DISK);
    }

    #[test]
    fn with_os_and_small_segments_concurrent_histories_are_linearizable() {
        check_histories(in_memory(os_and_small_segments()), HISTORIES);
    }

    #[test]
    fn with_syncs_by_the_caller_concurrent_histories_are_linearizable() {
        check_histories(in_memory(sync_by_caller()), HISTORIES);
    }
}
