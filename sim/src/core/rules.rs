//! The broker's rules about an order, as one pure judgement: a [`Case`] in, a verdict out.
//!
//! The case is gathered by the review (positions, claims, prices); nothing here looks anything up.

use rust_decimal::Decimal;

use super::feed::Touch;
use super::order::{Class, Duration, Kind, Side};
use super::refusal::Reject;
use super::settings::{Settings, Switch, World};
use super::ticket::{Leg, Ticket};

/// Everything that the judgement of a request needs to know.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub(super) settings: &'a Settings,
    pub(super) world: World,
    pub(super) option_level: u8,
    pub(super) ticket: &'a Ticket,
    /// One for each leg, in order.
    pub(super) scenes: Vec<Scene>,
    /// Buying power left, and what the request needs of it.
    pub(super) power: Decimal,
    pub(super) need: Decimal,
}

/// The surroundings of one leg.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    pub(super) touch: Option<Touch>,
    pub(super) expired: bool,
    pub(super) index: bool,
    /// Contracts or shares held.
    pub(super) held: i64,
    /// Quantity that other closing orders in the same direction claim.
    pub(super) claimed: i64,
    /// Another bracket with an entry of its own works on the contract.
    pub(super) bracketed: bool,
    pub(super) tick: Decimal,
    /// Whether this leg is looked at now; exits that wait for an entry are not.
    pub(super) live: bool,
}

type Verdict = Result<(), Reject>;

fn no(code: &'static str) -> Verdict {
    Err(Reject { code })
}

fn refuse_if(wrong: bool, code: &'static str) -> Verdict {
    if wrong { no(code) } else { Ok(()) }
}

