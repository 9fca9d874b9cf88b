use bytes::Bytes;
use ramus_core::{Error, Hash, Result, Step};

use super::METADATA_MAX;
use crate::directory::{
    Body, Child, DirBlock, Entry, Held, INLINE_MAX, Item, LEVEL_MAX, WEIGHT_MAX,
};

/// A block of a directory as it is stored.
///
/// It is for those who look at blocks one by one: tests, proofs, tools. Where the entries of a
/// directory are cut into blocks is not its business.
///
/// ```
/// use ramus_core::{Hash as _, Sha1};
/// use ramus_kv::block::{DirectoryBlock, Entry};
///
/// let entry = Entry::Directory { hash: Sha1::of(b"a root block") };
/// let leaf = DirectoryBlock::Leaf(vec![("users".parse()?, entry)]);
/// let block = leaf.encode()?;
/// assert_eq!(DirectoryBlock::decode(&block)?, leaf);
/// assert_eq!((leaf.level(), leaf.count()), (0, 1));
/// # Ok::<(), ramus_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirectoryBlock<H> {
    /// Entries, in strictly ascending order of their steps.
    Leaf(Vec<(Step, Entry<H>)>),
    /// The blocks of the level below, each with the first step in it.
    Index {
        /// The level, 1 to 15; that of a leaf is 0.
        level: u8,
        /// The blocks one level down, at least one, in strictly ascending order of their steps.
        children: Vec<(Step, Child<H>)>,
    },
}

impl<H: Hash> DirectoryBlock<H> {
    /// Returns what is in a block.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ramus_core::ErrorKind::Corrupt) if it is no block of a directory, in any detail.
    pub fn decode(block: &Bytes) -> Result<Self> {
        let block = DirBlock::decode(block.clone())?;
        let (mut entries, mut children) = (Vec::new(), Vec::new());
        for Item { step, body } in block.items()? {
            match body {
                Body::Entry(entry) => entries.push((step, entry)),
                Body::Child(child) => children.push((step, child)),
            }
        }
        Ok(match block.level() {
            0 => Self::Leaf(entries),
            level => Self::Index { level, children },
        })
    }

    /// Returns the block.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) if no block may hold this, with what is
    /// wrong.
    pub fn encode(&self) -> Result<Bytes> {
        let items = match self {
            Self::Leaf(entries) => items(entries, |entry| Body::Entry(entry.clone())),
            Self::Index { children, .. } => items(children, |child| Body::Child(*child)),
        };
        self.check(&items)?;
        Ok(DirBlock::encode(self.level(), &items).block().clone())
    }

    /// Returns the level: 0 for a leaf.
    pub fn level(&self) -> u8 {
        match self {
            Self::Leaf(_) => 0,
            Self::Index { level, .. } => *level,
        }
    }

    /// Returns how many entries of the directory lie in and below the block.
    pub fn count(&self) -> u64 {
        match self {
            Self::Leaf(entries) => entries.len() as u64,
            Self::Index { children, .. } => {
                children.iter().fold(0, |sum, (_, child)| sum.saturating_add(child.count))
            }
        }
    }

    fn check(&self, items: &[Item<H>]) -> Result<()> {
        if let Self::Index { level, children } = self {
            if !(1..=LEVEL_MAX).contains(level) {
                let message =
                    format!("an index block is of level 1 to {LEVEL_MAX}, not of {level}");
                return Err(Error::invalid_input(message));
            }
            if children.is_empty() {
                return Err(Error::invalid_input("an index block has at least one child"));
            }
        }
        if let Some(pair) = items.windows(2).find(|pair| pair[0].step >= pair[1].step) {
            let (first, second) = (&pair[1].step, &pair[0].step);
            let message = format!("step `{first}` has to come before `{second}`, and once");
            return Err(Error::invalid_input(message));
        }
        items.iter().try_for_each(check_item)?;
        if items.iter().try_fold(0_u64, |sum, item| sum.checked_add(item.body.count())).is_none() {
            return Err(Error::invalid_input(
                "the entries below a block are more than 64 bits count",
            ));
        }
        let weight: u64 = items.iter().map(Item::weight).sum();
        if weight > WEIGHT_MAX && items.len() > 1 && self.level() < LEVEL_MAX {
            let message =
                format!("several items of a block weigh at most {WEIGHT_MAX} bytes, not {weight}");
            return Err(Error::invalid_input(message));
        }
        Ok(())
    }
}

fn items<H, T>(parts: &[(Step, T)], body: impl Fn(&T) -> Body<H>) -> Vec<Item<H>> {
    parts.iter().map(|(step, part)| Item { step: step.clone(), body: body(part) }).collect()
}

fn check_item<H>(item: &Item<H>) -> Result<()> {
    let Item { step, body } = item;
    let fault = match body {
        Body::Entry(Entry::Contents { metadata, .. }) if metadata.len() > METADATA_MAX => {
            format!("the metadata of `{step}` have {} bytes, of {METADATA_MAX}", metadata.len())
        }
        Body::Entry(Entry::Contents { held: Held::Inline(value), .. })
            if value.len() > INLINE_MAX =>
        {
            format!("the contents in `{step}` have {} bytes, of {INLINE_MAX}", value.len())
        }
        Body::Child(Child { count: 0, .. }) => format!("the block of `{step}` has no entries"),
        Body::Entry(_) | Body::Child(_) => return Ok(()),
    };
    Err(Error::invalid_input(fault))
}
