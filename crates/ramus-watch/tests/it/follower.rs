//! The follower, told one thing after another by hand.

use std::sync::Arc;

use futures::FutureExt as _;
use ramus_core::{
    Change, Changes, Cursor, Error, ErrorKind, Incarnation, KeyChange, Notice, Page, Snapshot,
    UpdateId,
};
use ramus_watch::{Event, Follower, Log, Mode, Next, WatchOptions};

type Told = Vec<String>;

/// A follower, and the log that it follows.
struct Play {
    follower: Follower<String, u64>,
    log: Log<String, u64>,
    /// What the key held last.
    values: std::collections::BTreeMap<String, u64>,
    ids: u8,
}

impl Play {
    fn new(options: WatchOptions<String>) -> Self {
        Self::with_log_of(options, 1000)
    }

    fn with_log_of(options: WatchOptions<String>, capacity: usize) -> Self {
        let log = Log::of_incarnation(Incarnation::from_bytes([1; 16]), capacity);
        let mut follower = Follower::new(options, log.end());
        // The first reading finds nothing.
        assert!(matches!(follower.step(), Next::Read { .. }));
        follower.read(log.after(log.end(), 1));
        let values = std::collections::BTreeMap::new();
        Self { follower, log, values, ids: 0 }
    }

    /// Sets keys to values, 0 removing them, as one change: `a1 b0`.
    fn change(&mut self, edits: &str) -> Notice<String, u64> {
        let mut keys = Vec::new();
        for edit in edits.split_whitespace() {
            let (key, value) = edit.split_at(1);
            let new = Some(value.parse().unwrap()).filter(|value| *value > 0);
            let old = match new {
                Some(value) => self.values.insert(key.to_owned(), value),
                None => self.values.remove(key),
            };
            keys.push(KeyChange { key: key.to_owned(), old, new });
        }
        self.ids += 1;
        Notice::Change(self.log.append(UpdateId::from_bytes([self.ids; 16]), "".into(), keys))
    }

    fn step(&mut self) -> String {
        tell(self.follower.step())
    }

    /// Does what the follower asks for, until it waits for a notice or has ended.
    fn run(&mut self) -> Told {
        let mut told = Vec::new();
        loop {
            assert!(told.len() < 100, "the follower never comes to rest: {told:?}");
            match self.follower.step() {
                Next::Read { after, limit } => {
                    let changes = self.log.after(after, limit);
                    self.follower.read(changes);
                    told.push(format!("read after {}", after.sequence));
                }
                Next::TakeSnapshot { prefix } => {
                    let entries = self.values.iter().map(|(key, value)| (key.clone(), *value));
                    let watched = entries.filter(|(key, _)| key.as_bytes().starts_with(&prefix));
                    let snapshot = Snapshot::of_entries(self.log.end(), watched.collect());
                    self.follower.resync(snapshot);
                    told.push("snapshot".to_owned());
                }
                Next::Wait if self.follower.idle() => {}
                Next::Wait => return told,
                Next::End => {
                    told.push("end".to_owned());
                    return told;
                }
                event @ Next::Give(_) => told.push(tell(event)),
            }
        }
    }

    /// Tells of a notice and returns what comes of it.
    fn notice(&mut self, notice: &Notice<String, u64>) -> Told {
        self.follower.notice(notice.clone());
        self.run()
    }
}

