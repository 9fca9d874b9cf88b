use bytes::Bytes;
use ramus_core::erased::Backend;
use ramus_core::open::{Location, Openers};
use ramus_core::{
    ContentAddressable as _, Error, ErrorKind, IdSource, OsRandom, ReadOnly as _, Result, Sha1,
    Storage as _,
};
use ramus_mem::{Mem, MemOptions};

use crate::support::{closed, refused};

async fn open_mem(location: Location) -> Result<Backend<Sha1>> {
    if !location.path().is_empty() {
        let path = location.path();
        return Err(Error::invalid_input(format!("`mem:` has no path, and `{path}` is one")));
    }
    let options: MemOptions = location.options()?;
    Ok(Backend::new(Mem::new(&options)))
}

fn openers() -> Openers<Sha1> {
    let refuse = |location: Location| async move {
        let path = location.path().to_owned();
        Err(Error::new(ErrorKind::Unavailable, format!("{path} is held by another writer")))
    };
    Openers::new().with("mem", open_mem).with("pack", refuse)
}

#[tokio::test]
async fn every_mem_is_new_and_clones_are_one_storage() {
    let openers = openers();
    let one = openers.open("mem:").await.unwrap();
    let other = openers.open("MEM:?notices_max=8&log_changes_max=9").await.unwrap();
    let key = one.blocks().add("block".into()).await.unwrap();
    assert_eq!(one.clone().blocks().find(&key).await.unwrap(), Some(Bytes::from("block")));
    assert_eq!(other.blocks().find(&key).await.unwrap(), None);
    one.close().await.unwrap();
    closed(one.blocks().find(&key).await);
    assert_eq!(other.blocks().find(&key).await.unwrap(), None, "it is another store");
}

#[tokio::test]
async fn a_wrong_location_says_what_would_be_right() {
    let openers = openers();
    let check = async |location: &str, message: &str| {
        refused(openers.open(location).await, ErrorKind::InvalidInput, message);
    };
    let known = "known are `mem:`, `pack:`";
    let form = "`scheme:path?option=value` is";
    check("", &format!("location `` has no scheme: {form}, and {known}")).await;
    check("./data", &format!("location `./data` has no scheme: {form}, and {known}")).await;
    check("mme:", &format!("scheme `mme` is unknown; {known}")).await;
    check("mem:x", "`mem:` has no path, and `x` is one").await;
    check(
        "mem:?notices=1",
        "cannot open `mem:`: option `notices` is unknown; \
         accepted are `log_changes_max`, `notices_max`",
    )
    .await;
    let number = "a whole number from 0 to";
    check(
        "mem:?notices_max=lots",
        &format!("cannot open `mem:`: option `notices_max`: `lots` is not {number} {}", usize::MAX),
    )
    .await;
    check("mem:?notices_max", "option `notices_max` has to be written `name=value`").await;
    let long = format!("x{}:", "é".repeat(100));
    let error = openers.open(&long).await.unwrap_err();
    assert!(error.to_string().len() < 250, "{error}");
}

#[tokio::test]
async fn what_the_opener_answers_is_passed_on() {
    let answer = openers().open("pack:./a%20b").await;
    refused(answer, ErrorKind::Unavailable, "./a b is held by another writer");
}

#[tokio::test]
async fn without_an_opener_no_scheme_is_known() {
    let none = Openers::<Sha1>::default();
    let answer = none.open("mem:").await;
    refused(answer, ErrorKind::InvalidInput, "scheme `mem` is unknown; none is known");
}

#[tokio::test]
async fn a_later_opener_takes_the_place_of_an_earlier_one() {
    let before = openers();
    let after = before.clone().with("Pack", open_mem);
    assert!(after.open("pack:").await.is_ok());
    assert!(before.open("pack:").await.is_err(), "the earlier value is as it was");
    assert_eq!(after.schemes().collect::<Vec<_>>(), ["mem", "pack"]);
    assert_eq!(format!("{after:?}"), "Openers([\"mem\", \"pack\"])");
}

#[test]
fn ids_of_the_operating_system_differ() {
    let shared: std::sync::Arc<dyn IdSource> = std::sync::Arc::new(OsRandom);
    let ids: std::collections::BTreeSet<_> = (0..1000).map(|_| shared.next_id()).collect();
    assert_eq!(ids.len(), 1000);
}
