//! The engine's three ports over the world. Each call is one await point.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use blotter_daemon::trades::facts::{AlarmChange, Book, Change};
use blotter_daemon::trades::ports::{
    Allowance, BrokerOrder, BrokerPort, Clock, CommitError, Fence, Holder, LeaseAnswer, Lookup, OrderId, OrderPage,
    OrderState, Placement, Position, Quote, ReadFailure, Refusal, RefusalKind, Rest, Session, Sessions, Store,
    StoreError, Symbol, WriteOutcome,
};
use blotter_shared::domain::Cash;
use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::broker::{Deny, Fate, Kind, NewOrder, SimOrder, price};
use crate::faults::Class;
use crate::shown::{cut_failed, is_blank, is_refused, list, pass_begins, shown, shows_no_positions, slowness};
use crate::world::{CrashPoint, Millis, Shared, Side as CrashSide, World};

/// The window of the token's limits, the ceiling that the program keeps, and the broker's own.
const MINUTE: Millis = 60_000;
const CEILING: usize = 50;
const BROKER_LIMIT: usize = 60;
/// Total deadline of one call.
const CALL: Millis = 8_000;
/// Orders on a page.
const PAGE: usize = 25;

/// One port of one daemon.
#[derive(Clone, Debug)]
pub struct Port {
    pub world: Shared,
    pub daemon: usize,
}

/// A call: begins at its first poll, ends when the world answers.
struct Call<T, F> {
    port: Port,
    begin: Option<F>,
    number: Option<u64>,
    answer: std::marker::PhantomData<fn() -> T>,
}

impl<T: Send + 'static, F: FnOnce(&mut World, usize, u64) + Unpin> Future for Call<T, F> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<T> {
        let shared = self.port.world.clone();
        let mut world = shared.lock();
        let daemon = self.port.daemon;
        if let Some(begin) = self.begin.take() {
            let call = world.begin_call(daemon);
            self.number = Some(call);
            if dies_before(&mut world, daemon) {
                if let Some(process) = world.processes.get_mut(daemon) {
                    process.doomed = true;
                }
                return Poll::Pending;
            }
            begin(&mut world, daemon, call);
            return Poll::Pending;
        }
        match self.number.and_then(|call| world.take_reply(call)) {
            Some(answer) => Poll::Ready(answer),
            None => Poll::Pending,
        }
    }
}

/// Whether the process dies here, before its call has any effect.
fn dies_before(world: &mut World, daemon: usize) -> bool {
    let awaits = world.processes.get(daemon).map_or(0, |process| process.awaits);
    let planned = world.crash_at == Some(CrashPoint { call: awaits, side: CrashSide::Before }) && daemon == 0;
    planned || world.streams.strikes(Class::CrashBefore).is_some()
}

impl Port {
    fn call<T: Send + 'static, F>(&self, begin: F) -> impl Future<Output = T> + Send
    where
        F: FnOnce(&mut World, usize, u64) + Send + Unpin,
    {
        Call { port: self.clone(), begin: Some(begin), number: None, answer: std::marker::PhantomData }
    }
}

// ---- the store ------------------------------------------------------------------------------

/// A transaction: it becomes durable at one moment, and its answer comes later, or never.
fn transact<T: Send + 'static>(
    world: &mut World,
    daemon: usize,
    call: u64,
    failed: T,
    commit: impl FnOnce(&mut World) -> (T, T) + Send + 'static,
) {
    let mut delay = world.streams.between(Class::Delays, 1, 8);
    if let Some(size) = world.streams.strikes(Class::StoreSlow) {
        delay += 500 + size % 5000;
        world.disturb(daemon, delay);
    }
    if world.streams.strikes(Class::StoreDown).is_some() {
        world.disturb(daemon, delay + 5000);
        world.reply(daemon, call, delay, failed);
        return;
    }
    let lost = world.streams.strikes(Class::CommitLost).is_some();
    if lost {
        world.disturb(daemon, delay + 5000);
    }
    let life = world.processes.get(daemon).map_or(0, |process| process.life);
    world.later(delay, move |world| {
        // A process that is gone has no connection either.
        if world.processes.get(daemon).is_none_or(|process| process.life != life || !process.alive) {
            return;
        }
        let (answer, unknown) = commit(world);
        let back = world.streams.between(Class::Delays, 1, 4);
        world.reply(daemon, call, back, if lost { unknown } else { answer });
    });
}

