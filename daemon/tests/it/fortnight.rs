//! A fortnight that holds a change of the clocks, a holiday and an early close, with a daemon that is down
//! for a morning, a broker and a database that are away, and a sleep over a close: scheduler, PostgreSQL
//! and simulator together make exactly the runs and rows that the rules foresee, and the figures of its
//! nights are those of a second program that shares nothing with the daemon.

mod rules;
mod stage;

use blotter_daemon::db::DbState;
use blotter_daemon::prices::retention::history;
use blotter_shared::domain::TradeId;
use blotter_shared::protocol::tasks::{TaskName, TaskState};
use serde_json::json;
use uuid::Uuid;

use crate::support::{reach, recount, user};
use rules::{
    BEGIN, END, EVERY, Held, Instant, Row, Trouble, at, missed_marks, rows, runs, sessions, span_of, troubles,
};
use stage::Stage;

/// Held throughout; sold in parts; a scratch whose stop was moved and whose broker was away; bought in
/// parts on the short day.
const HELD: [Held; 4] = [
    Held { id: 1, bought: "2026-10-27T15:00:20", sold: None, late: true },
    Held { id: 2, bought: "2026-10-28T14:40:10", sold: Some("2026-10-28T19:10:30"), late: false },
    Held { id: 3, bought: "2026-10-30T15:31:00", sold: Some("2026-10-30T18:00:10"), late: false },
    Held { id: 4, bought: "2026-11-06T15:00:05", sold: Some("2026-11-06T17:20:15"), late: false },
];
const TICKERS: [&str; 4] = ["SPY", "AAPL", "NVDA", "NVDA"];

/// What people and the world do, in the order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Buy(u128),
    BuyMore(u128),
    SellHalf(u128),
    MoveStop(u128),
    Sell(u128),
    /// At the price of the purchase.
    Scratch(u128),
    BrokerGoes,
    BrokerComes,
    /// Everything that is raw is taken down, for the recount.
    TakeDown,
}

fn deeds() -> Vec<(Instant, Deed)> {
    let dark = span_of(Trouble::NoBroker);
    vec![
        (at("2026-10-27T15:00:20"), Deed::Buy(1)),
        (at("2026-10-28T14:40:10"), Deed::Buy(2)),
        (at("2026-10-28T15:32:05"), Deed::SellHalf(2)),
        (at("2026-10-28T19:10:30"), Deed::Sell(2)),
        (at("2026-10-30T15:31:00"), Deed::Buy(3)),
        (at("2026-10-30T15:50:00"), Deed::MoveStop(3)),
        (dark.0, Deed::BrokerGoes),
        (dark.1, Deed::BrokerComes),
        (at("2026-10-30T18:00:10"), Deed::Scratch(3)),
        (at("2026-11-06T15:00:05"), Deed::Buy(4)),
        (at("2026-11-06T15:00:45"), Deed::BuyMore(4)),
        (at("2026-11-06T17:20:15"), Deed::Sell(4)),
        (at("2026-11-07T00:05:00"), Deed::TakeDown),
    ]
}

/// What was taken down of each closed trade, and what its night found.
#[derive(Debug, Default)]
struct Taken {
    recounts: Vec<(u128, String, String)>,
    alarm: String,
}

impl Stage {
    async fn perform(&self, deed: Deed, taken: &mut Taken) {
        match deed {
            Deed::Buy(id) => {
                let ask = self.quote(&self.contracts[ticker(id)]).await.1;
                self.buy(id, ticker(id), &ask).await;
                self.fill(id, "BUY", if id == 4 { 1 } else { 2 }, &ask).await;
            }
            Deed::BuyMore(id) => {
                let ask = self.quote(&self.contracts[ticker(id)]).await.1;
                self.fill(id, "BUY", 1, &ask).await;
            }
            Deed::SellHalf(id) => {
                let bid = self.quote(&self.contracts[ticker(id)]).await.0;
                self.fill(id, "SELL", 1, &bid).await;
                self.halve(id).await;
            }
            Deed::MoveStop(id) => self.adjust(id, "0.75").await,
            Deed::Sell(id) => {
                let bid = self.quote(&self.contracts[ticker(id)]).await.0;
                self.fill(id, "SELL", if id == 2 { 1 } else { 2 }, &bid).await;
                self.close(id, &bid).await;
            }
            Deed::Scratch(id) => {
                let sql = format!("SELECT entry_price::text FROM paper_trades WHERE id = '{}'", Uuid::from_u128(id));
                let paid: String = self.admin().await.query_one(&sql, &[]).await.unwrap().get(0);
                self.fill(id, "SELL", 2, &paid).await;
                self.close(id, &paid).await;
            }
            Deed::BrokerGoes => self.act(json!({ "do": "fault", "fault": { "kind": "unavailable" } })).await,
            Deed::BrokerComes => self.act(json!({ "do": "clear_faults" })).await,
            Deed::TakeDown => self.take_down(taken).await,
        }
    }

