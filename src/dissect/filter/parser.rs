//! Words to an expression whose every field is known and whose every value fits its field.

use std::net::IpAddr;
use std::ops::Range;

use super::lexer::{Spanned, Token, tokens};
use super::{Element, Expression, FilterError, Literal, Relation};
use crate::dissect::field::{Kind, kind, nearest};

/// How deep parentheses and negations may nest.
const DEEPEST: usize = 100;

pub(super) fn parse(text: &str) -> Result<Expression, FilterError> {
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return Ok(Expression::All);
    }
    let mut parser = Parser {
        text,
        tokens: &tokens,
        depth: 0,
    };
    let expression = parser.or()?;
    match parser.tokens.first() {
        None => Ok(expression),
        Some((Token::Word(word), span)) => Err(outside_the_subset(word, span.clone())),
        Some((Token::Close, span)) => Err(error(
            span.clone(),
            "this is not expected here",
            "there is no `(` for it",
        )),
        Some((_, span)) => Err(error(span.clone(), "this is not expected here", None)),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: &'a [Spanned],
    depth: usize,
}

impl<'a> Parser<'a> {
    fn or(&mut self) -> Result<Expression, FilterError> {
        let mut all = vec![self.and()?];
        while self.eat(&Token::Or) {
            all.push(self.and()?);
        }
        Ok(one_or(all, Expression::Or))
    }

    fn and(&mut self) -> Result<Expression, FilterError> {
        let mut all = vec![self.not()?];
        while self.eat(&Token::And) {
            all.push(self.not()?);
        }
        Ok(one_or(all, Expression::And))
    }

    fn not(&mut self) -> Result<Expression, FilterError> {
        if self.depth == DEEPEST {
            return Err(error(self.here(), "this is nested too deeply", None));
        }
        self.depth += 1;
        let expression = if self.eat(&Token::Not) {
            Expression::Not(Box::new(self.not()?))
        } else if self.eat(&Token::Open) {
            let inner = self.or()?;
            self.expect(&Token::Close, "`)`")?;
            inner
        } else {
            self.test()?
        };
        self.depth -= 1;
        Ok(expression)
    }

    fn test(&mut self) -> Result<Expression, FilterError> {
        let (name, kind, span) = self.field()?;
        let relation = match self.tokens.first().map(|(token, _)| token) {
            Some(Token::Equal) => Relation::Equal,
            Some(Token::NotEqual) => Relation::NotEqual,
            Some(Token::Greater) => Relation::Greater,
            Some(Token::GreaterOrEqual) => Relation::GreaterOrEqual,
            Some(Token::Less) => Relation::Less,
            Some(Token::LessOrEqual) => Relation::LessOrEqual,
            Some(Token::Contains) => {
                self.next();
                if !matches!(kind, Kind::Text | Kind::Bytes) {
                    let message = format!("`{name}` is {}: `contains` needs text", describe(kind));
                    return Err(error(span, message, "use `==` or `in`"));
                }
                return Ok(Expression::Contains(name, self.literal(name, kind)?));
            }
            Some(Token::In) => {
                self.next();
                has_value(name, kind, span)?;
                return Ok(Expression::In(name, self.set(name, kind)?));
            }
            Some(Token::Not) if matches!(self.tokens.get(1), Some((Token::In, _))) => {
                self.next();
                self.next();
                has_value(name, kind, span)?;
                let set = self.set(name, kind)?;
                return Ok(Expression::Not(Box::new(Expression::In(name, set))));
            }
            _ => return Ok(Expression::Present(name)),
        };
        self.next();
        has_value(name, kind, span)?;
        Ok(Expression::Compare(
            name,
            relation,
            self.literal(name, kind)?,
        ))
    }

    fn field(&mut self) -> Result<(&'static str, Kind, Range<usize>), FilterError> {
        let (word, span) = match self.next() {
            Some((Token::Word(word), span)) => (word, span.clone()),
            Some((Token::Quoted(_), span)) => {
                return Err(error(
                    span.clone(),
                    "this is a text where a field is expected",
                    "the field stands on the left, as in `http.host == \"your-app.com\"`",
                ));
            }
            Some((_, span)) => {
                return Err(error(
                    span.clone(),
                    "this is not expected here",
                    "a field is, as in `tcp.port == 443`",
                ));
            }
            None => return Err(self.too_soon("a field is expected, as in `tcp.port == 443`")),
        };
        let Some((name, kind)) = kind(word) else {
            let help = nearest(word).map(|near| format!("did you mean `{near}`?"));
            return Err(error(span, format!("no field is named `{word}`"), help));
        };
        Ok((name, kind, span))
    }