impl Store for Port {
    fn lease(&self, holder: Holder, ttl: Duration) -> impl Future<Output = Result<LeaseAnswer, StoreError>> + Send {
        self.call(move |world, daemon, call| {
            pass_begins(world, daemon);
            let failed = || Err(StoreError("down".to_owned()));
            let ttl = u64::try_from(ttl.as_millis()).unwrap_or(0);
            transact(world, daemon, call, failed(), move |world| {
                let before = world.store.lease;
                let answer = world.store.take_lease(holder, ttl, world.now);
                crate::oracle::lease_moved(world, before, answer);
                (Ok(answer), failed())
            });
        })
    }

    fn release(&self, fence: &Fence) -> impl Future<Output = Result<(), StoreError>> + Send {
        let fence = *fence;
        self.call(move |world, daemon, call| {
            transact(world, daemon, call, Ok::<(), StoreError>(()), move |world| {
                if let Some(row) = world.store.lease.as_mut().filter(|row| row.holder == fence.holder) {
                    row.released = true;
                }
                (Ok(()), Ok(()))
            });
        })
    }

    fn load(&self) -> impl Future<Output = Result<Book, StoreError>> + Send {
        self.call(move |world, daemon, call| {
            let failed = || Err(StoreError("down".to_owned()));
            transact(world, daemon, call, failed(), move |world| (Ok(world.store.book.clone()), failed()));
        })
    }

    fn commit(&self, fence: &Fence, changes: &[Change]) -> impl Future<Output = Result<(), CommitError>> + Send {
        let (fence, changes) = (*fence, changes.to_vec());
        self.call(move |world, daemon, call| {
            let down = Err(CommitError::Unavailable("down".to_owned()));
            transact(world, daemon, call, down, move |world| {
                let before = world.store.steps.len();
                let answer = world.store.commit(&fence, &changes, world.now);
                crate::oracle::ends(world, daemon, before);
                world.mark(changes.len() as u64 ^ u64::from(answer.is_ok()) << 20);
                world.note(|| format!("D{daemon} commits {}: {answer:?}", crate::trace::changes(&changes)));
                (answer, Err(CommitError::Unknown("lost".to_owned())))
            });
        })
    }

    fn alarm(&self, changes: &[AlarmChange]) -> impl Future<Output = Result<(), StoreError>> + Send {
        let changes = changes.to_vec();
        self.call(move |world, daemon, call| {
            transact(world, daemon, call, Err(StoreError("down".to_owned())), move |world| {
                world.note(|| format!("D{daemon} alarms {changes:?}"));
                world.store.alarm(&changes);
                (Ok(()), Ok(()))
            });
        })
    }
}

// ---- the clock ------------------------------------------------------------------------------

impl Clock for Port {
    fn now(&self) -> DateTime<Utc> {
        let world = self.world.lock();
        let skew = world.processes.get(self.daemon).map_or(0, |process| process.skew);
        world.wall() + chrono::Duration::milliseconds(skew)
    }

    fn boot(&self) -> Duration {
        Duration::from_millis(self.world.lock().now)
    }

    fn fresh_id(&self) -> Uuid {
        self.world.lock().fresh_id()
    }

    fn sleep(&self, span: Duration) -> impl Future<Output = Rest> + Send {
        self.call(move |world, daemon, call| {
            let span = u64::try_from(span.as_millis()).unwrap_or(0).max(1);
            let Some(process) = world.processes.get_mut(daemon) else { return };
            if std::mem::take(&mut process.called) {
                world.reply(daemon, call, 1, Rest::Roused);
                return;
            }
            process.asleep = Some(call);
            world.reply(daemon, call, span, Rest::Over);
        })
    }
}

impl Sessions for Port {
    fn at(&self, now: DateTime<Utc>) -> Session {
        session(&self.world.lock(), now)
    }
}

