//! What lies between commits, and in which order it is come to.

use std::collections::BTreeSet;

use ramus_core::{ContentAddressable as _, Result, Storage as _};
use ramus_kv::block::CommitBlock;
use ramus_kv::{Commit, Format as _, Info, LogOptions, Native, Repo};

use super::{Graph, Texts, new_repo, number};

/// Returns the commits that lead to one of `ends` and not to one of `from`, as the log gives them.
///
/// A log has one end, so for several a commit is made that has them all as its parents.
async fn between(
    repo: &Repo<Texts>,
    commits: &[Commit<Texts>],
    from: &[usize],
    ends: &[usize],
) -> Result<Vec<usize>> {
    let options = from
        .iter()
        .fold(LogOptions::default(), |options, commit| options.without(commits[*commit].clone()));
    let (end, is_made) = match ends {
        [] => {
            return Ok(repo
                .empty()
                .log_with(options)
                .await?
                .collect()
                .await?
                .iter()
                .map(number)
                .collect());
        }
        [end] => (commits[*end].clone(), false),
        ends => {
            let parents = ends.iter().map(|end| commits[*end].hash()).collect();
            let root = commits[0].tree().hash().await?;
            let info = Info::new("all").with_author("x").with_time_ms(9);
            let block = Native::encode_commit(&CommitBlock { root, parents, info })?;
            let hash = repo.backend().blocks().add(block).await?;
            (repo.commit(&hash).await?.expect("it was just added"), true)
        }
    };
    let log = repo.detached(&end).expect("it is here").log_with(options).await?.collect().await?;
    Ok(log.iter().skip(usize::from(is_made)).map(number).collect())
}

/// Nine commits: a line of five with a branch that was merged, and a line of three that has nothing to do
/// with it, one beginning of which stands alone.
const NINE: &[&[usize]] = &[&[], &[0], &[1], &[1], &[2, 3], &[], &[5], &[6], &[]];

#[tokio::test]
async fn what_lies_between_commits_is_exactly_that() {
    let repo = new_repo();
    let graph = Graph::of(NINE);
    let commits = graph.make(&repo).await.unwrap();
    let ancestors = graph.ancestors();
    for (from, ends, expected) in [
        // On one line; where it begins is not part of it.
        (&[1][..], &[2][..], &[2][..]),
        (&[0], &[4], &[1, 2, 3, 4]),
        // Several beginnings, several ends, in parts that have nothing to do with one another.
        (&[2, 5], &[4, 7], &[3, 4, 6, 7]),
        (&[], &[4, 7], &[0, 1, 2, 3, 4, 5, 6, 7]),
        // No end: nothing.
        (&[0], &[], &[]),
        // A beginning that the end does not come from takes nothing away.
        (&[8, 6], &[3], &[0, 1, 3]),
        // One that is an end, too.
        (&[4], &[4], &[]),
        (&[4], &[4, 6], &[5, 6]),
    ] {
        let found = between(&repo, &commits, from, ends).await.unwrap();
        let once: BTreeSet<usize> = found.iter().copied().collect();
        assert_eq!(found.len(), once.len(), "{from:?} to {ends:?}: nobody comes twice");
        assert_eq!(once, expected.iter().copied().collect(), "{from:?} to {ends:?}");
        let all = |commits: &[usize]| -> BTreeSet<usize> {
            commits.iter().flat_map(|commit| ancestors[*commit].clone()).collect()
        };
        assert_eq!(once, &all(ends) - &all(from), "{from:?} to {ends:?}");
    }
}

#[tokio::test]
async fn a_graph_is_walked_once_and_backwards_it_begins_with_the_oldest() {
    let shapes: [&[&[usize]]; 3] = [
        &[&[], &[0], &[0], &[1, 2]],
        &[&[], &[0], &[0, 1], &[1, 0, 2], &[2, 3]],
        &[&[], &[0], &[0], &[1, 2], &[2, 1], &[3, 4], &[4], &[5, 6]],
    ];
    for shape in shapes {
        let repo = new_repo();
        // The log goes by the clock.
        let timed = shape.iter().zip(0..).map(|(parents, time_ms)| (parents.to_vec(), time_ms));
        let graph = Graph(timed.collect());
        let commits = graph.make(&repo).await.unwrap();
        let last = shape.len() - 1;
        let walked = between(&repo, &commits, &[], &[last]).await.unwrap();
        let all: BTreeSet<usize> = (0..=last).collect();
        assert_eq!(walked.iter().copied().collect::<BTreeSet<_>>(), all, "{shape:?}");
        assert_eq!(walked.len(), shape.len(), "nobody is visited twice in {shape:?}");
        let place = |commit: usize| walked.iter().position(|one| *one == commit);
        for (commit, parents) in shape.iter().enumerate() {
            for parent in *parents {
                // So whoever goes from the end comes to the parents first, and to the oldest at once.
                assert!(place(*parent) > place(commit), "{shape:?}: {walked:?}");
            }
        }
        assert_eq!((walked.first(), walked.last()), (Some(&last), Some(&0)), "{shape:?}");
        // Who is skipped is not come to, nor what lies behind and nowhere else.
        for skipped in 0..last {
            let walked = between(&repo, &commits, &[skipped], &[last]).await.unwrap();
            let walked: BTreeSet<usize> = walked.into_iter().collect();
            let ancestors = graph.ancestors();
            assert_eq!(walked, &ancestors[last] - &ancestors[skipped], "{shape:?}, {skipped}");
        }
    }
}
