//! What versions are worth: finds at earlier commits, which every subject has to answer alike.

use std::collections::HashMap;

use ramus_core::{Hash as _, Sha1};
use ramus_kv::{Repo, Store};

use crate::Result;
use crate::fixture::Texts;
use crate::peer::{Peer, PeerStore, Skill};
use crate::random::SplitMix64;
use crate::record::Recorder;
use crate::start::Start;
use crate::subject::Subject;

const STEP: &str = "find at an earlier commit";
/// So many commits are asked.
const COMMITS: u64 = 64;
/// So many paths are looked for in each.
const PATHS: usize = 64;

/// What every path held as of every commit: the model of what is to be found.
#[derive(Debug, Default)]
pub(super) struct Versions {
    commits: u64,
    paths: Vec<String>,
    /// Which path each commit set last, as an index into them.
    last: Vec<usize>,
    /// The index of a path, and from which commit on it held which value.
    values: HashMap<String, (usize, Vec<(u64, String)>)>,
}

/// A find at a commit, counted from 1, and what has to come of it.
struct Probe<'a> {
    commit: u64,
    path: &'a str,
    expected: Option<&'a str>,
}

impl Versions {
    /// Notes the next commit.
    pub(super) fn commit(&mut self, edits: impl IntoIterator<Item = (String, String)>) {
        self.commits += 1;
        let mut last = 0;
        for (path, value) in edits {
            let (index, values) = self.values.entry(path).or_insert_with_key(|path| {
                self.paths.push(path.clone());
                (self.paths.len() - 1, Vec::new())
            });
            values.push((self.commits, value));
            last = *index;
        }
        self.last.push(last);
    }

    fn at(&self, commit: u64, path: &str) -> Option<&str> {
        let (_, values) = self.values.get(path)?;
        let after = values.partition_point(|(from, _)| *from <= commit);
        values[..after].last().map(|(_, value)| value.as_str())
    }

    /// Returns what is looked for: half of the paths at random, the other half at random among what the
    /// commits set last, so that where few paths were set again the answers still differ.
    fn probes(&self) -> impl Iterator<Item = Probe<'_>> {
        let mut random = SplitMix64::new(13);
        let index = |random: &mut SplitMix64, bound: usize| {
            usize::try_from(random.below(bound.max(1) as u64)).unwrap_or(0)
        };
        (0..COMMITS).flat_map(move |_| {
            let commit = 1 + random.below(self.commits);
            let probes: Vec<_> = (0..PATHS)
                .map(|turn| {
                    let path = match turn % 2 {
                        0 => index(&mut random, self.paths.len()),
                        _ => self.last[index(&mut random, self.last.len())],
                    };
                    let path = &self.paths[path];
                    Probe { commit, path, expected: self.at(commit, path) }
                })
                .collect();
            probes
        })
    }

    /// Asks a repository, whose main branch has these commits in a line.
    pub(super) async fn ask(
        &self,
        recorder: &mut Recorder,
        subject: Subject,
        (repo, main): (&Repo<Texts>, &Store<Texts>),
    ) -> Result<()> {
        let mut hashes: Vec<Sha1> = Vec::new();
        let mut log = main.log().await?;
        while let Some(commit) = log.next().await {
            hashes.push(commit?.hash());
        }
        hashes.reverse();
        assert_eq!(hashes.len() as u64, self.commits, "a commit for each");
        let mut answers = Vec::new();
        let start = Start::now();
        for probe in self.probes() {
            let hash = &hashes[usize::try_from(probe.commit - 1)?];
            let commit = repo.commit(hash).await?.ok_or("a commit is gone")?;
            answers.push(commit.tree().find(probe.path).await?);
        }
        self.record(recorder, subject, start, &answers);
        Ok(())
    }

    /// Asks a peer, if it has versions.
    pub(super) fn ask_peer(
        &self,
        recorder: &mut Recorder,
        peer: &dyn Peer,
        store: &mut dyn PeerStore,
    ) -> Result<()> {
        if !peer.skills().contains(&Skill::Versions) {
            return Ok(());
        }
        let mut answers = Vec::new();
        let start = Start::now();
        for probe in self.probes() {
            answers.push(store.find_at(probe.commit, probe.path)?);
        }
        self.record(recorder, Subject::Peer(peer.name()), start, &answers);
        Ok(())
    }

    fn record(
        &self,
        recorder: &mut Recorder,
        subject: Subject,
        start: Start,
        answers: &[Option<String>],
    ) {
        recorder.done(subject, STEP, answers.len() as u64, start);
        for (probe, answer) in self.probes().zip(answers) {
            let Probe { commit, path, expected } = probe;
            assert_eq!(answer.as_deref(), expected, "{path} as of commit {commit}");
        }
        let all: Vec<_> = answers.iter().map(|answer| answer.as_deref().unwrap_or("-")).collect();
        recorder.result(&Sha1::of(all.join("\n").as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_holds_what_was_set_last_before_a_commit() {
        let mut versions = Versions::default();
        let edit = |path: &str, value: &str| [(path.to_owned(), value.to_owned())];
        versions.commit(edit("a", "1"));
        versions.commit(edit("b", "2"));
        versions.commit(edit("a", "3"));
        let found = [(1, "a"), (1, "b"), (2, "a"), (2, "b"), (3, "a"), (3, "c")];
        let found = found.map(|(commit, path)| versions.at(commit, path));
        assert_eq!(found, [Some("1"), None, Some("1"), Some("2"), Some("3"), None]);
    }
}
