use ramus_core::open::Openers;
use ramus_core::{
    AtomicWriteExt as _, ContentAddressable as _, ErrorKind, ReadOnly as _, RefName, Sha1,
    Storage as _,
};

fn openers() -> Openers<Sha1> {
    Openers::new().with("mem", ramus_mem::open)
}

#[tokio::test]
async fn every_opening_gives_a_new_storage() {
    let (one, other) =
        (openers().open("mem:").await.unwrap(), openers().open("MEM:").await.unwrap());
    let main = RefName::branch("main").unwrap();
    let hello = one.blocks().add("hello".into()).await.unwrap();
    one.refs().set(main.clone(), hello).await.unwrap();
    assert_eq!(one.refs().find(&main).await.unwrap(), Some(hello));
    assert_eq!(other.refs().find(&main).await.unwrap(), None);
    assert_eq!(other.blocks().find(&hello).await.unwrap(), None);
}

#[tokio::test]
async fn options_of_the_location_take_effect() {
    use ramus_core::{AtomicWrite as _, Changes};

    let storage = openers().open("mem:?log_changes_max=2&notices_max=1").await.unwrap();
    let start = storage.refs().position().await.unwrap();
    let block = storage.blocks().add("hello".into()).await.unwrap();
    for name in ["a", "b", "c"] {
        storage.refs().set(RefName::branch(name).unwrap(), block).await.unwrap();
    }
    let changes = storage.refs().changes(start, 10).await.unwrap();
    assert!(matches!(changes, Changes::Truncated { .. }), "two of three changes are kept");
}

#[tokio::test]
async fn an_option_beyond_its_bounds_is_taken_for_the_nearest() {
    for location in ["mem:?notices_max=0&log_changes_max=0", "mem:?notices_max=9223372036854775808"]
    {
        let storage = openers().open(location).await.unwrap();
        assert_eq!(storage.refs().list(b"").await.unwrap(), [], "{location}");
    }
}

#[tokio::test]
async fn a_wrong_location_is_refused_with_what_would_be_right() {
    async fn check(location: &str, message: &str) {
        let error = openers().open(location).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{location}");
        assert_eq!(error.to_string(), message, "{location}");
    }
    check("", "location `` has no scheme: `scheme:path?option=value` is, and known is `mem:`")
        .await;
    check(
        "./data",
        "location `./data` has no scheme: `scheme:path?option=value` is, and known is `mem:`",
    )
    .await;
    check("men:", "scheme `men` is unknown; known is `mem:`").await;
    check(
        "mem:?log_changes=5",
        "cannot open `mem:`: option `log_changes` is unknown; accepted are `log_changes_max`, \
         `notices_max`",
    )
    .await;
    let bad = format!("is not a whole number from 0 to {}", usize::MAX);
    check(
        "mem:?log_changes_max=many",
        &format!("cannot open `mem:`: option `log_changes_max`: `many` {bad}"),
    )
    .await;
    check(
        "mem:?log_changes_max=-1",
        &format!("cannot open `mem:`: option `log_changes_max`: `-1` {bad}"),
    )
    .await;
    check(
        "mem:?log_changes_max=1&log_changes_max=2",
        "cannot open `mem:`: option `log_changes_max` is given twice",
    )
    .await;
    check("mem:?log_changes_max", "option `log_changes_max` has to be written `name=value`").await;
    check(
        "mem:./data",
        "`mem:` takes no path, and `./data` was given: a memory storage is always new; write \
         `mem:`, or `mem:?log_changes_max=1000` with options",
    )
    .await;
}
