use std::time::{Duration, Instant};

use crate::Result;

/// Asks so many questions, or fewer if they take longer than a second together, or two: who goes through the whole
/// history for each is not asked for minutes. Returns how many were asked, which is one at least.
pub(super) fn for_a_second(most: u64, mut ask: impl FnMut() -> Result<()>) -> Result<u64> {
    let begin = Instant::now();
    let mut asked = 0_u64;
    loop {
        ask()?;
        asked += 1;
        // The clock is not looked at after each of many that are fast.
        let looks = asked.is_power_of_two() || asked.is_multiple_of(256);
        if asked >= most || (looks && begin.elapsed() >= Duration::from_secs(1)) {
            return Ok(asked);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_answered_at_once_is_asked_so_often_and_the_first_error_ends_it() {
        let mut count = 0;
        let mut ask = |last: u64| {
            count += 1;
            if count == last { Err("enough".into()) } else { Ok(()) }
        };
        assert_eq!(for_a_second(5, || ask(6)).expect("five answers"), 5);
        let refused = for_a_second(5, || ask(6)).expect_err("the sixth is an error");
        assert_eq!((refused.to_string(), count), ("enough".to_owned(), 6));
    }
}
