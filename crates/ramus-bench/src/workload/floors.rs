//! The floor of what is kept on disk: each operation hashes its blocks and gives them to a file with one call;
//! where answers wait for an fsync, that file is written full of zeros before, and each operation ends in one
//! fdatasync.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;

use ramus_core::{Hash as _, Sha1};

use crate::Result;
use crate::context::Context;
use crate::record::Recorder;
use crate::start::Start;
use crate::subject::Subject;

/// What one operation writes.
pub(super) type Blocks = Vec<Vec<u8>>;

/// Notes both floors of a step of `n` operations that writes these blocks, an item for each call.
pub(super) fn on_disk(
    context: &Context<'_>,
    recorder: &mut Recorder,
    (step, n): (&str, u64),
    writes: impl Iterator<Item = Blocks> + Clone,
) -> Result<()> {
    let place = context.place(Subject::Floor)?;
    let directory = place.directory()?;

    let mut file = File::create(directory.join("os"))?;
    let start = Start::now();
    for blocks in writes.clone() {
        file.write_all(&hashed(&blocks))?;
    }
    recorder.done(Subject::FloorOs, step, n, start);

    let size = writes.clone().flatten().map(|block| Sha1::LENGTH + block.len()).sum();
    let file = File::create(directory.join("sync"))?;
    file.write_all_at(&vec![0; size], 0)?;
    file.sync_all()?;
    let (start, mut at) = (Start::now(), 0);
    for blocks in writes {
        let bytes = hashed(&blocks);
        file.write_all_at(&bytes, at)?;
        file.sync_data()?;
        at += bytes.len() as u64;
    }
    recorder.done(Subject::FloorSync, step, n, start);
    Ok(())
}

/// Returns the blocks in a row, each with its name before it.
fn hashed(blocks: &Blocks) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(blocks.iter().map(|block| Sha1::LENGTH + block.len()).sum());
    for block in blocks {
        bytes.extend_from_slice(Sha1::of(block).as_bytes());
        bytes.extend_from_slice(block);
    }
    bytes
}
