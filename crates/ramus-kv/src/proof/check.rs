//! Whether the blocks of a proof can be what an honest writer made.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use ramus_core::hash::DigestHash;
use ramus_core::{Error, Hash, Result};

use crate::directory::{AtHand, DirBlock, Known, build, check_index, check_root};

/// The directory blocks of a proof, each with its name.
type Directories<H> = Vec<(H, Arc<DirBlock<H>>)>;

/// Checks every directory block that can be come to from a root, in itself and against the others;
/// returns them.
///
/// Blocks that cannot be come to are not looked at. Nobody can read them either.
pub(super) fn check<H: Hash>(root: &H, blocks: &[(H, Bytes)]) -> Result<Directories<H>> {
    let empty: H = build(0, Vec::new()).hash;
    let blocks = blocks.iter().map(|(hash, block)| (*hash, block)).collect();
    let mut shelf = Shelf { blocks, known: HashMap::default() };
    if shelf.known(root)?.is_none() {
        return Err(Error::corrupt("the root is missing"));
    }
    let mut seen: HashSet<(H, Place)> = HashSet::new();
    let mut todo = vec![(*root, Place::Root)];
    while let Some((hash, place)) = todo.pop() {
        let Some(known) = shelf.known(&hash)? else { continue };
        if !seen.insert((hash, place)) {
            continue;
        }
        match place {
            Place::Root => check_root(&known, &mut shelf)?,
            Place::Below if known.block.level() > 0 => check_index(&known, &mut shelf)?,
            Place::Below => {}
        }
        if !known.block.has_names() {
            continue;
        }
        let mut walk = known.block.walk();
        while walk.advance()? {
            match (walk.directory()?, known.block.level()) {
                (None, _) => {}
                (Some(hash), 0) if hash == empty => {
                    return Err(Error::corrupt("a directory without entries is part of another"));
                }
                (Some(hash), 0) => todo.push((hash, Place::Root)),
                (Some(hash), _) => todo.push((hash, Place::Below)),
            }
        }
    }
    Ok(shelf.known.into_iter().map(|(hash, known)| (hash, Arc::clone(&known.block))).collect())
}

/// What a block is to those that name it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Place {
    /// The root of a directory.
    Root,
    /// A child of an index block.
    Below,
}

/// The blocks of a proof, read when they are asked for.
struct Shelf<'a, H> {
    blocks: HashMap<H, &'a Bytes, DigestHash>,
    known: HashMap<H, Rc<Known<H>>, DigestHash>,
}

impl<H: Hash> AtHand<H> for Shelf<'_, H> {
    fn known(&mut self, hash: &H) -> Result<Option<Rc<Known<H>>>> {
        if let Some(known) = self.known.get(hash) {
            return Ok(Some(Rc::clone(known)));
        }
        let Some(block) = self.blocks.get(hash) else { return Ok(None) };
        let block = DirBlock::decode((*block).clone()).map_err(|fault| {
            fault.context(format!("block {hash} cannot be read as a directory"))
        })?;
        let known = Rc::new(Known::new(Arc::new(block)));
        self.known.insert(*hash, Rc::clone(&known));
        Ok(Some(known))
    }
}
