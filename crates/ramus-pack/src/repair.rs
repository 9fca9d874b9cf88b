//! Puts a damaged directory in order: what is sound is kept, and what is lost is said.
//!
//! # The order
//!
//! 1. Everything is read, and it is decided what is kept; see [`survey`], [`salvage`] and [`refs`]. A dry run
//!    ends here, and so does a repair of what is sound.
//! 2. New files are written under names that do not count: what is sound of each damaged segment, one index
//!    of every block, the refs, and an empty segment to go on in. Each is synced, and so is each segment that
//!    stays; what is not known to be durable of it is written again before.
//! 3. Every file that will not count any more gets a second name in a directory of its own, which is synced.
//! 4. The new files get their names, the directory is synced, and a manifest that lists them and the
//!    segments that were sound takes the place of the old one. From that moment it is repaired.
//! 5. The first names of the files of step 3 are removed.
//!
//! A crash before the manifest is in place leaves the directory as it was, and files that do not count. So it
//! can be repaired again. (Without a manifest that can be read every segment counts; a new one that is there
//! already holds nothing that the others do not.)

mod rebuild;
mod refs;
mod report;
mod salvage;
mod staged;
mod sums;
mod survey;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ramus_core::{Hash, Result};

use crate::disk::{Disk, Locked, RealDisk};
use crate::options::{PackOptions, Settings};
use crate::read::blocking;
use crate::recover;

pub(crate) use self::rebuild::ASIDE;
pub use self::report::{Damage, RefSetBack, Repaired};
pub(crate) use self::staged::is_staged;

/// How a directory is repaired.
///
/// ```
/// use ramus_pack::RepairOptions;
///
/// let options = RepairOptions::default().with_dry_run(true);
/// assert!(options.dry_run);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RepairOptions {
    /// Nothing is changed; it is said what would be.
    pub dry_run: bool,
}

impl RepairOptions {
    /// Returns these options for a repair that changes nothing, or for one that does.
    #[must_use]
    pub const fn with_dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }
}

/// Repairs the directory at `path`, which nobody has open to write: keeps what is sound, and says what is
/// lost.
///
/// # What is kept
///
/// - Every block whose record is sound and whose bytes give its name, wherever damage is around it.
/// - Each ref with the newest value of which the log tells; behind changes that are lost the later ones
///   count, and the refs that none of them tells of are said to be [unsure](Repaired::refs_unsure). A ref
///   whose block is lost [goes back](Repaired::refs_set_back) to the newest value that is there, or is gone.
///   Whether what a block names is there is not known here.
/// - Derived data.
///
/// The log of changes goes on, with the cursors and the ids that it had, if nothing of its end is lost and no
/// ref is set back; then watches go on. Otherwise, or if the manifest is lost, it begins anew: watches get
/// `Resync`, and the report says how many changes are [forgotten](Repaired::changes_forgotten).
///
/// # What is left
///
/// Afterwards [`check`](crate::check) finds nothing, and the directory can be opened. The files that do not
/// count any more are in a directory below it, `damaged-1` or a higher number, as they were. It can be deleted
/// once nobody wants them; until then they take room, as the new files do. A directory in which nothing is
/// damaged is left as it is.
///
/// What is returned also lies there as `report.txt`, before anything is changed. So it is not lost with a
/// process that is killed; the next repair tells what it finds, which may be less.
///
/// If the manifest is lost and blocks were collected, some of these come back.
///
/// It takes as long as a full [`check`](crate::check), and about 80 bytes of memory for each block.
///
/// ```
/// use ramus_core::{ContentAddressable as _, Sha1, Storage as _};
/// use ramus_pack::{Pack, PackOptions, RepairOptions};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path();
/// let pack: Pack = Pack::open(path, &PackOptions::default()).await?;
/// pack.blocks().add("hello".into()).await?;
/// pack.close().await?;
/// std::fs::write(path.join("manifest"), "damaged").unwrap();
///
/// let repaired = ramus_pack::repair::<Sha1>(path, &RepairOptions::default()).await?;
/// assert_eq!((repaired.blocks, repaired.blocks_lost), (1, 0));
/// assert_eq!(repaired.set_aside.as_deref(), Some("damaged-1"));
/// let pack: Pack = Pack::open(path, &PackOptions::default()).await?;
/// # pack.close().await?;
/// # Ok::<(), ramus_core::Error>(())
/// # }).unwrap();
/// ```
///
/// # Errors
///
/// - [`Unavailable`](ramus_core::ErrorKind::Unavailable) if it is open to write, by this process or another,
///   and if the system cannot read or write: then copy the directory to another disk first.
/// - [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) if it is no repository, or nothing tells its hash
///   and no block is named by this one.
/// - [`Unsupported`](ramus_core::ErrorKind::Unsupported) if its blocks are named by another hash, or a later
///   version of the format was used.
/// - [`Limit`](ramus_core::ErrorKind::Limit) if there is no room, and
///   [`Permission`](ramus_core::ErrorKind::Permission).
///
/// # Cancel safety
///
/// A dropped future leaves nothing behind, and goes on until it is through.
pub async fn repair<H: Hash>(
    path: impl AsRef<Path>,
    options: &RepairOptions,
) -> Result<Repaired<H>> {
    let (path, options): (PathBuf, _) = (path.as_ref().to_owned(), options.clone());
    blocking(move || {
        let disk = Arc::new(RealDisk::at(&path)) as Arc<dyn Disk>;
        repair_disk(&disk, &options)
    })
    .await
}

pub(crate) fn repair_disk<H: Hash>(
    disk: &Arc<dyn Disk>,
    options: &RepairOptions,
) -> Result<Repaired<H>> {
    survey::ensure_repository(&**disk)?;
    let _lock: Option<Locked> = if options.dry_run {
        recover::lock_to_look(&**disk)?
    } else {
        Some(recover::lock(&**disk)?)
    };
    let survey = survey::survey::<H>(disk)?;
    if options.dry_run || survey.report.is_sound() {
        return Ok(survey.report);
    }
    let settings = Settings::new(PackOptions::default());
    Ok(rebuild::rebuild(disk, survey, &settings)?)
}