    async fn take_down(&self, taken: &mut Taken) {
        for held in HELD.iter().filter(|held| held.sold.is_some()) {
            let raw = self.raw(held).await;
            taken.recounts.push((held.id, self.figures(held.id).await, recount(&raw)));
        }
        let open =
            "SELECT coalesce(max(message), '') FROM alarms WHERE kind = 'CALENDAR_DISAGREES' AND cleared_at IS NULL";
        taken.alarm = self.admin().await.query_one(open, &[]).await.unwrap().get(0);
    }

    /// Fills, quotes, sessions and bars of a trade as they lie there.
    async fn raw(&self, held: &Held) -> String {
        let admin = self.admin().await;
        let mut text = format!("trade 100 {}\n", EVERY.num_milliseconds());
        for (open, close) in sessions() {
            text += &format!("session {} {}\n", open.timestamp_millis(), close.timestamp_millis());
        }
        let ms = |column: &str| format!("(extract(epoch FROM {column}) * 1000)::bigint");
        for sql in [
            format!("SELECT format('fill %s %s %s %s', {}, side, inc_qty, trim_scale(inc_px)) FROM fills WHERE trade_id = $1", ms("observed_at")),
            format!(
                "SELECT format('quote %s %s %s %s', {}, quality, coalesce(mark_price::text, '-'), coalesce(bid::text, '-'))
                   FROM price_snapshots WHERE trade_id = $1 ORDER BY ts",
                ms("ts")
            ),
        ] {
            for row in admin.query(&sql, &[&Uuid::from_u128(held.id)]).await.unwrap() {
                text += &format!("{}\n", row.get::<_, String>(0));
            }
        }
        let (from, to) = (at(held.bought), at(held.sold.unwrap()) + chrono::TimeDelta::hours(2));
        text + &self.bars(ticker(held.id), (from, to)).await
    }

    /// What the night has found, in the words of the recount.
    async fn figures(&self, id: u128) -> String {
        let side = |name: &str, [pnl_15m, pnl_1h, mfe, mae, efficiency, post_exit]: [&str; 6]| {
            let figures = [
                ("pnl_15m", pnl_15m),
                ("pnl_1h", pnl_1h),
                ("mfe", mfe),
                ("mae", mae),
                ("efficiency", efficiency),
                ("post_exit", post_exit),
            ];
            let line = |(figure, column): (&str, &str)| {
                format!("'{name}.{figure} ' || coalesce(trim_scale({column})::text, '-')")
            };
            figures.map(line).join(" || E'\\n' || ")
        };
        let mid = [
            "target_pnl_15m",
            "target_pnl_1h",
            "target_mfe_pct",
            "target_mae_pct",
            "exit_efficiency_pct",
            "post_exit_mfe_pct",
        ];
        let bid = [
            "pnl_15m_bid",
            "pnl_1h_bid",
            "mfe_bid_pct",
            "mae_bid_pct",
            "exit_efficiency_bid_pct",
            "post_exit_mfe_bid_pct",
        ];
        let sql = format!(
            "SELECT {} || E'\\n' || {} || format(E'\\ncoverage %s\\nown_coverage %s\\npoints %s %s\\n', trim_scale(target_coverage_pct),
                    trim_scale(own_coverage_pct), own_points, bar_points)
               FROM paper_trades t JOIN trade_forensics f ON f.trade_id = t.id WHERE t.id = $1",
            side("mid", mid),
            side("bid", bid)
        );
        self.admin().await.query_one(&sql, &[&Uuid::from_u128(id)]).await.unwrap().get(0)
    }

    /// Lives through it: at every moment at which something is due, the scheduler looks.
    async fn live(&mut self, taken: &mut Taken) {
        let mut deeds = deeds().into_iter().peekable();
        let mut now = at(BEGIN);
        while now < at(END) {
            self.set(now).await;
            while let Some((_, deed)) = deeds.next_if(|(when, _)| *when <= now) {
                self.perform(deed, taken).await;
            }
            self.scheduler.step().await.unwrap_or_else(|error| panic!("at {now}: {error}"));
            let due = self.board.list(now).tasks.into_iter().filter_map(|task| task.next_at);
            let next = due.chain(deeds.peek().map(|(when, _)| *when)).filter(|next| *next > now).min().unwrap();
            now = self.pass(next).await;
        }
        self.set(at(END)).await;
    }

    /// The next moment at which the daemon can look.
    async fn pass(&mut self, next: Instant) -> Instant {
        for (trouble, (from, to)) in troubles() {
            if !(from..to).contains(&next) || trouble == Trouble::NoBroker {
                continue;
            }
            if trouble == Trouble::NoDatabase {
                self.set(next).await;
                self.cluster.stop_server().unwrap();
                assert!(self.scheduler.step().await.is_err(), "it cannot look without a database");
                self.cluster.start_server().unwrap();
                reach(&self.db, DbState::Ready).await;
            }
            return to;
        }
        next
    }

    /// Every recorded price of a trade, packed by now or not.
    async fn recorded(&self, id: u128) -> Vec<Row> {
        let tx = self.db.user_tx(&user("ann")).await.unwrap();
        let all = history(&tx, TradeId(Uuid::from_u128(id)), (at(BEGIN), at(END))).await.unwrap();
        let bookend = |row: &blotter_daemon::db::prices::PriceRow| row.bookend.map_or("", |bookend| bookend.as_str());
        all.iter().map(|row| (row.ts, id, bookend(row))).collect()
    }
}

