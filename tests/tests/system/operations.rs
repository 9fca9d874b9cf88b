//! The operation log and undo, against a plain list of what was done.
//!
//! The random test is longer by `RAMUS_SCALE`, and differs by `RAMUS_SEED`:
//!
//! ```text
//! RAMUS_SEED=7 RAMUS_SCALE=50 cargo test --release -p ramus-tests --test system operations
//! ```

use std::collections::BTreeMap;
use std::error::Error as _;

use futures::TryStreamExt as _;
use ramus_core::erased::Backend;
use ramus_core::wrap::PrefixedStorage;
use ramus_core::{
    AtomicWrite as _, AtomicWriteExt as _, Cursor, ErrorKind, KeyChange, Namespace, ReadOnly as _,
    RefName, Sha1, Storage as _, Update,
};
use ramus_kv::{
    Commit, Info, Made, Note, Operation, OperationsOptions, OperationsOrder, Repo, RepoOptions,
    Truncated, Undo,
};
use ramus_mem::{Mem, MemOptions};

use crate::bed::{Bed, Choices, Text, contents_hash, head, long_text, put, read, refused};

on_every_backend!(
    whatever_is_done_is_logged_and_can_be_undone,
    an_operation_says_who_when_and_why_and_what_it_moved,
    whoever_works_for_somebody_else_says_so,
    a_mistake_is_undone_and_done_again,
    an_undo_is_refused_if_something_was_done_since,
    an_undo_of_an_update_of_several_refs_is_all_or_nothing,
    an_undo_never_leaves_a_ref_without_its_commit,
    an_undo_brings_nothing_back_of_which_a_part_is_gone,
    an_undo_reads_nothing_that_a_ref_has_behind_it,
    what_the_library_keeps_for_itself_is_neither_shown_nor_undone,
    an_undo_moves_no_tag_and_nothing_that_the_library_keeps_for_itself,
    an_undo_of_a_combined_update_takes_all_of_its_commits_back,
    operations_are_of_one_ref_if_asked,
    operations_are_read_on_from_a_place,
    an_operation_is_found_by_its_place,
    notes_of_others_are_shown_as_they_are,
);

async fn operations(repo: &Repo<Text>, options: OperationsOptions) -> Vec<Operation<Sha1>> {
    repo.operations_with(options).await.unwrap().collect().await.unwrap()
}

fn oldest_first() -> OperationsOptions {
    OperationsOptions::default().with_order(OperationsOrder::OldestFirst)
}

/// Returns the newest operation.
async fn newest(repo: &Repo<Text>) -> Operation<Sha1> {
    repo.operations().await.unwrap().next().await.expect("an operation").unwrap()
}

fn done(undo: Undo<Sha1>) -> Operation<Sha1> {
    undo.done().unwrap()
}

fn name(namespace: Namespace, number: usize) -> RefName {
    let names = ["a", "a/b", "ab", "b"];
    RefName::new(namespace, names[number % names.len()]).unwrap()
}

async fn whoever_works_for_somebody_else_says_so(bed: Bed) {
    let repo = bed.repo();
    let (ada, bob) = (repo.with_author("ada"), repo.with_author("bob"));
    let author = async || match newest(&repo).await.note {
        Note::Known(reason) => reason.author,
        note @ Note::Foreign(_) => panic!("{note:?}"),
    };
    let main = ada.main().await.unwrap();
    let first = put(&main, "x", "1").await;
    assert_eq!((first.info().author.as_deref(), author().await.as_str()), (Some("ada"), "ada"));
    bob.create_branch("draft", &first).await.unwrap();
    assert_eq!(author().await, "bob");
    let draft = ada.branch("draft").await.unwrap();
    draft.fork("other").await.unwrap();
    assert_eq!(author().await, "ada");
    done(bob.undo(&newest(&repo).await).await.unwrap());
    assert_eq!(author().await, "bob");
    bob.create_tag("one", &first).await.unwrap();
    assert_eq!(author().await, "bob");
    // Whoever writes for all who wait writes in the name of each.
    let mains = [main, bob.main().await.unwrap(), repo.main().await.unwrap()];
    let writes = mains.iter().zip(["a", "b", "c"]).map(|(main, path)| put(main, path, "1"));
    let commits = futures::future::join_all(writes).await;
    let authors: Vec<_> = commits.iter().map(|one| one.info().author.clone().unwrap()).collect();
    assert_eq!(authors, ["ada", "bob", &repo_author()]);
    let named = Info::new("by hand").with_author("carl");
    let commit = mains[0].set("x", "2".to_owned(), named).await.unwrap().unwrap();
    assert_eq!(commit.info().author.as_deref(), Some("carl"));
}

