use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde::Serialize;

use crate::rss;

/// Who does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Subject {
    /// Ramus on its memory backend.
    RamusMem,
    /// The least that the machine has to do.
    Floor,
}

/// What was measured of one step.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Record {
    pub(crate) workload: &'static str,
    pub(crate) step: String,
    pub(crate) subject: Subject,
    /// How many operations were done.
    pub(crate) n: u64,
    pub(crate) ns_per_op: f64,
    pub(crate) ops_per_s: f64,
    /// The processor time of an operation, where the workload measures that.
    pub(crate) cpu_ns_per_op: Option<f64>,
    /// The largest resident size of the process so far, in bytes.
    pub(crate) peak_rss_bytes: u64,
    /// The bytes of the blocks that were given to the store.
    pub(crate) bytes_written: u64,
}

/// Makes the records of a workload.
#[derive(Debug)]
pub(crate) struct Recorder {
    workload: &'static str,
    pub(crate) records: Vec<Record>,
}

impl Recorder {
    pub(crate) const fn new(workload: &'static str) -> Self {
        Self { workload, records: Vec::new() }
    }

    /// Notes a step of `n` operations that was begun at `start` and is done now.
    pub(crate) fn done(&mut self, subject: Subject, step: &str, n: u64, start: Instant) {
        self.add(subject, step, n, start.elapsed(), 0);
    }

    /// Notes the processor time of the step that was noted last.
    pub(crate) fn used(&mut self, cpu: Duration) {
        if let Some(record) = self.records.last_mut() {
            #[expect(clippy::cast_precision_loss, reason = "counts of operations are small")]
            let count = record.n as f64;
            record.cpu_ns_per_op = Some(cpu.as_secs_f64() * 1e9 / count);
        }
    }

    pub(crate) fn add(
        &mut self,
        subject: Subject,
        step: &str,
        n: u64,
        took: Duration,
        bytes_written: u64,
    ) {
        let seconds = took.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "counts of operations are small")]
        let count = n as f64;
        self.records.push(Record {
            workload: self.workload,
            step: step.to_owned(),
            subject,
            n,
            ns_per_op: seconds * 1e9 / count,
            ops_per_s: count / seconds,
            cpu_ns_per_op: None,
            peak_rss_bytes: rss::peak_bytes(),
            bytes_written,
        });
    }
}

/// Returns the record of median time of each step, with the median processor time, over rounds that have the same steps.
pub(crate) fn medians(mut rounds: Vec<Vec<Record>>) -> Vec<Record> {
    let steps = rounds.first().map_or(0, Vec::len);
    let mut medians = Vec::with_capacity(steps);
    for _ in 0..steps {
        let mut same: Vec<Record> = rounds.iter_mut().map(|round| round.remove(0)).collect();
        let mut cpu: Vec<f64> = same.iter().filter_map(|record| record.cpu_ns_per_op).collect();
        cpu.sort_by(f64::total_cmp);
        same.sort_by(|a, b| a.ns_per_op.total_cmp(&b.ns_per_op));
        let mut median = same.swap_remove(same.len() / 2);
        median.cpu_ns_per_op = cpu.get(cpu.len() / 2).copied();
        medians.push(median);
    }
    medians
}
