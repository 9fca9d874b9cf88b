//! Every example, run as a user runs it: its exit code and what it prints.
//!
//! `cargo test` builds the examples of a package beside its tests, so they are run from there and no
//! other cargo is started.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

#[test]
fn quickstart_brings_this_checkout_through_everything() {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = quickstart(&checkout);
    succeeded(&output);
    let printed = text(&output.stdout);
    for part in [
        "watch: ",
        "merged `draft` into `main`",
        "merge draft (two parents)",
        "the directory as it was read",
        "\n  ~ ",
        "\n  - ",
        ": byte for byte",
    ] {
        assert!(printed.contains(part), "no `{part}` in\n{printed}");
    }
    assert_eq!(printed.matches("watch: ").count(), 3, "{printed}");
}

#[test]
fn own_contents_merge_by_the_rules_of_their_fields() {
    let output = run("own_contents", [""; 0]);
    succeeded(&output);
    let printed = text(&output.stdout);
    for part in [
        "\"John\",\n        \"Mary\",",
        "\"cake\": 3,",
        "budget: 150,",
        "value: \"at eight\",",
        "\"Chairs are there.\\nBring lamps.\\nSome music.\\n\"",
        "in conflict: `party` at place: both sides changed it, and differently",
        "resolved: beach",
    ] {
        assert!(printed.contains(part), "no `{part}` in\n{printed}");
    }
}

#[test]
fn conflicts_as_values_are_stored_and_resolved_and_the_past_is_changed() {
    let output = run("conflicts_as_values", [""; 0]);
    succeeded(&output);
    let printed = text(&output.stdout);
    for part in [
        "it was `welcome`, we have `welcome, all`, they have `good day`",
        "at night: `old` is \"!\", `help` is \"ask them\"",
        "`home` holds a conflict that was stored",
        "resolved: `home` is \"welcome, all; good day\"",
        "reverted: `help` is \"ask them\", `news` is \"we are still open\"",
        "rebased: about us, better is on top of Revert \"a mistake\"",
        "squashed: \"about us\" has 1 parent",
        "not picked:   about:",
    ] {
        assert!(printed.contains(part), "no `{part}` in\n{printed}");
    }
}

#[test]
fn quickstart_takes_names_and_contents_of_every_kind() {
    let root = directory();
    write(&root, "empty", b"");
    write(&root, "binary/all", &(0..=255).collect::<Vec<u8>>());
    write(&root, "a b/\u{e9}\u{4e16}", "text".as_bytes());
    write(&root, ".hidden", b"seen");
    write(&root, "quickstart-main.txt", b"the name is taken");
    write(&root, "quickstart-draft.txt/inside", b"and this one by a directory");
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt as _;
        let name = OsStr::from_bytes(b"not \xff UTF-8 \x1b[31m\n");
        fs::write(root.path().join(name), b"bytes").unwrap();
    }
    let output = quickstart(root.path());
    succeeded(&output);
    let files = if cfg!(unix) { 7 } else { 6 };
    let printed = text(&output.stdout);
    assert!(printed.contains(&format!("read {files} files, ")), "{printed}");
    assert!(!printed.contains('\x1b'), "a terminal would obey a file name");
}

#[test]
fn quickstart_leaves_out_what_gitignore_names_and_git_itself() {
    let root = directory();
    write(&root, ".gitignore", b"*.o\n/build/\n");
    write(&root, "kept", b"1");
    write(&root, "left.o", b"2");
    write(&root, "build/left", b"3");
    write(&root, ".git/config", b"4");
    write(&root, "below/.gitignore", b"also\n");
    write(&root, "below/also", b"5");
    let output = quickstart(root.path());
    succeeded(&output);
    assert!(text(&output.stdout).contains("read 3 files, "), "{}", text(&output.stdout));
}

#[cfg(unix)]
#[test]
fn quickstart_counts_what_is_no_file() {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    let root = directory();
    write(&root, "file", b"1");
    symlink("file", root.path().join("link")).unwrap();
    symlink("nowhere", root.path().join("dangling")).unwrap();
    symlink("..", root.path().join("loop")).unwrap();
    let _socket = UnixListener::bind(root.path().join("socket")).unwrap();
    let output = quickstart(root.path());
    succeeded(&output);
    let skipped = "read 1 files, 1 bytes; skipped 3 symlinks; skipped 1 that are neither";
    assert!(text(&output.stdout).contains(skipped), "{}", text(&output.stdout));
}

