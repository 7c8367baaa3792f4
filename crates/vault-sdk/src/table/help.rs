//! Path help, as `vault path-help` shows it.

use std::fmt::Write as _;

use super::path::{Path, PathTable};

impl<E> PathTable<E> {
    /// The page of the engine: what it is, and its paths.
    pub(super) fn overview(&self) -> String {
        let mut text = format!("## DESCRIPTION\n\n{}\n\n## PATHS\n\n", self.help.trim());
        text.push_str("The following paths are supported by this backend. To view help for\n");
        text.push_str("any of the paths below, use the help command with any route matching\n");
        text.push_str("the path pattern. Note that depending on the policy of your auth token,\n");
        text.push_str("you may or may not be able to access certain paths.\n");
        for path in &self.paths {
            let _ = write!(text, "\n    {}\n        {}\n", path.pattern.template(), path.synopsis);
        }
        text
    }
}

impl<E> Path<E> {
    /// The page of one path, as requested by a client.
    pub(super) fn page(&self, requested: &str) -> String {
        let pattern = self.pattern.template();
        let mut text = format!("Request:        {requested}\nMatching Route: {pattern}\n\n");
        let _ = writeln!(text, "{}\n", self.synopsis);
        if !self.fields.is_empty() {
            text.push_str("## PARAMETERS\n");
        }
        let mut fields: Vec<_> = self.fields.iter().collect();
        fields.sort_by_key(|field| field.name);
        for field in fields {
            let required = if field.required { ", required" } else { "" };
            let deprecated = if field.deprecated { "(DEPRECATED) " } else { "" };
            let (name, kind, help) = (field.name, field.kind.word(), field.help);
            let _ = write!(text, "\n    {name} ({kind}{required})\n        {deprecated}{help}\n");
        }
        let _ = write!(text, "\n## DESCRIPTION\n\n{}\n", self.description.trim());
        text
    }
}
