//! What an order is: the words of the broker, an order as it was read, and an order to be placed.
//!
//! The two are different types on purpose. What is read may be incomplete, foreign or odd, and is
//! kept as it came; what is placed is checked when it is made, so that an order that exists can be
//! sent.

use std::fmt;
use std::str::FromStr;

use blotter_shared::domain::{OptionContract, Price, Quantity};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use thiserror::Error;

use super::words::open_words;

/// The broker's number of an order, always above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(i64);

impl OrderId {
    #[must_use]
    pub fn new(id: i64) -> Option<Self> {
        (id > 0).then_some(Self(id))
    }

    #[must_use]
    pub fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

open_words! {
    /// Where an order is in its life, in the broker's words (REST and stream together).
    OrderStatus {
        Open = "open",
        PartiallyFilled = "partially_filled",
        Filled = "filled",
        Expired = "expired",
        Canceled = "canceled",
        Pending = "pending",
        Rejected = "rejected",
        Error = "error",
        Submitted = "submitted",
        PendingCancel = "pending_cancel",
        Calculated = "calculated",
        AcceptedForBidding = "accepted_for_bidding",
        Held = "held",
    }

    OrderClass {
        Equity = "equity",
        Option = "option",
        Multileg = "multileg",
        Combo = "combo",
        Oto = "oto",
        Oco = "oco",
        Otoco = "otoco",
    }

    OrderSide {
        BuyToOpen = "buy_to_open",
        BuyToClose = "buy_to_close",
        SellToOpen = "sell_to_open",
        SellToClose = "sell_to_close",
        Buy = "buy",
        BuyToCover = "buy_to_cover",
        Sell = "sell",
        SellShort = "sell_short",
    }

    OrderType {
        Market = "market",
        Limit = "limit",
        Stop = "stop",
        StopLimit = "stop_limit",
        Debit = "debit",
        Credit = "credit",
        Even = "even",
    }

    Duration {
        Day = "day",
        Gtc = "gtc",
        Pre = "pre",
        Post = "post",
    }

    /// What an acknowledgement says about itself. It never says that the order works.
    AckStatus {
        Ok = "ok",
        PendingCancel = "pending_cancel",
    }
}

/// What a status means for the one question that matters: can this order still trade?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// It may still fill.
    Live,
    /// It will not change, except that fills may still be reported.
    Final,
}

impl OrderStatus {
    /// An unknown status counts as live: silence and novelty are no proof of an end.
    #[must_use]
    pub fn liveness(&self) -> Liveness {
        match self {
            Self::Filled | Self::Expired | Self::Canceled | Self::Rejected | Self::Error => Liveness::Final,
            Self::Open
            | Self::PartiallyFilled
            | Self::Pending
            | Self::Submitted
            | Self::PendingCancel
            | Self::Calculated
            | Self::AcceptedForBidding
            | Self::Held
            | Self::Unknown(_) => Liveness::Live,
        }
    }

    #[must_use]
    pub fn is_final(&self) -> bool {
        self.liveness() == Liveness::Final
    }
}

/// An order as the broker showed it. A field that was absent, `null` or `"null"` is `None`;
/// nothing is filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    pub id: OrderId,
    pub status: OrderStatus,
    pub class: Option<OrderClass>,
    /// The underlying. Absent on the parent of an OCO.
    pub symbol: Option<String>,
    pub option_symbol: Option<String>,
    pub side: Option<OrderSide>,
    pub order_type: Option<OrderType>,
    pub duration: Option<Duration>,
    pub quantity: Option<Decimal>,
    pub price: Option<Decimal>,
    pub stop_price: Option<Decimal>,
    pub avg_fill_price: Option<Decimal>,
    pub exec_quantity: Option<Decimal>,
    pub last_fill_price: Option<Decimal>,
    pub last_fill_quantity: Option<Decimal>,
    pub remaining_quantity: Option<Decimal>,
    pub tag: Option<String>,
    /// Why it was refused, in the broker's words.
    pub reason: Option<String>,
    /// Codes or sentences that came under `errors` inside the order.
    pub errors: Vec<String>,
    pub created_at: Option<DateTime<Utc>>,
    pub changed_at: Option<DateTime<Utc>>,
    /// The orders below this one (OCO, OTOCO, multileg), in the broker's order.
    pub legs: Vec<Order>,
}

/// How much of an order is done and whether its price is known yet: a fill is shown by the broker
/// before its price is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    Nothing,
    /// So much is done; the price is not there yet. Protect it, do not book it.
    PriceMissing(Decimal),
    Done {
        quantity: Decimal,
        average: Decimal,
    },
}

impl Order {
    /// What this order alone executed. The parent of an OCO never executes anything itself: ask
    /// its legs.
    #[must_use]
    pub fn fill(&self) -> Fill {
        let quantity = self.exec_quantity.unwrap_or(Decimal::ZERO);
        if quantity <= Decimal::ZERO {
            return Fill::Nothing;
        }
        match self.avg_fill_price {
            Some(average) if average > Decimal::ZERO => Fill::Done { quantity, average },
            Some(_) | None => Fill::PriceMissing(quantity),
        }
    }

