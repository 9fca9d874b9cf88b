//! The chapter on backends shows code that is compiled, run and put to the laws, and no other.

use std::fs;
use std::path::Path;

#[test]
fn the_code_of_the_chapter_is_the_code_of_the_example() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| fs::read_to_string(here.join(file)).unwrap();
    let chapter = read("../docs/writing-a-storage-backend.md");
    let sources = [read("custom_backend.rs"), read("tests/custom_backend.rs")];

    let blocks: Vec<&str> = chapter
        .split("```rust\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default())
        .collect();
    assert!(blocks.len() >= 12, "the chapter shows {} blocks of code", blocks.len());
    for block in blocks {
        let stands = sources.iter().any(|source| source.contains(block));
        assert!(stands, "this stands in the chapter, and not in the example:\n{block}");
    }
}
