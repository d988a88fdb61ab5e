//! Section 9: the data vendor's endpoints and their error habits.

use serde_json::Value;

use crate::client::{Client, with_sim};

async fn ask(sim: &Client, path: &str) -> crate::client::Reply {
    let glue = if path.contains('?') { '&' } else { '?' };
    sim.raw("GET", &format!("/datav2/{path}{glue}token=live-token"), ("", "")).await.expect("an answer")
}

fn number(row: &Value, key: &str) -> f64 {
    row[key].as_f64().unwrap_or_else(|| panic!("{key}: {row}"))
}

#[tokio::test]
async fn s9_a_row_holds_call_and_put_and_both_agree_with_the_broker() {
    with_sim(async |sim| {
        let rows = ask(&sim, "live/strikes?ticker=SPY").await.json()["data"].as_array().unwrap().clone();
        let fits = |r: &&Value| r["expirDate"] == "2026-09-18" && r["strike"].as_f64() == Some(600.0);
        let row = rows.iter().find(fits).expect("the strike");
        assert_eq!((row["ticker"].as_str(), row["tradeDate"].as_str(), row["dte"].as_i64()), (Some("SPY"), Some("2026-09-10"), Some(9)));
        let needed = "stockPrice,spotPrice,callVolume,callOpenInterest,callBidSize,callAskSize,callBidPrice,callValue,callAskPrice,callBidIv,\
            callMidIv,callAskIv,putVolume,putOpenInterest,putBidSize,putAskSize,putBidPrice,putValue,putAskPrice,putBidIv,putMidIv,putAskIv,\
            smvVol,residualRate,delta,gamma,theta,driftlessTheta,vega,rho,phi,expiryTod,quoteDate,updatedAt,snapShotEstTime,snapShotDate";
        for key in needed.split(',').map(str::trim) {
            assert!(row.get(key).is_some(), "{key}: {row}");
        }
        assert!((0.0..=1.0).contains(&number(row, "delta")), "the call's delta");
        let parity = number(row, "callValue") - number(row, "putValue");
        assert!((parity - (number(row, "stockPrice") - 600.0)).abs() < 2.0, "parity within carry: {row}");
        assert!(row["updatedAt"].as_str().unwrap().ends_with('Z') && row["snapShotEstTime"] == "1014", "{row}");
    })
    .await;
}

#[tokio::test]
async fn s9_live_is_seconds_old_and_the_rest_a_quarter_of_an_hour() {
    with_sim(async |sim| {
        let first = async |path: &str| ask(&sim, path).await.json()["data"][0].clone();
        let (live, late) = (first("live/strikes?ticker=SPY").await, first("strikes?ticker=SPY").await);
        assert!(live["quoteDate"].as_str() > Some("2026-09-10T14:14:50Z"), "{live}");
        assert!(late["quoteDate"].as_str() <= Some("2026-09-10T14:00:00Z"), "{late}");
        let narrow = ask(&sim, "strikes?ticker=SPY&fields=ticker,strike&dte=5,20&delta=.30,.45").await.json();
        assert_eq!(narrow["data"][0].as_object().unwrap().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn s9_by_option_the_rows_are_per_contract_and_ten_at_most() {
    with_sim(async |sim| {
        let rows = ask(&sim, "live/strikes/options?tickers=SPY260918P00600000,SPY260918C00600000").await.json()["data"]
            .clone();
        assert_eq!(rows.as_array().map(Vec::len), Some(2));
        let put = &rows[0];
        assert_eq!(put["optionSymbol"], "SPY260918P00600000");
        assert!(number(put, "delta") < 0.0 && number(put, "bidPrice") < number(put, "askPrice"), "{put}");
        let quote = sim.get("/v1/markets/quotes?symbols=SPY260918P00600000").await.json()["quotes"]["quote"].clone();
        let middle = (number(&quote, "bid") + number(&quote, "ask")) / 2.0;
        let theirs = (number(put, "bidPrice") + number(put, "askPrice")) / 2.0;
        assert!((middle - theirs).abs() < 0.5, "seconds apart: {put} {quote}");
    })
    .await;
}

#[tokio::test]
async fn s9_one_minute_chains_are_csv_with_the_minute_before() {
    with_sim(async |sim| {
        let reply = ask(&sim, "live/one-minute/strikes/chain?ticker=SPX").await;
        assert!(reply.header("content-type").unwrap().starts_with("text/csv"), "{}", reply.head);
        let mut lines = reply.body.lines();
        let head: Vec<&str> = lines.next().unwrap().split(',').collect();
        for column in
            ["ticker", "expirDate", "strike", "callBidPrice", "putAskPrice", "expiryTod", "tickerId", "monthId"]
        {
            assert!(head.contains(&column), "{column}: {head:?}");
        }
        let rows: Vec<Vec<&str>> = lines.map(|l| l.split(',').collect()).collect();
        assert!(rows.len() > 200 && rows.iter().all(|r| r.len() == head.len()), "{}", rows.len());
        let column = |name: &str| head.iter().position(|h| *h == name).unwrap();
        let (date, tod) = (column("expirDate"), column("expiryTod"));
        let ends: std::collections::BTreeSet<&str> =
            rows.iter().filter(|r| r[date] == "2026-09-18").map(|r| r[tod]).collect();
        assert_eq!(ends.into_iter().collect::<Vec<_>>(), ["am", "pm"], "a monthly day has both");
        let past = ask(&sim, "hist/live/one-minute/strikes/chain?ticker=SPX&tradeDate=202609091030").await;
        assert!(past.body.lines().nth(1).unwrap().contains("2026-09-09"), "{}", past.head);
    })
    .await;
}

#[tokio::test]
async fn s9_strikes_as_csv_and_expirations_as_json() {
    with_sim(async |sim| {
        let csv = ask(&sim, "strikes.csv?ticker=AAPL").await;
        assert!(csv.body.starts_with("ticker,"), "{}", csv.body.lines().next().unwrap());
        let dates = ask(&sim, "live/expirations?ticker=AAPL").await.json();
        assert!(dates["data"].as_array().unwrap().len() > 5, "{dates}");
    })
    .await;
}

#[tokio::test]
async fn s9_what_is_missing_is_404_and_a_bad_token_or_path_the_web_sites_page() {
    with_sim(async |sim| {
        let missing = ["live/strikes?ticker=ZZZZ", "live/strikes/options?tickers=SPY200101C00600000", "strikes"];
        for path in missing {
            assert_eq!(ask(&sim, path).await.told(), (404, "Not Found."), "{path}");
        }
        for path in [
            "/datav2/live/strikes?ticker=SPY&token=who",
            "/datav2/live/strikes?ticker=SPY",
            "/datav2/nowhere?token=live-token",
        ] {
            let reply = sim.raw("GET", path, ("", "")).await.unwrap();
            assert!(reply.status == 200 && reply.body.starts_with('<'), "{path}: {reply:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn s9_the_token_never_reaches_the_ledger() {
    with_sim(async |sim| {
        ask(&sim, "live/expirations?ticker=AAPL").await;
        let ledger = sim.raw("GET", "/__sim/ledger", ("", "")).await.unwrap();
        assert!(
            ledger.body.contains("/datav2/live/expirations") && !ledger.body.contains("live-token"),
            "{}",
            ledger.body
        );
    })
    .await;
}
