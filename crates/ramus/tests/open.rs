//! Opening a repository by its location.

use ramus::{ErrorKind, Kv, Location, Openers, RepoOptions, Sha256};

#[tokio::test]
async fn every_memory_repository_is_new() {
    let one = ramus::open::<Kv<String>>("mem:").await.unwrap();
    let other = ramus::open::<Kv<String>>("mem:").await.unwrap();
    one.main().await.unwrap().set("a", "b", "one").await.unwrap();
    assert_eq!(other.main().await.unwrap().find("a").await.unwrap(), None);
}

#[tokio::test]
async fn the_schema_chooses_the_hash() {
    let repo = ramus::open::<Kv<String, Sha256>>("mem:").await.unwrap();
    let commit = repo.main().await.unwrap().set("a", "b", "one").await.unwrap().unwrap();
    assert_eq!(commit.hash().to_string().len(), 64);
}

#[tokio::test]
async fn a_wrong_location_names_what_would_be_accepted() {
    async fn check(location: &str, named: &[&str]) {
        let error = ramus::open::<Kv<String>>(location).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{location}");
        let message = error.to_string();
        for part in named {
            assert!(message.contains(part), "`{location}` gives `{message}`, without `{part}`");
        }
    }
    check("", &["no scheme", "`mem:`"]).await;
    check("./data", &["no scheme", "./data", "`mem:`"]).await;
    check("git:./data", &["`git`", "unknown", "`mem:`"]).await;
    check("mem:?durability=os", &["`durability`", "`log_changes_max`", "`notices_max`"]).await;
    check("mem:?log_changes_max=x", &["`log_changes_max`", "`x`", "whole number"]).await;
    check("mem:?notices_max=-1", &["`notices_max`", "whole number"]).await;
    check("mem:./data", &["no path", "`./data`", "`mem:`"]).await;
    check("mem:?%zz=1", &["`%zz`", "hex"]).await;
}

#[tokio::test]
async fn own_openers_stand_beside_the_built_in_ones_or_alone() {
    let schemes: Vec<String> = ramus::openers::<Sha256>().schemes().map(str::to_owned).collect();
    assert_eq!(schemes, ["mem", "pack"]);

    let none = Openers::new();
    let error =
        ramus::open_with::<Kv<String>>(&none, "mem:", RepoOptions::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "scheme `mem` is unknown; none is known");

    let refusing = ramus::openers().with("gone", async |location: Location| {
        Err(ramus::Error::new(ErrorKind::Unavailable, format!("no host {}", location.path())))
    });
    let options = RepoOptions::default().with_author("tests");
    let error =
        ramus::open_with::<Kv<String>>(&refusing, "gone:a", options.clone()).await.unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Unavailable, "no host a"));

    let repo = ramus::open_with::<Kv<String>>(&refusing, "mem:", options).await.unwrap();
    let commit = repo.main().await.unwrap().set("a", "b", "one").await.unwrap().unwrap();
    assert_eq!(commit.info().author.as_deref(), Some("tests"));
}
