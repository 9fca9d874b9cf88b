use serde::{Deserialize, Serialize};

use crate::memory::Memory;
use crate::record::Record;

/// A line of JSON: what was measured of one step, as it is read again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) workload: String,
    pub(crate) step: String,
    pub(crate) subject: String,
    pub(crate) n: u64,
    pub(crate) ns_per_op: f64,
    pub(crate) ops_per_s: f64,
    pub(crate) peak_rss_bytes: u64,
    pub(crate) bytes_written: u64,
    pub(crate) cpu_ns_per_op: Option<f64>,
    pub(crate) ns_per_op_range: Option<[f64; 2]>,
    pub(crate) result: Option<String>,
    pub(crate) memory: Option<Memory>,
}

impl From<&Record> for Line {
    fn from(record: &Record) -> Self {
        Self {
            workload: record.workload.clone(),
            step: record.step.clone(),
            subject: record.subject.name().to_owned(),
            n: record.n,
            ns_per_op: record.ns_per_op,
            ops_per_s: record.ops_per_s,
            peak_rss_bytes: record.peak_rss_bytes,
            bytes_written: record.bytes_written,
            cpu_ns_per_op: record.cpu_ns_per_op,
            ns_per_op_range: record.ns_per_op_range,
            result: record.result.clone(),
            memory: record.memory,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::record::{Recorder, medians};
    use crate::subject::Subject;

    #[test]
    fn what_is_written_of_a_record_is_read_again() {
        let mut recorder = Recorder::new("kvset");
        for took in [10, 30] {
            recorder.add(Subject::Peer("other"), "set", 10, Duration::from_nanos(took), 7);
            recorder.used(Duration::from_nanos(5));
            recorder.result(&"abc");
        }
        let memory = Some(Memory { bare: 1, held: 2, caches: 3 });
        recorder.records[0].memory = memory;
        let record = medians(recorder.records).swap_remove(0);
        let text = serde_json::to_string(&record).expect("it is written");
        let line: Line = serde_json::from_str(&text).expect("it is read");
        assert_eq!((&*line.workload, &*line.step, &*line.subject), ("kvset", "set", "other"));
        assert_eq!((line.n, line.bytes_written, line.memory), (10, 7, memory));
        assert_eq!((line.ns_per_op, line.cpu_ns_per_op), (record.ns_per_op, Some(0.5)));
        assert_eq!(line.ns_per_op_range, record.ns_per_op_range);
        assert_eq!((line.ops_per_s, line.result.as_deref()), (record.ops_per_s, Some("abc")));
        assert_eq!(line.peak_rss_bytes, record.peak_rss_bytes);
    }
}
