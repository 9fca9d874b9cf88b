//! Every law of the contracts, on the memory backend and on what is made of it.

use ramus_core::Sha1;
use ramus_mem::{Mem, MemOptions};
use ramus_testkit::{OpenStorage, StorageSubject};

/// Small, so that the laws of truncation are quick.
const LOG_CHANGES: usize = 256;

fn options() -> MemOptions {
    MemOptions::default().with_log_changes_max(LOG_CHANGES)
}

fn subject() -> impl StorageSubject {
    OpenStorage::new(async || Mem::<Sha1>::new(&options())).with_log_capacity(LOG_CHANGES)
}

mod mem {
    ramus_testkit::storage_laws!(super::subject());
    ramus_testkit::derived_laws!(super::subject());
    ramus_testkit::sweep_laws!(super::subject());
}

mod erased {
    //! The seam where the type of a storage is forgotten loses no promise.

    use ramus_core::Sha1;
    use ramus_core::erased::Backend;
    use ramus_mem::Mem;
    use ramus_testkit::{OpenStorage, StorageSubject};

    fn erased() -> impl StorageSubject {
        OpenStorage::new(async || Backend::new(Mem::<Sha1>::new(&super::options())))
            .with_log_capacity(super::LOG_CHANGES)
    }

    ramus_testkit::storage_laws!(erased());
    ramus_testkit::derived_laws!(erased());
    ramus_testkit::sweep_laws!(erased());
}

mod joined {
    //! Blocks and refs that know nothing of one another. The laws of each half run on `mem`, which is
    //! joined of the same halves.

    use ramus_core::{Joined, Sha1};
    use ramus_mem::{MemBlocks, MemRefs};
    use ramus_testkit::{OpenStorage, StorageSubject};

    fn joined() -> impl StorageSubject {
        OpenStorage::new(async || {
            Joined::new(MemBlocks::<Sha1>::new(), MemRefs::new(&super::options()))
        })
    }

    ramus_testkit::each_law!(storage, [ramus_testkit::law_tests], super::joined);
}

mod verified {
    //! Blocks that are hashed again.

    use bytes::Bytes;
    use ramus_core::Sha256;
    use ramus_core::wrap::Verified;
    use ramus_mem::MemBlocks;
    use ramus_testkit::OpenBlocks;

    ramus_testkit::blocks_laws!(OpenBlocks::new(
        async || Verified::new(MemBlocks::<Sha256>::new()),
        |number| Bytes::from(format!("value {number}")),
        |value: &Bytes| value.to_vec(),
    ));
}

mod texts {
    //! The memory stores are generic over keys and values.

    use ramus_core::Sha256;
    use ramus_mem::{MemBlocks, MemRefs};
    use ramus_testkit::{OpenBlocks, OpenRefs};

    ramus_testkit::blocks_laws!(OpenBlocks::new(
        async || MemBlocks::<Sha256, String>::new(),
        |number| format!("value {number}"),
        |value: &String| value.clone().into_bytes(),
    ));
    ramus_testkit::refs_laws!(
        OpenRefs::new(
            async || MemRefs::<String, usize>::new(&super::options()),
            |number| format!("{:b}", number + 1),
            |number| number,
        )
        .with_log_capacity(super::LOG_CHANGES)
    );
}

mod campaigns {
    //! Random tests; see docs/campaigns.md for the long ones.

    use ramus_testkit::linear::histories_are_linearizable;
    use ramus_testkit::{Campaign, RefsOf, follows_the_model, run};

    #[test]
    fn random_operations_follow_the_model() {
        run(follows_the_model(&super::subject(), Campaign::from_env(), 40_000));
    }

    #[test]
    fn concurrent_histories_are_linearizable() {
        let refs = RefsOf(super::subject());
        run(histories_are_linearizable(&refs, Campaign::from_env(), 10_000));
    }
}
