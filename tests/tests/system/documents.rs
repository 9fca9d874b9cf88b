//! The tables of `docs/` name tests that exist.

use std::fs;
use std::path::{Path, PathBuf};

/// Checks that every test that a page names is a function of the package that it says.
///
/// A test is written as `package: name` or `package: module::name`, in backticks.
fn check(page: &str, at_least: usize) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = fs::read_to_string(root.join("docs").join(page)).unwrap();
    let mut checked = 0;
    for (package, name) in text.split('`').skip(1).step_by(2).filter_map(|code| {
        let (package, name) = code.split_once(": ")?;
        let place = root.join(if package == "tests" { package.into() } else { crate_of(package) });
        place.is_dir().then_some((place, name))
    }) {
        let (module, function) = name.rsplit_once("::").unwrap_or(("", name));
        let found = sources(&package).into_iter().any(|source| {
            let is_module =
                module.is_empty() || source.ends_with(format!("{}.rs", module.replace("::", "/")));
            let declared = format!("fn {function}(");
            is_module && fs::read_to_string(&source).unwrap().contains(&declared)
        });
        assert!(found, "docs/{page} names the test `{name}` of {}", package.display());
        checked += 1;
    }
    assert!(checked >= at_least, "docs/{page} names only {checked} tests");
}

fn crate_of(package: &str) -> PathBuf {
    Path::new("crates").join(package)
}

/// Returns the sources below a directory.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut sources = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources.extend(self::sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(path);
        }
    }
    sources
}

#[test]
fn every_test_that_the_acceptance_table_names_exists() {
    check("acceptance.md", 40);
}

#[test]
fn every_test_that_the_table_of_faults_of_the_model_names_exists() {
    check("faults.md", 40);
}

#[test]
fn every_test_that_the_table_of_decisions_names_exists() {
    check("design/key-value.md", 30);
}
