//! The notes of updates: round trips, the canonical law, what is cut off, and a golden file.

use bytes::Bytes;
use proptest::prelude::*;
use ramus_core::{Hash as _, Limits, Sha1, hash_type};
use ramus_kv::{Made, Note, Reason};

use crate::campaign::cases;

fn reason(author: &str, time_ms: i64, message: &str, commits: Made<Sha1>) -> Reason<Sha1> {
    let (author, message) = (author.to_owned(), message.to_owned());
    Reason { author, time_ms, message, commits }
}

fn several(count: u64) -> Made<Sha1> {
    Made::Several { count, first: Sha1::of(b"first"), last: Sha1::of(b"last") }
}

fn any_made() -> impl Strategy<Value = Made<Sha1>> {
    let hash = || any::<u64>().prop_map(|number| Sha1::of(&number.to_le_bytes()));
    let several = (2..=u64::MAX, hash(), hash()).prop_map(|(count, first, last)| Made::Several {
        count,
        first,
        last,
    });
    prop_oneof![Just(Made::None), Just(Made::One), several]
}

fn any_reason() -> impl Strategy<Value = Reason<Sha1>> {
    (".{0,40}", any::<i64>(), "(.|\n){0,80}", any_made()).prop_map(
        |(author, time_ms, message, commits)| Reason { author, time_ms, message, commits },
    )
}

/// Checks that bytes are foreign, or the one encoding of what they say; returns whether they are.
fn is_canonical(bytes: &Bytes) -> bool {
    match Note::<Sha1>::decode(bytes) {
        Note::Known(reason) => {
            assert_eq!(reason.encode(), bytes, "{reason:?}");
            true
        }
        Note::Foreign(foreign) => {
            assert_eq!(foreign, bytes);
            false
        }
    }
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn a_note_says_what_was_said(reason in any_reason()) {
        let note = reason.encode();
        prop_assert!(note.len() <= Limits::NOTE_MAX);
        prop_assert_eq!(Note::decode(&note), Note::Known(reason));
    }

    #[test]
    fn bytes_that_are_nearly_a_note_are_foreign_or_the_one_encoding(
        reason in any_reason(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        end in any::<prop::sample::Index>(),
    ) {
        let note = reason.encode();
        let mut changed = note.to_vec();
        changed[place.index(note.len())] = byte;
        is_canonical(&changed.into());
        is_canonical(&note.slice(..end.index(note.len() + 1)));
    }

    #[test]
    fn any_bytes_are_foreign_or_the_one_encoding(bytes in prop::collection::vec(0_u8..8, 0..60)) {
        is_canonical(&bytes.into());
    }

    #[test]
    fn what_is_too_long_is_cut_off_between_two_characters(
        author in "[aé語]{0,300}",
        message in "[aé語]{1000,5000}",
        commits in any_made(),
    ) {
        let note = reason(&author, 7, &message, commits).encode();
        prop_assert!(note.len() <= Limits::NOTE_MAX);
        let Note::Known(said) = Note::decode(&note) else { panic!("it is a note") };
        prop_assert_eq!((said.time_ms, &said.commits), (7, &commits));
        prop_assert!(author.starts_with(&said.author) && message.starts_with(&said.message));
        // Not one character more would fit.
        let next = |text: &str, said: &str| {
            text.strip_prefix(said)?.chars().next().map(char::len_utf8)
        };
        let fits = |length: usize, next: Option<usize>, max: usize| {
            next.is_some_and(|next| length + next <= max)
        };
        prop_assert!(!fits(said.author.len(), next(&author, &said.author), 255));
        prop_assert!(!fits(note.len(), next(&message, &said.message), Limits::NOTE_MAX));
    }
}

#[test]
fn the_note_is_that_of_the_golden_file() {
    let note = reason("Adé", -2, "count 語", several(300)).encode();
    crate::format::check_golden("note", &note);
    assert!(is_canonical(&note));
}

#[test]
fn notes_of_others_are_foreign() {
    let foreign =
        |bytes: &[u8]| assert!(!is_canonical(&Bytes::copy_from_slice(bytes)), "{bytes:?}");
    foreign(b"");
    foreign(b"set head");
    foreign(b"\x02\x00\0\0\0\0\0\0\0\0\x00");
    foreign(b"\x01\x00\0\0\0\0\0\0\0\0"); // no count
    foreign(b"\x01\x00\0\0\0\0\0\0\0\0\x02"); // two, and no hashes
    foreign(b"\x01\x80\x00\0\0\0\0\0\0\0\0\x00"); // a longer form of 0
    foreign(b"\x01\x00\0\0\0\0\0\0\0\0\x00\xff"); // no text
    assert!(is_canonical(&b"\x01\x00\0\0\0\0\0\0\0\0\x00"[..].into()));
    let mut long = reason("a", 0, &"x".repeat(5000), Made::None).encode().to_vec();
    assert_eq!(long.len(), Limits::NOTE_MAX);
    long.push(b'x');
    foreign(&long);
    let mut author = vec![1, 0x80, 0x02]; // of 256 bytes
    author.extend([b'a'; 256]);
    author.extend([0; 9]);
    foreign(&author);
}

#[test]
fn several_commits_are_two_or_more() {
    for (count, made) in [(0, Made::None), (1, Made::One), (2, several(2))] {
        let note = reason("a", 0, "why", several(count)).encode();
        assert_eq!(Note::decode(&note), Note::Known(reason("a", 0, "why", made)));
    }
}

hash_type! {
    /// So long that two of them do not fit in a note.
    struct Long([u8; 3000]) = "long", |_parts| [7; 3000];
}

#[test]
fn a_note_that_cannot_hold_its_hashes_is_empty() {
    let long = Long::of(b"");
    let commits = Made::Several { count: 2, first: long, last: long };
    let (author, message) = (String::new(), "why".to_owned());
    let reason = Reason { author, time_ms: 0, message, commits };
    assert_eq!(reason.encode(), Bytes::new());
}
