//! Where a page ended. Opaque to clients: only what we wrote is read back.

use std::fmt;
use std::str::FromStr;

use blotter_shared::protocol::problem::FieldError;
use blotter_shared::protocol::trades::Trade;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::DbError;

/// Open trades go up by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OpenCursor {
    pub number: i32,
}

/// Closed trades go back in time; the id decides between those of one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClosedCursor {
    pub closed: DateTime<Utc>,
    pub id: Uuid,
}

impl OpenCursor {
    pub(super) const START: Self = Self { number: 0 };

    pub(super) fn after(trade: &Trade) -> Self {
        Self { number: i32::try_from(trade.number.0).unwrap_or(i32::MAX) }
    }
}

impl ClosedCursor {
    /// Later than any close: the year 9999, so that the first page is the same statement.
    pub(super) fn start() -> Self {
        let closed = DateTime::from_timestamp(253_402_300_799, 0).unwrap_or(DateTime::<Utc>::MAX_UTC);
        Self { closed, id: Uuid::max() }
    }

    pub(super) fn after(trade: &Trade) -> Option<Self> {
        trade.close.as_ref().map(|close| Self { closed: close.at, id: trade.id.0 })
    }
}

impl fmt::Display for OpenCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "o{:x}", self.number)
    }
}

impl fmt::Display for ClosedCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Microseconds are what the database keeps.
        write!(f, "c{:x}-{}", self.closed.timestamp_micros(), self.id.simple())
    }
}

impl FromStr for OpenCursor {
    type Err = DbError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.strip_prefix('o').and_then(|hex| i32::from_str_radix(hex, 16).ok());
        number.filter(|number| *number >= 0).map(|number| Self { number }).ok_or_else(|| not_ours(text))
    }
}

impl FromStr for ClosedCursor {
    type Err = DbError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.strip_prefix('c').and_then(|rest| rest.split_once('-'));
        let (micros, id) = parts.ok_or_else(|| not_ours(text))?;
        let closed = i64::from_str_radix(micros, 16).ok().and_then(DateTime::from_timestamp_micros);
        let id = Uuid::try_parse(id).ok();
        match (closed, id) {
            (Some(closed), Some(id)) => Ok(Self { closed, id }),
            _ => Err(not_ours(text)),
        }
    }
}

fn not_ours(text: &str) -> DbError {
    let value = Some(text.chars().take(60).collect());
    let rule = "the next_cursor of a page of the same list".to_owned();
    DbError::Invalid(FieldError { field: "cursor".to_owned(), value, rule })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cursor_of_the_other_list_is_refused() {
        let closed = ClosedCursor::start().to_string();
        assert!(closed.parse::<OpenCursor>().is_err());
        assert!(OpenCursor { number: 7 }.to_string().parse::<ClosedCursor>().is_err());
        assert!("o-1".parse::<OpenCursor>().is_err());
    }

    proptest! {
        #[test]
        fn a_cursor_survives(number in 0_i32.., micros in 0_i64..253_402_300_799_000_000, id: u128) {
            let open = OpenCursor { number };
            prop_assert_eq!(open.to_string().parse::<OpenCursor>().unwrap(), open);
            let closed = ClosedCursor { closed: DateTime::from_timestamp_micros(micros).unwrap(), id: Uuid::from_u128(id) };
            prop_assert_eq!(closed.to_string().parse::<ClosedCursor>().unwrap(), closed);
        }

        #[test]
        fn no_text_panics(text in "[oc]?[0-9a-f-]{0,60}\\PC?") {
            let _ = text.parse::<OpenCursor>();
            let _ = text.parse::<ClosedCursor>();
        }
    }
}
