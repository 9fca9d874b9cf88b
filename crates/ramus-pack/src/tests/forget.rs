//! How long changes are kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ramus_core::{AtomicWrite as _, Changes, Cursor, Storage as _};
use ramus_testkit::run;

use super::sim::{Random, SimDisk};
use super::work::{History, settings};
use crate::options::Settings;
use crate::stat::stat_disk;
use crate::{Durability, Pack};

/// The fewest changes that are kept here.
const MIN: u64 = 30;

fn keeping(bytes: Option<u64>, age_s: Option<u64>, now_s: fn() -> u64) -> Settings {
    let mut settings = settings(Durability::Sync);
    (settings.options.log_bytes_max, settings.options.log_age_max_s) = (bytes, age_s);
    Settings { log_changes: 100_000, log_changes_min: MIN, now_s, ..settings }
}

fn open(disk: &SimDisk, settings: &Settings) -> Pack {
    Pack::open_disk(Arc::new(disk.clone()), settings.clone()).expect("open")
}

/// Returns how many changes the log has.
async fn kept(pack: &Pack) -> u64 {
    let end = pack.refs().position().await.expect("position");
    let begin = Cursor { sequence: 0, ..end };
    match pack.refs().changes(begin, 1).await.expect("changes") {
        Changes::Page(_) => end.sequence,
        Changes::Truncated { oldest } => end.sequence - oldest.sequence,
    }
}

async fn work(pack: &Pack, disk: &SimDisk, history: &mut History, seed: u64) {
    history.work(pack, disk, 200, &mut Random::new(seed)).await.expect("work");
}

#[test]
fn without_a_limit_every_change_is_kept() {
    run(async {
        let (disk, mut history) = (SimDisk::default(), History::new());
        let pack = open(&disk, &keeping(None, None, || 1000));
        work(&pack, &disk, &mut history, 1).await;
        let end = pack.refs().position().await.expect("position").sequence;
        assert_eq!(kept(&pack).await, end);
        pack.close().await.expect("close");
    });
}

#[test]
fn a_log_that_takes_too_much_room_is_cut_and_the_fewest_stay() {
    run(async {
        let (disk, mut history) = (SimDisk::default(), History::new());
        for (bytes, most) in [(6000, 120), (0, 80)] {
            let settings = keeping(Some(bytes), None, || 1000);
            let pack = open(&disk, &settings);
            work(&pack, &disk, &mut history, bytes).await;
            let left = kept(&pack).await;
            assert!((MIN..most).contains(&left), "{left} changes are kept with {bytes} bytes");
            let stat = stat_disk::<ramus_core::Sha1>(&(Arc::new(disk.clone()) as _)).expect("stat");
            assert_eq!(stat.log.1.sequence - stat.log.0.sequence, left);
            pack.close().await.expect("close");
            let pack = open(&disk, &settings);
            assert_eq!(kept(&pack).await, left, "opened again");
            history.opened(&pack, &disk).await.expect("read");
            history.check(&pack, usize::MAX).await.expect("check");
            pack.close().await.expect("close");
        }
    });
}

#[test]
fn old_changes_are_forgotten_and_the_fewest_stay() {
    static NOW: AtomicU64 = AtomicU64::new(1000);
    run(async {
        let (disk, mut history) = (SimDisk::default(), History::new());
        let settings = keeping(None, Some(60), || NOW.load(Ordering::SeqCst));
        let pack = open(&disk, &settings);
        work(&pack, &disk, &mut history, 1).await;
        let before = pack.refs().position().await.expect("position").sequence;
        assert_eq!(kept(&pack).await, before, "all of them are new");
        NOW.store(1060, Ordering::SeqCst);
        work(&pack, &disk, &mut history, 2).await;
        assert!(kept(&pack).await > before, "a minute is not too long");
        NOW.store(1061, Ordering::SeqCst);
        work(&pack, &disk, &mut history, 3).await;
        let end = pack.refs().position().await.expect("position").sequence;
        let left = kept(&pack).await;
        assert!(left <= end - before + 40, "{left} of {end} are kept, {before} are too old");
        NOW.store(5000, Ordering::SeqCst);
        work(&pack, &disk, &mut history, 4).await;
        assert!((MIN..end).contains(&kept(&pack).await));
        pack.close().await.expect("close");
    });
}
