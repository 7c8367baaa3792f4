//! A request whose input is checked against the table.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use super::path::Path;
use super::pattern::Captures;
use crate::time::{Instant, Seconds};
use crate::{Context, Data, Error, Request};

/// What a handler gets: the request, its context, and its fields in their types.
///
/// Asking for a field that the path does not declare answers as if it were absent; debug builds stop.
#[derive(Debug)]
pub struct Call<'a> {
    /// As the core handed it over.
    pub request: &'a Request,
    /// Storage, mount and system.
    pub context: Context<'a>,
    declared: Vec<&'static str>,
    values: BTreeMap<&'static str, Cow<'a, Value>>,
    /// Fields that came from the default and not from the request.
    defaulted: Vec<&'static str>,
    /// Keys of the body that the path does not declare.
    pub(super) ignored: Vec<String>,
    /// Keys of the body that the path itself gives.
    pub(super) replaced: Vec<String>,
}

impl<'a> Call<'a> {
    /// Checks the input of a request. A null is an absent field.
    pub(super) fn new<E>(
        path: &Path<E>,
        captures: &Captures<'a>,
        request: &'a Request,
        context: Context<'a>,
    ) -> Result<Self, Error> {
        let mut call = Self {
            request,
            context,
            declared: path.fields.iter().map(|field| field.name).collect(),
            values: BTreeMap::new(),
            defaulted: Vec::new(),
            ignored: Vec::new(),
            replaced: Vec::new(),
        };
        call.declared.extend(path.pattern.variables());
        for field in &path.fields {
            let given = match captures.text(field.name) {
                Some(text) => Some(Cow::Owned(Value::String(text.to_owned()))),
                None => request.data.get(field.name).map(Cow::Borrowed),
            };
            match given.filter(|value| !value.is_null()) {
                Some(Cow::Borrowed(value)) => {
                    let value = field.normalise(value).map_err(Error::Invalid)?;
                    call.values.insert(field.name, value);
                }
                Some(Cow::Owned(value)) => {
                    let value = field.normalise(&value).map_err(Error::Invalid)?.into_owned();
                    call.values.insert(field.name, Cow::Owned(value));
                }
                None if field.required && request.operation.writes() => {
                    return Err(Error::Invalid(format!("missing {}", field.name)));
                }
                None => {
                    if let Some(value) = &field.default {
                        call.defaulted.push(field.name);
                        call.values.insert(field.name, Cow::Owned(value.clone()));
                    }
                }
            }
        }
        for (name, text) in captures.iter() {
            let value = || Cow::Owned(Value::String(text.to_owned()));
            call.values.entry(name).or_insert_with(value);
        }
        call.note_odd_keys(captures, path.accepts_any_key);
        Ok(call)
    }

    fn note_odd_keys(&mut self, captures: &Captures<'_>, accepts_any_key: bool) {
        if !self.request.operation.writes() {
            return;
        }
        for name in self.request.data.keys() {
            if captures.text(name).is_some() {
                self.replaced.push(name.clone());
            } else if !accepts_any_key && !self.declared.contains(&name.as_str()) {
                self.ignored.push(name.clone());
            }
        }
    }

    /// A field in its type; `None` if it is absent and has no default.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Value> {
        debug_assert!(self.declared.contains(&name), "field {name} is not declared");
        self.values.get(name).map(Cow::as_ref)
    }

    /// Whether the request itself gave the field.
    #[must_use]
    pub fn given(&self, name: &str) -> bool {
        self.value(name).is_some() && !self.defaulted.contains(&name)
    }

    /// A text; empty if absent.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.value(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// A text, if it was given.
    #[must_use]
    pub fn text_if_given(&self, name: &str) -> Option<&str> {
        self.given(name).then(|| self.text(name))
    }

    /// True or false; false if absent.
    #[must_use]
    pub fn bool(&self, name: &str) -> bool {
        self.value(name).and_then(Value::as_bool).unwrap_or_default()
    }

    /// A whole number; zero if absent.
    #[must_use]
    pub fn integer(&self, name: &str) -> i64 {
        self.value(name).and_then(Value::as_i64).unwrap_or_default()
    }

    /// A whole number that counts something.
    ///
    /// # Errors
    /// If it is negative.
    pub fn count(&self, name: &str) -> Result<u64, Error> {
        u64::try_from(self.integer(name))
            .map_err(|_| Error::Invalid(format!("{name} must not be negative")))
    }

    /// A duration; zero if absent.
    #[must_use]
    pub fn seconds(&self, name: &str) -> Seconds {
        Seconds(self.value(name).and_then(Value::as_u64).unwrap_or_default())
    }

    /// A point in time; zero if absent.
    #[must_use]
    pub fn time(&self, name: &str) -> Instant {
        Instant::parse(self.text(name)).unwrap_or_default()
    }

    /// A list of texts; empty if absent.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<String> {
        let items = self.value(name).and_then(Value::as_array).map(Vec::as_slice);
        let texts = items.unwrap_or_default().iter().filter_map(Value::as_str);
        texts.map(str::to_owned).collect()
    }

    /// A list of whole numbers; empty if absent.
    #[must_use]
    pub fn integers(&self, name: &str) -> Vec<i64> {
        let items = self.value(name).and_then(Value::as_array).map(Vec::as_slice);
        items.unwrap_or_default().iter().filter_map(Value::as_i64).collect()
    }

    /// An object; `None` if absent.
    #[must_use]
    pub fn map(&self, name: &str) -> Option<&Data> {
        self.value(name).and_then(Value::as_object)
    }

    /// An object of texts; empty if absent.
    #[must_use]
    pub fn text_map(&self, name: &str) -> BTreeMap<String, String> {
        let pairs = self.map(name).into_iter().flatten();
        pairs.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
    }
}
