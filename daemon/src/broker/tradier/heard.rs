//! The newest quote of each symbol that the broker has told anybody: whoever may not ask just now still has those.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::broker::market_data::Quote;

/// Older ones are forgotten: nobody would show them.
const KEPT: TimeDelta = TimeDelta::minutes(2);

/// Quotes with the moment at which they were told.
#[derive(Debug, Default)]
pub(super) struct Heard {
    newest: Mutex<HashMap<String, (DateTime<Utc>, Quote)>>,
}

impl Heard {
    pub(super) fn note(&self, quotes: &[Quote], at: DateTime<Utc>) {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.retain(|_, (heard, _)| at - *heard < KEPT);
        // What a contract is stays as it was, and would be most of what is kept.
        newest.extend(quotes.iter().map(|quote| (quote.symbol.clone(), (at, Quote { terms: None, ..quote.clone() }))));
    }

    pub(super) fn of(&self, symbol: &str) -> Option<(DateTime<Utc>, Quote)> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).get(symbol).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quote(symbol: &str, bid: i64) -> Quote {
        Quote { bid: Some(bid.into()), ..Quote::nothing(symbol) }
    }

    #[test]
    fn the_newest_of_each_symbol_is_kept_for_two_minutes() {
        let at = |second: i64| DateTime::UNIX_EPOCH + TimeDelta::seconds(second);
        let bid = |heard: &Heard, symbol| heard.of(symbol).map(|(at, quote)| (at.timestamp(), quote.bid.unwrap()));
        let heard = Heard::default();
        assert_eq!(heard.of("A"), None);
        heard.note(&[quote("A", 1), quote("B", 2)], at(0));
        heard.note(&[quote("A", 3)], at(60));
        assert_eq!((bid(&heard, "A"), bid(&heard, "B")), (Some((60, 3.into())), Some((0, 2.into()))));
        heard.note(&[], at(120));
        assert_eq!((bid(&heard, "A"), bid(&heard, "B")), (Some((60, 3.into())), None), "too old to be shown");
    }
}
