//! The display filter: a subset of Wireshark's language with its field names and its meaning, so that one text
//! selects the same frames here and there. Reading text is in `parser` and below; what a frame's fields are is
//! decided by the dissection.
//!
//! `field` alone asks for presence (also of a flag: `tcp.flags.syn` is in every TCP frame). A comparison holds when
//! any value of the field satisfies it; `!=` when the field is there and no value equals (Wireshark 4).
//! `not` binds tightest, then `and`, then `or`.

mod lexer;
mod parser;

use std::cmp::Ordering;
use std::net::IpAddr;
use std::ops::Range;

use super::field::{Fields, Value};
use super::message::Frame;

/// A display filter, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(Expression);

/// Why a text is not a display filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct FilterError {
    /// Where, in bytes of the text. Empty at its end.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl Filter {
    /// Reads a filter. The empty text selects every frame.
    ///
    /// # Errors
    /// [`FilterError`] when the text is not of the subset: grammar, an unknown field, or a value that does not fit
    /// its field.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        parser::parse(text).map(Self)
    }

    /// Whether it selects the frame.
    #[must_use]
    pub fn matches(&self, frame: &Frame) -> bool {
        self.0.holds(&frame.fields)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Expression {
    All,
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    Present(&'static str),
    Compare(&'static str, Relation, Literal),
    Contains(&'static str, Literal),
    In(&'static str, Vec<Element>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// A value, of the type of the field that it stands beside.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Literal {
    Number(u64),
    Flag(bool),
    /// Address and length of the network prefix.
    Address(IpAddr, u8),
    Text(String),
    Bytes(Vec<u8>),
}

/// An element of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Element {
    One(Literal),
    /// Both ends belong to it.
    Range(Literal, Literal),
}

impl Expression {
    fn holds(&self, fields: &Fields) -> bool {
        match self {
            Self::All => true,
            Self::And(all) => all.iter().all(|e| e.holds(fields)),
            Self::Or(any) => any.iter().any(|e| e.holds(fields)),
            Self::Not(e) => !e.holds(fields),
            Self::Present(name) => fields.has(name),
            Self::Compare(name, Relation::NotEqual, literal) => {
                fields.has(name)
                    && !fields
                        .all(name)
                        .any(|v| literal.compare(v) == Some(Ordering::Equal))
            }
            Self::Compare(name, relation, literal) => fields
                .all(name)
                .any(|v| literal.compare(v).is_some_and(|o| relation.allows(o))),
            Self::Contains(name, literal) => fields.all(name).any(|v| literal.is_part_of(v)),
            Self::In(name, set) => fields.all(name).any(|v| {
                set.iter().any(|element| match element {
                    Element::One(l) => l.compare(v) == Some(Ordering::Equal),
                    Element::Range(low, high) => {
                        low.compare(v).is_some_and(Ordering::is_ge)
                            && high.compare(v).is_some_and(Ordering::is_le)
                    }
                })
            }),
        }
    }
}

impl Relation {
    const fn allows(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
        }
    }
}

impl Literal {
    /// How the field's value stands to this one; `None` when they are not of one type.
    fn compare(&self, value: &Value) -> Option<Ordering> {
        Some(match (self, value) {
            (Self::Number(l), Value::Number(v)) => v.cmp(l),
            (Self::Flag(l), Value::Flag(v)) => v.cmp(l),
            (Self::Address(IpAddr::V4(l), prefix), Value::Address(IpAddr::V4(v))) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(*prefix)).unwrap_or(0);
                (v.to_bits() & mask).cmp(&(l.to_bits() & mask))
            }
            (Self::Address(IpAddr::V6(l), prefix), Value::Address(IpAddr::V6(v))) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(*prefix)).unwrap_or(0);
                (v.to_bits() & mask).cmp(&(l.to_bits() & mask))
            }
            (Self::Text(l), Value::Text(v)) => v.as_bytes().cmp(l.as_bytes()),
            (Self::Bytes(l), Value::Bytes(v)) => v.cmp(l),
            _ => return None,
        })
    }

    fn is_part_of(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Text(l), Value::Text(v)) => v.contains(l.as_str()),
            (Self::Bytes(l), Value::Bytes(v)) => v.windows(l.len().max(1)).any(|w| w == l),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> Fields {
        let mut f = Fields::default();
        f.push("ip", Value::Present);
        for a in ["10.0.1.10", "203.192.1.50"] {
            f.push("ip.addr", Value::Address(a.parse().unwrap()));
        }
        f.push("tcp", Value::Present);
        f.push("tcp.port", Value::Number(443));
        f.push("tcp.port", Value::Number(50_000));
        f.push("tcp.len", Value::Number(121));
        f.push("tcp.flags.syn", Value::Flag(false));
        f.push("tcp.flags.ack", Value::Flag(true));
        f.push("http.host", Value::Text("your-app.com".into()));
        f.push("tls.handshake.random", Value::Bytes(vec![1, 2, 3]));
        f
    }

    fn holds(text: &str) -> bool {
        Filter::parse(text).expect(text).0.holds(&fields())
    }

    #[test]
    fn selects_as_wireshark_4_does() {
        for (text, expected) in [
            ("", true),
            ("tcp", true),
            ("udp", false),
            ("tcp.flags.syn", true),
            ("tcp.flags.syn == 1", false),
            ("tcp.flags.ack == True and not tcp.flags.syn == true", true),
            ("tcp.flags.ack == 2", true),
            ("tcp.port == 443", true),
            ("tcp.port != 443", false),
            ("tcp.port != 80", true),
            ("udp.port != 80", false),
            ("!(udp.port == 80)", true),
            ("tcp.port eq 0xc350", true),
            ("tcp.len == 0171", true),
            ("tcp.len > 120 && tcp.len < 122", true),
            ("tcp.len ge 122 or tcp.len le 120", false),
            ("tcp.len in {1, 100..121}", true),
            ("tcp.len in {122..200}", false),
            ("tcp.port not in {80, 443}", false),
            ("udp.port not in {80}", true),
            ("not tcp.len in {121}", false),
            ("ip.addr == 10.0.0.0/8", true),
            ("ip.addr == 10.0.2.0/24", false),
            ("ip.addr in {192.0.2.1, 203.192.1.0/24}", true),
            ("ip.addr > 203.192.1.49", true),
            ("ip.addr == 0.0.0.0/0", true),
            ("http.host contains app", true),
            (r#"http.host contains "App""#, false),
            (r#"http.host == "your\x2dapp.com""#, true),
            ("http.host in {a, your-app.com}", true),
            ("http.host < z", true),
            ("tls.handshake.random == 01:02:03", true),
            ("tls.handshake.random contains 0203", true),
            ("udp and udp or tcp", true),
            ("tcp or udp and udp", true),
            ("not udp and not icmp", true),
            ("not (tcp or udp)", false),
            ("! ! tcp", true),
            ("(((tcp)))", true),
        ] {
            assert_eq!(holds(text), expected, "{text}");
        }
    }

    #[test]
    fn mistakes_are_shown_where_they_are() {
        for (text, at, message, help) in [
            (
                "tcp.prot == 1",
                "tcp.prot",
                "no field is named",
                "`tcp.port`",
            ),
            ("TCP", "TCP", "no field is named", "`tcp`"),
            ("tcp.len == \"1\"", "\"1\"", "is a number", "without quotes"),
            ("tcp.len == abc", "abc", "is a number", "0x1f"),
            ("tcp.len == -1", "-1", "is a number", ""),
            ("tcp.srcport == 70000", "70000", "at most 65535", ""),
            ("ip.addr == 10.0.1", "10.0.1", "IPv4 address", "10.0.0.0/8"),
            ("ip.addr == 10.0.0.0/33", "10.0.0.0/33", "IPv4 address", ""),
            ("tcp.flags.syn == yes", "yes", "true or false", ""),
            ("tcp == 1", "tcp", "no value", "present"),
            ("tcp.len contains 5", "tcp.len", "`contains`", ""),
            ("\"x\" == http.host", "\"x\"", "a field", "on the left"),
            ("tcp.port == 443;", ";", "not expected", ""),
            ("tcp and", "", "ends too soon", ""),
            ("(dns", "", "ends too soon", "`)`"),
            ("tcp.len in {1 2}", "2", "`,`", ""),
            ("tcp.len in 1", "1", "`{`", ""),
            ("dns xor tcp", "xor", "not of the subset", ""),
            (
                "http.host matches a",
                "matches",
                "not of the subset",
                "contains",
            ),
            ("dns tcp", "tcp", "not expected", "`and`"),
            ("http.host == \"a", "\"a", "has no end", ""),
            ("tls.handshake.random == zz", "zz", "is bytes", ""),
            ("tcp)", ")", "not expected", ""),
        ] {
            let error = Filter::parse(text).expect_err(text);
            assert_eq!(&text[error.span.clone()], at, "{text}: {error}");
            assert!(error.message.contains(message), "{text}: {error}");
            let given = error.help.unwrap_or_default();
            assert!(given.contains(help), "{text}: {given}");
        }
    }

    #[test]
    fn nesting_has_a_limit() {
        let deep = |n: usize| format!("{}tcp{}", "(".repeat(n), ")".repeat(n));
        assert!(Filter::parse(&deep(50)).is_ok());
        let error = Filter::parse(&deep(100_000)).unwrap_err();
        assert!(error.message.contains("nested"), "{error}");
        assert!(Filter::parse(&"!".repeat(100_000)).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_filter_or_an_error_inside_it(text in "[ a-z.(){}=!&|\"\\\\0-9,é]{0,40}") {
            if let Err(error) = Filter::parse(&text) {
                proptest::prop_assert!(text.get(error.span).is_some());
            }
        }
    }
}