fn ticker(id: u128) -> &'static str {
    TICKERS[usize::try_from(id).unwrap() - 1]
}

/// The first place in which two lists differ.
fn differ<T: PartialEq + std::fmt::Debug>(what: &str, found: &[T], foreseen: &[T]) {
    let place = found.iter().zip(foreseen).position(|(one, other)| one != other);
    let place = place.unwrap_or(found.len().min(foreseen.len()));
    let (lengths, there) = ((found.len(), foreseen.len()), (found.get(place), foreseen.get(place)));
    assert!(found == foreseen, "{what}: found and foreseen {lengths:?} differ first at {place}: {there:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fortnight_over_the_whole_stack_leaves_what_the_rules_foresee() {
    let mut stage = Stage::start().await;
    let mut taken = Taken::default();
    stage.live(&mut taken).await;

    let mut done = stage.noted.done.lock().unwrap().clone();
    done.sort();
    differ("runs", &done, &runs());
    let dark = span_of(Trouble::NoBroker);
    let failed = stage.noted.failed.lock().unwrap().clone();
    let strange: Vec<_> = failed
        .iter()
        .filter(|(when, task, _)| *task != TaskName::Snapshots || *when < dark.0 || *when >= dark.1)
        .collect();
    assert!(strange.is_empty() && !failed.is_empty(), "{strange:?} of {} failures", failed.len());
    let tasks = stage.board.list(stage.now()).tasks;
    let snapshots = tasks.iter().find(|task| task.name == TaskName::Snapshots).unwrap();
    assert_eq!((snapshots.state, snapshots.missed), (TaskState::Waiting, missed_marks()));

    for held in &HELD {
        let found = stage.recorded(held.id).await;
        differ(&format!("rows of trade {}", held.id), &found, &rows(held));
    }
    let admin = stage.admin().await;
    assert_eq!(
        admin.count("SELECT count(*) FROM pg_class WHERE relname = 'price_snapshots_2026_10'").await,
        0,
        "packed"
    );
    assert!(admin.count("SELECT count(*) FROM price_days").await > 0);

    assert_eq!(taken.recounts.len(), 3);
    for (id, figures, recount) in &taken.recounts {
        assert_eq!(figures, recount, "trade {id} {:#?}", taken.recounts);
    }
    let of = |id: u128, name: &str| {
        let figures = &taken.recounts.iter().find(|(other, ..)| *other == id).unwrap().2;
        figures.lines().find_map(|line| line.strip_prefix(&format!("{name} "))).unwrap().to_owned()
    };
    assert!(of(3, "points").split(' ').nth(1) != Some("0"), "the hour without a broker is filled by its bars");
    assert_ne!(of(3, "coverage"), of(3, "own_coverage"));
    assert_eq!(of(3, "mid.efficiency"), "0", "a scratch keeps nothing of what there was");

    let days = ["2026-11-03", "2026-11-06"].map(|day| taken.alarm.contains(day));
    assert_eq!(days, [false, true], "the simulator trades on both, and one is over: {}", taken.alarm);
    let cleared = "SELECT count(*) FROM alarms WHERE kind = 'CALENDAR_DISAGREES' AND cleared_at IS NULL";
    assert_eq!(admin.count(cleared).await, 0, "the days are over");
}
