//! Every law of contents catches a type that breaks it, and lets a sound one pass.

use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use ramus_core::{Error, Result};
use ramus_kv::{Conflict, Contents, laws, merge};

/// What a type does; by default nothing is wrong with it.
trait Behaviour: Send + Sync + 'static {
    fn equal(a: i64, b: i64) -> bool {
        a == b
    }

    fn encode(number: i64) -> Vec<u8> {
        number.to_be_bytes().to_vec()
    }

    fn decode(bytes: &[u8]) -> Option<i64> {
        Some(i64::from_be_bytes(bytes.try_into().ok()?))
    }

    fn merge(ancestor: Side<'_>, ours: Side<'_>, theirs: Side<'_>) -> Merged {
        merge::whole(ancestor, ours, theirs)
    }
}

type Side<'a> = Option<&'a i64>;
type Merged = Result<Option<i64>, Conflict>;

/// A number that behaves so.
struct Number<B>(i64, PhantomData<fn() -> B>);

impl<B: Behaviour> Contents for Number<B> {
    fn encode(&self) -> Result<Bytes> {
        match self.0 {
            1000.. => Err(Error::invalid_input("a number has to be below 1000")),
            number => Ok(B::encode(number).into()),
        }
    }

    fn decode(bytes: &Bytes) -> Result<Self> {
        let number = B::decode(bytes).filter(|number| *number < 1000);
        number.map(Self::new).ok_or_else(|| Error::corrupt("no number"))
    }

    fn merge(
        ancestor: Option<&Self>,
        ours: Option<&Self>,
        theirs: Option<&Self>,
    ) -> Result<Option<Self>, Conflict> {
        let [ancestor, ours, theirs] = [ancestor, ours, theirs].map(|side| Some(&side?.0));
        Ok(B::merge(ancestor, ours, theirs)?.map(Self::new))
    }
}

impl<B> Number<B> {
    fn new(number: i64) -> Self {
        Self(number, PhantomData)
    }
}

impl<B> Clone for Number<B> {
    fn clone(&self) -> Self {
        Self::new(self.0)
    }
}

impl<B: Behaviour> PartialEq for Number<B> {
    fn eq(&self, other: &Self) -> bool {
        B::equal(self.0, other.0)
    }
}

impl<B> fmt::Debug for Number<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Declares a behaviour that differs from the sound one in these functions.
macro_rules! behaviour {
    ($name:ident { $($function:item)* }) => {
        struct $name;

        impl Behaviour for $name {
            $($function)*
        }
    };
}

behaviour! { Sound {} }

behaviour! { ReadsAnother {
    fn decode(bytes: &[u8]) -> Option<i64> {
        Sound::decode(bytes)?.checked_add(1)
    }
} }

behaviour! { WritesEqualsApart {
    fn equal(a: i64, b: i64) -> bool {
        a.checked_abs() == b.checked_abs()
    }
} }

behaviour! { WritesAllAlike {
    fn encode(_: i64) -> Vec<u8> {
        Sound::encode(0)
    }
} }

behaviour! { ReadsPastTheEnd {
    fn decode(bytes: &[u8]) -> Option<i64> {
        Sound::decode(bytes.get(..8)?)
    }
} }

