//! Record, send, record.
//!
//! The send gate is one commit: the intent is SENDING, the wish is still the one that was planned
//! for, the lease is ours and renewed. Between the last look at the deadline and the write there
//! is no await. What the answer does not prove is left as it is, and the next pass reads.

use std::time::Duration;

use blotter_shared::domain::{IntentId, IntentRole, IntentState};

use super::super::facts::{Change, FlatCause, Intent, Op, Order, Origin, Trade, Wish, WishStamp};
use super::super::plan::{Action, Cancel, Place};
use super::super::ports::{
    BrokerPort, Clock, CommitError, OrderId, Placement, RefusalKind, Sessions, Store, WriteOutcome,
};
use super::super::rules::Rule;
use super::super::tag::{Epoch, Tag};
use super::{Engine, Settings};

/// Time that is left of a lease when the answer of a call has come.
const LEASE_MARGIN: Duration = Duration::from_secs(2);

impl<S: Store, B: BrokerPort, C: Clock, T: Sessions> Engine<S, B, C, T> {
    pub(super) async fn act(&mut self, trade: &Trade, action: &Action, epoch: Epoch) -> Result<(), CommitError> {
        match action {
            Action::Place(place) => self.place(trade, place, epoch).await,
            Action::Cancel(cancel) => self.cancel(trade, *cancel, epoch).await,
            Action::CancelStray(order) => self.cancel_stray(*order).await,
            Action::Flatten(cause) => self.wish(trade, flattened(trade, *cause), epoch).await,
            Action::Revert => self.wish(trade, reverted(trade), epoch).await,
        }
    }

    async fn wish(&mut self, trade: &Trade, becomes: Wish, epoch: Epoch) -> Result<(), CommitError> {
        let expect = WishStamp::of(&trade.wish);
        let change = Change::Wish { trade: trade.id(), expect, becomes: Box::new(becomes) };
        overtaken_is_fine(self.commit(epoch, &[change]).await)
    }

    async fn place(&mut self, trade: &Trade, place: &Place, epoch: Epoch) -> Result<(), CommitError> {
        let gate_opened = self.ports.clock.boot();
        let mut intent = self.sending(trade, place, epoch);
        // What went before it in this pass may have taken long.
        if self.is_overtaken_by_time(trade, &intent) {
            return Ok(());
        }
        let Some(order) = intent.order().cloned() else { return Ok(()) };
        let expect = WishStamp::of(&trade.wish);
        if self.settings.rules.has(Rule::RecordBeforeSend) {
            let gate = Change::Gate { intent: Box::new(intent.clone()), expect };
            match self.commit(epoch, &[gate]).await {
                // It may be durable; then it is found as SENDING and treated as unknown.
                Err(CommitError::Overtaken(_)) => return Ok(()),
                other => other?,
            }
        }
        let symbol = trade.spec.symbol.clone();
        let placement = Placement { tag: order.tag, symbol, quantity: order.quantity, shape: order.shape };
        // No await between this look at the clock and the write.
        let outcome = match self.too_late(gate_opened) {
            Some(reason) => WriteOutcome::NotSent(reason),
            None => {
                self.wrote_at = Some(self.ports.clock.boot());
                self.ports.broker.place(&placement).await
            }
        };
        let outcome = self.resend(outcome, &placement).await;
        let changes = self.answered(&mut intent, &outcome);
        overtaken_is_fine(self.commit(epoch, &changes).await)
    }

    /// An entry whose time has passed, or an order for the day when the day is over.
    fn is_overtaken_by_time(&self, trade: &Trade, intent: &Intent) -> bool {
        let now = self.ports.clock.now();
        let late = intent.valid_until.is_some_and(|until| now > until);
        let for_the_day = intent.order().is_some_and(|order| order.shape.is_for_the_day());
        let closed = for_the_day && !self.ports.sessions.of(&trade.spec.contract.root, now).open;
        closed || (late && self.settings.rules.has(Rule::EntryDeadline))
    }

