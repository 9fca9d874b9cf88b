use std::time::Duration;

use serde::Serialize;

use crate::memory::Memory;
use crate::rss;
use crate::start::Start;
use crate::subject::Subject;

/// What was measured of one step.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Record {
    pub(crate) workload: String,
    pub(crate) step: String,
    pub(crate) subject: Subject,
    /// How many operations were done.
    pub(crate) n: u64,
    pub(crate) ns_per_op: f64,
    pub(crate) ops_per_s: f64,
    /// The largest resident size of the process so far, in bytes.
    pub(crate) peak_rss_bytes: u64,
    /// The bytes that were given to files; in memory, those of the blocks, where they were counted.
    pub(crate) bytes_written: u64,
    /// The processor time of an operation, where it was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cpu_ns_per_op: Option<f64>,
    /// The shortest and the longest of the rounds, if there was more than one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ns_per_op_range: Option<[f64; 2]>,
    /// What came of it, for comparison.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) result: Option<String>,
    /// What the workload may take in memory, where that is checked: with the last step of a subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory: Option<Memory>,
}

/// Makes the records of a workload.
#[derive(Debug)]
pub(crate) struct Recorder {
    workload: String,
    pub(crate) records: Vec<Record>,
}

impl Recorder {
    pub(crate) fn new(workload: &str) -> Self {
        Self { workload: workload.to_owned(), records: Vec::new() }
    }

    /// Notes a step of `n` operations that was begun at `start` and is done now.
    pub(crate) fn done(&mut self, subject: Subject, step: &str, n: u64, start: Start) {
        let (took, cpu, written) = start.since();
        self.add(subject, step, n, took, written);
        self.used(cpu);
    }

    /// Notes the processor time of the step that was noted last.
    pub(crate) fn used(&mut self, cpu: Duration) {
        if let Some(record) = self.records.last_mut() {
            #[expect(clippy::cast_precision_loss, reason = "counts of operations are small")]
            let count = record.n as f64;
            record.cpu_ns_per_op = Some(cpu.as_secs_f64() * 1e9 / count);
        }
    }

    /// Notes how many bytes were given to the store in the step that was noted last.
    pub(crate) fn wrote(&mut self, bytes: u64) {
        if let Some(record) = self.records.last_mut() {
            record.bytes_written = bytes;
        }
    }

    /// Notes what came of the step that was noted last: every subject has to come to the same.
    pub(crate) fn result(&mut self, result: &impl ToString) {
        if let Some(record) = self.records.last_mut() {
            record.result = Some(result.to_string());
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
            workload: self.workload.clone(),
            step: step.to_owned(),
            subject,
            n,
            ns_per_op: seconds * 1e9 / count,
            ops_per_s: count / seconds,
            peak_rss_bytes: rss::peak_bytes(),
            bytes_written,
            cpu_ns_per_op: None,
            ns_per_op_range: None,
            result: None,
            memory: None,
        });
    }
}

/// Returns the record of median time of each step and subject, with the median processor time, the
/// largest peak, and the range of the times.
pub(crate) fn medians(rounds: Vec<Record>) -> Vec<Record> {
    let mut groups: Vec<Vec<Record>> = Vec::new();
    for record in rounds {
        let same = |group: &&mut Vec<Record>| {
            group[0].step == record.step && group[0].subject == record.subject
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(record),
            None => groups.push(vec![record]),
        }
    }
    groups.into_iter().map(median).collect()
}

fn median(mut group: Vec<Record>) -> Record {
    let mut cpu: Vec<f64> = group.iter().filter_map(|record| record.cpu_ns_per_op).collect();
    cpu.sort_by(f64::total_cmp);
    let peak = group.iter().map(|record| record.peak_rss_bytes).max();
    let memory = group.iter().find_map(|record| record.memory);
    group.sort_by(|a, b| a.ns_per_op.total_cmp(&b.ns_per_op));
    let range = [group[0].ns_per_op, group[group.len() - 1].ns_per_op];
    let range = (group.len() > 1).then_some(range);
    let median = group.swap_remove(group.len() / 2);
    Record {
        cpu_ns_per_op: cpu.get(cpu.len() / 2).copied(),
        peak_rss_bytes: peak.unwrap_or(median.peak_rss_bytes),
        ns_per_op_range: range,
        memory,
        ..median
    }
}

/// Returns the first step of which two subjects came to different results.
pub(crate) fn differing(records: &[Record]) -> Option<(&Record, &Record)> {
    records.iter().enumerate().find_map(|(index, one)| {
        let result = one.result.as_ref()?;
        let differs = |other: &&Record| {
            other.step == one.step && other.result.as_ref().is_some_and(|other| other != result)
        };
        Some((one, records[index..].iter().find(differs)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_rounds_the_median_is_shown_and_their_range() {
        let mut recorder = Recorder::new("workload");
        for (subject, took) in [
            (Subject::RamusMem, 30),
            (Subject::Floor, 1),
            (Subject::RamusMem, 10),
            (Subject::RamusMem, 20),
        ] {
            recorder.add(subject, "step", 1, Duration::from_nanos(took), 0);
        }
        let medians = medians(recorder.records);
        let shown: Vec<_> = medians.iter().map(|one| one.ns_per_op.round()).collect();
        assert_eq!(shown, [20.0, 1.0]);
        let range = medians[0].ns_per_op_range.map(|range| range.map(f64::round));
        assert_eq!((range, medians[1].ns_per_op_range), (Some([10.0, 30.0]), None));
    }

    #[test]
    fn subjects_that_come_to_different_results_are_named() {
        let mut recorder = Recorder::new("workload");
        for (step, result) in [("one", "same"), ("one", "same"), ("two", "same"), ("two", "other")]
        {
            recorder.add(Subject::RamusMem, step, 1, Duration::from_nanos(1), 0);
            recorder.result(&result);
        }
        assert!(differing(&recorder.records[..3]).is_none());
        let (one, other) = differing(&recorder.records).expect("they differ");
        assert_eq!((&*one.step, &*other.step), ("two", "two"));
    }
}
