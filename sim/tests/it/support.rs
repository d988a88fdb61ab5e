//! What the tests share: a small engine with prices in the test's hand.

use blotter_sim::core::{
    AccountId, Engine, FixedFeed, Leg, Opening, OrderId, Refusals, Settings, Side, Status, Ticket, World,
};
use blotter_sim::time::Ms;

/// The contract that most tests trade.
pub(crate) const CALL: &str = "SPY260918C00600000";

/// A live-world engine at an ET time on 2026-09-10, with `CALL` at 0.98 by 1.00 and SPY at 600.
pub(crate) struct Bench {
    pub(crate) engine: Engine,
    pub(crate) feed: FixedFeed,
    pub(crate) account: AccountId,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(Settings::default(), World::Live)
    }

    pub(crate) fn with(settings: Settings, world: World) -> Self {
        Self::at(settings, world, 10, 0)
    }

    pub(crate) fn at(settings: Settings, world: World, hour: u32, minute: u32) -> Self {
        let feed = FixedFeed::default();
        feed.set(CALL, "0.98", "1.00");
        feed.set("SPY", "600.00", "600.01");
        let start = Ms::at_et("2026-09-10".parse().unwrap(), hour, minute);
        let mut engine = Engine::new(settings, Box::new(feed.clone()), 7, start);
        engine.open_account(Opening::new("6YA00001", world));
        Self { engine, feed, account: AccountId("6YA00001".into()) }
    }

    pub(crate) fn run(&mut self, ms: i64) {
        let to = self.engine.now().plus(ms);
        self.engine.advance_to(to);
    }

    pub(crate) fn place(&mut self, ticket: Ticket) -> OrderId {
        self.engine.place(&self.account, &ticket).expect("an acknowledgement")
    }

    pub(crate) fn status(&self, id: OrderId) -> Status {
        self.engine.order(&self.account, id).expect("the order").status
    }

    pub(crate) fn reason(&self, id: OrderId) -> String {
        self.engine.order(&self.account, id).expect("the order").reason.clone().unwrap_or_default()
    }

    pub(crate) fn held(&self) -> i64 {
        let account = self.engine.account(&self.account).expect("the account");
        account.positions.values().map(|p| p.quantity).sum()
    }

    /// Buys `quantity` of `CALL` and waits until it is held.
    pub(crate) fn own(&mut self, quantity: i64) {
        self.place(Ticket::single(Leg::market(Side::BuyToOpen, CALL, quantity)));
        self.run(3_000);
        assert_eq!(self.held(), quantity, "{}", self.engine.ledger().to_lines());
    }
}

/// Settings under which refusals come in the answer.
pub(crate) fn inline() -> Settings {
    Settings { refusals: Refusals::Inline, ..Settings::default() }
}

/// A decimal from text.
pub(crate) fn dec(text: &str) -> rust_decimal::Decimal {
    text.parse().expect("a decimal")
}
