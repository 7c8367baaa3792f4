//! The grammar of HCL 1.

use crate::lexer::{Lexer, Token};
use crate::tree::{Body, Item, Value};
use crate::{Error, MAX_DEPTH};

struct Parser<'a> {
    lexer: Lexer<'a>,
    next: Token,
    /// Before `next` was read.
    at: Lexer<'a>,
}

pub(crate) fn parse(text: &str) -> Result<Body, Error> {
    let lexer = Lexer::new(text);
    let mut parser = Parser { at: lexer.clone(), lexer, next: Token::End };
    parser.advance()?;
    parser.body(0, None)
}

impl Parser<'_> {
    fn advance(&mut self) -> Result<Token, Error> {
        self.lexer.skip_blank()?;
        self.at = self.lexer.clone();
        let token = self.lexer.next()?;
        Ok(std::mem::replace(&mut self.next, token))
    }

    fn error(&self, expected: &str) -> Error {
        let found = match &self.next {
            Token::Identifier(name) => format!("{name:?}"),
            Token::Text(_) => "a text".to_owned(),
            Token::Number(_) => "a number".to_owned(),
            Token::Mark(mark) => format!("{mark:?}"),
            Token::End => "the end".to_owned(),
        };
        self.at.error(format!("expected {expected}, found {found}"))
    }

    /// Items up to `close`, or to the end of the text.
    fn body(&mut self, depth: usize, close: Option<char>) -> Result<Body, Error> {
        if depth > MAX_DEPTH {
            return Err(self.at.error(format!("nested more than {MAX_DEPTH} deep")));
        }
        let mut body = Body::default();
        loop {
            match (&self.next, close) {
                (Token::End, None) => return Ok(body),
                (Token::Mark(mark), Some(close)) if *mark == close => {
                    self.advance()?;
                    return Ok(body);
                }
                _ => {}
            }
            body.items.push(self.item(depth)?);
            if self.next == Token::Mark(',') && close.is_some() {
                self.advance()?;
            }
        }
    }

    fn item(&mut self, depth: usize) -> Result<Item, Error> {
        let line = self.at.line();
        let mut keys = Vec::new();
        loop {
            match &self.next {
                Token::Identifier(_) | Token::Text(_) => {
                    if let Token::Identifier(key) | Token::Text(key) = self.advance()? {
                        keys.push(key);
                    }
                }
                Token::Mark('=') if keys.len() == 1 => {
                    self.advance()?;
                    let value = self.value(depth)?;
                    return Ok(Item { keys, value, line });
                }
                Token::Mark('{') if !keys.is_empty() => {
                    self.advance()?;
                    let body = self.body(depth.saturating_add(1), Some('}'))?;
                    return Ok(Item { keys, value: Value::Object(body), line });
                }
                _ if keys.is_empty() => return Err(self.error("a key")),
                _ if keys.len() == 1 => return Err(self.error("'=' or '{' or a label")),
                _ => return Err(self.error("'{' or a label")),
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, Error> {
        match &self.next {
            Token::Text(_) => match self.advance()? {
                Token::Text(text) => Ok(Value::Text(text)),
                _ => Ok(Value::Null),
            },
            Token::Number(text) => {
                let number = number(text).ok_or_else(|| self.error("a number"))?;
                self.advance()?;
                Ok(number)
            }
            Token::Identifier(name) if name == "true" || name == "false" => {
                let bool = name == "true";
                self.advance()?;
                Ok(Value::Bool(bool))
            }
            Token::Mark('{') => {
                self.advance()?;
                Ok(Value::Object(self.body(depth.saturating_add(1), Some('}'))?))
            }
            Token::Mark('[') => self.list(depth.saturating_add(1)),
            _ => Err(self.error("a value")),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, Error> {
        if depth > MAX_DEPTH {
            return Err(self.at.error(format!("nested more than {MAX_DEPTH} deep")));
        }
        self.advance()?;
        let mut values = Vec::new();
        loop {
            if self.next == Token::Mark(']') {
                self.advance()?;
                return Ok(Value::List(values));
            }
            values.push(self.value(depth)?);
            match &self.next {
                Token::Mark(',') => {
                    self.advance()?;
                }
                Token::Mark(']') => {}
                _ => return Err(self.error("',' or ']'")),
            }
        }
    }
}

fn number(text: &str) -> Option<Value> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let radix = |digits: &str, radix: u32| {
        let plain = digits.chars().all(|c| c.is_digit(radix));
        plain.then(|| i64::from_str_radix(&format!("{sign}{digits}"), radix).ok()).flatten()
    };
    if let Some(digits) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        return radix(digits, 16).map(Value::Integer);
    }
    if digits.len() > 1 && digits.starts_with('0') && digits.chars().all(|c| c.is_ascii_digit()) {
        return radix(digits, 8).map(Value::Integer);
    }
    if let Some(integer) = radix(digits, 10) {
        return Some(Value::Integer(integer));
    }
    let looks_decimal = digits.chars().all(|c| c.is_ascii_digit() || ".eE+-".contains(c));
    let float: f64 = text.parse().ok().filter(|_| looks_decimal)?;
    float.is_finite().then_some(Value::Float(float))
}
