//! Every law of the contracts, on the real file system and with small segments.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ramus_core::Sha1;
use ramus_testkit::{OpenStorage, StorageSubject};

use crate::disk::RealDisk;
use crate::options::Settings;
use crate::{Durability, Pack, PackOptions};

/// Small, so that the laws of truncation are quick.
const LOG_CHANGES: usize = 256;

fn subject(durability: Durability, segment_bytes: u64) -> impl StorageSubject {
    let directory = tempfile::tempdir().expect("a directory for tests");
    let count = AtomicUsize::new(0);
    let open = move || {
        let path = directory.path().join(count.fetch_add(1, Ordering::Relaxed).to_string());
        async move {
            let options = PackOptions::default().with_durability(durability);
            let settings =
                Settings { log_changes: LOG_CHANGES, segment_bytes, ..Settings::new(options) };
            let disk = RealDisk::open_or_create(&path).expect("a directory");
            Pack::<Sha1>::open_disk(Arc::new(disk), settings).expect("open")
        }
    };
    OpenStorage::new(open).with_log_capacity(LOG_CHANGES)
}

mod sync {
    use super::*;

    fn subject() -> impl StorageSubject {
        super::subject(Durability::Sync, 64 << 20)
    }

    ramus_testkit::storage_laws!(subject());
    ramus_testkit::derived_laws!(subject());
    ramus_testkit::sweep_laws!(subject());
}

mod os_and_small_segments {
    use super::*;

    fn subject() -> impl StorageSubject {
        super::subject(Durability::Os, 20_000)
    }

    ramus_testkit::storage_laws!(subject());
    ramus_testkit::sweep_laws!(subject());
}
