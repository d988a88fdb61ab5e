//! From the wire to the vocabulary. A field that is there and makes no sense is an error of the
//! whole answer: half a list of orders is worse than none.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::shape::{Maybe, Text};
use super::wire;
use crate::broker::{
    AccountType, Balances, DayStatus, Duration, HistoryEvent, HistoryKind, Hours, MarketClock, MarketDay, MarketState,
    NoAccountId, Order, OrderClass, OrderId, OrderSide, OrderStatus, OrderType, Position, Profile, ProfileAccount,
};

/// What made no sense, in words without the value's context: `id is not a whole number above zero`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Nonsense(pub(crate) String);

type Sense<T> = Result<T, Nonsense>;

pub(crate) fn order(wire: wire::WireOrder) -> Sense<Order> {
    Ok(Order {
        id: order_id(wire.id.0)?,
        status: OrderStatus::from_wire(&wire.status),
        class: wire.class.0.as_deref().map(OrderClass::from_wire),
        symbol: wire.symbol.0,
        option_symbol: wire.option_symbol.0,
        side: wire.side.0.as_deref().map(OrderSide::from_wire),
        order_type: wire.order_type.0.as_deref().map(OrderType::from_wire),
        duration: wire.duration.0.as_deref().map(Duration::from_wire),
        quantity: wire.quantity.0,
        price: wire.price.0,
        stop_price: wire.stop_price.0,
        avg_fill_price: wire.avg_fill_price.0,
        exec_quantity: not_negative("exec_quantity", wire.exec_quantity.0)?,
        last_fill_price: wire.last_fill_price.0,
        last_fill_quantity: wire.last_fill_quantity.0,
        remaining_quantity: wire.remaining_quantity.0,
        tag: wire.tag.0,
        reason: wire.reason_description.0.map(|reason| reason.trim().to_owned()),
        errors: errors(wire.errors),
        created_at: instant("create_date", wire.create_date)?,
        changed_at: instant("transaction_date", wire.transaction_date)?,
        legs: wire.leg.0.into_iter().map(order).collect::<Sense<_>>()?,
    })
}

pub(crate) fn order_id(number: Decimal) -> Sense<OrderId> {
    let whole = if number.fract().is_zero() { number.to_i64() } else { None };
    whole.and_then(OrderId::new).ok_or_else(|| nonsense("id", "a whole number above zero"))
}

/// The sentences and codes under `errors`, without the blanks that some end in.
pub(crate) fn errors(wire: Maybe<wire::WireErrors>) -> Vec<String> {
    wire.0.map_or_else(Vec::new, |errors| errors.error.0.iter().map(|error| error.trim().to_owned()).collect())
}

pub(crate) fn position(wire: wire::WirePosition) -> Sense<Position> {
    Ok(Position {
        id: wire.id.0.and_then(|id| id.to_i64()),
        symbol: wire.symbol,
        quantity: wire.quantity.0,
        cost_basis: wire.cost_basis.0,
        acquired_at: instant("date_acquired", wire.date_acquired)?,
    })
}

pub(crate) fn balances(wire: wire::WireBalances) -> Sense<Balances> {
    let power = wire.margin.0.or(wire.pdt.0).and_then(|power| power.option_buying_power.0);
    let cash = wire.cash.0.and_then(|cash| cash.cash_available.0);
    Ok(Balances {
        account_number: wire.account_number.0,
        account_type: AccountType::from_wire(&wire.account_type),
        total_equity: wire.total_equity.0,
        total_cash: wire.total_cash.0,
        market_value: wire.market_value.0,
        open_pl: wire.open_pl.0,
        close_pl: wire.close_pl.0,
        pending_orders: count("pending_orders_count", wire.pending_orders_count.0)?,
        option_buying_power: power.or(cash),
    })
}

pub(crate) fn profile(wire: wire::WireProfile) -> Sense<Profile> {
    let account = |account: wire::WireAccount| {
        Ok(ProfileAccount {
            account_number: account
                .account_number
                .parse()
                .map_err(|NoAccountId| nonsense("account_number", "1 to 32 letters and digits"))?,
            classification: account.classification.0,
            account_type: account.account_type.0.as_deref().map(AccountType::from_wire),
            status: account.status.0,
            option_level: small("option_level", account.option_level.0)?,
            day_trader: account.day_trader,
        })
    };
    let accounts = wire.account.0.into_iter().map(account).collect::<Sense<_>>()?;
    Ok(Profile { id: wire.id.0, name: wire.name.0, accounts })
}

