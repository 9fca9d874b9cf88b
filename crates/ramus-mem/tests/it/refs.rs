use ramus_core::{AtomicWrite as _, ErrorKind, Limits, ReadOnly as _, Update};
use ramus_mem::MemRefs;

#[tokio::test]
async fn a_closed_store_answers_closed_also_to_an_update_over_the_limits() {
    let refs = MemRefs::<String, u64>::default();
    let large =
        Update::new(refs.position().await.unwrap()).with_note(vec![0; Limits::NOTE_MAX + 1]);
    assert_eq!(refs.update(large.clone()).await.unwrap_err().kind(), ErrorKind::Limit);
    refs.close().await.unwrap();
    assert_eq!(refs.update(large).await.unwrap_err().kind(), ErrorKind::Closed);
}
