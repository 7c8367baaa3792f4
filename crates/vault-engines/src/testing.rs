//! A bench for engines in unit tests.

use std::task::{Context, Poll, Waker};

use serde_json::Value;
use vault_sdk::memory::Memory;
use vault_sdk::{Backend, Body, Data, Engine, Error, MountClass, Operation, Request, Response};

/// One engine on storage in memory.
pub(crate) struct Bench<E> {
    pub(crate) engine: E,
    pub(crate) memory: Memory,
}

impl<E: Engine> Bench<E> {
    pub(crate) fn new(engine: E, path: &str, class: MountClass) -> Self {
        Self { engine, memory: Memory::new(path, class) }
    }

    pub(crate) fn send(&self, request: &Request) -> Result<Response, Error> {
        now(self.engine.handle(request, self.memory.context()))
    }

    pub(crate) fn ask(
        &self,
        operation: Operation,
        path: &str,
        data: Value,
    ) -> Result<Response, Error> {
        self.send(&Request::new(operation, path, object(data)))
    }

    /// The data of a successful answer.
    pub(crate) fn get(&self, operation: Operation, path: &str, input: Value) -> Data {
        data(&self.ask(operation, path, input).unwrap())
    }

    /// The text of a refusal.
    pub(crate) fn refusal(&self, operation: Operation, path: &str, data: Value) -> String {
        self.ask(operation, path, data).unwrap_err().to_string()
    }

    pub(crate) fn forget_token(&self, id: &str) {
        now(Backend::forget_token(&self.engine, id, self.memory.context())).unwrap();
    }
}

/// Storage in memory is always ready.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("not ready"),
    }
}

pub(crate) fn object(value: Value) -> Data {
    match value {
        Value::Object(data) => data,
        other => panic!("not an object: {other}"),
    }
}

pub(crate) fn data(response: &Response) -> Data {
    match &response.body {
        Body::Data(data) | Body::Status(_, data) => data.clone(),
        Body::Empty => Data::new(),
        Body::Raw { .. } => panic!("a raw body"),
    }
}
