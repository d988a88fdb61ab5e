//! What an order is: its words, its numbers, its place in a group.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::ids::{AccountId, Contract, OrderId, Symbol};
use crate::time::Ms;

/// Declares an enum whose variants have one word each on the wire.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
        pub enum $name { $(#[doc = concat!("`", $word, "`.")] #[serde(rename = $word)] $variant),+ }
        impl $name {
            /// The word on the wire.
            #[must_use]
            pub fn word(self) -> &'static str { match self { $(Self::$variant => $word),+ } }
            /// The value of a word, if it is one of ours.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> { match word { $($word => Some(Self::$variant),)+ _ => None } }
        }
    };
}
pub(crate) use words;

words!(/// The kind of request that made an order.
Class { Equity = "equity", Option = "option", Multileg = "multileg", Combo = "combo", Oto = "oto", Oco = "oco", Otoco = "otoco" });
words!(/// What an order does, seen from the position.
Side {
    Buy = "buy", BuyToCover = "buy_to_cover", Sell = "sell", SellShort = "sell_short",
    BuyToOpen = "buy_to_open", BuyToClose = "buy_to_close", SellToOpen = "sell_to_open", SellToClose = "sell_to_close",
});
words!(/// How an order is priced. The last three belong to multileg parents.
Kind { Market = "market", Limit = "limit", Stop = "stop", StopLimit = "stop_limit", Debit = "debit", Credit = "credit", Even = "even" });
words!(/// How long an order lives.
Duration { Day = "day", Gtc = "gtc", Pre = "pre", Post = "post" });
words!(/// Where an order stands.
Status {
    Pending = "pending", Open = "open", PartiallyFilled = "partially_filled", Filled = "filled",
    Canceled = "canceled", Expired = "expired", Rejected = "rejected", Error = "error", PendingCancel = "pending_cancel",
});

impl Side {
    /// Whether the order takes from the market and adds to the position.
    #[must_use]
    pub fn buys(self) -> bool {
        matches!(self, Self::Buy | Self::BuyToCover | Self::BuyToOpen | Self::BuyToClose)
    }

    /// Whether the order makes a position smaller.
    #[must_use]
    pub fn closes(self) -> bool {
        matches!(self, Self::Sell | Self::BuyToCover | Self::BuyToClose | Self::SellToClose)
    }
}

impl Kind {
    /// Whether the order needs a limit price.
    #[must_use]
    pub fn has_price(self) -> bool {
        matches!(self, Self::Limit | Self::StopLimit | Self::Debit | Self::Credit)
    }

    /// Whether the order needs a stop price.
    #[must_use]
    pub fn has_stop(self) -> bool {
        matches!(self, Self::Stop | Self::StopLimit)
    }
}

impl Duration {
    /// Whether a change from one to the other would move the order to another session.
    #[must_use]
    pub fn moves_session(self, other: Self) -> bool {
        let regular = |d| matches!(d, Self::Day | Self::Gtc);
        self != other && !(regular(self) && regular(other))
    }
}

impl Status {
    /// Whether nothing more can happen to the order.
    #[must_use]
    pub fn is_final(self) -> bool {
        match self {
            Self::Filled | Self::Canceled | Self::Expired | Self::Rejected | Self::Error => true,
            Self::Pending | Self::Open | Self::PartiallyFilled | Self::PendingCancel => false,
        }
    }
}

impl Class {
    /// Whether the parent only groups orders that live on their own.
    #[must_use]
    pub fn is_contingent(self) -> bool {
        matches!(self, Self::Oto | Self::Oco | Self::Otoco)
    }

    /// Whether the legs trade together at one net price.
    #[must_use]
    pub fn is_package(self) -> bool {
        matches!(self, Self::Multileg | Self::Combo)
    }
}

/// The place of an order in a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// No group.
    Single,
    /// The parent of legs.
    Parent,
    /// The `index`-th leg of `parent`.
    Leg {
        /// The group.
        parent: OrderId,
        /// Counted from 0.
        index: usize,
    },
}

/// One order, parent or leg.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    /// Its number.
    pub id: OrderId,
    /// Whose it is.
    pub account: AccountId,
    /// The class; a leg of a group is `option` or `equity`.
    pub class: Class,
    /// Its place in a group.
    pub role: Role,
    /// A parent's legs in order.
    pub legs: Vec<OrderId>,
    /// The underlying, or the share itself.
    pub symbol: Symbol,
    /// The contract, for options.
    pub contract: Option<Contract>,
    /// What trades: the contract's OCC symbol or the share.
    pub instrument: Symbol,
    /// Absent on parents of groups.
    pub side: Option<Side>,
    /// Absent on parents of contingent groups.
    pub kind: Option<Kind>,
    /// How long it lives.
    pub duration: Duration,
    /// Contracts or shares.
    pub quantity: i64,
    /// Limit or net price.
    pub price: Option<Decimal>,
    /// Stop price.
    pub stop: Option<Decimal>,
    /// Where it stands.
    pub status: Status,
    /// The client's mark.
    pub tag: Option<String>,
    /// How much was executed.
    pub executed: i64,
    /// Σ quantity × price of the executions; the average is a division away.
    pub traded: Decimal,
    /// Price of the last execution.
    pub last_price: Decimal,
    /// Quantity of the last execution.
    pub last_quantity: i64,
    /// When it was taken in.
    pub created: Ms,
    /// When it last changed.
    pub changed: Ms,
    /// Why it was refused.
    pub reason: Option<String>,
    /// How it works inside; never shown.
    pub inner: Inner,
}

/// What the book knows about an order and shows nobody.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Inner {
    /// May be matched: reviewed, and activated when it is a leg that waits for another.
    pub armed: bool,
    /// A stop whose price was touched.
    pub triggered: bool,
    /// Was looked at by the market once without trading, so it now waits at its own price.
    pub rested: bool,
    /// The review refused it; the client does not know yet.
    pub doomed: bool,
    /// A cancel was accepted and is on its way.
    pub cancel_sent: bool,
    /// Until then the fill shows without price and quantity.
    pub price_hidden_until: Ms,
    /// Withheld from lists until then.
    pub hidden_until: Ms,
    /// The message that the review ended with.
    pub verdict: Option<String>,
}

impl Order {
    /// What was not executed, whatever became of it.
    #[must_use]
    pub fn unfilled(&self) -> i64 {
        self.quantity.saturating_sub(self.executed)
    }

    /// The average price of what was executed, 0 when nothing was.
    #[must_use]
    pub fn average(&self) -> Decimal {
        let parts = Decimal::from(self.executed);
        self.traded.checked_div(parts).unwrap_or_default().round_dp(6)
    }

    /// The group's parent, for a leg.
    #[must_use]
    pub fn parent(&self) -> Option<OrderId> {
        match self.role {
            Role::Leg { parent, .. } => Some(parent),
            Role::Single | Role::Parent => None,
        }
    }

    /// Its index among the legs, 0 when it is no leg.
    #[must_use]
    pub fn leg_index(&self) -> usize {
        match self.role {
            Role::Leg { index, .. } => index,
            Role::Single | Role::Parent => 0,
        }
    }

    /// Whether fills may be shown with price and quantity yet.
    #[must_use]
    pub fn price_visible(&self, now: Ms) -> bool {
        now >= self.inner.price_hidden_until
    }

    /// Dollars per point of price and unit of quantity.
    #[must_use]
    pub fn multiplier(&self) -> Decimal {
        if self.contract.is_some() { Decimal::ONE_HUNDRED } else { Decimal::ONE }
    }
}
