//! Paths with their handlers, and dispatch.

use serde_json::Value;

use super::call::Call;
use super::field::Field;
use super::pattern::{Captures, Pattern};
use crate::{Body, Boxed, Context, Data, Error, Operation, Request, Response};

/// Serves one operation on one path.
type Handler<E> = for<'a> fn(&'a E, &'a Call<'a>) -> Boxed<'a, Result<Response, Error>>;

/// Says whether what a path names is there.
type Exists<E> = for<'a> fn(&'a E, &'a Call<'a>) -> Boxed<'a, Result<bool, Error>>;

/// A path that matches, what its variables hold, and who serves the operation, if anybody.
type Match<'t, 'a, E> = (&'t Path<E>, Captures<'a>, Option<Handler<E>>);

/// A declared path.
#[allow(missing_debug_implementations, reason = "handlers are function pointers")]
pub struct Path<E> {
    pub(super) pattern: Pattern,
    pub(super) fields: Vec<Field>,
    pub(super) synopsis: &'static str,
    pub(super) description: &'static str,
    pub(super) accepts_any_key: bool,
    pub(super) unauthenticated: bool,
    pub(super) sudo: bool,
    handlers: Vec<(Operation, Handler<E>)>,
    exists: Option<Exists<E>>,
}

/// All paths of one engine.
#[allow(missing_debug_implementations, reason = "handlers are function pointers")]
pub struct PathTable<E> {
    pub(super) help: &'static str,
    pub(super) paths: Vec<Path<E>>,
}

/// What the core asks about a path before it serves a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathInfo {
    /// Needs no token.
    pub unauthenticated: bool,
    /// Needs the capability `sudo` beside the operation's own.
    pub sudo: bool,
    /// The declared pattern.
    pub pattern: &'static str,
}

/// A path table whose engine is forgotten.
pub trait Paths {
    /// What is declared for a path; `None` if nothing is.
    fn find(&self, path: &str) -> Option<PathInfo>;

    /// The answer to `?help=1`.
    fn help(&self, mount: &str, path: &str) -> Option<Data>;

    /// OpenAPI path items, by full path from the mount's.
    fn openapi(&self, mount: &str, tag: &str) -> Data;

    /// Every pattern with its operations, for tests that must visit all.
    fn all(&self) -> Vec<(PathInfo, Vec<Operation>)>;
}

impl<E> Path<E> {
    /// A path without fields and operations. The pattern's form is described in
    /// [`Pattern`](super::Pattern).
    #[must_use]
    pub fn new(pattern: &'static str) -> Self {
        Self {
            pattern: Pattern::new(pattern),
            fields: Vec::new(),
            synopsis: "",
            description: "",
            accepts_any_key: false,
            unauthenticated: false,
            sudo: false,
            handlers: Vec::new(),
            exists: None,
        }
    }

    /// A sentence for lists, and a text for the page of the path.
    #[must_use]
    pub fn help(mut self, synopsis: &'static str, description: &'static str) -> Self {
        (self.synopsis, self.description) = (synopsis, description);
        self
    }

    /// Adds a field.
    #[must_use]
    pub fn field(mut self, field: Field) -> Self {
        self.fields.push(field);
        self
    }

    /// Adds fields.
    #[must_use]
    pub fn fields(mut self, fields: impl IntoIterator<Item = Field>) -> Self {
        self.fields.extend(fields);
        self
    }

    /// The body's keys are data, not fields.
    #[must_use]
    pub fn any_key(mut self) -> Self {
        self.accepts_any_key = true;
        self
    }

    /// Needs no token.
    #[must_use]
    pub fn unauthenticated(mut self) -> Self {
        self.unauthenticated = true;
        self
    }

    /// Needs the capability `sudo`.
    #[must_use]
    pub fn sudo(mut self) -> Self {
        self.sudo = true;
        self
    }

    /// Serves an operation.
    #[must_use]
    pub fn on(mut self, operation: Operation, handler: Handler<E>) -> Self {
        self.handlers.push((operation, handler));
        self
    }

    /// Serves creation and update alike.
    #[must_use]
    pub fn on_write(self, handler: Handler<E>) -> Self {
        self.on(Operation::Create, handler).on(Operation::Update, handler)
    }

    /// Tells creation from update.
    #[must_use]
    pub fn exists(mut self, exists: Exists<E>) -> Self {
        self.exists = Some(exists);
        self
    }

    pub(super) fn operations(&self) -> impl Iterator<Item = Operation> {
        let declared = |operation: &Operation| self.handlers.iter().any(|(on, _)| on == operation);
        Operation::DECLARED.into_iter().filter(declared)
    }

