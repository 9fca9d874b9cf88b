use std::collections::BTreeMap;

use futures::{FutureExt as _, StreamExt as _};
use proptest::prelude::*;
use ramus_core::wrap::{Prefixed, PrefixedStorage};
use ramus_core::{
    AtomicWrite as _, AtomicWriteExt as _, Change, Changes, ContentAddressable as _, Cursor,
    ErrorKind, Hash as _, Joined, Notice, Outcome, ReadOnly as _, RefName, Sha1, Storage as _,
    Sweep as _, Update, UpdateId,
};
use ramus_mem::{Mem, MemBlocks, MemOptions, MemRefs};
use ramus_watch::{Event, Mode, WatchExt as _, WatchOptions};

use crate::support::{branch, cause, closed, refused};

type Refs<K> = MemRefs<K, u64>;

fn text_views() -> (Refs<String>, Prefixed<Refs<String>>, Prefixed<Refs<String>>) {
    let below = Refs::default();
    let view = |prefix| Prefixed::new(below.clone(), prefix).expect("a prefix");
    (below.clone(), view("a/"), view("b/"))
}

fn text(key: &str) -> String {
    key.to_owned()
}

#[tokio::test]
async fn the_prefix_stands_behind_the_namespace_of_a_ref() {
    let below = Refs::<RefName>::default();
    let view = Prefixed::new(below.clone(), "tenant/7/").unwrap();
    view.set(branch("main"), 1).await.unwrap();
    view.set(RefName::tag("v1").unwrap(), 2).await.unwrap();
    let stored = below.list(b"").await.unwrap();
    assert_eq!(stored, [branch("tenant/7/main"), RefName::tag("tenant/7/v1").unwrap()]);
    below.set(branch("main"), 3).await.unwrap();
    below.set(branch("tenant/77"), 4).await.unwrap();
    assert_eq!(view.find(&branch("main")).await.unwrap(), Some(1));
    assert!(!view.mem(&branch("77")).await.unwrap());
    let keys = [branch("tenant/7/main"), RefName::tag("v1").unwrap()];
    assert_eq!(view.find_many(&keys).await.unwrap(), [None, Some(2)]);
}

#[tokio::test]
async fn views_of_one_store_do_not_see_one_another() {
    let (below, a, b) = text_views();
    a.set(text("k"), 1).await.unwrap();
    b.set(text("k"), 2).await.unwrap();
    below.set(text("k"), 3).await.unwrap();
    assert_eq!(a.find(&text("k")).await.unwrap(), Some(1));
    assert_eq!(b.find(&text("k")).await.unwrap(), Some(2));
    a.clear().await.unwrap();
    assert_eq!(below.list(b"").await.unwrap(), ["b/k", "k"]);
    b.close().await.unwrap();
    closed(a.find(&text("k")).await);
}

#[tokio::test]
async fn a_refusal_speaks_of_the_key_of_the_view() {
    let (_, a, _) = text_views();
    a.set(text("k"), 1).await.unwrap();
    let at = a.position().await.unwrap();
    let update = Update::new(at).test_and_set(text("k"), None, Some(2));
    let Outcome::Refused(refusal) = a.update(update).await.unwrap() else { panic!("it is there") };
    assert_eq!((refusal.key, refusal.holds, refusal.at), (text("k"), Some(1), at));
}

#[test]
fn a_prefix_that_no_key_can_have_is_refused() {
    let refs = Refs::<RefName>::default();
    let check = |prefix: &str, message: &str| {
        refused(Prefixed::new(refs.clone(), prefix), ErrorKind::InvalidInput, message)
    };
    let empty = "the prefix is empty, which would show the whole store";
    check("", empty);
    check("tenant", "prefix `tenant` of ref names has to end in `/`");
    let error = check("a b/", "no ref name can begin with the prefix `a b/`");
    assert!(cause(&error).contains("holds ' '"));
    let error = check("../", "no ref name can begin with the prefix `../`");
    assert!(cause(&error).contains("the part `..`"));
    check("/", "no ref name can begin with the prefix `/`");
    let of_length = |length: usize| format!("{}/", "x".repeat(length - 1));
    let long = of_length(255);
    check(&long, &format!("no ref name can begin with the prefix `{long}`"));
    assert!(Prefixed::new(refs.clone(), &of_length(254)).is_ok());
    let texts = Refs::<String>::default();
    refused(Prefixed::new(texts.clone(), ""), ErrorKind::InvalidInput, empty);
    assert!(Prefixed::new(texts, "any text").is_ok());
}