/// Returns the author of a repository that names none.
fn repo_author() -> String {
    RepoOptions::default().author
}

/// What the refs that an operation moved held before and after.
type Moved = BTreeMap<RefName, (Option<Sha1>, Option<Sha1>)>;

/// What the refs hold, and everything that was done to them.
#[derive(Default)]
struct Model {
    refs: BTreeMap<RefName, Sha1>,
    done: Vec<Moved>,
}

impl Model {
    fn get(&self, name: &RefName) -> Option<Sha1> {
        self.refs.get(name).copied()
    }

    fn apply(&mut self, edits: impl IntoIterator<Item = (RefName, Option<Sha1>)>) {
        let mut moved = BTreeMap::new();
        for (name, new) in edits {
            let old = self.get(&name);
            match new {
                Some(new) => drop(self.refs.insert(name.clone(), new)),
                None => drop(self.refs.remove(&name)),
            }
            if old != new {
                moved.insert(name, (old, new));
            }
        }
        if !moved.is_empty() {
            self.done.push(moved);
        }
    }

    fn of(&self, namespace: Namespace, prefix: &str) -> Vec<(String, Sha1)> {
        let named = |(name, hash): (&RefName, &Sha1)| (name.name().to_owned(), *hash);
        let all = self.refs.iter().filter(|(name, _)| name.namespace() == namespace).map(named);
        all.filter(|(name, _)| name.starts_with(prefix)).collect()
    }
}

/// A repository beside its model.
struct Pair {
    repo: Repo<Text>,
    commits: Vec<Commit<Text>>,
    model: Model,
    /// How many undos were made, and how many refused.
    undone: (usize, usize),
}

async fn whatever_is_done_is_logged_and_can_be_undone(bed: Bed) {
    let (seed, scale) = (Choices::seed(), Choices::scale());
    let mut undone = (0, 0);
    for round in 0..10 * scale {
        let mut choices = Choices::new(seed.wrapping_mul(1_000_003).wrapping_add(round));
        let bed = bed.another().await;
        let repo = bed.repo();
        let mut commits = Vec::new();
        for number in 0..4 {
            commits.push(put(&repo.empty(), "x", &number.to_string()).await);
        }
        let mut pair = Pair { repo, commits, model: Model::default(), undone };
        for _ in 0..40 {
            pair.act(&mut choices).await;
            pair.check_refs(&mut choices).await;
        }
        pair.check_log().await;
        undone = pair.undone;
    }
    assert!(undone.0 > 10 && undone.1 > 10, "{undone:?}: too few to show anything");
}

impl Pair {
    async fn act(&mut self, choices: &mut Choices) {
        let (repo, model) = (&self.repo, &mut self.model);
        let commit = &self.commits[choices.below(self.commits.len())];
        let (branch, other) =
            (name(Namespace::Branch, choices.below(4)), name(Namespace::Branch, choices.below(4)));
        let tag = name(Namespace::Tag, choices.below(4));
        let (holds, other_holds) = (model.get(&branch), model.get(&other));
        let hash = commit.hash();
        match choices.below(10) {
            0 => {
                let made = repo.create_branch(branch.name(), commit).await.is_ok();
                assert_eq!(made, holds.is_none());
                if made {
                    model.apply([(branch, Some(hash))]);
                }
            }
            1 => {
                let renamed = repo.rename_branch(branch.name(), other.name()).await.is_ok();
                assert_eq!(renamed, holds.is_some() && other_holds.is_none());
                if renamed {
                    model.apply([(branch, None), (other, holds)]);
                }
            }
            2 => {
                let copied = repo.copy_branch(branch.name(), other.name()).await.is_ok();
                assert_eq!(copied, holds.is_some() && other_holds.is_none());
                if copied {
                    model.apply([(other, holds)]);
                }
            }
            3 => {
                assert_eq!(repo.remove_branch(branch.name()).await.unwrap(), holds.is_some());
                model.apply([(branch, None)]);
            }
            4 => {
                let removed = repo.remove_branch_at(branch.name(), commit).await.unwrap();
                assert_eq!(removed, holds == Some(hash));
                if removed {
                    model.apply([(branch, None)]);
                }
            }
            5 => {
                repo.branch(branch.name()).await.unwrap().set_head(commit).await.unwrap();
                model.apply([(branch, Some(hash))]);
            }
            6 => {
                let made = repo.create_tag(tag.name(), commit).await.is_ok();
                assert_eq!(made, model.get(&tag).is_none_or(|holds| holds == hash));
                if made {
                    model.apply([(tag, Some(hash))]);
                }
            }
            7 => {
                let there = model.get(&tag).is_some();
                assert_eq!(repo.remove_tag(tag.name()).await.unwrap(), there);
                model.apply([(tag, None)]);
            }
            _ => self.undo(choices).await,
        }
    }

