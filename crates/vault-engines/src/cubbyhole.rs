//! Cubbyhole: storage of one token, gone with it. Nobody else can reach it, root included.

use std::sync::LazyLock;

use vault_sdk::table::{Call, Field, Path, PathTable};
use vault_sdk::{Boxed, Context, Data, Engine, Error, Expect, Operation, Response};

use crate::page;

/// The engine.
#[derive(Debug)]
pub struct Cubbyhole;

static TABLE: LazyLock<PathTable<Cubbyhole>> = LazyLock::new(|| {
    PathTable::new(
        "The cubbyhole keeps secrets of one token. They are gone when the token is, and no other token, \
         not even root, can read them.",
        vec![
            Path::new("{path...?}")
                .help("Secrets of this token.", "Every key of the body is kept as it is.")
                .any_key()
                .field(Field::string("path", "Where the secret is kept."))
                .fields(page::fields())
                .exists(|_, call| Box::pin(exists(call)))
                .on(Operation::Read, |_, call| Box::pin(read(call)))
                .on_write(|_, call| Box::pin(write(call)))
                .on(Operation::Delete, |_, call| Box::pin(delete(call)))
                .on(Operation::List, |_, call| Box::pin(list(call))),
        ],
    )
});

impl Engine for Cubbyhole {
    fn table() -> &'static PathTable<Self> {
        &TABLE
    }

    fn forget_token<'a>(
        &'a self,
        token_id: &'a str,
        context: Context<'a>,
    ) -> Boxed<'a, Result<(), Error>> {
        Box::pin(async move {
            let prefix = format!("{token_id}/");
            for key in context.storage.scan(&prefix, "", usize::MAX).await? {
                context.storage.delete(&format!("{prefix}{key}")).await?;
            }
            Ok(())
        })
    }
}

/// The storage prefix of the token that asks.
fn own(call: &Call<'_>) -> Result<String, Error> {
    let caller = call.request.caller.as_ref().filter(|caller| !caller.token_id.is_empty());
    let caller =
        caller.ok_or_else(|| Error::invalid("cubbyhole operations need a service token"))?;
    Ok(format!("{}/", caller.token_id))
}

fn key(call: &Call<'_>) -> Result<String, Error> {
    let path = call.text("path");
    if path.is_empty() || path.ends_with('/') {
        return Err(Error::invalid(
            "the path of a secret is not empty and does not end in a slash",
        ));
    }
    Ok(own(call)? + path)
}

async fn exists(call: &Call<'_>) -> Result<bool, Error> {
    Ok(call.context.storage.get(&key(call)?).await?.is_some())
}

async fn read(call: &Call<'_>) -> Result<Response, Error> {
    let Ok(key) = key(call) else { return Err(Error::NotFound) };
    let (data, _) = call.context.storage.read::<Data>(&key).await?.ok_or(Error::NotFound)?;
    Ok(Response::data(data))
}

async fn write(call: &Call<'_>) -> Result<Response, Error> {
    if call.request.data.is_empty() {
        return Err(Error::invalid("missing data fields"));
    }
    call.context.storage.put(&key(call)?, Expect::Anything, &call.request.data).await?;
    Ok(Response::empty())
}

async fn delete(call: &Call<'_>) -> Result<Response, Error> {
    call.context.storage.delete(&key(call)?).await?;
    Ok(Response::empty())
}

async fn list(call: &Call<'_>) -> Result<Response, Error> {
    page::list(call, &page::prefix(&own(call)?, call.text("path"))).await
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vault_sdk::{Caller, MountClass, Request};

    use super::*;
    use crate::testing::{Bench, object};

    fn as_token(operation: Operation, path: &str, data: serde_json::Value, id: &str) -> Request {
        let mut request = Request::new(operation, path, object(data));
        request.caller = Some(Caller { token_id: id.to_owned(), ..Caller::default() });
        request
    }

    #[test]
    fn tokens_do_not_see_each_other() {
        let bench = Bench::new(Cubbyhole, "cubbyhole/", MountClass::Secret);
        let write = as_token(Operation::Update, "a/b", json!({ "x": 1 }), "one");
        bench.send(&write).unwrap();
        let read = |id: &str| bench.send(&as_token(Operation::Read, "a/b", json!({}), id));
        assert_eq!(crate::testing::data(&read("one").unwrap())["x"], 1);
        assert!(matches!(read("two"), Err(Error::NotFound)));
        assert!(matches!(read(""), Err(Error::NotFound)));
        let list = as_token(Operation::List, "a/", json!({}), "one");
        assert_eq!(crate::testing::data(&bench.send(&list).unwrap())["keys"], json!(["b"]));
        bench.forget_token("two");
        assert!(read("one").is_ok());
        bench.forget_token("one");
        assert!(bench.memory.keys().is_empty());
    }

    #[test]
    fn without_a_token_nothing_is_kept() {
        let bench = Bench::new(Cubbyhole, "cubbyhole/", MountClass::Secret);
        let write = Request::new(Operation::Update, "a", object(json!({ "x": 1 })));
        assert!(matches!(bench.send(&write), Err(Error::Invalid(_))));
        assert!(bench.memory.keys().is_empty());
    }
}
