use crate::line::Line;
use crate::subject::Subject;

/// Returns whether a subject is neither Ramus nor the floor.
pub(super) fn is_peer(subject: &str) -> bool {
    let own = Subject::RAMUS_ALONE.into_iter().chain([Subject::Floor]);
    own.into_iter().all(|own| own.name() != subject)
}

/// Returns how often the time of the floor goes into that of a line, if there is a floor.
pub(super) fn to_floor(line: &Line, step: &[&Line]) -> Option<f64> {
    let floor = find(step, Subject::Floor.name())?;
    (line.subject != floor.subject).then(|| cost(line) / cost(floor))
}

/// Returns how often the time of Ramus with the same durability goes into that of a peer; less than one
/// where the peer is faster.
pub(super) fn to_ramus(line: &Line, step: &[&Line]) -> Option<f64> {
    if !is_peer(&line.subject) {
        return None;
    }
    let is_synced = !line.subject.ends_with("-os");
    let ramus = if is_synced { Subject::RamusPack } else { Subject::RamusPackOs };
    Some(line.ns_per_op / find(step, ramus.name())?.ns_per_op)
}

/// Returns the time of an operation; in `memory`, where time is not the question, its size.
fn cost(line: &Line) -> f64 {
    if line.workload != "memory" {
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
pub(super) fn text(ratio: f64) -> String {
    match ratio {
        ratio if ratio < 0.1 => format!("{ratio:.3}"),
        ratio if ratio < 10.0 => format!("{ratio:.2}"),
        ratio if ratio < 100.0 => format!("{ratio:.1}"),
        ratio => format!("{ratio:.0}"),
    }
}