    /// Undoes one of the last operations.
    async fn undo(&mut self, choices: &mut Choices) {
        let model = &mut self.model;
        let back = choices.below(4);
        let Some(index) = model.done.len().checked_sub(back + 1) else { return };
        let mut all = self.repo.operations().await.unwrap();
        for _ in 0..back {
            all.next().await.unwrap().unwrap();
        }
        let operation = all.next().await.unwrap().unwrap();
        let moved = model.done[index].clone();
        let refusal = moved.iter().find(|(name, (_, new))| model.get(name) != *new);
        match (self.repo.undo(&operation).await.unwrap(), refusal) {
            (Undo::Done(_), None) => {
                self.undone.0 += 1;
                model.apply(moved.into_iter().map(|(name, (old, _))| (name, old)));
            }
            (Undo::Refused { name, left, holds }, Some((refused, (_, new)))) => {
                self.undone.1 += 1;
                assert_eq!((&name, left, holds), (refused, *new, model.get(refused)));
            }
            (undo, refusal) => panic!("{undo:?}, and {refusal:?}"),
        }
    }

    async fn check_refs(&self, choices: &mut Choices) {
        let prefix = ["", "a", "a/", "b", "c"][choices.below(5)];
        let pairs = |heads: Vec<ramus_kv::Head<Sha1>>| -> Vec<_> {
            heads.into_iter().map(|head| (head.name, head.commit)).collect()
        };
        let heads = self.repo.heads(prefix).await.unwrap().collect().await.unwrap();
        assert_eq!(pairs(heads), self.model.of(Namespace::Branch, prefix));
        let tags = self.repo.tags(prefix).await.unwrap().collect().await.unwrap();
        assert_eq!(pairs(tags), self.model.of(Namespace::Tag, prefix));
    }

    async fn check_log(&self) {
        let all = operations(&self.repo, oldest_first()).await;
        let moved = |operation: &Operation<Sha1>| -> Moved {
            operation.moved.iter().map(|m| (m.key.clone(), (m.old, m.new))).collect()
        };
        assert_eq!(all.iter().map(moved).collect::<Vec<_>>(), self.model.done);
        let mut newest_first = operations(&self.repo, OperationsOptions::default()).await;
        newest_first.reverse();
        assert_eq!(newest_first, all);
        assert!(all.windows(2).all(|pair| pair[0].cursor.sequence < pair[1].cursor.sequence));
    }
}

async fn an_operation_says_who_when_and_why_and_what_it_moved(bed: Bed) {
    let repo = bed.repo_that_counts();
    let main = repo.main().await.unwrap();
    let info = Info::new("add x").with_author("ada").with_time_ms(-7);
    let first = main.set("x", "1", info).await.unwrap().unwrap();
    let operation = newest(&repo).await;
    let reason = operation.note.reason().unwrap();
    assert_eq!((reason.author.as_str(), reason.time_ms), ("ada", -7));
    assert_eq!((reason.message.as_str(), reason.commits), ("add x", Made::One));
    let key = RefName::branch("main").unwrap();
    let new = Some(first.hash());
    assert_eq!(operation.moved, [KeyChange { key: key.clone(), old: None, new }]);
    repo.remove_branch("main").await.unwrap();
    let operation = newest(&repo).await;
    let reason = operation.note.reason().unwrap();
    assert_eq!((reason.author.as_str(), reason.commits), ("test", Made::None));
    assert_eq!(operation.moved, [KeyChange { key, old: new, new: None }]);
    let heads = repo.heads("").await.unwrap();
    assert_eq!(operation.cursor, heads.cursor());
}

