//! The parsed tree, in the order of the text.

/// The items of a file or of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Body {
    /// In the order of the text; keys may repeat.
    pub items: Vec<Item>,
}

/// `key = value` or `key "label" { ... }`.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// At least one; more than one for a block with labels.
    pub keys: Vec<String>,
    /// What it is.
    pub value: Value,
    /// Where the key stands, counted from 1.
    pub line: usize,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Value>),
    Object(Body),
}

/// A block whose labels are gathered from whichever way it was nested.
#[derive(Clone, Debug, PartialEq)]
pub struct Block<'a> {
    /// The labels; as many as the text had.
    pub labels: Vec<&'a str>,
    /// What stands between the braces.
    pub body: &'a Body,
    /// Where the block stands.
    pub line: usize,
}

impl Body {
    /// The last value of a key without labels.
    #[must_use]
    pub fn attribute(&self, key: &str) -> Option<&Value> {
        let mut items = self.items.iter().rev();
        items.find(|item| matches!(item.keys.as_slice(), [only] if only == key)).map(|i| &i.value)
    }

    /// Blocks `key "label" { ... }` with one label each, also where the label is nested or the blocks
    /// are a list, as JSON writes them.
    ///
    /// # Errors
    /// With the line of an item of this key that is no such block.
    pub fn blocks(&self, key: &str) -> Result<Vec<Block<'_>>, usize> {
        let mut blocks = Vec::new();
        for item in &self.items {
            let Some((first, labels)) = item.keys.split_first() else { continue };
            if first == key {
                let labels = labels.iter().map(String::as_str).collect();
                gather(labels, &item.value, item.line, &mut blocks)?;
            }
        }
        Ok(blocks)
    }

    /// Objects of a key with any number of labels, not looking for nested ones.
    #[must_use]
    pub fn objects(&self, key: &str) -> Vec<Block<'_>> {
        let mut objects = Vec::new();
        for item in &self.items {
            let Some((first, labels)) = item.keys.split_first() else { continue };
            let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
            let bodies = match &item.value {
                Value::Object(body) if first == key => vec![body],
                Value::List(values) if first == key => {
                    values.iter().filter_map(Value::as_object).collect()
                }
                _ => vec![],
            };
            let line = item.line;
            let block = |body| Block { labels: labels.clone(), body, line };
            objects.extend(bodies.into_iter().map(block));
        }
        objects
    }
}

fn gather<'a>(
    labels: Vec<&'a str>,
    value: &'a Value,
    line: usize,
    blocks: &mut Vec<Block<'a>>,
) -> Result<(), usize> {
    match value {
        Value::Object(body) if !labels.is_empty() => blocks.push(Block { labels, body, line }),
        Value::Object(body) => {
            for item in &body.items {
                let labels = item.keys.iter().map(String::as_str).collect();
                gather(labels, &item.value, item.line, blocks)?;
            }
        }
        Value::List(values) => {
            for value in values {
                gather(labels.clone(), value, line, blocks)?;
            }
        }
        Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Float(_) | Value::Text(_) => {
            return Err(line);
        }
    }
    Ok(())
}

impl Value {
    /// A text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// An object. A list of one object counts, as JSON writes blocks.
    #[must_use]
    pub fn as_object(&self) -> Option<&Body> {
        match self {
            Self::Object(body) => Some(body),
            Self::List(values) => match values.as_slice() {
                [Self::Object(body)] => Some(body),
                _ => None,
            },
            _ => None,
        }
    }

    /// A list of texts; one text counts as a list of one.
    #[must_use]
    pub fn as_texts(&self) -> Option<Vec<&str>> {
        match self {
            Self::Text(text) => Some(vec![text]),
            Self::List(values) => values.iter().map(Self::as_text).collect(),
            _ => None,
        }
    }

    /// True or false, also as a text or a number, as Vault's decoder takes it.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(bool) => Some(*bool),
            Self::Integer(number) => Some(*number != 0),
            Self::Text(text) => match text.as_str() {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
                "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// A whole number, also as a text.
    #[must_use]
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// The same in JSON. Blocks become nested objects; of repeated keys the last stays.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match self {
            Self::Null => Json::Null,
            Self::Bool(bool) => Json::Bool(*bool),
            Self::Integer(number) => Json::from(*number),
            Self::Float(number) => Json::from(*number),
            Self::Text(text) => Json::from(text.as_str()),
            Self::List(values) => Json::Array(values.iter().map(Self::to_json).collect()),
            Self::Object(body) => Json::Object(body.to_json()),
        }
    }
}

impl Body {
    /// The same in JSON; see [`Value::to_json`].
    #[must_use]
    pub fn to_json(&self) -> serde_json::Map<String, serde_json::Value> {
        let mut map = serde_json::Map::new();
        for item in &self.items {
            let Some((first, labels)) = item.keys.split_first() else { continue };
            let mut value = item.value.to_json();
            for label in labels.iter().rev() {
                let mut outer = serde_json::Map::new();
                outer.insert(label.clone(), value);
                value = serde_json::Value::Object(outer);
            }
            map.insert(first.clone(), value);
        }
        map
    }
}
