//! Versioned storage for async services: a key-value tree with branches, commits, three-way merges
//! and live watch streams, inside your program, on Tokio.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> ramus::Result<()> {
//! use ramus::Kv;
//!
//! # let place = tempfile::tempdir().unwrap();
//! # std::env::set_current_dir(&place).unwrap();
//! # for _ in 0..2 { // the second time it goes on where it was
//! let repo = ramus::open::<Kv<String>>("pack:./data").await?;  // or "mem:"
//! let main = repo.main().await?;
//! main.set("users/ada", "mathematician", "add Ada").await?;
//! assert_eq!(main.find("users/ada").await?.as_deref(), Some("mathematician"));
//!
//! let draft = main.fork("draft").await?;
//! let mut edit = draft.begin().await?;                  // one snapshot; sees its own writes
//! edit.set("users/bob", "poet").await?;
//! edit.remove("users/ada").await?;
//! draft.commit(edit, "Bob for Ada").await?;
//!
//! let mut changes = main.watch("users").await?;         // a stream
//! main.merge(&draft, "merge draft").await?.clean()?;    // a conflict is a value, or an error here
//! let change = changes.next().await;                    // both commits, and what differs between them
//! repo.remove_branch("draft").await?;                   // its commits stay in the history of main
//! # assert!(change.unwrap()?.new.is_some());
//! # repo.close().await?;
//! # }
//! # Ok(()) }
//! ```
//!
//! These lines stand in an `async fn` that returns [`Result`], such as one with `#[tokio::main]`. What
//! a program needs besides:
//!
//! ```toml
//! [dependencies]
//! ramus = { path = "../ramus/crates/ramus" }  # where the checkout is; nothing is published yet
//! tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
//! serde = { version = "1", features = ["derive"] }  # for types of your own
//! ```
//!
//! 1. [What there is](#what-there-is)
//! 2. [Reading and writing](#reading-and-writing)
//! 3. [Transactions and races](#transactions-and-races)
//! 4. [Branches and history](#branches-and-history)
//! 5. [Merges and conflicts](#merges-and-conflicts)
//! 6. [Changing what was done](#changing-what-was-done)
//! 7. [Contents of your own](#contents-of-your-own)
//! 8. [Containers](#containers)
//! 9. [Watching](#watching)
//! 10. [Proofs](#proofs)
//! 11. [Opening, and backends](#opening-and-backends)
//! 12. [Errors](#errors)
//! 13. [Where to go on](#where-to-go-on)
//!
//! # What there is
//!
//! - A **repository**, [`Repo`], is one place with everything in it. It is generic over its *schema*,
//!   which says what is kept there: [`Kv<String>`](Kv) keeps text.
//! - A **store**, [`Store`], is a handle on a branch of it. What you read and write goes through it.
//! - A **path** such as `users/ada` leads to a value. What lies between are directories: they are
//!   there when something lies in them, and nobody makes or removes them. A step of a path has 1 to
//!   1024 bytes.
//! - A **commit**, [`Commit`], is one state of the whole tree, the commits it was made from, and who
//!   made it, when and why. It never changes, so whoever holds one can read it in peace.
//! - A **tree**, [`Tree`], is such a state as a value: cheap to clone, editable, on no branch.
//!
//! All of these are handles. Cloning one is cheap and shares what it stands for, so give every task a
//! clone of its own.
//!
//! # Reading and writing
//!
//! A write to a store is one commit, and its last argument says why it is made: a message, or a whole
//! [`Info`] with author and headers. ([`Repo::with_author`] gives handles for somebody else, who is the author where
//! none is named.) It answers with the commit, or with nothing if nothing changed.
//! What is absent is `None`, and never an error.
//!
//! ```
//! use ramus::{Info, Kind, Kv};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> ramus::Result<()> {
//! let main = ramus::open::<Kv<String>>("mem:").await?.main().await?;
//!
//! let info = Info::new("add Ada").with_author("Charles").with_header("ticket", "17");
//! let commit = main.set("users/ada", "mathematician", info).await?;
//! assert!(commit.is_some());
//! assert!(main.set("users/ada", "mathematician", "once more").await?.is_none());
//!
//! assert_eq!(main.find("users/bob").await?, None);
//! assert_eq!(main.kind("users").await?, Some(Kind::Directory));
//! let steps: Vec<_> = main.list("users").await?.into_iter().map(|entry| entry.step).collect();
//! assert_eq!(steps[0].as_str(), Some("ada"));
//!
//! // Only if it is still what we think it is; `None` stands for absent.
//! let (test, set) = (Some("mathematician".to_owned()), Some("countess".to_owned()));
//! assert!(main.test_and_set("users/ada", test, set, "promote Ada").await?);
//!
//! // A directory goes as a whole, or moves as a whole.
//! main.rename("users", "people", "people, not users").await?;
//! main.remove("people", "nobody is left").await?;
//! assert_eq!(main.list("").await?, []);
//! # Ok(()) }
//! ```
//!
//! Every read of a store sees the head of the branch at that moment. To read several paths of one
//! moment, take its [`tree`](Store::tree), and read from that.
//!
//! A value cannot be set where a directory is, nor below another value: that is an error that names
//! the path in the way. Remove it first if that is meant.
//!
//! A value may be larger than memory: [`set_stream`](Store::set_stream) takes it from anything that can be
//! read, and [`reader`](Store::reader) gives it back as a stream, or a part of it. What is longer than
//! 256 KiB is stored in chunks that follow what they hold, so that two versions share what they have in
//! common. This works for [`Bytes`], for text, and for types of your own that are [`Streamable`].
//!
//! ```
//! use ramus::{Bytes, Kv};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> ramus::Result<()> {
//! let main = ramus::open::<Kv<Bytes>>("mem:").await?.main().await?;
//! let film = vec![7; 1_000_000]; // or a file, or a connection
//! main.set_stream("films/metropolis", &film[..], "add a film").await?;
//!
//! let reader = main.reader("films/metropolis").await?.expect("it was just added");
//! assert_eq!(reader.len(), 1_000_000);
//! assert_eq!(reader.read_range(500_000..500_010).await?.len(), 10); // reads one chunk
//! # Ok(()) }
//! ```
//!
//! # Transactions and races
//!
//! Several edits become one commit in a transaction. It works on a snapshot of the branch, sees its
//! own writes, and shows nothing to others before it is committed. Dropping it forgets it.
//!
//! What if another writer came first? The default merges the two by the rules below: the edits are
//! applied on top of what the other one did, and only if both changed the same thing, that is an error
//! of kind [`Conflict`](ErrorKind::Conflict). A transaction that decides by what it has read should
//! rather run again, which is [`transact_again`](Store::transact_again): as if the writers had come
//! one after the other.
//!
//! ```
//! use ramus::{Counter, Kv};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> ramus::Result<()> {
//! let main = ramus::open::<Kv<Counter>>("mem:").await?.main().await?;
//!
//! // Merged if need be: both transactions began from nothing.
//! let (mut one, mut other) = (main.begin().await?, main.begin().await?);
//! one.set("stock/apples", 7).await?;
//! other.set("stock/pears", 5).await?;
//! main.commit(one, "apples").await?;
//! main.commit(other, "pears").await?;
//! assert_eq!(main.list("stock").await?.len(), 2);
//!
//! // Run again if need be: an apple is sold only if there is one.
//! let sold = main
//!     .transact_again("sell an apple", async |edit| {
//!         let Counter(apples) = edit.find("stock/apples").await?.unwrap_or_default();
//!         if apples > 0 {
//!             edit.set("stock/apples", apples - 1).await?;
//!         }
//!         Ok(apples > 0)
//!     })
//!     .await?;
//! assert!(sold);
//! # Ok(()) }
//! ```
//!
//! The third way is to be refused: [`TransactionOptions`] with [`OnRace::Refuse`].
//!
//! # Branches and history
//!
//! A branch is a name for a commit, so making one costs nothing. It comes into being with its first
//! commit, or by [`fork`](Store::fork). A handle can also be [detached](Repo::detached): on a commit
//! that no branch follows.
//!
//! ```
//! use ramus::Kv;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> ramus::Result<()> {
//! let repo = ramus::open::<Kv<String>>("mem:").await?;
//! let main = repo.main().await?;
//! let first = main.set("motto", "begin", "first").await?.unwrap();
//! main.set("motto", "go on", "second").await?;
//! let draft = main.fork("draft").await?;
//! assert_eq!(repo.branches().await?, ["draft", "main"]);
//!
//! // The commits that led here, newest first.
//! let mut log = main.log().await?;
//! while let Some(commit) = log.next().await {
//!     let commit = commit?;
//!     println!("{} {}", commit.hash(), commit.info().message);
//! }
//!
//! // Only those that changed a path; and the last one that did.
//! let options = ramus::LogOptions::default().with_path("motto")?.with_limit(10);
//! assert_eq!(main.log_with(options).await?.collect().await?.len(), 2);
//! assert_eq!(main.last_modified("motto").await?, main.head().await?);
//!
//! // An old state is read like any other, and one can go back to it.
//! assert_eq!(first.tree().find("motto").await?.as_deref(), Some("begin"));
//! draft.set_head(&first).await?;
//! assert_eq!(draft.find("motto").await?.as_deref(), Some("begin"));
//!
//! // What differs between two states: paths, and the hashes of what they lead to.
//! let differences = first.tree().diff(&main.tree().await?).collect().await?;
//! assert_eq!(differences[0].path.to_string(), "motto");
//!
//! // A picture of it all: `dot -Tsvg` draws it.
//! let dot = repo.graph(ramus::GraphOptions::default()).await?.collect().await?;
//! assert!(dot.starts_with("digraph"));
//! # Ok(()) }
//! ```
//!
//! What is asked about the history is answered by an [index](HistoryIndex) of it, which is made when it is
//! first needed and kept where the storage has a place for it. [`lcas`](Repo::lcas) gives the lowest common
//! ancestors of two commits, [`is_ancestor`](Repo::is_ancestor) says if one leads to another.
//!
//! Branches are made, renamed, copied and removed, each only if it is as you think it is; a tag is a name
//! that never moves. Whatever was done to them stands in the log of operations, and can be undone:
//!
//! ```
//! use ramus::Kv;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> ramus::Result<()> {
//! let repo = ramus::open::<Kv<String>>("mem:").await?;
//! let release = repo.main().await?.set("version", "1.0", "release").await?.unwrap();
//! repo.create_tag("v1.0", &release).await?;
//! repo.create_branch("fixes/1.0", &release).await?;
//! repo.rename_branch("fixes/1.0", "support/1.0").await?;
//! let heads = repo.heads("support/").await?.collect().await?; // all as of one moment
//! assert_eq!((heads[0].name.as_str(), heads[0].commit), ("support/1.0", release.hash()));
//!
//! repo.remove_branch("support/1.0").await?; // by mistake
//! let mut operations = repo.operations().await?; // newest first
//! let mistake = operations.next().await.unwrap()?;
//! assert_eq!(mistake.note.reason().unwrap().message, "remove branch support/1.0");
//! repo.undo(&mistake).await?.done()?;
//! assert_eq!(repo.branches().await?, ["main", "support/1.0"]);
//! # Ok(()) }
//! ```
//!
//! Removing a branch removes a name. What no name and no handle reaches any more is
//! [collected](Repo::collect), beside running writers and readers, and then cannot come back; why
//! something is kept, [`why`](Repo::why) says:
//!
//! ```
//! use ramus::{CollectOptions, Kv};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> ramus::Result<()> {
//! let repo = ramus::open::<Kv<String>>("mem:").await?;
//! let draft = repo.branch("draft").await?;
//! let commit = draft.set("motto", "begin", "a try").await?.unwrap();
//! repo.create_tag("try", &commit).await?;
//! repo.remove_branch("draft").await?;
//! let hash = commit.hash();
//! drop((commit, draft));
//!
//! assert_eq!(repo.collect(CollectOptions::default()).await?.blocks_removed, 0);
//! let why = repo.why(&hash).await?.unwrap();
//! assert_eq!(why.to_string(), format!("tag/try -> {hash}"));
//!
//! repo.remove_tag("try").await?;
//! let would = repo.collect(CollectOptions::default().with_dry_run(true)).await?;
//! let collected = repo.collect(CollectOptions::default()).await?;
//! assert_eq!(would.blocks_removed, collected.blocks_removed);
//! assert_eq!(repo.commit(&hash).await?, None);
//! # Ok(()) }
//! ```
//!
//! Whether everything is there that branches and tags reach, [`check`](Repo::check) says; after a directory was
//! repaired it tells what is missing, and the way to it.
//!
//! # Merges and conflicts
//!
//! A merge looks at three states: what both sides began from, and the two sides. What one side alone
//! changed is taken over. What both changed is merged by the type of the contents: text and bytes
//! [as a whole](merge::whole), `Text` line by line (feature `text`), [`Json`] key by key, a [`Counter`] by adding up. What is left is a
//! conflict.
//!
//! A conflict is not an error but a value, [`Merged::Conflicts`], and nothing was written. It can be
//! resolved path by path and then committed. Who expects none says [`clean`](Merged::clean), which
//! makes an error of it.
//!
//! ```
//! use ramus::{Kv, Merged, Resolution};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> ramus::Result<()> {
//! let main = ramus::open::<Kv<String>>("mem:").await?.main().await?;
//! main.set("motto", "begin", "first").await?;
//! let draft = main.fork("draft").await?;
//! draft.set("motto", "begin anew", "in the draft").await?;
//! main.set("motto", "go on", "in the main line").await?;
//!
//! let Merged::Conflicts(mut unmerged) = main.merge(&draft, "merge draft").await? else {
//!     panic!("both sides changed the motto");
//! };
//! for conflict in unmerged.conflicts() {
//!     println!("{}: {}", conflict.path, conflict.conflict); // and all three sides
//! }
//! unmerged.resolve("motto", Resolution::Contents("go on anew".to_owned()))?;
//! main.commit_merge(&unmerged, "merge draft, by hand").await?;
//! assert_eq!(main.find("motto").await?.as_deref(), Some("go on anew"));
//! # Ok(()) }
//! ```
//!
//! [`preview_merge`](Store::preview_merge) says the same without writing anything. What nobody can decide
//! now is stored at its path, and resolved later, here or wherever the commit gets to:
//!
//! ```
//! # use ramus::{Kv, Merged};
//! use ramus::{ErrorKind, Resolution};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> ramus::Result<()> {
//! # let main = ramus::open::<Kv<String>>("mem:").await?.main().await?;
//! # let draft = main.repo().branch("draft").await?;
//! # draft.set("motto", "begin anew", "in the draft").await?;
//! # main.set("motto", "go on", "in the main line").await?;
//! # let Merged::Conflicts(mut unmerged) = main.merge(&draft, "merge draft").await? else { panic!() };
//! unmerged.resolve_each(|_conflict| Some(Resolution::Later));
//! main.commit_merge(&unmerged, "merge draft, to be resolved").await?;
//! // Half a decision is no value.
//! assert_eq!(main.find("motto").await.unwrap_err().kind(), ErrorKind::Conflict);
//!
//! let mut edit = main.begin().await?;
//! for conflict in edit.conflicts().collect().await? {
//!     edit.resolve(conflict.path, Resolution::Theirs).await?;
//! }
//! main.commit(edit, "theirs").await?;
//! assert_eq!(main.find("motto").await?.as_deref(), Some("begin anew"));
//! # Ok(()) }
//! ```
//!
//! # Changing what was done
//!
//! [`revert`](Store::revert) takes the change of one commit back, [`cherry_pick`](Store::cherry_pick) makes it
//! once more, [`rebase`](Store::rebase) puts the commits of a branch onto another commit, and
//! [`squash`](Store::squash) makes one of them. Each moves the branch with one update, is done again if
//! others came first, and answers conflicts as a merge does.
//!
//! ```
//! use ramus::{Kv, PickOptions, RebaseOptions, SquashOptions};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> ramus::Result<()> {
//! let main = ramus::open::<Kv<String>>("mem:").await?.main().await?;
//! main.set("motto", "begin", "first").await?;
//! let draft = main.fork("draft").await?;
//! draft.set("colour", "blue", "a colour").await?;
//! draft.set("colour", "green", "a better colour").await?;
//! let mistake = main.set("motto", "stop", "a mistake").await?.unwrap();
//! main.revert(&mistake, PickOptions::default()).await?.clean()?;
//! assert_eq!(main.find("motto").await?.as_deref(), Some("begin"));
//!
//! let onto = main.head().await?.unwrap();
//! draft.rebase(&onto, RebaseOptions::default()).await?.clean()?;
//! let one = draft.squash(&onto, SquashOptions::default().with_info("a colour")).await?;
//! assert_eq!(one.parents(), [onto.hash()]);
//! assert!(main.fast_forward(&one).await?);
//! # Ok(()) }
//! ```
//!
//! # Contents of your own
//!
//! `String`, [`Bytes`], [`Json`] and [`Counter`] are there, also sets, maps and registers ([`Set`],
//! [`Bag`], [`Map`], [`Max`], [`Min`], [`Register`]), and [`Whole<T>`](Whole) keeps any serde type and
//! merges it as a whole. A struct or an enum of your own [derives](derive@Contents) `Contents`: it is
//! stored by serde, and merges field by field. A field merges as a whole, unless it says by which
//! rule of the module [`merge`](mod@merge) it merges.
//!
//! ```
//! use std::collections::BTreeSet;
//! use ramus::{Contents, Kv};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Contents)]
//! struct Article {
//!     title: String,
//!     #[merge(count)]
//!     views: u64,
//!     #[merge(set)]
//!     tags: BTreeSet<String>,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> ramus::Result<()> {
//! let article = |title: &str, views, tag: &str| Article {
//!     title: title.to_owned(),
//!     views,
//!     tags: [tag.to_owned()].into(),
//! };
//! let main = ramus::open::<Kv<Article>>("mem:").await?.main().await?;
//! main.set("news/1", article("Hello", 10, "new"), "publish").await?;
//! let draft = main.fork("draft").await?;
//! draft.set("news/1", article("Hello, world", 11, "new"), "a better title").await?;
//! main.set("news/1", article("Hello", 15, "old"), "five more views").await?;
//! main.merge(&draft, "merge draft").await?.clean()?;
//! assert_eq!(main.find("news/1").await?, Some(article("Hello, world", 16, "old")));
//! # Ok(()) }
//! ```
//!
//! What the derive cannot say, a type says itself: it implements [`Contents`](trait@Contents), takes its
//! bytes from [`codec`], and puts its merge together from the same rules.
//!
//! The feature `testkit` brings `ramus::laws`, which check such a type in a test: that it
//! reads back what it wrote, that a side which did nothing changes nothing, and so on.
//!
//! A repository keeps one type of contents. Several kinds of values are an `enum`.
//!
//! # Containers
//!
//! Data of a known shape need no merge of your own: a counter, a register of which the last writer wins,
//! a set, a map, and a log that is appended to for ever and read on from a cursor. They are in
//! [`containers`], which says when to take which; several branches change one and nothing is lost.
//!
//! ```
//! use ramus::Kv;
//! use ramus::containers::{LogAt, LogCursor};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> ramus::Result<()> {
//! let main = ramus::open::<Kv<String>>("mem:").await?.main().await?;
//! let events = LogAt::new("events")?;
//! events.append(&main, "started", "note the start").await?;
//!
//! let mut reader = events.read(&main, &LogCursor::start()).await?;
//! assert_eq!(reader.next().await.unwrap()?.value, "started");
//! assert!(reader.next().await.is_none());
//!
//! // The cursor is text that can be kept: later, or on another branch, reading goes on from there.
//! let cursor = reader.cursor().to_string();
//! events.append(&main, "went on", "note that it goes on").await?;
//! let mut reader = events.read(&main, &cursor.parse()?).await?;
//! assert_eq!(reader.next().await.unwrap()?.value, "went on");
//! # Ok(()) }
//! ```
//!
//! # Watching
//!
//! A watch is a stream of what happens to a branch, to a path in it, or to many branches. Each change
//! comes once and in order, whatever the pace of the reader; where the storage no longer knows what
//! happened, the event says so ([`resync`](BranchEvent::resync)). No writer ever waits for a watch.
//! An event has both commits, and tells the difference when it is asked.
//!
//! ```
//! use ramus::Kv;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> ramus::Result<()> {
//! let main = ramus::open::<Kv<String>>("mem:").await?.main().await?;
//! let mut watch = main.watch("users").await?;
//! main.set("users/ada", "mathematician", "add Ada").await?;
//! main.set("other", "is not seen", "beside the watched path").await?;
//!
//! let event = watch.next().await.unwrap()?;
//! let mut diff = event.diff().await?;
//! while let Some(difference) = diff.next().await {
//!     assert_eq!(difference?.path.to_string(), "users/ada");
//! }
//!
//! // Keep the place, and go on from there later: nothing in between is lost.
//! let place = event.place();
//! drop(watch);
//! main.set("users/bob", "carpenter", "add Bob").await?;
//! let mut watch = main.watch_after("users", place).await?;
//! let missed = watch.next().await.unwrap()?;
//! assert_eq!(missed.commits().collect().await?[0].info().message, "add Bob");
//! # Ok(()) }
//! ```
//!
//! A place is a cursor into the log of changes, and a commit. When the log no longer goes back so far, the
//! first event says what has changed since that commit. Several branches are watched by
//! [`Repo::watch`] and [`Repo::watch_path`], from now or from [what exists](WatchStart::Existing). Such a watch knows
//! [what each branch is on](BranchesWatch::place), and [`Repo::watch_after`] goes on from there.
//!
//! A watch is also a `Stream` of the `futures` crate.
//!
//! # Proofs
//!
//! Who knows nothing but the hash of a tree can check an answer about it: a [`Proof`] has the blocks that a
//! read, or an update, touched, and verifying it does the same on those alone.
//!
//! ```
//! use ramus::{Kv, Proof};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> ramus::Result<()> {
//! let main = ramus::open::<Kv<String>>("mem:").await?.main().await?;
//! main.set("users/ada", "mathematician", "add Ada").await?;
//! let tree = main.tree().await?;
//! let (proof, _) = tree.prove(async |tree| tree.find("users/ada").await).await?;
//! let (root, sent) = (tree.hash().await?, proof.encode());
//!
//! // Elsewhere:
//! let proof = Proof::<Kv<String>>::decode(sent)?;
//! let answer = proof.verify(&root, async |tree| tree.find("users/ada").await).await?;
//! assert_eq!(answer.as_deref(), Some("mathematician"));
//! # Ok(()) }
//! ```
//!
//! # Opening, and backends
//!
//! [`open`] takes a location, `scheme:path?option=value&...`. Which schemes there are is decided by
//! features, one for each backend:
//!
//! | feature | scheme | kept | options |
//! |---|---|---|---|
//! | `mem` (a default) | `mem:` | in memory, always new | `log_changes_max`, `notices_max` |
//! | `pack` (a default) | `pack:./data` | in a directory, for good | `mode`, `durability`, `sync_by`, `damaged`, `log_changes_max`, `log_bytes_max`, `log_age_max_s`, `cache_bytes`, `open_files_max`, `notices_max`, `follow_ms`, `compression`, `compression_level`, `reclaim_bytes_per_second`, `reclaim_percent` |
//!
//! Everything above is the same on every backend, but for bounds of options. What those mean is said at
//! [`MemOptions`](mem::MemOptions) and [`PackOptions`](pack::PackOptions); of the second, `durability` (whether an answer
//! waits for the disk), `mode` (to write, or to read beside a writer) and `cache_bytes` are those that one begins with.
//! `pack` needs a Unix system; elsewhere, leave it out by `default-features = false`.
//!
//! One process has a directory open to write, and a second opening is refused: handles are cloned instead.
//! [`repo.close().await?`](Repo::close) lets it go. So does dropping the last handle, which blocks its thread
//! until what is under way is written. Any number of other processes read it beside that with
//! `pack:./data?mode=read`. With `durability=os` answers do not wait for the disk, and
//! [`Repo::flush`] does.
//!
//! Other features: `blake3` (a faster hash; wants a C compiler), `zstd` (compressed blocks and proofs; wants a C
//! compiler), `text` ([`Text`], which merges by lines, and [`Seq`]), `testkit` (the laws of merges, for
//! types of your own).
//!
//! [`open_with`] takes openers of one's own, and [`RepoOptions`] such as the author. A storage that is
//! there already becomes a repository without a location:
//!
//! ```
//! use ramus::mem::{Mem, MemOptions};
//! use ramus::{Backend, Kv, Repo};
//!
//! let storage: Mem = Mem::new(&MemOptions::default().with_log_changes_max(1000));
//! let repo = Repo::<Kv<String>>::new(Backend::new(storage));
//! # drop(repo);
//! ```
//!
//! Blocks are named by SHA-1 unless the schema says otherwise. SHA-1 is not collision resistant: where
//! contents come from people who do not trust each other, take `Kv<C, Sha256>`, or `Blake3` with the
//! feature `blake3`.
//!
//! # Errors
//!
//! There is one [`Error`]. Its [`kind`](Error::kind) is what a caller can act on, its message says what
//! was attempted and what would be right, and its source is the cause; `{error:#}` prints it with its
//! causes.
//!
//! ```
//! use ramus::{ErrorKind, Kv};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> ramus::Result<()> {
//! let main = ramus::open::<Kv<String>>("mem:").await?.main().await?;
//! let error = main.set("users//ada", "mathematician", "add Ada").await.unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::InvalidInput);
//! assert_eq!(error.to_string(), "step 2 of path `users//ada` is empty; a step has 1 to 1024 bytes");
//! # Ok(()) }
//! ```
//!
//! What is expected is no error: absence is `None`, a test that fails is `false`, a conflict of a merge
//! is a value.
//!
//! | kind | what to do |
//! |---|---|
//! | `InvalidInput`, `Limit`, `Unsupported`, `Permission` | change what is asked for, as the message says |
//! | `Conflict` | let somebody decide; the source, [`Conflicts`], has the paths. A read meets it where a conflict is stored |
//! | `Contention` | others were quicker: begin the transaction or the merge anew; an undo, when what came later is undone |
//! | `Unavailable` | wait and try again; after a write, read first whether it was made. If the message says so, close and open again |
//! | `Ambiguous` | read what became of it, then decide |
//! | `Aborted` | your own code refused or panicked; the source says why |
//! | `Closed` | open it again |
//! | `Missing`, `Corrupt` | the data are damaged: [`pack::check`] and [`Repo::check`] say what is wrong, [`pack::repair`] keeps what is sound |
//! | `Unproven` | the proof is forged, or does not reach so far |
//!
//! A write that is dropped has made its whole commit or nothing of it, or makes it a moment later, if others wait for
//! the same update. Before it is done once more, [`Store`] says what to look at.
//!
//! # Where to go on
//!
//! - The examples of the repository, one file and one lesson each: `quickstart` puts a whole directory
//!   through everything above, `branch_and_merge` has conflicts, `conflicts_as_values` stores them and
//!   changes what was done, `own_contents` a type that merges field
//!   by field, `watch_service` a service with many readers and writers, `custom_backend` a backend from
//!   nothing.
//! - [`Store`], [`Tree`], [`Transaction`] and [`Repo`] say in full what they promise.
//! - Who writes a backend stands on `ramus-core` (the contracts) and `ramus-watch` (the log and the hub
//!   of changes), and proves it by `ramus-testkit` (the laws).

