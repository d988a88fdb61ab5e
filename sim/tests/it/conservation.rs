//! Properties that hold for every sequence of requests:
//! no position that the fills do not explain, cash and positions conserved to the cent, the same seed and requests the
//! same ledger. Ten thousand seeds run here; `TRADIER_SIM_SEEDS=1000000` runs as many as it says.

use std::collections::BTreeMap;

use blotter_sim::core::{
    AccountId, Change, Class, Engine, Fact, FixedFeed, Leg, Opening, OrderId, Role, Settings, Sibling, Side, Status,
    Switch, Symbol, Ticket, Touch, World,
};
use blotter_sim::rng::Stream;
use blotter_sim::time::{HOUR, MINUTE, Ms};
use rust_decimal::Decimal;

const CONTRACTS: [&str; 3] = ["SPY260910C00600000", "SPY260911P00600000", "SPXW260910C06000000"];
const SHARDS: u64 = 4;

/// One life: an engine, prices that walk, requests drawn from the seed.
struct Life {
    engine: Engine,
    feed: FixedFeed,
    chance: Stream,
    account: AccountId,
    cents: [i64; 3],
    sent: Vec<OrderId>,
}

impl Life {
    fn new(seed: u64) -> Self {
        let mut chance = Stream::new(seed, "life");
        let settings = settings(&mut chance);
        let feed = FixedFeed::default();
        feed.set("SPY", "600.10", "600.11");
        feed.set("SPX", "6004.00", "6004.00");
        let hour = [9, 10, 15][usize::try_from(chance.range(0, 2)).unwrap()];
        let start = Ms::at_et("2026-09-10".parse().unwrap(), hour, u32::try_from(chance.range(0, 59)).unwrap());
        let mut engine = Engine::new(settings, Box::new(feed.clone()), seed, start);
        let world = if chance.chance(0.5) { World::Live } else { World::Sandbox };
        engine.open_account(Opening::new("6YA00001", world));
        let mut life = Self {
            engine,
            feed,
            chance,
            account: AccountId("6YA00001".into()),
            cents: [100, 200, 400],
            sent: Vec::new(),
        };
        life.prices();
        for symbol in CONTRACTS.iter().take(2) {
            let quantity = life.chance.range(1, 5);
            let buy = Ticket::single(Leg::market(Side::BuyToOpen, symbol, quantity));
            life.sent.extend(life.engine.place(&life.account, &buy));
        }
        life
    }

    fn prices(&mut self) {
        for (i, symbol) in CONTRACTS.iter().enumerate() {
            let cents = (self.cents[i] + self.chance.range(-12, 12)).clamp(4, 2_000);
            self.cents[i] = cents;
            let (bid_size, ask_size) = (self.chance.range(0, 4), self.chance.range(0, 4));
            let (bid, ask) = (Decimal::new(cents - 2, 2), Decimal::new(cents + 2, 2));
            self.feed.put(symbol, Touch { bid, ask, bid_size, ask_size, last: bid });
        }
    }

    fn step(&mut self) {
        match self.chance.range(0, 11) {
            0..=4 => self.place(),
            5 => self.cancel(),
            6 => self.change(),
            7 => drop(self.engine.outside_trade(&self.account, Side::BuyToOpen, CONTRACTS[0], 1)),
            _ => self.prices(),
        }
        let wait = [0, 40, 700, 1_000, 2_500, 20 * MINUTE][usize::try_from(self.chance.range(0, 5)).unwrap()];
        let wait = if wait == 20 * MINUTE && self.chance.chance(0.8) { 1_000 } else { wait };
        self.engine.advance_to(self.engine.now().plus(wait));
    }

