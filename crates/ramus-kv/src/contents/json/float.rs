//! The canonical text of a finite 64-bit float.
//!
//! The layout is written here, and not left to a formatter, since a formatter may change it.

/// Returns the text: the layout of RFC 8785, and `.0` after a whole number.
pub(super) fn canonical(float: f64) -> String {
    // The negative zero is not below zero: it equals the other one, so it is the same value.
    let sign = if float < 0.0 { "-" } else { "" };
    let (digits, point) = digits(float.abs());
    format!("{sign}{}", layout(&digits, point))
}

/// Returns the fewest digits that give the float back, and how many of them stand before the point.
fn digits(float: f64) -> (String, i32) {
    let scientific = format!("{float:e}");
    let (mantissa, exponent) = scientific.split_once('e').expect("a mantissa, `e`, an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent of a float is a small integer");
    (mantissa.replace('.', ""), exponent + 1)
}

fn layout(digits: &str, point: i32) -> String {
    let count = i32::try_from(digits.len()).expect("a float has at most 17 digits");
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    let split_at = |index: i32| digits.split_at(usize::try_from(index).unwrap_or(0));
    if (1..=21).contains(&point) && count <= point {
        return format!("{digits}{}.0", zeros(point - count));
    }
    if (1..=21).contains(&point) {
        let (whole, part) = split_at(point);
        return format!("{whole}.{part}");
    }
    if (-5..=0).contains(&point) {
        return format!("0.{}{digits}", zeros(-point));
    }
    let (first, rest) = split_at(1);
    let dot = if rest.is_empty() { "" } else { "." };
    format!("{first}{dot}{rest}e{:+}", point - 1)
}