fn tell(next: Next<String, u64>) -> String {
    match next {
        Next::Give(Ok(Event::Changed(changed))) => {
            let number = |value: &Option<u64>| value.unwrap_or(0);
            let key = |key: &KeyChange<String, u64>| {
                format!("{} {}-{}", key.key, number(&key.old), number(&key.new))
            };
            let keys: Vec<String> = changed.keys().iter().map(key).collect();
            let sum = if changed.as_change().is_none() { " in sum" } else { "" };
            format!("{} @{}{sum}", keys.join(", "), changed.cursor().sequence)
        }
        Next::Give(Ok(Event::Resync(snapshot))) => {
            let cursor = snapshot.cursor();
            let entries = snapshot.collect().now_or_never().unwrap().unwrap();
            let entries: Vec<String> =
                entries.iter().map(|(key, value)| format!("{key} {value}")).collect();
            format!("resync {} @{}", entries.join(", "), cursor.sequence)
        }
        Next::Give(Err(error)) => format!("{}", error.kind()),
        Next::Wait => "wait".to_owned(),
        Next::Read { after, limit } => format!("read after {} of {limit}", after.sequence),
        Next::TakeSnapshot { prefix } => format!("snapshot of {prefix:?}"),
        Next::End => "end".to_owned(),
    }
}

fn every() -> WatchOptions<String> {
    WatchOptions::all()
}

fn latest() -> WatchOptions<String> {
    WatchOptions::all().with_mode(Mode::Latest)
}

#[test]
fn it_reads_before_it_waits() {
    let log: Log<String, u64> = Log::new(10);
    let mut follower = Follower::new(every().with_page_size(7), log.end());
    assert_eq!(tell(follower.step()), "read after 0 of 7");
    assert_eq!(tell(follower.step()), "read after 0 of 7", "it asks until it is told");
    follower.read(log.after(log.end(), 7));
    assert_eq!(tell(follower.step()), "wait");
}

#[test]
fn the_successor_is_taken_from_its_notice() {
    let mut play = Play::new(every());
    let first = play.change("a1 b1");
    assert_eq!(play.notice(&first), ["a 0-1, b 0-1 @1"]);
    let second = play.change("a0");
    assert_eq!(play.notice(&second), ["a 1-0 @2"]);
    assert_eq!(play.follower.cursor(), play.log.end());
}

#[test]
fn a_notice_of_what_was_read_is_ignored() {
    let mut play = Play::new(every());
    let first = play.change("a1");
    let second = play.change("a2");
    assert_eq!(play.notice(&second), ["read after 0", "a 0-1 @1", "a 1-2 @2"]);
    assert_eq!(play.notice(&first), Told::new());
    assert_eq!(play.notice(&second), Told::new());
    assert_eq!(play.notice(&first), Told::new());
}

#[test]
fn a_gap_is_read_and_never_leapt() {
    let mut play = Play::new(every());
    let first = play.change("a1");
    play.change("b1");
    let third = play.change("a2");
    assert_eq!(play.notice(&first), ["a 0-1 @1"]);
    assert_eq!(play.notice(&third), ["read after 1", "b 0-1 @2", "a 1-2 @3"]);
}

#[test]
fn lagged_is_read_by_pages() {
    let mut play = Play::new(every().with_page_size(2));
    for edit in ["a1", "a2", "a3", "a4", "a5"] {
        play.change(edit);
    }
    let read = play.notice(&Notice::Lagged);
    let expected = [
        "read after 0",
        "a 0-1 @1",
        "a 1-2 @2",
        "read after 2",
        "a 2-3 @3",
        "a 3-4 @4",
        "read after 4",
        "a 4-5 @5",
    ];
    assert_eq!(read, expected);
    assert_eq!(play.notice(&Notice::Lagged), ["read after 5"], "lagged, and nothing was missed");
}

#[test]
fn the_cursor_is_what_was_given_and_not_what_was_read() {
    let mut play = Play::new(WatchOptions::key("a".to_owned()));
    for edit in ["a1", "a2", "b1"] {
        play.change(edit);
    }
    play.follower.notice(Notice::Lagged);
    assert_eq!(play.step(), "read after 0 of 256");
    let changes = play.log.after(play.follower.cursor(), 256);
    play.follower.read(changes);
    assert_eq!(play.follower.cursor().sequence, 0);
    assert_eq!(play.step(), "a 0-1 @1");
    assert_eq!(play.follower.cursor().sequence, 1);
    assert_eq!(play.step(), "a 1-2 @2");
    assert_eq!(play.step(), "wait");
    assert_eq!(play.follower.cursor().sequence, 3, "what is not watched is passed");
}

