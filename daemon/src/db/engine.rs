//! What the trade engine keeps: leases, trades with their facts, intents, fills.
//!
//! The rows are plain values: what they mean is the engine's affair (`trades::runtime`). Whatever
//! the owner of an account writes is in one transaction that begins with [`lease_renew`]; it locks
//! the lease's row, so that writers of one account take turns.

mod again;
mod lease;
mod restored;
mod rows;
mod standing;
mod trades;
mod unwatched;
mod whole;

pub use again::{SeenAgain, marks_of, seen_again_put};
pub use lease::{LeaseHolder, LeaseRow, lease_ready, lease_release, lease_renew, lease_take};
pub use restored::{restored_put, tags_known};
pub use rows::{
    FillRow, IntentRow, OpenAlarm, account_facts, account_facts_put, fill_put, intent_gate, intent_put,
    intent_reported, open_alarms,
};
pub use standing::{OpenRow, ResultRow, StandingRows, standing_rows};
pub use trades::{
    FiguresRow, MarksRow, NewTradeRow, StoryRow, TradePlace, WishRow, commit_with_step, facts_put, figures_put,
    live_accounts, marks_put, step_put, step_tell, story_put, trade_lock, trade_put, wish_put,
};
pub(super) use trades::{WISH_FACTS, wish_facts_put};
pub use unwatched::{alarmed_accounts, unwatched_accounts};
pub use whole::{StoredFill, StoredTrade, trade_stored, trade_take, trades_watched};

use blotter_shared::domain::BrokerMode;

/// Which account the engine works on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AccountKey {
    pub mode: BrokerMode,
    pub number: String,
}

impl AccountKey {
    /// The name under which its lease and its facts are kept: numbers may occur in two worlds.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}:{}", self.mode, self.number)
    }
}