    fn leg(&mut self, closing: bool) -> Leg {
        let which = usize::try_from(self.chance.range(0, 2)).unwrap();
        let side = match (closing, self.chance.range(0, 9)) {
            (true, 0) => Side::BuyToClose,
            (true, _) => Side::SellToClose,
            (false, 0) => Side::SellToOpen,
            (false, _) => Side::BuyToOpen,
        };
        let held = self.engine.account(&self.account).unwrap().held(&Symbol::new(CONTRACTS[which]));
        let quantity = if closing && held > 0 { self.chance.range(1, held) } else { self.chance.range(1, 4) };
        let leg = Leg::market(side, CONTRACTS[which], quantity);
        let price = Decimal::new((self.cents[which] + self.chance.range(-15, 15)).max(1), 2);
        match self.chance.range(0, 4) {
            0 => leg,
            1 => leg.stopped(price),
            2 => leg.at(price).gtc(),
            _ => leg.at(price),
        }
    }

    fn exits(&mut self, like: &Leg) -> [Leg; 2] {
        let which = CONTRACTS.iter().position(|c| like.contract.as_ref().unwrap().occ().as_str() == *c).unwrap();
        let away = self.chance.range(5, 25);
        let exit = Leg::market(Side::SellToClose, CONTRACTS[which], like.quantity);
        let price = |c: i64| Decimal::new(c.max(1), 2);
        [exit.clone().at(price(self.cents[which] + away)), exit.stopped(price(self.cents[which] - away))]
    }

    fn place(&mut self) {
        let ticket = match self.chance.range(0, 5) {
            0 | 1 => Ticket::single(self.leg(false)),
            2 => Ticket::single(self.leg(true)),
            3 | 4 => {
                let like = self.leg(true);
                Ticket::group(Class::Oco, self.exits(&like).to_vec())
            }
            _ => {
                let entry = self.leg(false);
                let [target, stop] = self.exits(&entry);
                Ticket::group(Class::Otoco, vec![entry, target, stop])
            }
        };
        if let Ok(id) = self.engine.place(&self.account, &ticket) {
            self.sent.push(id);
        }
    }

    fn pick(&mut self) -> Option<OrderId> {
        let last = i64::try_from(self.sent.len()).unwrap() - 1;
        (last >= 0).then(|| self.sent[usize::try_from(self.chance.range(0, last)).unwrap()])
    }

    fn cancel(&mut self) {
        if let Some(id) = self.pick() {
            drop(self.engine.cancel(&self.account, id));
        }
    }

    fn change(&mut self) {
        if let Some(id) = self.pick() {
            let price = Some(Decimal::new(self.chance.range(50, 300), 2));
            drop(self.engine.change(&self.account, id, Change { price, ..Change::default() }));
        }
    }

    fn check(&self, seed: u64) {
        let account = self.engine.account(&self.account).unwrap();
        let mut positions: BTreeMap<Symbol, i64> = BTreeMap::new();
        let mut executed: BTreeMap<OrderId, i64> = BTreeMap::new();
        let mut cash = account.opening.cash;
        for entry in self.engine.ledger().facts() {
            match &entry.fact {
                Fact::Fill { symbol, side, quantity, cash: moved, order, price, commission, .. } => {
                    let signed = if side.buys() { *quantity } else { -quantity };
                    assert!(*quantity > 0 && *price > Decimal::ZERO, "seed {seed}: {entry:?}");
                    assert_eq!(*moved, -*price * Decimal::from(signed * 100) - commission, "seed {seed}");
                    *positions.entry(symbol.clone()).or_default() += signed;
                    *executed.entry(*order).or_default() += quantity;
                    cash += moved;
                }
                Fact::Moved { symbol, quantity, cash: moved, .. } => {
                    *positions.entry(symbol.clone()).or_default() += quantity;
                    cash += moved;
                }
                _ => {}
            }
        }
        positions.retain(|_, q| *q != 0);
        let held: BTreeMap<Symbol, i64> = account.positions.iter().map(|(s, p)| (s.clone(), p.quantity)).collect();
        let told = || format!("seed {seed}\n{}", self.engine.ledger().to_lines());
        assert_eq!(held, positions, "{}", told());
        assert_eq!(account.cash, cash, "{}", told());
        let booked: Decimal = account.positions.values().map(|p| p.cost).sum();
        let realised: Decimal = account.closed.iter().map(|l| l.proceeds - l.cost).sum();
        let commissions: Decimal = account.history.iter().map(|h| h.commission).sum();
        assert_eq!(account.cash + booked, account.opening.cash + realised - commissions, "{}", told());
        self.check_orders(&executed, &told);
    }