#[test]
fn quickstart_says_what_is_wrong_with_the_directory() {
    let root = directory();
    write(&root, "file", b"1");
    let nowhere = root.path().join("nowhere");
    let empty = root.path().join("empty");
    fs::create_dir(&empty).unwrap();
    failed(&quickstart(&nowhere), &["cannot read", "nowhere", "usage"]);
    failed(&quickstart(&root.path().join("file")), &["is not a directory", "usage"]);
    failed(&quickstart(&empty), &["there is no file to read in", "empty"]);
    failed(&quickstart(Path::new("")), &["cannot read", "usage"]);
    let usage = "usage: quickstart [DIRECTORY [REPOSITORY]]";
    failed(&run("quickstart", ["--fast"]), &[usage]);
    failed(&run("quickstart", ["a", "b", "c"]), &[usage]);
}

#[test]
fn quickstart_says_what_is_wrong_with_the_place_of_its_repository() {
    let root = directory();
    write(&root, "file", b"1");
    let at = |data: &Path| run("quickstart", [root.path(), data]);
    failed(&at(root.path()), &["cannot be read and be the repository, too", "usage"]);
    failed(&at(&root.path().join("file")), &["cannot keep a repository in", "file", "usage"]);
    let other = directory();
    write(&other, "something", b"else");
    failed(&at(other.path()), &["something"]);
}

#[test]
fn quickstart_goes_on_where_it_was() {
    let (root, data) = (directory(), directory());
    for i in 0..20 {
        write(&root, &format!("dir/{i}"), format!("{i}").as_bytes());
    }
    // A path that a location would read otherwise, below what is read.
    let data = data.path().join("100% new?");
    let first = run("quickstart", [root.path(), &data]);
    succeeded(&first);
    assert!(text(&first.stdout).contains("opened it; it is new"), "{}", text(&first.stdout));
    fs::write(root.path().join("dir/new"), b"of the second run").unwrap();
    let second = run("quickstart", [root.path(), &data]);
    succeeded(&second);
    let printed = text(&second.stdout);
    for part in ["opened it; `main` is on ", "`merge draft`", "read 21 files, ", "  and 4 more"] {
        assert!(printed.contains(part), "no `{part}` in\n{printed}");
    }
}

#[test]
fn quickstart_does_not_read_its_own_repository() {
    let root = directory();
    write(&root, "file", b"1");
    let data = root.path().join("below/data");
    for _ in 0..2 {
        let output = run("quickstart", [root.path(), &data]);
        succeeded(&output);
        assert!(text(&output.stdout).contains("read 1 files, "), "{}", text(&output.stdout));
    }
}

#[cfg(unix)]
#[test]
fn quickstart_recovers_when_it_was_killed() {
    let (root, data) = (directory(), directory());
    for i in 0..400 {
        write(&root, &format!("{}/{i}", i % 20), format!("{i}").repeat(500).as_bytes());
    }
    let places = [root.path(), data.path()];
    let clock = std::time::Instant::now();
    succeeded(&run("quickstart", places));
    let whole = clock.elapsed();
    // Killed in different places, most of them somewhere in the middle.
    for part in 1..=8 {
        fs::write(root.path().join("file"), format!("{part}")).unwrap();
        let mut child = command("quickstart").args(places).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole * part / 9);
        child.kill().unwrap();
        child.wait().unwrap();
        let output = run("quickstart", places);
        succeeded(&output);
        assert!(text(&output.stdout).contains("opened it; `main` is on "));
    }
}

#[test]
fn quickstart_goes_on_without_a_file_that_is_too_large_and_fails_in_the_end() {
    let root = directory();
    write(&root, "kept", b"1");
    File::create(root.path().join("large")).unwrap().set_len(64 << 20).unwrap();
    let output = quickstart(root.path());
    failed(&output, &["cannot store", "large", "more than 63 MiB", "left out 1 of"]);
    assert!(text(&output.stdout).contains("byte for byte"), "the others are done");
}

#[cfg(unix)]
#[test]
fn quickstart_goes_on_without_a_path_that_is_too_deep_and_fails_in_the_end() {
    let root = directory();
    write(&root, "kept", b"1");
    let deep = root.path().join("d/".repeat(1100));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("file"), b"2").unwrap();
    let output = quickstart(root.path());
    failed(&output, &["cannot store d/d/d", "1101 steps is too deep", "left out 1 of"]);
    assert!(text(&output.stdout).contains("byte for byte"), "the others are done");
}