    /// What the mutant does with a write whose fate is unknown.
    async fn resend(&self, outcome: WriteOutcome, placement: &Placement) -> WriteOutcome {
        match outcome {
            WriteOutcome::Unknown(_) if !self.settings.rules.has(Rule::NeverResend) => {
                self.ports.broker.place(placement).await
            }
            WriteOutcome::Accepted(_)
            | WriteOutcome::Refused(_)
            | WriteOutcome::NotSent(_)
            | WriteOutcome::Unknown(_) => outcome,
        }
    }

    /// Whether the deadline of the send has passed, or the lease might end before the answer.
    fn too_late(&self, gate_opened: Duration) -> Option<String> {
        if !self.settings.rules.has(Rule::SendBy) {
            return None;
        }
        let now = self.ports.clock.boot();
        if now > gate_opened + self.settings.timing.send_by {
            return Some("the send deadline has passed".to_owned());
        }
        let until = self.lease.map_or(Duration::ZERO, |lease| lease.until);
        let fenced = self.settings.rules.has(Rule::LeaseFence);
        let short = fenced && now + self.settings.timing.call + LEASE_MARGIN > until;
        short.then(|| "the lease would end before the answer".to_owned())
    }

    /// The intent as the gate writes it.
    fn sending(&self, trade: &Trade, place: &Place, epoch: Epoch) -> Intent {
        let now = self.ports.clock.now();
        let again = place.again.and_then(|id| trade.intent(id));
        let mut intent = again.cloned().unwrap_or_else(|| self.prepared(trade, place, epoch));
        intent.state = IntentState::Sending;
        intent.sent_at = Some(now);
        intent.sent_on = Some(self.ports.sessions.at(now).date);
        intent
    }

