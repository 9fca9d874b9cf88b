use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures::StreamExt as _;
use ramus_core::erased::Backend;
use ramus_core::{ErrorKind, RefOutcome, RefUpdate, Result, Sha1, Storage, Sweep as _};
use ramus_mem::{Mem, MemSweep};

/// A storage that offers its sweep once.
#[derive(Clone, Debug)]
struct Fickle {
    mem: Mem,
    was_asked: Arc<AtomicBool>,
}

impl Storage for Fickle {
    type Hash = Sha1;
    type Blocks = <Mem as Storage>::Blocks;
    type Refs = <Mem as Storage>::Refs;
    type Sweep = MemSweep<Sha1>;

    fn blocks(&self) -> &Self::Blocks {
        self.mem.blocks()
    }

    fn refs(&self) -> &Self::Refs {
        self.mem.refs()
    }

    fn sweep(&self) -> Option<MemSweep<Sha1>> {
        let was_asked = self.was_asked.swap(true, Ordering::Relaxed);
        if was_asked { None } else { self.mem.sweep() }
    }

    async fn write(
        &self,
        blocks: Vec<(Sha1, Bytes)>,
        update: RefUpdate<Sha1>,
    ) -> Result<RefOutcome<Sha1>> {
        self.mem.write(blocks, update).await
    }
}

#[tokio::test]
async fn a_sweep_that_is_offered_no_more_is_unsupported() {
    let backend = Backend::new(Fickle { mem: Mem::default(), was_asked: Arc::default() });
    let sweep = backend.sweep().expect("it is offered once");
    assert_eq!(sweep.begin().await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(sweep.pin(Vec::new()).await.unwrap_err().kind(), ErrorKind::Unsupported);
    let key = sweep.keys().next().await.expect("an answer");
    assert_eq!(key.unwrap_err().kind(), ErrorKind::Unsupported);
}
