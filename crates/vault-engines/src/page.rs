//! Lists in pages: `after` and `limit`.

use vault_sdk::table::{Call, Field};
use vault_sdk::{Error, Response};

/// The fields of every list.
pub(crate) fn fields() -> [Field; 2] {
    [
        Field::string("after", "Begins the list after this name, whether or not it is there."),
        Field::integer("limit", "The most names to return; zero or less for all."),
    ]
}

/// Names directly below a prefix of the storage, as the call's page wants them.
pub(crate) async fn names(call: &Call<'_>, prefix: &str) -> Result<Vec<String>, Error> {
    let limit = limit(call);
    Ok(call.context.storage.list(prefix, call.text("after"), limit).await?)
}

/// The most names to return.
pub(crate) fn limit(call: &Call<'_>) -> usize {
    usize::try_from(call.integer("limit")).ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX)
}

/// The answer of a plain list.
pub(crate) async fn list(call: &Call<'_>, prefix: &str) -> Result<Response, Error> {
    Ok(Response::list(names(call, prefix).await?))
}

/// A prefix of the storage from a path of the API, which may lack its slash at the end.
pub(crate) fn prefix(root: &str, path: &str) -> String {
    if path.is_empty() || path.ends_with('/') {
        format!("{root}{path}")
    } else {
        format!("{root}{path}/")
    }
}
