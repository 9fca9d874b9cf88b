//! Readers that are told by the kernel.

use std::time::Duration;

use ramus_core::{AtomicWriteExt as _, ContentAddressable as _, RefName, Storage as _};
use ramus_watch::WatchExt as _;

use crate::{Durability, Mode, Pack, PackOptions};

/// With an interval of a minute, what comes earlier was told.
#[tokio::test]
async fn a_reader_is_told_of_what_is_written_before_it_would_look() {
    for durability in [Durability::Sync, Durability::Os] {
        let directory = tempfile::tempdir().expect("a directory for tests");
        let options = PackOptions::default().with_durability(durability);
        let writer: Pack = Pack::open(directory.path(), &options).await.expect("open");
        let options = PackOptions::default().with_mode(Mode::Read).with_follow_ms(60_000);
        let reader: Pack = Pack::open(directory.path(), &options).await.expect("open");
        let main = RefName::branch("main").expect("a name");
        let mut watch = reader.refs().watch_key(&main).await.expect("watch");
        for block in ["first", "second", "third"] {
            let hash = writer.blocks().add(block.into()).await.expect("add");
            writer.refs().set(main.clone(), hash).await.expect("set");
            let told = tokio::time::timeout(Duration::from_secs(50), watch.next()).await;
            let event = told.expect("it is told").expect("it goes on").expect("an event");
            drop(event);
        }
        reader.close().await.expect("close");
        writer.close().await.expect("close");
    }
}
