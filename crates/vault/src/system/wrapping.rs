//! `sys/wrapping`: answers behind a token that can be used once.

use serde_json::json;
use vault_sdk::table::{Call, Field, Path};
use vault_sdk::time::{Instant, Seconds};
use vault_sdk::{Operation, Response};

use super::System;
use crate::Error;
use crate::barrier::Transaction;
use crate::core::native::{Outcome, done};
use crate::lease::{Held, Leases};
use crate::reply::Reply;
use crate::wrapping;

pub(super) fn paths() -> Vec<Path<System>> {
    let token = || Field::string("token", "The wrapping token.");
    vec![
        Path::new("wrapping/wrap")
            .help("Wraps the request's data.", "")
            .any_key()
            .on(Operation::Update, |system: &System, call| done(system.wrap(call))),
        Path::new("wrapping/unwrap")
            .help("Gives the wrapped answer, once.", "")
            .unauthenticated()
            .field(token())
            .on(Operation::Update, |system: &System, call| done(system.unwrap(call))),
        Path::new("wrapping/lookup")
            .help("Says of a wrapping token when and for which path it was made.", "")
            .unauthenticated()
            .field(token())
            .on(Operation::Update, |system: &System, call| done(system.lookup(call)))
            .on(Operation::Read, |system: &System, call| done(system.lookup(call))),
        Path::new("wrapping/rewrap")
            .help("Moves a wrapped answer behind a new token.", "")
            .unauthenticated()
            .field(token())
            .on(Operation::Update, |system: &System, call| done(system.rewrap(call))),
    ]
}

impl System {
    fn wrap(&self, call: &Call<'_>) -> Result<Response, Error> {
        Ok(Response::data(call.request.data.clone()))
    }

    /// The wrapping token that the request is about: in the body, or the request's own.
    fn wrapping_token(&self, call: &Call<'_>) -> Result<Held, Error> {
        let invalid = || Error::invalid("wrapping token is not valid or does not exist");
        let presented = self.0.presented.as_ref().map(|token| token.as_str()).unwrap_or_default();
        let text = call.text_if_given("token").unwrap_or(presented);
        let held = self.0.active.find_token(text)?.ok_or_else(invalid)?;
        if held.profile.wraps.is_empty() { Err(invalid()) } else { Ok(held) }
    }

    /// Takes the wrapped answer and the token with it, both or neither, once.
    fn open(&self, call: &Call<'_>) -> Result<(Reply, Held), Error> {
        let held = self.wrapping_token(call)?;
        let active = &self.0.active;
        let gone = || Error::invalid("wrapping token is not valid or does not exist");
        let row = active.barrier.get(&wrapping::row(held.key))?.ok_or_else(gone)?;
        let mut transaction = Transaction::new();
        transaction.expect(wrapping::row(held.key), crate::barrier::Expect::Version(row.version));
        transaction.delete(wrapping::row(held.key));
        Leases::remove(&held, &mut transaction);
        match active.barrier.commit(transaction) {
            Err(crate::barrier::Error::Conflict { .. }) => return Err(gone()),
            other => other?,
        };
        let reply = wrapping::decode(&row.content);
        let reply = reply.ok_or(vault_sdk::Error::Bug("a wrapped answer does not decode"))?;
        Ok((reply, held))
    }

    fn unwrap(&self, call: &Call<'_>) -> Result<Response, Error> {
        let (reply, _) = self.open(call)?;
        self.0.give(Outcome::Whole(Box::new(reply)));
        Ok(Response::empty())
    }

    fn rewrap(&self, call: &Call<'_>) -> Result<Response, Error> {
        let (reply, held) = self.open(call)?;
        let wrapped = self.0.active.wrap(reply, held.profile.ttl, &held.profile.wraps)?;
        self.0.give(Outcome::Whole(Box::new(wrapped)));
        Ok(Response::empty())
    }

    fn lookup(&self, call: &Call<'_>) -> Result<Response, Error> {
        let held = self.wrapping_token(call)?;
        let created = Instant(held.record.issued_ms.saturating_mul(1_000_000));
        let Seconds(ttl) = held.profile.ttl;
        Ok(Response::json(json!({
            "creation_path": held.profile.wraps,
            "creation_time": created.to_rfc3339(),
            "creation_ttl": ttl,
        })))
    }
}
