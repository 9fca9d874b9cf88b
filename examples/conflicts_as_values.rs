//! Conflicts as values: a merge that is looked at first, conflicts that are stored and resolved later,
//! and what was done that is taken back, made once more, put elsewhere and made one.
//!
//! ```sh
//! cargo run --release --example conflicts_as_values
//! ```
//!
//! A wiki has two editors. Each night their branches are merged by a program, which cannot ask anybody:
//! what it cannot decide it stores, and the editors decide in the morning. Nothing is lost meanwhile, and
//! whoever reads such a page is told.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use ramus::{
    Commit, ErrorKind, Kv, MergeOptions, Merged, OnConflict, PathConflict, PickOptions, Preview,
    RebaseOptions, Rebased, Resolution, Side, SquashOptions, Store,
};

type Pages = Kv<String>;

#[tokio::main]
async fn main() -> ramus::Result<()> {
    let main = ramus::open::<Pages>("mem:").await?.main().await?;
    let mut edit = main.begin().await?;
    for (page, text) in [("home", "welcome"), ("news", "none"), ("help", "ask us"), ("old", "?")] {
        edit.set(page, text).await?;
    }
    main.commit(edit, "four pages").await?;
    let editor = main.fork("editor").await?;
    main.set("home", "welcome, all", "a warmer word").await?;
    main.set("news", "we opened", "news").await?;
    main.set("old", "!", "still needed").await?;
    editor.set("home", "good day", "a cooler word").await?;
    editor.remove("old", "nobody reads it").await?;
    editor.set("help", "ask them", "moved").await?;

    let theirs = look_first(&main, &editor).await?;
    merge_at_night(&main, &theirs).await?;
    decide_in_the_morning(&main).await?;
    change_the_past(&main, &editor).await
}

/// What would a merge come to? Nothing is written for the answer.
async fn look_first(main: &Store<Pages>, editor: &Store<Pages>) -> ramus::Result<Commit<Pages>> {
    let Some(theirs) = editor.head().await? else {
        return Err(ramus::Error::invalid_input("the editor has written nothing"));
    };
    match main.preview_merge(&theirs, MergeOptions::default()).await? {
        Preview::Conflicts(unmerged) => {
            println!("a merge would have these conflicts:");
            unmerged.conflicts().for_each(show);
        }
        other => println!("a merge would be {other:?}"),
    }
    Ok(theirs)
}

/// Merges, decides what a program can decide, and stores the rest.
async fn merge_at_night(main: &Store<Pages>, theirs: &Commit<Pages>) -> ramus::Result<()> {
    let merged = main.merge_with(theirs, MergeOptions::default(), "nightly merge").await?;
    let Merged::Conflicts(mut unmerged) = merged else { return Ok(()) };
    unmerged.resolve_each(|conflict| match (&conflict.ours, &conflict.theirs) {
        // What somebody still changes is needed.
        (Some(_), None) => Some(Resolution::Ours),
        (None, Some(_)) => Some(Resolution::Theirs),
        _ => Some(Resolution::Later),
    });
    main.commit_merge(&unmerged, "nightly merge").await?;
    println!(
        "\nat night: `old` is {:?}, `help` is {:?}",
        read(main, "old").await?,
        read(main, "help").await?
    );
    match main.find("home").await {
        Err(error) if error.kind() == ErrorKind::Conflict => println!("  {error}"),
        other => println!("  `home` is {other:?}"),
    }
    Ok(())
}

/// Lists what was stored, and resolves it. This may as well happen on another replica.
async fn decide_in_the_morning(main: &Store<Pages>) -> ramus::Result<()> {
    let mut edit = main.begin().await?;
    println!("\nin the morning:");
    for conflict in edit.conflicts().collect().await? {
        show(&conflict);
        let both = format!("{}; {}", text(conflict.ours.as_ref()), text(conflict.theirs.as_ref()));
        edit.resolve(conflict.path, Resolution::Contents(both)).await?;
    }
    main.commit(edit, "both words").await?;
    println!("  resolved: `home` is {:?}", read(main, "home").await?);
    Ok(())
}

/// Takes a change back, makes one once more, puts a branch elsewhere, and makes its commits one.
async fn change_the_past(main: &Store<Pages>, editor: &Store<Pages>) -> ramus::Result<()> {
    let mistake = main.set("help", "closed", "a mistake").await?;
    main.set("news", "we are still open", "kept by the revert").await?;
    if let Some(mistake) = mistake {
        main.revert(&mistake, PickOptions::default()).await?.clean()?;
    }
    let (help, news) = (read(main, "help").await?, read(main, "news").await?);
    println!("\nreverted: `help` is {help:?}, `news` is {news:?}");

    editor.set("about", "us", "about us").await?;
    editor.set("about", "all of us", "about us, better").await?;
    let Some(better) = editor.head().await? else { return Ok(()) };
    let Some(onto) = main.head().await? else { return Ok(()) };
    let later = RebaseOptions::default().with_on_conflict(OnConflict::Later);
    if let Rebased::Moved(tip) = editor.rebase(&onto, later).await? {
        println!("rebased: {} is on top of {}", tip.info().message, onto.info().message);
    }
    let one = editor.squash(&onto, SquashOptions::default().with_info("about us")).await?;
    println!("squashed: {:?} has {} parent", one.info().message, one.parents().len());
    // The change of the last commit alone: it needs the one before it.
    match main.cherry_pick(&better, PickOptions::default()).await? {
        Merged::Conflicts(unmerged) => unmerged.conflicts().for_each(|one| {
            print!("not picked: ");
            show(one);
        }),
        other => println!("picked: {other:?}"),
    }
    Ok(())
}

fn show(conflict: &PathConflict<Pages>) {
    let PathConflict { path, conflict: why, ancestor, ours, theirs, .. } = conflict;
    let [before, ours, theirs] = [ancestor, ours, theirs].map(|side| text(side.as_ref()));
    println!("  {path}: {why}\n    it was `{before}`, we have `{ours}`, they have `{theirs}`");
}

fn text(side: Option<&Side<Pages>>) -> &str {
    match side {
        Some(Side::Contents(text)) => text,
        Some(_) => "(more than a page)",
        None => "(nothing)",
    }
}

async fn read(store: &Store<Pages>, page: &str) -> ramus::Result<String> {
    Ok(store.find(page).await?.unwrap_or_default())
}