#[test]
fn keys_that_are_not_watched_are_left_out() {
    let mut play = Play::new(WatchOptions::prefix("b"));
    let both = play.change("a1 b1");
    assert_eq!(play.notice(&both), ["b 0-1 @1"]);
    let other = play.change("a2");
    assert_eq!(play.notice(&other), Told::new());
    assert_eq!(play.follower.cursor(), play.log.end());
}

#[test]
fn a_truncated_log_gives_one_resync_and_goes_on_after_it() {
    for mode in [Mode::Every, Mode::Latest] {
        let mut play = Play::with_log_of(every().with_mode(mode), 2);
        for edit in ["a1", "b1", "a2", "c1", "a3"] {
            play.change(edit);
        }
        let read = play.notice(&Notice::Lagged);
        let resync = "resync a 3, b 1, c 1 @5";
        assert_eq!(read, ["read after 0", "snapshot", resync, "read after 5"], "{mode:?}");
        let next = play.change("a4");
        assert_eq!(play.notice(&next), ["a 3-4 @6"], "{mode:?}");
    }
}

#[test]
fn what_was_read_before_the_truncation_is_given_before_the_resync() {
    let mut play = Play::with_log_of(latest(), 2);
    let first = play.change("a1");
    play.follower.notice(first);
    for edit in ["a2", "a3", "a4"] {
        play.change(edit);
    }
    let read = play.notice(&Notice::Lagged);
    assert_eq!(read, ["a 0-1 @1", "read after 1", "snapshot", "resync a 4 @4", "read after 4"]);
}

#[test]
fn another_incarnation_gives_a_resync() {
    let mut play = Play::new(every());
    let old = play.change("a1");
    assert_eq!(play.notice(&old), ["a 0-1 @1"]);
    let late = play.change("a2");
    play.log = Log::of_incarnation(Incarnation::from_bytes([2; 16]), 10);
    // Its sequence is that of the successor, and it is none.
    let first = play.change("a5");
    let second = play.change("a6");
    let resync = "resync a 6 @2";
    assert_eq!(play.notice(&second), ["read after 1", "snapshot", resync, "read after 2"]);
    assert_eq!(play.notice(&first), Told::new());
    assert_eq!(play.notice(&late), ["read after 2"], "a late notice of the old life is no change");
}

#[test]
fn a_snapshot_that_was_not_given_yet_is_not_in_the_cursor() {
    let mut play = Play::with_log_of(every(), 1);
    for edit in ["a1", "a2", "a3"] {
        play.change(edit);
    }
    play.follower.notice(Notice::Lagged);
    let changes = play.log.after(play.follower.cursor(), 256);
    play.follower.read(changes);
    assert_eq!(play.step(), "snapshot of b\"\"");
    play.follower.resync(Snapshot::of_entries(play.log.end(), Vec::new()));
    assert_eq!(play.follower.cursor().sequence, 0);
    assert_eq!(play.step(), "resync  @3");
    assert_eq!(play.follower.cursor().sequence, 3);
}

#[test]
fn latest_takes_what_is_there_as_one() {
    let mut play = Play::new(latest());
    for edit in ["a1 b1", "a2", "c7", "a3"] {
        let notice = play.change(edit);
        play.follower.notice(notice);
        assert_eq!(play.step(), "wait", "there may be more");
    }
    assert_eq!(play.run(), ["a 0-3, b 0-1, c 0-7 @4 in sum"]);
    let one = play.change("a4");
    assert_eq!(play.notice(&one), ["a 3-4 @5"]);
}

#[test]
fn latest_leaves_out_what_came_back() {
    let mut play = Play::new(latest());
    for edit in ["a1", "b1", "a0"] {
        let notice = play.change(edit);
        play.follower.notice(notice);
    }
    assert_eq!(play.run(), ["b 0-1 @3 in sum"]);
    for edit in ["b2", "b1"] {
        let notice = play.change(edit);
        play.follower.notice(notice);
    }
    assert_eq!(play.run(), Told::new(), "nothing has changed");
    assert_eq!(play.follower.cursor(), play.log.end());
}

