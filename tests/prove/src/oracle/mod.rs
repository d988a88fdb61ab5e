//! The judge. It looks at the broker's ledger and at what is durable, never at what a daemon
//! believes, and checks every simulated second; some things are only judged at rest.

mod live;
mod rest;
mod tables;

use std::collections::{BTreeMap, BTreeSet};

use blotter_daemon::trades::facts::{AlarmState, FlatCause, Intent, Order, Trade};
use blotter_daemon::trades::ports::{OrderId, OrderState, Placement};
use blotter_shared::domain::{AlarmKind, CloseReason, IntentRole, IntentState, TradeId, TradeStatus};

pub use self::live::lease_moved;
pub use self::rest::{is_settling, last};
pub use self::tables::{intent_may_move, trade_may_move};

use crate::broker::{Kind, Leg, SimOrder, cents};
use crate::faults::Class;
use crate::world::World;

/// What the judge has seen.
#[derive(Clone, Debug, Default)]
pub struct Oracle {
    pub violations: Vec<String>,
    /// How often something worth reaching was reached.
    pub marks: BTreeMap<&'static str, u64>,
    /// Seconds of market time that each contract was held without cover while somebody could have
    /// told it and nobody did.
    bare: BTreeMap<usize, u64>,
    /// What each trade had executed, and seconds since then that it has not been as it is wished, before and after its stop
    /// was breached, with the faults off.
    unsettled: BTreeMap<(TradeId, bool), (u32, u64)>,
    /// Seconds since the lease ended and somebody could have taken it.
    vacant: u64,
    /// Faults are off since then.
    pub calm_since: Option<u64>,
    /// Something the test did that explains a quarantine.
    pub excuses: Vec<&'static str>,
    /// Trades of which a person has taken the broker's word for what is there, and what that was last.
    pub accepted: BTreeMap<TradeId, i64>,
    /// Seconds by which clocks have jumped, all together.
    pub jumped: u64,
    /// Orders with an execution that no list shows any more.
    pub forgotten: BTreeSet<i64>,
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

/// What an alarm says of contracts that no trade looks after.
const UNCLAIMED: &str = "no trade looks after";

/// Market seconds that a position may be bare before somebody must have been told (I4).
const BARE: u64 = 60;
/// The same where a backup was brought back: what was told then is in no database.
const BARE_RESTORED: u64 = 240;
/// And where clocks have jumped: what one that was ahead has verified is, to a process that begins anew, as old as it has
/// known it, and that is for as long as it takes to tell what nobody verifies.
const AHEAD: u64 = 40;
/// The longest pass, and a little.
const PASS: u64 = 25;
/// After a sale by somebody else nobody can exclude a race for so long.
const RACE: u64 = 30;
/// A pass that read before the sale sends after it, and the request takes its longest.
const LATE_RACE: u64 = 51;
/// Until a sale that left our orders alone is believed and they are cancelled, without the time
/// that the broker takes for a cancel.
const BELIEF: u64 = 40;

/// Cents at which a stop ends no loss worth the name.
const NEXT_TO_NOTHING: u64 = 10;

/// Refusals of a bracket must have gone on for so long before its position is sold for them.
const REFUSED: i64 = 60;

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
    steps(world);
    live::vacancy(world);
    live::standstill(world);
    if let Some(since) = world.oracle.calm_since {
        live::after(world, since);
    }
}

/// I1 and I3. What begins in a race with somebody else's sale is theirs until it is over.
fn position(world: &mut World, at: usize) {
    let (now, race) = (world.second(), race(world));
    let on_sale = i64::from(world.broker.own_on_sale(at));
    // Reads that show a copy from before it end no race: nobody can have seen it.
    let copy = world.broker.spell.as_ref().map_or(0..0, |spell| spell.of..spell.until);
    let shown = |touched: u64| if copy.contains(&touched) { copy.end } else { touched };
    let Some(contract) = world.broker.contracts.get_mut(at) else { return };
    let raced = contract.touched_outside.is_some_and(|touched| now <= shown(touched) + race);
    let position = contract.position;
    let (short, over) = (position < 0, on_sale > position.max(0));
    // What somebody left on sale above the position fires without anybody's doing.
    contract.short_by_race = short && (raced || contract.short_by_race || contract.over_by_race);
    contract.over_by_race = over && (raced || contract.over_by_race);
    if short && !contract.short_by_race {
        world.oracle.fail(format!("I1 position {position}"));
    } else if over && !contract.over_by_race {
        world.oracle.fail(format!("I3 {on_sale} on sale, position {position}"));
    }
}

