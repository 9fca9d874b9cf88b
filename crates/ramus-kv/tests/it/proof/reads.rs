//! Everything that a tree can be asked or told, proved: a verifier answers as the store does, and
//! each block of a proof is needed.

use std::fmt::Debug;

use ramus_core::{Error, Path, Result, Step};
use ramus_kv::{
    Concrete, Direction, Entries, Kind, ListOptions, Proof, Tree, Visit, Walk, WalkOptions,
    WalkOrder,
};

use super::bytes::Raw;
use super::{Text, refused, repo, wide};

/// Proves a computation and verifies it elsewhere, and then without each of the blocks; returns the
/// proof and the answer.
#[expect(clippy::future_not_send, reason = "a test waits for it on its own thread")]
async fn check<T: Debug + PartialEq>(
    tree: &Tree<Text>,
    run: impl AsyncFn(&mut Tree<Text>) -> Result<T>,
) -> (Proof<Text>, T) {
    let root = tree.hash().await.expect("a sound tree");
    let expected = run(&mut tree.clone()).await.expect("a sound tree");
    let (proof, answer) = tree.prove(&run).await.expect("a sound tree");
    assert_eq!(answer, expected, "a prover answers as the store does");
    let sent = Proof::<Text>::decode(proof.encode()).expect("what was encoded");
    assert_eq!(sent.verify(&root, &run).await.expect("an honest proof"), expected);
    let raw = Raw::parse(&proof.encode());
    for index in 0..raw.blocks.len() {
        let mut forged = raw.clone();
        forged.blocks.remove(index);
        let forged = Proof::<Text>::decode(forged.encode()).expect("it can be read");
        refused(forged.verify(&root, &run).await);
    }
    (proof, answer)
}

/// What a walk came to.
type Visited = Vec<(Path, Kind, Option<String>)>;

async fn all(mut walk: Walk<Text>) -> Result<Visited> {
    let mut visited = Vec::new();
    while let Some(visit) = walk.next().await.transpose()? {
        let Visit { path, found, .. } = visit;
        let contents = found.contents().await?;
        visited.push((path, found.kind(), contents));
    }
    Ok(visited)
}

async fn read(mut entries: Entries<Text>) -> Result<Vec<(Step, Option<String>)>> {
    let mut read = Vec::new();
    while let Some((step, found)) = entries.next().await.transpose()? {
        read.push((step, found.contents().await?));
    }
    Ok(read)
}

#[tokio::test]
async fn walks_are_proved() {
    let repo = repo();
    let tree = wide(&repo, 1500).await;
    for order in [WalkOrder::DirectoriesFirst, WalkOrder::DirectoriesLast, WalkOrder::ContentsOnly]
    {
        let options = WalkOptions::default().with_order(order);
        let (_, visited) = check(&tree, async |tree| all(tree.walk(options.clone())).await).await;
        let directories = if order == WalkOrder::ContentsOnly { 0 } else { 3 };
        assert_eq!(visited.len(), 1500 + 2 + directories, "{order:?}");
    }
    // What lies below the limit is not part of the proof.
    let shallow = WalkOptions::default().with_depth_max(1);
    let (proof, visited) = check(&tree, async |tree| all(tree.walk(shallow.clone())).await).await;
    assert_eq!((visited.len(), Raw::parse(&proof.encode()).blocks.len()), (3, 1));
    // Nor is what comes after the visit at which a walk was left.
    let (proof, first) = check(&tree, async |tree| {
        let mut walk = tree.walk(WalkOptions::default().with_order(WalkOrder::ContentsOnly));
        Ok(walk.next().await.transpose()?.map(|visit| visit.path))
    })
    .await;
    assert_eq!(first.expect("it is not empty").to_string(), "users/ada");
    assert_eq!(Raw::parse(&proof.encode()).blocks.len(), 2, "the root, and `users`");
}

#[tokio::test]
async fn walks_of_equal_directories_once_are_proved() {
    let repo = repo();
    let mut tree = wide(&repo, 600).await;
    let users = tree.find_tree("users").await.unwrap().unwrap();
    tree.set_tree("more/users", &users).await.unwrap();
    let tree = super::stored(&repo, &tree).await;
    let (_, visited) = check(&tree, async |tree| {
        tree.set("w/k000100", "changed").await?;
        all(tree.walk(WalkOptions::default().unique())).await
    })
    .await;
    let grace = visited.iter().filter(|(path, ..)| path.to_string().ends_with("grace")).count();
    assert_eq!((visited.len(), grace), (600 + 2 + 4, 1));
}

