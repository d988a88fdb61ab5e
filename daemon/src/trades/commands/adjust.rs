//! Adjust: another stop, another target, or one side less. Judged against a fresh quote before
//! anything that works is cancelled; what becomes impossible on the way is dropped, not kept for later.

use blotter_shared::domain::Price;
use chrono::{DateTime, Duration, Utc};

use super::super::expiry;
use super::super::facts::{Trade, Wish};
use super::super::ports::Session;
use super::super::pricing::{self, BadBracket, Sides, TickGrid};
use super::{Accepted, Desk, RefusalCode, Refused, current, wished};

/// One side of a bracket, as a device asks for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// The field is absent.
    #[default]
    Keep,
    /// The field is `null`.
    Remove,
    Set(Price),
}

impl Side {
    fn over(self, was: Option<Price>) -> Option<Price> {
        match self {
            Self::Keep => was,
            Self::Remove => None,
            Self::Set(price) => Some(price),
        }
    }
}

/// What is to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adjust {
    pub version: i64,
    pub stop: Side,
    pub target: Side,
}

pub(super) fn judge(trade: &Trade, adjust: &Adjust, desk: &Desk<'_>) -> Result<Accepted, Refused> {
    current(trade, adjust.version)?;
    if trade.wish.is_flat() {
        let sentence = format!("already closing, {}", super::close::step(trade));
        return Err(Refused::new(RefusalCode::AlreadyClosing, sentence));
    }
    let session = desk.session(&trade.spec.contract);
    expiry::check(&trade.spec.contract, &session, desk.now)?;
    let sides = Sides { stop: adjust.stop.over(trade.wish.stop), target: adjust.target.over(trade.wish.target) };
    let same = sides == Sides { stop: trade.wish.stop, target: trade.wish.target } && trade.wish.limit.is_none();
    if same {
        return Err(Refused::new(RefusalCode::NothingToChange, "these are its stop and target already"));
    }
    pricing::check_grid(sides, TickGrid::of_root(&trade.spec.contract.root)).map_err(|bad| refused(&bad))?;
    if session.open {
        pricing::check_market(sides, bid(trade, desk)?).map_err(|bad| refused(&bad))?;
    }
    let wish = Wish {
        stop: sides.stop,
        target: sides.target,
        limit: None,
        until: deadline(&session, desk),
        ..trade.wish.clone()
    };
    Ok(wished(trade, wish, desk.now))
}

/// Break-even: the entry price, brought down to the grid.
#[must_use]
pub fn break_even(trade: &Trade) -> Option<Price> {
    let (bought, _) = super::super::pnl::turnover(trade);
    let entered = super::super::pnl::came(trade)?.and(bought);
    let count = rust_decimal::Decimal::from(entered.contracts);
    let average = entered.value.checked_div(count)?.round_dp(4);
    let price = Price::new(average).ok()?;
    Some(TickGrid::of_root(&trade.spec.contract.root).floor(price))
}

/// When a change that could not be begun is dropped: soon, or soon after the open.
pub(super) fn deadline(session: &Session, desk: &Desk<'_>) -> Option<DateTime<Utc>> {
    let from = if session.open { desk.now } else { session.opens.max(desk.now) };
    Duration::from_std(desk.timing.adjust_valid).ok().map(|span| from + span)
}

fn bid(trade: &Trade, desk: &Desk<'_>) -> Result<Price, Refused> {
    let quote = desk.quotes.get(&trade.spec.symbol).and_then(|quote| quote.bid);
    quote.ok_or_else(|| {
        Refused::new(
            RefusalCode::NoQuote,
            "there is no bid to judge the bracket by: the contract is halted, or nobody wants it",
        )
    })
}

pub(super) fn refused(bad: &BadBracket) -> Refused {
    let code = match bad {
        BadBracket::OffGrid { .. } | BadBracket::Zero(_) => RefusalCode::OffGrid,
        BadBracket::StopNotBelowBid { .. } => RefusalCode::StopNotBelowBid,
        BadBracket::TargetNotAboveBid { .. } => RefusalCode::TargetNotAboveBid,
        BadBracket::TooNear { .. } => RefusalCode::LegsTooNear,
    };
    Refused::new(code, bad.to_string())
}
