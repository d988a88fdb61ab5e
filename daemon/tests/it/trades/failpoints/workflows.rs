//! What is begun, and then interrupted: what is there before, what a person asks and the world does, and the end that
//! it must come to by the broker's own books.

use anyhow::{Context, Result, ensure};
use blotter_daemon::broker::{Order, OrderStatus};
use blotter_shared::domain::{CloseReason, IntentRole, Price, Protection, TradeStatus};
use blotter_shared::protocol::trades::Trade;

use super::stage::Books;

/// What is missing while something is not so yet.
pub(super) type Judge = fn(&Trade, &Books) -> Result<()>;

/// A workflow and how it must end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Workflow {
    pub(super) name: &'static str,
    pub(super) before: Before,
    pub(super) acts: &'static [Act],
    /// Writes to the broker that it takes.
    pub(super) writes: usize,
    /// Deaths at these with every test run: all there are, but for one that waits for its reads.
    pub(super) deaths: usize,
    pub(super) ended: Judge,
}

/// What is there before it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    Nothing,
    /// Two contracts that somebody else has bought.
    Foreign,
    /// An entry below the market.
    Working,
    /// Two contracts with their bracket.
    Protected,
    /// The same on the next day, at this time in New York; the daemon has slept through the night.
    Overnight(&'static str),
    /// Two contracts whose brackets the broker refuses.
    Bare,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    /// A person asks: the path and the body, with `{id}` and `{symbol}`. Under one key, however often.
    Post(&'static str, &'static str),
    Delete(&'static str, &'static str),
    /// The world turns, once, while nobody looks.
    World(&'static [Event]),
    /// Nothing more is done before it is so.
    Until(Judge),
}

/// What happens at the broker.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// Bid and ask from now on.
    Market(&'static str, &'static str),
    /// One contract is on sale for a moment, at the price of an entry below the market.
    OneForSale,
    /// The bracket is dropped, unasked.
    BracketVanishes,
    /// Somebody else trades so many, without a tag.
    ForeignTrade(&'static str, u32),
    /// Stop and target must be so far apart, else the pair is refused.
    LegsApart(&'static str),
}

pub(super) const ENTRIES: &str = "/v1/trades";
const CLOSE: &str = "/v1/trades/{id}/close";
const ADJUST: &str = "/v1/trades/{id}/adjust";
const PROTECT: &str = "/v1/trades/{id}/protect";

/// An entry at the market, and one below it.
pub(super) const SIGNAL: &str =
    r#"{ "option_symbol": "{symbol}", "qty": 2, "limit": "5.10", "sl_price": "4.00", "tp_price": "7.00" }"#;
pub(super) const LOW_SIGNAL: &str =
    r#"{ "option_symbol": "{symbol}", "qty": 2, "limit": "4.50", "sl_price": "4.00", "tp_price": "7.00" }"#;
const FOUND: &str = r#"{ "option_symbol": "{symbol}", "qty": 2, "sl_price": "4.00", "tp_price": "7.00" }"#;
const SEEN: &str = r#"{ "version": 1 }"#;
const AT_OPEN: &str = r#"{ "version": 1, "at_open": true }"#;

/// Below the stop.
const FALLEN: Event = Event::Market("3.80", "3.90");

const PROTECTED: Workflow = Workflow {
    name: "",
    before: Before::Protected,
    acts: &[],
    writes: 2,
    deaths: 6,
    ended: |_, _| anyhow::bail!("no end is known"),
};

pub(super) const ALL: &[Workflow] = &[
    Workflow {
        name: "an entry is protected",
        before: Before::Nothing,
        acts: &[Act::Post(ENTRIES, SIGNAL)],
        ended: |trade, books| {
            if trade.status == TradeStatus::Void {
                return unbought(books);
            }
            bought(books, 2).and(protected(trade, books, TWO)).and(sold(books, 0))
        },
        ..PROTECTED
    },
    Workflow {
        name: "half an entry is cut and protected",
        before: Before::Working,
        acts: &[Act::World(&[Event::OneForSale])],
        ended: |trade, books| {
            bought(books, 1).and(protected(trade, books, Kept { held: 1, ..TWO })).and(sold(books, 0))
        },
        ..PROTECTED
    },
    Workflow {
        name: "a working entry is cancelled",
        before: Before::Working,
        acts: &[Act::Post("/v1/trades/{id}/cancel", SEEN)],
        writes: 1,
        ended: |trade, books| {
            ensure!(trade.status == TradeStatus::Canceled, "it is cancelled");
            ensure!(books.of(IntentRole::Entry).len() == 1, "one entry");
            unbought(books)
        },
        ..PROTECTED
    },
    Workflow {
        name: "all of it is closed",
        acts: &[Act::Post(CLOSE, SEEN)],
        ended: |trade, books| bought(books, 2).and(closed(trade, books, BY_HAND)),
        ..PROTECTED
    },
    Workflow {
        name: "a part of it is closed",
        acts: &[Act::Post(CLOSE, r#"{ "version": 1, "qty": 1 }"#)],
        writes: 3,
        ended: |trade, books| {
            let kept = Kept { version: 2, held: 1, ..TWO };
            bought(books, 2).and(protected(trade, books, kept)).and(sold(books, 1))
        },
        ..PROTECTED
    },
    Workflow {
        name: "it is closed at a limit",
        acts: &[
            Act::Post(CLOSE, r#"{ "version": 1, "limit": "6.00" }"#),
            Act::Until(|trade, books| {
                let rests = working(books, Kept { target: Some("6.00"), ..TWO });
                if trade.status == TradeStatus::Closed { Ok(()) } else { rests }
            }),
            Act::World(&[Event::Market("6.10", "6.20")]),
        ],
        ended: |trade, books| {
            let end = End { reason: CloseReason::Manual, by: IntentRole::Bracket, pnl: 180 };
            bought(books, 2).and(closed(trade, books, end))
        },
        ..PROTECTED
    },
    Workflow {
        name: "it is closed at the open",
        before: Before::Overnight("09:29:50"),
        acts: &[Act::Post(CLOSE, AT_OPEN)],
        ended: |trade, books| closed(trade, books, BY_HAND),
        ..PROTECTED
    },
    Workflow {
        name: "a close at the open is taken back",
        before: Before::Overnight("09:15:00"),
        acts: &[Act::Post(CLOSE, AT_OPEN), Act::Delete(CLOSE, r#"{ "version": 2 }"#)],
        writes: 0,
        ended: |trade, books| {
            ensure!(books.of(IntentRole::Bracket).len() == 1, "its bracket was left alone");
            protected(trade, books, Kept { version: 3, ..TWO }).and(sold(books, 0))
        },
        ..PROTECTED
    },
    Workflow {
        name: "everything is sold",
        acts: &[Act::Post("/v1/flatten", "{}")],
        ended: |trade, books| bought(books, 2).and(closed(trade, books, BY_HAND)),
        ..PROTECTED
    },
    Workflow {
        name: "the stop is moved",
        acts: &[Act::Post(ADJUST, r#"{ "version": 1, "new_sl": "4.50" }"#)],
        ended: |trade, books| {
            let kept = Kept { version: 2, stop: "4.50", ..TWO };
            bought(books, 2).and(protected(trade, books, kept)).and(sold(books, 0))
        },
        ..PROTECTED
    },
    Workflow {
        name: "the target is taken away",
        acts: &[Act::Post(ADJUST, r#"{ "version": 1, "new_tp": null }"#)],
        ended: |trade, books| {
            let kept = Kept { version: 2, target: None, ..TWO };
            bought(books, 2).and(protected(trade, books, kept)).and(sold(books, 0))
        },
        ..PROTECTED
    },
    Workflow {
        name: "a moved stop is refused and the old one comes back",
        acts: &[
            Act::World(&[Event::LegsApart("2.60")]),
            Act::Post(ADJUST, r#"{ "version": 1, "new_sl": "4.90" }"#),
            Act::Until(|_, books| {
                let refused = |order: &&Order| order.status == OrderStatus::Rejected;
                ensure!(books.of(IntentRole::Bracket).iter().any(refused), "the broker has refused it");
                Ok(())
            }),
            // No second try: it does not fit any more.
            Act::World(&[Event::Market("4.80", "4.90")]),
        ],
        writes: 3,
        deaths: 1,
        ended: |trade, books| {
            bought(books, 2).and(protected(trade, books, Kept { version: 2, ..TWO })).and(sold(books, 0))
        },
        ..PROTECTED
    },
    Workflow {
        name: "the stop is hit",
        acts: &[Act::World(&[FALLEN])],
        writes: 0,
        ended: |trade, books| {
            let end = End { reason: CloseReason::StopHit, by: IntentRole::Bracket, pnl: -260 };
            bought(books, 2).and(closed(trade, books, end))
        },
        ..PROTECTED
    },
    Workflow {
        name: "the target is hit",
        acts: &[Act::World(&[Event::Market("7.20", "7.30")])],
        writes: 0,
        ended: |trade, books| {
            let end = End { reason: CloseReason::TargetHit, by: IntentRole::Bracket, pnl: 380 };
            bought(books, 2).and(closed(trade, books, end))
        },
        ..PROTECTED
    },
    Workflow {
        name: "the bracket vanishes and comes back",
        acts: &[Act::World(&[Event::BracketVanishes])],
        writes: 1,
        ended: |trade, books| {
            ensure!(books.of(IntentRole::Bracket).len() == 2, "the bracket that was dropped, and one in its place");
            bought(books, 2).and(protected(trade, books, TWO)).and(sold(books, 0))
        },
        ..PROTECTED
    },
    Workflow {
        name: "the stop is passed while nothing works",
        acts: &[Act::World(&[Event::BracketVanishes, FALLEN])],
        writes: 1,
        ended: |trade, books| {
            let end = End { reason: CloseReason::Emergency, by: IntentRole::Emergency, pnl: -260 };
            bought(books, 2).and(closed(trade, books, end))
        },
        ..PROTECTED
    },
    Workflow {
        name: "a bare position is protected by a person",
        before: Before::Bare,
        acts: &[Act::World(&[Event::LegsApart("0.10")]), Act::Post(PROTECT, SEEN)],
        writes: 1,
        ended: |trade, books| {
            bought(books, 2).and(protected(trade, books, Kept { version: 2, ..TWO })).and(sold(books, 0))
        },
        ..PROTECTED
    },
    Workflow {
        name: "what somebody sold is accepted",
        acts: &[
            Act::World(&[Event::ForeignTrade("sell_to_close", 1)]),
            Act::Until(|trade, _| {
                ensure!(trade.needs_person.is_some() || trade.version == 2, "it waits for a person");
                Ok(())
            }),
            Act::Post(PROTECT, SEEN),
        ],
        ended: |trade, books| {
            let kept = Kept { version: 2, held: 1, ..TWO };
            bought(books, 2).and(protected(trade, books, kept)).and(sold(books, 0))
        },
        ..PROTECTED
    },
    Workflow {
        name: "what somebody bought is adopted",
        before: Before::Foreign,
        acts: &[Act::Post("/v1/positions/adopt", FOUND)],
        writes: 1,
        ended: |trade, books| {
            ensure!(books.of(IntentRole::Entry).is_empty(), "nothing was bought by us");
            protected(trade, books, TWO).and(sold(books, 0))
        },
        ..PROTECTED
    },
];

/// A position that is kept, and the bracket over it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    pub(super) version: i64,
    pub(super) held: i64,
    pub(super) stop: &'static str,
    pub(super) target: Option<&'static str>,
}

/// As it was bought.
pub(super) const TWO: Kept = Kept { version: 1, held: 2, stop: "4.00", target: Some("7.00") };

/// How a position left.
#[derive(Clone, Copy, Debug)]
struct End {
    reason: CloseReason,
    by: IntentRole,
    pnl: i64,
}

const BY_HAND: End = End { reason: CloseReason::Manual, by: IntentRole::Close, pnl: -20 };

/// One bracket of that size works with these prices, and all know of it.
pub(super) fn protected(trade: &Trade, books: &Books, kept: Kept) -> Result<()> {
    working(books, kept)?;
    ensure!(books.held == kept.held, "{} are held", kept.held);
    ensure!(trade.protection == Protection::Confirmed && i64::from(trade.held_qty) == kept.held, "it is confirmed");
    ensure!((trade.status, trade.version) == (TradeStatus::Filled, kept.version), "it is held as {kept:?}");
    ensure!(trade.step.is_none() && trade.needs_person.is_none(), "nothing is left to be done");
    Ok(())
}

/// One bracket works at the market, and nothing else does.
pub(super) fn working(books: &Books, kept: Kept) -> Result<()> {
    let price = |text: &str| text.parse::<Price>().ok();
    let wanted = (kept.held, price(kept.stop), kept.target.and_then(price));
    ensure!(books.working() == [wanted], "one bracket works, {kept:?}: {:?}", books.working());
    ensure!(books.is_looked_through(), "the broker has looked it through");
    Ok(())
}

/// By one entry, so many.
pub(super) fn bought(books: &Books, contracts: i64) -> Result<()> {
    ensure!(books.of(IntentRole::Entry).len() == 1, "one entry");
    ensure!(books.traded(IntentRole::Entry) == contracts, "{contracts} were bought");
    Ok(())
}

/// Never sent, or nothing of it traded; and nothing works.
fn unbought(books: &Books) -> Result<()> {
    ensure!(books.held == 0 && books.traded(IntentRole::Entry) == 0, "nothing is bought");
    ensure!(books.working().is_empty(), "nothing works");
    ensure!(books.of(IntentRole::Bracket).is_empty() && books.of(IntentRole::Close).is_empty(), "nothing is sold");
    Ok(())
}

/// Sold by hand, so many, by one order if any.
fn sold(books: &Books, contracts: i64) -> Result<()> {
    let (sales, rest) = (books.of(IntentRole::Close), [IntentRole::Bracket, IntentRole::Emergency]);
    ensure!(books.traded(IntentRole::Close) == contracts, "{contracts} were sold");
    ensure!(sales.len() == usize::from(contracts > 0), "by one order");
    ensure!(rest.iter().all(|role| books.traded(*role) == 0), "and by no other");
    Ok(())
}

/// All of it left by one door, once, and brought what it did.
fn closed(trade: &Trade, books: &Books, end: End) -> Result<()> {
    ensure!(books.held == 0 && books.working().is_empty(), "nothing is held and nothing works");
    for role in [IntentRole::Bracket, IntentRole::Close, IntentRole::Emergency] {
        let contracts = if role == end.by { 2 } else { 0 };
        ensure!(books.traded(role) == contracts, "{contracts} were sold by {role:?}");
    }
    let sales = books.of(IntentRole::Close).len() + books.of(IntentRole::Emergency).len();
    ensure!(sales == usize::from(end.by != IntentRole::Bracket), "by one order");
    let close = trade.close.as_ref().context("an end")?;
    ensure!(trade.status == TradeStatus::Closed && close.reason == Some(end.reason), "closed as {end:?}");
    ensure!(close.realized_pnl.is_some_and(|pnl| pnl.0 == end.pnl.into()), "it brought {}: {close:?}", end.pnl);
    Ok(())
}
