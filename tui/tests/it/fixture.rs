//! A trader's afternoon as data: the same trades, settings and moments in every test and picture.

mod closed;
mod hands;
mod looks;
mod orders;

use std::time::Duration;

use blotter_shared::domain::{
    BrokerMode, Cash, Desired, Multiplier, Price, Protection, TradeId, TradeNumber, TradeStatus,
};
use blotter_shared::protocol::PROTOCOL_VERSION;
use blotter_shared::protocol::accounts::{AccountList, AccountReport, AccountState};
use blotter_shared::protocol::alarms::{Alarm, AlarmList};
use blotter_shared::protocol::events::{Event, Hello};
use blotter_shared::protocol::health::{Component, ComponentState, Health, Version};
use blotter_shared::protocol::market::{Market, SessionPhase};
use blotter_shared::protocol::prices::LivePrice;
use blotter_shared::protocol::settings::{Settings, StoredTokens};
use blotter_shared::protocol::sync::SyncStatus;
use blotter_shared::protocol::trades::{Trade, TradeList};
use blotter_tui::client::calls::{Answer, Call, CallError};
use blotter_tui::client::events::StreamItem;
use blotter_tui::clock::Now;
use blotter_tui::effect::Effect;
use blotter_tui::input::keymap::Keymap;
use blotter_tui::model::{Access, Model, Motion, Parts, Surroundings};
use blotter_tui::msg::{Msg, StreamSaid};
use blotter_tui::theme::glyphs::Glyphs;
use blotter_tui::theme::{ColorDepth, Theme};
use blotter_tui::update;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

pub(crate) use crate::figures::alarm;
use crate::figures::{performance, totals};
pub(crate) use closed::closed_trades;
pub(crate) use looks::live;

pub(crate) fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn price(text: &str) -> Option<Price> {
    (!text.is_empty()).then(|| text.parse().unwrap())
}

fn cash(text: &str) -> Option<Cash> {
    (!text.is_empty()).then(|| Cash(text.parse().unwrap()))
}

/// Friday afternoon, a quarter to two in New York.
pub(crate) fn noon() -> DateTime<Utc> {
    utc("2026-02-20T18:46:05Z")
}

/// One trade in the words of a screen: symbol, prices, state.
pub(crate) struct Row {
    pub(crate) number: u32,
    pub(crate) symbol: &'static str,
    pub(crate) qty: u32,
    pub(crate) entry: &'static str,
    pub(crate) mark: &'static str,
    pub(crate) stop: &'static str,
    pub(crate) target: &'static str,
    pub(crate) entered: &'static str,
    pub(crate) status: TradeStatus,
    pub(crate) protection: Protection,
}

impl Row {
    pub(crate) fn trade(&self) -> Trade {
        let contract: blotter_shared::domain::OptionContract = self.symbol.parse().unwrap();
        let is_filled = !self.entry.is_empty();
        let pnl = (!self.entry.is_empty() && !self.mark.is_empty()).then(|| {
            let (entry, mark): (Decimal, Decimal) = (self.entry.parse().unwrap(), self.mark.parse().unwrap());
            Cash((mark - entry) * Decimal::from(self.qty * 100))
        });
        Trade {
            id: TradeId(Uuid::from_u128(u128::from(self.number))),
            number: TradeNumber(self.number),
            version: 7,
            account_id: "VA1234567".to_owned(),
            broker_mode: BrokerMode::Sandbox,
            ticker: contract.root.clone(),
            contract,
            option_symbol: self.symbol.to_owned(),
            multiplier: Multiplier::STANDARD,
            qty: self.qty,
            held_qty: if is_filled { self.qty } else { 0 },
            status: self.status,
            desired: if self.status == TradeStatus::Closing { Desired::Flat } else { Desired::Hold },
            protection: self.protection,
            needs_person: None,
            entry_price: price(self.entry),
            entry_date: utc(self.entered),
            sl_price: price(self.stop),
            tp_price: price(self.target),
            strategy: Some("momentum".to_owned()),
            current_price: price(self.mark),
            last_updated: (!self.mark.is_empty()).then(noon),
            unrealized_pnl: pnl,
            close: None,
            last_verified_at: (self.protection == Protection::Confirmed).then(noon),
            step: None,
        }
    }
}