#[tokio::test]
async fn a_name_that_is_too_long_below_the_prefix_is_refused_everywhere() {
    let view = Prefixed::new(Refs::<RefName>::default(), "tenant/").unwrap();
    let (fits, long) = (branch(&"x".repeat(248)), branch(&"x".repeat(249)));
    view.set(fits.clone(), 1).await.unwrap();
    assert_eq!(view.list(b"").await.unwrap(), [fits]);
    let message = format!("key {long:?} cannot stand below the prefix `tenant/`");
    let (input, at) = (ErrorKind::InvalidInput, view.position().await.unwrap());
    let error = refused(view.find(&long).await, input, &message);
    assert!(cause(&error).contains("has 256 bytes"));
    refused(view.mem(&long).await, input, &message);
    refused(view.find_many(std::slice::from_ref(&long)).await, input, &message);
    let update = Update::new(at).set(branch("other"), 1).set(long, 1);
    refused(view.update(update).await, input, &message);
    assert_eq!(view.position().await.unwrap(), at);
}

proptest! {
    #[test]
    fn a_snapshot_of_a_view_is_what_a_store_of_its_own_would_give(
        names in prop::collection::btree_set("(branch|tag|internal)/(t/)?[a-c]{1,2}", 0..12),
        prefix in prop::sample::select(vec![
            "", "b", "branch", "branch/", "branch/a", "branch/t", "branch/t/", "tag/b", "internal/",
            "x", "branch/ab/",
        ]),
    ) {
        let (whole, own) = (Refs::<RefName>::default(), Refs::<RefName>::default());
        let view = Prefixed::new(whole.clone(), "t/").unwrap();
        let test = async {
            for (number, name) in (0..).zip(&names) {
                let name: RefName = name.parse()?;
                whole.set(name.clone(), number).await?;
                let (space, rest) = (name.namespace(), name.name());
                if let Some(rest) = rest.strip_prefix("t/") {
                    own.set(RefName::new(space, rest)?, number).await?;
                }
            }
            let found = view.snapshot(prefix.as_bytes()).await?;
            assert_eq!(found.cursor(), whole.position().await?);
            let expected = own.snapshot(prefix.as_bytes()).await?.collect().await?;
            assert_eq!(found.collect().await?, expected);
            ramus_core::Result::<()>::Ok(())
        };
        test.now_or_never().expect("memory answers at once")?;
    }

    /// Any writers inside and outside, any pages, beginning anywhere, give the changes inside.
    #[test]
    fn the_log_of_a_view_is_the_part_inside_linked_without_a_gap(
        updates in prop::collection::vec(prop::collection::btree_map("(a/|b/|)[xy]", 0..3_u64, 1..4), 0..20),
        page_sizes in prop::collection::vec(0..4_usize, 1..4),
        begin in 0..20_usize,
    ) {
        let (below, view, _) = text_views();
        let test = async {
            let mut notices = view.subscribe();
            let (mut places, mut inside) = (vec![below.position().await?], Vec::new());
            for edits in &updates {
                let update = Update::new(places[0]).with_note("why");
                let update = edits.iter().fold(update, |update, (key, value)| match value {
                    0 => update.remove(key.clone()),
                    value => update.set(key.clone(), *value),
                });
                let before = below.position().await?;
                assert!(below.update(update).await?.is_applied());
                if below.position().await? != before {
                    places.push(below.position().await?);
                    let page = page_of(below.changes(before, 1).await?);
                    inside.extend(shown(&page.changes[0]).map(|keys| (places.len() - 1, keys)));
                }
            }

            let begin = begin.min(places.len() - 1);
            let mut sizes = page_sizes.iter().cycle().map(|size| size + 1);
            let (mut cursor, mut read) = (places[begin], Vec::new());
            loop {
                let limit = sizes.next().expect("a cycle");
                let page = page_of(view.changes(cursor, limit).await?);
                assert!(page.changes.len() <= limit);
                let mut at = cursor;
                for change in &page.changes {
                    assert_eq!(change.previous, at.sequence, "{change:?} is not linked to {at}");
                    at = change.cursor;
                    read.push((index(&places, at), keys(change)));
                }
                assert!(page.next.sequence >= at.sequence);
                cursor = page.next;
                if page.is_last() {
                    break;
                }
            }
            assert_eq!(&read[..], &inside[inside.partition_point(|(place, _)| *place <= begin)..]);

            for (number, place) in places.iter().enumerate().skip(1) {
                let Some(Notice::Change(change)) = notices.next().await else { panic!("a change") };
                assert!(change.follows(places[number - 1]) && change.cursor == *place);
                if let Some((_, expected)) = inside.iter().find(|(place, _)| *place == number) {
                    assert_eq!((&keys(&change), &*change.note), (expected, &b"why"[..]));
                } else {
                    assert!(change.keys.is_empty() && change.note.is_empty());
                    assert_eq!(change.id, UpdateId::from_bytes([0; 16]));
                }
            }
            ramus_core::Result::<()>::Ok(())
        };
        test.now_or_never().expect("memory answers at once")?;
    }
}

