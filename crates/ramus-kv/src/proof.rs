//! Proofs: the blocks that a computation read, and what it makes of a root.

mod check;
#[cfg(feature = "zstd")]
mod compressed;
mod encoding;
mod storage;
mod trace;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use ramus_core::{Error, ErrorKind, Hash as _, Result};

use self::check::check;
use self::encoding::Parts;
use self::storage::storage_of;
use self::trace::Seen;
pub(crate) use self::trace::Trace;
use crate::objects::Objects;
use crate::{Format as _, Schema, Tree};

/// What a computation on a tree needs to be done again by someone who has only the tree's root hash.
///
/// [`Tree::prove`] runs a closure on a tree and keeps the blocks that its reads and edits touched.
/// [`verify`](Proof::verify) runs the same closure on those blocks alone: no repository is there. So
/// whatever a tree answers can be proved: a value, that there is none, a page of a listing, how many
/// entries there are; and an update, which leads from one root hash to another.
///
/// # What is promised
///
/// - What `verify` returns is what the closure returns on *any* tree of that root hash, as far as the
///   hash of the schema is collision resistant. (SHA-1 is not, against someone who prepares for it.)
/// - One root and one computation have one proof, and one proof has one encoding. Whatever else is
///   given for it is [`Unproven`](ErrorKind::Unproven): blocks that lack, that were replaced, or that
///   the computation does not need; another order; bytes before or behind.
/// - A read that the proof does not reach makes `verify` fail, also if the closure ignores the error.
/// - Directories that no honest writer makes are refused where that can be seen in their blocks: not
///   sorted, not cut where the rule says, counted wrongly.
///
/// # What is not promised
///
/// - That the root hash is the right one. The verifier has to know it from somewhere else.
/// - Anything about what a closure does besides returning: act on what `verify` returned, not on what
///   the closure saw.
/// - That blocks are kept secret that were not asked for: a proof has the neighbours of what was
///   read, up to some 8 KiB a level, and the names of others.
///
/// ```
/// # use ramus_core::erased::Backend;
/// # use ramus_kv::{Kv, Proof, Repo};
/// # use ramus_mem::Mem;
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
/// # runtime.block_on(async {
/// let repo = Repo::<Kv<String>>::new(Backend::new(Mem::default()));
/// let main = repo.main().await?;
/// main.set("users/ada", "mathematician", "add Ada").await?;
/// let tree = main.tree().await?;
/// let root = tree.hash().await?;
///
/// let (proof, answer) = tree.prove(async |tree| tree.find("users/ada").await).await?;
/// assert_eq!(answer.as_deref(), Some("mathematician"));
///
/// // Elsewhere, with nothing but the root hash and what was sent:
/// let proof = Proof::<Kv<String>>::decode(proof.encode())?;
/// let answer = proof.verify(&root, async |tree| tree.find("users/ada").await).await?;
/// assert_eq!(answer.as_deref(), Some("mathematician"));
/// # Ok::<(), ramus_core::Error>(())
/// # }).unwrap();
/// ```
///
/// # Encoding
///
/// *varint* and *bytes* are those of [`Native`](crate::Native).
///
/// | part | form |
/// |---|---|
/// | mark | the eleven bytes of `ramus proof` |
/// | version | `0x03` |
/// | hash | bytes: the name of the hash, such as `sha1` |
/// | format | bytes: the name of the format, such as `native` |
/// | before | the root hash that the computation began with |
/// | after | the root hash that it ended with; the same if it changed nothing |
/// | blocks | a varint, and as many blocks, in strictly ascending order of their hashes |
///
/// A block is a varint, twice its length and one more if it is packed, and as many bytes. Where it has a *packed form*
/// that is shorter than the block itself, it stands in that; no other does. A block of a directory has one, of a level
/// below 15, unless the lengths, numbers and restarts in it are others than [`Native`](crate::Native) says:
///
/// | part | form |
/// |---|---|
/// | kind | as in the block: `0x02`, or `0x04` and the level |
/// | runs | as many as there are |
///
/// A *run* stands for the next items of the block, as many as are alike:
///
/// | part | form |
/// |---|---|
/// | items | a varint: how many |
/// | shared | a varint: how many bytes the step has in common with the one before it, exactly, also where the block has it in full |
/// | rest | a varint: how many other bytes it has; not 0 |
/// | kind | in a leaf: that of the entry |
/// | metadata | behind the kinds `0x01` and `0x03`, a varint: how long they are |
/// | contents | behind the kind `0x03`, a varint: how long their encoding is |
///
/// And of each item the rest of its step; then its metadata, and its hash or the encoding of its contents; in
/// an index block the hash, and count and weight as they stand there. The items of the next run are others than these
/// in one of the numbers or the kind. How many items there are, and where those begin that stand in full, is not
/// written.
pub struct Proof<S: Schema> {
    /// Its blocks have the names that stand beside them, and ascend by them.
    parts: Parts<S::Hash>,
    schema: PhantomData<fn() -> S>,
}

