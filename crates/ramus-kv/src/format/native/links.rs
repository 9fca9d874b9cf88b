//! What the blocks of every kind name.

use bytes::Bytes;
use ramus_core::{Error, Hash, Result};

use super::{Kind, Native, contents};
use crate::Format as _;
use crate::block::{CommitBlock, Entry, Held, Link};
use crate::directory::{Body, DirBlock, INDEX_TAG, LEAF_TAG};

pub(super) fn links<H: Hash>(block: &Bytes) -> Result<Vec<Link<H>>> {
    match block.first() {
        Some(&(LEAF_TAG | INDEX_TAG)) => of_directory(block),
        Some(&first) if first == Kind::Commit as u8 => of_commit(block),
        Some(&first) if first == Kind::ContentsIndex as u8 => of_contents_index(block),
        Some(&first) if first == Kind::Chunk as u8 => {
            contents::decode_chunk(block).map(|_| Vec::new())
        }
        Some(&first) if first == Kind::Contents as u8 => {
            Native::decode_contents(block).map(|_| Vec::new())
        }
        Some(_) => Err(Error::corrupt("a block of no known kind")),
        None => Err(Error::corrupt("a block without bytes")),
    }
}

fn of_directory<H: Hash>(block: &Bytes) -> Result<Vec<Link<H>>> {
    let block = DirBlock::<H>::decode(block.clone())?;
    let (mut links, mut walk) = (Vec::new(), block.walk());
    while walk.advance()? {
        match walk.body()? {
            Body::Child(child) => links.push(Link::Directory(child.hash)),
            Body::Entry(Entry::Directory { hash } | Entry::Conflict { hash }) => {
                links.push(Link::Directory(hash));
            }
            Body::Entry(Entry::Contents { held: Held::Block(hash), .. }) => {
                links.push(Link::Contents(hash));
            }
            Body::Entry(Entry::Contents { held: Held::Inline(_), .. }) => {}
        }
    }
    Ok(links)
}

fn of_commit<H: Hash>(block: &Bytes) -> Result<Vec<Link<H>>> {
    let CommitBlock { root, parents, info: _ } = Native::decode_commit(block)?;
    Ok([Link::Directory(root)].into_iter().chain(parents.into_iter().map(Link::Commit)).collect())
}

fn of_contents_index<H: Hash>(block: &Bytes) -> Result<Vec<Link<H>>> {
    let index = contents::decode_index(block)?;
    Ok(index.parts.iter().map(|part| Link::Contents(part.hash)).collect())
}
