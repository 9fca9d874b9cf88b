use crate::record::{Record, Subject};

/// Prints the steps of a workload, one a line.
pub(crate) fn print(records: &[Record]) {
    let Some(first) = records.first() else { return };
    println!("\n{}", first.workload);
    println!(
        "  {:28} {:10} {:>12} {:>12} {:>10} {:>12} {:>9}",
        "step", "subject", "time/op", "op/s", "to floor", "bytes/op", "peak MiB"
    );
    for record in records {
        let floor = records
            .iter()
            .find(|other| other.step == record.step && other.subject == Subject::Floor);
        let ratio = floor.filter(|_| record.subject != Subject::Floor);
        let ratio = ratio
            .map_or_else(String::new, |floor| format!("{:.1}", record.ns_per_op / floor.ns_per_op));
        let subject = match record.subject {
            Subject::RamusMem => "ramus-mem",
            Subject::Floor => "floor",
        };
        let bytes = match record.bytes_written {
            0 => String::new(),
            bytes => (bytes / record.n.max(1)).to_string(),
        };
        println!(
            "  {:28} {:10} {:>12} {:>12.0} {:>10} {:>12} {:>9}",
            record.step,
            subject,
            time(record.ns_per_op),
            record.ops_per_s,
            ratio,
            bytes,
            record.peak_rss_bytes >> 20,
        );
    }
}

fn time(ns: f64) -> String {
    if ns < 1e3 {
        format!("{ns:.0} ns")
    } else if ns < 1e6 {
        format!("{:.2} us", ns / 1e3)
    } else {
        format!("{:.2} ms", ns / 1e6)
    }
}