    /// Whether this order and every leg below it have come to an end.
    #[must_use]
    pub fn is_final_throughout(&self) -> bool {
        self.status.is_final() && self.legs.iter().all(Self::is_final_throughout)
    }
}

/// Why an order cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OrderProblem {
    #[error("a tag is 1 to 255 letters, digits and hyphens")]
    Tag,
    #[error("the legs of an OCO must be of different types")]
    SameType,
    #[error("a leg of an OCO cannot be a market order")]
    MarketLeg,
    #[error("the prices of the two legs must be at least {MIN_OCO_GAP} apart")]
    LegsTooNear,
    #[error("a market order cannot be good till cancelled")]
    MarketGtc,
    #[error("a price of an order is above zero")]
    ZeroPrice,
    #[error("`{0}` is no ticker")]
    Ticker(String),
    #[error("nothing would be changed")]
    EmptyChange,
}

/// Least distance between the prices of the two legs of an option OCO.
const MIN_OCO_GAP: Decimal = Decimal::from_parts(10, 0, 0, false, 2);

/// Our name for an order. It is the only thing by which an order whose answer was lost is found
/// again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

impl Tag {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = OrderProblem;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let valid =
            (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if valid { Ok(Self(text.to_owned())) } else { Err(OrderProblem::Tag) }
    }
}

/// What an option is written on, as the broker spells it: `SPX` for `SPXW` contracts, `BRK/B`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticker(String);

impl Ticker {
    /// The symbol of a contract, for questions that take any symbol.
    #[must_use]
    pub fn of_contract(contract: &OptionContract) -> Self {
        Self(contract.occ())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Ticker {
    type Err = OrderProblem;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let valid = (1..=12).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"/.-$".contains(&byte));
        if valid { Ok(Self(text.to_owned())) } else { Err(OrderProblem::Ticker(text.chars().take(20).collect())) }
    }
}

impl fmt::Display for Ticker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// At what price an order trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pricing {
    Market,
    Limit(Price),
    Stop(Price),
    StopLimit { stop: Price, limit: Price },
}

impl Pricing {
    #[must_use]
    pub fn order_type(self) -> OrderType {
        match self {
            Self::Market => OrderType::Market,
            Self::Limit(_) => OrderType::Limit,
            Self::Stop(_) => OrderType::Stop,
            Self::StopLimit { .. } => OrderType::StopLimit,
        }
    }

    #[must_use]
    pub fn limit(self) -> Option<Price> {
        match self {
            Self::Limit(limit) | Self::StopLimit { limit, .. } => Some(limit),
            Self::Market | Self::Stop(_) => None,
        }
    }

    #[must_use]
    pub fn stop(self) -> Option<Price> {
        match self {
            Self::Stop(stop) | Self::StopLimit { stop, .. } => Some(stop),
            Self::Market | Self::Limit(_) => None,
        }
    }

    /// The price at which the order comes to life: what the gap between OCO legs is measured by.
    fn trigger(self) -> Option<Decimal> {
        self.stop().or(self.limit()).map(Price::value)
    }

    fn check(self) -> Result<(), OrderProblem> {
        let zero = [self.limit(), self.stop()].into_iter().flatten().any(|price| price == Price::ZERO);
        if zero { Err(OrderProblem::ZeroPrice) } else { Ok(()) }
    }
}

/// How long an order of ours lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    Day,
    Gtc,
}

impl Lifetime {
    #[must_use]
    pub fn duration(self) -> Duration {
        match self {
            Self::Day => Duration::Day,
            Self::Gtc => Duration::Gtc,
        }
    }
}

/// The sides that a long-only option trader uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TradeSide {
    BuyToOpen,
    SellToClose,
}

impl TradeSide {
    #[must_use]
    pub fn order_side(self) -> OrderSide {
        match self {
            Self::BuyToOpen => OrderSide::BuyToOpen,
            Self::SellToClose => OrderSide::SellToClose,
        }
    }
}

/// The contract and its underlying, which the symbol of the contract does not always tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instrument {
    pub underlying: Ticker,
    pub contract: OptionContract,
}

/// One leg of a group, or a whole order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    pub side: TradeSide,
    pub quantity: Quantity,
    pub pricing: Pricing,
}

/// An order that may be sent. It was checked when it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOrder {
    instrument: Instrument,
    shape: Shape,
    lifetime: Lifetime,
    tag: Tag,
}

/// How many orders one request makes, and how they hang together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Single(Leg),
    /// Two exits; the fill of one cancels the other.
    Oco([Leg; 2]),
    /// An entry that, once filled, brings two exits to life.
    Otoco {
        entry: Leg,
        exits: [Leg; 2],
    },
}

impl NewOrder {
    /// # Errors
    /// When the broker is known to refuse such an order.
    pub fn new(instrument: Instrument, shape: Shape, lifetime: Lifetime, tag: Tag) -> Result<Self, OrderProblem> {
        shape.check(lifetime)?;
        Ok(Self { instrument, shape, lifetime, tag })
    }