pub(crate) fn open_trades() -> Vec<Trade> {
    let held = TradeStatus::Filled;
    let rows = [
        Row {
            number: 9,
            symbol: "AAPL260320P00230000",
            qty: 1,
            entry: "6.10",
            mark: "5.70",
            stop: "4.50",
            target: "9.00",
            entered: "2026-02-20T14:41:00Z",
            status: held,
            protection: Protection::Confirmed,
        },
        Row {
            number: 10,
            symbol: "NVDA260320C00150000",
            qty: 2,
            entry: "4.50",
            mark: "5.35",
            stop: "3.00",
            target: "8.00",
            entered: "2026-02-18T18:40:11Z",
            status: held,
            protection: Protection::Confirmed,
        },
        Row {
            number: 11,
            symbol: "SPY260306C00600000",
            qty: 3,
            entry: "2.15",
            mark: "",
            stop: "1.50",
            target: "4.00",
            entered: "2026-02-20T18:45:00Z",
            status: held,
            protection: Protection::Naked,
        },
        Row {
            number: 12,
            symbol: "TSLA260227C00400000",
            qty: 1,
            entry: "7.20",
            mark: "7.05",
            stop: "5.00",
            target: "11.00",
            entered: "2026-02-19T15:00:00Z",
            status: TradeStatus::Closing,
            protection: Protection::Confirmed,
        },
        Row {
            number: 13,
            symbol: "AMD260320C00200000",
            qty: 4,
            entry: "",
            mark: "",
            stop: "1.10",
            target: "3.40",
            entered: "2026-02-20T18:44:10Z",
            status: TradeStatus::Open,
            protection: Protection::NotApplicable,
        },
    ];
    let mut trades: Vec<Trade> = rows.iter().map(Row::trade).collect();
    trades[2].needs_person = Some("bracket rejected: stop above the bid; set a lower stop".to_owned());
    trades
}

/// Settings of somebody whose live token is stored.
pub(crate) fn settings_with_live() -> Settings {
    let stored = settings();
    let tokens = StoredTokens { live: true, ..stored.tokens };
    Settings { tokens, live_account_id: Some("6YA00001".to_owned()), ..stored }
}

pub(crate) fn settings() -> Settings {
    Settings {
        version: 7,
        broker_mode: BrokerMode::Sandbox,
        account_balance: Cash("25000".parse().unwrap()),
        max_positions: 5,
        daily_loss_limit: Cash("500".parse().unwrap()),
        heat_limit_pct: "6".parse().unwrap(),
        trade_risk_pct: "2".parse().unwrap(),
        cooldown_losses: 3,
        cooldown_min: 30,
        entries_stopped: false,
        auto_refresh: true,
        tokens: StoredTokens { sim: false, sandbox: true, live: false, orats: false },
        sim_account_id: None,
        sandbox_account_id: Some("VA1234567".to_owned()),
        live_account_id: None,
        updated_at: utc("2026-02-18T15:00:00Z"),
    }
}

pub(crate) fn component(state: ComponentState) -> Component {
    Component {
        state,
        since: utc("2026-02-20T18:40:02Z"),
        checked_at: noon(),
        age_s: 2,
        detail: None,
        next_try_s: None,
    }
}

/// An account in a state, since or until a time that has passed or is to come.
pub(crate) fn account(mode: BrokerMode, state: AccountState, reason: &str) -> AccountReport {
    let (since, until) = match state {
        AccountState::Ok | AccountState::NotTried | AccountState::NotOpened => (None, None),
        AccountState::Reauthenticate | AccountState::Blocked | AccountState::Unavailable => {
            (Some(utc("2026-02-20T16:58:03Z")), None)
        }
        AccountState::RateLimited => (None, Some(utc("2026-02-20T17:00:40Z"))),
    };
    AccountReport {
        mode,
        account_id: Some(if mode == BrokerMode::Live { "6YA00001" } else { "VA00000001" }.to_owned()),
        state,
        may_send: state == AccountState::Ok,
        equity: None,
        detail: None,
        reason: (!reason.is_empty()).then(|| reason.to_owned()),
        since,
        until,
    }
}

pub(crate) fn health(broker: ComponentState) -> Health {
    Health {
        status: ComponentState::Ok,
        version: "0.1.0".to_owned(),
        now: noon(),
        started_at: utc("2026-02-20T13:00:00Z"),
        database: component(ComponentState::Ok),
        broker: component(broker),
        scheduler: component(ComponentState::Ok),
        account_events: None,
        rates: Vec::new(),
    }
}

pub(crate) fn market(phase: SessionPhase) -> Market {
    let next = match phase {
        SessionPhase::Open => "2026-02-20T21:00:00Z",
        SessionPhase::Closed => "2026-02-23T14:30:00Z",
    };
    Market {
        now: noon(),
        phase,
        next_change: utc(next),
        session_date: noon().date_naive(),
        early_close: false,
        forced_open: false,
    }
}

