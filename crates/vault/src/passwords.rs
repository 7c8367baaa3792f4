//! Password policies: which characters a generated password has.

use crate::{Error, random};

/// Longest password that is made.
const LENGTH_MAX: i64 = 1024;
/// Characters of a password without a policy, as Vault's default.
const DEFAULT: &str = r#"
length = 20
rule "charset" { charset = "abcdefghijklmnopqrstuvwxyz" min-chars = 1 }
rule "charset" { charset = "ABCDEFGHIJKLMNOPQRSTUVWXYZ" min-chars = 1 }
rule "charset" { charset = "0123456789" min-chars = 1 }
rule "charset" { charset = "-" min-chars = 1 }
"#;

/// A parsed password policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PasswordPolicy {
    length: usize,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    charset: Vec<char>,
    min_chars: usize,
}

impl PasswordPolicy {
    /// Parses HCL or JSON.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let invalid =
            |what: String| Error::Invalid(format!("failed to parse password policy: {what}"));
        let body = hcl::parse(text).map_err(|error| invalid(error.to_string()))?;
        let length = body.attribute("length").and_then(hcl::Value::as_integer).unwrap_or(0);
        if !(4..=LENGTH_MAX).contains(&length) {
            return Err(invalid(format!("length must be 4 to {LENGTH_MAX}, found {length}")));
        }
        let blocks = body
            .blocks("rule")
            .map_err(|line| invalid(format!("line {line}: expected rule \"charset\" {{ ... }}")))?;
        let mut rules = Vec::new();
        for block in blocks {
            if block.labels.first() != Some(&"charset") {
                return Err(invalid(format!("line {}: unknown rule", block.line)));
            }
            let charset =
                block.body.attribute("charset").and_then(hcl::Value::as_text).unwrap_or_default();
            let mut charset: Vec<char> = charset.chars().collect();
            charset.sort_unstable();
            charset.dedup();
            if charset.is_empty() || charset.iter().any(|c| c.is_control()) {
                return Err(invalid(format!(
                    "line {}: charset must have printable characters",
                    block.line
                )));
            }
            let min_chars =
                ["min-chars", "min_chars"].into_iter().find_map(|name| block.body.attribute(name));
            let min_chars = min_chars.and_then(hcl::Value::as_integer).unwrap_or(0);
            let min_chars = usize::try_from(min_chars)
                .map_err(|_| invalid("min-chars must not be negative".to_owned()))?;
            rules.push(Rule { charset, min_chars });
        }
        if rules.is_empty() {
            return Err(invalid("at least one charset is needed".to_owned()));
        }
        let length = usize::try_from(length).unwrap_or_default();
        if rules.iter().map(|rule| rule.min_chars).sum::<usize>() > length {
            return Err(invalid("the rules want more characters than the length".to_owned()));
        }
        Ok(PasswordPolicy { length, rules })
    }

    /// Without a policy.
    pub(crate) fn default() -> Self {
        Self::parse(DEFAULT).expect("the default policy is well-formed")
    }

    /// Makes a password: what each rule wants, the rest from all characters, in random order.
    pub(crate) fn generate(&self) -> String {
        let mut all: Vec<char> =
            self.rules.iter().flat_map(|rule| rule.charset.iter().copied()).collect();
        all.sort_unstable();
        all.dedup();
        let mut password: Vec<char> = Vec::with_capacity(self.length);
        for rule in &self.rules {
            password.extend((0..rule.min_chars).map(|_| rule.charset[below(rule.charset.len())]));
        }
        while password.len() < self.length {
            password.push(all[below(all.len())]);
        }
        for end in (1..password.len()).rev() {
            password.swap(end, below(end + 1));
        }
        password.into_iter().collect()
    }
}

/// A random number below `bound`, all equally likely.
fn below(bound: usize) -> usize {
    let bound = u32::try_from(bound.max(1)).unwrap_or(u32::MAX);
    let limit = u32::MAX - u32::MAX % bound;
    loop {
        let number = u32::from_be_bytes(*random::bytes::<4>().expose());
        if number < limit {
            return usize::try_from(number % bound).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_keep_the_rules() {
        let text = r#"
            length = 12
            rule "charset" { charset = "abc" }
            rule "charset" { charset = "XY" min-chars = 3 }
            rule "charset" { charset = "9" min-chars = 1 }
        "#;
        let policy = PasswordPolicy::parse(text).unwrap();
        for _ in 0..50 {
            let password = policy.generate();
            assert_eq!(password.len(), 12);
            assert!(password.chars().all(|c| "abcXY9".contains(c)), "{password}");
            assert!(password.chars().filter(|c| "XY".contains(*c)).count() >= 3);
            assert!(password.contains('9'));
        }
        assert_eq!(PasswordPolicy::default().generate().len(), 20);
        for bad in [
            "",
            "length = 3",
            "length = 20",
            "length = 5\nrule \"charset\" { charset = \"\" }",
            "length = 4\nrule \"charset\" { charset = \"a\" min-chars = 5 }",
            "length = 2000\nrule \"charset\" { charset = \"a\" }",
        ] {
            assert!(PasswordPolicy::parse(bad).is_err(), "{bad}");
        }
    }
}
