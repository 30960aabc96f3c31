//! Names of things in a lab: nodes, NICs, links, subnets, taps. They become file names and interface names, so
//! their alphabet is small.

use std::fmt;
use std::sync::Arc;

/// A name: 1 to 32 of `a-z`, `0-9`, `-` and `.`, beginning with a letter or digit. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

/// Why a text is not a [`Name`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("a name cannot be empty")]
    Empty,
    /// Longer than 32 characters.
    #[error("a name has at most {} characters", Name::LENGTH_MAX)]
    TooLong,
    /// A character outside the alphabet, or a leading `-` or `.`.
    #[error(
        "`{0}` cannot stand there: names are made of a-z, 0-9, `-` and `.`, and begin with a letter or digit"
    )]
    Character(char),
}

impl Name {
    /// The longest name, in characters.
    pub const LENGTH_MAX: usize = 32;

    /// Checks `text` and makes it a name.
    ///
    /// # Errors
    /// When it is empty, too long or has a character outside the alphabet.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let Some(first) = text.chars().next() else {
            return Err(NameError::Empty);
        };
        if text.chars().count() > Self::LENGTH_MAX {
            return Err(NameError::TooLong);
        }
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if !allowed(first) {
            return Err(NameError::Character(first));
        }
        match text
            .chars()
            .find(|c| !allowed(*c) && !matches!(c, '-' | '.'))
        {
            Some(c) => Err(NameError::Character(c)),
            None => Ok(Self(text.into())),
        }
    }

    /// The text of the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert_eq!(Name::new("ec2-a").unwrap().as_str(), "ec2-a");
        assert_eq!(Name::new(""), Err(NameError::Empty));
        assert_eq!(Name::new("-a"), Err(NameError::Character('-')));
        assert_eq!(Name::new("EC2"), Err(NameError::Character('E')));
        assert_eq!(Name::new("a/b"), Err(NameError::Character('/')));
        assert_eq!(Name::new(&"a".repeat(33)), Err(NameError::TooLong));
    }
}