#[tokio::test]
async fn entries_and_listings_are_proved_forwards_and_backwards() {
    let repo = repo();
    let tree = wide(&repo, 1500).await;
    let back = || ListOptions::default().with_direction(Direction::Backwards);
    for (options, first, count) in [
        (ListOptions::default(), "k000000", 1500),
        (back(), "k001499", 1500),
        (back().with_limit(3), "k001499", 3),
        (back().with_offset(700).with_limit(3), "k000799", 3),
        (back().with_offset(1499), "k000000", 1),
        (back().from("k000700".parse().unwrap()).with_limit(2), "k000700", 2),
        (back().from("k000700x".parse().unwrap()).with_limit(2), "k000700", 2),
        (back().with_prefix("k00040"), "k000409", 10),
        (back().with_prefix("k00040").from("k000404".parse().unwrap()), "k000404", 5),
        (ListOptions::default().with_prefix("k00040").with_offset(4), "k000404", 6),
    ] {
        let run = async |tree: &mut Tree<Text>| {
            let listed = tree.list_with("w", options.clone()).await?;
            Ok(listed.into_iter().map(|entry| entry.step).collect::<Vec<_>>())
        };
        let (listing, steps) = check(&tree, run).await;
        assert_eq!((steps[0].as_str(), steps.len()), (Some(first), count), "{options:?}");
        let run = async |tree: &mut Tree<Text>| {
            read(tree.entries_with("w", options.clone()).await?).await
        };
        let (entries, read) = check(&tree, run).await;
        assert!(read.iter().map(|(step, _)| step).eq(&steps), "{options:?}");
        assert_eq!(entries, listing, "they read the same");
        let blocks = Raw::parse(&listing.encode()).blocks.len();
        assert!(count > 100 || blocks <= 5, "{options:?}: {blocks} blocks for {count} entries");
    }
    for options in [
        back().with_offset(1500),
        back().from("a".parse().unwrap()),
        back().with_prefix("a"),
        back().with_prefix("z"),
        ListOptions::default().with_prefix("a"),
        ListOptions::default().with_prefix("z"),
        ListOptions::default().with_prefix("k00040x"),
        back().with_prefix("k00040x"),
    ] {
        let run = async |tree: &mut Tree<Text>| {
            read(tree.entries_with("w", options.clone()).await?).await
        };
        let (proof, none) = check(&tree, run).await;
        assert_eq!(none, [], "{options:?}");
        let count = Raw::parse(&proof.encode()).blocks.len();
        assert!(count <= 4, "{options:?}: {count} blocks");
    }
    let (_, none) = check(&tree, async |tree| read(tree.entries("nowhere").await?).await).await;
    assert_eq!(none, []);
}

#[tokio::test]
async fn updates_and_takes_are_proved() {
    let repo = repo();
    let tree = wide(&repo, 1500).await;
    let grow = |old: Option<&String>| old.map(|old| old.clone() + "!");
    let (proof, changed) = check(&tree, async |tree| {
        tree.update("w/k000700", grow).await?;
        tree.update("users/grace", grow).await?;
        tree.update("w/none", grow).await?;
        tree.update("new/one", |_| Some("new".to_owned())).await?;
        tree.update("users/ada", |_| None).await?;
        tree.find("w/k000700").await
    })
    .await;
    assert_eq!(changed.as_deref(), Some("v700!"));
    let mut expected = tree.clone();
    expected.set("w/k000700", "v700!").await.unwrap();
    let grace = tree.find("users/grace").await.unwrap().unwrap() + "!";
    expected.set("users/grace", grace).await.unwrap();
    expected.set("new/one", "new").await.unwrap();
    expected.remove("users/ada").await.unwrap();
    assert_eq!(proof.after(), expected.hash().await.unwrap());

    let (proof, taken) = check(&tree, async |tree| {
        let taken = ["w/k000003", "users/grace", "users/ada", "w/none", "w", "nowhere/at/all"];
        let mut values = Vec::new();
        for path in taken {
            values.push(tree.take(path).await?.is_some());
        }
        Ok(values)
    })
    .await;
    assert_eq!(taken, [true, true, true, false, false, false]);
    let mut expected = tree.clone();
    expected.remove("users").await.unwrap();
    expected.remove("w/k000003").await.unwrap();
    assert_eq!(proof.after(), expected.hash().await.unwrap());
}

#[tokio::test]
async fn plain_values_statistics_and_differences_are_proved() {
    let repo = repo();
    let tree = wide(&repo, 1500).await;
    let (_, plain) = check(&tree, async |tree| tree.to_concrete("users").await).await;
    assert!(matches!(plain, Some(Concrete::Directory(users)) if users.len() == 2));
    let (_, stats) = check(&tree, async |tree| tree.stats().await).await;
    assert_eq!((stats.directories, stats.contents, stats.width), (3, 1502, 1500));
    let (_, differences) = check(&tree, async |tree| {
        let before = tree.clone();
        tree.set("w/k000700", "changed").await?;
        tree.remove("users").await?;
        let users = before.find_tree("users").await?.ok_or_else(|| Error::missing("users"))?;
        tree.set_tree("people", &users).await?;
        let differences = before.diff(tree).collect().await?;
        Ok(differences.into_iter().map(|one| one.path.to_string()).collect::<Vec<_>>())
    })
    .await;
    let paths = ["people/ada", "people/grace", "users/ada", "users/grace", "w/k000700"];
    assert_eq!(differences, paths);
}
