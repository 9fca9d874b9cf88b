use crate::line::Line;
use crate::ratio;
use crate::record::Record;

/// Prints the steps of a workload, one a line.
pub(crate) fn print(records: &[Record]) {
    let lines: Vec<Line> = records.iter().map(Line::from).collect();
    let Some(first) = lines.first() else { return };
    println!("\n{}", first.workload);
    println!(
        "  {:28} {:13} {:>10} {:>9} {:>11} {:>8} {:>8} {:>9} {:>8}  range",
        "step",
        "subject",
        "time/op",
        "cpu/op",
        "op/s",
        "to floor",
        "to ramus",
        "bytes/op",
        "peak MiB"
    );
    let mut shown: Vec<&str> = Vec::new();
    for step in lines.iter().map(|line| line.step.as_str()) {
        if !shown.contains(&step) {
            shown.push(step);
            let same: Vec<_> = lines.iter().filter(|line| line.step == step).collect();
            print_step(&same);
        }
    }
}

fn print_step(step: &[&Line]) {
    for line in step {
        let is_timed = !ratio::is_of_sizes(line);
        let timed = |cell: String| if is_timed { cell } else { String::new() };
        let ratio = |ratio: Option<f64>| ratio.map(ratio::text).unwrap_or_default();
        let bytes = match line.bytes_written {
            0 => String::new(),
            bytes => (bytes / line.n.max(1)).to_string(),
        };
        println!(
            "  {:28} {:13} {:>10} {:>9} {:>11} {:>8} {:>8} {:>9} {:>8}  {}",
            line.step,
            line.subject,
            timed(time(line.ns_per_op)),
            line.cpu_ns_per_op.map_or_else(String::new, time),
            timed(format!("{:.0}", line.ops_per_s)),
            ratio(ratio::to_floor(line, step)),
            ratio(ratio::to_ramus(line, step)),
            bytes,
            line.peak_rss_bytes >> 20,
            line.ns_per_op_range.map_or_else(String::new, |range| range.map(time).join(" to ")),
        );
    }
}

/// Returns a size in MiB.
pub(crate) fn mib(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a tenth of a MiB is enough")]
    let mib = bytes as f64 / f64::from(1 << 20);
    format!("{mib:.1}")
}

/// Returns a time in the unit that fits it.
pub(crate) fn time(ns: f64) -> String {
    if ns < 1e3 {
        format!("{ns:.0} ns")
    } else if ns < 1e6 {
        format!("{:.2} us", ns / 1e3)
    } else {
        format!("{:.2} ms", ns / 1e6)
    }
}
