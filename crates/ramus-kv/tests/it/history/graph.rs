//! The graph as text for Graphviz.

use ramus_core::erased::Backend;
use ramus_kv::{GraphOptions, Info, Kv, Repo};
use ramus_mem::Mem;

fn info(message: &str, time_ms: i64) -> Info {
    Info::new(message).with_author("ada").with_time_ms(time_ms)
}

async fn drawn(repo: &Repo<Kv<String>>, options: GraphOptions) -> String {
    repo.graph(options).await.expect("a graph").collect().await.expect("its lines")
}

#[tokio::test]
async fn branches_and_commits_are_drawn_newest_first() {
    let repo = Repo::<Kv<String>>::new(Backend::new(Mem::default()));
    assert_eq!(
        drawn(&repo, GraphOptions::default()).await,
        "digraph ramus {\n  node [shape=box];\n}\n"
    );
    let main = repo.main().await.unwrap();
    let first = main.set("a", "x", info("first\nand more", 1)).await.unwrap().unwrap();
    let draft = main.fork("draft/1").await.unwrap();
    let theirs = draft.set("b", "x", info("theirs", 2)).await.unwrap().unwrap();
    let ours = main.set("c", "x", info("ours", 3)).await.unwrap().unwrap();
    let merged = main.merge(&draft, info("merge", 4)).await.unwrap().clean().unwrap().unwrap();
    let [first, theirs, ours, merged] = [first, theirs, ours, merged].map(|one| one.hash());
    let short = |hash: ramus_core::Sha1| hash.to_string().chars().take(10).collect::<String>();
    let [f, t, o, m] = [first, theirs, ours, merged].map(short);
    let branches = format!(
        "digraph ramus {{
  node [shape=box];
  \"branch/draft/1\" [shape=cds, label=\"draft/1\"];
  \"branch/draft/1\" -> \"{theirs}\" [style=dashed];
  \"branch/main\" [shape=cds, label=\"main\"];
  \"branch/main\" -> \"{merged}\" [style=dashed];
"
    );
    // The head of the draft is a beginning of the walk, too.
    let merge = format!(
        "  \"{merged}\" [label=\"{m}\\nmerge\\nada\"];
  \"{merged}\" -> \"{ours}\";
  \"{merged}\" -> \"{theirs}\";
"
    );
    let rest = format!(
        "  \"{ours}\" [label=\"{o}\\nours\\nada\"];
  \"{ours}\" -> \"{first}\";
  \"{theirs}\" [label=\"{t}\\ntheirs\\nada\"];
  \"{theirs}\" -> \"{first}\";
  \"{first}\" [label=\"{f}\\nfirst\\nada\"];
"
    );
    assert_eq!(drawn(&repo, GraphOptions::default()).await, format!("{branches}{merge}{rest}}}\n"));
    let limited = drawn(&repo, GraphOptions::default().with_limit(1)).await;
    assert_eq!(limited, format!("{branches}{merge}}}\n"));
}

#[tokio::test]
async fn tags_are_drawn_with_what_only_they_lead_to() {
    let repo = Repo::<Kv<String>>::new(Backend::new(Mem::default()));
    let main = repo.main().await.unwrap();
    let first = main.set("a", "x", info("first", 1)).await.unwrap().unwrap();
    let draft = main.fork("draft").await.unwrap();
    let tagged = draft.set("a", "y", info("tagged", 2)).await.unwrap().unwrap();
    repo.create_tag("v1", &tagged).await.unwrap();
    repo.create_tag("v0", &first).await.unwrap();
    repo.remove_branch("draft").await.unwrap();
    let (first, tagged) = (first.hash(), tagged.hash());
    let graph = drawn(&repo, GraphOptions::default()).await;
    let refs = format!(
        "digraph ramus {{
  node [shape=box];
  \"branch/main\" [shape=cds, label=\"main\"];
  \"branch/main\" -> \"{first}\" [style=dashed];
  \"tag/v0\" [shape=tab, label=\"v0\"];
  \"tag/v0\" -> \"{first}\" [style=dashed];
  \"tag/v1\" [shape=tab, label=\"v1\"];
  \"tag/v1\" -> \"{tagged}\" [style=dashed];
"
    );
    assert!(graph.starts_with(&refs), "{graph}");
    assert!(graph.contains(&format!("  \"{tagged}\" -> \"{first}\";\n")), "{graph}");
    assert_eq!(graph.matches(&format!("  \"{first}\" [label=")).count(), 1, "once: {graph}");
}

#[tokio::test]
async fn labels_show_what_was_written() {
    let repo = Repo::<Kv<String>>::new(Backend::new(Mem::default()));
    let main = repo.main().await.unwrap();
    main.set("a", "x", info("say \"hi\" \\N &lt; <b>\u{7}语\r\nrest", 1)).await.unwrap();
    let graph = drawn(&repo, GraphOptions::default()).await;
    let label = "\\nsay \\\"hi\\\" \\\\N &amp;lt; <b>\u{fffd}语\\nada\"];";
    assert!(graph.contains(label), "{graph}");
}

#[tokio::test]
async fn trees_are_drawn_once_each() {
    let repo = Repo::<Kv<String>>::new(Backend::new(Mem::default()));
    let main = repo.main().await.unwrap();
    main.set("d/a\"b", "same", info("first", 1)).await.unwrap();
    main.set("e", "same", info("second", 2)).await.unwrap();
    let graph = drawn(&repo, GraphOptions::default().trees()).await;
    let contents = main.tree().await.unwrap().find_hash("e").await.unwrap().unwrap();
    let directory = main.tree().await.unwrap().find_hash("d").await.unwrap().unwrap();
    let count = |part: &str| graph.matches(part).count();
    assert_eq!(count("shape=folder"), 3, "two roots and `d`: {graph}");
    assert_eq!(count("shape=note"), 1, "{graph}");
    assert_eq!(count(&format!("-> \"contents {contents}\"")), 2, "{graph}");
    assert_eq!(count(&format!("-> \"tree {directory}\" [label=\"d\"];")), 2, "{graph}");
    let entry = format!("  \"tree {directory}\" -> \"contents {contents}\" [label=\"a\\\"b\"];\n");
    assert_eq!(count(&entry), 1, "{graph}");
    assert_eq!(count("style=dotted"), 2);
    let quotes = graph.replace("\\\"", "").matches('"').count();
    assert_eq!(quotes % 2, 0, "every string ends");
}

#[tokio::test]
async fn a_branch_whose_commit_is_missing_is_said() {
    use ramus_core::{ErrorKind, Storage as _, Sweep as _};

    let mem = Mem::default();
    let repo = Repo::<Kv<String>>::new(Backend::new(mem.clone()));
    let main = repo.main().await.unwrap();
    let head = main.set("a", "x", info("first", 1)).await.unwrap().unwrap().hash();
    drop(main);
    let sweep = mem.sweep().unwrap();
    let epoch = sweep.begin().await.unwrap();
    assert_eq!(sweep.remove_many(epoch, vec![head]).await.unwrap(), 1);
    let error = repo.graph(GraphOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert!(error.to_string().contains(&head.to_string()), "{error}");
}
