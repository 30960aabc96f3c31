//! URLs.

use std::fmt;

/// An http or https URL, in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Whether it is https.
    pub https: bool,
    /// Host name.
    pub host: String,
    /// Port, the scheme's default where none is written.
    pub port: u16,
    /// Path and query, at least "/".
    pub target: String,
}

impl Url {
    /// Whether one connection can carry both: same scheme, host and port (RFC 9110 §4.3.1).
    #[must_use]
    pub fn shares_origin(&self, other: &Self) -> bool {
        (self.https, &self.host, self.port) == (other.https, &other.host, other.port)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, default) = if self.https {
            ("https", 443)
        } else {
            ("http", 80)
        };
        write!(f, "{scheme}://{}", self.host)?;
        if self.port != default {
            write!(f, ":{}", self.port)?;
        }
        f.write_str(&self.target)
    }
}
