//! Cancel and change: requests about orders that exist.

use super::agenda::Due;
use super::engine::Engine;
use super::ids::{AccountId, OrderId};
use super::ledger::Fact;
use super::order::{Kind, Order, Role, Status};
use super::refusal::{Refusal, Reject};
use super::settings::{Refusals, Switch};
use super::ticket::Change;

impl Engine {
    /// Accepts a cancel. Its effect comes later, and a fill on the way wins. Cancelling a parent cancels its legs; a
    /// leg takes its group along.
    ///
    /// # Errors
    /// [`Refusal::Unauthorized`] for a strange order, [`Refusal::Finalized`] for a finished one.
    pub fn cancel(&mut self, account: &AccountId, id: OrderId) -> Result<OrderId, Refusal> {
        self.run_due();
        let status = self.order(account, id)?.status;
        if status.is_final() {
            return Err(Refusal::Finalized(status));
        }
        let at = self.later(self.book.settings.cancel_ms, |c| &mut c.cancel);
        self.book.agenda.add(at, Due::Cancel(id));
        self.note(Fact::CancelSent { order: id });
        let head = self.head(id);
        for member in self.members(head) {
            if let Some(order) = self.book.orders.get_mut(&member) {
                order.inner.cancel_sent = true;
            }
        }
        if self.book.settings.show_pending_cancel == Switch::On {
            self.set_status(id, Status::PendingCancel, None);
        }
        self.run_due();
        Ok(id)
    }

    /// A cancel takes effect on whatever is not finished by now.
    pub(super) fn cancel_takes_effect(&mut self, id: OrderId) {
        let head = self.head(id);
        let group = self.book.orders.get(&head).is_some_and(|o| o.role == Role::Parent);
        for member in self.members(head) {
            self.set_status(member, Status::Canceled, None);
        }
        if !group {
            return;
        }
        let package = self.book.orders.get(&head).is_some_and(|o| o.class.is_package());
        if package { self.set_status(head, Status::Canceled, None) } else { self.plan_parent(head) }
    }

    /// Changes an order's terms; the number stays.
    ///
    /// # Errors
    /// [`Refusal::Unauthorized`] for a strange order, [`Refusal::Finalized`] for a finished one,
    /// [`Refusal::Reject`] for a group's parent, a partly filled order, or terms that the review refuses inline.
    pub fn change(&mut self, account: &AccountId, id: OrderId, change: Change) -> Result<OrderId, Refusal> {
        self.run_due();
        let order = self.order(account, id)?;
        if order.status.is_final() {
            return Err(Refusal::Finalized(order.status));
        }
        let contingent_parent = order.role == Role::Parent && order.class.is_contingent();
        if contingent_parent || order.executed > 0 {
            return Err(Refusal::Reject(Reject { code: "OrderContingentChangeNotAllowed" }));
        }
        if change.duration.is_some_and(|d| d.moves_session(order.duration)) {
            return Err(Refusal::parameter("duration", "is not valid"));
        }
        let changed = apply(order.clone(), change);
        self.judge_change(account, &changed)?;
        self.note(Fact::Changed { order: id, price: changed.price, stop: changed.stop });
        self.book.orders.insert(id, changed);
        self.notify(id);
        self.meet_market(id);
        Ok(id)
    }

    fn judge_change(&mut self, account: &AccountId, changed: &Order) -> Result<(), Refusal> {
        let head = self.head(changed.id);
        let before = self.book.orders.insert(changed.id, changed.clone());
        let verdict = self.ticket_of(head).map_or(Ok(()), |mut ticket| {
            let activated = self
                .members(head)
                .first()
                .and_then(|m| self.book.orders.get(m))
                .is_some_and(|o| o.status == Status::Filled);
            if activated && ticket.class == super::order::Class::Otoco {
                ticket.legs.remove(0);
                ticket.class = super::order::Class::Oco;
            }
            self.judge(account, &ticket, Some(head))
        });
        if let Some(before) = before {
            self.book.orders.insert(changed.id, before);
        }
        match verdict {
            Err(reject) => Err(Refusal::Reject(reject)),
            Ok(()) => Ok(()),
        }
    }

    /// Whether refusals come in the answer.
    #[must_use]
    pub fn refuses_inline(&self) -> bool {
        self.book.settings.refusals == Refusals::Inline
    }
}

fn apply(mut order: Order, change: Change) -> Order {
    order.kind = change.kind.or(order.kind);
    order.duration = change.duration.unwrap_or(order.duration);
    order.price = change.price.or(order.price);
    order.stop = change.stop.or(order.stop);
    order.price = order.price.filter(|_| order.kind.is_some_and(Kind::has_price));
    order.stop = order.stop.filter(|_| order.kind.is_some_and(Kind::has_stop));
    order.inner.rested = false;
    order.inner.triggered = false;
    order
}