/// The session of a moment by the run's own calendar.
#[must_use]
pub fn session(world: &World, now: DateTime<Utc>) -> Session {
    let second = u64::try_from((now - world.base).num_seconds()).unwrap_or(0);
    let at = |second: u64| world.at_millis(second * 1000);
    let day = world.gaps.iter().filter(|gap| gap.new_day && second >= (gap.from + gap.to) / 2).count();
    let date = world.date(u64::try_from(day).unwrap_or(0));
    let inside = world.gaps.iter().find(|gap| (gap.from..gap.to).contains(&second));
    let before = world.gaps.iter().filter(|gap| gap.to <= second).map(|gap| gap.to).max().unwrap_or(0);
    let after = world.gaps.iter().filter(|gap| gap.from > second).map(|gap| gap.from).min().unwrap_or(1_000_000);
    match inside {
        Some(gap) => Session { open: false, date, opens: at(gap.to), closes: at(after) },
        None => Session { open: true, date, opens: at(before), closes: at(after) },
    }
}

// ---- the broker -----------------------------------------------------------------------------

/// The token's bucket: what is left of the ceiling in this minute.
fn left(calls: &std::collections::VecDeque<Millis>, now: Millis) -> u32 {
    let used = calls.iter().filter(|at| **at + MINUTE > now).count();
    u32::try_from(CEILING.saturating_sub(used)).unwrap_or(0)
}

fn spend(calls: &mut std::collections::VecDeque<Millis>, now: Millis) -> bool {
    calls.push_back(now);
    while calls.front().is_some_and(|at| at + MINUTE <= now) {
        calls.pop_front();
    }
    calls.len() <= BROKER_LIMIT
}

/// A read of which a cut is made.
fn read<T: Send + 'static>(
    world: &mut World,
    (daemon, call): (usize, u64),
    answer: impl FnOnce(&mut World, u64) -> T + Send + 'static,
) {
    if !is_answered(world, (daemon, call), answer) {
        cut_failed(world, daemon);
    }
}

/// A read: the same answer for everybody, sometimes an old one, sometimes none. Whether there will be one.
fn is_answered<T: Send + 'static>(
    world: &mut World,
    (daemon, call): (usize, u64),
    answer: impl FnOnce(&mut World, u64) -> T + Send + 'static,
) -> bool {
    if left(&world.reads, world.now) == 0 {
        world.reply::<Result<T, ReadFailure>>(daemon, call, 1, Err(ReadFailure::Throttled));
        return false;
    }
    if !spend(&mut world.reads, world.now) {
        world.oracle.violations.push("I9 more reads in a minute than the broker allows".to_owned());
    }
    let unavailable = |why: &str| Err::<T, ReadFailure>(ReadFailure::Unavailable(why.to_owned()));
    world.reply(daemon, call, CALL, unavailable("no answer in time"));
    if is_refused(world) {
        world.reply(daemon, call, 200, Err::<T, ReadFailure>(ReadFailure::Unauthorized));
        return false;
    }
    if world.now < world.outage_until || world.streams.strikes(Class::Gateway).is_some() {
        world.reply(daemon, call, 300, unavailable("502"));
        return false;
    }
    if world.streams.strikes(Class::RequestLost).is_some() || world.streams.strikes(Class::AnswerLost).is_some() {
        return false;
    }
    let stale = world.streams.strikes(Class::StaleRead).map_or(0, |size| [1, 2, 4, 8, 15][(size % 5) as usize]);
    let there = world.streams.between(Class::Delays, 20, 120) + slowness(world);
    world.later(there, move |world| {
        let value = answer(world, stale);
        let back = world.streams.between(Class::Delays, 20, 120);
        world.reply(daemon, call, back, Ok::<T, ReadFailure>(value));
    });
    true
}

