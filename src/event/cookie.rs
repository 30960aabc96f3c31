//! What a client does with cookies (RFC 6265).

use std::fmt;

use super::Flow;
use crate::time::UnixSeconds;

/// Something that happened to a client's cookies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CookieFact {
    /// A response set one.
    Stored {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
        /// The host, or the domain, that it is for.
        domain: String,
        /// The path that it is for, with all below it.
        path: String,
        /// When it ends; `None` with the client.
        expires: Option<UnixSeconds>,
    },
    /// A response took one back: its date is over.
    Removed {
        /// Its name.
        name: String,
    },
    /// A response set one that the client does not take.
    Refused {
        /// Its name.
        name: String,
        /// Why, as in "www.your-app.com is not in the domain other.com".
        why: String,
    },
    /// A request shows some.
    Shown {
        /// On which connection.
        flow: Flow,
        /// Name and value of each, as the field has them.
        cookies: String,
    },
}

impl CookieFact {
    /// A stable word for the kind.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Stored { .. } => "cookie-stored",
            Self::Removed { .. } => "cookie-removed",
            Self::Refused { .. } => "cookie-refused",
            Self::Shown { .. } => "cookie-shown",
        }
    }
}

/// A line about it. Long values are cut.
impl fmt::Display for CookieFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stored {
                name,
                value,
                domain,
                path,
                expires,
            } => {
                write!(f, "keeps {name}={} for {domain}{path}", cut(value))?;
                match expires {
                    Some(at) => write!(f, " until {at}"),
                    None => write!(f, " until it ends"),
                }
            }
            Self::Removed { name } => write!(f, "{name} is taken back"),
            Self::Refused { name, why } => write!(f, "does not take {name}: {why}"),
            Self::Shown { cookies, .. } => {
                let pairs = cookies.split("; ").map(|pair| match pair.split_once('=') {
                    Some((name, value)) => format!("{name}={}", cut(value)),
                    None => cut(pair),
                });
                write!(f, "shows {}", pairs.collect::<Vec<_>>().join("; "))
            }
        }
    }
}

/// The beginning of a value.
fn cut(value: &str) -> String {
    const SHOWN: usize = 16;
    match value.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &value[..at]),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_beginning_of_long_values() {
        let stored = CookieFact::Stored {
            name: "AWSALB".into(),
            value: "x".repeat(128),
            domain: "your-app.com".into(),
            path: "/".into(),
            expires: Some(UnixSeconds::from_ymd(2025, 11, 12)),
        };
        assert_eq!(
            stored.to_string(),
            "keeps AWSALB=xxxxxxxxxxxxxxxx… for your-app.com/ until 2025-11-12T00:00:00Z"
        );
        assert_eq!(stored.word(), "cookie-stored");
    }
}
