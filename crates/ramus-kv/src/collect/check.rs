use std::collections::HashMap;

use bytes::Bytes;
use ramus_core::hash::DigestHash;
use ramus_core::{
    AtomicWrite as _, Error, ErrorKind, Hash, ReadOnly as _, RefName, Result, Storage as _,
};

use super::mark::{Need, Todo, links};
use crate::{Repo, Schema};

/// What a look at everything that the refs reach found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Checked<H> {
    /// How many blocks are reached and sound.
    pub blocks: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// What is wrong; the first 1000 of it.
    pub broken: Vec<Broken<H>>,
    /// How many blocks are missing or cannot be read.
    pub broken_count: u64,
}

/// A block that is reached, and is missing or cannot be read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Broken<H> {
    /// A ref that reaches it.
    pub root: RefName,
    /// The blocks from what that ref names to this one, which is the last; each names the next.
    pub path: Vec<H>,
    /// What is wrong with it.
    pub why: Error,
}

/// # Checking
impl<S: Schema> Repo<S> {
    /// Reads everything that branches, tags and other refs reach, and says what of it is missing or damaged:
    /// each block has to be there, to have the name of its bytes, and to be one that this format has.
    ///
    /// ```
    /// # use ramus_kv::{Kv, Repo};
    /// # async fn example(repo: Repo<Kv<String>>) -> ramus_core::Result<()> {
    /// let checked = repo.check().await?;
    /// for broken in &checked.broken {
    ///     println!("{broken}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// It takes about 80 bytes of memory for each block that is reached.
    ///
    /// # Errors
    ///
    /// - [`Unavailable`](ErrorKind::Unavailable) if this repository is being collected, which could remove
    ///   what is about to be looked at.
    /// - Those of the storage, but for blocks that are damaged.
    ///
    /// # Cancel safety
    ///
    /// A dropped future leaves nothing behind.
    pub async fn check(&self) -> Result<Checked<S::Hash>> {
        self.check_with(|_| {}).await
    }

    /// Looks through the repository like [`check`](Repo::check), and tells how far it is: `progress` is called
    /// after about every 4096 blocks, and at the end, with how many were looked at.
    ///
    /// # Errors
    ///
    /// Those of [`check`](Repo::check).
    ///
    /// # Cancel safety
    ///
    /// A dropped future leaves nothing behind.
    pub async fn check_with(&self, progress: impl FnMut(u64) + Send) -> Result<Checked<S::Hash>> {
        let _permit = self.take_collecting()?;
        let mut walk = Walk::new(self);
        for (name, value) in self.refs().snapshot(b"").await?.collect().await? {
            walk.add_root(name, value);
        }
        walk.run(progress).await
    }
}

struct Walk<'a, S: Schema> {
    repo: &'a Repo<S>,
    /// From where each block was reached.
    origins: HashMap<S::Hash, Origin<S::Hash>, DigestHash>,
    roots: Vec<RefName>,
    todo: Vec<Todo<S::Hash>>,
    checked: Checked<S::Hash>,
}

#[derive(Clone, Copy)]
enum Origin<H> {
    /// The ref of this index.
    Root(usize),
    Block(H),
}

impl<'a, S: Schema> Walk<'a, S> {
    const BROKEN_MAX: usize = 1000;

    fn new(repo: &'a Repo<S>) -> Self {
        let checked = Checked { blocks: 0, bytes: 0, broken: Vec::new(), broken_count: 0 };
        let (origins, roots, todo) = (HashMap::default(), Vec::new(), Vec::new());
        Self { repo, origins, roots, todo, checked }
    }

    fn add_root(&mut self, name: RefName, hash: S::Hash) {
        let root = Origin::Root(self.roots.len());
        self.roots.push(name);
        self.add(Todo { hash, need: Need::Must, is_chunk: false }, root);
    }

    fn add(&mut self, todo: Todo<S::Hash>, origin: Origin<S::Hash>) {
        // Nobody needs to have stored the empty directory.
        if todo.hash != self.repo.objects().empty_directory()
            && !self.origins.contains_key(&todo.hash)
        {
            self.origins.insert(todo.hash, origin);
            self.todo.push(todo);
        }
    }

    async fn run(mut self, mut progress: impl FnMut(u64) + Send) -> Result<Checked<S::Hash>> {
        /// How many blocks are read at once: with the largest chunks that is 16 MiB.
        const AT_ONCE: usize = 64;
        /// How many blocks are looked at before that is told.
        const TELL_EVERY: u64 = 4096;
        let (mut done, mut told) = (0, 0);
        while !self.todo.is_empty() {
            let some = self.todo.split_off(self.todo.len().saturating_sub(AT_ONCE));
            for (todo, found) in some.iter().zip(self.read(&some).await?) {
                match found.and_then(|block| self.look(todo, &block)) {
                    Ok(links) => {
                        for link in links {
                            self.add(link, Origin::Block(todo.hash));
                        }
                    }
                    Err(why) => self.note(todo.hash, why),
                }
            }
            done += some.len() as u64;
            if done >= told + TELL_EVERY || self.todo.is_empty() {
                told = done;
                progress(done);
            }
        }
        Ok(self.checked)
    }

    /// Returns each block, or why there is none.
    async fn read(&self, todo: &[Todo<S::Hash>]) -> Result<Vec<Result<Bytes>>> {
        let blocks = self.repo.backend().blocks();
        let hashes: Vec<_> = todo.iter().map(|todo| todo.hash).collect();
        let there =
            |(hash, found): (&S::Hash, Option<Bytes>)| found.ok_or_else(|| Error::missing(hash));
        match blocks.find_many(&hashes).await {
            Ok(found) => return Ok(hashes.iter().zip(found).map(there).collect()),
            Err(error) if error.kind() != ErrorKind::Corrupt => return Err(error),
            Err(_) => {}
        }
        let mut each = Vec::with_capacity(hashes.len());
        for hash in &hashes {
            each.push(match blocks.find(hash).await {
                Ok(found) => there((hash, found)),
                Err(error) if error.kind() == ErrorKind::Corrupt => Err(error),
                Err(error) => return Err(error),
            });
        }
        Ok(each)
    }

    /// Returns what a block names, if it is sound.
    fn look(&mut self, todo: &Todo<S::Hash>, block: &Bytes) -> Result<Vec<Todo<S::Hash>>> {
        let (hash, named) = (todo.hash, S::Hash::of(block));
        if named != hash {
            return Err(Error::corrupt(format!("block {hash} has the bytes of {named}")));
        }
        let links = links::<S>(todo, block)?;
        self.checked.blocks += 1;
        self.checked.bytes += block.len() as u64;
        Ok(links)
    }

    fn note(&mut self, block: S::Hash, why: Error) {
        self.checked.broken_count += 1;
        if self.checked.broken.len() >= Self::BROKEN_MAX {
            return;
        }
        let mut path = vec![block];
        let mut at = block;
        let root = loop {
            match self.origins.get(&at) {
                Some(Origin::Block(above)) => {
                    at = *above;
                    path.push(at);
                }
                Some(Origin::Root(root)) => break self.roots.get(*root),
                None => break None,
            }
        };
        path.reverse();
        if let Some(root) = root.cloned() {
            self.checked.broken.push(Broken { root, path, why });
        }
    }
}

impl<H: Hash> std::fmt::Display for Broken<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { root, path, why } = self;
        write!(f, "{root}")?;
        path.iter().try_for_each(|block| write!(f, " -> {block}"))?;
        write!(f, ": {why}")
    }
}
