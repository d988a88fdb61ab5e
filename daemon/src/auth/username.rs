//! The name under which a user's rows are kept.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Longest name that a row may carry.
const MAX_CHARS: usize = 50;

/// A name that is safe as a key: the first column of every user's row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Username(String);

/// Why a text is no user name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UsernameError {
    #[error("a user name is not empty")]
    Empty,
    #[error("a user name has at most {MAX_CHARS} characters")]
    TooLong,
    #[error("a user name has no control characters or white space")]
    Unprintable,
}

impl Username {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Username {
    type Err = UsernameError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        if name.is_empty() {
            return Err(UsernameError::Empty);
        }
        if name.chars().count() > MAX_CHARS {
            return Err(UsernameError::TooLong);
        }
        if name.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(UsernameError::Unprintable);
        }
        Ok(Self(name.to_owned()))
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_printable_and_not_too_long() {
        assert!("alice".parse::<Username>().is_ok());
        assert_eq!("".parse::<Username>(), Err(UsernameError::Empty));
        assert_eq!("a\nb".parse::<Username>(), Err(UsernameError::Unprintable));
        assert_eq!("é".repeat(51).parse::<Username>(), Err(UsernameError::TooLong));
    }
}
