//! What is made of stores that keep the laws keeps them too.

use bytes::Bytes;
use ramus_core::wrap::{
    Cached, Metered, MeteredStorage, Prefixed, PrefixedStorage, Typed, Verified,
};
use ramus_core::{AtomicWriteExt as _, Joined, RefName, Sha1, Storage as _};
use ramus_mem::{Mem, MemBlocks, MemOptions, MemRefs};
use ramus_testkit::{OpenBlocks, OpenRefs, OpenStorage};

/// Small, so that the laws of truncation are quick.
const LOG_CHANGES: usize = 256;

fn options() -> MemOptions {
    MemOptions::default().with_log_changes_max(LOG_CHANGES)
}

mod cached {
    use super::*;

    ramus_testkit::storage_laws!(
        OpenStorage::new(async || {
            let blocks = Cached::new(Verified::new(MemBlocks::<Sha1>::new()), 1 << 20);
            Joined::new(blocks, MemRefs::new(&options()))
        })
        .with_log_capacity(LOG_CHANGES)
    );
}

mod metered {
    use super::*;

    fn subject() -> impl ramus_testkit::StorageSubject {
        OpenStorage::new(async || MeteredStorage::new(Mem::<Sha1>::new(&options())))
            .with_log_capacity(LOG_CHANGES)
    }

    ramus_testkit::storage_laws!(subject());
    ramus_testkit::derived_laws!(subject());
    ramus_testkit::sweep_laws!(subject());
}

mod prefixed {
    //! Beside refs and derived data of others, which the view must not show.

    use super::*;

    fn subject() -> impl ramus_testkit::StorageSubject {
        OpenStorage::new(async || {
            let below = Mem::<Sha1>::new(&options());
            let block = below.blocks();
            let key = ramus_core::ContentAddressable::add(block, "others".into());
            let key = key.await.expect("a block");
            for name in ["r0", "tenant-70/r0", "tenant"] {
                let name = RefName::branch(name).expect("a branch name");
                below.replace_derived(&name, "others".into()).await.expect("derived data");
                below.refs().set(name, key).await.expect("a ref");
            }
            PrefixedStorage::new(below, "tenant-7/").expect("a prefix")
        })
        .with_log_capacity(LOG_CHANGES)
    }

    ramus_testkit::storage_laws!(subject());
    ramus_testkit::derived_laws!(subject());
}

mod prefixed_texts {
    use super::*;

    ramus_testkit::refs_laws!(
        OpenRefs::new(
            async || {
                let below = MemRefs::<String, u64>::new(&options());
                below.set("key/0".to_owned(), 7).await.expect("a ref of others");
                Metered::new(Prefixed::new(below, "t:").expect("a prefix"), "refs", |_| 8)
            },
            |number| format!("key/{number}"),
            |number| number as u64,
        )
        .with_log_capacity(LOG_CHANGES)
    );
}

mod typed {
    use super::*;

    type Pair = (u64, String);

    fn value(number: usize) -> Pair {
        (number as u64, format!("value {number}"))
    }

    ramus_testkit::blocks_laws!(OpenBlocks::new(
        async || Typed::<_, Pair>::new(MemBlocks::<Sha1>::new()),
        value,
        |value: &Pair| postcard::to_allocvec(value).expect("an encoding"),
    ));

    ramus_testkit::refs_laws!(
        OpenRefs::new(
            async || Typed::<_, Pair>::new(MemRefs::<RefName, Bytes>::new(&options())),
            |number| RefName::branch(&format!("key/{number}")).expect("a branch name"),
            value,
        )
        .with_log_capacity(LOG_CHANGES)
    );
}
