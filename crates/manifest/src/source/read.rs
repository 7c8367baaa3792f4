//! From text to values: TOML, checked against the table of keys.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString as _},
    vec,
    vec::Vec,
};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{self, Default, Form, Key, SECTIONS, Section, Type};
use super::mistake::{Mistakes, suggestion};
use crate::is_canonical_path;

/// Bits of a file mode.
const MODE_MAX: u64 = 0o7777;

/// A manifest as values.
#[derive(Debug, std::default::Default)]
pub(super) struct Document {
    /// Every table of every section, in the order of the text. A section with [`Form::Table`] is
    /// always there once.
    tables: Vec<(&'static str, Table)>,
    /// The variables of `[env]`.
    pub(super) env: Vec<Variable>,
}

/// One table, its defaults filled in.
#[derive(Debug, std::default::Default)]
pub(super) struct Table {
    pub(super) line: usize,
    values: BTreeMap<&'static str, (usize, Value)>,
    /// What the user wrote, as against defaults.
    given: Vec<&'static str>,
}

/// A value of the type the table of keys demands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Texts(Vec<String>),
    Number(u64),
    Bool(bool),
}

/// A line of `[env]`.
#[derive(Debug)]
pub(super) struct Variable {
    pub(super) line: usize,
    pub(super) name: String,
    pub(super) value: VariableValue,
}

#[derive(Debug)]
pub(super) enum VariableValue {
    Fixed(String),
    Host(String),
}

impl Document {
    /// The tables of a section.
    pub(super) fn tables<'d>(&'d self, section: &'d str) -> impl Iterator<Item = &'d Table> {
        self.tables.iter().filter(move |(name, _)| *name == section).map(|(_, table)| table)
    }
}