    /// A path that does not tell creation from update may declare either.
    fn handler(&self, operation: Operation) -> Option<Handler<E>> {
        let find = |wanted: Operation| {
            self.handlers.iter().find(|(on, _)| *on == wanted).map(|(_, handler)| *handler)
        };
        find(operation).or_else(|| match operation {
            Operation::Create => find(Operation::Update),
            Operation::Update if self.exists.is_none() => find(Operation::Create),
            _ => None,
        })
    }

    pub(super) fn info(&self) -> PathInfo {
        let (unauthenticated, sudo) = (self.unauthenticated, self.sudo);
        PathInfo { unauthenticated, sudo, pattern: self.pattern.text() }
    }
}

impl<E> PathTable<E> {
    /// A table. Earlier paths win.
    #[must_use]
    pub fn new(help: &'static str, paths: Vec<Path<E>>) -> Self {
        Self { help, paths }
    }

    /// The first path that matches.
    pub(super) fn matching<'a>(&self, path: &'a str) -> Option<(&Path<E>, Captures<'a>)> {
        self.paths.iter().find_map(|declared| {
            declared.pattern.matches(path).map(|captures| (declared, captures))
        })
    }

    /// The first path that matches and serves the operation, or the first that matches at all.
    fn serving<'a>(&self, path: &'a str, operation: Operation) -> Option<Match<'_, 'a, E>> {
        let mut first = None;
        for declared in &self.paths {
            let Some(captures) = declared.pattern.matches(path) else { continue };
            let handler = declared.handler(operation);
            if handler.is_some() {
                return Some((declared, captures, handler));
            }
            first.get_or_insert((declared, captures, None));
        }
        first
    }

    /// As [`Backend::exists`](crate::Backend::exists).
    pub(crate) fn exists<'a>(
        &'a self,
        engine: &'a E,
        request: &'a Request,
        context: Context<'a>,
    ) -> Boxed<'a, Result<Option<bool>, Error>>
    where
        E: Sync,
    {
        Box::pin(async move {
            let serving = self.serving(&request.path, Operation::Update);
            let Some((path, captures, _)) = serving else { return Ok(None) };
            let Some(exists) = path.exists else { return Ok(None) };
            let call = Call::new(path, &captures, request, context)?;
            exists(engine, &call).await.map(Some)
        })
    }

    /// As [`Backend::handle`](crate::Backend::handle).
    pub(crate) fn handle<'a>(
        &'a self,
        engine: &'a E,
        request: &'a Request,
        context: Context<'a>,
    ) -> Boxed<'a, Result<Response, Error>>
    where
        E: Sync,
    {
        Box::pin(async move {
            let Some((path, captures, handler)) = self.serving(&request.path, request.operation)
            else {
                return Err(Error::UnsupportedPath);
            };
            let handler = handler.ok_or(Error::UnsupportedOperation)?;
            let call = Call::new(path, &captures, request, context)?;
            let mut response = handler(engine, &call).await?;
            note(&call, &mut response);
            Ok(response)
        })
    }
}

/// Adds the warnings about keys of the body that had no effect, where there is a body to carry them.
fn note(call: &Call<'_>, response: &mut Response) {
    let is_raw = matches!(response.body, Body::Raw { .. });
    if !call.ignored.is_empty() && !is_raw {
        response.warnings.push(format!(
            "Endpoint ignored these unrecognized parameters: [{}]",
            call.ignored.join(" ")
        ));
    }
    if !call.replaced.is_empty() && !is_raw {
        response.warnings.push(format!(
            "Endpoint replaced the value of these parameters with the values captured from the \
             endpoint's path: [{}]",
            call.replaced.join(" ")
        ));
    }
}

impl<E> Paths for PathTable<E> {
    fn find(&self, path: &str) -> Option<PathInfo> {
        self.matching(path).map(|(path, _)| path.info())
    }

    fn help(&self, mount: &str, path: &str) -> Option<Data> {
        let text = if path.is_empty() {
            self.overview()
        } else {
            self.matching(path).map(|(declared, _)| declared.page(path))?
        };
        let mut data = Data::new();
        data.insert("help".to_owned(), Value::String(text));
        data.insert("see_also".to_owned(), Value::Null);
        data.insert("openapi".to_owned(), self.document(mount, path));
        Some(data)
    }

    fn openapi(&self, mount: &str, tag: &str) -> Data {
        self.items(mount, tag, |_| true)
    }

    fn all(&self) -> Vec<(PathInfo, Vec<Operation>)> {
        self.paths.iter().map(|path| (path.info(), path.operations().collect())).collect()
    }
}
