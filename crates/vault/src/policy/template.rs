//! `{{identity...}}` in the paths of policies.

use std::collections::BTreeMap;

/// Who a caller is, as far as templates can ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The entity's identifier.
    pub id: String,
    /// The entity's name.
    pub name: String,
    /// The entity's metadata.
    pub metadata: BTreeMap<String, String>,
    /// The entity's aliases.
    pub aliases: Vec<SubjectAlias>,
    /// Groups that the entity is in, directly or through other groups.
    pub groups: Vec<SubjectGroup>,
}

/// An alias of a subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubjectAlias {
    /// Accessor of the auth mount.
    pub mount_accessor: String,
    /// The alias's identifier.
    pub id: String,
    /// The name on that mount.
    pub name: String,
    /// Set by the auth method.
    pub metadata: BTreeMap<String, String>,
    /// Set by operators.
    pub custom_metadata: BTreeMap<String, String>,
}

/// A group of a subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubjectGroup {
    /// The group's identifier.
    pub id: String,
    /// The group's name.
    pub name: String,
    /// The group's metadata.
    pub metadata: BTreeMap<String, String>,
}

/// A text with variables, parsed once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Variable(Variable),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Variable {
    EntityId,
    EntityName,
    EntityMetadata(String),
    AliasId(String),
    AliasName(String),
    AliasMetadata(String, String),
    AliasCustomMetadata(String, String),
    GroupName { id: String },
    GroupMetadataById { id: String, key: String },
    GroupId { name: String },
    GroupMetadataByName { name: String, key: String },
}

/// What became of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Filled {
    /// All variables have values.
    Text(String),
    /// A variable has no value; the rule does not apply.
    Missing,
    /// A value has a character that could make the path match more than was meant.
    Unsafe(String),
}

impl Template {
    /// Parses a text.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((literal, after)) = rest.split_once("{{") {
            let (variable, after) = after.split_once("}}").ok_or("\"{{\" is not closed")?;
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.to_owned()));
            }
            parts.push(Part::Variable(Variable::parse(variable.trim())?));
            rest = after;
        }
        if rest.contains("}}") {
            return Err("\"}}\" is not opened".to_owned());
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// The text, if it has no variables.
    pub(super) fn literal(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// Puts values in.
    pub(super) fn fill(&self, subject: Option<&Subject>) -> Filled {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Variable(variable) => {
                    let value = subject.and_then(|subject| variable.value(subject));
                    match value.filter(|value| !value.is_empty()) {
                        None => return Filled::Missing,
                        Some(value) if !is_safe(value) => return Filled::Unsafe(variable.name()),
                        Some(value) => text.push_str(value),
                    }
                }
            }
        }
        Filled::Text(text)
    }
}

/// Whether a value can stand in a path without changing its structure.
fn is_safe(value: &str) -> bool {
    !value.chars().any(|c| "/+*,".contains(c) || c.is_control())
}

impl Variable {
    fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('.').collect();
        let own = str::to_owned;
        // Keys of metadata may hold dots.
        let rest = |from: usize| parts.get(from..).unwrap_or_default().join(".");
        Ok(match parts.as_slice() {
            ["identity", "entity", "id"] => Self::EntityId,
            ["identity", "entity", "name"] => Self::EntityName,
            ["identity", "entity", "metadata", _, ..] => Self::EntityMetadata(rest(3)),
            ["identity", "entity", "aliases", mount, "id"] => Self::AliasId(own(mount)),
            ["identity", "entity", "aliases", mount, "name"] => Self::AliasName(own(mount)),
            ["identity", "entity", "aliases", mount, "metadata", _, ..] => {
                Self::AliasMetadata(own(mount), rest(5))
            }
            ["identity", "entity", "aliases", mount, "custom_metadata", _, ..] => {
                Self::AliasCustomMetadata(own(mount), rest(5))
            }
            ["identity", "groups", "ids", id, "name"] => Self::GroupName { id: own(id) },
            ["identity", "groups", "ids", id, "metadata", _, ..] => {
                Self::GroupMetadataById { id: own(id), key: rest(5) }
            }
            ["identity", "groups", "names", name, "id"] => Self::GroupId { name: own(name) },
            ["identity", "groups", "names", name, "metadata", _, ..] => {
                Self::GroupMetadataByName { name: own(name), key: rest(5) }
            }
            _ => return Err(format!("unknown template variable {text:?}")),
        })
    }

    fn value<'a>(&self, subject: &'a Subject) -> Option<&'a str> {
        let alias = |mount: &str| subject.aliases.iter().find(|a| a.mount_accessor == mount);
        let by_id = |id: &str| subject.groups.iter().find(|group| group.id == id);
        let by_name = |name: &str| subject.groups.iter().find(|group| group.name == name);
        let text = match self {
            Self::EntityId => Some(&subject.id),
            Self::EntityName => Some(&subject.name),
            Self::EntityMetadata(key) => subject.metadata.get(key),
            Self::AliasId(mount) => alias(mount).map(|alias| &alias.id),
            Self::AliasName(mount) => alias(mount).map(|alias| &alias.name),
            Self::AliasMetadata(mount, key) => alias(mount).and_then(|a| a.metadata.get(key)),
            Self::AliasCustomMetadata(mount, key) => {
                alias(mount).and_then(|alias| alias.custom_metadata.get(key))
            }
            Self::GroupName { id } => by_id(id).map(|group| &group.name),
            Self::GroupMetadataById { id, key } => by_id(id).and_then(|g| g.metadata.get(key)),
            Self::GroupId { name } => by_name(name).map(|group| &group.id),
            Self::GroupMetadataByName { name, key } => {
                by_name(name).and_then(|group| group.metadata.get(key))
            }
        };
        text.map(String::as_str)
    }

    /// As a policy writes it.
    fn name(&self) -> String {
        match self {
            Self::EntityId => "identity.entity.id".to_owned(),
            Self::EntityName => "identity.entity.name".to_owned(),
            Self::EntityMetadata(key) => format!("identity.entity.metadata.{key}"),
            Self::AliasId(mount) => format!("identity.entity.aliases.{mount}.id"),
            Self::AliasName(mount) => format!("identity.entity.aliases.{mount}.name"),
            Self::AliasMetadata(mount, key) => {
                format!("identity.entity.aliases.{mount}.metadata.{key}")
            }
            Self::AliasCustomMetadata(mount, key) => {
                format!("identity.entity.aliases.{mount}.custom_metadata.{key}")
            }
            Self::GroupName { id } => format!("identity.groups.ids.{id}.name"),
            Self::GroupMetadataById { id, key } => {
                format!("identity.groups.ids.{id}.metadata.{key}")
            }
            Self::GroupId { name } => format!("identity.groups.names.{name}.id"),
            Self::GroupMetadataByName { name, key } => {
                format!("identity.groups.names.{name}.metadata.{key}")
            }
        }
    }
}