impl<S: Schema> Tree<S> {
    /// Runs a closure on a copy of the tree; returns what it returned, and the proof of that.
    ///
    /// What the closure changes is hashed and not stored; this tree stays as it is. The proof has
    /// every block that was read for it, those that decide where a changed directory is cut
    /// included.
    ///
    /// For a verifier to read the same, the closure has to depend on nothing but the tree and on what
    /// the verifier has, too. An empty tree to fill and graft is a clone of the tree, its root
    /// removed.
    ///
    /// # Errors
    ///
    /// - [`InvalidInput`](ErrorKind::InvalidInput) for a tree with edits that were not committed, and
    ///   for a closure that puts a tree of another repository in place of its own.
    /// - Those of the closure; and those of reading, also where the closure ignores them: an answer
    ///   that rests on a failure cannot be proved.
    pub async fn prove<T, F>(&self, run: F) -> Result<(Proof<S>, T)>
    where
        F: AsyncFnOnce(&mut Self) -> Result<T>,
    {
        let Some(before) = self.root.known_hash() else {
            return Err(Error::invalid_input(
                "a tree with edits has no root that a verifier could know; commit it, and prove \
                 on the tree of the commit",
            ));
        };
        let (objects, trace) = self.objects.traced();
        let tree = self.read_through(objects, before);
        let (answer, after) = run_on(tree, &before, run).await?;
        let Seen { blocks, failure } = trace.take();
        if let Some(failure) = failure {
            return Err(failure.context("cannot prove what rests on a read that failed"));
        }
        let mut blocks: Vec<_> = blocks.into_iter().collect();
        blocks.sort_unstable_by_key(|(hash, _)| *hash);
        if let Some((hash, _)) = blocks.iter().find(|(hash, block)| S::Hash::of(block) != *hash) {
            return Err(Error::corrupt(format!("block {hash} in the store has another hash")));
        }
        let parts = Parts { before, after, blocks };
        Ok((Proof { parts, schema: PhantomData }, answer))
    }
}

impl<S: Schema> Proof<S> {
    /// Returns the root hash that the computation is said to begin with.
    pub fn before(&self) -> S::Hash {
        self.parts.before
    }

    /// Returns the root hash that the computation is said to end with.
    ///
    /// It is proved when [`verify`](Proof::verify) has succeeded.
    pub fn after(&self) -> S::Hash {
        self.parts.after
    }

    /// Returns the bytes to send.
    pub fn encode(&self) -> Bytes {
        encoding::encode(S::Format::NAME, &self.parts)
    }

    /// Reads what [`encode`](Proof::encode) returned. Nothing is proved by that.
    ///
    /// Blocks that are not packed share these bytes; what is allocated besides is bounded by a small
    /// multiple of their length.
    ///
    /// # Errors
    ///
    /// [`Unproven`](ErrorKind::Unproven) for any other bytes: of another version, hash or format,
    /// too long, too short, or in another order.
    pub fn decode(encoded: impl Into<Bytes>) -> Result<Self> {
        let parts = encoding::decode(S::Format::NAME, &encoded.into())?;
        Ok(Self { parts, schema: PhantomData })
    }

