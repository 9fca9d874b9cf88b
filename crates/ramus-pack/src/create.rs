use std::io;

use ramus_core::{Cursor, Error, Hash, Incarnation, Result};

use crate::compression::Coding;
use crate::derived::DERIVED_NEW;
use crate::disk::{Access, Disk};
use crate::error::{PackError, PackResult};
use crate::format::derived;
use crate::format::files::{Table, encode_refs};
use crate::format::manifest::{FileKind, Manifest};
use crate::options::Settings;
use crate::recover::find_head;
use crate::repair;
use crate::scan::scan;
use crate::writer::active::{Active, Ahead};
use crate::writer::files::{HEAD, LOCK, MANIFEST, MANIFEST_NEW, state, write_file, write_manifest};

/// Makes an empty directory a repository. Nothing of it counts before the manifest is there.
pub(crate) fn create<H: Hash>(
    disk: &dyn Disk,
    names: &[String],
    settings: &Settings,
) -> Result<()> {
    check_empty::<H>(disk, names)?;
    let coding = Coding::default().chosen(&settings.options)?;
    remove_begun(disk, names)?;
    // Whoever made it may have been killed before that was durable.
    let synced = disk.sync_own_name();
    synced.map_err(PackError::sync(format!("sync the directory of {}", disk.place())))?;
    let after = Cursor { incarnation: Incarnation::random(), sequence: 0 };
    let active = Active::create(disk, 1, 1, after, Ahead::new(settings))?;
    let refs = encode_refs(&Table::<H>::new_sync(), after);
    let refs = write_file(disk, FileKind::Refs, 2, &refs, [0, 0])?;
    let head = disk.create(HEAD).map_err(PackError::io(format!("make {HEAD}")))?;
    head.sync().map_err(PackError::sync(format!("sync {HEAD}")))?;
    disk.sync().map_err(PackError::sync(format!("sync {}", disk.place())))?;
    let (hash, key_length) = Manifest::of_hash::<H>();
    let manifest = Manifest {
        hash,
        key_length,
        state: state(settings),
        coding,
        generation: 1,
        incarnation: after.incarnation,
        active: active.header.number,
        next_file: 3,
        durable_end: active.end,
        files: vec![refs],
    };
    Ok(write_manifest(disk, &manifest)?)
}

/// Refuses to make a repository of a directory that holds anything.
fn check_empty<H: Hash>(disk: &dyn Disk, names: &[String]) -> Result<()> {
    let place = disk.place();
    for name in names {
        let file = FileKind::of_file_name(name);
        let is_derived = name == DERIVED_NEW || name.ends_with(derived::SUFFIX);
        let is_repair = repair::is_staged(name) || name.starts_with(repair::ASIDE);
        let small = is_derived || [HEAD, LOCK, MANIFEST_NEW].contains(&&**name);
        let ours = file.is_some() || small || is_repair;
        if !ours {
            return Err(Error::invalid_input(format!(
                "{place} is no repository: it has no `{MANIFEST}`, and it is not empty (there is `{name}`); take a directory of its own"
            )));
        }
        // A crash while the repository was made leaves these two, and no batch in the first.
        let begun = match file {
            None => small && !is_derived && (name != HEAD || is_unused(disk)?),
            Some((FileKind::Refs, 2)) => true,
            Some((FileKind::Segment, 1)) => is_blank::<H>(disk, name, names)?,
            Some(_) => false,
        };
        if !begun {
            return Err(Error::corrupt(format!(
                "{place} has `{name}` and no `{MANIFEST}`: the manifest was lost"
            )));
        }
    }
    Ok(())
}

/// Removes what a crash left while the directory was being made. A segment that is not synced yet must have
/// no company, or it is not known for what it is.
fn remove_begun(disk: &dyn Disk, names: &[String]) -> PackResult<()> {
    let begun: Vec<_> = names.iter().filter(|name| *name != LOCK).collect();
    if begun.is_empty() {
        return Ok(());
    }
    for name in begun {
        disk.unlink(name).map_err(PackError::io(format!("remove {name}")))?;
    }
    disk.sync().map_err(PackError::sync(format!("sync {}", disk.place())))
}

/// Returns whether `head` tells of nothing.
fn is_unused(disk: &dyn Disk) -> PackResult<bool> {
    find_head(disk).map(|head| head.is_none())
}

/// Returns whether a segment has no batch. The others are made once it is synced; as long as there are
/// none, anything may follow its header, and even that may be torn.
fn is_blank<H: Hash>(disk: &dyn Disk, name: &str, names: &[String]) -> PackResult<bool> {
    let file = disk.open(name, Access::Read).map_err(PackError::io(format!("read {name}")))?;
    let alone = names.iter().all(|other| other == name || other == LOCK);
    match scan::<H>(&*file, 1) {
        Ok(scan) => {
            let batches = scan.next_batch > 1 || scan.evidence > 0;
            Ok(!batches && (scan.zeros_follow || alone))
        }
        Err(PackError::Damaged { .. }) => Ok(alone),
        Err(error) if error.io_kind() == Some(io::ErrorKind::UnexpectedEof) => Ok(alone),
        // Nobody knows what is there.
        Err(error) => Err(error),
    }
}