fn race(world: &World) -> u64 {
    let late = world.streams.rate(Class::RequestLate) > 0;
    let base = if late { LATE_RACE } else { RACE };
    let left = world.broker.left_ours.then(|| BELIEF + world.broker.temper.cancel_delay);
    base + left.unwrap_or(0)
}

/// I4.
fn bare(world: &mut World, at: usize) {
    let Some(contract) = world.broker.contracts.get(at) else { return };
    let symbol = contract.symbol.as_str();
    let live = world.broker.orders.iter().filter(|order| order.symbol == at && !order.buys && !order.doomed);
    let owner = owner(world, symbol);
    let wanted = owner.and_then(|trade| trade.wish.stop).map(cents);
    let own = live.filter(|order| order.own.is_some());
    let second = world.second();
    let cover = own.map(|order| i64::from(covered(order, wanted, second))).sum();
    let ours = contract.position - foreign(world, at);
    let exposed = ours - told_apart(world, symbol, owner, ours) > cover && world.broker.open;
    let by_choice = owner.is_none_or(|trade| trade.wish.stop.is_none() && !trade.wish.is_flat());
    let told = is_told(world, symbol, owner);
    // A person has taken the empty list for the truth, or a sandbox looked wiped: that it was not shows when the list is
    // empty no more.
    let reset = |trade: &Trade| trade.marks.outside_reason == Some(CloseReason::SandboxReset);
    let taken = |trade: &Trade| reset(trade) || world.oracle.accepted.get(&trade.id()) == Some(&0);
    let believed = owner.is_some_and(|trade| trade.is_ended() && taken(trade));
    let watched = live::is_watched(world) && !(believed && world.now < world.gone_until);
    let limit = if crate::travel::has_travelled(world) { BARE_RESTORED } else { BARE };
    let limit = limit + if world.oracle.jumped > 0 { AHEAD } else { 0 } + behind(world);
    let seconds = world.oracle.bare.entry(at).or_insert(0);
    *seconds = if exposed && !by_choice && !told { *seconds + u64::from(watched) } else { 0 };
    if *seconds > limit {
        let seconds = *seconds;
        world.oracle.fail(format!("I4 bare for {seconds} s and nobody was told"));
    }
}

/// Seconds by which the clock of each daemon is behind: one that has begun with such a clock takes the market for closed for
/// that long after it has opened, and nobody can tell it.
fn behind(world: &World) -> u64 {
    let least = world.processes.iter().map(|process| process.skew).max().unwrap_or_default();
    least.min(0).unsigned_abs().div_ceil(1000)
}

/// Whether somebody has been called to a position. An alarm about the account is about all that it holds, and contracts that
/// no trade looks after are told of once, by one of the trades that their symbol has had.
fn is_told(world: &World, symbol: &str, owner: Option<&Trade>) -> bool {
    let book = &world.store.book;
    let of_symbol = |trade: &&Trade| trade.is_ended() && trade.spec.symbol.as_str() == symbol;
    let has_its_own = |owner: &Trade| !owner.is_ended() && owner.marks.held > 0;
    let by_another = |id: TradeId| book.trades.get(&id).filter(of_symbol).is_some();
    let is_about = |alarm: &AlarmState| match alarm.trade {
        None => true,
        Some(id) if owner.map(Trade::id) == Some(id) => true,
        Some(id) => alarm.message.contains(UNCLAIMED) && by_another(id) && !owner.is_some_and(has_its_own),
    };
    book.alarms.iter().any(|alarm| is_about(alarm) && tells(alarm.kind))
}

/// Of `ours`, contracts that other trades of the symbol bought at their end, and of which somebody was told in their name:
/// what the trade that they are judged by holds itself is beside them.
pub(super) fn told_apart(world: &World, symbol: &str, owner: Option<&Trade>, ours: i64) -> i64 {
    let book = &world.store.book;
    let told = |id: TradeId| book.alarms.iter().any(|alarm| alarm.trade == Some(id) && tells(alarm.kind));
    let others = book.trades.values().filter(|trade| trade.spec.symbol.as_str() == symbol && trade.is_ended());
    let apart = others.filter(|trade| owner.map(Trade::id) != Some(trade.id()) && told(trade.id()));
    let own = owner.map_or(0, |trade| trade.marks.held.max(0));
    apart.map(|trade| trade.marks.held.max(0)).sum::<i64>().min((ours - own).max(0))
}

/// The trade that a contract is judged by: the one that is alive, else the one that has bought it at its end, else the
/// newest. (One whose entry came late, or that was taken up after a backup was brought back, may be older than one that
/// came to nothing meanwhile.)
pub(super) fn owner<'a>(world: &'a World, symbol: &str) -> Option<&'a Trade> {
    let trades = world.store.book.trades.values().filter(|trade| trade.spec.symbol.as_str() == symbol);
    trades.max_by_key(|trade| (!trade.is_ended(), trade.marks.held > 0, trade.spec.asked_at))
}