type Keys = BTreeMap<String, (Option<u64>, Option<u64>)>;

fn keys(change: &Change<String, u64>) -> Keys {
    change.keys.iter().map(|key| (key.key.clone(), (key.old, key.new))).collect()
}

/// Returns what the view below `a/` shows of a change of the whole store, if it shows anything.
fn shown(change: &Change<String, u64>) -> Option<Keys> {
    let inside = keys(change).into_iter();
    let inside = inside.filter_map(|(key, values)| Some((key.strip_prefix("a/")?.into(), values)));
    Some(inside.collect()).filter(|keys: &Keys| !keys.is_empty())
}

fn index(places: &[Cursor], cursor: Cursor) -> usize {
    places.iter().position(|place| *place == cursor).expect("a place of the log")
}

fn page_of(changes: Changes<String, u64>) -> ramus_core::Page<String, u64> {
    match changes {
        Changes::Page(page) => page,
        Changes::Truncated { oldest } => panic!("the log is kept from {oldest} only"),
    }
}

/// Others write more than the log keeps, between any two changes of the view.
#[test]
fn a_watch_of_a_view_is_not_thrown_back_by_what_others_write() {
    for mode in [Mode::Every, Mode::Latest] {
        let test = async {
            let below = Refs::<String>::new(&MemOptions::default().with_log_changes_max(4));
            let view = Prefixed::new(below.clone(), "a/")?;
            let mut watch = view.watch(WatchOptions::all().with_mode(mode)).await?;
            for round in 0..10 {
                for number in 0..6 {
                    below.set(text("b/k"), 100 * round + number).await?;
                    assert!(watch.next().now_or_never().is_none(), "nothing of it is told");
                }
                view.set(text("k"), round + 1).await?;
                let Some(Event::Changed(changed)) = watch.next().await.transpose()? else {
                    panic!("thrown back in round {round}")
                };
                assert_eq!(changed.keys()[0].new, Some(round + 1));
                assert_eq!(watch.cursor(), below.position().await?);
            }
            ramus_core::Result::<()>::Ok(())
        };
        // Without a runtime, whose budget would make a watch wait that has something to give.
        test.now_or_never().expect("memory answers at once").unwrap();
    }
}

