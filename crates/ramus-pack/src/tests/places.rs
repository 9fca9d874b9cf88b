//! Places where a pack cannot be opened: each error says what would be right.

use std::io;
use std::sync::Arc;

use ramus_core::{Error, ErrorKind, Sha1, Storage as _};
use ramus_testkit::run;

use super::sim::{Random, SimDisk};
use super::work::{History, settings};
use crate::check::check_disk;
use crate::disk::{Access, Disk, DiskFile, Locked};
use crate::repair::repair_disk;
use crate::{Depth, Durability, Mode, Pack, PackOptions, RepairOptions, check};

const EACCES: i32 = 13;
const EROFS: i32 = 30;

/// A disk of which the system opens nothing, or nothing to write.
#[derive(Debug)]
struct Refusing {
    disk: SimDisk,
    /// The number of the error, as the system has it.
    code: i32,
    also_to_read: bool,
}

impl Refusing {
    fn refuse<T>(&self) -> io::Result<T> {
        Err(io::Error::from_raw_os_error(self.code))
    }
}

impl Disk for Refusing {
    fn place(&self) -> String {
        "/place".to_owned()
    }

    fn create(&self, _name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.refuse()
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        if self.also_to_read || access == Access::Write {
            return self.refuse();
        }
        self.disk.open(name, access)
    }

    fn rename(&self, _from: &str, _to: &str) -> io::Result<()> {
        self.refuse()
    }

    fn unlink(&self, _name: &str) -> io::Result<()> {
        self.refuse()
    }

    fn set_aside(&self, _names: &[String], _directory: &str, _report: &str) -> io::Result<()> {
        self.refuse()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn sync(&self) -> io::Result<()> {
        self.refuse()
    }

    fn sync_own_name(&self) -> io::Result<()> {
        self.refuse()
    }

    fn lock(&self, _name: &str) -> io::Result<Locked> {
        self.refuse()
    }
}

/// A directory that was worked on and closed, and must not be written since.
fn worked_on(code: i32) -> Arc<Refusing> {
    let disk = SimDisk::default();
    run(async {
        let pack = super::work::open(&disk, Durability::Sync).expect("open");
        let mut history = History::new();
        history.work(&pack, &disk, 80, &mut Random::new(5)).await.expect("work");
        pack.close().await.expect("close");
    });
    Arc::new(Refusing { disk, code, also_to_read: false })
}

#[test]
fn what_must_not_be_written_can_be_looked_through() {
    for code in [EACCES, EROFS] {
        let disk = worked_on(code);
        for depth in [Depth::Quick, Depth::Full] {
            let report = check_disk::<Sha1>(&disk, depth).expect("it is only read");
            assert_eq!(report.problems, Vec::<String>::new());
        }
        let disk = Arc::clone(&disk) as Arc<dyn Disk>;
        let dry_run = RepairOptions::default().with_dry_run(true);
        let repaired = repair_disk::<Sha1>(&disk, &dry_run).expect("it is only read");
        assert!(repaired.is_sound(), "{repaired}");
        let repaired = repair_disk::<Sha1>(&disk, &RepairOptions::default());
        refused(repaired, ErrorKind::Permission, &["/place"]);
    }
}

#[test]
fn what_somebody_writes_is_not_looked_through_where_the_lock_cannot_be_written() {
    run(async {
        let directory = tempfile::tempdir().expect("a directory for tests");
        let options = PackOptions::default();
        let pack = Pack::<Sha1>::open(directory.path(), &options).await.expect("open");
        let lock = directory.path().join("lock");
        let mut permissions = std::fs::metadata(&lock).expect("it is there").permissions();
        permissions.set_readonly(true);
        std::fs::set_permissions(&lock, permissions).expect("it is ours");
        let checked = check::<Sha1>(directory.path(), Depth::Quick).await;
        refused(checked, ErrorKind::Unavailable, &["open already, in this process"]);
        pack.close().await.expect("close");
        let report = check::<Sha1>(directory.path(), Depth::Full).await.expect("nobody has it");
        assert_eq!(report.problems, Vec::<String>::new());
    });
}

fn open(code: i32, mode: Mode, also_to_read: bool) -> Result<Pack, Error> {
    let disk = SimDisk::default();
    drop(super::work::open(&disk, Durability::Sync).expect("open"));
    let mut settings = settings(Durability::Sync);
    settings.options = settings.options.with_mode(mode);
    Pack::open_disk(Arc::new(Refusing { disk, code, also_to_read }), settings)
}

#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, Error>, kind: ErrorKind, says: &[&str]) {
    let error = answer.expect_err("it cannot be opened");
    assert_eq!(error.kind(), kind, "{error:?}");
    let text = error.to_string();
    assert!(says.iter().all(|says| text.contains(says)), "`{text}` does not say {says:?}");
}

#[test]
fn a_place_that_must_not_be_written_can_be_read() {
    for code in [EACCES, EROFS] {
        refused(open(code, Mode::Write, false), ErrorKind::Permission, &["/place", "`mode=read`"]);
        drop(open(code, Mode::Read, false).expect("it can be read"));
    }
    let says = ["manifest", "permission to read"];
    refused(open(EACCES, Mode::Read, true), ErrorKind::Permission, &says);
}

#[test]
fn too_many_open_files_are_a_limit() {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    for code in [ENFILE, EMFILE] {
        refused(open(code, Mode::Write, true), ErrorKind::Limit, &["/place", "`ulimit -n`"]);
        refused(open(code, Mode::Read, true), ErrorKind::Limit, &["manifest", "`ulimit -n`"]);
    }
}

#[test]
fn a_file_is_no_directory() {
    run(async {
        let directory = tempfile::tempdir().expect("a directory for tests");
        let file = directory.path().join("file");
        std::fs::write(&file, "text").expect("write");
        for mode in [Mode::Write, Mode::Read] {
            for path in [file.clone(), file.join("below")] {
                let options = PackOptions::default().with_mode(mode);
                let opened = Pack::<Sha1>::open(&path, &options).await;
                refused(opened, ErrorKind::InvalidInput, &["path of a directory"]);
            }
        }
        let checked = check::<Sha1>(&file, Depth::Quick).await;
        refused(checked, ErrorKind::InvalidInput, &["path of a directory"]);
    });
}

#[test]
fn a_place_without_a_repository_is_not_made_one_to_be_read() {
    run(async {
        let directory = tempfile::tempdir().expect("a directory for tests");
        for path in [directory.path().to_owned(), directory.path().join("absent")] {
            let options = PackOptions::default().with_mode(Mode::Read);
            let opened = Pack::<Sha1>::open(&path, &options).await;
            let place = path.display().to_string();
            refused(opened, ErrorKind::InvalidInput, &[&place, "is no repository"]);
        }
        let left = std::fs::read_dir(directory.path()).expect("it is there").count();
        assert_eq!(left, 0, "nothing was made");
    });
}