async fn a_mistake_is_undone_and_done_again(bed: Bed) {
    let repo = bed.repo();
    let main = repo.main().await.unwrap();
    put(&main, "x", "1").await;
    put(&main, "x", "2").await;
    let second = newest(&repo).await;
    let undone = done(repo.undo(&second).await.unwrap());
    assert_eq!(read(&main, "x").await, "1");
    let why = undone.note.reason().unwrap().message.clone();
    assert_eq!(why, format!("undo {}: set x to 2", second.cursor));
    assert_eq!(newest(&repo).await, undone, "it is an operation like any other");
    let again = done(repo.undo(&undone).await.unwrap());
    assert_eq!(read(&main, "x").await, "2");
    done(repo.undo(&again).await.unwrap());
    assert_eq!(read(&main, "x").await, "1");
    // As far back as the log goes: to before the branch was.
    let first = repo.operation(Cursor { sequence: 1, ..second.cursor }).await.unwrap().unwrap();
    done(repo.undo(&first).await.unwrap());
    assert_eq!(main.head().await.unwrap(), None);
}

async fn an_undo_is_refused_if_something_was_done_since(bed: Bed) {
    let repo = bed.repo();
    let main = repo.main().await.unwrap();
    let first = put(&main, "x", "1").await;
    let operation = newest(&repo).await;
    let second = put(&main, "x", "2").await;
    let before = repo.heads("").await.unwrap().cursor();
    let undo = repo.undo(&operation).await.unwrap();
    let name = RefName::branch("main").unwrap();
    let (left, holds) = (Some(first.hash()), Some(second.hash()));
    assert_eq!(undo, Undo::Refused { name, left, holds });
    let says = format!("is on {} now", second.hash());
    refused(undo.done(), ErrorKind::Contention, &says);
    assert_eq!(repo.heads("").await.unwrap().cursor(), before, "nothing was done");
    repo.remove_branch("main").await.unwrap();
    let undo = repo.undo(&operation).await.unwrap();
    assert!(matches!(undo, Undo::Refused { holds: None, .. }), "{undo:?}");
}

async fn an_undo_of_an_update_of_several_refs_is_all_or_nothing(bed: Bed) {
    let repo = bed.repo();
    put(&repo.branch("b").await.unwrap(), "x", "1").await;
    repo.rename_branch("b", "c").await.unwrap();
    let rename = newest(&repo).await;
    assert_eq!(rename.moved.len(), 2);
    let anew = put(&repo.branch("b").await.unwrap(), "x", "anew").await;
    let undo = repo.undo(&rename).await.unwrap();
    let name = RefName::branch("b").unwrap();
    assert_eq!(undo, Undo::Refused { name, left: None, holds: Some(anew.hash()) });
    assert_eq!(repo.branches().await.unwrap(), ["b", "c"]);
    repo.remove_branch("b").await.unwrap();
    let (c, left) = (repo.branch("c").await.unwrap(), rename.moved[1].new);
    let on = put(&c, "x", "on").await;
    let undo = repo.undo(&rename).await.unwrap();
    let name = RefName::branch("c").unwrap();
    assert_eq!(undo, Undo::Refused { name, left, holds: Some(on.hash()) });
    done(repo.undo(&newest(&repo).await).await.unwrap());
    let undone = done(repo.undo(&rename).await.unwrap());
    assert_eq!((repo.branches().await.unwrap(), undone.moved.len()), (vec!["b".to_owned()], 2));
}

