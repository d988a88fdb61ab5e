//! Long lists, exports, the palette, and what is heard: key scripts on the real model.

use std::time::Duration;

use blotter_shared::domain::{BrokerMode, Cash, CloseReason, Outcome as TradeOutcome, Protection, TradeStatus};
use blotter_shared::protocol::alarms::Alarm;
use blotter_shared::protocol::events::Event;
use blotter_shared::protocol::trades::{ExportFormat, Sort, TotalsQuery, Trade, TradeList, TradeTotals};
use blotter_tui::client::calls::{Answer, Call, HistoryQuery};
use blotter_tui::client::export::ExportSaid;
use blotter_tui::effect::Effect;
use blotter_tui::model::next_wake;
use blotter_tui::msg::Msg;
use blotter_tui::overlays::Overlay;
use blotter_tui::panes::Pane;
use blotter_tui::sound::{QuietHours, Sound};

use crate::fixture::{Desk, Look, World, alarm, closed_trades, noon, open_trades};

fn desk() -> Desk {
    Desk::live(Look::sized(118, 30), World::busy())
}

#[test]
fn an_export_is_of_what_the_filter_shows_and_runs_once() {
    let mut desk = desk();
    desk.keys("2 f / n v enter o x tab enter x enter");
    let exports: Vec<_> = desk.deeds.iter().filter(|effect| matches!(effect, Effect::Export { .. })).cloned().collect();
    let [Effect::Export { query, name }] = exports.as_slice() else { panic!("{exports:?}") };
    assert_eq!((query.format, query.outcome), (Some(ExportFormat::Json), Some(TradeOutcome::Win)));
    assert_eq!(
        (query.q.as_deref(), query.mode, query.sort),
        (Some("nv"), Some(BrokerMode::Sandbox), Some(Sort::Symbol))
    );
    assert_eq!(name, "blotter-closed-sandbox-20260220-184605.json");
    assert!(desk.screen().contains("another export is still being written"), "{}", desk.screen());
    desk.tell(Msg::Export(ExportSaid::Progress { bytes: 3_400_000 }));
    assert!(desk.screen().contains("exporting 3.4 MB"));
    desk.tell(Msg::Export(ExportSaid::Done { path: "b.json".to_owned(), bytes: 4_000_000 }));
    assert!(desk.screen().contains("Exported 4.0 MB to b.json"), "{}", desk.screen());
    desk.lose_daemon();
    desk.keys("x enter");
    assert!(desk.screen().contains("Not exported: the daemon is away."));
}

#[test]
fn the_palette_does_what_a_few_letters_say() {
    let mut desk = desk();
    desk.keys("2 :").types("expo");
    assert!(desk.screen().contains("Write what the filter shows"), "{}", desk.screen());
    desk.keys("enter");
    assert!(matches!(desk.model.overlays.as_slice(), [Overlay::Export(_)]));
    desk.keys("esc :").types("performance").keys("enter");
    assert_eq!((desk.model.pane, desk.model.overlays.len()), (Pane::Performance, 0));
    desk.keys(": down up esc");
    assert!(desk.model.overlays.is_empty());
    desk.keys(":").types("zzz").keys("enter");
    assert_eq!((desk.model.pane, desk.model.overlays.len()), (Pane::Performance, 0), "nothing is done for nothing");
}

fn rings(desk: &Desk) -> Vec<(Sound, String)> {
    let ring = |effect: &Effect| match effect {
        Effect::Ring { sound, text } => Some((*sound, text.clone())),
        Effect::Greet | Effect::Load(_) | Effect::Call(_) | Effect::OpenStream { .. } | Effect::CloseStream => None,
        Effect::OpenPrices { .. } | Effect::ClosePrices => None,
        Effect::Export { .. }
        | Effect::Copy(_)
        | Effect::Title(_)
        | Effect::Redraw
        | Effect::Suspend
        | Effect::Quit => None,
    };
    desk.deeds.iter().filter_map(ring).collect()
}

