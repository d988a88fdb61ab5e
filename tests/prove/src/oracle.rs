//! The judge. It looks at the broker's ledger and at what is durable, never at what a daemon
//! believes, and checks every simulated second; some things are only judged at rest.

use std::collections::BTreeMap;

use blotter_daemon::trades::facts::{FlatCause, Intent, Shape, Trade};
use blotter_daemon::trades::pnl;
use blotter_daemon::trades::ports::{LeaseAnswer, Placement};
use blotter_shared::domain::{AlarmKind, CloseReason, IntentRole, IntentState, TradeStatus};
use rust_decimal::Decimal;

use crate::faults::Class;
use crate::store::LeaseRow;
use crate::world::World;

/// What the judge has seen.
#[derive(Clone, Debug, Default)]
pub struct Oracle {
    pub violations: Vec<String>,
    /// How often something worth reaching was reached.
    pub marks: BTreeMap<&'static str, u64>,
    /// Seconds in a row that each contract was held without cover.
    bare: BTreeMap<usize, u64>,
    /// When an alarm about each contract was last open.
    told: BTreeMap<usize, u64>,
    /// Faults are off since then.
    pub calm_since: Option<u64>,
    /// Something the test did that explains a quarantine.
    pub excuses: Vec<&'static str>,
}

impl Oracle {
    pub fn count(&mut self, mark: &'static str) {
        *self.marks.entry(mark).or_insert(0) += 1;
    }

    pub fn arrived(&mut self, tag: &str) {
        let mark = if tag.contains("-EN") {
            "entry-arrived"
        } else if tag.contains("-BR") {
            "bracket-arrived"
        } else {
            "close-arrived"
        };
        self.count(mark);
    }

    fn fail(&mut self, what: String) {
        self.violations.push(what);
    }
}

/// Seconds that a position may be bare before somebody must have been told. With processes
/// that die and databases that fail the alarm needs somebody who is up.
const BARE_DISTURBED: u64 = 240;
const BARE_CALM: u64 = 90;
const NIGHT: u64 = 60;
/// Refusals of a bracket must have gone on for so long before its position is sold for them.
const REFUSED: i64 = 60;
/// The longest pass, and a little.
const PASS: u64 = 25;
/// After a sale by somebody else nobody can exclude a race for so long.
const RACE: u64 = 30;

/// Seconds of calm after which every process that stood still has gone on: a pause of up to 180 s
/// may begin in the last second of the storm, and a lease and a pass follow it.
const REST: u64 = 240;

/// Every second.
pub fn check(world: &mut World) {
    let broken = std::mem::take(&mut world.store.violations);
    world.oracle.violations.extend(broken);
    for at in 0..world.broker.contracts.len() {
        position(world, at);
        bare(world, at);
    }
    entries(world);
    quarantines(world);
    count_steps(world);
    if let Some(since) = world.oracle.calm_since {
        liveness(world, since);
    }
}

/// I1 and I3.
fn position(world: &mut World, at: usize) {
    let now = world.second();
    let Some(contract) = world.broker.contracts.get(at) else { return };
    let raced = contract.touched_outside.is_some_and(|touched| now <= touched + RACE);
    let lax = !world.broker.temper.cross_zero;
    let (position, outside) = (contract.position, contract.sold_outside);
    if position < 0 && !(lax && (raced || outside)) {
        world.oracle.fail(format!("I1 position {position}"));
    }
    let on_sale = i64::from(world.broker.own_on_sale(at));
    if on_sale > position.max(0) && !raced && !outside {
        world.oracle.fail(format!("I3 {on_sale} on sale, position {position}"));
    }
}