async fn an_undo_never_leaves_a_ref_without_its_commit(bed: Bed) {
    let repo = bed.repo();
    let main = repo.main().await.unwrap();
    let first = put(&main, "x", "1").await;
    put(&main, "x", "2").await;
    let operation = newest(&repo).await;
    bed.rig().lose(first.hash());
    let says = format!("cannot undo the operation at {}", operation.cursor);
    let error = refused(repo.undo(&operation).await, ErrorKind::Missing, &says);
    assert!(format!("{error:?}").contains(&first.hash().to_string()), "{error:?}");
    assert_eq!(read(&main, "x").await, "2");

    let main = bed.another().await.main().await;
    let repo = main.repo();
    put(&main, "x", "1").await;
    repo.remove_branch("main").await.unwrap();
    let removal = newest(repo).await;
    done(repo.undo(&removal).await.unwrap());
    assert_eq!(read(&main, "x").await, "1");

    let elsewhere = bed.another().await;
    let main = elsewhere.main().await;
    let first = put(&main, "x", "1").await;
    main.repo().remove_branch("main").await.unwrap();
    elsewhere.rig().lose(first.tree().hash().await.unwrap());
    let undo = main.repo().undo(&newest(main.repo()).await).await;
    refused(undo, ErrorKind::Missing, "cannot undo");
    assert_eq!(main.head().await.unwrap(), None, "a commit without its tree is no commit");
}

async fn an_undo_brings_nothing_back_of_which_a_part_is_gone(bed: Bed) {
    // A value two levels down, a parent, and what only a parent has.
    for lost in 0..3 {
        let bed = bed.another().await;
        let main = bed.main().await;
        let kept = put(&main, "kept", "1").await;
        let draft = main.fork("draft").await.unwrap();
        let parent = put(&draft, "a/b", &long_text("before")).await.hash();
        put(&draft, "a/b", &long_text("deep")).await;
        main.repo().remove_branch("draft").await.unwrap();
        let lost =
            [contents_hash(&long_text("deep")), parent, contents_hash(&long_text("before"))][lost];
        // By another process, which has nothing at hand.
        let gone = bed.lossy(lost, None);
        let repo = gone.repo();
        let error =
            refused(repo.undo(&newest(&repo).await).await, ErrorKind::Missing, "cannot undo");
        assert!(format!("{error:?}").contains(&lost.to_string()), "{error:?}");
        assert_eq!(repo.branches().await.unwrap(), ["main"]);
        let repo = bed.repo();
        done(repo.undo(&newest(&repo).await).await.unwrap());
        let draft = repo.branch("draft").await.unwrap();
        assert_eq!(read(&draft, "a/b").await, long_text("deep"));
        assert_eq!(head(&main).await, kept);
    }
}

async fn an_undo_reads_nothing_that_a_ref_has_behind_it(bed: Bed) {
    let main = bed.main().await;
    put(&main, "x", &long_text("1")).await;
    put(&main, "x", "2").await;
    put(&main, "x", "3").await;
    // What a branch has behind it is there, so it is not looked at.
    let gone = bed.lossy(contents_hash(&long_text("1")), None);
    let repo = gone.repo();
    done(repo.undo(&newest(&repo).await).await.unwrap());
    assert_eq!(read(&main, "x").await, "2");
}

async fn what_the_library_keeps_for_itself_is_neither_shown_nor_undone(bed: Bed) {
    let repo = bed.repo();
    let main = repo.main().await.unwrap();
    let first = put(&main, "x", "1").await.hash();
    let (internal, other) = (RefName::internal("kept").unwrap(), RefName::branch("other").unwrap());
    let refs = bed.rig().refs();
    refs.set(internal.clone(), first).await.unwrap();
    assert_eq!(operations(&repo, oldest_first()).await.len(), 1);
    let update = Update::new(refs.position().await.unwrap());
    let update = update.remove(internal.clone()).set(other.clone(), first);
    assert!(refs.update(update).await.unwrap().is_applied());
    let operation = newest(&repo).await;
    let moved: Vec<_> = operation.moved.iter().map(|moved| &moved.key).collect();
    assert_eq!(moved, [&other]);
    done(repo.undo(&operation).await.unwrap());
    assert_eq!(repo.branches().await.unwrap(), ["main"]);
    assert_eq!(refs.list(b"internal/").await.unwrap(), Vec::<RefName>::new());
}