#[test]
fn latest_holds_no_more_than_a_page() {
    let mut play = Play::new(latest().with_page_size(2));
    let mut told = Vec::new();
    for edit in ["a1", "a2", "a3", "a4", "a5"] {
        let notice = play.change(edit);
        play.follower.notice(notice);
        told.push(play.step());
    }
    assert_eq!(told, ["wait", "a 0-2 @2 in sum", "wait", "a 2-4 @4 in sum", "wait"]);
    for edit in ["a6", "a7", "a8", "a9"] {
        play.change(edit);
    }
    let read = play.notice(&Notice::Lagged);
    let expected =
        ["a 4-5 @5", "read after 5", "a 5-7 @7 in sum", "read after 7", "a 7-9 @9 in sum"];
    assert_eq!(read, expected);
}

#[test]
fn latest_of_one_key_passes_what_is_not_watched() {
    let mut play = Play::new(WatchOptions::key("a".to_owned()).with_mode(Mode::Latest));
    for edit in ["b1", "a1 b2", "b3"] {
        let notice = play.change(edit);
        play.follower.notice(notice);
    }
    assert_eq!(play.run(), ["a 0-1 @2"], "a single change is that change");
    let other = play.change("b4");
    assert_eq!(play.notice(&other), Told::new());
    assert_eq!(play.follower.cursor(), play.log.end());
}

#[test]
fn a_reading_that_failed_is_told_and_tried_again() {
    let mut play = Play::new(every());
    play.change("a1");
    play.follower.notice(Notice::Lagged);
    for _ in 0..2 {
        assert_eq!(play.step(), "read after 0 of 256");
        play.follower.failed(Error::new(ErrorKind::Unavailable, "not now"));
        assert_eq!(play.step(), "unavailable");
    }
    assert_eq!(play.run(), ["read after 0", "a 0-1 @1"]);
}

#[test]
fn a_snapshot_that_failed_is_told_and_tried_again() {
    let mut play = Play::with_log_of(every(), 1);
    play.change("a1");
    play.change("a2");
    play.follower.notice(Notice::Lagged);
    let changes = play.log.after(play.follower.cursor(), 256);
    play.follower.read(changes);
    assert_eq!(play.step(), "snapshot of b\"\"");
    play.follower.failed(Error::new(ErrorKind::Unavailable, "not now"));
    assert_eq!(play.step(), "unavailable");
    assert_eq!(play.run(), ["snapshot", "resync a 2 @2", "read after 2"]);
}

#[test]
fn a_subscription_that_ended_leaves_the_log_to_be_read() {
    let mut play = Play::new(every().with_page_size(1));
    play.change("a1");
    play.change("a2");
    play.follower.ended();
    let read = play.run();
    assert_eq!(read, ["read after 0", "a 0-1 @1", "read after 1", "a 1-2 @2", "closed", "end"]);
    assert_eq!(play.run(), ["end"]);
}

#[test]
fn a_closed_log_leaves_the_notices_to_be_taken() {
    for (mode, expected) in [
        (Mode::Every, &["a 0-1 @1", "a 1-2 @2", "closed", "end"][..]),
        (Mode::Latest, &["a 0-2 @2 in sum", "closed", "end"]),
    ] {
        let mut play = Play::new(every().with_mode(mode));
        let (first, second) = (play.change("a1"), play.change("a2"));
        play.follower.notice(Notice::Lagged);
        assert_eq!(play.step(), "read after 0 of 256");
        play.follower.failed(Error::closed());
        assert_eq!(play.step(), "wait");
        play.follower.notice(first);
        let mut told = vec![play.step()];
        play.follower.notice(second);
        told.push(play.step());
        play.follower.ended();
        told.extend(play.run());
        told.retain(|told| told != "wait");
        assert_eq!(told, expected, "{mode:?}");
    }
}