behaviour! { ReadsShortened {
    fn decode(bytes: &[u8]) -> Option<i64> {
        let mut whole = [0; 8];
        whole.get_mut(8_usize.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
        Sound::decode(&whole)
    }
} }

behaviour! { PanicsOverShortBytes {
    fn decode(bytes: &[u8]) -> Option<i64> {
        Sound::decode(&bytes[..8]).filter(|_| bytes.len() == 8)
    }
} }

behaviour! { IgnoresTheirs {
    fn merge(_: Side<'_>, ours: Side<'_>, _: Side<'_>) -> Merged {
        Ok(ours.copied())
    }
} }

behaviour! { IgnoresOurs {
    fn merge(_: Side<'_>, _: Side<'_>, theirs: Side<'_>) -> Merged {
        Ok(theirs.copied())
    }
} }

behaviour! { RevivesTheDeleted {
    fn merge(ancestor: Side<'_>, ours: Side<'_>, theirs: Side<'_>) -> Merged {
        Ok(merge::whole(ancestor, ours, theirs)?.or(ancestor.copied()))
    }
} }

behaviour! { DisagreesWithEquals {
    fn merge(ancestor: Side<'_>, ours: Side<'_>, theirs: Side<'_>) -> Merged {
        if ours == theirs && ours != ancestor {
            return Err(Conflict::new("both sides changed it"));
        }
        merge::whole(ancestor, ours, theirs)
    }
} }

behaviour! { Remembers {
    fn merge(ancestor: Side<'_>, ours: Side<'_>, theirs: Side<'_>) -> Merged {
        static CALLS: AtomicI64 = AtomicI64::new(0);
        let call = CALLS.fetch_add(1, Ordering::Relaxed);
        merge::whole(ancestor, ours, theirs).or(Ok(Some(call % 1000)))
    }
} }

behaviour! { GrowsTooLarge {
    fn merge(ancestor: Side<'_>, ours: Side<'_>, theirs: Side<'_>) -> Merged {
        merge::whole(ancestor, ours, theirs).or(Ok(Some(1000)))
    }
} }

behaviour! { FavoursOurs {
    fn merge(ancestor: Side<'_>, ours: Side<'_>, theirs: Side<'_>) -> Merged {
        merge::whole(ancestor, ours, theirs).or(Ok(ours.copied()))
    }
} }

behaviour! { LetsDeletionWin {
    fn merge(ancestor: Side<'_>, ours: Side<'_>, theirs: Side<'_>) -> Merged {
        merge::whole(ancestor, ours, theirs).or_else(|conflict| match (ours, theirs) {
            (Some(_), Some(_)) => Err(conflict),
            _ => Ok(None),
        })
    }
} }

behaviour! { MakesUp {
    fn merge(ancestor: Side<'_>, ours: Side<'_>, theirs: Side<'_>) -> Merged {
        merge::whole(ancestor, ours, theirs).or(Ok(Some(999)))
    }
} }

behaviour! { LosesWhatAllHave {
    fn merge(ancestor: Side<'_>, ours: Side<'_>, theirs: Side<'_>) -> Merged {
        merge::whole(ancestor, ours, theirs).or(Ok(Some(0)))
    }
} }

const SAMPLES: [i64; 6] = [0, 1, -1, 5, 256, -300];

/// Says whether a type of this behaviour breaks a law.
fn breaks<B: Behaviour>(law: fn(&[Number<B>])) -> bool {
    let samples = SAMPLES.map(Number::new);
    catch_unwind(AssertUnwindSafe(|| law(&samples))).is_err()
}

/// Says which laws a type of this behaviour breaks, of those that hold for all types.
fn broken<B: Behaviour>() -> Vec<&'static str> {
    macro_rules! broken_of {
        ($($law:ident)*) => {
            [$((stringify!($law), breaks::<B>(laws::$law))),*]
        };
    }
    let laws = broken_of! {
        what_was_encoded_decodes
        equal_values_alone_have_equal_bytes
        other_bytes_are_refused
        where_one_side_is_unchanged_the_other_stands
        equal_sides_agree
        merging_again_gives_the_same
        what_was_merged_can_be_stored
        the_sides_are_alike
        deletion_against_change_conflicts
    };
    laws.into_iter().filter(|(_, is_broken)| *is_broken).map(|(law, _)| law).collect()
}

#[test]
fn a_sound_type_breaks_no_law() {
    assert_eq!(broken::<Sound>(), [""; 0]);
}

#[test]
fn every_fault_is_caught_by_the_laws_that_are_about_it() {
    let decodes = "what_was_encoded_decodes";
    let equal_bytes = "equal_values_alone_have_equal_bytes";
    let refused = "other_bytes_are_refused";
    let unchanged = "where_one_side_is_unchanged_the_other_stands";
    let agree = "equal_sides_agree";
    let again = "merging_again_gives_the_same";
    let stored = "what_was_merged_can_be_stored";
    let alike = "the_sides_are_alike";
    let deletion = "deletion_against_change_conflicts";

    assert_eq!(broken::<ReadsAnother>(), [decodes, refused, stored]);
    assert_eq!(broken::<WritesAllAlike>(), [decodes, equal_bytes, refused, stored]);
    assert_eq!(broken::<WritesEqualsApart>(), [equal_bytes]);
    assert_eq!(broken::<ReadsPastTheEnd>(), [refused]);
    assert_eq!(broken::<ReadsShortened>(), [refused]);
    assert_eq!(broken::<PanicsOverShortBytes>(), [refused]);
    assert_eq!(broken::<IgnoresTheirs>(), [unchanged, alike, deletion]);
    assert_eq!(broken::<IgnoresOurs>(), [unchanged, alike, deletion]);
    assert_eq!(broken::<RevivesTheDeleted>(), [unchanged, agree]);
    assert_eq!(broken::<DisagreesWithEquals>(), [agree]);
    assert_eq!(broken::<Remembers>(), [again, alike, deletion]);
    assert_eq!(broken::<GrowsTooLarge>(), [stored, deletion]);
    assert_eq!(broken::<FavoursOurs>(), [alike, deletion]);
    assert_eq!(broken::<LetsDeletionWin>(), [deletion]);
}

/// The parts of a number are its bits.
fn bits<B>(number: &Number<B>) -> Vec<u32> {
    let number = number.0;
    (0..64).filter(|bit| number >> bit & 1 == 1).collect()
}

#[test]
fn what_is_made_up_or_lost_is_caught_by_the_laws_of_parts() {
    assert!(breaks::<MakesUp>(|samples| laws::nothing_is_made_up(samples, bits)));
    assert!(breaks::<MakesUp>(|samples| laws::nothing_is_made_up(samples, |number| [number.0])));
    assert!(breaks::<LosesWhatAllHave>(|samples| laws::what_all_have_is_kept(samples, bits)));
    assert!(!breaks::<LosesWhatAllHave>(|samples| laws::nothing_is_made_up(samples, bits)));
    assert!(!breaks::<Sound>(|samples| laws::nothing_is_made_up(samples, |number| [number.0])));
    assert!(!breaks::<Sound>(|samples| laws::what_all_have_is_kept(samples, bits)));
}
