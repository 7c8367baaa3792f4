//! Tokens of HCL 1.

use crate::Error;

/// A token; white space and comments are dropped.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    Identifier(String),
    Text(String),
    /// A number as written.
    Number(String),
    /// One of `{}[]=,`.
    Mark(char),
    End,
}

/// Reads tokens one by one.
#[derive(Clone)]
pub(crate) struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    column: usize,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self { rest: text, line: 1, column: 1 }
    }

    /// Where the next token or mistake is.
    pub(crate) fn error(&self, what: impl Into<String>) -> Error {
        Error { line: self.line, column: self.column, what: what.into() }
    }

    pub(crate) fn line(&self) -> usize {
        self.line
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        if c == '\n' {
            self.line = self.line.saturating_add(1);
            self.column = 1;
        } else {
            self.column = self.column.saturating_add(1);
        }
        Some(c)
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> String {
        let mut taken = String::new();
        while let Some(c) = self.peek().filter(|c| accept(*c)) {
            taken.push(c);
            self.bump();
        }
        taken
    }

    /// Skips white space and comments; afterwards the position is that of the next token.
    pub(crate) fn skip_blank(&mut self) -> Result<(), Error> {
        loop {
            self.take_while(char::is_whitespace);
            if self.rest.starts_with('#') || self.rest.starts_with("//") {
                self.take_while(|c| c != '\n');
            } else if self.rest.starts_with("/*") {
                let start = self.clone();
                self.bump();
                self.bump();
                while !self.rest.starts_with("*/") {
                    self.bump().ok_or_else(|| start.error("comment is not closed"))?;
                }
                self.bump();
                self.bump();
            } else {
                return Ok(());
            }
        }
    }

    pub(crate) fn next(&mut self) -> Result<Token, Error> {
        self.skip_blank()?;
        let Some(c) = self.peek() else { return Ok(Token::End) };
        match c {
            '{' | '}' | '[' | ']' | '=' | ',' => {
                self.bump();
                Ok(Token::Mark(c))
            }
            '"' => self.quoted(),
            '<' if self.rest.starts_with("<<") => self.heredoc(),
            '-' | '+' | '.' | '0'..='9' => {
                let accept = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
                Ok(Token::Number(self.take_while(accept)))
            }
            c if c.is_alphabetic() || c == '_' => {
                let accept = |c: char| c.is_alphanumeric() || "_-.:".contains(c);
                Ok(Token::Identifier(self.take_while(accept)))
            }
            other => Err(self.error(format!("unexpected character {other:?}"))),
        }
    }

    /// A text in quotes. Inside `${...}` quotes and line ends belong to the text.
    fn quoted(&mut self) -> Result<Token, Error> {
        let start = self.clone();
        let unclosed = || start.error("text is not closed");
        self.bump();
        let mut text = String::new();
        let mut braces: usize = 0;
        loop {
            let c = self.bump().ok_or_else(unclosed)?;
            match c {
                '"' if braces == 0 => return Ok(Token::Text(text)),
                '\n' if braces == 0 => return Err(unclosed()),
                '\\' if braces == 0 => text.push(self.escape()?),
                '$' if braces == 0 && self.rest.starts_with('{') => {
                    self.bump();
                    text.push_str("${");
                    braces = 1;
                }
                '{' if braces > 0 => {
                    text.push(c);
                    braces = braces.saturating_add(1);
                }
                '}' if braces > 0 => {
                    text.push(c);
                    braces = braces.saturating_sub(1);
                }
                other => text.push(other),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Error> {
        let start = self.clone();
        let c = self.bump().ok_or_else(|| start.error("text is not closed"))?;
        let (digits, radix) = match c {
            'a' => return Ok('\u{7}'),
            'b' => return Ok('\u{8}'),
            'f' => return Ok('\u{c}'),
            'n' => return Ok('\n'),
            'r' => return Ok('\r'),
            't' => return Ok('\t'),
            'v' => return Ok('\u{b}'),
            '\\' | '"' => return Ok(c),
            '0'..='7' => {
                let mut value = c.to_digit(8).unwrap_or_default();
                for _ in 0..2 {
                    let digit = self.peek().and_then(|c| c.to_digit(8));
                    let digit = digit.ok_or_else(|| start.error("escape needs 3 octal digits"))?;
                    value = value.saturating_mul(8).saturating_add(digit);
                    self.bump();
                }
                return char::from_u32(value).ok_or_else(|| start.error("escape is no character"));
            }
            'x' => (2, 16),
            'u' => (4, 16),
            'U' => (8, 16),
            other => return Err(start.error(format!("unknown escape \\{other}"))),
        };
        let mut value: u32 = 0;
        for _ in 0..digits {
            let digit = self.peek().and_then(|c| c.to_digit(radix));
            let digit = digit.ok_or_else(|| {
                start.error(format!("escape \\{c} needs {digits} hexadecimal digits"))
            })?;
            value = value.saturating_mul(radix).saturating_add(digit);
            self.bump();
        }
        char::from_u32(value).ok_or_else(|| start.error("escape is no character"))
    }

    /// `<<MARK` or `<<-MARK`, the lines up to one that holds the mark alone. With `-` the indentation of
    /// the closing mark is cut from every line.
    fn heredoc(&mut self) -> Result<Token, Error> {
        let start = self.clone();
        self.bump();
        self.bump();
        let indented = self.peek() == Some('-');
        if indented {
            self.bump();
        }
        let mark = self.take_while(|c| c.is_alphanumeric() || "_-.".contains(c));
        self.take_while(|c| c == '\r');
        if mark.is_empty() || self.bump() != Some('\n') {
            return Err(start.error("a heredoc begins with a mark and a line end"));
        }
        let mut lines = Vec::new();
        loop {
            if self.rest.is_empty() {
                return Err(start.error(format!("heredoc {mark} is not closed")));
            }
            let line = self.take_while(|c| c != '\n');
            if line.trim() == mark {
                let indentation = line.len().saturating_sub(line.trim_start().len());
                return Ok(Token::Text(joined(&lines, if indented { indentation } else { 0 })));
            }
            self.bump();
            lines.push(line);
        }
    }
}

/// Lines with their ends, without the first `indentation` blanks if all lines begin with that many.
fn joined(lines: &[String], indentation: usize) -> String {
    let blank = |line: &String| line.chars().take(indentation).all(|c| c == ' ' || c == '\t');
    let cut = if lines.iter().all(blank) { indentation } else { 0 };
    lines.iter().map(|line| line.get(cut..).unwrap_or_default().to_owned() + "\n").collect()
}