    fn check_orders(&self, executed: &BTreeMap<OrderId, i64>, told: &dyn Fn() -> String) {
        for order in self.engine.all_orders().filter(|o| o.role != Role::Parent) {
            assert_eq!(order.executed, executed.get(&order.id).copied().unwrap_or(0), "{}: {}", order.id, told());
            assert!(order.executed <= order.quantity, "{}: {}", order.id, told());
            assert!((order.status != Status::Filled) || order.executed == order.quantity, "{}: {}", order.id, told());
        }
        for symbol in CONTRACTS.map(Symbol::new) {
            let opened_short = self
                .engine
                .all_orders()
                .any(|o| o.instrument == symbol && o.side == Some(Side::SellToOpen) && o.executed > 0);
            let held = self.engine.account(&self.account).unwrap().held(&symbol);
            assert!(opened_short || held >= 0, "{symbol} is short and nobody sold to open: {}", told());
        }
    }
}

fn settings(chance: &mut Stream) -> Settings {
    let pick = |chance: &mut Stream| if chance.chance(0.3) { Switch::Off } else { Switch::On };
    Settings {
        sibling: if chance.chance(0.3) { Sibling::Cancels } else { Sibling::Shrinks },
        partial_fills: pick(chance),
        position_lag_ms: if chance.chance(0.2) { (0, 3_000) } else { (0, 0) },
        cancel_ms: if chance.chance(0.2) { (0, 40_000) } else { (15, 150) },
        ..Settings::default()
    }
}

fn live(seed: u64) -> Life {
    let mut life = Life::new(seed);
    for _ in 0..30 {
        life.step();
    }
    if life.chance.chance(0.2) {
        life.engine.settings_mut().step_ms = MINUTE;
        life.engine.advance_to(life.engine.now().plus(12 * HOUR));
    }
    life.engine.advance_to(life.engine.now().plus(MINUTE));
    life
}

#[expect(clippy::disallowed_methods, reason = "the number of seeds is for the person who runs the tests to choose")]
fn seeds() -> u64 {
    std::env::var("TRADIER_SIM_SEEDS").ok().and_then(|s| s.parse().ok()).unwrap_or(10_000)
}

fn shard(index: u64) {
    for seed in (index..seeds()).step_by(usize::try_from(SHARDS).unwrap()) {
        let life = live(seed);
        life.check(seed);
        if seed % 100 < SHARDS {
            let again = live(seed);
            assert_eq!(
                life.engine.ledger().to_lines(),
                again.engine.ledger().to_lines(),
                "seed {seed} is not repeatable"
            );
        }
    }
}

#[test]
fn fills_explain_every_position_and_every_cent_first_quarter_of_seeds() {
    shard(0);
}

#[test]
fn fills_explain_every_position_and_every_cent_second_quarter_of_seeds() {
    shard(1);
}

#[test]
fn fills_explain_every_position_and_every_cent_third_quarter_of_seeds() {
    shard(2);
}

#[test]
fn fills_explain_every_position_and_every_cent_fourth_quarter_of_seeds() {
    shard(3);
}

#[test]
fn the_lives_reach_what_they_are_meant_to_judge() {
    let (mut bracket, mut late, mut partial, mut settled) = (0, 0, 0, 0);
    for seed in 0..400 {
        let life = live(seed);
        let orders: Vec<_> = life.engine.all_orders().collect();
        bracket += usize::from(orders.iter().any(|o| o.class == Class::Oco && o.status == Status::Filled));
        partial += usize::from(orders.iter().any(|o| o.status == Status::Canceled && o.executed > 0));
        late += usize::from(orders.iter().any(|o| o.status == Status::Rejected));
        settled += usize::from(life.engine.ledger().facts().iter().any(|e| matches!(e.fact, Fact::Moved { .. })));
    }
    println!("brackets filled {bracket}, partial then cancelled {partial}, rejected {late}, settled {settled}");
    assert!(bracket > 40 && partial > 20 && late > 50 && settled > 20, "{bracket} {partial} {late} {settled}");
}
