//! The graph of commits as text for Graphviz.
//!
//! The language is that of <https://graphviz.org/doc/info/lang.html>; labels are escaped strings
//! (<https://graphviz.org/docs/attr-types/escString/>), in which character references such as `&lt;` are
//! read, too.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt as _};
use ramus_core::hash::DigestHash;
use ramus_core::{AtomicWrite as _, Namespace, Result, Step};

use super::{Log, LogOptions};
use crate::directory::{Direction, Entry, From, Scan, Scanned};
use crate::objects::Objects;
use crate::tree::dir::hash_of;
use crate::tree::pending::View;
use crate::{Commit, Repo, Schema};

/// What a graph shows: plain data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GraphOptions {
    /// How many commits are shown at most, the newest first; parents of the last appear by their hash.
    /// All by default.
    pub limit: Option<usize>,
    /// Whether the tree of each commit is shown, down to the contents; what trees share appears once. No
    /// by default.
    pub trees: bool,
}

impl GraphOptions {
    /// Returns these options with at most so many commits.
    #[must_use]
    pub const fn with_limit(mut self, commits: usize) -> Self {
        self.limit = Some(commits);
        self
    }

    /// Returns these options with the trees of the commits.
    #[must_use]
    pub const fn trees(mut self) -> Self {
        self.trees = true;
        self
    }
}