async fn an_undo_moves_no_tag_and_nothing_that_the_library_keeps_for_itself(bed: Bed) {
    let repo = bed.repo();
    let main = repo.main().await.unwrap();
    let (first, second) = (put(&main, "x", "1").await.hash(), put(&main, "x", "2").await.hash());
    let (tag, internal) = (RefName::tag("v1").unwrap(), RefName::internal("kept").unwrap());
    let refs = bed.rig().refs();
    refs.set(tag.clone(), second).await.unwrap();
    refs.set(internal.clone(), second).await.unwrap();
    let logged = newest(&repo).await;
    for (key, old, says) in [
        (tag.clone(), Some(first), "a tag never moves"),
        (internal.clone(), Some(first), "keeps it for itself"),
        (internal.clone(), None, "keeps it for itself"),
    ] {
        // Nothing else of it is undone either.
        let mut made = logged.clone();
        let main = RefName::branch("main").unwrap();
        made.moved = vec![
            KeyChange { key: main, old: Some(first), new: Some(second) },
            KeyChange { key, old, new: Some(second) },
        ];
        refused(repo.undo(&made).await, ErrorKind::InvalidInput, says);
    }
    assert_eq!(refs.find(&tag).await.unwrap(), Some(second));
    assert_eq!(refs.find(&internal).await.unwrap(), Some(second));
    assert_eq!(read(&main, "x").await, "2");
}

async fn an_undo_of_a_combined_update_takes_all_of_its_commits_back(bed: Bed) {
    let repo = bed.repo();
    let main = repo.main().await.unwrap();
    let base = put(&main, "base", "1").await;
    bed.rig().be_slow();
    let writers = (0..5).map(|i| {
        let main = main.clone();
        async move { put(&main, &format!("w{i}"), "1").await }
    });
    let commits = futures::future::join_all(writers).await;
    let combined = newest(&repo).await;
    let (first, last) = (commits[1].hash(), commits[4].hash());
    let reason = combined.note.reason().unwrap();
    assert_eq!(reason.commits, Made::Several { count: 4, first, last });
    done(repo.undo(&combined).await.unwrap());
    assert_eq!(head(&main).await, commits[0], "all four are undone, and the one before is not");
    done(repo.undo(&newest(&repo).await).await.unwrap());
    assert_eq!(head(&main).await, commits[4], "undone again, they are all back");
    assert_eq!(commits[0].parents(), [base.hash()]);
}

async fn operations_are_of_one_ref_if_asked(bed: Bed) {
    let repo = bed.repo();
    let first = put(&repo.branch("b").await.unwrap(), "x", "1").await;
    repo.create_branch("other", &first).await.unwrap();
    repo.rename_branch("b", "c").await.unwrap();
    repo.create_tag("b", &first).await.unwrap();
    let of = |name: RefName| {
        let repo = repo.clone();
        async move {
            let all = operations(&repo, oldest_first().of(name)).await;
            let why = |o: &Operation<Sha1>| o.note.reason().unwrap().message.clone();
            all.iter().map(why).collect::<Vec<_>>()
        }
    };
    assert_eq!(of(RefName::branch("b").unwrap()).await, ["set x to 1", "rename branch b to c"]);
    assert_eq!(of(RefName::branch("c").unwrap()).await, ["rename branch b to c"]);
    assert_eq!(of(RefName::tag("b").unwrap()).await, ["create tag b"]);
    assert_eq!(of(RefName::tag("c").unwrap()).await, Vec::<String>::new());
}

async fn operations_are_read_on_from_a_place(bed: Bed) {
    let repo = bed.repo();
    let main = repo.main().await.unwrap();
    put(&main, "x", "1").await;
    let kept = newest(&repo).await.cursor;
    assert_eq!(operations(&repo, oldest_first().after(kept)).await, []);
    put(&main, "x", "2").await;
    put(&main, "x", "3").await;
    let mut new = operations(&repo, oldest_first().after(kept)).await;
    assert_eq!(new.len(), 2);
    new.reverse();
    let newest_first = OperationsOptions::default().after(kept);
    assert_eq!(operations(&repo, newest_first).await, new);
    // What is done while they are read is left to the next time.
    let mut reading = repo.operations_with(oldest_first()).await.unwrap();
    reading.next().await.unwrap().unwrap();
    put(&main, "x", "4").await;
    assert_eq!(reading.collect().await.unwrap().len(), 2);
    let reading = repo.operations_with(oldest_first()).await.unwrap();
    put(&main, "x", "5").await;
    assert_eq!(reading.collect().await.unwrap().len(), 4, "also if none was read by then");

    let other = bed.another().await;
    put(&other.main().await, "x", "1").await;
    let foreign = newest(&other.repo()).await.cursor;
    for options in [oldest_first().after(foreign), OperationsOptions::default().after(foreign)] {
        let answer = repo.operations_with(options).await;
        let error = refused(answer, ErrorKind::InvalidInput, "does not go on from");
        assert!(error.source().unwrap().is::<Truncated>());
    }
}

