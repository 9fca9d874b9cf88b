use bytes::Bytes;
use ramus_core::wrap::Verified;
use ramus_core::{ContentAddressable, Error, ErrorKind, Limits, ReadOnly, Result, Sha1};
use ramus_mem::MemBlocks;

/// Blocks that will not hash, and leave out the last of many answers.
#[derive(Clone, Debug, Default)]
struct Careless(MemBlocks);

impl ReadOnly for Careless {
    type Key = Sha1;
    type Value = Bytes;

    async fn find(&self, key: &Sha1) -> Result<Option<Bytes>> {
        self.0.find(key).await
    }

    async fn find_many(&self, keys: &[Sha1]) -> Result<Vec<Option<Bytes>>> {
        let mut found = self.0.find_many(keys).await?;
        found.pop();
        Ok(found)
    }

    fn limits(&self) -> Limits {
        self.0.limits()
    }

    async fn close(&self) -> Result<()> {
        self.0.close().await
    }
}

impl ContentAddressable for Careless {
    fn name(&self, _value: &Bytes) -> Result<Sha1> {
        Err(Error::new(ErrorKind::Unsupported, "the store below was asked to hash"))
    }

    async fn unsafe_add(&self, key: Sha1, value: Bytes) -> Result<()> {
        self.0.unsafe_add(key, value).await
    }

    async fn flush(&self) -> Result<()> {
        self.0.flush().await
    }
}

#[tokio::test]
async fn verified_hashes_once() {
    let blocks = Verified::new(Careless::default());
    let key = blocks.add("hello".into()).await.expect("only the wrapper hashes");
    assert_eq!(blocks.find(&key).await.unwrap().as_deref(), Some(&b"hello"[..]));
}

#[tokio::test]
async fn verified_refuses_an_answer_that_is_too_short() {
    let blocks = Verified::new(Careless::default());
    let keys = [blocks.name(&"a".into()).unwrap(), blocks.name(&"b".into()).unwrap()];
    let error = blocks.find_many(&keys).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(error.to_string().contains("1 answer"), "{error}");
}