#[test]
fn each_end_has_its_sound_and_its_words() {
    for (reason, sound, words) in [
        (CloseReason::TargetHit, Sound::Profit, "AAPL 230 P ×1 target hit  ▲ +40.00"),
        (CloseReason::StopHit, Sound::Loss, "AAPL 230 P ×1 stop hit  ▲ +40.00"),
        (CloseReason::Manual, Sound::Pop, "AAPL 230 P ×1 closed  ▲ +40.00"),
    ] {
        let mut desk = desk();
        let mut trade = open_trades()[0].clone();
        trade.status = TradeStatus::Closed;
        trade.close = closed_trades()[0].close.clone();
        let close = trade.close.as_mut().unwrap();
        (close.reason, close.realized_pnl) = (Some(reason), Some(Cash(40.into())));
        desk.push(Event::Trade(Box::new(trade.clone())));
        assert_eq!(rings(&desk), [(sound, words.to_owned())]);
        assert!(desk.screen().contains(words), "{}", desk.screen());
        desk.push(Event::Trade(Box::new(trade)));
        assert_eq!(rings(&desk).len(), 1, "told once");
    }
}

#[test]
fn a_lost_stop_is_heard_once_and_an_alarm_until_it_is_seen() {
    let mut desk = desk();
    assert!(rings(&desk).is_empty(), "what is merely loaded is not heard");
    let mut trade = open_trades()[0].clone();
    trade.protection = Protection::Naked;
    desk.push(Event::Trade(Box::new(trade.clone())));
    desk.push(Event::Trade(Box::new(trade)));
    desk.world.alarms = vec![alarm()];
    desk.push(Event::Alarm(Box::new(alarm())));
    assert_eq!(rings(&desk).len(), 1, "one breath, one sound");
    desk.pass(31.0);
    assert_eq!(rings(&desk).len(), 2);
    desk.pass(10.0).pass(31.0);
    assert_eq!(rings(&desk).len(), 3);
    let seen = Alarm { acked_at: Some(noon()), ..alarm() };
    desk.world.alarms = vec![seen.clone()];
    desk.push(Event::Alarm(Box::new(seen)));
    desk.pass(31.0).pass(31.0);
    assert_eq!(rings(&desk).len(), 3, "somebody has seen it");
}

#[test]
fn news_do_not_silence_a_stop_that_is_lost_in_the_same_breath() {
    let mut desk = desk();
    let mut ended = open_trades()[1].clone();
    (ended.status, ended.close) = (TradeStatus::Closed, closed_trades()[0].close.clone());
    desk.push(Event::Trade(Box::new(ended)));
    let mut naked = open_trades()[0].clone();
    naked.protection = Protection::Naked;
    desk.push(Event::Trade(Box::new(naked)));
    desk.pass(0.9);
    let sounds: Vec<Sound> = rings(&desk).into_iter().map(|(sound, _)| sound).collect();
    assert_eq!(sounds, [Sound::Profit, Sound::Loss]);
    let mut other = open_trades()[3].clone();
    (other.status, other.close) = (TradeStatus::Closed, closed_trades()[0].close.clone());
    desk.push(Event::Trade(Box::new(other)));
    assert_eq!(rings(&desk).len(), 2, "but for news one sound is enough");
}

const LOST: &str = "has no stop that is known to work";

/// The broker sells before its positions say so: for a moment there is neither a stop nor an end.
#[test]
fn a_target_that_is_hit_is_heard_and_not_the_stop_that_went_with_it() {
    let mut desk = desk();
    let mut trade = open_trades()[0].clone();
    trade.protection = Protection::Naked;
    desk.push(Event::Trade(Box::new(trade.clone())));
    assert!(desk.screen().contains("2 NO STOP"), "the row says what the daemon says: {}", desk.screen());
    desk.pass(0.7);
    assert!(rings(&desk).is_empty() && !desk.screen().contains(LOST), "{}", desk.screen());
    (trade.status, trade.close) = (TradeStatus::Closed, closed_trades()[0].close.clone());
    desk.push(Event::Trade(Box::new(trade)));
    desk.pass(30.0);
    let sounds: Vec<Sound> = rings(&desk).into_iter().map(|(sound, _)| sound).collect();
    assert_eq!(sounds, [Sound::Profit]);
}

