use std::collections::BTreeMap;

use super::calls::write;
use super::{Op, Random, SECTOR, SimDisk};

/// The disk as it was when recording began, and what was done since.
#[derive(Clone, Debug)]
pub(in crate::tests) struct Recording {
    pub(super) names: BTreeMap<String, usize>,
    pub(super) files: Vec<Vec<u8>>,
    pub(in crate::tests) log: Vec<Op>,
}

impl Recording {
    /// Returns the recording with what was done since it began.
    pub(in crate::tests) fn of(mut self, disk: &SimDisk) -> Self {
        self.log = disk.log();
        self
    }

    /// Returns the name that each file was made with.
    pub(in crate::tests) fn names(&self) -> BTreeMap<usize, String> {
        let before = self.names.iter().map(|(name, file)| (*file, name.clone()));
        let made = self.log.iter().filter_map(|op| match op {
            Op::Create { name, file } => Some((*file, name.clone())),
            _ => None,
        });
        before.chain(made).collect()
    }

    /// Returns a disk as a crash after so many operations may leave it.
    pub(in crate::tests) fn crash(&self, operations: usize, random: &mut Random) -> SimDisk {
        let done = &self.log[..operations];
        let files = self.files_after(done, random);
        let names = self.names_after(done, random);
        // A file may have two names.
        SimDisk::of_files(
            names
                .into_iter()
                .map(|(name, file)| (name, files.get(file).cloned().unwrap_or_default())),
        )
    }

    /// Returns a disk as a crash after so many operations leaves it at the worst: nothing is there that
    /// was not synced.
    pub(in crate::tests) fn power_cut(&self, operations: usize) -> SimDisk {
        let done = &self.log[..operations];
        let mut synced = Self { log: Vec::new(), ..self.clone() };
        let named = done.iter().rposition(|op| matches!(op, Op::SyncDirectory)).unwrap_or(0);
        for (at, op) in done.iter().enumerate() {
            let kept = match op {
                Op::Write { file, .. } => is_durable(&done[at..], *file),
                Op::Create { .. } | Op::Rename { .. } | Op::Link { .. } | Op::Unlink { .. } => {
                    at < named
                }
                Op::SyncFile { .. } | Op::SyncDirectory | Op::SyncOwnName | Op::Nothing => true,
                Op::FailedSync { .. } => false,
            };
            if kept {
                synced.log.push(op.clone());
            }
        }
        // All that is left was synced, so nothing is random. The sync at the end says so of names.
        synced.log.extend(synced.names().into_keys().map(|file| Op::SyncFile { file }));
        synced.log.push(Op::SyncDirectory);
        synced.log.push(Op::Nothing);
        synced.crash(synced.log.len(), &mut Random::new(1))
    }

    fn names_after(&self, done: &[Op], random: &mut Random) -> BTreeMap<String, usize> {
        let synced = done.iter().rposition(|op| matches!(op, Op::SyncDirectory)).unwrap_or(0);
        let mut names = self.names.clone();
        // In order up to some point, or each on its own.
        let ordered = random.once_in(2);
        let point = synced + random.below(done.len() - synced + 1);
        for (index, op) in done.iter().enumerate() {
            let kept = index < synced || if ordered { index < point } else { random.once_in(2) };
            if !kept {
                continue;
            }
            match op {
                Op::Create { name, file } => {
                    names.insert(name.clone(), *file);
                }
                Op::Rename { from, to } => {
                    if let Some(file) = names.remove(from) {
                        names.insert(to.clone(), file);
                    }
                }
                Op::Link { to, file } => {
                    names.insert(to.clone(), *file);
                }
                Op::Unlink { name } => {
                    names.remove(name);
                }
                _ => {}
            }
        }
        names
    }

    fn files_after(&self, done: &[Op], random: &mut Random) -> Vec<Vec<u8>> {
        let mut files = self.files.clone();
        // Each crash has a way of its own to lose what was not synced.
        let style = random.below(5);
        for (index, op) in done.iter().enumerate() {
            match op {
                Op::Create { file, .. } => {
                    files.resize_with(files.len().max(file + 1), Vec::new);
                    if is_durable(&done[index..], *file) || random.once_in(2) {
                        files[*file].clear();
                    }
                }
                Op::Write { file, offset, bytes } => {
                    files.resize_with(files.len().max(file + 1), Vec::new);
                    if is_durable(&done[index..], *file) {
                        write(&mut files[*file], *offset, bytes);
                    } else {
                        write_torn(&mut files[*file], *offset, bytes, style, random);
                    }
                }
                _ => {}
            }
        }
        files
    }
}

/// Returns whether what is written to a file now is durable after these operations.
fn is_durable(later: &[Op], file: usize) -> bool {
    let synced = later.iter().find_map(|op| match op {
        Op::SyncFile { file: synced } if *synced == file => Some(true),
        Op::FailedSync { file: failed } if *failed == file => Some(false),
        _ => None,
    });
    synced.unwrap_or(false)
}

/// Writes each sector of the bytes, or leaves something else there.
fn write_torn(file: &mut Vec<u8>, offset: usize, bytes: &[u8], style: usize, random: &mut Random) {
    if style == 4 && random.once_in(2) {
        // Neither the bytes nor the size.
        return;
    }
    let mut at = 0;
    while at < bytes.len() {
        let sector = (SECTOR - (offset + at) % SECTOR).min(bytes.len() - at);
        let part = &bytes[at..at + sector];
        let start = offset + at;
        let fresh = start >= file.len();
        match (style, random.below(4)) {
            (0, _) | (_, 0) => write(file, start, part),
            (1, _) if fresh => write(file, start, &vec![0; sector]),
            // The end of an earlier write of the same file, or any bytes.
            (2, _) if fresh && start >= sector => {
                let garbage = file[start.min(file.len()) - sector.min(file.len())..].to_vec();
                write(file, start, &garbage[..sector.min(garbage.len())]);
            }
            (3, _) if fresh => {
                let garbage: Vec<u8> = (0..sector).map(|_| random.byte()).collect();
                write(file, start, &garbage);
            }
            // It stays as it was; of a file that grew, zeros.
            _ => {
                let end = start + sector;
                if file.len() < end {
                    file.resize(end, 0);
                }
            }
        }
        at += sector;
    }
}