/// I4.
fn bare(world: &mut World, at: usize) {
    let Some(contract) = world.broker.contracts.get(at) else { return };
    let symbol = contract.symbol.clone();
    let live = world.broker.orders.iter().filter(|order| order.symbol == at && !order.buys && !order.doomed);
    let stop_wanted = |symbol: &str| {
        let trades = world.store.book.trades.values().filter(|trade| trade.spec.symbol.as_str() == symbol);
        trades.max_by_key(|trade| trade.spec.asked_at).is_some_and(|trade| trade.wish.stop.is_some())
    };
    let with_stop = stop_wanted(&symbol);
    let own = live.filter(|order| order.own_tag().is_some() && covers(order, with_stop, world.broker.open));
    let cover: i64 = own.map(|order| i64::from(order.remaining())).sum();
    let exposed = contract.position > cover;
    let wanted = world.store.book.trades.values().filter(|trade| trade.spec.symbol.as_str() == symbol);
    let owner = wanted.max_by_key(|trade| trade.spec.asked_at);
    let by_choice = owner.is_none_or(|trade| trade.wish.stop.is_none() && !trade.wish.is_flat());
    let seconds = world.oracle.bare.entry(at).or_insert(0);
    *seconds = if exposed && !by_choice { *seconds + 1 } else { 0 };
    let seconds = *seconds;
    let rough =
        [Class::CrashBefore, Class::CrashAfter, Class::Pause, Class::StoreDown, Class::StoreSlow, Class::CommitLost];
    let disturbed = rough.iter().any(|class| world.streams.rate(*class) > 0) || world.crash_at.is_some();
    let disturbed = disturbed || crate::travel::has_travelled(world);
    let limit = if disturbed { BARE_DISTURBED } else { BARE_CALM };
    // By night a quiet loop looks once a minute.
    let night = world.gaps.iter().any(|gap| (gap.from..gap.to + PASS).contains(&world.second()));
    let limit = if night { limit + NIGHT } else { limit };
    let id = owner.map(Trade::id);
    let now = world.second();
    if world.store.book.alarms.iter().any(|alarm| (alarm.trade == id || alarm.trade.is_none()) && tells(alarm.kind)) {
        world.oracle.told.insert(at, now);
    }
    // A bracket that the broker shows as live ends an alarm, and the broker may refuse it a moment
    // later: the time begins anew.
    let told = world.oracle.told.get(&at).is_some_and(|told| now <= told + limit);
    if seconds > limit && !told {
        world.oracle.fail(format!("I4 bare for {seconds} s and nobody was told"));
    }
}

/// It is at the market, where there is one, and has a leg that ends a loss: a stop near the price that was ever asked for,
/// or a sale.
fn covers(order: &crate::broker::SimOrder, with_stop: bool, at_market: bool) -> bool {
    let ends_a_loss = |leg: &crate::broker::Leg| match leg.kind {
        crate::broker::Kind::Market => true,
        crate::broker::Kind::Stop(stop) => stop > 10,
        crate::broker::Kind::Limit(_) => !with_stop,
    };
    (order.open || !at_market) && order.legs.iter().any(|leg| !leg.state.is_final() && ends_a_loss(leg))
}

fn tells(kind: AlarmKind) -> bool {
    matches!(
        kind,
        AlarmKind::Naked
            | AlarmKind::Unverified
            | AlarmKind::CannotProtect
            | AlarmKind::NeedsPerson
            | AlarmKind::Quarantine
            | AlarmKind::AccountBlind
    )
}

/// I2: what the broker executed of the entries of a trade.
fn entries(world: &mut World) {
    let mut bought: BTreeMap<blotter_shared::domain::TradeId, u32> = BTreeMap::new();
    for order in world.broker.orders.iter().filter(|order| order.buys && order.executed() > 0) {
        if let Some(tag) = order.own_tag() {
            *bought.entry(tag.trade).or_insert(0) += order.executed();
        }
    }
    for (id, bought) in bought {
        let before = || world.asked_before.get(&id).copied().unwrap_or_default();
        let asked = world.store.book.trades.get(&id).map_or_else(before, |trade| trade.spec.quantity.get());
        if bought > asked {
            world.oracle.fail(format!("I2 bought {bought}, asked for {asked}"));
        }
    }
}

