//! The table of the laws, `docs/laws.md`, is what the laws and their faults are.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::seeded::{laws, seeded};

/// Set to write the table instead of comparing it.
const BLESS: &str = "RAMUS_BLESS";

const HEAD: &str = "\
# The laws

Every promise of the contracts is a law: a function of `ramus-testkit` that panics where a store breaks
it. For each law a fault was seeded in a small storage that is sound otherwise
(`crates/ramus-testkit/tests/testkit/broken`), and the law has to fail on it, alone or as the first of its
contract in the order below; on the sound storage every law has to hold. The tests of `ramus-testkit` run
all of this, and compare this page with it (`RAMUS_BLESS=1 cargo test -p ramus-testkit` writes it anew).
";

#[test]
fn the_table_of_the_laws_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/laws.md");
    let table = table();
    if std::env::var_os(BLESS).is_some() {
        fs::write(&path, &table).expect("the table is written");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == table, "docs/laws.md is out of date; run the tests with {BLESS}=1");
}

#[test]
fn the_macros_name_every_law() {
    for contract in laws() {
        let named: Vec<_> = contract.iter().map(|law| law.name.to_owned()).collect();
        let written: Vec<_> = promises(contract[0].contract).into_iter().map(|law| law.0).collect();
        assert_eq!(named, written, "the laws of {}, in their order", contract[0].contract);
    }
}

fn table() -> String {
    let faults: BTreeMap<_, _> =
        seeded().into_iter().map(|one| ((one.contract, one.law), one.fault.text())).collect();
    let mut table = HEAD.to_owned();
    for contract in laws().iter().map(|laws| laws[0].contract) {
        write!(table, "\n## {contract}\n\n| law | promise | seeded fault |\n|---|---|---|\n")
            .expect("a string takes it");
        for (law, promise) in promises(contract) {
            let fault = faults.get(&(contract, &*law)).expect("every law has a fault");
            writeln!(table, "| `{law}` | {promise} | {fault} |").expect("a string takes it");
        }
    }
    table
}

/// Returns the laws of a contract as its file has them: name and doc.
fn promises(contract: &str) -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/laws/{contract}.rs"));
    let source = fs::read_to_string(path).expect("the source of the laws");
    let (mut laws, mut doc) = (Vec::new(), String::new());
    for line in source.lines() {
        if let Some(text) = line.strip_prefix("///") {
            doc.push_str(text);
        } else if let Some(rest) = line.strip_prefix("pub async fn ") {
            let name = rest.split('<').next().expect("a name").to_owned();
            laws.push((name, doc.trim().to_owned()));
            doc.clear();
        } else {
            doc.clear();
        }
    }
    laws
}