    /// Runs a closure on the tree of this root hash, as far as the proof has it; returns what it
    /// returned, if that and the proof are right.
    ///
    /// `root` is the hash that the verifier trusts. If the closure changes the tree,
    /// [`after`](Proof::after) is then the root hash of the result.
    ///
    /// # Errors
    ///
    /// - [`Unproven`](ErrorKind::Unproven) if the proof is of another root or of another computation,
    ///   or was forged: see [`Proof`].
    /// - Any other error that the closure makes by itself, without having asked for more than the
    ///   proof has.
    pub async fn verify<T, F>(&self, root: &S::Hash, run: F) -> Result<T>
    where
        F: AsyncFnOnce(&mut Tree<S>) -> Result<T>,
    {
        let (objects, trace) = self.open(root)?.traced();
        let tree = Tree::stored(objects, *root, None);
        let answer = run_on(tree, root, run).await;
        let Seen { blocks: read, failure } = trace.take();
        if let Some(failure) = failure {
            return Err(unproven("does not reach so far").with_source(failure));
        }
        let (answer, after) = answer.map_err(|fault| match fault.kind() {
            ErrorKind::Missing | ErrorKind::Corrupt => {
                unproven("has blocks that cannot be read").with_source(fault)
            }
            _ => fault,
        })?;
        let Parts { after: expected, blocks, .. } = &self.parts;
        if after != *expected {
            let why = format!("ends with root {expected}, and the computation with {after}");
            return Err(unproven(&why));
        }
        match blocks.iter().find(|(hash, _)| !read.contains_key(hash)) {
            Some((hash, _)) => {
                Err(unproven(&format!("has block {hash}, which the computation does not need")))
            }
            None => Ok(answer),
        }
    }

    /// Checks the blocks, and returns what can be read of them.
    fn open(&self, root: &S::Hash) -> Result<Objects<S>> {
        let Parts { before, blocks, .. } = &self.parts;
        if before != root {
            return Err(unproven(&format!("begins with root {before}, not with {root}")));
        }
        let directories = check(root, blocks)
            .map_err(|fault| unproven("has blocks that cannot be").with_source(fault))?;
        let bytes: usize = blocks.iter().map(|(_, block)| block.len() + 256).sum();
        let objects = Objects::new(storage_of(blocks), 4 * bytes as u64);
        for (hash, directory) in directories {
            objects.keep_directory(hash, directory);
        }
        Ok(objects)
    }
}

/// Runs a closure on a tree and hashes what it leaves; returns its answer and that hash. The root is
/// read in any case.
async fn run_on<S: Schema, T, F>(mut tree: Tree<S>, root: &S::Hash, run: F) -> Result<(T, S::Hash)>
where
    F: AsyncFnOnce(&mut Tree<S>) -> Result<T>,
{
    let objects = Arc::clone(&tree.objects);
    objects.directory(root).await?;
    let answer = run(&mut tree).await?;
    if !tree.is_of(&objects) {
        return Err(Error::invalid_input(
            "the tree was replaced by one of another repository; what it holds cannot be proved here",
        ));
    }
    let after = tree.hash().await?;
    Ok((answer, after))
}

/// Returns the refusal of a proof.
fn unproven(why: &str) -> Error {
    Error::new(ErrorKind::Unproven, format!("the proof {why}"))
}

impl<S: Schema> Clone for Proof<S> {
    fn clone(&self) -> Self {
        Self { parts: self.parts.clone(), schema: PhantomData }
    }
}

impl<S: Schema> PartialEq for Proof<S> {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

impl<S: Schema> Eq for Proof<S> {}

impl<S: Schema> fmt::Debug for Proof<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { before, after, blocks } = &self.parts;
        write!(f, "Proof({before} to {after}, {} blocks)", blocks.len())
    }
}
