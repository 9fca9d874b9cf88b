use super::*;

const ABOUT: &str = r#"{"command":"cargo run --release -p ramus-bench -- run wide","scale":"quick","rounds":3,"machine":"2 cores, some processor, linux","versions":{"ramus":"0.1.0","redb":"4.6.0"}}"#;

fn line(workload: &str, step: &str, subject: &str, ns: f64) -> String {
    format!(
        r#"{{"workload":"{workload}","step":"{step}","subject":"{subject}","n":10,"ns_per_op":{ns},"ops_per_s":1.0,"peak_rss_bytes":1048576,"bytes_written":4000,"cpu_ns_per_op":{ns},"ns_per_op_range":[1.0,2000.0]}}"#
    )
}

fn run(lines: &[String]) -> Run {
    let text = format!("{ABOUT}\n{}\n", lines.join("\n"));
    Run::parse("small.jsonl".to_owned(), &text).expect("it is well formed")
}

fn options(note: Option<&str>) -> ReportOptions {
    let (files, out) = (vec![PathBuf::from("a/small.jsonl")], PathBuf::from("b/speed.md"));
    ReportOptions { files, out, note: note.map(ToOwned::to_owned) }
}

fn small() -> Run {
    run(&[
        line("wide", "update", "ramus-pack", 1000.0),
        line("wide", "update", "ramus-pack-os", 100.0),
        line("wide", "update", "floor", 50.0),
        line("wide", "update", "redb", 3000.0),
        line("wide", "update", "redb-os", 80.0),
        line("growth", "update at 1000", "ramus-mem", 10.0),
        line("growth", "update at 10000", "ramus-mem", 20.0),
    ])
}

#[test]
fn a_page_has_a_table_for_each_workload_and_ratios_to_the_floor_and_to_ramus() {
    let page = Page::of(&[small()], &options(Some("A note."))).expect("a page");
    let expected = [
        "cargo run --release -p ramus-bench -- run wide --json small.jsonl",
        "-- report small.jsonl --out docs/speed.md",
        "A note.",
        "3 rounds",
        "redb 4.6.0",
        "| update | ramus-pack | 1.00 us | 1 ns to 2.00 us | 1.00 us | 1 | 20.0 |  | 400 | 1.0 |",
        "|  | redb | 3.00 us | 1 ns to 2.00 us | 3.00 us | 1 | 60.0 | 3.00 | 400 | 1.0 |",
        "| `wide` | update | redb-os | 80 ns | 0.80 |",
        "![wide](speed/1-wide.svg)",
        "![update](speed/1-growth-update.svg)",
    ];
    for part in expected {
        assert!(page.text.contains(part), "{part} is not in\n{}", page.text);
    }
    assert!(!page.text.contains("| redb | 3.00 us | 3.00 |"), "what is slower is not listed");
    let names: Vec<_> = page.plots.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["1-wide", "1-growth-update"]);
    for (name, plot) in &page.plots {
        assert!(plot.starts_with("<svg") && plot.trim_end().ends_with("</svg>"), "{name}: {plot}");
    }
    assert!(page.plots[0].1.contains("update: redb-os"), "each bar is named");
}

#[test]
fn the_page_of_ramus_alone_shows_how_far_the_floor_is() {
    let lines = [line("wide", "update", "ramus-mem", 100.0), line("wide", "update", "floor", 50.0)];
    let page = Page::of(&[run(&lines)], &options(None)).expect("a page");
    assert!(!page.text.contains("a peer is faster,"), "there is none");
    assert!(page.plots[0].1.contains("update: ramus-mem"), "a bar for it");
}

#[test]
fn in_memory_sizes_are_compared() {
    let sized = |subject: &str, bytes: u64| {
        let line = line("memory", "a watcher", subject, 1.0);
        line.replace("\"bytes_written\":4000", &format!("\"bytes_written\":{bytes}"))
    };
    let page = Page::of(&[run(&[sized("ramus-mem", 6000), sized("floor", 2000)])], &options(None));
    let page = page.expect("a page").text;
    assert!(page.contains("|  | 3.00 | 600 | 1.0 |"), "{page}");
}

#[test]
fn what_is_no_file_of_figures_is_refused_with_the_line() {
    let refused = |text: &str| {
        let refused = Run::parse("some.json".to_owned(), text).expect_err("it is refused");
        refused.to_string()
    };
    let wanted = "this is to be a file that `ramus-bench run --json FILE` wrote";
    assert_eq!(refused("\n"), format!("some.json is empty; {wanted}"));
    let first = refused("{\"step\":\"set\"}\n");
    assert!(first.starts_with("some.json, line 1: it does not say what was run (missing field"));
    let second = refused(&format!("{ABOUT}\n\nnonsense\n"));
    assert!(second.starts_with("some.json, line 3: not the figures of a step (expected ident"));
    assert!(first.ends_with(wanted) && second.ends_with(wanted));
}

#[test]
fn a_page_and_its_plots_are_written_and_the_plots_of_an_earlier_one_removed() {
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("small.jsonl");
    let lines = [line("wide", "update", "ramus-mem", 100.0), line("wide", "update", "floor", 50.0)];
    std::fs::write(&file, format!("{ABOUT}\n{}", lines.join("\n"))).expect("write");
    let out = place.path().join("performance.md");
    let plots = place.path().join("performance");
    std::fs::create_dir(&plots).expect("a directory");
    std::fs::write(plots.join("9-old.svg"), "<svg/>").expect("write");
    let options = ReportOptions { files: vec![file], out: out.clone(), note: None };
    super::run(&options).expect("a report");
    let text = std::fs::read_to_string(out).expect("the page");
    assert!(text.contains("report small.jsonl --out docs/performance.md"), "{text}");
    let left = std::fs::read_dir(plots).expect("the plots");
    let left: Vec<_> = left.map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(left, ["1-wide.svg"]);
}
