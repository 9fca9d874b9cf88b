use crate::record::Record;
use crate::subject::Subject;

/// Prints the steps of a workload, one a line.
pub(crate) fn print(records: &[Record]) {
    let Some(first) = records.first() else { return };
    println!("\n{}", first.workload);
    println!(
        "  {:28} {:13} {:>10} {:>9} {:>11} {:>8} {:>9} {:>8}  range",
        "step", "subject", "time/op", "cpu/op", "op/s", "to floor", "bytes/op", "peak MiB"
    );
    let mut shown: Vec<&str> = Vec::new();
    for step in records.iter().map(|record| record.step.as_str()) {
        if !shown.contains(&step) {
            shown.push(step);
            let same: Vec<_> = records.iter().filter(|record| record.step == step).collect();
            print_step(&same);
        }
    }
}

fn print_step(records: &[&Record]) {
    let floor = records.iter().find(|record| record.subject == Subject::Floor).copied();
    for record in records {
        let ratio = floor.filter(|_| record.subject != Subject::Floor);
        let ratio = ratio
            .map_or_else(String::new, |floor| format!("{:.2}", record.ns_per_op / floor.ns_per_op));
        let bytes = match record.bytes_written {
            0 => String::new(),
            bytes => (bytes / record.n.max(1)).to_string(),
        };
        println!(
            "  {:28} {:13} {:>10} {:>9} {:>11.0} {:>8} {:>9} {:>8}  {}",
            record.step,
            record.subject.name(),
            time(record.ns_per_op),
            record.cpu_ns_per_op.map_or_else(String::new, time),
            record.ops_per_s,
            ratio,
            bytes,
            record.peak_rss_bytes >> 20,
            record.ns_per_op_range.map_or_else(String::new, |range| range.map(time).join(" to ")),
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