/// A write: it may be lost on the way there, on the way back, or come late.
fn write(
    world: &mut World,
    daemon: usize,
    call: u64,
    arrive: impl FnOnce(&mut World) -> Result<i64, Deny> + Send + 'static,
) {
    if left(&world.writes, world.now) == 0 || world.streams.strikes(Class::NoConnection).is_some() {
        world.reply(daemon, call, 5, WriteOutcome::NotSent("no connection".to_owned()));
        return;
    }
    if !spend(&mut world.writes, world.now) {
        world.oracle.violations.push("I9 more writes in a minute than the broker allows".to_owned());
    }
    let unknown = |why: &str| WriteOutcome::Unknown(why.to_owned());
    world.reply(daemon, call, CALL, unknown("no answer in time"));
    if world.streams.strikes(Class::RequestLost).is_some() {
        return;
    }
    if let Some(size) = world.streams.strikes(Class::Gateway).filter(|size| size % 2 == 0) {
        world.reply(daemon, call, 200 + size % 500, unknown("502"));
        return;
    }
    let answered = world.streams.strikes(Class::AnswerLost).is_none();
    if let Some(size) = world.streams.strikes(Class::Outage).filter(|_| !answered) {
        outage(world, 40 + size % 40);
    }
    let mut there = world.streams.between(Class::Delays, 20, 120);
    if let Some(size) = world.streams.strikes(Class::RequestLate) {
        there = CALL + size % 21_500;
    }
    if let Some(size) = world.streams.strikes(Class::RequestVeryLate) {
        there = 90_000 + size % 60_000;
    }
    world.later(there, move |world| {
        let outcome = match arrive(world) {
            Ok(id) => WriteOutcome::Accepted(OrderId(id)),
            Err(deny) => WriteOutcome::Refused(refusal(&deny)),
        };
        world.note(|| format!("broker answers D{daemon}: {outcome:?}{}", if answered { "" } else { " (lost)" }));
        if answered {
            let back = world.streams.between(Class::Delays, 20, 120);
            world.reply(daemon, call, back, outcome);
        }
    });
}

/// The broker takes a request and is gone; when it is back, it shows for seconds what was before.
fn outage(world: &mut World, seconds: u64) {
    world.outage_until = world.now + seconds * 1000;
    let back = world.second() + seconds;
    world.note(|| format!("no read is answered until second {back}"));
    world.oracle.count("outage");
    crate::sim::spell(world, back);
}

fn refusal(deny: &Deny) -> Refusal {
    let kind = match deny {
        Deny::CrossZero => RefusalKind::CrossZero,
        Deny::NoPosition => RefusalKind::NoPosition,
        Deny::StopAboveBid => RefusalKind::StopAboveBid,
        Deny::Final(state) => RefusalKind::AlreadyFinal(*state),
        Deny::Unavailable => RefusalKind::Unavailable,
        Deny::NoSuchOrder | Deny::Other(_) => RefusalKind::Other,
    };
    Refusal { kind, text: deny.words() }
}

impl BrokerPort for Port {
    fn orders(&self, page: u32) -> impl Future<Output = Result<OrderPage, ReadFailure>> + Send {
        self.call(move |world, daemon, call| {
            read(world, (daemon, call), move |world, age| {
                let listed = list(world, age);
                let from = usize::try_from(page.saturating_sub(1)).unwrap_or(0) * PAGE;
                let more = listed.len() > from + PAGE;
                OrderPage { orders: listed.into_iter().skip(from).take(PAGE).collect(), more }
            });
        })
    }

    fn orders_on(&self, date: NaiveDate) -> impl Future<Output = Result<Vec<BrokerOrder>, ReadFailure>> + Send {
        self.call(move |world, daemon, call| {
            let _answered = is_answered(world, (daemon, call), move |world, _| {
                let base = world.base.date_naive();
                let all: Vec<SimOrder> = if is_blank(world) { Vec::new() } else { world.broker.orders.clone() };
                let of_day = all.iter().filter(|order| base + chrono::Days::new(order.day) == date);
                of_day.map(|order| shown(world, order)).collect::<Vec<BrokerOrder>>()
            });
        })
    }

    fn order(&self, id: OrderId) -> impl Future<Output = Result<Lookup, ReadFailure>> + Send {
        self.call(move |world, daemon, call| {
            read(world, (daemon, call), move |world, _| match world.broker.order(id.0).cloned() {
                Some(order) if !is_blank(world) => Lookup::Found(shown(world, &order)),
                Some(_) | None => Lookup::NotFound,
            });
        })
    }