    fn prepared(&self, trade: &Trade, place: &Place, epoch: Epoch) -> Intent {
        let Settings { installation, timing, .. } = self.settings;
        let role = place.role;
        let before = trade.intents.iter().filter(|intent| intent.order().is_some() && intent.role == role).count();
        let attempt = u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1);
        let tag = Tag { installation, trade: trade.id(), role, attempt, version: trade.wish.version, epoch };
        let valid = chrono::Duration::from_std(timing.entry_valid).unwrap_or_default();
        let op = Op::Place(Order { tag: tag.to_string(), quantity: place.quantity, shape: place.shape });
        let valid_until = (role == IntentRole::Entry).then_some(trade.spec.asked_at + valid);
        Intent { valid_until, ..Intent::new(self.origin(trade, role, attempt, epoch), op) }
    }

    /// A new intent of a trade, for its wish as it is.
    fn origin(&self, trade: &Trade, role: IntentRole, attempt: u32, epoch: Epoch) -> Origin {
        let (id, version) = (self.new_intent_id(), trade.wish.version);
        Origin { id, trade_id: trade.id(), role, attempt, version, epoch }
    }

    /// What the answer proves. Nothing that it leaves open is made up.
    fn answered(&self, intent: &mut Intent, outcome: &WriteOutcome) -> Vec<Change> {
        let write = |intent: &mut Intent, state: IntentState| {
            intent.state = state;
            Change::Intent(Box::new(intent.clone()))
        };
        match outcome {
            WriteOutcome::Accepted(id) => {
                intent.broker_id = Some(*id);
                vec![write(intent, IntentState::Acked)]
            }
            WriteOutcome::Refused(refusal) => {
                (intent.refusal, intent.refused) = (Some(refusal.text.clone()), Some(refusal.kind));
                vec![write(intent, IntentState::Rejected)]
            }
            // Proven not to have left: as if it had not been tried. An exit is planned anew.
            WriteOutcome::NotSent(why) => {
                intent.refusal = Some(why.clone());
                let prepared = write(intent, IntentState::Prepared);
                let again = intent.role == IntentRole::Entry;
                if again { vec![prepared] } else { vec![prepared, write(intent, IntentState::Void)] }
            }
            WriteOutcome::Unknown(_) => vec![write(intent, IntentState::Unknown)],
        }
    }

    async fn cancel(&mut self, trade: &Trade, cancel: Cancel, epoch: Epoch) -> Result<(), CommitError> {
        let gate_opened = self.ports.clock.boot();
        let intent = self.cancelling(trade, cancel, epoch);
        let gate = Change::Gate { intent: Box::new(intent), expect: WishStamp::of(&trade.wish) };
        match self.commit(epoch, &[gate]).await {
            Err(CommitError::Overtaken(_)) => return Ok(()),
            other => other?,
        }
        if self.too_late(gate_opened).is_some() {
            return Ok(());
        }
        self.wrote_at = Some(self.ports.clock.boot());
        let outcome = self.ports.broker.cancel(cancel.order).await;
        // Neither an acknowledgement nor a refusal is an effect: the list decides.
        self.believed(trade, cancel.target, &outcome, epoch).await
    }

    /// What the mutants believe of the answer to a cancel.
    async fn believed(
        &mut self,
        trade: &Trade,
        target: IntentId,
        outcome: &WriteOutcome,
        epoch: Epoch,
    ) -> Result<(), CommitError> {
        let rules = self.settings.rules;
        let credulous = match outcome {
            WriteOutcome::Accepted(_) => !rules.has(Rule::CancelAckIsNoEffect),
            WriteOutcome::Refused(refusal) => {
                matches!(refusal.kind, RefusalKind::AlreadyFinal(_)) && !rules.has(Rule::FinalIsNotCanceled)
            }
            WriteOutcome::NotSent(_) | WriteOutcome::Unknown(_) => false,
        };
        let Some(order) = trade.intent(target).filter(|_| credulous) else { return Ok(()) };
        let canceled = Intent { state: IntentState::Canceled, ..order.clone() };
        self.commit(epoch, &[Change::Intent(Box::new(canceled))]).await
    }

    /// The running cancel of this order, sent once more, or a new one.
    fn cancelling(&self, trade: &Trade, cancel: Cancel, epoch: Epoch) -> Intent {
        let now = self.ports.clock.now();
        let role = trade.intent(cancel.target).map_or(IntentRole::Bracket, |target| target.role);
        let before = trade.intents.iter().filter(|intent| intent.order().is_none()).count();
        let attempt = u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1);
        let running = trade.cancel_of(cancel.target).cloned();
        let mut intent = running.unwrap_or_else(|| {
            Intent::new(self.origin(trade, role, attempt, epoch), Op::Cancel { target: cancel.target })
        });
        intent.state = IntentState::Sending;
        intent.sent_at = Some(now);
        intent.sent_on = Some(self.ports.sessions.at(now).date);
        intent
    }

    /// An own order without a living intent: nothing is recorded, because asking twice is harmless.
    async fn cancel_stray(&mut self, order: OrderId) -> Result<(), CommitError> {
        let now = self.ports.clock.boot();
        if self.too_late(now).is_none() {
            self.wrote_at = Some(now);
            let _outcome = self.ports.broker.cancel(order).await;
        }
        Ok(())
    }
}

/// Policy makes a wish stricter; its version is the user's and stays.
fn flattened(trade: &Trade, cause: FlatCause) -> Wish {
    Wish { keep: 0, limit: None, flat: Some(cause), until: None, ..trade.wish.clone() }
}

/// The last good bracket in the place of one that cannot be had.
fn reverted(trade: &Trade) -> Wish {
    let good = trade.last_good().unwrap_or_default();
    Wish { stop: good.stop, target: good.target, limit: None, until: None, ..trade.wish.clone() }
}

/// Somebody wanted something else in the meantime: the next pass plans for that.
fn overtaken_is_fine(result: Result<(), CommitError>) -> Result<(), CommitError> {
    match result {
        Err(CommitError::Overtaken(_)) => Ok(()),
        other => other,
    }
}