async fn an_operation_is_found_by_its_place(bed: Bed) {
    let repo = bed.repo();
    let main = repo.main().await.unwrap();
    let first = put(&main, "x", "1").await.hash();
    put(&main, "x", "2").await;
    bed.rig().refs().set(RefName::internal("kept").unwrap(), first).await.unwrap();
    let all = operations(&repo, oldest_first()).await;
    for operation in &all {
        assert_eq!(repo.operation(operation.cursor).await.unwrap().as_ref(), Some(operation));
    }
    let at = |sequence| Cursor { sequence, ..all[0].cursor };
    assert_eq!(repo.operation(at(0)).await.unwrap(), None, "that is before the first");
    assert_eq!(repo.operation(at(3)).await.unwrap(), None, "that moved no branch");
    for sequence in [4, 1000] {
        let answer = repo.operation(at(sequence)).await;
        let error = refused(answer, ErrorKind::InvalidInput, "does not reach so far yet");
        assert!(error.source().is_none());
    }
}

async fn notes_of_others_are_shown_as_they_are(bed: Bed) {
    let repo = bed.repo();
    let first = put(&repo.main().await.unwrap(), "x", "1").await.hash();
    let refs = bed.rig().refs();
    let name = RefName::branch("theirs").unwrap();
    let update = Update::new(refs.position().await.unwrap()).with_note("by hand");
    assert!(refs.update(update.set(name, first)).await.unwrap().is_applied());
    let operation = newest(&repo).await;
    assert_eq!(operation.note, Note::Foreign("by hand".into()));
    let undone = done(repo.undo(&operation).await.unwrap());
    let why = undone.note.reason().unwrap().message.clone();
    assert_eq!(why, format!("undo {}", operation.cursor));
}

/// Returns a repository that keeps this many changes, on which `count` tags were made and removed.
async fn long_log(kept: usize, count: usize) -> Repo<Text> {
    let mem = Mem::new(&MemOptions::default().with_log_changes_max(kept));
    let repo = Repo::with_options(Backend::new(mem), RepoOptions::default());
    let commit = put(&repo.empty(), "x", "1").await;
    for number in 0..count / 2 {
        repo.create_tag(&number.to_string(), &commit).await.unwrap();
        repo.remove_tag(&number.to_string()).await.unwrap();
    }
    repo
}

#[tokio::test]
async fn a_log_of_many_pages_is_read_from_both_ends() {
    for (kept, count) in [(65_536, 1500), (700, 1500), (256, 600), (255, 600), (1, 10)] {
        let repo = long_log(kept, count).await;
        let expected = kept.min(count);
        let mut all = operations(&repo, OperationsOptions::default()).await;
        assert_eq!((all.len(), all[0].cursor.sequence), (expected, count as u64));
        all.reverse();
        assert!(all.windows(2).all(|w| w[0].cursor.sequence + 1 == w[1].cursor.sequence));
        assert_eq!(operations(&repo, oldest_first()).await, all);
        for place in [0, expected / 2, expected - 1] {
            let after = all[place].cursor;
            let newer = &all[place + 1..];
            assert_eq!(operations(&repo, oldest_first().after(after)).await, newer);
            let mut back = operations(&repo, OperationsOptions::default().after(after)).await;
            back.reverse();
            assert_eq!(back, newer);
        }
    }
}