    fn positions(&self) -> impl Future<Output = Result<Vec<Position>, ReadFailure>> + Send {
        self.call(move |world, daemon, call| {
            read(world, (daemon, call), move |world, age| {
                let of = world.broker.second_seen(world.second(), age);
                if let Some(process) = world.processes.get_mut(daemon) {
                    process.read_at = of;
                }
                let empty = shows_no_positions(world, daemon);
                let view = world.broker.view(world.second(), age);
                let shown = if empty { BTreeMap::new() } else { view.1.clone() };
                if let Some(process) = world.processes.get_mut(daemon) {
                    process.shown.clone_from(&shown);
                }
                let cost = Cash::ZERO;
                let all = shown.iter();
                all.map(|(symbol, quantity)| Position { symbol: Symbol::new(symbol), quantity: *quantity, cost })
                    .collect::<Vec<Position>>()
            });
        })
    }

    fn equity(&self) -> impl Future<Output = Result<Cash, ReadFailure>> + Send {
        self.call(move |world, daemon, call| {
            read(world, (daemon, call), |world, _| {
                if is_blank(world) {
                    return Cash::ZERO;
                }
                let untouched = world.broker.wiped || world.broker.orders.iter().all(|order| order.executed() == 0);
                Cash(Decimal::from(if untouched { 100_000 } else { 99_000 }))
            });
        })
    }

    fn quotes(&self, symbols: &[Symbol]) -> impl Future<Output = Result<BTreeMap<Symbol, Quote>, ReadFailure>> + Send {
        let symbols = symbols.to_vec();
        self.call(move |world, daemon, call| {
            let _answered = is_answered(world, (daemon, call), move |world, _| {
                let at = world.wall();
                let quote = |symbol: &Symbol| {
                    let contract = world.broker.contracts.iter().find(|contract| contract.symbol == symbol.as_str())?;
                    let bid = contract.quoted.then(|| price(contract.bid));
                    let ask = contract.quoted.then(|| price(contract.bid + 10));
                    Some((symbol.clone(), Quote { bid, ask, at }))
                };
                symbols.iter().filter_map(quote).collect::<BTreeMap<Symbol, Quote>>()
            });
        })
    }

    fn place(&self, order: &Placement) -> impl Future<Output = WriteOutcome> + Send {
        let order = order.clone();
        self.call(move |world, daemon, call| {
            world.note(|| {
                format!("D{daemon} SENDS {} {} x{} {:?}", order.tag, order.symbol, order.quantity, order.shape)
            });
            crate::oracle::sent(world, daemon, &order);
            let denies_later = world.streams.chance(Class::Setup, 500);
            let refused_later = world.streams.strikes(Class::AsyncReject).is_some();
            let read_at = world.processes.get(daemon).map_or(0, |process| process.read_at);
            let tag = order.tag.clone();
            let (symbol, quantity, shape) = (usize::MAX, order.quantity.get(), order.shape);
            let new = NewOrder { tag, symbol, quantity, shape, denies_later, refused_later, read_at };
            write(world, daemon, call, move |world| arrive(world, order.symbol.as_str(), new));
        })
    }

    fn cancel(&self, id: OrderId) -> impl Future<Output = WriteOutcome> + Send {
        self.call(move |world, daemon, call| {
            world.note(|| format!("D{daemon} CANCELS {id}"));
            crate::oracle::cancels(world, id.0);
            write(world, daemon, call, move |world| cancel(world, id.0));
        })
    }

    fn allowance(&self) -> Allowance {
        let world = self.world.lock();
        Allowance { reads: left(&world.reads, world.now), writes: left(&world.writes, world.now) }
    }
}

/// The broker's machinery takes nothing for longer than a few attempts.
fn is_unwell(world: &mut World) -> bool {
    if world.now >= world.unwell_until
        && let Some(size) = world.streams.strikes(Class::Unwell)
    {
        let span = 20_000 + size % 60_000;
        world.unwell_until = world.now + span;
        world.oracle.count("unwell");
        world.note(|| format!("the broker takes no sale for {} s", span / 1000));
    }
    world.now < world.unwell_until
}