    fn set(&mut self, name: &str, kind: Kind) -> Result<Vec<Element>, FilterError> {
        self.expect(&Token::OpenSet, "`{`")?;
        let mut set = Vec::new();
        loop {
            let first = self.literal(name, kind)?;
            set.push(if self.eat(&Token::DotDot) {
                Element::Range(first, self.literal(name, kind)?)
            } else {
                Element::One(first)
            });
            if self.eat(&Token::CloseSet) {
                return Ok(set);
            }
            self.expect(&Token::Comma, "`,` or `}`")?;
        }
    }

    fn literal(&mut self, name: &str, kind: Kind) -> Result<Literal, FilterError> {
        match self.next() {
            Some((Token::Quoted(text), span)) => quoted(text, name, kind, span.clone()),
            Some((Token::Word(word), span)) => bare(word, name, kind, span.clone()),
            // A keyword may be meant as a text: `http.host == in`.
            Some((_, span)) => Err(error(
                span.clone(),
                format!("a value for `{name}` is expected here"),
                None,
            )),
            None => Err(self.too_soon(format!("a value for `{name}` is expected"))),
        }
    }

    fn next(&mut self) -> Option<&'a Spanned> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    fn eat(&mut self, token: &Token) -> bool {
        let there = self.tokens.first().is_some_and(|(t, _)| t == token);
        if there {
            self.next();
        }
        there
    }

    fn expect(&mut self, token: &Token, name: &str) -> Result<(), FilterError> {
        if self.eat(token) {
            return Ok(());
        }
        match self.tokens.first() {
            None => Err(self.too_soon(format!("{name} is expected"))),
            Some((_, span)) => Err(error(
                span.clone(),
                format!("{name} is expected here"),
                None,
            )),
        }
    }

    fn here(&self) -> Range<usize> {
        let end = self.text.len();
        self.tokens
            .first()
            .map_or(end..end, |(_, span)| span.clone())
    }

    fn too_soon(&self, help: impl Into<String>) -> FilterError {
        error(self.here(), "the filter ends too soon", help.into())
    }
}

fn one_or(mut all: Vec<Expression>, join: fn(Vec<Expression>) -> Expression) -> Expression {
    match all.pop() {
        Some(only) if all.is_empty() => only,
        Some(last) => {
            all.push(last);
            join(all)
        }
        None => Expression::All,
    }
}

trait IntoHelp {
    fn into_help(self) -> Option<String>;
}

impl IntoHelp for &str {
    fn into_help(self) -> Option<String> {
        Some(self.into())
    }
}

impl IntoHelp for String {
    fn into_help(self) -> Option<String> {
        Some(self)
    }
}

impl IntoHelp for Option<String> {
    fn into_help(self) -> Option<String> {
        self
    }
}

fn error(span: Range<usize>, message: impl Into<String>, help: impl IntoHelp) -> FilterError {
    FilterError {
        span,
        message: message.into(),
        help: help.into_help(),
    }
}

fn outside_the_subset(word: &str, span: Range<usize>) -> FilterError {
    let help = match word {
        "matches" => "use `contains` with a part of the text",
        "xor" => "write it with `and`, `or` and `not`",
        _ => {
            return error(
                span,
                "this is not expected here",
                "join tests with `and` or `or`",
            );
        }
    };
    error(
        span,
        format!("`{word}` is not of the subset of Wireshark's language that is read here"),
        help,
    )
}

fn has_value(name: &str, kind: Kind, span: Range<usize>) -> Result<(), FilterError> {
    if matches!(kind, Kind::Protocol | Kind::Label) {
        return Err(error(
            span,
            format!("`{name}` has no value to compare"),
            format!("`{name}` alone asks whether it is present"),
        ));
    }
    Ok(())
}