/// I12, while it lasts: one that nothing explains must not be there for a second.
fn quarantines(world: &mut World) {
    let quarantine = world.store.book.trades.values().find_map(|trade| trade.marks.quarantine.as_ref());
    if let Some(reason) = quarantine.filter(|_| world.oracle.excuses.is_empty()).map(|found| found.reason.clone()) {
        world.oracle.fail(format!("I12 a quarantine without a cause: {reason}"));
    }
}

/// I11, and that a send follows its gate within the deadline.
pub fn sent(world: &mut World, _daemon: usize, order: &Placement) {
    crate::travel::matched(world);
    let now = world.now;
    let Some(trade) = world.store.trade_of_tag(&order.tag) else { return };
    let intent = trade.intents.iter().find(|intent| intent.order().is_some_and(|known| known.tag == order.tag));
    let Some(intent) = intent else { return };
    let age = (world.wall() - trade.spec.asked_at).num_milliseconds();
    let jumpy = world.streams.rate(Class::ClockJump) > 0;
    if intent.role == IntentRole::Entry && age > 19_000 && !jumpy {
        world.oracle.fail(format!("I11 an entry is sent {} s after it was asked for", age / 1000));
        return;
    }
    // I18: only refusals that last sell a position.
    if trade.wish.flat == Some(FlatCause::CannotProtect) && intent.role == IntentRole::Emergency && !jumpy {
        let refused = trade.exits().filter(|exit| exit.state == IntentState::Rejected || exit.refusal.is_some());
        let first = refused.filter_map(|exit| exit.sent_at).min();
        let lasted = first.map_or(0, |first| (world.wall() - first).num_seconds());
        if lasted < REFUSED {
            world.oracle.fail(format!("I18 a position is sold {lasted} s after the first refusal"));
            return;
        }
    }
    let gate = world.store.gated.get(&intent.id).copied();
    if gate.is_some_and(|gate| now > gate + 3_100) {
        world.oracle.fail("I11 a send passes its deadline".to_owned());
    }
}

/// I5 outside the session: what protects a position overnight is left alone. A pass that began
/// before the close may still send, and a daemon whose clock jumps does not know the hour.
pub fn cancels(world: &mut World, id: i64) {
    crate::travel::matched(world);
    let now = world.second();
    if world.streams.rate(Class::ClockJump) > 0 {
        return;
    }
    let night = world.gaps.iter().any(|gap| (gap.from + PASS..gap.to).contains(&now));
    let Some(order) = world.broker.order(id).filter(|order| night && !order.buys && !order.state.is_final()) else {
        return;
    };
    let position = world.broker.contracts.get(order.symbol).map_or(0, |contract| contract.position);
    let alone = world.broker.orders.iter().filter(|other| other.symbol == order.symbol && !other.buys);
    if position > 0 && alone.filter(|other| !other.state.is_final()).count() == 1 {
        world.oracle.fail(format!("I5 the bracket {id} is cancelled while the market is closed"));
    }
}

/// L3 and L4: leases change hands only when their holder is gone or was stopped.
pub fn lease_moved(world: &mut World, before: Option<LeaseRow>, answer: LeaseAnswer) {
    let taken = matches!(answer, LeaseAnswer::TakenOver(_));
    if taken {
        world.oracle.count("takeover");
    }
    let calm_for = world.oracle.calm_since.map_or(0, |since| world.second().saturating_sub(since));
    if taken && calm_for > REST && before.is_some() {
        world.oracle.fail("L4 a lease ran out under a healthy loop".to_owned());
    }
    if taken && world.rules.has(blotter_daemon::trades::rules::Rule::LeaseFence) {
        let held_on = before.is_some_and(|row| world.now > row.expires + 60_000) && calm_for > REST;
        if held_on {
            world.oracle.fail("L3 nobody took over in time".to_owned());
        }
    }
}