pub(crate) fn clock(wire: wire::WireClock) -> Sense<MarketClock> {
    let next_change = wire.next_change.0.map(|text| time("next_change", &text)).transpose()?;
    Ok(MarketClock {
        date: date("date", &wire.date)?,
        state: MarketState::from_wire(&wire.state),
        description: wire.description.0,
        at: wire.timestamp.0.map(|seconds| epoch("timestamp", seconds, 1)).transpose()?,
        next_change,
        next_state: wire.next_state.0.as_deref().map(MarketState::from_wire),
    })
}

pub(crate) fn day(wire: wire::WireDay) -> Sense<MarketDay> {
    Ok(MarketDay {
        date: date("date", &wire.date)?,
        status: DayStatus::from_wire(&wire.status),
        description: wire.description.0,
        open: hours(wire.open)?,
        premarket: hours(wire.premarket)?,
        postmarket: hours(wire.postmarket)?,
    })
}

fn hours(wire: Maybe<wire::WireHours>) -> Sense<Option<Hours>> {
    wire.0.map(|hours| Ok(Hours { start: time("start", &hours.start)?, end: time("end", &hours.end)? })).transpose()
}

pub(crate) fn event(wire: wire::WireEvent) -> Sense<HistoryEvent> {
    let detail = wire.trade.0;
    let take = |text: fn(&wire::WireEventDetail) -> &Text| detail.as_ref().and_then(|detail| text(detail).0.clone());
    Ok(HistoryEvent {
        kind: HistoryKind::from_wire(&wire.kind),
        amount: wire.amount.0,
        at: instant("date", wire.date)?,
        symbol: take(|detail| &detail.symbol),
        description: take(|detail| &detail.description),
        quantity: detail.as_ref().and_then(|detail| detail.quantity.0),
        price: detail.as_ref().and_then(|detail| detail.price.0),
        commission: detail.as_ref().and_then(|detail| detail.commission.0),
        detail: take(|detail| &detail.trade_type),
    })
}