fn arrive(world: &mut World, symbol: &str, new: NewOrder) -> Result<i64, Deny> {
    let symbol = world.broker.contracts.iter().position(|contract| contract.symbol == symbol);
    let symbol = symbol.ok_or(Deny::Other("no such contract"))?;
    if new.shape.is_sell() && is_unwell(world) {
        return Err(Deny::Unavailable);
    }
    let now = world.second();
    let (tag, refused_later) = (new.tag.clone(), new.refused_later);
    let new = NewOrder { symbol, denies_later: new.denies_later && world.mirror.is_none(), ..new };
    let answer = world.broker.place(new.clone(), now);
    if let Some(mut mirror) = world.mirror.take() {
        let name = world.broker.contracts.get(symbol).map_or("", |contract| contract.symbol.as_str());
        let differs = mirror.place(name, &new, &answer, world.now);
        world.oracle.violations.extend(differs.map(|what| format!("B1 {what}")));
        world.mirror = Some(mirror);
        let id = answer?;
        world.broker.settle(id, now);
        crate::market::arrived(world, id);
        world.oracle.arrived(&tag);
        return Ok(id);
    }
    let id = answer?;
    let fate = if refused_later || world.broker.order(id).is_some_and(|order| order.doomed) {
        Fate::Refused { after: world.streams.between(Class::Delays, 500, 4000) }
    } else {
        Fate::Opens { after: world.streams.between(Class::Delays, 20, 2500) }
    };
    let (Fate::Opens { after } | Fate::Refused { after }) = fate;
    let after = after + world.streams.strikes(Class::SlowOpen).map_or(0, |size| 2_000 + size % 50_000);
    if let Some(size) = world.streams.strikes(Class::LegDies) {
        world.later(after + 1_000 + size % 30_000, move |world| leg_dies(world, id, size));
    }
    world.later(after, move |world| world.broker.settle(id, world.second()));
    world.oracle.arrived(&tag);
    Ok(id)
}

/// One leg of a pair comes to an end, or its stop is moved, and the rest of it goes on.
fn leg_dies(world: &mut World, id: i64, how: u64) {
    let now = world.second();
    let Some(order) = world.broker.order_mut(id).filter(|order| order.open && !order.state.is_final()) else { return };
    let [target, stop] = order.legs.as_mut_slice() else { return };
    match how % 4 {
        0 => stop.state = OrderState::Rejected,
        1 => stop.state = OrderState::Canceled,
        2 => target.state = OrderState::Canceled,
        _ => stop.kind = Kind::Stop(10),
    }
    world.broker.touch(now);
    world.oracle.count("leg-died");
    world.note(|| format!("a leg of {id} dies alone, in manner {}", how % 4));
}

fn cancel(world: &mut World, id: i64) -> Result<i64, Deny> {
    let Some(order) = world.broker.order(id) else { return Err(Deny::NoSuchOrder) };
    if order.own.is_none() {
        world.oracle.violations.push(format!("I13 order {id} is not ours and is cancelled"));
    }
    let answer = if order.state.is_final() { Err(Deny::Final(order.state)) } else { Ok(id) };
    if let Some(mut mirror) = world.mirror.take() {
        let differs = mirror.cancel(id, &answer, world.now);
        world.oracle.violations.extend(differs.map(|what| format!("B1 {what}")));
        world.mirror = Some(mirror);
        let now = world.second();
        world.broker.cancel_now(id, now);
        return answer;
    }
    let _live = answer?;
    let longest = world.broker.temper.cancel_delay * 1000;
    let choices = [0, 300, 1000, 3000, 12_000, 40_000];
    let delay = world.streams.pick(Class::Delays, &choices).unwrap_or(0).min(longest);
    world.later(delay, move |world| {
        let now = world.second();
        world.broker.cancel_now(id, now);
        if let Some(size) = world.streams.strikes(Class::LateFill) {
            world.later(1000 + size % 5000, move |world| late_fill(world, id));
        }
    });
    Ok(id)
}

/// One more contract of an entry was bought before its cancel and is reported after it.
fn late_fill(world: &mut World, id: i64) {
    let now = world.second();
    let Some(order) = world.broker.order(id).filter(|order| order.buys && order.executed() < order.quantity) else {
        return;
    };
    let price = world.broker.contracts.get(order.symbol).map_or(0, |contract| contract.bid + 10);
    if world.broker.open && world.broker.report_late(id, price, now) {
        world.oracle.count("late-fill");
        world.note(|| format!("reports one more of {id} at {price}, after its cancel"));
    }
}