/// L1 and L2, once the faults are off.
fn liveness(world: &mut World, since: u64) {
    let calm_for = world.second().saturating_sub(since);
    if calm_for == REST + 60 {
        let doubt = world.store.book.trades.values().flat_map(|trade| &trade.intents).find(|intent| {
            let open = world.now.saturating_sub(world.store.gated.get(&intent.id).copied().unwrap_or(0)) > 130_000;
            open && intent.order().is_some() && matches!(intent.state, IntentState::Sending | IntentState::Unknown)
        });
        if let Some(intent) = doubt {
            let state = intent.state;
            world.oracle.fail(format!("L1 an intent is still {state} after {calm_for} s of calm"));
        }
    }
}

fn count_steps(world: &mut World) {
    for (_, becomes) in std::mem::take(&mut world.store.steps) {
        let mark = match becomes {
            TradeStatus::Pending => "pending",
            TradeStatus::Open => "open",
            TradeStatus::Partial => "partial",
            TradeStatus::Filled => "filled",
            TradeStatus::Closing => "closing",
            TradeStatus::Closed => "closed",
            TradeStatus::Void => "void",
            TradeStatus::Rejected => "rejected",
            TradeStatus::Canceled => "canceled",
        };
        world.oracle.count(mark);
    }
}

/// At rest: the faults have been off for long.
pub fn last(world: &mut World) {
    let now = world.second();
    let settling = now.saturating_sub(world.broker.changed_at) < 75;
    if settling {
        world.oracle.count("end-not-quiet");
        return;
    }
    let trades: Vec<Trade> = world.store.book.trades.values().cloned().collect();
    for trade in &trades {
        marks_of(world, trade);
        ledger(world, trade);
        rest(world, trade);
        money(world, trade);
    }
    owned(world);
}

/// What was reached, so that a run that proves nothing is seen to prove nothing.
fn marks_of(world: &mut World, trade: &Trade) {
    let exits: Vec<&Intent> = trade.exits().collect();
    let brackets = exits.iter().filter(|exit| exit.role == IntentRole::Bracket).count();
    let closes = exits.len() - brackets;
    let reached = [
        ("bracket-filled", exits.iter().any(|exit| exit.role == IntentRole::Bracket && exit.executed > 0)),
        ("bracket-replaced", brackets > 1),
        ("bracket-then-close", brackets > 0 && closes > 0),
        ("absence-proof", trade.intents.iter().any(|intent| intent.state == IntentState::Absent)),
        ("late-arrival", trade.intents.iter().any(|intent| intent.late)),
        ("entry-unknown", trade.entries().any(|entry| entry.state == IntentState::Absent)),
        ("lost", trade.intents.iter().any(|intent| intent.state == IntentState::Lost)),
        ("exit-refused", exits.iter().any(|exit| exit.state == IntentState::Rejected)),
        ("not-sent", exits.iter().any(|exit| exit.state == IntentState::Void)),
        ("emergency", exits.iter().any(|exit| exit.role == IntentRole::Emergency)),
        ("part-closed", trade.wish.keep > 0 && trade.wish.keep < trade.spec.quantity.get() && closes > 0),
        ("limit-close", trade.wish.limit.is_some()),
        ("quarantine", trade.marks.quarantine.is_some()),
        ("external", trade.marks.outside > 0),
    ];
    for (mark, _) in reached.iter().filter(|(_, reached)| *reached) {
        world.oracle.count(mark);
    }
    if let Some(reason) = trade.marks.close_reason {
        world.oracle.count(reason.as_str());
    }
}