/// A moment in UTC; without a zone it is UTC too, which is how the broker means it.
pub(crate) fn instant(field: &'static str, text: Text) -> Sense<Option<DateTime<Utc>>> {
    let Some(text) = text.0 else { return Ok(None) };
    let zoned = DateTime::parse_from_rfc3339(&text).map(|at| at.with_timezone(&Utc)).ok();
    let at = zoned
        .or_else(|| NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f").ok().map(|naive| naive.and_utc()))
        .or_else(|| NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S").ok().map(|naive| naive.and_utc()))
        .or_else(|| {
            text.parse::<NaiveDate>().ok().and_then(|day| day.and_hms_opt(0, 0, 0)).map(|naive| naive.and_utc())
        });
    at.map(Some).ok_or_else(|| nonsense(field, "a date and time"))
}

pub(crate) fn date(field: &'static str, text: &str) -> Sense<NaiveDate> {
    plain_date(text.as_bytes())
        .or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok())
        .ok_or_else(|| nonsense(field, "a date"))
}

/// A date and time without a zone, as greeks have it.
pub(super) fn date_time(field: &'static str, text: &str) -> Sense<NaiveDateTime> {
    plain_date_time(text.as_bytes())
        .or_else(|| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").ok())
        .ok_or_else(|| nonsense(field, "a date and time"))
}

/// `2026-09-18`, without going through the general parser: a chain has ten thousand of them.
fn plain_date(text: &[u8]) -> Option<NaiveDate> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text else { return None };
    let year = i32::try_from(digits(&[y1, y2, y3, y4])?).ok()?;
    NaiveDate::from_ymd_opt(year, digits(&[m1, m2])?, digits(&[d1, d2])?)
}

/// `2026-09-10 14:00:00`.
fn plain_date_time(text: &[u8]) -> Option<NaiveDateTime> {
    let (date, clock) = text.split_at_checked(10)?;
    let [b' ', h1, h2, b':', m1, m2, b':', s1, s2] = *clock else { return None };
    plain_date(date)?.and_hms_opt(digits(&[h1, h2])?, digits(&[m1, m2])?, digits(&[s1, s2])?)
}

fn digits(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
}

fn time(field: &'static str, text: &str) -> Sense<NaiveTime> {
    NaiveTime::parse_from_str(text, "%H:%M").map_err(|_| nonsense(field, "a time of day"))
}

/// A moment as a count since 1970; zero means that there is none.
pub(crate) fn epoch(field: &'static str, number: Decimal, per_second: i64) -> Sense<DateTime<Utc>> {
    let millis = i64::try_from(whole(number)).ok().and_then(|number| number.checked_mul(1000 / per_second.max(1)));
    millis.and_then(DateTime::from_timestamp_millis).ok_or_else(|| nonsense(field, "a time"))
}

/// What stands before the point; mostly that is all there is.
fn whole(number: Decimal) -> i128 {
    if number.scale() == 0 { number.mantissa() } else { number.trunc().mantissa() }
}

/// A count; sizes and volumes come as floats that are whole.
pub(crate) fn count(field: &'static str, number: Option<Decimal>) -> Sense<Option<u64>> {
    let Some(number) = number else { return Ok(None) };
    let is_whole = number.scale() == 0 || number.fract().is_zero();
    let count = if is_whole { u64::try_from(whole(number)).ok() } else { None };
    count.map(Some).ok_or_else(|| nonsense(field, "a count"))
}

pub(crate) fn small(field: &'static str, number: Option<Decimal>) -> Sense<Option<u32>> {
    match count(field, number)? {
        None => Ok(None),
        Some(large) => u32::try_from(large).map(Some).map_err(|_| nonsense(field, "a small count")),
    }
}

fn not_negative(field: &'static str, number: Option<Decimal>) -> Sense<Option<Decimal>> {
    match number {
        Some(value) if value < Decimal::ZERO => Err(nonsense(field, "zero or more")),
        other => Ok(other),
    }
}

pub(crate) fn nonsense(field: &str, wanted: &str) -> Nonsense {
    Nonsense(format!("{field} is not {wanted}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_short_way_of_dates_agrees_with_the_general_one(text in "[0-9]{4}-[01][0-9]-[0-3][0-9]( [0-2][0-9]:[0-6][0-9]:[0-6][0-9])?") {
            if let Some(date) = plain_date(text.as_bytes()) {
                prop_assert_eq!(NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok(), Some(date));
            }
            if let Some(moment) = plain_date_time(text.as_bytes()) {
                prop_assert_eq!(NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S").ok(), Some(moment));
            }
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,30}") {
            let _ = (date("x", &text), date_time("x", &text));
        }
    }

    #[test]
    fn dates_are_read_and_nonsense_is_not() {
        assert_eq!(date("x", "2026-09-18").ok(), NaiveDate::from_ymd_opt(2026, 9, 18));
        let moment = NaiveDate::from_ymd_opt(2026, 9, 10).and_then(|day| day.and_hms_opt(14, 3, 7));
        assert_eq!(date_time("x", "2026-09-10 14:03:07").ok(), moment);
        for wrong in ["", "2026-02-30", "2026/09/18", "20260918", "soon"] {
            assert!(date("x", wrong).is_err(), "{wrong}");
        }
        for wrong in ["2026-09-10", "2026-09-10 25:00:00", "2026-09-10T14:03:07Z"] {
            assert!(date_time("x", wrong).is_err(), "{wrong}");
        }
    }

    /// It goes into sentences, into paths and onto screens.
    #[test]
    fn an_account_number_is_one() {
        let profile_with = |number: &str| {
            let json = serde_json::json!({ "profile": { "id": "id-1", "name": "A", "account": {
                "account_number": number, "day_trader": false, "option_level": 2 } } });
            let envelope: wire::ProfileEnvelope = serde_json::from_str(&json.to_string()).unwrap();
            profile(envelope.profile)
        };
        assert_eq!(profile_with("VA00000001").unwrap().accounts[0].account_number.as_str(), "VA00000001");
        for bad in ["VA1\u{1b}]0;x\u{7}", "../user/profile", "", "VA 1"] {
            let told = profile_with(bad).unwrap_err();
            assert_eq!(told, nonsense("account_number", "1 to 32 letters and digits"), "{bad:?}");
        }
    }
}