pub(crate) fn version() -> Version {
    Version { daemon: "0.1.0".to_owned(), protocol: PROTOCOL_VERSION, schema: 1, username: "sam".to_owned() }
}

/// What a daemon answers.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) open: Vec<Trade>,
    pub(crate) closed: Vec<Trade>,
    pub(crate) settings: Settings,
    pub(crate) health: Health,
    pub(crate) market: Market,
    pub(crate) alarms: Vec<Alarm>,
    pub(crate) accounts: Vec<AccountReport>,
    pub(crate) next_cursor: Option<String>,
    /// What the stream of prices says first.
    pub(crate) prices: Vec<LivePrice>,
    /// How many closed trades there are, when not only those of `closed`.
    pub(crate) rows: Option<u64>,
}

impl World {
    /// A busy afternoon.
    pub(crate) fn busy() -> Self {
        Self { open: open_trades(), closed: closed_trades(), ..Self::fresh(ComponentState::Ok) }
    }

    /// The first start: nothing has been traded.
    pub(crate) fn fresh(broker: ComponentState) -> Self {
        Self {
            open: vec![],
            closed: vec![],
            settings: settings(),
            health: health(broker),
            market: market(SessionPhase::Open),
            alarms: vec![],
            accounts: vec![],
            next_cursor: None,
            prices: vec![],
            rows: None,
        }
    }

    pub(crate) fn answer(&self, call: &Call) -> Answer {
        let list = |items: &[Trade], next_cursor| TradeList { items: items.to_vec(), next_cursor, as_of: 41 };
        let status = SyncStatus {
            needs_sync: false,
            has_conflicts: false,
            server_version: 41,
            last_sync_at: Some(noon()),
            last_sync_device: Some("laptop".to_owned()),
        };
        match call {
            Call::Version => Answer::Version(version()),
            Call::Health => Answer::Health(Box::new(self.health.clone())),
            Call::Market => Answer::Market(self.market.clone()),
            Call::Settings => Answer::Settings(Box::new(self.settings.clone())),
            Call::OpenTrades => Answer::OpenTrades(list(&self.open, None)),
            Call::History(query) => {
                let found: Vec<_> = self
                    .closed
                    .iter()
                    .filter(|trade| trade.ticker.to_lowercase().contains(&query.search.to_lowercase()))
                    .cloned()
                    .collect();
                Answer::History(list(&found, self.next_cursor.clone()))
            }
            Call::Totals(query) => Answer::Totals(totals(query, &self.closed, self.rows)),
            Call::Performance(query) => Answer::Performance(Box::new(performance(*query, &self.closed))),
            Call::Trade(id) => {
                let found = self.open.iter().chain(&self.closed).find(|trade| trade.id == *id);
                Answer::Trade(Box::new(found.unwrap().clone()))
            }
            Call::Look(call) => Answer::Look(Box::new(self.look(call))),
            Call::Alarms => Answer::Alarms(AlarmList { items: self.alarms.clone() }),
            Call::Accounts => Answer::Accounts(AccountList { accounts: self.accounts.clone() }),
            Call::Tasks => panic!("no screen asks for the tasks"),
            Call::PutToken { .. } | Call::RemoveToken { .. } => Answer::SettingsSaved(Box::new(self.settings.clone())),
            Call::SyncStatus { .. } => Answer::SyncStatus(status),
            Call::Sync { .. } => Answer::Synced(status),
            Call::PutSettings { update, .. } => {
                let mut settings = self.settings.clone();
                settings.version += 1;
                settings.max_positions = update.max_positions.unwrap_or(settings.max_positions);
                Answer::SettingsSaved(Box::new(settings))
            }
            Call::Order(call) => Answer::Order(Box::new(self.order(call))),
        }
    }
}

/// How the terminal is.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    pub(crate) size: (u16, u16),
    pub(crate) theme: &'static str,
    pub(crate) depth: ColorDepth,
    pub(crate) glyphs: Glyphs,
}

impl Look {
    pub(crate) fn sized(width: u16, height: u16) -> Self {
        Self { size: (width, height), theme: "dark", depth: ColorDepth::Ansi, glyphs: Glyphs::Unicode }
    }
}

