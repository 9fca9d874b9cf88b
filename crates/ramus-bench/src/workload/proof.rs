//! A proof that serves `find` of i = 1000j + 13, j < 100, on `tree` (on `wide`): produced, then verified
//! with the same reads. The bytes are those of the proof.

use std::collections::HashMap;
use std::hint::black_box;

use ramus_core::{Hash as _, Sha1};
use ramus_kv::{Proof, Tree};

use crate::context::{Context, Measured};
use crate::fixture::{Texts, repo};
use crate::record::Recorder;
use crate::start::Start;
use crate::subject::Subject;
use crate::workload::{growth, tree};

const KEYS: u64 = 100;
const PRODUCE: &str = "produce";
const VERIFY: &str = "verify";

/// On which tree.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    Deep,
    Wide,
}

impl Shape {
    fn path(self, i: u64) -> String {
        match self {
            Self::Deep => tree::path(i),
            Self::Wide => growth::key(i),
        }
    }

    fn paths(self) -> Vec<String> {
        (0..KEYS).map(|j| self.path(1000 * j + 13)).collect()
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Deep => "proof",
            Self::Wide => "proofwide",
        }
    }
}

pub(super) async fn run(context: &Context<'_>, shape: Shape) -> Measured {
    let mut recorder = Recorder::new(shape.name());
    for subject in context.ramus() {
        let place = context.place(subject)?;
        let backend = place.backend().await?;
        let main = repo(backend.clone()).main().await?;
        match shape {
            Shape::Deep => tree::commit(&main, 0..tree::COUNT).await?,
            Shape::Wide => growth::fill(&main, tree::COUNT).await?,
        }
        // Nothing that is decoded is left from writing it.
        let repo = repo(backend);
        let main = repo.main().await?;
        let paths = shape.paths();
        let tree = main.tree().await?;
        let root = tree.hash().await?;
        let start = Start::now();
        let (proof, produced) = tree.prove(async |tree| read(tree, &paths).await).await?;
        let sent = proof.encode();
        let (took, cpu, _) = start.since();
        recorder.add(subject, PRODUCE, 1, took, sent.len() as u64);
        recorder.used(cpu);
        recorder.result(&sent.len());
        let start = Start::now();
        let proof = Proof::<Texts>::decode(sent)?;
        let verified = proof.verify(&root, async |tree| read(tree, &paths).await).await?;
        recorder.done(subject, VERIFY, 1, start);
        assert_eq!(produced, verified, "a verifier reads the same");
        place.weigh().await?;
        repo.close().await?;
    }
    if context.has(Subject::Floor) {
        floor(&mut recorder);
    }
    Ok(recorder.records)
}

async fn read(tree: &Tree<Texts>, paths: &[String]) -> ramus_core::Result<Vec<Option<String>>> {
    let mut found = Vec::new();
    for path in paths {
        found.push(tree.find(path).await?);
    }
    assert!(found.iter().all(Option::is_some), "what was set is found");
    Ok(found)
}

/// About a hundred blocks of about 1200 bytes are found in a map and copied; to verify them, each is
/// hashed and put into another.
fn floor(recorder: &mut Recorder) {
    const BLOCK: usize = 1200;
    let mut map: HashMap<Sha1, Vec<u8>> = HashMap::new();
    let mut names = Vec::new();
    for i in 0..KEYS {
        let mut block = vec![0; BLOCK];
        block[..8].copy_from_slice(&i.to_le_bytes());
        names.push(Sha1::of(&block));
        map.insert(Sha1::of(&block), block);
    }
    let start = Start::now();
    let mut sent = Vec::new();
    for name in &names {
        sent.extend_from_slice(&map[name]);
    }
    recorder.done(Subject::Floor, PRODUCE, 1, start);
    let start = Start::now();
    let mut received: HashMap<Sha1, &[u8]> = HashMap::new();
    for block in sent.chunks(BLOCK) {
        received.insert(Sha1::of(block), block);
    }
    recorder.done(Subject::Floor, VERIFY, 1, start);
    black_box(received);
}