/// I7 and the ledger half of I6: what is booked is what the broker executed.
fn ledger(world: &mut World, trade: &Trade) {
    for intent in trade.intents.iter().filter(|intent| intent.order().is_some()) {
        let tag = intent.order().map(|order| order.tag.clone());
        let Some(order) = world.broker.orders.iter().find(|order| order.tag == tag) else {
            let claims = intent.executed > 0 && !world.broker.wiped;
            if claims {
                world.oracle.fail(format!("I7 {:?} is booked and the broker has no such order", intent.role));
            }
            continue;
        };
        if world.broker.wiped {
            continue;
        }
        let value: u64 = order.legs.iter().map(|leg| leg.value).sum();
        let fills = trade.fills.iter().filter(|fill| fill.intent_id == intent.id);
        let (count, booked) = fills.fold((0, Decimal::ZERO), |(n, v), fill| (n + fill.quantity, v + fill.value));
        let (executed, id) = (order.executed(), order.id);
        let truth = Decimal::new(i64::try_from(value).unwrap_or(0), 2);
        if intent.executed != executed || count != executed {
            let (known, state) = (intent.executed, intent.state);
            world.oracle.fail(format!("I7 order {id} executed {executed}, known {known}, booked {count}, {state}"));
        } else if (booked - truth).abs() > Decimal::new(1, 4) {
            world.oracle.fail(format!("I7 order {id} is worth {truth}, booked {booked}"));
        }
    }
}

/// I5, I12, L2.
fn rest(world: &mut World, trade: &Trade) {
    if let Some(quarantine) = trade.marks.quarantine.clone() {
        let told = world.store.book.alarms.iter().any(|alarm| alarm.trade == Some(trade.id()));
        if !told {
            world.oracle.fail("I5 a quarantine without an alarm".to_owned());
        }
        world.note(|| format!("at rest in quarantine: {}", quarantine.reason));
        return;
    }
    let symbol = trade.spec.symbol.as_str();
    let Some(at) = world.broker.contracts.iter().position(|contract| contract.symbol == symbol) else { return };
    let newest = world.store.book.trades.values().filter(|other| other.spec.symbol == trade.spec.symbol);
    if newest.max_by_key(|other| other.spec.asked_at).map(Trade::id) != Some(trade.id()) {
        return;
    }
    let position = world.broker.contracts.get(at).map_or(0, |contract| contract.position);
    let own = world.broker.orders.iter().filter(|order| order.symbol == at && !order.state.is_final());
    let own: Vec<_> = own.filter(|order| order.own_tag().is_some()).cloned().collect();
    let status = trade.marks.status;
    if status.is_terminal() {
        if position != 0 {
            world.oracle.fail(format!("I5 {status} and position {position}"));
        }
        if !own.is_empty() {
            world.oracle.fail(format!("I5 {status} and {} orders work", own.len()));
        }
        return;
    }
    if trade.wish.is_flat() {
        world.oracle.fail(format!("L2 {status} long after the close was asked for, position {position}"));
        return;
    }
    at_hold(world, trade, position, &own);
}

fn at_hold(world: &mut World, trade: &Trade, position: i64, own: &[crate::broker::SimOrder]) {
    let status = trade.marks.status;
    match status {
        TradeStatus::Filled | TradeStatus::Closing => {
            let wanted = trade.wish.shape();
            let covered: i64 = own.iter().map(|order| i64::from(order.remaining())).sum();
            let right = match wanted {
                Some(shape) => own.len() == 1 && covered == position && has_shape(own, shape),
                None => own.is_empty(),
            };
            if !right || position <= 0 || position > i64::from(trade.wish.keep) {
                let keep = trade.wish.keep;
                world.oracle.fail(format!(
                    "L2 held but not protected as wished: position {position}, keep {keep}, {} orders cover {covered}, want {wanted:?}",
                    own.len()
                ));
            }
        }
        TradeStatus::Partial => {
            world.oracle.fail(format!("L2 a half-filled entry still works and {position} are not protected"));
        }
        TradeStatus::Open | TradeStatus::Pending => {
            if !own.iter().any(|order| order.buys) {
                world.oracle.fail(format!("I5 {status} and no entry works"));
            }
        }
        TradeStatus::Closed | TradeStatus::Void | TradeStatus::Rejected | TradeStatus::Canceled => {}
    }
}

