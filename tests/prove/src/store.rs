//! The database: commits are atomic, conditional and durable at one moment, and the answer may be
//! lost after that moment. What a commit means is `facts::apply`, the engine's own reference.

use std::collections::BTreeMap;

use blotter_daemon::trades::facts::{Book, Change, Illegal, Intent, Trade, apply, apply::apply_alarm};
use blotter_daemon::trades::ports::{CommitError, Fence, Holder, LeaseAnswer};
use blotter_daemon::trades::rules::{Rule, Rules};
use blotter_daemon::trades::tag::Epoch;
use blotter_shared::domain::{IntentId, IntentRole, IntentState, TradeId, TradeStatus};

use crate::world::Millis;

/// The lease row.
#[derive(Clone, Copy, Debug)]
pub struct LeaseRow {
    pub holder: Holder,
    pub epoch: Epoch,
    pub expires: Millis,
    pub released: bool,
}

#[derive(Clone, Debug)]
pub struct SimStore {
    pub book: Book,
    pub lease: Option<LeaseRow>,
    /// Epochs begin above it.
    pub base: i64,
    pub rules: Rules,
    /// Illegal transitions and broken promises, in words.
    pub violations: Vec<String>,
    /// When each trade first became FLAT, durably.
    pub flat_since: BTreeMap<TradeId, Millis>,
    /// When each intent passed its gate.
    pub gated: BTreeMap<IntentId, Millis>,
    pub takeovers: u32,
    pub steps: Vec<(TradeId, TradeStatus)>,
}

impl SimStore {
    #[must_use]
    pub fn new(book: Book, rules: Rules) -> Self {
        Self {
            book,
            lease: None,
            base: 0,
            rules,
            violations: Vec::new(),
            flat_since: BTreeMap::new(),
            gated: BTreeMap::new(),
            takeovers: 0,
            steps: Vec::new(),
        }
    }

    /// Takes or renews the lease, by the database's clock.
    pub fn take_lease(&mut self, holder: Holder, ttl: Millis, now: Millis) -> LeaseAnswer {
        let Some(row) = self.lease else {
            let epoch = Epoch(self.base + 1);
            self.lease = Some(LeaseRow { holder, epoch, expires: now + ttl, released: false });
            return LeaseAnswer::Taken(epoch);
        };
        let fenced = self.rules.has(Rule::LeaseFence);
        if row.holder == holder && (row.expires >= now || !fenced) && !row.released {
            // An epoch below the base is given up by its holder, too.
            let epoch = if row.epoch.0 > self.base { row.epoch } else { Epoch(self.base + 1) };
            self.lease = Some(LeaseRow { expires: now + ttl, epoch, ..row });
            return LeaseAnswer::Renewed(epoch);
        }
        // A file lock proves that another process of the same host is dead.
        let dead = row.holder.host == holder.host && row.holder.process != holder.process;
        if !row.released && row.expires >= now && !dead && fenced {
            return LeaseAnswer::Held;
        }
        let epoch = Epoch(row.epoch.0.max(self.base) + 1);
        self.lease = Some(LeaseRow { holder, epoch, expires: now + ttl, released: false });
        self.takeovers += 1;
        if row.released { LeaseAnswer::Taken(epoch) } else { LeaseAnswer::TakenOver(epoch) }
    }

    fn owns(&self, fence: &Fence, now: Millis) -> bool {
        let row = self.lease.filter(|row| row.holder == fence.holder && row.epoch == fence.epoch && !row.released);
        row.is_some_and(|row| row.expires >= now) || !self.rules.has(Rule::LeaseFence)
    }

    /// One transaction of the owner.
    pub fn commit(&mut self, fence: &Fence, changes: &[Change], now: Millis) -> Result<(), CommitError> {
        if !self.owns(fence, now) {
            return Err(CommitError::LeaseLost);
        }
        self.write(changes, now)?;
        if self.rules.has(Rule::LeaseIsRenewed)
            && let Some(row) = self.lease.as_mut().filter(|row| row.holder == fence.holder)
        {
            row.expires = now + u64::try_from(fence.ttl.as_millis()).unwrap_or(0);
        }
        Ok(())
    }

    /// All changes or none. What the judge wants to know of them is kept only when all hold.
    pub fn write(&mut self, changes: &[Change], now: Millis) -> Result<(), CommitError> {
        let mut next = self.clone();
        for change in changes {
            next.watch(change, now);
            apply(&mut next.book, change, self.rules).map_err(|illegal| refusal(&illegal))?;
        }
        *self = next;
        Ok(())
    }

    pub fn alarm(&mut self, changes: &[blotter_daemon::trades::facts::AlarmChange]) {
        for change in changes {
            apply_alarm(&mut self.book, change);
        }
    }

    /// What the oracle wants to know of each change (I8, I14).
    fn watch(&mut self, change: &Change, now: Millis) {
        match change {
            Change::Wish { trade, becomes, .. } if becomes.is_flat() => {
                self.flat_since.entry(*trade).or_insert(now);
            }
            Change::Wish { trade, .. } => {
                self.flat_since.remove(trade);
            }
            Change::Gate { intent, .. } => {
                let flat = self.flat_since.contains_key(&intent.trade_id);
                if flat && intent.is_exit() && intent.role == IntentRole::Bracket {
                    self.violations.push("I8 a bracket passes the gate after FLAT".to_owned());
                }
                self.gated.insert(intent.id, now);
                self.moved(intent);
            }
            Change::Intent(intent) => self.moved(intent),
            Change::Marks { trade, becomes } => {
                let was = self.book.trades.get(trade).map_or(TradeStatus::Pending, |trade| trade.marks.status);
                if was != becomes.status {
                    self.steps.push((*trade, becomes.status));
                }
                if !crate::oracle::trade_may_move(was, becomes.status) {
                    self.violations.push(format!("I14 a trade goes from {was} to {}", becomes.status));
                }
            }
            Change::Account(marks) => {
                let base = marks.reconciling.as_ref().map_or(0, |reconciling| reconciling.base);
                self.base = self.base.max(base);
            }
            Change::Begin(_) | Change::Fill(_) | Change::Alarm(_) => {}
        }
    }

    fn moved(&mut self, intent: &Intent) {
        let (trade, becomes) = (intent.trade_id, intent.state);
        let executed = intent.executed;
        let intent = intent.id;
        let known = self.book.trades.get(&trade).and_then(|trade| trade.intent(intent));
        let was = known.map_or(IntentState::Prepared, |intent| intent.state);
        let cancel = known.is_some_and(|intent| intent.order().is_none());
        if known.is_some_and(|known| executed < known.executed) {
            self.violations.push("I7 what is known to be executed shrinks".to_owned());
        }
        if !crate::oracle::intent_may_move(was, becomes, cancel) {
            self.violations.push(format!("I14 an intent goes from {was} to {becomes}"));
        }
    }

    /// The trade that a tag of ours belongs to.
    #[must_use]
    pub fn trade_of_tag(&self, tag: &str) -> Option<&Trade> {
        self.book
            .trades
            .values()
            .find(|trade| trade.intents.iter().any(|intent| intent.order().is_some_and(|order| order.tag == tag)))
    }
}

fn refusal(illegal: &Illegal) -> CommitError {
    match illegal {
        Illegal::OtherWish | Illegal::SecondExit | Illegal::SecondEntry | Illegal::SymbolTaken | Illegal::TagTaken => {
            CommitError::Overtaken(illegal.to_string())
        }
        Illegal::NoTrade | Illegal::Shrinks => CommitError::Illegal(illegal.to_string()),
    }
}