    #[must_use]
    pub fn instrument(&self) -> &Instrument {
        &self.instrument
    }

    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    #[must_use]
    pub fn lifetime(&self) -> Lifetime {
        self.lifetime
    }

    #[must_use]
    pub fn tag(&self) -> &Tag {
        &self.tag
    }
}

impl Shape {
    fn check(&self, lifetime: Lifetime) -> Result<(), OrderProblem> {
        match self {
            Self::Single(leg) => check_single(leg, lifetime),
            Self::Oco(legs) => check_pair(legs),
            Self::Otoco { entry, exits } => check_single(entry, lifetime).and_then(|()| check_pair(exits)),
        }
    }
}

fn check_single(leg: &Leg, lifetime: Lifetime) -> Result<(), OrderProblem> {
    match (leg.pricing, lifetime) {
        (Pricing::Market, Lifetime::Gtc) => Err(OrderProblem::MarketGtc),
        (Pricing::Market | Pricing::Limit(_) | Pricing::Stop(_) | Pricing::StopLimit { .. }, _) => leg.pricing.check(),
    }
}

fn check_pair([first, second]: &[Leg; 2]) -> Result<(), OrderProblem> {
    first.pricing.check()?;
    second.pricing.check()?;
    let (Some(one), Some(other)) = (first.pricing.trigger(), second.pricing.trigger()) else {
        return Err(OrderProblem::MarketLeg);
    };
    if first.pricing.order_type() == second.pricing.order_type() {
        return Err(OrderProblem::SameType);
    }
    if (one - other).abs() < MIN_OCO_GAP {
        return Err(OrderProblem::LegsTooNear);
    }
    Ok(())
}

/// A change of a working order: price, stop, type, lifetime. The broker changes nothing else, and
/// wants to hear only what differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pricing: Option<Pricing>,
    lifetime: Option<Lifetime>,
}

impl Change {
    /// # Errors
    /// When nothing would change or a price is zero.
    pub fn new(pricing: Option<Pricing>, lifetime: Option<Lifetime>) -> Result<Self, OrderProblem> {
        if pricing.is_none() && lifetime.is_none() {
            return Err(OrderProblem::EmptyChange);
        }
        if let Some(pricing) = pricing {
            pricing.check()?;
        }
        Ok(Self { pricing, lifetime })
    }

    #[must_use]
    pub fn pricing(&self) -> Option<Pricing> {
        self.pricing
    }

    #[must_use]
    pub fn lifetime(&self) -> Option<Lifetime> {
        self.lifetime
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(text: &str) -> Price {
        text.parse().unwrap()
    }

    fn exit(pricing: Pricing) -> Leg {
        Leg { side: TradeSide::SellToClose, quantity: Quantity::new(1).unwrap(), pricing }
    }

    #[test]
    fn a_pair_that_the_broker_would_refuse_cannot_be_made() {
        let limit = |text| exit(Pricing::Limit(price(text)));
        let stop = |text| exit(Pricing::Stop(price(text)));
        let check = |legs| Shape::Oco(legs).check(Lifetime::Gtc);
        assert_eq!(check([limit("1.10"), stop("0.30")]), Ok(()));
        assert_eq!(check([limit("1.10"), limit("0.30")]), Err(OrderProblem::SameType));
        assert_eq!(check([limit("1.10"), exit(Pricing::Market)]), Err(OrderProblem::MarketLeg));
        assert_eq!(check([limit("0.39"), stop("0.30")]), Err(OrderProblem::LegsTooNear));
        assert_eq!(check([limit("0.40"), stop("0.30")]), Ok(()));
        assert_eq!(check([limit("0.40"), stop("0")]), Err(OrderProblem::ZeroPrice));
    }

    #[test]
    fn a_market_order_is_for_the_day() {
        let market = Shape::Single(exit(Pricing::Market));
        assert_eq!(market.check(Lifetime::Gtc), Err(OrderProblem::MarketGtc));
        assert_eq!(market.check(Lifetime::Day), Ok(()));
    }

    #[test]
    fn a_tag_has_only_what_the_broker_keeps() {
        assert!("t1-01HZX-EN1-v1-e7".parse::<Tag>().is_ok());
        for bad in ["", "under_score", "a b", "a.b", "é", &"x".repeat(256)] {
            assert_eq!(bad.parse::<Tag>(), Err(OrderProblem::Tag), "{bad}");
        }
        assert!("x".repeat(255).parse::<Tag>().is_ok());
    }

    #[test]
    fn an_unknown_status_counts_as_live() {
        assert_eq!(OrderStatus::from_wire("pondering").liveness(), Liveness::Live);
        let finals: Vec<_> =
            OrderStatus::KNOWN.iter().filter(|word| OrderStatus::from_wire(word).is_final()).copied().collect();
        assert_eq!(finals, ["filled", "expired", "canceled", "rejected", "error"]);
    }
}
