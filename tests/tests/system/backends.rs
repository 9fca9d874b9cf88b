//! The backends that every test runs on.

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use ramus_core::erased::Backend;
use ramus_core::wrap::Verified;
use ramus_core::{Joined, RefName, Sha1};
use ramus_mem::{Mem, MemBlocks, MemOptions, MemRefs};

/// Memory, as it comes.
pub(crate) fn mem() -> BoxFuture<'static, Backend<Sha1>> {
    async { Backend::new(Mem::default()) }.boxed()
}

/// Blocks that are checked and refs that know nothing of them, joined: no collection.
pub(crate) fn joined() -> BoxFuture<'static, Backend<Sha1>> {
    async {
        let refs = MemRefs::<RefName, Sha1>::new(&MemOptions::default());
        Backend::new(Joined::new(Verified::new(MemBlocks::<Sha1, Bytes>::new()), refs))
    }
    .boxed()
}

/// Makes of each function of a [`Bed`](crate::bed::Bed) one test for each backend. After `threads:`
/// they run on several threads.
macro_rules! on_every_backend {
    (threads: $($test:ident),+ $(,)?) => {
        on_every_backend!(@backends (flavor = "multi_thread", worker_threads = 2) $($test),+);
    };
    (@backends $flavor:tt $($test:ident),+) => {
        on_every_backend!(@backend mem $flavor $($test),+);
        on_every_backend!(@backend joined $flavor $($test),+);
    };
    (@backend $backend:ident $flavor:tt $($test:ident),+) => {
        mod $backend {
            $(
                #[tokio::test $flavor]
                async fn $test() {
                    let bed = crate::bed::Bed::new(crate::backends::$backend).await;
                    crate::bed::within_a_minute(super::$test(bed)).await;
                }
            )+
        }
    };
    ($($test:ident),+ $(,)?) => {
        on_every_backend!(@backends (flavor = "current_thread") $($test),+);
    };
}
