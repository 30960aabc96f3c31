//! A filter's text to words. What words mean together is in `parser`.

use std::ops::Range;

use winnow::combinator::{alt, delimited, empty, fail, repeat, terminated};
use winnow::error::{ContextError, ErrMode};
use winnow::prelude::*;
use winnow::stream::{LocatingSlice, Location};
use winnow::token::{any, none_of, one_of, rest, take, take_while};

use super::FilterError;

/// A word of the language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Open,
    Close,
    OpenSet,
    CloseSet,
    Comma,
    DotDot,
    And,
    Or,
    Not,
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Contains,
    In,
    /// A quoted text, without quotes and escapes.
    Quoted(Vec<u8>),
    /// A field's name or a bare value.
    Word(String),
    /// A quoted text without its end quote.
    Unclosed,
    /// A character that begins no word.
    Stray,
}

/// A word and where it stands.
pub(super) type Spanned = (Token, Range<usize>);

type Input<'a> = LocatingSlice<&'a str>;

/// Cuts the text into words.
pub(super) fn tokens(text: &str) -> Result<Vec<Spanned>, FilterError> {
    let mut input = LocatingSlice::new(text);
    let words: Result<Vec<Spanned>, ErrMode<ContextError>> = delimited(
        space,
        repeat(0.., terminated(token.with_span(), space)),
        empty,
    )
    .parse_next(&mut input);
    let found = words.unwrap_or_default();
    for (token, span) in &found {
        let message = if *token == Token::Unclosed {
            "this text has no end quote"
        } else if *token == Token::Stray {
            "this is not expected here"
        } else {
            continue;
        };
        return Err(FilterError {
            span: span.clone(),
            message: message.into(),
            help: None,
        });
    }
    debug_assert_eq!(input.current_token_start(), text.len());
    Ok(found)
}

fn space(input: &mut Input<'_>) -> ModalResult<()> {
    take_while(0.., |c: char| c.is_whitespace())
        .void()
        .parse_next(input)
}

fn token(input: &mut Input<'_>) -> ModalResult<Token> {
    alt((
        symbol,
        quoted,
        ('"', rest).value(Token::Unclosed),
        word,
        any.value(Token::Stray),
    ))
    .parse_next(input)
}

fn symbol(input: &mut Input<'_>) -> ModalResult<Token> {
    alt((
        "(".value(Token::Open),
        ")".value(Token::Close),
        "{".value(Token::OpenSet),
        "}".value(Token::CloseSet),
        ",".value(Token::Comma),
        "..".value(Token::DotDot),
        "&&".value(Token::And),
        "||".value(Token::Or),
        alt((
            "==".value(Token::Equal),
            "!=".value(Token::NotEqual),
            ">=".value(Token::GreaterOrEqual),
            "<=".value(Token::LessOrEqual),
            ">".value(Token::Greater),
            "<".value(Token::Less),
            "!".value(Token::Not),
        )),
    ))
    .parse_next(input)
}

/// A text in quotes, with the escapes of C.
fn quoted(input: &mut Input<'_>) -> ModalResult<Token> {
    let plain = none_of(['"', '\\']).map(|c: char| c.to_string().into_bytes());
    let part = alt((plain, escape));
    let parts = repeat(0.., part).fold(Vec::new, |mut text, part: Vec<u8>| {
        text.extend(part);
        text
    });
    delimited('"', parts, '"')
        .map(Token::Quoted)
        .parse_next(input)
}

fn escape(input: &mut Input<'_>) -> ModalResult<Vec<u8>> {
    let byte = alt((
        'n'.value(b'\n'),
        'r'.value(b'\r'),
        't'.value(b'\t'),
        '"'.value(b'"'),
        '\\'.value(b'\\'),
        '\''.value(b'\''),
        (
            'x',
            take(2_usize).verify_map(|h| u8::from_str_radix(h, 16).ok()),
        )
            .map(|(_, byte)| byte),
        fail,
    ));
    ('\\', byte).map(|(_, byte)| vec![byte]).parse_next(input)
}

/// Letters, digits and what names, numbers, addresses and bytes hold; two dots in a row end it.
fn word(input: &mut Input<'_>) -> ModalResult<Token> {
    let letter = one_of(|c: char| c.is_ascii_alphanumeric() || "_:/-".contains(c));
    let dot = terminated('.', winnow::combinator::not('.'));
    repeat(1.., alt((letter, dot)))
        .fold(String::new, |mut word, c| {
            word.push(c);
            word
        })
        .map(|word| match word.as_str() {
            "and" => Token::And,
            "or" => Token::Or,
            "not" => Token::Not,
            "eq" => Token::Equal,
            "ne" => Token::NotEqual,
            "gt" => Token::Greater,
            "ge" => Token::GreaterOrEqual,
            "lt" => Token::Less,
            "le" => Token::LessOrEqual,
            "contains" => Token::Contains,
            "in" => Token::In,
            _ => Token::Word(word),
        })
        .parse_next(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Token> {
        tokens(text).unwrap().into_iter().map(|(t, _)| t).collect()
    }

    #[test]
    fn two_dots_part_words_and_one_does_not() {
        assert_eq!(
            words("{1..10.0.0.1}"),
            [
                Token::OpenSet,
                Token::Word("1".into()),
                Token::DotDot,
                Token::Word("10.0.0.1".into()),
                Token::CloseSet
            ]
        );
    }

    #[test]
    fn escapes_in_quotes() {
        let text = r#""a\r\n\"\x41""#;
        assert_eq!(words(text), [Token::Quoted(b"a\r\n\"A".to_vec())]);
        assert!(tokens(r#""\q""#).is_err());
    }

    #[test]
    fn words_know_where_they_stand() {
        let spans: Vec<_> = tokens(" tcp and  dns").unwrap();
        assert_eq!(spans[1], (Token::And, 5..8));
        assert_eq!(spans[2].1, 10..13);
    }
}
