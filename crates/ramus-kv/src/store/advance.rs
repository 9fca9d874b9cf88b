use std::sync::Arc;

use bytes::Bytes;
use ramus_core::{ContentAddressable as _, Error, ErrorKind, Hash as _, Result, Storage as _};

use super::{Place, Store};
use crate::block::CommitBlock;
use crate::note::{Made, note};
use crate::tree::pending::PendingBlock;
use crate::tree::save::Saved;
use crate::{Commit, Format as _, Info, Schema, Tree};

/// How a head is to be moved on.
#[derive(Clone)]
pub(super) struct Advance<S: Schema> {
    pub(super) allow_empty: bool,
    /// The parents, if they are not the head alone.
    pub(super) parents: Option<Vec<S::Hash>>,
}

impl<S: Schema> Default for Advance<S> {
    fn default() -> Self {
        Self { allow_empty: false, parents: None }
    }
}

/// What became of the head.
pub(super) enum Advanced<S: Schema> {
    /// It was not where it had to be.
    Lost,
    /// It stays, because nothing changed.
    Unchanged,
    /// It is here now.
    To(Commit<S>),
}

impl<S: Schema> Store<S> {
    /// Makes a commit of a tree on top of `head`, unless nothing changed or the head moved.
    pub(super) async fn advance(
        &self,
        head: Option<&Commit<S>>,
        tree: &Tree<S>,
        info: &Info,
        advance: Advance<S>,
    ) -> Result<Advanced<S>> {
        let Advance { allow_empty, parents } = advance;
        let Saved { root, blocks: new, unchecked } = tree.save().await?;
        let unchanged = match head {
            Some(head) => head.root() == root,
            None => tree.is_empty(),
        };
        if unchanged && !allow_empty {
            return Ok(Advanced::Unchanged);
        }
        let parents = parents.unwrap_or_else(|| head.map(Commit::hash).into_iter().collect());
        let block = CommitBlock { root, parents, info: self.filled(info) };
        let encoded = S::Format::encode_commit(&block)?;
        let hash = S::Hash::of(&encoded);
        let objects = self.repo().objects();
        for directory in &unchecked {
            objects.check_directory(directory).await?;
        }
        let mut blocks: Vec<_> = new.iter().map(|(hash, block)| (*hash, block.bytes())).collect();
        blocks.push((hash, encoded));
        let pin = objects.pin(hash).await?;
        let commit = Commit::new(hash, block, Arc::clone(objects), pin);
        if !self.write(blocks, head, &commit).await? {
            return Ok(Advanced::Lost);
        }
        for (hash, block) in new {
            if let PendingBlock::Directory(directory) = block {
                objects.keep_directory(hash, directory);
            }
        }
        objects.history().note(commit.hash(), commit.parents());
        Ok(Advanced::To(commit))
    }

    /// Stores the blocks of a commit and moves the head to it; returns whether the head was still
    /// where it has to be.
    async fn write(
        &self,
        blocks: Vec<(S::Hash, Bytes)>,
        head: Option<&Commit<S>>,
        commit: &Commit<S>,
    ) -> Result<bool> {
        let backend = self.repo().backend();
        match &self.0.place {
            Place::Branch(branch) => {
                let update =
                    self.repo().update_noted(note(commit.info(), &Made::<S::Hash>::One)).await?;
                let (test, set) = (head.map(Commit::hash), Some(commit.hash()));
                let update = update.test_and_set(branch.name.clone(), test, set);
                let applied = backend.write(blocks, update).await?.is_applied();
                if applied {
                    *branch.head.lock() = Some(commit.clone());
                }
                Ok(applied)
            }
            Place::Detached { .. } => {
                let hashes = blocks.iter().map(|(hash, _)| *hash).collect();
                let _until_reached = self.repo().objects().pin_all(hashes).await?;
                backend.blocks().unsafe_add_many(blocks).await?;
                Ok(self.test_and_set_detached(head, Some(commit.clone())))
            }
        }
    }

    /// Returns the info with author and time.
    fn filled(&self, info: &Info) -> Info {
        let mut info = info.clone();
        info.author.get_or_insert_with(|| self.repo().options().author.clone());
        info.time_ms.get_or_insert_with(|| self.repo().now_ms());
        info
    }

    pub(crate) fn attempts_max(&self) -> u32 {
        self.repo().attempts_max()
    }

    pub(crate) async fn back_off(&self, attempt: u32) {
        self.repo().back_off(attempt).await;
    }

    pub(crate) fn contention(&self, attempts: u32) -> Error {
        let message =
            format!("{self:?} was moved by other writers before each of {attempts} attempts");
        Error::new(ErrorKind::Contention, message)
    }

    pub(super) fn lost_race(&self, base: Option<&Commit<S>>, head: Option<&Commit<S>>) -> Error {
        let name = |commit: Option<&Commit<S>>| {
            commit.map_or_else(|| "nothing".to_owned(), |commit| commit.hash().to_string())
        };
        let (base, head) = (name(base), name(head));
        let message = format!("the transaction began on {base}, and {self:?} is on {head} by now");
        Error::new(ErrorKind::Contention, message)
    }
}