fn has_shape(own: &[crate::broker::SimOrder], shape: Shape) -> bool {
    let alive = own.iter().flat_map(|order| &order.legs).filter(|leg| !leg.state.is_final());
    let kinds: Vec<crate::broker::Kind> = alive.map(|leg| leg.kind).collect();
    // After refusals the bracket stands on the coarser grid.
    let is_there = |stop: crate::broker::Kind| kinds.contains(&stop);
    let has = |shape: Shape| {
        shape.stop().is_none_or(|price| is_there(crate::broker::Kind::Stop(crate::broker::cents(price))))
    };
    has(shape) || has(blotter_daemon::trades::pricing::coarse(shape))
}

/// I17: the result is what the broker's ledger says, to the cent.
fn money(world: &mut World, trade: &Trade) {
    let counted = trade.marks.status == TradeStatus::Closed && trade.marks.outside == 0 && !world.broker.wiped;
    if !counted {
        return;
    }
    let mut cash = 0_i128;
    for order in &world.broker.orders {
        if order.own_tag().is_some_and(|tag| tag.trade == trade.id()) {
            let value: u64 = order.legs.iter().map(|leg| leg.value).sum();
            cash += if order.buys { -i128::from(value) } else { i128::from(value) };
        }
    }
    let truth = Decimal::from_i128_with_scale(cash * 100, 2);
    let ours = pnl::realized(trade, blotter_shared::domain::Cash::ZERO).map(|realized| realized.pnl.0.round_dp(2));
    if ours != Some(truth) {
        world.oracle.fail(format!("I17 the ledger says {truth}, we say {ours:?}"));
    }
    if trade.marks.close_reason == Some(CloseReason::ExternalUnexplained) {
        world.oracle.fail("I17 a close of ours has no reason".to_owned());
    }
}

/// I6: every own order at the broker has exactly one intent.
fn owned(world: &mut World) {
    let orders = world.broker.orders.iter().filter(|order| !crate::travel::is_forgotten(world, order));
    let tags: Vec<String> = orders.filter_map(|order| order.tag.clone()).collect();
    for tag in tags {
        let intents = world.store.book.trades.values().flat_map(|trade| &trade.intents);
        let count = intents.filter(|intent| intent.order().is_some_and(|order| order.tag == tag)).count();
        if count != 1 {
            world.oracle.fail(format!("I6 the order {tag} has {count} intents"));
        }
    }
}

/// The judge's own table of trade transitions (I14).
#[must_use]
pub fn trade_may_move(was: TradeStatus, becomes: TradeStatus) -> bool {
    use TradeStatus::{Canceled, Closed, Closing, Filled, Open, Partial, Pending, Rejected, Void};
    was == becomes
        || matches!(
            (was, becomes),
            (Pending, Open | Partial | Filled | Void | Rejected | Canceled)
                | (Open, Partial | Filled | Closing | Void | Rejected | Canceled)
                | (Partial, Filled | Closing | Closed)
                | (Filled, Closing | Closed)
                | (Closing, Filled | Closed | Void | Rejected | Canceled)
                | (Closed | Void | Rejected | Canceled, Filled)
        )
}

/// The judge's own table of intent transitions (I14). A commit may take several steps at once.
#[must_use]
pub fn intent_may_move(was: IntentState, becomes: IntentState, is_cancel: bool) -> bool {
    use IntentState::{
        Absent, Acked, Canceled, Done, Expired, Filled, Lost, Prepared, Rejected, Sending, Unknown, Void, Working,
    };
    if was == becomes {
        return true;
    }
    if is_cancel {
        return matches!((was, becomes), (Prepared, Sending | Void) | (Sending, Done | Unknown) | (Unknown, Done));
    }
    matches!(
        (was, becomes),
        (Prepared, Sending | Void)
            | (Sending, Prepared | Acked | Rejected | Unknown | Absent | Working | Filled | Canceled | Expired)
            | (Acked | Unknown, Working | Filled | Canceled | Expired | Rejected)
            | (Unknown, Absent)
            | (Working, Filled | Canceled | Expired | Rejected | Lost)
            | (Acked, Lost)
            | (Canceled | Expired | Rejected, Filled)
            | (Absent, Working | Filled | Canceled | Expired | Rejected)
    )
}