/// A model with a clock and a daemon that answers at once, so that a test can be a script of keys.
pub(crate) struct Desk {
    pub(crate) model: Model,
    pub(crate) now: Now,
    pub(crate) world: World,
    /// Every deed so far.
    pub(crate) deeds: Vec<Effect>,
    /// Calls that are not answered by themselves.
    pub(crate) held: Vec<Call>,
    pub(crate) holds_actions: bool,
    pub(crate) holds: fn(&Call) -> bool,
    pub(crate) is_gone: bool,
    /// Which stream of prices is open.
    pub(crate) prices_opened: u64,
}

impl Desk {
    pub(crate) fn new(look: Look, world: World) -> Self {
        let now = Now { wall: noon(), since_start: Duration::from_secs(100) };
        let surroundings = Surroundings {
            depth: look.depth,
            glyphs: look.glyphs,
            motion: Motion::Still,
            quiet: None,
            theme_follows: false,
            access: Access::Full,
            shows_title: false,
            version: "0.1.0",
        };
        let parts = Parts {
            surroundings,
            theme: Theme::built_in(look.theme, look.depth),
            keymap: Keymap::defaults(),
            refresh: Duration::from_secs(15),
        };
        let model = Model::new(now, look.size, parts, 7);
        Self {
            model,
            now,
            world,
            deeds: Vec::new(),
            held: Vec::new(),
            holds_actions: false,
            holds: |_| false,
            is_gone: false,
            prices_opened: 0,
        }
    }

    /// A desk whose session is live.
    pub(crate) fn live(look: Look, world: World) -> Self {
        let mut desk = Self::new(look, world);
        desk.begin();
        desk
    }

    /// The client starts.
    pub(crate) fn begin(&mut self) {
        let first = update::start(&self.model);
        self.settle(first);
    }

    /// Gives a message and lets everything that follows from it happen.
    pub(crate) fn tell(&mut self, msg: Msg) {
        let effects = update::update(&mut self.model, self.now, msg);
        self.settle(effects);
    }

    /// The driver of the model: carries out effects until nothing follows any more.
    fn settle(&mut self, effects: Vec<Effect>) {
        let mut queue = effects;
        while !queue.is_empty() {
            let effect = queue.remove(0);
            self.deeds.push(effect.clone());
            for msg in self.reply(effect) {
                queue.extend(update::update(&mut self.model, self.now, msg));
            }
        }
    }

    fn reply(&mut self, effect: Effect) -> Vec<Msg> {
        let answered =
            |call: &Call, world: &World| Msg::Answered { call: call.clone(), result: Box::new(Ok(world.answer(call))) };
        match effect {
            Effect::Greet if self.is_gone => {
                let gone = "/run/blotter/blotterd.sock does not exist".to_owned();
                vec![Msg::Greeted(Err(CallError::Unreachable(gone)))]
            }
            Effect::Greet => vec![Msg::Greeted(Ok(version()))],
            Effect::Load(calls) => {
                let answers = calls.iter().map(|call| answered(call, &self.world));
                answers.chain([Msg::Loaded(Ok(()))]).collect()
            }
            Effect::Call(call) if (call.is_action() && self.holds_actions) || (self.holds)(&call) => {
                self.held.push(call);
                vec![]
            }
            Effect::Call(call) => vec![answered(&call, &self.world)],
            Effect::OpenStream { generation, .. } => {
                let hello = Event::Hello(Hello { seq: 41, heartbeat_s: 10, now: noon() });
                let item = StreamItem::Event { id: None, event: Box::new(hello) };
                vec![Msg::Stream { generation, said: StreamSaid::Item(item) }]
            }
            Effect::Export { .. } | Effect::CloseStream | Effect::Copy(_) | Effect::Ring { .. } | Effect::Title(_) => {
                vec![]
            }
            Effect::OpenPrices { generation } => {
                self.prices_opened = generation;
                self.world.prices(generation)
            }
            Effect::ClosePrices | Effect::Redraw | Effect::Suspend | Effect::Quit => vec![],
        }
    }

    /// Answers the oldest held call.
    pub(crate) fn answer_held(&mut self, result: Result<Answer, CallError>) {
        let call = self.held.remove(0);
        self.tell(Msg::Answered { call, result: Box::new(result) });
    }

    /// An event comes through the stream.
    pub(crate) fn push(&mut self, event: Event) {
        let item = StreamItem::Event { id: Some(50), event: Box::new(event) };
        let generation = self.model.generation;
        self.tell(Msg::Stream { generation, said: StreamSaid::Item(item) });
    }

    /// The daemon goes away.
    pub(crate) fn lose_daemon(&mut self) {
        self.is_gone = true;
        let generation = self.model.generation;
        self.tell(Msg::Stream { generation, said: StreamSaid::Ended(None) });
    }
}
