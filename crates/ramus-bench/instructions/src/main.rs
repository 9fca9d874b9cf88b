//! Counts instructions and compares them with the baseline of this toolchain.
//!
//! ```sh
//! cargo install gungraun-runner --version 0.20.0
//! cargo run --release --manifest-path crates/ramus-bench/instructions/Cargo.toml            # compare
//! cargo run --release --manifest-path crates/ramus-bench/instructions/Cargo.toml -- --bless # a new baseline
//! ```
//!
//! It wants valgrind. The exit code is 1 if an operation takes more than 10 % more instructions than in the
//! baseline, and 2 if nothing could be counted or compared.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use serde_json::Value;

/// What an operation may take more than in the baseline.
const GROWTH_MAX: f64 = 0.10;

type Counts = BTreeMap<String, u64>;
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::from(2)
        }
    }
}

/// Returns whether nothing has grown.
fn run() -> Result<bool> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let bless = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--bless"] => true,
        _ => return Err("usage: ramus-instructions [--bless]".into()),
    };
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let baseline = baseline(here)?;
    let counted = count(here)?;
    if bless {
        fs::write(&baseline, text(&counted))?;
        println!("{} operations are in {}", counted.len(), baseline.display());
        return Ok(true);
    }
    let known = fs::read_to_string(&baseline).map_err(|cause| {
        let baseline = baseline.display();
        format!("there is no baseline {baseline} ({cause}); make one with --bless")
    })?;
    Ok(compare(&parse(&known)?, &counted))
}

/// The baseline of this toolchain: another one makes other code.
fn baseline(here: &Path) -> Result<PathBuf> {
    let said = Command::new("rustc").arg("--version").output()?.stdout;
    let said = String::from_utf8(said)?;
    let version = said.split(' ').nth(1).ok_or("rustc does not say its version")?;
    Ok(here.join("baseline").join(format!("{version}-{}.txt", std::env::consts::ARCH)))
}

fn count(here: &Path) -> Result<Counts> {
    let mut bench = Command::new("cargo");
    bench.arg("bench").arg("--manifest-path").arg(here.join("Cargo.toml"));
    bench.args(["--bench", "instructions", "--", "--output-format=json"]);
    let output = bench.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err("the benchmarks did not run: valgrind and gungraun-runner are needed".into());
    }
    let mut counts = Counts::new();
    for line in String::from_utf8(output.stdout)?.lines().filter(|line| line.starts_with('{')) {
        let summary: Value = serde_json::from_str(line)?;
        let name = summary["function_name"].as_str().ok_or("a benchmark has no name")?;
        let count = instructions(&summary).ok_or_else(|| format!("{name} has no count"))?;
        counts.insert(name.to_owned(), count);
    }
    if counts.is_empty() {
        return Err("nothing was counted".into());
    }
    Ok(counts)
}

/// Returns the count of instructions (`Ir`) of this run, whatever an earlier one had.
fn instructions(summary: &Value) -> Option<u64> {
    summary["profiles"][0]["data"]["total"]["metrics"]["Ir"]["values"]["new"].as_u64()
}

fn text(counts: &Counts) -> String {
    let mut text = String::new();
    for (name, count) in counts {
        writeln!(text, "{name} {count}").expect("text takes text");
    }
    text
}

fn parse(text: &str) -> Result<Counts> {
    let parse = |line: &str| {
        let (name, count) = line.split_once(' ')?;
        Some((name.to_owned(), count.parse().ok()?))
    };
    text.lines().map(|line| parse(line).ok_or_else(|| format!("no count: {line}").into())).collect()
}

/// Prints what was counted beside the baseline; returns whether nothing has grown.
fn compare(known: &Counts, counted: &Counts) -> bool {
    let mut fits = true;
    println!("{:26} {:>12} {:>12} {:>8}", "operations, 100 of each", "baseline", "now", "");
    for (name, &now) in counted {
        let Some(&before) = known.get(name) else {
            println!("{name:26} {:>12} {now:>12}      new", "");
            continue;
        };
        #[expect(clippy::cast_precision_loss, reason = "a percentage does not need 53 bits")]
        let growth = now as f64 / before as f64 - 1.0;
        let grew = growth > GROWTH_MAX;
        fits &= !grew;
        let mark = if grew { "  GREW" } else { "" };
        println!("{name:26} {before:>12} {now:>12} {:>7.1}%{mark}", growth * 100.0);
    }
    for name in known.keys().filter(|name| !counted.contains_key(*name)) {
        println!("{name:26} is not counted any more");
        fits = false;
    }
    fits
}
