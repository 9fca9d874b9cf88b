use crate::line::Line;
use crate::subject::Subject;

/// When an answer is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answers {
    InMemory,
    FromTheKernel,
    Synced,
}

impl Answers {
    /// Returns when a subject answers: its name says so.
    fn of(subject: &str) -> Self {
        if subject.ends_with("-mem") {
            Self::InMemory
        } else if subject.ends_with("-os") {
            Self::FromTheKernel
        } else {
            Self::Synced
        }
    }

    const fn ramus(self) -> Subject {
        match self {
            Self::InMemory => Subject::RamusMem,
            Self::FromTheKernel => Subject::RamusPackOs,
            Self::Synced => Subject::RamusPack,
        }
    }

    /// Returns the floors, the best one first.
    const fn floors(self) -> [Subject; 2] {
        match self {
            Self::InMemory => [Subject::Floor; 2],
            Self::FromTheKernel => [Subject::FloorOs, Subject::Floor],
            Self::Synced => [Subject::FloorSync, Subject::Floor],
        }
    }
}

/// Returns whether a subject is neither Ramus nor a floor.
pub(crate) fn is_peer(subject: &str) -> bool {
    let own = Subject::RAMUS_ALONE.into_iter().chain(Subject::FLOORS);
    own.into_iter().all(|own| own.name() != subject)
}

/// Returns how often the time of the floor with the same durability goes into that of a line, or of the one
/// in memory where there is no other; nothing if there is none.
pub(crate) fn to_floor(line: &Line, step: &[&Line]) -> Option<f64> {
    if Subject::FLOORS.iter().any(|floor| floor.name() == line.subject) {
        return None;
    }
    let floors = Answers::of(&line.subject).floors();
    let floor = floors.into_iter().find_map(|floor| find(step, floor.name()))?;
    Some(cost(line) / cost(floor))
}

/// Returns how often the time of Ramus with the same durability goes into that of a peer; less than one
/// where the peer is faster.
pub(crate) fn to_ramus(line: &Line, step: &[&Line]) -> Option<f64> {
    if !is_peer(&line.subject) {
        return None;
    }
    let ramus = Answers::of(&line.subject).ramus();
    Some(line.ns_per_op / find(step, ramus.name())?.ns_per_op)
}

/// Returns whether time is not what is measured, but size.
pub(crate) fn is_of_sizes(line: &Line) -> bool {
    line.workload == "memory"
}

/// Returns the time of an operation, or what is measured in its place.
fn cost(line: &Line) -> f64 {
    if !is_of_sizes(line) {
        return line.ns_per_op;
    }
    #[expect(clippy::cast_precision_loss, reason = "a ratio does not need 53 bits")]
    let [bytes, count] = [line.bytes_written, line.n].map(|number| number as f64);
    bytes / count
}

fn find<'a>(step: &[&'a Line], subject: &str) -> Option<&'a Line> {
    step.iter().copied().find(|line| line.subject == subject)
}

/// Returns a ratio with two digits that mean something.
pub(crate) fn text(ratio: f64) -> String {
    match ratio {
        ratio if ratio < 0.1 => format!("{ratio:.3}"),
        ratio if ratio < 10.0 => format!("{ratio:.2}"),
        ratio if ratio < 100.0 => format!("{ratio:.1}"),
        ratio => format!("{ratio:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Recorder;
    use std::time::Duration;

    fn lines(figures: &[(Subject, u64)]) -> Vec<Line> {
        let mut recorder = Recorder::new("kvset");
        for (subject, took) in figures {
            recorder.add(*subject, "commit", 1, Duration::from_nanos(*took), 0);
        }
        recorder.records.iter().map(Line::from).collect()
    }

    #[test]
    fn a_subject_is_compared_with_what_answers_as_late_as_it_does() {
        let lines = lines(&[
            (Subject::RamusMem, 20),
            (Subject::RamusPackOs, 60),
            (Subject::RamusPack, 400),
            (Subject::Floor, 10),
            (Subject::FloorOs, 30),
            (Subject::Peer("other-mem"), 30),
            (Subject::Peer("other-os"), 30),
            (Subject::Peer("other"), 800),
        ]);
        let step: Vec<_> = lines.iter().collect();
        let rounded = |ratio: Option<f64>| ratio.map(|ratio| (ratio * 10.0).round() / 10.0);
        let ratios: Vec<_> = lines
            .iter()
            .map(|line| (rounded(to_floor(line, &step)), rounded(to_ramus(line, &step))))
            .collect();
        let expected = [
            (Some(2.0), None),
            (Some(2.0), None),
            (Some(40.0), None),
            (None, None),
            (None, None),
            (Some(3.0), Some(1.5)),
            (Some(1.0), Some(0.5)),
            (Some(80.0), Some(2.0)),
        ];
        assert_eq!(ratios, expected);
    }
}
