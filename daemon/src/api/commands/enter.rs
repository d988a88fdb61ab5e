//! A trade begins: by an entry, or by taking up a position that is there.

use blotter_shared::domain::{Multiplier, OptionContract, Price, Quantity, TradeId};
use blotter_shared::protocol::commands::{AdoptPosition, PlaceTrade, Story};
use blotter_shared::protocol::trades::Trade;
use rust_decimal::Decimal;
use serde_json::Value;

use super::super::Api;
use super::deed::{Deed, Stopped, note};
use crate::db::UserTx;
use crate::db::engine::{AccountKey, StoryRow, story_put};
use crate::db::settings::settings_get;
use crate::db::trades::trade_get;
use crate::trades::commands::{Command, NewTrade};
use crate::trades::ports::Symbol;
use crate::trades::runtime::desk::Seen;
use crate::trades::runtime::limits;

/// What is to begin.
#[derive(Debug)]
pub(super) enum Wanted {
    Place(PlaceTrade),
    Adopt(AdoptPosition),
}

/// A trade that is to begin, with what was read for it.
#[derive(Debug)]
pub(super) struct Enter<'a> {
    pub(super) api: &'a Api,
    pub(super) device: &'a str,
    pub(super) key: &'a AccountKey,
    pub(super) seen: &'a Seen,
    pub(super) contract: OptionContract,
    pub(super) wanted: Wanted,
    /// The request, for the audit log.
    pub(super) detail: Value,
}

impl Deed for Enter<'_> {
    type Found = ();
    type Answer = Trade;

    async fn find(&self, _: &UserTx) -> Result<(), Stopped> {
        Ok(())
    }

    async fn done_in(&self, tx: &UserTx, (): ()) -> Result<Trade, Stopped> {
        let counter = &self.api.counter;
        let settings = settings_get(tx).await?;
        let book = counter.book(tx, self.key).await?;
        let equity = self.seen.equity.unwrap_or(settings.account_balance);
        let id = TradeId(tx.new_id());
        let mut new = NewTrade {
            id,
            contract: self.contract.clone(),
            multiplier: Multiplier::STANDARD,
            quantity: Quantity::ONE,
            limit: None,
            stop: None,
            target: None,
            stop_waived: false,
            limits: limits::in_force(tx, &settings, counter.now()).await?,
            standing: counter.standing(tx, self.key, (&book, self.seen), equity).await?,
        };
        self.fill_in(&mut new);
        let story = self.story(&new);
        let (action, command) = match self.wanted {
            Wanted::Place(_) => ("trade.place", Command::Place(Box::new(new))),
            Wanted::Adopt(_) => ("trade.adopt", Command::Adopt(Box::new(new))),
        };
        counter.carry_out(tx, self.key, (&book, self.seen), &command).await?;
        story_put(tx, id.0, &story).await?;
        note(tx, self.device, action, (id, &self.detail)).await?;
        Ok(trade_get(tx, id).await?)
    }
}

impl Enter<'_> {
    fn fill_in(&self, new: &mut NewTrade) {
        match &self.wanted {
            Wanted::Place(wanted) => {
                (new.quantity, new.limit) = (wanted.qty, wanted.limit);
                (new.stop, new.target, new.stop_waived) = (wanted.sl_price, wanted.tp_price, wanted.no_stop);
            }
            Wanted::Adopt(wanted) => {
                (new.quantity, new.stop, new.target) = (wanted.qty, wanted.sl_price, wanted.tp_price);
            }
        }
    }

    /// Where it comes from, and what was seen when it was asked for.
    fn story(&self, new: &NewTrade) -> StoryRow {
        match &self.wanted {
            Wanted::Place(wanted) => self.entry_story(new, &wanted.story),
            Wanted::Adopt(wanted) => StoryRow { strategy: wanted.strategy.clone(), ..StoryRow::default() },
        }
    }

    fn entry_story(&self, new: &NewTrade, story: &Story) -> StoryRow {
        let quote = self.seen.quotes.get(&Symbol::new(&self.contract.occ())).copied();
        let sides = quote.and_then(|quote| quote.bid.zip(quote.ask)).map(|(bid, ask)| (bid.value(), ask.value()));
        let paid = new.limit.map(Price::value).or(sides.map(|(_, ask)| ask));
        let stop = new.stop.map_or(Decimal::ZERO, Price::value);
        let count = Decimal::from(new.quantity.get()) * Decimal::from(new.multiplier.get());
        StoryRow {
            strategy: story.strategy.clone(),
            card_score: story.card_score,
            ai_score: story.ai_score,
            ai_verdict: story.ai_verdict.clone(),
            gate_verdict: story.gate_verdict.clone(),
            technical_score: story.technical_score,
            sentiment_score: story.sentiment_score,
            ai_reasoning_log: story.ai_reasoning_log.clone(),
            mid_at_submit: sides.map(|(bid, ask)| (bid + ask) / Decimal::TWO),
            initial_risk: paid.map(|paid| (paid - stop).max(Decimal::ZERO) * count),
        }
    }
}
