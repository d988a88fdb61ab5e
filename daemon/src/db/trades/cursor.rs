//! Where a page ended. Opaque to clients: only what we wrote is read back.

use std::fmt;
use std::str::FromStr;

use blotter_shared::protocol::problem::FieldError;
use blotter_shared::protocol::trades::{Order, Sort, Trade};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::DbError;

/// Open trades go up by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OpenCursor {
    pub number: i32,
}

/// Closed trades go by what they are sorted by; the id decides between those that are equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClosedCursor {
    pub sort: Sort,
    pub order: Order,
    /// The last row's value, as the database spells it.
    pub key: String,
    pub id: Uuid,
}

impl OpenCursor {
    pub(super) const START: Self = Self { number: 0 };

    pub(super) fn after(trade: &Trade) -> Self {
        Self { number: i32::try_from(trade.number.0).unwrap_or(i32::MAX) }
    }
}

impl ClosedCursor {
    /// Behind a trade in the order of the closes.
    pub(super) fn at(order: Order, at: DateTime<Utc>, id: Uuid) -> Self {
        Self { sort: Sort::Closed, order, key: at.format("%Y-%m-%d %H:%M:%S%.6f+00").to_string(), id }
    }

    /// Where it stands in the order of the closes; none when it is of another.
    pub(super) fn place(&self, order: Order) -> Option<(DateTime<Utc>, Uuid)> {
        let at = DateTime::parse_from_str(&self.key, TIME).ok().filter(|_| self.sort == Sort::Closed)?;
        (self.order == order).then(|| (at.to_utc(), self.id))
    }
}

/// A time as the database spells it.
const TIME: &str = "%Y-%m-%d %H:%M:%S%.f%#z";

impl fmt::Display for OpenCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "o{:x}", self.number)
    }
}

impl fmt::Display for ClosedCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}.", self.sort, self.order, self.id.simple())?;
        self.key.bytes().try_for_each(|byte| write!(f, "{byte:02x}"))
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
        let mut parts = text.split('.');
        let cursor = (|| {
            let sort = parts.next()?.parse().ok()?;
            let order = parts.next()?.parse().ok()?;
            let id = Uuid::try_parse(parts.next()?).ok()?;
            let key = String::from_utf8(bytes_of(parts.next()?)?).ok()?;
            (parts.next().is_none() && is_key(sort, &key)).then_some(Self { sort, order, key, id })
        })();
        cursor.ok_or_else(|| not_ours(text))
    }
}

/// A value that the database could have spelled: another one would be an error of its, not of the caller.
fn is_key(sort: Sort, key: &str) -> bool {
    match sort {
        Sort::Closed => DateTime::parse_from_str(key, TIME).is_ok(),
        Sort::Pnl | Sort::PnlPct | Sort::R | Sort::Held => key.parse::<i64>().is_ok(),
        Sort::Symbol | Sort::Reason | Sort::Strategy => !key.contains('\0'),
    }
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let pairs = hex.as_bytes().chunks(2).map(|pair| {
        let text = str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(text, 16).ok()
    });
    pairs.collect()
}

pub(super) fn not_ours(text: &str) -> DbError {
    let value = Some(text.chars().take(60).collect());
    let rule = "the next_cursor of a page of the same list".to_owned();
    DbError::Invalid(FieldError { field: "cursor".to_owned(), value, rule })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn closed(sort: Sort, key: &str) -> ClosedCursor {
        ClosedCursor { sort, order: Order::Descending, key: key.to_owned(), id: Uuid::from_u128(7) }
    }

    #[test]
    fn a_cursor_of_the_other_list_is_refused() {
        let text = closed(Sort::Closed, "2026-11-20 15:00:00.25+00").to_string();
        assert!(text.parse::<ClosedCursor>().is_ok() && text.parse::<OpenCursor>().is_err());
        assert!(OpenCursor { number: 7 }.to_string().parse::<ClosedCursor>().is_err());
        assert!("o-1".parse::<OpenCursor>().is_err());
        for (sort, key) in [(Sort::Closed, "yesterday"), (Sort::Pnl, "1.5"), (Sort::Strategy, "a\0b")] {
            assert!(closed(sort, key).to_string().parse::<ClosedCursor>().is_err(), "{sort} {key}");
        }
    }

    #[test]
    fn a_place_in_the_order_of_the_closes_survives() {
        let at = "2026-11-20T15:00:00.000250Z".parse().unwrap();
        let cursor = ClosedCursor::at(Order::Descending, at, Uuid::from_u128(7));
        let read: ClosedCursor = cursor.to_string().parse().unwrap();
        assert_eq!(read.place(Order::Descending), Some((at, Uuid::from_u128(7))));
        assert_eq!(read.place(Order::Ascending), None);
        assert_eq!(closed(Sort::Pnl, "5").place(Order::Descending), None);
    }

    proptest! {
        #[test]
        fn a_cursor_survives(number in 0_i32.., strategy in "[^\0]{0,60}", id: u128) {
            let open = OpenCursor { number };
            prop_assert_eq!(open.to_string().parse::<OpenCursor>().unwrap(), open);
            let closed = ClosedCursor { id: Uuid::from_u128(id), ..closed(Sort::Strategy, &strategy) };
            prop_assert_eq!(closed.to_string().parse::<ClosedCursor>().unwrap(), closed);
        }

        #[test]
        fn no_text_panics(text in "(o|pnl\\.desc\\.)?[0-9a-f.-]{0,60}\\PC?") {
            let _ = text.parse::<OpenCursor>();
            let _ = text.parse::<ClosedCursor>();
        }
    }
}
