//! Charts of many days, however the days are stored.

use blotter_daemon::db::prices::Mark;
use blotter_daemon::prices::chart::{Chart, chart};
use blotter_daemon::prices::outline::MARKS;
use blotter_daemon::prices::retention::{Tidied, history};
use blotter_shared::domain::TradeId;
use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;

use super::rig::{CALL, Rig};
use crate::support::user;

/// Eleven sessions of a hundred prices, the best and the worst of each at another minute; every tenth is stale.
const DAYS: &str = "
    INSERT INTO price_snapshots (username, trade_id, ts, session_date, mark_price, mark_kind, bid, ask, source, quality)
    SELECT 'ann', $T$, day + minute * interval '3 min', day::date, mark, 'MID', mark - 0.1, mark + 0.1, 'SIM',
           CASE WHEN minute % 10 = 9 THEN 'STALE' ELSE 'GOOD' END
      FROM generate_series('2026-07-06 14:00+00'::timestamptz, '2026-07-21', interval '1 day') AS day,
           generate_series(0, 99) AS minute,
           LATERAL (SELECT 5 + CASE minute WHEN 31 + extract(day FROM day)::int THEN 3
                                           WHEN 61 + extract(day FROM day)::int THEN -3
                                           ELSE (minute * 7 % 11) / 10.0 END AS mark) AS of_it
     WHERE extract(isodow FROM day) < 6";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

async fn drawn(rig: &Rig, trade: TradeId, span: (DateTime<Utc>, DateTime<Utc>), width: usize) -> Chart {
    let tx = rig.recorder.db.user_tx(&user("ann")).await.unwrap();
    chart(&tx, trade, span, width).await.unwrap()
}

/// What is recorded and fit to be shown, read another way.
async fn recorded(rig: &Rig, trade: TradeId, span: (DateTime<Utc>, DateTime<Utc>)) -> Vec<(NaiveDate, Mark)> {
    let tx = rig.recorder.db.user_tx(&user("ann")).await.unwrap();
    let rows = history(&tx, trade, span).await.unwrap().into_iter().filter(|row| row.quality.is_shown());
    let mark = |row: blotter_daemon::db::prices::PriceRow| {
        let price_e4 = (row.mark? * Decimal::from(10_000)).try_into().ok()?;
        Some((row.session_date, Mark { at: row.ts, price_e4, quality: row.quality }))
    };
    rows.filter_map(mark).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chart_is_the_same_before_and_after_its_days_are_packed() {
    let rig = Rig::start("2026-07-21T21:00:00Z").await;
    let trade = rig.hold_since(1, CALL, "2026-07-06 13:40+00").await;
    rig.admin.batch_execute(&DAYS.replace("$T$", &format!("'{}'", trade.0))).await.unwrap();
    let span = (at("2026-07-01T00:00:00Z"), at("2026-08-01T00:00:00Z"));
    // It begins and ends in the middle of a day.
    let part = (at("2026-07-07T15:30:00Z"), at("2026-07-20T16:00:00Z"));
    let draw = async || {
        let mut charts = Vec::new();
        for (span, width) in [(span, 40), (span, 120), (span, 132), (span, 133), (span, 1000), (part, 60)] {
            let chart = drawn(&rig, trade, span, width).await;
            let marks = recorded(&rig, trade, span).await;
            assert_eq!(usize::try_from(chart.recorded).unwrap(), marks.len(), "{width} wide");
            assert_eq!(chart.points.len(), width.min(marks.len()));
            let is_recorded = |at: DateTime<Utc>, price: Decimal| {
                marks.iter().any(|(_, mark)| mark.at == at && Decimal::new(mark.price_e4, 4) == price)
            };
            assert!(chart.points.iter().all(|point| is_recorded(point.at, point.mark)), "{width} wide: {chart:?}");
            charts.push(chart);
        }
        charts
    };
    let whole = draw().await;
    for extreme in [8, 2] {
        let is_drawn = |chart: &Chart| chart.points.iter().any(|point| point.mark == Decimal::from(extreme));
        assert!(whole.iter().all(is_drawn), "{extreme} is lost: {whole:#?}");
    }
    rig.set("2026-07-30T21:00:00Z");
    let packed = rig.retention.tidy().await.unwrap();
    assert_eq!((packed.packed, packed.outlined), (11, 0));
    assert_eq!(draw().await, whole, "packed");

    // As they were packed before there were outlines.
    rig.admin.batch_execute("UPDATE price_days SET outline = NULL").await.unwrap();
    assert_eq!(draw().await, whole, "without outlines");
    assert_eq!(rig.retention.tidy().await.unwrap(), Tidied { outlined: 11, ..Tidied::default() });
    assert_eq!(draw().await, whole, "with outlines again");
    assert_eq!(rig.retention.tidy().await.unwrap(), Tidied::default(), "once");
    let bytes = "SELECT max(octet_length(outline)) FROM price_days";
    assert!(rig.text(bytes).await.parse::<usize>().unwrap() < MARKS * 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_that_cannot_be_read_fails_its_chart_and_holds_up_no_other_outline() {
    let rig = Rig::start("2026-07-30T21:00:00Z").await;
    let trade = rig.hold_since(1, CALL, "2026-07-06 13:40+00").await;
    rig.admin.batch_execute(&DAYS.replace("$T$", &format!("'{}'", trade.0))).await.unwrap();
    assert_eq!(rig.retention.tidy().await.unwrap().packed, 11);
    let spoilt = "UPDATE price_days SET outline = NULL, packed = CASE session_date WHEN '2026-07-08' THEN '\\x09' ELSE packed END";
    rig.admin.batch_execute(spoilt).await.unwrap();
    assert_eq!(rig.retention.tidy().await.unwrap().outlined, 10);
    let tx = rig.recorder.db.user_tx(&user("ann")).await.unwrap();
    let spans = [("2026-07-01T00:00:00Z", false), ("2026-07-09T00:00:00Z", true)];
    for (from, readable) in spans {
        let read = chart(&tx, trade, (at(from), at("2026-08-01T00:00:00Z")), 40).await;
        assert_eq!(read.is_ok(), readable, "from {from}: {read:?}");
    }
}
