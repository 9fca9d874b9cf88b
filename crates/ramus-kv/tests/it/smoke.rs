//! One walk through everything that the README shows.

use ramus_core::erased::Backend;
use ramus_kv::*;
use ramus_mem::Mem;

#[tokio::test]
async fn a_branch_is_forked_edited_and_merged_and_a_watch_sees_it() {
    let repo = Repo::<Kv<String>>::new(Backend::new(Mem::default()));
    let main = repo.main().await.unwrap();
    main.set("users/ada", "mathematician", "add Ada").await.unwrap();
    assert_eq!(main.find("users/ada").await.unwrap().as_deref(), Some("mathematician"));
    let draft = main.fork("draft").await.unwrap();
    let mut edit = draft.begin().await.unwrap();
    edit.rename("users/ada", "people/ada").await.unwrap();
    draft.commit(edit, "people, not users").await.unwrap();
    main.set("other/x", "y", "more").await.unwrap();
    let mut changes = main.watch("people").await.unwrap();
    main.merge(&draft, "merge draft").await.unwrap().clean().unwrap();
    let change = changes.next().await.unwrap().unwrap();
    let diff = change.diff().await.unwrap().collect().await.unwrap();
    assert_eq!(diff.len(), 1);
    assert_eq!(diff[0].path.to_string(), "people/ada");
    assert_eq!(main.list("").await.unwrap().len(), 2);
    let log = main.log().await.unwrap().collect().await.unwrap();
    assert_eq!(log.len(), 4);
}