impl Table {
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match &self.values.get(key)?.1 {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn texts(&self, key: &str) -> &[String] {
        match self.values.get(key) {
            Some((_, Value::Texts(texts))) => texts,
            _ => &[],
        }
    }

    pub(super) fn number(&self, key: &str) -> Option<u64> {
        match self.values.get(key)?.1 {
            Value::Number(number) => Some(number),
            _ => None,
        }
    }

    pub(super) fn bool(&self, key: &str) -> bool {
        matches!(self.values.get(key), Some((_, Value::Bool(true))))
    }

    /// Whether the user wrote this key.
    pub(super) fn is_given(&self, key: &str) -> bool {
        self.given.contains(&key)
    }

    /// The line of a key, or of the table.
    pub(super) fn line_of(&self, key: &str) -> usize {
        self.values.get(key).map_or(self.line, |(line, _)| *line)
    }
}

/// Reads the text; `None` when it is not TOML.
pub(super) fn document(text: &str, mistakes: &mut Mistakes) -> Option<Document> {
    let root = match DeTable::parse(text) {
        Ok(root) => root,
        Err(error) => {
            let line = error.span().map_or(1, |span| mistakes.line(span.start));
            mistakes.at(line, format!("not TOML: {}", error.message()));
            return None;
        }
    };
    let mut document = Document::default();
    for (name, value) in root.get_ref() {
        let line = mistakes.line(name.span().start);
        let names = SECTIONS.iter().map(|section| section.name);
        match keys::section(name.get_ref()) {
            Some(section) => read_section(section, value, line, &mut document, mistakes),
            None => mistakes
                .at(line, unknown_section(name.get_ref(), suggestion(name.get_ref(), names))),
        }
    }
    let is_missing = |section: &Section| {
        section.form == Form::Table
            && !document.tables.iter().any(|(name, _)| *name == section.name)
    };
    let missing: Vec<&Section> = SECTIONS.iter().filter(|section| is_missing(section)).collect();
    for section in missing {
        let table = finish(section, Table { line: 1, ..Table::default() }, mistakes);
        document.tables.push((section.name, table));
    }
    Some(document)
}

/// A key outside any section most often only misses its section.
fn unknown_section(name: &str, suggestion: String) -> String {
    match SECTIONS.iter().find(|section| section.key(name).is_some()) {
        Some(section) => format!("{name} stands outside its section [{}]", section.name),
        None => format!("{name} is no section of a manifest{suggestion}"),
    }
}

fn read_section(
    section: &'static Section,
    value: &Spanned<DeValue<'_>>,
    line: usize,
    document: &mut Document,
    mistakes: &mut Mistakes,
) {
    match (section.form, value.get_ref()) {
        (Form::Table, DeValue::Table(table)) => {
            let table = read_table(section, table, line, mistakes);
            document.tables.push((section.name, table));
        }
        (Form::Array, DeValue::Array(tables)) => {
            for item in tables {
                let line = mistakes.line(item.span().start);
                match item.get_ref() {
                    DeValue::Table(table) => {
                        let table = read_table(section, table, line, mistakes);
                        document.tables.push((section.name, table));
                    }
                    other => mistakes.at(line, wrong_form(section, other)),
                }
            }
        }
        (Form::Names, DeValue::Table(table)) => {
            let variables = table
                .iter()
                .filter_map(|(name, value)| read_variable(section, name, value, mistakes));
            document.env.extend(variables);
        }
        (_, other) => mistakes.at(line, wrong_form(section, other)),
    }
}

fn wrong_form(section: &Section, found: &DeValue<'_>) -> String {
    let expected = match section.form {
        Form::Table | Form::Names => format!("a table, written [{}]", section.name),
        Form::Array => format!("tables, each written [[{}]]", section.name),
    };
    format!("{} is {}, expected {expected}", section.name, article(found))
}

fn read_variable(
    section: &'static Section,
    name: &Spanned<alloc::borrow::Cow<'_, str>>,
    value: &Spanned<DeValue<'_>>,
    mistakes: &mut Mistakes,
) -> Option<Variable> {
    let line = mistakes.line(name.span().start);
    let name = name.get_ref().to_string();
    let value = match value.get_ref() {
        DeValue::String(text) => VariableValue::Fixed(text.to_string()),
        DeValue::Table(table) => {
            let table = read_table(section, table, line, mistakes);
            VariableValue::Host(table.text("host")?.to_string())
        }
        other => {
            mistakes.at(
                line,
                format!(
                    "env.{name} is {}, expected a string or {{ host = \"pattern\" }}",
                    article(other)
                ),
            );
            return None;
        }
    };
    Some(Variable { line, name, value })
}

fn read_table(
    section: &'static Section,
    table: &DeTable<'_>,
    line: usize,
    mistakes: &mut Mistakes,
) -> Table {
    let mut read = Table { line, ..Table::default() };
    for (name, value) in table {
        let line = mistakes.line(name.span().start);
        let Some(key) = section.key(name.get_ref()) else {
            let names = section.keys.iter().map(|key| key.name);
            let hint = suggestion(name.get_ref(), names);
            mistakes.at(
                line,
                format!("{}.{} is no key of a manifest{hint}", section.name, name.get_ref()),
            );
            continue;
        };
        read.given.push(key.name);
        match typed(key.value, value.get_ref()) {
            Ok(value) => {
                read.values.insert(key.name, (line, value));
            }
            Err(why) => mistakes.at(line, format!("{}.{} {why}", section.name, key.name)),
        }
    }
    finish(section, read, mistakes)
}

/// Fills in defaults and finds what is missing or does not belong there.
fn finish(section: &'static Section, mut table: Table, mistakes: &mut Mistakes) -> Table {
    let kind_default = |table: &Table| table.text("kind").unwrap_or("trusted").to_string();
    let kind = kind_default(&table);
    for key in section.keys {
        let applies = key.kinds.is_empty() || key.kinds.contains(&kind.as_str());
        let given = table.given.contains(&key.name);
        if given && !applies {
            mistakes.at(
                table.line_of(key.name),
                format!(
                    "{}.{} is for kind {}, this is kind {kind}",
                    section.name,
                    key.name,
                    key.kinds.join(" and ")
                ),
            );
        }
        if given || !applies {
            continue;
        }
        match key.default {
            Default::Required => mistakes.at(
                table.line,
                format!("{}.{} is missing: {}", section.name, key.name, first_sentence(key)),
            ),
            Default::Value(text) => {
                if let Some(value) = default_value(key, text) {
                    table.values.insert(key.name, (table.line, value));
                }
            }
            Default::Otherwise(_) => {}
        }
    }
    table
}

fn first_sentence(key: &Key) -> &'static str {
    key.doc.split_once(". ").map_or(key.doc, |(first, _)| first).trim_end_matches('.')
}

/// The value of a default. Every default in the table has one, which a test holds.
pub(super) fn default_value(key: &Key, text: &str) -> Option<Value> {
    typed(key.value, DeValue::parse(text).ok()?.get_ref()).ok()
}