/// Contracts that somebody else has bought and not sold: nobody can tell them apart, so theirs leave
/// first. They are no trade's, and no bracket of ours is for them. What became another contract is none of this one.
pub(super) fn foreign(world: &World, at: usize) -> i64 {
    let renamed = world.broker.contracts.get(at).map_or(0, |contract| contract.renamed);
    let orders = world.broker.orders.iter().skip(renamed);
    let others = orders.filter(|order| order.symbol == at && order.tag.is_none());
    others.fold(0, |left: i64, order| {
        let executed = i64::from(order.executed());
        (left + if order.buys { executed } else { -executed }).max(0)
    })
}

/// For how many contracts an order ends a loss where it is `wanted`. One that came and was taken away again since the
/// last look has parted two bare times, which are not to be added up.
fn covered(order: &SimOrder, wanted: Option<u64>, second: u64) -> u32 {
    if covers(order, wanted, |leg| !leg.state.is_final()) {
        return order.remaining();
    }
    let passed = order.state == OrderState::Canceled && order.created + 1 >= second;
    if passed && covers(order, wanted, |_| true) { order.quantity.saturating_sub(order.executed()) } else { 0 }
}

/// It has a leg that ends a loss. A stop that somebody has moved to next to nothing does not; one that the trader asked
/// for so low does.
fn covers(order: &SimOrder, wanted: Option<u64>, counts: impl Fn(&Leg) -> bool) -> bool {
    let ends_a_loss = |leg: &Leg| match leg.kind {
        Kind::Market => true,
        Kind::Stop(stop) => stop > NEXT_TO_NOTHING || wanted.is_some_and(|wanted| stop >= wanted),
        Kind::Limit(_) => wanted.is_none(),
    };
    order.legs.iter().any(|leg| counts(leg) && ends_a_loss(leg))
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
    let mut bought: BTreeMap<TradeId, u32> = BTreeMap::new();
    for order in world.broker.orders.iter().filter(|order| order.buys && order.executed() > 0) {
        if let Some(tag) = order.own {
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
    let mut quarantined = world.store.book.trades.values().filter(|trade| trade.marks.quarantine.is_some());
    let found = quarantined.find(|trade| !sold_by_an_older(world, trade));
    let quarantine = found.and_then(|trade| trade.marks.quarantine.as_ref());
    if let Some(reason) = quarantine.filter(|_| world.oracle.excuses.is_empty()).map(|found| found.reason.clone()) {
        world.oracle.fail(format!("I12 a quarantine without a cause: {reason}"));
    }
}

/// An exit of a trade before this one in the contract, proven absent, arrived when this one was there and sold what it has.
fn sold_by_an_older(world: &World, trade: &Trade) -> bool {
    let symbol = trade.spec.symbol.as_str();
    let of_symbol = |order: &SimOrder| world.broker.contracts.get(order.symbol).is_some_and(|it| it.symbol == symbol);
    let late = |order: &SimOrder| world.at_millis(order.created * 1000 + 999) >= trade.spec.asked_at;
    let older = |order: &SimOrder| order.own.is_some_and(|tag| tag.trade < trade.id());
    let mut sold = world.broker.orders.iter().filter(|order| !order.buys && order.executed() > 0);
    sold.any(|order| of_symbol(order) && older(order) && late(order))
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
    // I19: only refusals that last sell a position.
    if trade.wish.flat == Some(FlatCause::CannotProtect) && intent.role == IntentRole::Emergency && !jumpy {
        let refused = trade.exits().filter(|exit| exit.state == IntentState::Rejected || exit.refusal.is_some());
        let first = refused.filter_map(|exit| exit.sent_at).min();
        let lasted = first.map_or(0, |first| (world.wall() - first).num_seconds());
        if lasted < REFUSED {
            world.oracle.fail(format!("I19 a position is sold {lasted} s after the first refusal"));
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
    let Some(order) = world.broker.order(id).filter(|order| !order.buys && !order.state.is_final()).cloned() else {
        return;
    };
    let position = world.broker.contracts.get(order.symbol).map_or(0, |contract| contract.position);
    let alone = world.broker.orders.iter().filter(|other| other.symbol == order.symbol && !other.buys);
    if position <= 0 || alone.filter(|other| !other.state.is_final()).count() != 1 {
        return;
    }
    let now = world.second();
    let knows_the_hour = world.streams.rate(Class::ClockJump) == 0;
    if knows_the_hour && world.gaps.iter().any(|gap| (gap.from + PASS..gap.to).contains(&now)) {
        world.oracle.fail(format!("I5 the bracket {id} is cancelled while the market is closed"));
    }
    in_vain(world, &order);
}

/// I18: nothing that works is cancelled for a bracket that the market would refuse. The market is
/// the best bid of the longest pass: a later fall is nobody's fault. What has no stop any more, by the
/// broker's own books, protects nothing where one is wanted, and is in the way of what would.
fn in_vain(world: &mut World, order: &SimOrder) {
    let best = world.broker.contracts.get(order.symbol).and_then(|contract| contract.bids.iter().max().copied());
    let trade = order.own.and_then(|tag| world.store.book.trades.get(&tag.trade));
    let Some((trade, best)) = trade.zip(best) else { return };
    // What is cancelled when nothing is held is in the way of nothing.
    let kept = !trade.wish.is_flat() && (1..=i64::from(trade.wish.keep)).contains(&trade.marks.held);
    let stop = trade.wish.shape().and_then(blotter_daemon::trades::facts::Shape::stop);
    if let Some(stop) = stop.filter(|stop| kept && cents(*stop) >= best) {
        if !covers(order, Some(u64::MAX), |leg| !leg.state.is_final()) {
            world.oracle.count("hollow-cancelled");
            return;
        }
        // It is cancelled because another does it all already, as far as anybody could read.
        let is_enough = |sent: &Order, executed: u32| {
            let left = sent.quantity.get().saturating_sub(executed);
            sent.shape.stop() == Some(stop) && i64::from(left) >= trade.marks.held
        };
        let stays = |exit: &Intent| exit.state == IntentState::Working && trade.cancel_of(exit.id).is_none();
        let mut others = trade.exits().filter(|exit| exit.broker_id != Some(OrderId(order.id)));
        if others.any(|exit| stays(exit) && exit.order().is_some_and(|sent| is_enough(sent, exit.executed))) {
            world.oracle.count("second-cancelled");
            return;
        }
        let id = order.id;
        world.oracle.fail(format!("I18 {id} is cancelled for a stop at {stop}, which no bid has been above"));
    }
}

fn steps(world: &mut World) {
    for (_, becomes) in std::mem::take(&mut world.store.steps) {
        world.oracle.count(mark(becomes));
    }
}

/// I5, at each end: no trade ends over contracts that the very cut has shown, whoever bought them,
/// unless a person has said that it may: by a close, or by taking what the broker shows for true. A
/// trade that has sent nothing has nothing there.
pub fn ends(world: &mut World, daemon: usize, from: usize) {
    let ended = world.store.steps.iter().skip(from).filter(|(_, status)| status.is_terminal());
    let over = ended.filter_map(|(id, status)| over_contracts(world, daemon, *id).map(|shown| (*status, shown)));
    for (status, shown) in over.collect::<Vec<_>>() {
        world.oracle.fail(format!("I5 {status} over {shown} that nobody has given up"));
    }
}

fn over_contracts(world: &World, daemon: usize, id: TradeId) -> Option<i64> {
    let trade = world.store.book.trades.get(&id)?;
    let symbol = trade.spec.symbol.as_str();
    let shown = world.processes.get(daemon)?.shown.get(symbol).copied().filter(|shown| *shown > 0)?;
    let others = world.store.book.trades.values().filter(|other| other.id() != id);
    let of_others: i64 =
        others.filter(|other| other.spec.symbol.as_str() == symbol).map(|other| other.marks.held).sum();
    let given_up = world.oracle.accepted.contains_key(&id) || trade.wish.flat == Some(FlatCause::User);
    let sent = trade.marks.adopted > 0 || trade.intents.iter().any(|intent| intent.sent_at.is_some());
    // Taken up after a backup was brought back: what the cut shows is judged by the trade that has come since.
    let newer = |other: &Trade| other.id() > id && other.spec.symbol == trade.spec.symbol;
    let succeeded = crate::travel::has_travelled(world) && world.store.book.live_trades().any(newer);
    (sent && shown > of_others && !given_up && !succeeded).then_some(shown)
}

fn mark(status: TradeStatus) -> &'static str {
    match status {
        TradeStatus::Pending => "pending",
        TradeStatus::Open => "open",
        TradeStatus::Partial => "partial",
        TradeStatus::Filled => "filled",
        TradeStatus::Closing => "closing",
        TradeStatus::Closed => "closed",
        TradeStatus::Void => "void",
        TradeStatus::Rejected => "rejected",
        TradeStatus::Canceled => "canceled",
    }
}
