//! The review: between the answer `ok` and the status `open`. An acknowledgement is never an acceptance.

use super::agenda::Due;
use super::engine::Engine;
use super::ids::{AccountId, OrderId, Symbol};
use super::order::{Class, Duration, Order, Role, Status};
use super::refusal::Reject;
use super::rules::{Case, Scene};
use super::settings::{Sibling, World};
use super::ticket::{Leg, Ticket};
use crate::calendar::{self, Phase};

impl Engine {
    /// Judges a request as the account stands now. `own` is the group that it came from, whose claims do not count.
    pub(super) fn judge(&mut self, account: &AccountId, ticket: &Ticket, own: Option<OrderId>) -> Result<(), Reject> {
        let Some(holder) = self.book.accounts.get(account) else { return Err(Reject { code: "AccountDisabled" }) };
        let (world, option_level) = (holder.opening.world, holder.opening.option_level);
        let waits = |index: usize| index > 0 && matches!(ticket.class, Class::Oto | Class::Otoco);
        let scenes: Vec<Scene> =
            ticket.legs.iter().enumerate().map(|(i, leg)| self.scene(account, (leg, !waits(i)), world, own)).collect();
        let need = self.need(account, ticket, world);
        let power = self.buying_power(account, own);
        Case { settings: &self.book.settings, world, option_level, ticket, scenes, power, need }.judge()
    }

    fn scene(&mut self, account: &AccountId, (leg, live): (&Leg, bool), world: World, own: Option<OrderId>) -> Scene {
        let instrument = leg.contract.as_ref().map_or_else(|| leg.symbol.clone(), super::ids::Contract::occ);
        let touch = self.touch(world, &instrument);
        let level = leg.price.or(leg.stop).unwrap_or_default();
        Scene {
            touch,
            expired: leg.contract.as_ref().is_some_and(|c| self.is_expired(c.expiry)),
            index: self.feed.is_index(&leg.symbol),
            held: self
                .book
                .accounts
                .get(account)
                .map_or(0, |a| a.visible_positions(self.book.now).get(&instrument).map_or(0, |p| p.quantity)),
            claimed: self.claimed(account, &instrument, leg.side.buys(), own),
            bracketed: self.bracketed(account, &instrument, own),
            tick: self.feed.tick(&instrument, level),
            live,
        }
    }

    /// Whether a contract's life is over: after the close of its last day.
    pub(super) fn is_expired(&self, expiry: chrono::NaiveDate) -> bool {
        let end = calendar::session(expiry).unwrap_or_else(|| calendar::previous_session(expiry)).close;
        self.book.now >= end
    }

    /// Quantity that live closing orders claim of a position. The exits of one group claim once.
    pub(super) fn claimed(&self, account: &AccountId, instrument: &Symbol, buys: bool, own: Option<OrderId>) -> i64 {
        let mut by_group: std::collections::BTreeMap<OrderId, i64> = std::collections::BTreeMap::new();
        for order in self.closing(account, instrument, own).filter(|o| o.side.is_some_and(|s| s.buys() == buys)) {
            let group = order.parent().unwrap_or(order.id);
            let claim = by_group.entry(group).or_default();
            *claim = (*claim).max(order.unfilled());
        }
        by_group.values().sum()
    }