/// Takes a TOML value for a key, or says what was expected and found.
fn typed(expected: Type, found: &DeValue<'_>) -> Result<Value, String> {
    match (expected, found) {
        (Type::Text, DeValue::String(text)) => one_text(text).map(Value::Text),
        (Type::Path, DeValue::String(text)) => path(text).map(Value::Text),
        (Type::Paths, DeValue::String(text)) => Ok(Value::Texts(vec![path(text)?])),
        (Type::Paths, DeValue::Array(_)) => list(found, path).map(Value::Texts),
        (Type::Texts | Type::Patterns, DeValue::Array(_)) => {
            list(found, one_text).map(Value::Texts)
        }
        (Type::Choices(words), DeValue::Array(_)) => {
            list(found, |word| choice(words, word)).map(Value::Texts)
        }
        (Type::Choice(words), DeValue::String(text)) => choice(words, text).map(Value::Text),
        (Type::Bool, DeValue::Boolean(value)) => Ok(Value::Bool(*value)),
        (Type::Count { min, max }, DeValue::Integer(_)) => within(number(found)?, min, max, &plain),
        (Type::Size { min, max }, DeValue::Integer(_)) => within(number(found)?, min, max, &size),
        (Type::Size { min, max }, DeValue::String(text)) => {
            within(parse_size(text)?, min, max, &size)
        }
        (Type::Mode, DeValue::Integer(digits)) if digits.radix() == 8 => {
            within(number(found)?, 0, MODE_MAX, &|mode| format!("0o{mode:o}"))
        }
        (Type::Mode, DeValue::Integer(digits)) => {
            Err(format!("is {digits}, expected a mode in octal, such as 0o755"))
        }
        (expected, found) => Err(format!("is {}, expected {}", article(found), expected.name())),
    }
}

impl Type {
    /// What a value of it is, for messages and the reference.
    pub(super) fn name(self) -> String {
        match self {
            Self::Text => "a string".into(),
            Self::Texts => "a list of strings".into(),
            Self::Patterns => "a list of patterns".into(),
            Self::Path => "an absolute path".into(),
            Self::Paths => "an absolute path or a list of them".into(),
            Self::Size { min, max } => format!("a size from {} to {}", size(min), size(max)),
            Self::Count { min, max } => format!("a number from {min} to {max}"),
            Self::Mode => "a mode in octal, such as 0o755".into(),
            Self::Bool => "true or false".into(),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Choices(words) => format!("a list of {}", words.join(", ")),
        }
    }
}

fn article(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(_) => "a string".into(),
        DeValue::Integer(digits) => format!("the number {digits}"),
        DeValue::Float(digits) => format!("the number {digits}"),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(_) => "a date".into(),
        DeValue::Array(_) => "a list".into(),
        DeValue::Table(_) => "a table".into(),
    }
}

fn one_text(text: &str) -> Result<String, String> {
    if text.contains('\0') {
        return Err("holds a NUL byte".into());
    }
    Ok(text.to_string())
}

fn path(text: &str) -> Result<String, String> {
    if is_canonical_path(text.as_bytes()) {
        return Ok(text.to_string());
    }
    Err(format!(
        "is {text:?}, expected an absolute path without empty, . and .. components and without a slash at its end"
    ))
}

fn choice(words: &[&str], found: &str) -> Result<String, String> {
    if words.contains(&found) {
        return Ok(found.to_string());
    }
    Err(format!("is {found:?}{}", suggestion(found, words.iter().copied())))
}

fn list(
    found: &DeValue<'_>,
    item: impl Fn(&str) -> Result<String, String>,
) -> Result<Vec<String>, String> {
    let items = found.as_array().into_iter().flat_map(|array| array.iter());
    items
        .map(|found| match found.get_ref() {
            DeValue::String(text) => item(text),
            other => Err(format!("holds {}, expected strings", article(other))),
        })
        .collect()
}

fn number(found: &DeValue<'_>) -> Result<u64, String> {
    let digits = found.as_integer().map(|digits| (digits.as_str(), digits.radix()));
    let parsed = digits.and_then(|(digits, radix)| u64::from_str_radix(digits, radix).ok());
    parsed.ok_or_else(|| format!("is {}, expected a number from 0 to {}", article(found), u64::MAX))
}

fn within(value: u64, min: u64, max: u64, show: &dyn Fn(u64) -> String) -> Result<Value, String> {
    if (min..=max).contains(&value) {
        return Ok(Value::Number(value));
    }
    Err(format!("is {}, expected from {} to {}", show(value), show(min), show(max)))
}

fn plain(value: u64) -> String {
    value.to_string()
}

const UNITS: [(char, u32); 4] = [('T', 40), ('G', 30), ('M', 20), ('K', 10)];

fn parse_size(text: &str) -> Result<u64, String> {
    let unit = UNITS.iter().find(|(letter, _)| text.ends_with(*letter));
    let (digits, shift) = unit
        .map_or((text, 0), |(letter, shift)| (text.strip_suffix(*letter).unwrap_or(text), *shift));
    let bytes = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(1 << shift));
    bytes.ok_or_else(|| format!("is {text:?}, expected bytes such as 4096, \"64M\" or \"128G\""))
}

/// A size as a user would write it.
pub(super) fn size(bytes: u64) -> String {
    let unit = UNITS.iter().find(|(_, shift)| bytes != 0 && bytes.trailing_zeros() >= *shift);
    match unit {
        Some((letter, shift)) => format!("{}{letter}", bytes >> shift),
        None => bytes.to_string(),
    }
}