/// Whoever is truly naked is told within a second, by a client that was woken for nothing else.
#[test]
fn a_stop_that_stays_away_is_heard_within_a_second_and_one_that_comes_back_is_not() {
    let mut desk = desk();
    let mut trade = open_trades()[0].clone();
    trade.protection = Protection::Naked;
    desk.push(Event::Trade(Box::new(trade.clone())));
    let since = desk.now.since_start;
    while rings(&desk).is_empty() {
        let wake = next_wake(&desk.model).unwrap();
        assert!(wake < since + Duration::from_secs(1), "nothing wakes the client: {}", desk.screen());
        desk.pass((wake - desk.now.since_start).as_secs_f64());
    }
    assert_eq!(rings(&desk).len(), 1);
    assert!(rings(&desk)[0].1.contains(LOST) && desk.screen().contains(LOST), "{}", desk.screen());

    // The same sound twice in a breath would be heard once.
    desk.pass(5.0);
    let mut other = open_trades()[1].clone();
    other.protection = Protection::Unknown;
    desk.push(Event::Trade(Box::new(other.clone())));
    // A repetition is no new beginning.
    desk.pass(0.5);
    desk.push(Event::Trade(Box::new(Trade { last_updated: None, ..other.clone() })));
    other.protection = Protection::Confirmed;
    desk.pass(0.2).push(Event::Trade(Box::new(other.clone())));
    desk.pass(2.0);
    assert_eq!(rings(&desk).len(), 1, "it came back in time");
    other.protection = Protection::Unknown;
    desk.push(Event::Trade(Box::new(other.clone())));
    desk.pass(0.5);
    desk.push(Event::Trade(Box::new(other)));
    assert_eq!(rings(&desk).len(), 1, "what is told again is no older");
    desk.pass(0.41);
    assert_eq!(rings(&desk).len(), 2, "what is told again is no younger");
}

/// An adjust that was kept for the open and no longer holds there, or one that the broker refused.
#[test]
fn a_change_that_is_dropped_is_said() {
    let mut desk = desk();
    let before = open_trades()[0].clone();
    let asked = Trade { version: before.version + 1, sl_price: before.tp_price, ..before.clone() };
    desk.push(Event::Trade(Box::new(asked.clone())));
    assert!(!desk.screen().contains("dropped"), "asked for by somebody: {}", desk.screen());
    desk.push(Event::Trade(Box::new(Trade { sl_price: before.sl_price, ..asked })));
    let stop = before.sl_price.unwrap().value();
    let words = format!("new bracket dropped: stop {stop:.2}");
    assert!(desk.screen().contains(&words), "{}", desk.screen());
}

#[test]
fn in_quiet_hours_only_money_at_risk_is_heard() {
    let mut desk = desk();
    let time = |text: &str| text.parse().unwrap();
    desk.model.surroundings.quiet = Some(QuietHours { from: time("13:00:00"), to: time("14:00:00") });
    let mut trade = open_trades()[0].clone();
    trade.status = TradeStatus::Closed;
    trade.close = closed_trades()[0].close.clone();
    desk.push(Event::Trade(Box::new(trade)));
    assert!(rings(&desk).is_empty() && desk.screen().contains("target hit"), "said and not heard");
    desk.push(Event::Alarm(Box::new(alarm())));
    assert_eq!(rings(&desk).len(), 1);
}

/// A book of closed trades behind a daemon that gives it page by page.
struct Book {
    trades: Vec<Trade>,
}

impl Book {
    fn of(count: u32) -> Self {
        let one = World::busy().closed[0].clone();
        let trade = |number: u32| {
            let mut trade = one.clone();
            trade.number = blotter_shared::domain::TradeNumber(count - number);
            trade.id = blotter_shared::domain::TradeId(uuid::Uuid::from_u128(u128::from(number) + 1));
            trade
        };
        Self { trades: (0..count).map(trade).collect() }
    }

    fn page(&self, query: &HistoryQuery) -> Answer {
        let from: usize = query.cursor.as_deref().map_or(0, |cursor| cursor.parse().unwrap());
        let to = (from + 100).min(self.trades.len());
        let next_cursor = (to < self.trades.len()).then(|| to.to_string());
        Answer::History(TradeList { items: self.trades[from..to].to_vec(), next_cursor, as_of: 41 })
    }