#[cfg(unix)]
#[test]
fn quickstart_goes_on_without_what_may_not_be_read_and_fails_in_the_end() {
    use std::os::unix::fs::PermissionsExt as _;

    let root = directory();
    write(&root, "kept", b"1");
    write(&root, "secret", b"2");
    let secret = root.path().join("secret");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).unwrap();
    let output = quickstart(root.path());
    // The superuser may read everything.
    if File::open(&secret).is_ok() {
        succeeded(&output);
    } else {
        failed(&output, &["cannot read", "secret", "left out 1 of"]);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn quickstart_does_not_panic_when_nobody_reads_what_it_prints() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let (root, data) = (directory(), directory());
    write(&root, "file", b"1");
    let places = [root.path(), data.path()];
    let output = command("quickstart").args(places).stdout(full).output().unwrap();
    failed(&output, &["No space left"]);
}

#[test]
fn custom_backend_walks_through_its_stores_and_a_repository() {
    let output = run("custom_backend", [""; 0]);
    succeeded(&output);
    let printed = text(&output.stdout);
    for part in [
        "named by its hash: aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d",
        "a new ref is told of: [KeyChange { key: \"branch/main\", old: None",
        "refused (false); for what it holds, applied (true)",
        "a block that is not there: block ",
        "  merge draft\n",
        "people/ada: Some(\"mathematician\")",
        "closed: the store is closed",
    ] {
        assert!(printed.contains(part), "no `{part}` in\n{printed}");
    }
    assert!(!printed.contains("unexpected"), "{printed}");
}

#[test]
fn watch_service_loses_nothing() {
    let output = run("watch_service", [""; 0]);
    succeeded(&output);
    let printed = text(&output.stdout);
    for part in [
        "8 sensors made 100 readings each, and counted 800 together\n",
        "the keen follower saw 1600 commits on 9 branches in 1 sittings\n",
        "the slow follower saw 1600 commits on 9 branches in 1 sittings\n",
        "the forgetful follower saw 1600 commits on 9 branches in 44 sittings\n",
        "nothing is lost\n",
    ] {
        assert!(printed.contains(part), "no `{part}` in\n{printed}");
    }
}

#[test]
fn branch_and_merge_merges_resolves_and_commits() {
    let output = run("branch_and_merge", [""; 0]);
    succeeded(&output);
    let printed = text(&output.stdout);
    for part in [
        "merged by its fields: Vichyssoise for 4\n",
        "{\"cream\": \"5 cl\", \"leeks\": \"3\", \"nutmeg\": \"a little\"}, cooked 2 times\n",
        "breads/rye: at ingredients/salt: both sides changed it, and differently\n",
        "cakes/apple: we changed it and they deleted it\n    resolved: Ours\n",
        "\"merge the second guest, by hand\" has 2 parents\n",
        "\"salt\": \"10 g\"",
        "cakes/apple: Some(",
    ] {
        assert!(printed.contains(part), "no `{part}` in\n{printed}");
    }
}

/// Runs the quickstart with a repository of its own.
fn quickstart(root: &Path) -> Output {
    let data = directory();
    run("quickstart", [root, data.path()])
}

/// Runs an example with these arguments.
fn run<A: AsRef<OsStr>>(example: &str, arguments: impl IntoIterator<Item = A>) -> Output {
    command(example).args(arguments).output().expect("the example starts")
}

fn command(example: &str) -> Command {
    let test = std::env::current_exe().expect("the path of this test");
    let built = test.ancestors().nth(2).expect("target/debug/deps/run").join("examples");
    let program = built.join(example).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(
        program.exists(),
        "{} is not built; run `cargo test` for the package",
        program.display()
    );
    Command::new(program)
}

fn succeeded(output: &Output) {
    let (printed, complained) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{printed}\n{complained}");
    assert_eq!(complained, "");
}

/// Checks that an example ended in failure, and said this.
fn failed(output: &Output, said: &[&str]) {
    let complained = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{complained}");
    for part in said {
        assert!(complained.contains(part), "no `{part}` in\n{complained}");
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("what is printed is UTF-8")
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn write(root: &TempDir, name: &str, bytes: &[u8]) {
    let path: PathBuf = root.path().join(name);
    let parent: &Path = path.parent().expect("below the root");
    fs::create_dir_all(parent).expect("a directory");
    fs::write(path, bytes).expect("a file");
}