mod open;

pub use open::{open, open_with, openers};

pub use bytes::Bytes;
#[cfg(feature = "blake3")]
pub use ramus_core::Blake3;
pub use ramus_core::erased::Backend;
pub use ramus_core::open::{Location, Openers};
pub use ramus_core::{
    Cursor, Error, ErrorKind, Hash, IdSource, Incarnation, IntoPath, KeyChange, Namespace,
    OsRandom, Path, RefName, Result, Sha1, Sha256, Step, UpdateId,
};
#[doc(hidden)]
pub use ramus_kv::__derive;
#[cfg(feature = "testkit")]
pub use ramus_kv::laws;
pub use ramus_kv::{
    AnyBytes, Bag, BranchChange, BranchEvent, BranchWatch, BranchesEvent, BranchesPlace,
    BranchesWatch, Broken, Checked, Clock, CollectOptions, Collected, Collection, CollectionPhase,
    CollectionProgress, Commit, Commits, Concrete, Conflict, ConflictKind, Conflicts, Contents,
    ContentsReader, Counter, Diff, Difference, Direction, Entries, EventStream, Format, Found,
    Graph, GraphOptions, Head, Heads, HistoryIndex, Info, Json, Kind, Kv, ListOptions, Listing,
    Log, LogOptions, Made, Map, Max, MergeOptions, Merged, Metadata, Min, Native, Note, OnConflict,
    OnRace, Operation, Operations, OperationsOptions, OperationsOrder, PathConflict, PickOptions,
    Preview, Proof, Reason, RebaseConflict, RebaseOptions, Rebased, RefFault, Register, Repo,
    RepoOptions, Resolution, Root, Schema, Set, Side, SquashOptions, Stats, Status, Store,
    StoredConflict, StoredConflicts, StreamCheck, Streamable, SystemClock, Transaction,
    TransactionOptions, Tree, Truncated, Undo, Unmerged, Upload, Utf8, Visit, Walk, WalkOptions,
    WalkOrder, WatchPlace, WatchStart, Whole, Why,
};
#[cfg(feature = "text")]
pub use ramus_kv::{Seq, Text};
pub use ramus_kv::{codec, containers, merge};
#[cfg(feature = "mem")]
pub use ramus_mem as mem;
#[cfg(feature = "pack")]
pub use ramus_pack as pack;