#[tokio::test]
async fn what_a_subscriber_missed_is_said() {
    let below = Refs::<String>::new(&MemOptions::default().with_notices_max(1));
    let view = Prefixed::new(below.clone(), "a/").unwrap();
    let mut notices = view.subscribe();
    for value in 0..10 {
        below.set(text("b/k"), value).await.unwrap();
    }
    assert_eq!(notices.next().await, Some(Notice::Lagged));
    below.close().await.unwrap();
    let rest: Vec<_> = notices.collect().await;
    let is_place = |notice: &Notice<String, u64>| match notice {
        Notice::Change(change) => change.keys.is_empty(),
        Notice::Lagged => false,
    };
    assert!(rest.iter().all(is_place), "{rest:?}");
}

#[tokio::test]
async fn a_cursor_that_the_store_below_forgot_is_truncated_in_the_view() {
    let below = Refs::<String>::new(&MemOptions::default().with_log_changes_max(2));
    let view = Prefixed::new(below.clone(), "a/").unwrap();
    let start = view.position().await.unwrap();
    for value in 0..5 {
        below.set(text("b/k"), value).await.unwrap();
    }
    let oldest = Cursor { sequence: 3, ..start };
    assert_eq!(view.changes(start, 9).await.unwrap(), Changes::Truncated { oldest });
    let page = page_of(view.changes(oldest, 1).await.unwrap());
    assert!(page.changes.is_empty() && !page.is_last());
    assert_eq!(page.next.sequence, 4);
}

#[tokio::test]
async fn views_of_a_storage_share_blocks_and_pin_but_do_not_collect() {
    let below = Mem::<Sha1>::default();
    let view = |prefix| PrefixedStorage::new(below.clone(), prefix).unwrap();
    let (a, b) = (view("a/"), view("b/"));
    let key = Sha1::of(b"block");
    let update = Update::new(a.refs().position().await.unwrap()).set(branch("main"), key);
    let again = update.clone();
    let Outcome::Applied(at) = a.write(vec![(key, "block".into())], update).await.unwrap() else {
        panic!("nothing was tested")
    };
    assert_eq!(a.write(Vec::new(), again).await.unwrap(), Outcome::Applied(at));
    assert_eq!(below.refs().list(b"").await.unwrap(), [branch("a/main")]);
    assert_eq!(b.refs().find(&branch("main")).await.unwrap(), None);
    assert!(b.blocks().mem(&key).await.unwrap());

    let update = Update::new(at).test_and_set(branch("main"), None, Some(key));
    let Outcome::Refused(refusal) = a.write(Vec::new(), update).await.unwrap() else {
        panic!("it is there")
    };
    assert_eq!(refusal.key, branch("main"));
    let absent = Sha1::of(b"absent");
    let answer = b.refs().set(branch("main"), absent).await;
    refused(answer, ErrorKind::Missing, &format!("block {absent} is not in the store"));

    let sweep = b.sweep().unwrap();
    drop(sweep.pin(vec![key]).await.unwrap());
    let message = "cannot begin a collection through this view; collect in the storage itself";
    refused(sweep.begin().await, ErrorKind::Permission, message);
    let input = ErrorKind::InvalidInput;
    let message = "prefix `c` of ref names has to end in `/`";
    refused(PrefixedStorage::new(below.clone(), "c"), input, message);
    a.close().await.unwrap();
    closed(b.refs().position().await);
    closed(b.blocks().flush().await);
}

#[tokio::test]
async fn refs_below_a_prefix_can_be_joined_with_blocks() {
    let (blocks, refs) = (MemBlocks::<Sha1>::new(), MemRefs::<RefName, Sha1>::default());
    let storage = Joined::new(blocks, Prefixed::new(refs.clone(), "t/").unwrap());
    let key = storage.blocks().add("block".into()).await.unwrap();
    storage.refs().set(branch("main"), key).await.unwrap();
    assert_eq!(refs.find(&branch("t/main")).await.unwrap(), Some(key));
}
