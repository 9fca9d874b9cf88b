//! What the compiler says of types that cannot be contents: what would be right.

use std::path::Path;
use std::process::Command;
use std::{fs, io};

/// Returns what the compiler says of a crate with this text.
fn said_of(text: &str) -> io::Result<String> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("messages");
    let manifest = format!(
        "[package]\nname = \"scratch\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
         ramus-kv = {{ path = '{}' }}\nserde = {{ version = \"1\", features = [\"derive\"] }}\n",
        crates.display()
    );
    fs::create_dir_all(scratch.join("src"))?;
    fs::write(scratch.join("Cargo.toml"), manifest)?;
    fs::write(scratch.join("src/main.rs"), text)?;
    // The versions that are here already: nothing is fetched.
    fs::copy(crates.join("../../Cargo.lock"), scratch.join("Cargo.lock"))?;
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let check = Command::new(cargo)
        .args(["check", "--offline", "--quiet", "--color", "never"])
        .env("CARGO_TARGET_DIR", scratch.join("target"))
        .current_dir(&scratch)
        .output()?;
    assert!(!check.status.success(), "it compiles");
    Ok(String::from_utf8_lossy(&check.stderr).into_owned())
}

/// The texts are ours; what the compiler says around them changes with it.
#[test]
fn a_type_that_is_no_contents_is_told_what_would_be() {
    let said = said_of(
        r"
        use ramus_kv::Contents;

        struct Plain;

        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, Contents)]
        #[merge(crate = ramus_kv)]
        struct Fields {
            #[merge(count)]
            name: String,
        }

        fn is_contents<C: Contents>() {}

        fn main() {
            is_contents::<Plain>();
        }
        ",
    );
    let said = said.expect("the compiler runs");
    let expected = [
        "`Plain` cannot be kept in a repository",
        "`Whole<Plain>` keeps a serde type and merges it as a whole",
        "a type of your own implements `Contents`, by the modules `codec` and `merge`",
        "`String` is no count",
        "only whole numbers add up",
        "the integers of up to 64 bits are counts; another part merges by another rule",
    ];
    for text in expected {
        assert!(said.contains(text), "`{text}` is missing in:\n{said}");
    }
}