/// The branches, tags and commits of a repository, as text in the language of Graphviz: a stream of lines.
///
/// `dot -Tsvg` makes a picture of it. What is held at a time is the hashes of what was shown, and a line;
/// what it shows is kept from collection until it is dropped.
///
/// ```
/// # use ramus_kv::{GraphOptions, Kv, Repo};
/// # async fn example(repo: Repo<Kv<String>>) -> ramus_core::Result<()> {
/// let dot = repo.graph(GraphOptions::default().with_limit(100)).await?.collect().await?;
/// assert!(dot.starts_with("digraph"));
/// # Ok(())
/// # }
/// ```
pub struct Graph(BoxStream<'static, Result<String>>);

impl Graph {
    /// Begins with the branches and tags as they are together now.
    pub(crate) async fn open<S: Schema>(repo: &Repo<S>, options: GraphOptions) -> Result<Self> {
        let GraphOptions { limit, trees } = options;
        let refs = repo.refs().snapshot(b"").await?.collect().await?;
        let mut heads = Vec::with_capacity(refs.len());
        let mut first = vec!["digraph ramus {".to_owned(), "  node [shape=box];".to_owned()];
        for (name, head) in refs {
            let shape = match name.namespace() {
                Namespace::Branch => "cds",
                Namespace::Tag => "tab",
                // The library's own.
                _ => continue,
            };
            let label = escaped(name.name());
            first.push(format!("  \"{name}\" [shape={shape}, label=\"{label}\"];"));
            first.push(format!("  \"{name}\" -> \"{head}\" [style=dashed];"));
            heads.push(repo.existing(head).await?);
        }
        let objects = Arc::clone(repo.objects());
        let log = Log::new(objects, heads, LogOptions { limit, ..LogOptions::default() });
        let drawing = Drawing {
            lines: first.into(),
            log: Some(log),
            directories: VecDeque::new(),
            open: None,
            seen: HashSet::default(),
            trees,
            objects: Arc::clone(repo.objects()),
        };
        let lines = stream::try_unfold(drawing, |mut drawing| async move {
            Ok(drawing.next().await?.map(|line| (line, drawing)))
        });
        Ok(Self(lines.boxed()))
    }

    /// Returns the next line, without its end, or nothing after the last.
    ///
    /// # Errors
    ///
    /// Those of a [`Log`] and, with trees, of reading a [`Tree`](crate::Tree).
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses nothing.
    pub async fn next(&mut self) -> Option<Result<String>> {
        self.0.next().await
    }

    /// Returns the lines that were not read yet, as one text.
    ///
    /// # Errors
    ///
    /// Those of [`next`](Graph::next).
    pub async fn collect(mut self) -> Result<String> {
        let mut text = String::new();
        while let Some(line) = self.next().await {
            text.push_str(&line?);
            text.push('\n');
        }
        Ok(text)
    }
}

struct Drawing<S: Schema> {
    lines: VecDeque<String>,
    /// Gone after the last commit.
    log: Option<Log<S>>,
    /// Those whose entries are still to be shown.
    directories: VecDeque<S::Hash>,
    /// The one whose entries are being shown.
    open: Option<(S::Hash, Scan<S::Hash>)>,
    /// The directories and contents that were shown.
    seen: HashSet<S::Hash, DigestHash>,
    trees: bool,
    objects: Arc<Objects<S>>,
}

impl<S: Schema> Drawing<S> {
    async fn next(&mut self) -> Result<Option<String>> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Ok(Some(line));
            }
            if let Some((directory, scan)) = &mut self.open {
                let (view, directory) = (View { objects: &self.objects, pending: &[] }, *directory);
                match scan.next(&view).await? {
                    Some(Scanned { step, entry, .. }) => self.entry(directory, &step, &entry),
                    None => self.open = None,
                }
                continue;
            }
            if let Some(directory) = self.directories.front().copied() {
                let view = View { objects: &self.objects, pending: &[] };
                let root = self.objects.directory(&directory).await?;
                let scan = Scan::open(&view, &root, Direction::Forwards, &From::End).await?;
                self.open = Some((directory, scan));
                self.directories.pop_front();
                continue;
            }
            let Some(log) = &mut self.log else { return Ok(None) };
            if let Some(commit) = log.next().await.transpose()? {
                self.commit(&commit);
            } else {
                self.log = None;
                self.lines.push_back("}".to_owned());
            }
        }
    }

    fn commit(&mut self, commit: &Commit<S>) {
        let (hash, info) = (commit.hash(), commit.info());
        let author = info.author.as_deref().unwrap_or_default();
        let title = info.message.lines().next().unwrap_or_default();
        let label = format!("{}\\n{}\\n{}", short(&hash), escaped(title), escaped(author));
        self.lines.push_back(format!("  \"{hash}\" [label=\"{label}\"];"));
        for parent in commit.parents() {
            self.lines.push_back(format!("  \"{hash}\" -> \"{parent}\";"));
        }
        if self.trees {
            let root = commit.root();
            self.lines.push_back(format!("  \"{hash}\" -> \"tree {root}\" [style=dotted];"));
            self.directory(root);
        }
    }

    fn directory(&mut self, hash: S::Hash) {
        if self.seen.insert(hash) {
            let label = short(&hash);
            let line = format!("  \"tree {hash}\" [shape=folder, label=\"{label}\"];");
            self.lines.push_back(line);
            self.directories.push_back(hash);
        }
    }

    fn entry(&mut self, directory: S::Hash, step: &Step, entry: &Entry<S::Hash>) {
        let label = escaped(&String::from_utf8_lossy(step.as_bytes()));
        let (to, hash) = match entry {
            Entry::Directory { hash } => ("tree", *hash),
            Entry::Contents { held, .. } => ("contents", hash_of::<S>(held)),
            Entry::Conflict { hash } => ("conflict", *hash),
        };
        let line = format!("  \"tree {directory}\" -> \"{to} {hash}\" [label=\"{label}\"];");
        self.lines.push_back(line);
        match entry {
            Entry::Directory { .. } => self.directory(hash),
            Entry::Contents { .. } => self.end(to, "note", hash),
            Entry::Conflict { .. } => self.end(to, "octagon", hash),
        }
    }

    /// Draws what nothing leads on from: contents, or a conflict.
    fn end(&mut self, kind: &str, shape: &str, hash: S::Hash) {
        if self.seen.insert(hash) {
            let label = short(&hash);
            let line = format!("  \"{kind} {hash}\" [shape={shape}, label=\"{label}\"];");
            self.lines.push_back(line);
        }
    }
}

/// Returns the beginning of a hash, as much as people tell it by.
fn short(hash: &impl fmt::Display) -> String {
    const DIGITS: usize = 10;
    hash.to_string().chars().take(DIGITS).collect()
}

/// Returns a label that shows the text, whatever it is.
fn escaped(text: &str) -> String {
    let mut label = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '"' => label.push_str("\\\""),
            '\\' => label.push_str("\\\\"),
            '&' => label.push_str("&amp;"),
            // Invisible in a picture, and some of them not allowed there.
            char if char.is_control() => label.push('\u{fffd}'),
            char => label.push(char),
        }
    }
    label
}

impl Stream for Graph {
    type Item = Result<String>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Graph").finish_non_exhaustive()
    }
}