#[test]
fn a_closed_log_never_leaps_a_gap() {
    let mut play = Play::new(every());
    play.change("a1");
    let (second, third) = (play.change("a2"), play.change("a3"));
    play.follower.notice(second);
    play.follower.failed(Error::closed());
    assert_eq!(play.step(), "wait");
    play.follower.notice(third);
    assert_eq!(play.run(), ["closed", "end"]);
    play.follower.ended();
    assert_eq!(play.run(), ["end"]);
}

#[test]
fn closed_is_given_once_whichever_end_comes_first() {
    for log_first in [true, false] {
        let mut play = Play::new(every());
        play.follower.notice(Notice::Lagged);
        if !log_first {
            play.follower.ended();
        }
        play.follower.failed(Error::closed());
        if log_first {
            play.follower.ended();
        }
        assert_eq!(play.run(), ["closed", "end"], "the log first: {log_first}");
    }
}

fn change(incarnation: u8, previous: u64, sequence: u64) -> Arc<Change<String, u64>> {
    let cursor = Cursor { incarnation: Incarnation::from_bytes([incarnation; 16]), sequence };
    let keys = vec![KeyChange { key: "a".to_owned(), old: None, new: Some(sequence) }];
    let id = UpdateId::from_bytes([u8::try_from(sequence).unwrap(); 16]);
    Arc::new(Change { cursor, previous, id, note: "".into(), keys })
}

fn check_page(
    changes: &[(u8, u64, u64)],
    next: (u8, u64),
    end: (u8, u64),
    expected: Result<usize, &str>,
) {
    let cursor = |(incarnation, sequence): (u8, u64)| Cursor {
        incarnation: Incarnation::from_bytes([incarnation; 16]),
        sequence,
    };
    let mut follower = Follower::new(every(), cursor((1, 5)));
    let changes = changes.iter().map(|of| change(of.0, of.1, of.2)).collect();
    follower.read(Changes::Page(Page { changes, next: cursor(next), end: cursor(end) }));
    let mut count = 0;
    let found = loop {
        match follower.step() {
            Next::Give(Ok(_)) => count += 1,
            Next::Give(Err(error)) if error.kind() == ErrorKind::Corrupt => {
                break Err(error.to_string());
            }
            _ => break Ok(count),
        }
    };
    match expected {
        Ok(expected) => {
            assert_eq!((found, follower.cursor()), (Ok(expected), cursor(next)));
        }
        Err(expected) => {
            let found = found.expect_err("the page was taken");
            assert!(found.contains(expected), "{found}");
            assert_eq!((count, follower.cursor()), (0, cursor((1, 5))));
        }
    }
}

#[test]
fn a_page_with_a_gap_is_refused() {
    check_page(&[(1, 5, 6), (1, 6, 9)], (1, 9), (1, 9), Ok(2));
    check_page(&[], (1, 5), (1, 5), Ok(0));
    check_page(&[(1, 6, 7)], (1, 7), (1, 7), Err("with a change from 6 to"));
    check_page(&[(1, 5, 6), (1, 7, 8)], (1, 8), (1, 8), Err("with a change from 7 to"));
    check_page(&[(2, 5, 6)], (2, 6), (2, 6), Err("with a change from 5 to"));
    check_page(&[(1, 4, 5)], (1, 5), (1, 5), Err("with a change from 4 to"));
    check_page(&[(1, 5, 6)], (1, 5), (1, 6), Err("goes up to"));
    check_page(&[(1, 5, 6)], (2, 6), (2, 6), Err("goes up to"));
    check_page(&[], (1, 5), (1, 9), Err("has nothing after"));
}

#[test]
fn a_filtered_view_may_pass_places_without_a_change() {
    check_page(&[], (1, 9), (1, 12), Ok(0));
    check_page(&[(1, 3, 7)], (1, 9), (1, 9), Ok(1));
}