    /// Answers whatever the pane asks for until it asks no more.
    fn serve(&self, desk: &mut Desk) {
        loop {
            let asked = std::mem::take(&mut desk.held);
            if asked.is_empty() {
                return;
            }
            for call in asked {
                let Call::History(query) = &call else { continue };
                let result = Box::new(Ok(self.page(query)));
                desk.tell(Msg::Answered { call, result });
            }
        }
    }
}

/// A hundred thousand closed trades: any of them can be reached, and no more than a few pages are held.
#[test]
fn a_long_history_scrolls_both_ways_in_little_memory() {
    let book = Book::of(100_000);
    let world = World { rows: Some(100_000), ..World::busy() };
    let mut desk = Desk::live(Look::sized(80, 24), world);
    desk.holds = |call| matches!(call, Call::History(_));
    desk.keys("2 f f f f");
    book.serve(&mut desk);
    desk.keys("g");
    let number = |desk: &Desk| {
        let history = &desk.model.history;
        history.trades().iter().find(|trade| Some(trade.id) == history.list.selected).unwrap().number.0
    };
    assert_eq!(number(&desk), 100_000);
    for page in 1..=5_000_u32 {
        desk.keys("pgdn");
        book.serve(&mut desk);
        assert!(desk.model.history.trades().len() <= 600, "{} rows are held", desk.model.history.trades().len());
        let shown = number(&desk);
        assert!(shown < 100_000 - page * 10, "page {page} shows {shown}");
    }
    let deep = number(&desk);
    assert!(deep < 50_000, "{deep}");
    assert!(desk.screen().contains("of 100000"), "{}", desk.screen());
    desk.keys("pgup");
    book.serve(&mut desk);
    let up = number(&desk);
    // A refresh moves nobody, and nor does a trade that is closed meanwhile.
    desk.keys("r");
    book.serve(&mut desk);
    assert_eq!(number(&desk), up);
    for _ in 0..6_000 {
        desk.keys("pgup");
        book.serve(&mut desk);
    }
    assert_eq!((number(&desk), desk.model.history.first_row()), (100_000, 0));
}

/// Results before fees are told from results after them, wherever they stand.
#[test]
fn fees_that_nobody_has_told_are_shown_as_such() {
    let shown = |mode: BrokerMode, untold: usize, keys: &str| {
        let mut world = World::busy();
        world.closed.iter_mut().for_each(|trade| trade.broker_mode = mode);
        for close in world.closed.iter_mut().filter_map(|trade| trade.close.as_mut()).take(untold) {
            close.fees = None;
        }
        let mut desk = Desk::live(Look::sized(118, 30), world);
        desk.keys(keys);
        desk.screen()
    };
    let all = closed_trades().len();
    let (live, sandbox) = (BrokerMode::Live, BrokerMode::Sandbox);
    for (mode, untold, keys, words) in [
        (live, 0, "2 enter", "Fees 1.30"),
        (live, 1, "2 enter", "Fees not told yet"),
        (sandbox, 1, "2 enter", "Fees never told"),
        (live, 1, "2", "before fees of 1 "),
        (live, all, "2", "before fees "),
        (live, 0, "3", "Fees 20.80"),
        (live, 1, "3", "Fees 20.80, 1 not told"),
        (live, all, "3", "Fees not told"),
        (live, 0, "3 enter", "after 20.80 of fees"),
        (live, 1, "3 enter", "after 20.80 of fees, 1 not told"),
        (live, all, "3 enter", "before fees: nobody has told them"),
    ] {
        let screen = shown(mode, untold, keys);
        assert!(screen.contains(words), "{mode}, {untold} untold, {keys}: {words}\n{screen}");
    }
    assert!(!shown(live, 0, "2").contains("before fees"));
}

#[test]
fn totals_of_another_filter_that_come_late_take_nobodys_place() {
    let mut desk = Desk::live(Look::sized(118, 30), World::busy());
    desk.keys("2");
    assert!(desk.screen().contains("Net ▲ +30.00"), "{}", desk.screen());
    let late = Call::Totals(TotalsQuery::default());
    let answer = Answer::Totals(TradeTotals { rows: 9000, ..TradeTotals::default() });
    desk.tell(Msg::Answered { call: late, result: Box::new(Ok(answer)) });
    assert!(desk.screen().contains("Net ▲ +30.00"), "{}", desk.screen());
}
