//! Where what devices ask for is judged: on a book that is read in the same transaction in which
//! the answer is written, with quotes and positions that were read just before it.
//!
//! The broker is read outside of the transaction and never written to: a command becomes a wish,
//! and the loop finds it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use blotter_shared::domain::{BrokerMode, Cash, OptionContract, TradeId};
use blotter_shared::protocol;
use chrono::Utc;
use thiserror::Error;

use super::super::commands::{Accepted, Command, Desk, RefusalCode, Refused, judge};
use super::super::facts::{Book, Change};
use super::super::ports::{BrokerPort, CommitError, Position, Quote, ReadFailure, Sessions, Symbol};
use super::super::risk::Standing;
use super::super::timing::Timing;
use super::bells::Bells;
use super::broker::BrokerAccount;
use super::clock::Exchange;
use super::standing;
use super::store::{Ledger, Said, Signature, trade_taken};
use crate::accounts::{AccountError, Accounts};
use crate::auth::Username;
use crate::calendar::{Calendar, Force};
use crate::clock::Clock;
use crate::db::engine::{AccountKey, TradePlace, live_accounts, standing_rows, trade_lock};
use crate::db::{Db, DbError, UserTx, work_tell};

/// Why a command was not done.
#[derive(Debug, Error)]
pub enum DeskError {
    #[error("{}", .0.sentence)]
    Refused(Box<Refused>),
    /// Somebody else was first: judge it again.
    #[error("it was overtaken: {0}")]
    Overtaken(String),
    #[error("the broker was not read: {0}")]
    Broker(#[from] ReadFailure),
    #[error(transparent)]
    Account(#[from] AccountError),
    #[error(transparent)]
    Database(#[from] DbError),
}

impl From<Refused> for DeskError {
    fn from(refused: Refused) -> Self {
        Self::Refused(Box::new(refused))
    }
}

/// What was read at the broker before a command is judged.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub quotes: BTreeMap<Symbol, Quote>,
    pub positions: Vec<Position>,
    /// Absent when the broker did not say.
    pub equity: Option<Cash>,
}

/// Judges commands. A cheap handle.
#[derive(Clone, Debug)]
pub struct Counter {
    pub db: Db,
    pub accounts: Accounts,
    pub clock: Clock,
    pub calendar: Arc<Calendar>,
    pub force: Force,
    /// While this file exists no entry is accepted.
    pub kill_file: Option<PathBuf>,
    pub bells: Bells,
}

impl Counter {
    /// The account that new entries of this world go to.
    ///
    /// # Errors
    /// When no token is stored for it, or it does not open.
    pub async fn account(&self, user: &Username, mode: BrokerMode) -> Result<(AccountKey, BrokerAccount), DeskError> {
        let account = self.accounts.open(user, mode).await?;
        let key = AccountKey { mode, number: account.broker.account().as_str().to_owned() };
        Ok((key, BrokerAccount::new(account, self.clock.clone()).for_a_wish()))
    }

    /// Where a trade of this user is; not kept for anybody.
    ///
    /// # Errors
    /// [`DbError::NotFound`] when there is none.
    pub async fn place_of(&self, user: &Username, trade: TradeId) -> Result<TradePlace, DeskError> {
        let tx = self.db.user_tx(user).await?;
        Ok(trade_lock(&tx, trade.0).await?)
    }

    /// Symbols of the account's trades that are not at their end.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn live_symbols(&self, user: &Username, key: &AccountKey) -> Result<Vec<Symbol>, DeskError> {
        let tx = self.db.user_tx(user).await?;
        let book = self.ledger(user, key).book(&tx).await?;
        Ok(book.live_trades().map(|trade| trade.spec.symbol.clone()).collect())
    }

    /// What an entry is judged by: quotes of everything that is alive and of what is wanted, and
    /// what the account is worth.
    ///
    /// # Errors
    /// When the broker does not quote.
    pub async fn look_for_entry(
        &self,
        user: &Username,
        (key, broker): &(AccountKey, BrokerAccount),
        wanted: &Symbol,
    ) -> Result<Seen, DeskError> {
        let mut symbols = self.live_symbols(user, key).await?;
        symbols.push(wanted.clone());
        symbols.sort();
        symbols.dedup();
        let (quotes, equity) = futures_util::join!(broker.quotes(&symbols), broker.equity());
        Ok(Seen { quotes: quotes?, positions: Vec::new(), equity: equity.ok() })
    }

    /// The quote of one symbol.
    ///
    /// # Errors
    /// When the broker does not quote.
    pub async fn look_at(&self, broker: &BrokerAccount, symbol: &Symbol) -> Result<Seen, DeskError> {
        let quotes = broker.quotes(std::slice::from_ref(symbol)).await?;
        Ok(Seen { quotes, ..Seen::default() })
    }

    /// What the account holds, with the quote of what is to be taken up.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn look_for_adoption(&self, broker: &BrokerAccount, symbol: &Symbol) -> Result<Seen, DeskError> {
        let positions = broker.positions().await?;
        let quotes = broker.quotes(std::slice::from_ref(symbol)).await?;
        Ok(Seen { quotes, positions, equity: None })
    }

    /// The session that a contract is traded in: some trade for longer than the exchange is open.
    #[must_use]
    pub fn session_of(&self, mode: BrokerMode, symbol: &str) -> super::super::ports::Session {
        let (exchange, now) = (self.exchange(mode), self.clock.now());
        let contract = symbol.parse::<OptionContract>();
        contract.map_or_else(|_| exchange.at(now), |contract| exchange.of(&contract.root, now))
    }