impl Case<'_> {
    /// The verdict: the first rule that is broken, in a fixed order.
    pub(super) fn judge(&self) -> Verdict {
        self.group()?;
        for (leg, scene) in self.ticket.legs.iter().zip(&self.scenes) {
            self.words(leg)?;
            self.security(leg, scene)?;
            self.prices(leg, scene)?;
            if scene.live {
                self.approval(leg)?;
                self.position(leg, scene)?;
                side_of_market(leg, scene)?;
            }
        }
        refuse_if(self.need > self.power, "InitialMargin")
    }

    fn group(&self) -> Verdict {
        let exits = match self.ticket.class {
            Class::Oco => self.ticket.legs.as_slice(),
            Class::Otoco => self.ticket.legs.get(1..).unwrap_or_default(),
            Class::Oto | Class::Equity | Class::Option | Class::Multileg | Class::Combo => return Ok(()),
        };
        let [a, b] = exits else { return no("OmsInternalError") };
        refuse_if(a.kind == Kind::Market || b.kind == Kind::Market, "OtoOcoMarketNotAllowed")?;
        refuse_if(a.duration != b.duration, "OcoExpirationTypeNotTheSame")?;
        refuse_if(a.side.buys() != b.side.buys(), "OcoOrderWithOppositeLegs")?;
        let gap = (level(a) - level(b)).abs();
        refuse_if(a.contract.is_some() && gap < self.settings.oco_gap, "OcoPriceDifferenceIsLessThanDelta")
    }

    fn words(&self, leg: &Leg) -> Verdict {
        refuse_if(!(1..=10_000_000).contains(&leg.quantity), "IncorrectOrderQuantity")?;
        refuse_if(leg.kind == Kind::Market && leg.duration == Duration::Gtc, "MarketOrderIsGtc")?;
        refuse_if(leg.side == Side::SellShort && leg.duration == Duration::Gtc, "ShortOrderIsGtc")?;
        let extended = matches!(leg.duration, Duration::Pre | Duration::Post);
        refuse_if(extended && (leg.contract.is_some() || leg.kind != Kind::Limit), "IncorrectTimeInForce")
    }

    fn security(&self, leg: &Leg, scene: &Scene) -> Verdict {
        refuse_if(scene.expired, "ExpirationDateUndefined")?;
        let Some(touch) = scene.touch else { return no("SecurityUndefined") };
        refuse_if(leg.contract.is_none() && scene.index, "TradingDeniedForSecurity")?;
        let cheap = leg.side == Side::SellShort && touch.last < Decimal::new(5, 0);
        refuse_if(cheap, "SellShortOrderLastPriceBelow5")
    }

    fn prices(&self, leg: &Leg, scene: &Scene) -> Verdict {
        let package = self.ticket.net.is_some();
        refuse_if(!package && leg.kind.has_price() && leg.price.is_none(), "LimitPriceUndefined")?;
        refuse_if(leg.kind.has_stop() && leg.stop.is_none(), "StopPriceUndefined")?;
        let given = [leg.price, leg.stop];
        refuse_if(given.iter().flatten().any(|p| *p <= Decimal::ZERO), "OrderPriceIsInvalid")?;
        let checks = self.world == World::Live && self.settings.ticks == Switch::On;
        let off = |p: &Decimal| !scene.tick.is_zero() && !(*p % scene.tick).is_zero();
        refuse_if(checks && given.iter().flatten().any(off), "PricePrecisionIsOutOfRange")
    }

    fn approval(&self, leg: &Leg) -> Verdict {
        if leg.contract.is_none() {
            return Ok(());
        }
        let level = self.option_level;
        refuse_if(level == 0, "AssetTradingNotConfiguredForAccount")?;
        refuse_if(leg.side == Side::BuyToOpen && level < 2, "LongOptionTradingDeniedForAccount")?;
        refuse_if(self.ticket.class.is_package() && level < 3, "SpreadTradingDeniedForAccount")?;
        let naked = leg.side == Side::SellToOpen && !self.ticket.class.is_package();
        refuse_if(naked && level < 4, "ShortOptionTradingDeniedForAccount")
    }

    /// Effective long = position − open sells; and the mirror of it for shorts.
    fn position(&self, leg: &Leg, scene: &Scene) -> Verdict {
        refuse_if(scene.bracketed && self.ticket.class == Class::Otoco, "LongPositionCrossZero")?;
        let option = leg.contract.is_some();
        let strict = self.settings.cross_zero == Switch::On;
        match leg.side {
            Side::Buy | Side::BuyToOpen => {
                refuse_if(scene.held < 0, if option { "UnexpectedBuyOrderOption" } else { "UnexpectedBuyOrder" })
            }
            Side::SellShort | Side::SellToOpen => refuse_if(
                scene.held > 0,
                if option { "UnexpectedSellShortOrderOption" } else { "UnexpectedSellShortOrder" },
            ),
            Side::Sell | Side::SellToClose => {
                refuse_if(
                    strict && scene.held <= 0,
                    if option { "UnexpectedSellOrderOption" } else { "UnexpectedSellOrder" },
                )?;
                refuse_if(strict && leg.quantity > scene.held - scene.claimed, "LongPositionCrossZero")
            }
            Side::BuyToCover | Side::BuyToClose => {
                refuse_if(
                    strict && scene.held >= 0,
                    if option { "UnexpectedBuyToCoverOrderOption" } else { "UnexpectedBuyToCoverOrder" },
                )?;
                refuse_if(strict && leg.quantity > -scene.held - scene.claimed, "ShortPositionCrossZero")
            }
        }
    }
}

/// A sell stop belongs below the bid, a buy stop above the ask. Without that side of the market nothing is compared.
fn side_of_market(leg: &Leg, scene: &Scene) -> Verdict {
    let (Some(stop), Some(touch)) = (leg.stop.filter(|_| leg.kind.has_stop()), scene.touch) else { return Ok(()) };
    if leg.side.buys() {
        refuse_if(!touch.ask.is_zero() && stop <= touch.ask, "BuyStopOrderStopPriceLessAsk")
    } else {
        refuse_if(!touch.bid.is_zero() && stop >= touch.bid, "SellStopOrderStopPriceGreaterBid")
    }
}

/// The price at which a leg acts: a stop's stop, a limit's limit.
fn level(leg: &Leg) -> Decimal {
    let first = if leg.kind.has_stop() { leg.stop } else { leg.price };
    first.or(leg.price).unwrap_or_default()
}
