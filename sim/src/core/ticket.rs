//! What a client asks for: an order before it has a number. Well-formed by construction; whether it is wise is for the review.

use rust_decimal::Decimal;

use super::ids::{Contract, Symbol};
use super::order::{Class, Duration, Kind, Side};

/// A request to place an order or a group.
#[derive(Clone, Debug, PartialEq)]
pub struct Ticket {
    /// The kind of request.
    pub class: Class,
    /// The client's mark.
    pub tag: Option<String>,
    /// Pricing of a multileg or combo as a whole.
    pub net: Option<Net>,
    /// One leg for single orders.
    pub legs: Vec<Leg>,
}

/// A package's price as a whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Net {
    /// `market`, `debit`, `credit` or `even`.
    pub kind: Kind,
    /// Per unit of the package, never negative.
    pub price: Option<Decimal>,
}

/// One leg of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Leg {
    /// The underlying, or the share.
    pub symbol: Symbol,
    /// The contract, for options.
    pub contract: Option<Contract>,
    /// What it does.
    pub side: Side,
    /// How much.
    pub quantity: i64,
    /// How it is priced; legs of a package carry the package's kind.
    pub kind: Kind,
    /// Limit price.
    pub price: Option<Decimal>,
    /// Stop price.
    pub stop: Option<Decimal>,
    /// How long it lives.
    pub duration: Duration,
}

/// What a change may touch; `None` leaves a field alone.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Change {
    /// New pricing.
    pub kind: Option<Kind>,
    /// New life.
    pub duration: Option<Duration>,
    /// New limit.
    pub price: Option<Decimal>,
    /// New stop.
    pub stop: Option<Decimal>,
}

/// Short ways to common requests, for tests and tools.
impl Ticket {
    /// One leg on its own.
    #[must_use]
    pub fn single(leg: Leg) -> Self {
        let class = if leg.contract.is_some() { Class::Option } else { Class::Equity };
        Self { class, tag: None, net: None, legs: vec![leg] }
    }

    /// A contingent group.
    #[must_use]
    pub fn group(class: Class, legs: Vec<Leg>) -> Self {
        Self { class, tag: None, net: None, legs }
    }

    /// The same with a tag.
    #[must_use]
    pub fn tagged(mut self, tag: &str) -> Self {
        self.tag = Some(tag.to_owned());
        self
    }
}

impl Leg {
    /// A day market order on an OCC symbol or a share.
    #[must_use]
    pub fn market(side: Side, symbol: &str, quantity: i64) -> Self {
        let contract = Contract::parse(symbol);
        let underlying = contract.as_ref().map_or_else(|| Symbol::new(symbol), Contract::underlying);
        Self {
            symbol: underlying,
            contract,
            side,
            quantity,
            kind: Kind::Market,
            price: None,
            stop: None,
            duration: Duration::Day,
        }
    }

    /// The same as a limit order.
    #[must_use]
    pub fn at(mut self, price: Decimal) -> Self {
        self.kind = if self.stop.is_some() { Kind::StopLimit } else { Kind::Limit };
        self.price = Some(price);
        self
    }

    /// The same as a stop order.
    #[must_use]
    pub fn stopped(mut self, stop: Decimal) -> Self {
        self.kind = if self.price.is_some() { Kind::StopLimit } else { Kind::Stop };
        self.stop = Some(stop);
        self
    }

    /// The same until cancelled.
    #[must_use]
    pub fn gtc(mut self) -> Self {
        self.duration = Duration::Gtc;
        self
    }
}