const fn describe(kind: Kind) -> &'static str {
    match kind {
        Kind::Protocol => "a protocol",
        Kind::Label => "a mark",
        Kind::Number(_) => "a number",
        Kind::Flag => "true or false",
        Kind::Ipv4 => "an IPv4 address",
        Kind::Ipv6 => "an IPv6 address",
        Kind::Text => "a text",
        Kind::Bytes => "bytes",
    }
}

/// A text in quotes fits texts and bytes.
fn quoted(text: &[u8], name: &str, kind: Kind, span: Range<usize>) -> Result<Literal, FilterError> {
    match kind {
        Kind::Text => Ok(Literal::Text(String::from_utf8_lossy(text).into_owned())),
        Kind::Bytes => Ok(Literal::Bytes(text.to_vec())),
        Kind::Protocol | Kind::Label | Kind::Number(_) | Kind::Flag | Kind::Ipv4 | Kind::Ipv6 => {
            Err(error(
                span,
                format!("`{name}` is {}, and this is a text", describe(kind)),
                "write the value without quotes",
            ))
        }
    }
}

fn bare(word: &str, name: &str, kind: Kind, span: Range<usize>) -> Result<Literal, FilterError> {
    let wrong = |help: &str| {
        Err(error(
            span.clone(),
            format!("`{name}` is {}, and `{word}` is not", describe(kind)),
            help,
        ))
    };
    match kind {
        Kind::Number(bits) => {
            let most = u64::MAX >> (64 - u32::from(bits));
            match number(word) {
                Some(n) if n <= u128::from(most) => Ok(Literal::Number(n as u64)),
                Some(_) => Err(error(
                    span.clone(),
                    format!("`{word}` is too big for `{name}`, which is at most {most}"),
                    None,
                )),
                None => wrong("numbers are written as 31 or 0x1f"),
            }
        }
        Kind::Flag => match (word.to_ascii_lowercase().as_str(), number(word)) {
            ("true", _) => Ok(Literal::Flag(true)),
            ("false", _) => Ok(Literal::Flag(false)),
            (_, Some(n)) => Ok(Literal::Flag(n != 0)),
            (_, None) => wrong("write 1 or 0"),
        },
        Kind::Ipv4 | Kind::Ipv6 => match network(word) {
            Some((ip, n)) if ip.is_ipv4() == (kind == Kind::Ipv4) => Ok(Literal::Address(ip, n)),
            _ if kind == Kind::Ipv4 => wrong("as in 10.0.1.10 or 10.0.0.0/8"),
            _ => wrong("as in 2001:db8::1 or 2001:db8::/32"),
        },
        Kind::Text => Ok(Literal::Text(word.into())),
        Kind::Bytes => match bytes(word) {
            Some(bytes) => Ok(Literal::Bytes(bytes)),
            None => wrong("as in 0a:1b:2c or 0a1b2c"),
        },
        Kind::Protocol | Kind::Label => wrong("compare nothing with it"),
    }
}

/// Decimal, 0x hexadecimal or, as in C, octal after a zero.
fn number(word: &str) -> Option<u128> {
    let (digits, radix) = match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None if word.len() > 1 && word.starts_with('0') => (&word[1..], 8),
        None => (word, 10),
    };
    u128::from_str_radix(digits, radix).ok()
}

fn network(word: &str) -> Option<(IpAddr, u8)> {
    let (address, prefix) = match word.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix.parse().ok()?)),
        None => (word, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.unwrap_or(longest);
    (prefix <= longest).then_some((address, prefix))
}

/// Hexadecimal digits in pairs, with `:` or `-` between them or nothing.
fn bytes(word: &str) -> Option<Vec<u8>> {
    let parted = word.contains([':', '-']);
    let pairs: Vec<&str> = if parted {
        word.split([':', '-']).collect()
    } else {
        (0..word.len())
            .step_by(2)
            .map(|i| word.get(i..i + 2))
            .collect::<Option<_>>()?
    };
    pairs
        .into_iter()
        .map(|pair| {
            (pair.len() <= 2)
                .then(|| u8::from_str_radix(pair, 16).ok())
                .flatten()
        })
        .collect()
}