#[tokio::test]
async fn a_log_that_was_cut_off_says_so() {
    let repo = long_log(10, 100).await;
    let all = operations(&repo, oldest_first()).await;
    let before = |sequence| Cursor { sequence, ..all[0].cursor };
    let error = refused(repo.operation(before(90)).await, ErrorKind::InvalidInput, "cannot find");
    let truncated = error.source().unwrap().downcast_ref::<Truncated>().unwrap();
    assert_eq!((truncated.after, truncated.oldest), (before(89), before(90)));
    assert_eq!(repo.operation(before(91)).await.unwrap().as_ref(), Some(&all[0]));
    // Cut off while it is read: newest first that is the end, oldest first it is said.
    let commit = put(&repo.empty(), "x", "1").await;
    let (mut back, mut on) =
        (repo.operations().await.unwrap(), repo.operations_with(oldest_first()).await.unwrap());
    for number in 0..50 {
        repo.create_tag(&format!("new/{number}"), &commit).await.unwrap();
    }
    assert_eq!(back.next().await.transpose().unwrap(), None);
    let error =
        refused(on.next().await.unwrap(), ErrorKind::InvalidInput, "cannot read the operations on");
    assert!(error.source().unwrap().is::<Truncated>());
    assert!(on.next().await.is_none());
    // An operation that is at hand can be undone all the same.
    repo.create_branch("b", &commit).await.unwrap();
    let operation = newest(&repo).await;
    for number in 0..20 {
        repo.remove_tag(&format!("new/{number}")).await.unwrap();
    }
    assert!(repo.operation(operation.cursor).await.is_err());
    done(repo.undo(&operation).await.unwrap());
    assert_eq!(repo.branches().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_log_that_is_cut_off_as_it_is_read_backwards_is_read_to_where_it_begins_then() {
    const KEPT: usize = 700;
    // Cut off between pages, at the place that would be read next, and beyond it.
    for (read, more, left) in [(1, 100, 599), (256, 300, 144), (257, 443, 0), (300, 600, 0)] {
        let repo = long_log(KEPT, KEPT).await;
        let commit = put(&repo.empty(), "x", "1").await;
        let all = operations(&repo, OperationsOptions::default()).await;
        let mut back = repo.operations().await.unwrap();
        for operation in &all[..read] {
            assert_eq!(back.next().await.unwrap().unwrap(), *operation);
        }
        for number in 0..more {
            repo.create_tag(&format!("new/{number}"), &commit).await.unwrap();
        }
        let kept = &all[read..read.max(KEPT - more)];
        let rest: Vec<_> = back.collect().await.unwrap();
        // What was read before as part of a page is given also if it is gone by now.
        assert!(rest.len() >= kept.len() && all[read..].starts_with(&rest), "{read}, {more}");
        assert_eq!(kept.len(), left, "{read}, {more}");
        assert!(rest.len() < kept.len() + 256, "{read}, {more}");
    }
}

#[tokio::test]
async fn a_view_of_a_log_that_is_mostly_of_others_is_read_from_both_ends() {
    let mem: Mem = Mem::default();
    let view = |prefix: &str| {
        let storage = PrefixedStorage::new(mem.clone(), prefix).unwrap();
        Repo::<Text>::new(Backend::new(storage))
    };
    let (ours, theirs) = (view("ours/"), view("theirs/"));
    // Many of ours lie close together, behind a long stretch of theirs.
    let commit = put(&ours.empty(), "x", "1").await;
    for _ in 0..300 {
        ours.create_tag("t", &commit).await.unwrap();
        ours.remove_tag("t").await.unwrap();
    }
    let main = theirs.main().await.unwrap();
    let commit = put(&main, "x", "1").await;
    for number in 0..3 {
        put(&ours.main().await.unwrap(), "x", &number.to_string()).await;
        for _ in 0..700 {
            theirs.create_tag("t", &commit).await.unwrap();
            theirs.remove_tag("t").await.unwrap();
        }
    }
    let on: Vec<_> =
        ours.operations_with(oldest_first()).await.unwrap().try_collect().await.unwrap();
    let mut back = operations(&ours, OperationsOptions::default()).await;
    back.reverse();
    assert_eq!((back.len(), &back), (603, &on));
    let of_others = operations(&theirs, oldest_first()).await[0].cursor;
    assert_eq!(ours.operation(of_others).await.unwrap(), None);
    assert_eq!(head(&ours.main().await.unwrap()).await.hash(), on[602].moved[0].new.unwrap());
    for operation in on {
        assert_eq!(ours.operation(operation.cursor).await.unwrap(), Some(operation));
    }
}