    fn exchange(&self, mode: BrokerMode) -> Exchange {
        Exchange::of_mode(mode, &self.calendar, self.force)
    }

    fn ledger(&self, user: &Username, key: &AccountKey) -> Ledger {
        Ledger { kill_file: self.kill_file.clone(), ..Ledger::for_commands(&self.db, user, key) }
    }

    /// The book of an account, as this transaction sees it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn book(&self, tx: &UserTx, key: &AccountKey) -> Result<Book, DeskError> {
        Ok(self.ledger(tx.username(), key).book(tx).await?)
    }

    /// Where the account stands, for the limits.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn standing(
        &self,
        tx: &UserTx,
        key: &AccountKey,
        (book, seen): (&Book, &Seen),
        equity: Cash,
    ) -> Result<Standing, DeskError> {
        let now = self.clock.now();
        let rows = standing_rows(tx, key, standing::day_begins(now), standing::day_of(now)).await?;
        Ok(standing::of(&standing::Ground { book, quotes: &seen.quotes, rows: &rows, equity }))
    }

    /// Judges a command on a book and writes what it changes.
    ///
    /// # Errors
    /// The refusal, or what was in the way of writing it.
    pub async fn carry_out(
        &self,
        tx: &UserTx,
        key: &AccountKey,
        seen: (&Book, &Seen),
        command: &Command,
    ) -> Result<Accepted, DeskError> {
        let accepted = self.judged(key, seen, command)?;
        self.ledger(tx.username(), key).write(tx, &accepted.changes).await.map_err(unwritten)?;
        // Another daemon may hold the account's lease: it is told with the commit.
        work_tell(tx, key.mode, self.bells.process()).await?;
        Ok(accepted)
    }

    /// Judges what a device wants of one trade of a book that [`Counter::take`] has read, writes it, and tells how the
    /// trade is then.
    ///
    /// # Errors
    /// The refusal, or what was in the way of writing it.
    pub async fn change(
        &self,
        tx: &UserTx,
        (key, book, seen): (&AccountKey, &Book, &Seen),
        command: &Command,
        signature: &Signature<'_>,
    ) -> Result<protocol::trades::Trade, DeskError> {
        let accepted = self.judged(key, (book, seen), command)?;
        let [Change::Wish { trade, expect, becomes }] = accepted.changes.as_slice() else {
            let message = "a change of one trade is another wish and nothing else".to_owned();
            return Err(DbError::Internal { message, source: None }.into());
        };
        let trade = book.trades.get(trade).ok_or(DbError::NotFound)?;
        let said = Said { expect: *expect, becomes, signature, process: self.bells.process() };
        self.ledger(tx.username(), key).say(tx, trade, &said).await.map_err(unwritten)
    }

    fn judged(&self, key: &AccountKey, (book, seen): (&Book, &Seen), command: &Command) -> Result<Accepted, Refused> {
        let exchange = self.exchange(key.mode);
        let desk = Desk {
            book,
            now: self.clock.now(),
            sessions: &exchange,
            timing: Timing::PRODUCTION,
            quotes: &seen.quotes,
            positions: &seen.positions,
        };
        judge(command, &desk)
    }

    /// Takes a trade for this transaction: a page of its account's book with this trade alone, which is all that a
    /// change of it is judged by, however many there are.
    ///
    /// # Errors
    /// When there is none of this user's, or it is at its end.
    pub async fn take(&self, tx: &UserTx, trade: TradeId) -> Result<(AccountKey, Book), DeskError> {
        let (place, known) = trade_taken(tx, trade).await?;
        if place.status.is_terminal() {
            return Err(Refused::new(RefusalCode::Ended, format!("this trade is {}", place.status)).into());
        }
        let Some(trade) = known else {
            let sentence = "the engine does not know this trade: it is shown and never acted upon";
            return Err(Refused::new(RefusalCode::NotFound, sentence).into());
        };
        let mut book = Book::new(place.account.mode, Cash::ZERO);
        book.trades.insert(trade.id(), trade);
        Ok((place.account, book))
    }

    /// What the drill of a flatten says, for one account.
    #[must_use]
    pub fn drill(&self, book: &Book) -> Vec<super::super::commands::Drill> {
        let (exchange, quotes, positions) = (self.exchange(book.mode), BTreeMap::new(), Vec::new());
        let desk = Desk {
            book,
            now: self.clock.now(),
            sessions: &exchange,
            timing: Timing::PRODUCTION,
            quotes: &quotes,
            positions: &positions,
        };
        super::super::commands::flatten::drill(&desk)
    }

    /// The accounts with trades that are not at their end.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn live_accounts(&self, tx: &UserTx) -> Result<Vec<AccountKey>, DeskError> {
        Ok(live_accounts(tx).await?)
    }

    /// Tells the account's loop that there is work.
    pub fn ring(&self, user: &Username, mode: BrokerMode) {
        self.bells.ring(user, mode);
    }

    /// The present, as trades are dated.
    #[must_use]
    pub fn now(&self) -> chrono::DateTime<Utc> {
        self.clock.now()
    }
}

fn unwritten(error: CommitError) -> DeskError {
    match error {
        CommitError::Overtaken(why) => DeskError::Overtaken(why),
        CommitError::LeaseLost => DeskError::Overtaken("a command needs no lease".to_owned()),
        CommitError::Unknown(_) => DeskError::Database(DbError::CommitUnknown),
        CommitError::Unavailable(sentence) => DeskError::Database(DbError::Unavailable { sentence }),
        CommitError::Illegal(message) => DeskError::Database(DbError::Internal { message, source: None }),
    }
}