    fn closing<'a>(
        &'a self,
        account: &'a AccountId,
        instrument: &'a Symbol,
        own: Option<OrderId>,
    ) -> impl Iterator<Item = &'a Order> {
        self.book.live.iter().filter_map(|id| self.book.orders.get(id)).filter(move |o| {
            o.account == *account
                && o.instrument == *instrument
                && o.role != Role::Parent
                && !o.inner.doomed
                && o.side.is_some_and(super::order::Side::closes)
                && own.is_none_or(|own| o.id != own && o.parent() != Some(own))
        })
    }

    fn bracketed(&self, account: &AccountId, instrument: &Symbol, own: Option<OrderId>) -> bool {
        self.closing(account, instrument, own)
            .filter_map(Order::parent)
            .any(|p| self.book.orders.get(&p).is_some_and(|o| o.class == Class::Otoco))
    }

    /// The request that an order or group stands for, at what is left of it.
    pub(super) fn ticket_of(&self, id: OrderId) -> Option<Ticket> {
        let head = self.book.orders.get(&id)?;
        let legs = self.members(id).iter().filter_map(|m| self.book.orders.get(m)).filter_map(leg_of).collect();
        let net = head
            .class
            .is_package()
            .then(|| super::ticket::Net { kind: head.kind.unwrap_or(super::order::Kind::Market), price: head.price });
        Some(Ticket { class: head.class, tag: head.tag.clone(), net, legs })
    }

    /// Looks at a new order or group.
    pub(super) fn review(&mut self, id: OrderId) {
        let Some(order) = self.book.orders.get(&id).filter(|o| !o.status.is_final()) else { return };
        let (account, created) = (order.account.clone(), order.created);
        let Some(ticket) = self.ticket_of(id) else { return };
        match self.judge(&account, &ticket, Some(id)) {
            Ok(()) => self.accept(id),
            Err(reject) => {
                let shown = self.later(self.book.settings.reject_ms, |c| &mut c.reject);
                for member in self.members(id).into_iter().chain([id]) {
                    self.doom(member, &reject);
                }
                let at = shown.since(self.book.now);
                self.book.agenda.add(created.plus(at).max(self.book.now), Due::Reject(id));
            }
        }
    }

    fn doom(&mut self, id: OrderId, reject: &Reject) {
        if let Some(order) = self.book.orders.get_mut(&id) {
            order.inner.doomed = true;
            order.inner.verdict = Some(reject.to_string());
        }
    }

    /// A refusal reaches the client. A stop on the wrong side takes its OCO with it as `canceled`.
    pub(super) fn show_rejection(&mut self, id: OrderId) {
        let verdict = self.book.orders.get(&id).and_then(|o| o.inner.verdict.clone()).unwrap_or_default();
        let oco = self.book.orders.get(&id).is_some_and(|o| o.class == Class::Oco);
        let stop_side = verdict.contains("StopPrice") && !verdict.contains("Undefined");
        for member in self.members(id) {
            let is_stop = self.book.orders.get(&member).and_then(|o| o.kind).is_some_and(super::order::Kind::has_stop);
            let cascades = oco && stop_side && !is_stop;
            let (status, reason) =
                if cascades { (Status::Canceled, None) } else { (Status::Rejected, Some(verdict.clone())) };
            self.set_status(member, status, reason);
        }
        let head = if oco && stop_side { Status::Canceled } else { Status::Rejected };
        self.set_status(id, head, Some(verdict));
    }

    /// Lets a reviewed order or group into the book.
    fn accept(&mut self, id: OrderId) {
        let class = self.book.orders.get(&id).map(|o| o.class);
        let members = self.members(id);
        let armed: Vec<OrderId> = match class {
            Some(Class::Oto | Class::Otoco) => members.into_iter().take(1).collect(),
            Some(Class::Multileg | Class::Combo) => vec![id],
            Some(Class::Oco | Class::Equity | Class::Option) => members,
            None => Vec::new(),
        };
        for member in &armed {
            self.arm(*member);
        }
        let head_open =
            self.book.orders.get(&id).is_some_and(|o| o.role == Role::Parent) && self.trades_now(Duration::Day);
        if head_open {
            self.open_group(id);
        }
        for member in armed {
            self.meet_market(member);
        }
    }

    /// A package's legs open with it; a contingent parent opens alone.
    pub(super) fn open_group(&mut self, id: OrderId) {
        let package = self.book.orders.get(&id).is_some_and(|o| o.class.is_package());
        if package {
            for member in self.members(id) {
                self.set_status(member, Status::Open, None);
            }
        }
        if self.book.orders.get(&id).is_some_and(|o| o.status == Status::Pending) {
            self.set_status(id, Status::Open, None);
        }
    }

    /// Puts one order among those that meet the market.
    pub(super) fn arm(&mut self, id: OrderId) {
        let Some(order) = self.book.orders.get_mut(&id).filter(|o| !o.status.is_final()) else { return };
        order.inner.armed = true;
        let duration = order.duration;
        self.book.working.insert(id);
        if self.trades_now(duration) && self.book.orders.get(&id).is_some_and(|o| o.status == Status::Pending) {
            self.set_status(id, Status::Open, None);
        }
    }

    /// Whether orders of a duration trade in the present phase.
    pub(super) fn trades_now(&self, duration: Duration) -> bool {
        matches!(
            (self.phase(), duration),
            (Phase::Open, Duration::Day | Duration::Gtc)
                | (Phase::Premarket, Duration::Pre)
                | (Phase::Postmarket, Duration::Post)
        )
    }

    /// What a partial fill of one exit does to the other, by the setting.
    pub(super) fn sibling_rule(&self) -> Sibling {
        self.book.settings.sibling
    }
}

fn leg_of(order: &Order) -> Option<Leg> {
    Some(Leg {
        symbol: order.symbol.clone(),
        contract: order.contract.clone(),
        side: order.side?,
        quantity: order.unfilled(),
        kind: order.kind.unwrap_or(super::order::Kind::Market),
        price: order.price,
        stop: order.stop,
        duration: order.duration,
    })
}
