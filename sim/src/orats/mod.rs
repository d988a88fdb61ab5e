//! Section 9 of the reference: ORATS' data API, with its own habits: the token in the query, rows of a call and a put
//! together, 404 `Not Found.` for what is not there, the web site's page for a bad token.

mod option;
mod row;

use http::StatusCode;

use crate::app::Sim;
use crate::core::{Contract, Symbol};
use crate::market::Market;
use crate::pipeline::Call;
use crate::time::{MINUTE, Ms, SECOND};
use crate::wire::{Answer, Body, html_page};
use option::option_row;
use row::{Moment, row};

/// A row: column and value.
pub(crate) type Row = Vec<(&'static str, serde_json::Value)>;

/// Answers `/datav2/…`.
pub(crate) fn answer(sim: &mut Sim, call: &Call) -> Answer {
    let path = call.path.trim_start_matches("/datav2/").trim_matches('/');
    let (path, csv) = path.strip_suffix(".csv").map_or((path, false), |p| (p, true));
    let now = sim.now();
    let mut market = sim.market.lock();
    let live = path.contains("live/");
    let seen = if live { now.plus(-4 * SECOND) } else { now.plus(-15 * MINUTE) };
    let moment = Moment::new(seen, now);
    let derived = path.starts_with("live/derived/");
    let endpoint = path.trim_start_matches("hist/").trim_start_matches("live/").trim_start_matches("derived/");
    let found = match endpoint {
        "strikes" => chain(&mut market, call, &moment, Span::All),
        "strikes/monthly" => chain(&mut market, call, &moment, Span::Expiries),
        "strikes/options" => options(&mut market, call, &moment),
        "expirations" => return rendered(expirations(&mut market, call, now), csv),
        "one-minute/strikes/chain" => one_minute(&mut market, call, (&moment, path.starts_with("hist/"))),
        "one-minute/strikes/option" => one_minute_option(&mut market, call, &moment),
        "summaries" => summaries(&mut market, call, &moment),
        _ => return html_page(StatusCode::OK),
    };
    let found = if derived { found.map(without_market) } else { found };
    rendered(found, csv || endpoint.starts_with("one-minute/"))
}

fn not_found() -> Answer {
    Answer::text(StatusCode::NOT_FOUND, "Not Found.")
}

/// Rows as JSON or CSV; nothing is a 404.
fn rendered(rows: Option<Vec<Row>>, csv: bool) -> Answer {
    let Some(rows) = rows.filter(|r| !r.is_empty()) else { return not_found() };
    if csv {
        return Answer::new(StatusCode::OK, Body::Csv(to_csv(&rows)));
    }
    let objects: Vec<serde_json::Value> = rows
        .into_iter()
        .map(|r| r.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<serde_json::Map<_, _>>().into())
        .collect();
    Answer::new(StatusCode::OK, Body::Json(serde_json::json!({ "data": objects }).to_string()))
}

fn to_csv(rows: &[Row]) -> String {
    let head: Vec<&str> = rows.first().map(|r| r.iter().map(|(k, _)| *k).collect()).unwrap_or_default();
    let mut text = head.join(",") + "\n";
    for row in rows {
        let cells: Vec<String> =
            row.iter().map(|(_, v)| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect();
        text += &cells.join(",");
        text.push('\n');
    }
    text
}

#[derive(Clone, Copy)]
enum Span {
    All,
    Expiries,
}

fn tickers(call: &Call) -> Vec<Symbol> {
    let mut all = call.params.symbols("ticker");
    if all.is_empty() {
        all = call.params.symbols("tickers");
    }
    all.truncate(10);
    all.iter().map(|t| Symbol::new(t)).collect()
}

/// The expiries and deltas that a request narrows to.
struct Narrow {
    dte: Option<(i64, i64)>,
    delta: Option<(f64, f64)>,
    expiries: Vec<String>,
}

impl Narrow {
    fn read(call: &Call) -> Self {
        let pair = |name: &str| -> Option<(f64, f64)> {
            let (low, high) = call.params.get(name)?.split_once(',')?;
            Some((low.trim().parse().unwrap_or(f64::MIN), high.trim().parse().unwrap_or(f64::MAX)))
        };
        let whole = |value: f64| crate::market::int(value);
        Self {
            dte: pair("dte").map(|(a, b)| (whole(a), whole(b))),
            delta: pair("delta"),
            expiries: call.params.symbols("expiry"),
        }
    }
}

fn chain(market: &mut Market, call: &Call, moment: &Moment, span: Span) -> Option<Vec<Row>> {
    let narrow = Narrow::read(call);
    if matches!(span, Span::Expiries) && narrow.expiries.is_empty() {
        return None;
    }
    let mut rows = Vec::new();
    for ticker in tickers(call) {
        rows.extend(rows_of(market, &ticker, moment, &narrow));
    }
    let fields = call.params.get("fields").map(|f| f.split(',').map(|s| s.trim().to_owned()).collect::<Vec<_>>());
    if let Some(fields) = fields {
        for row in &mut rows {
            row.retain(|(k, _)| fields.iter().any(|f| f == k));
        }
    }
    Some(rows)
}

fn rows_of(market: &mut Market, ticker: &Symbol, moment: &Moment, narrow: &Narrow) -> Vec<Row> {
    let mut rows = Vec::new();
    for expiration in market.expirations(ticker, moment.seen) {
        let dte = (expiration.date - moment.date()).num_days() + 1;
        let wanted = narrow.expiries.is_empty() || narrow.expiries.contains(&expiration.date.to_string());
        if !wanted || narrow.dte.is_some_and(|(low, high)| dte < low || dte > high) {
            continue;
        }
        let Some(listing) = market.listing(ticker, expiration.date, moment.seen) else { continue };
        for strike_mils in listing.strikes {
            for root in &listing.roots {
                let made = row(market, ticker, (root, expiration, strike_mils), moment);
                let inside = |r: &Row| {
                    narrow.delta.is_none_or(|(low, high)| number(r, "delta").is_some_and(|d| d >= low && d <= high))
                };
                rows.extend(made.filter(inside));
            }
        }
    }
    rows
}

fn number(row: &Row, name: &str) -> Option<f64> {
    row.iter().find(|(k, _)| *k == name).and_then(|(_, v)| v.as_f64())
}

/// Rows for single contracts: another shape than the chain's.
fn options(market: &mut Market, call: &Call, moment: &Moment) -> Option<Vec<Row>> {
    let mut symbols = call.params.symbols("tickers");
    if symbols.is_empty() {
        symbols = call.params.symbols("ticker");
    }
    symbols.truncate(10);
    Some(symbols.iter().filter_map(|s| option_row(market, &Symbol::new(s), moment)).collect())
}

fn expirations(market: &mut Market, call: &Call, now: Ms) -> Option<Vec<Row>> {
    let with_strikes = call.params.is_true("include");
    let mut rows = Vec::new();
    for ticker in tickers(call) {
        for expiration in market.expirations(&ticker, now) {
            let mut row: Row =
                vec![("ticker", ticker.as_str().into()), ("expirDate", expiration.date.to_string().into())];
            if with_strikes {
                let strikes = market.listing(&ticker, expiration.date, now).map(|l| l.strikes).unwrap_or_default();
                row.push(("strikes", strikes.into_iter().map(|m| f64::from(m) / 1_000.0).collect::<Vec<_>>().into()));
            }
            rows.push(row);
        }
    }
    Some(rows)
}

/// The chain at a whole minute; the one asked for, or the last one.
fn one_minute(market: &mut Market, call: &Call, (moment, historical): (&Moment, bool)) -> Option<Vec<Row>> {
    let at = if historical {
        read_minute(call.params.get("tradeDate")?)?
    } else {
        Ms(moment.seen.0 - moment.seen.0 % MINUTE)
    };
    if at > moment.seen {
        return None;
    }
    let moment = Moment::new(at, at.plus(SECOND));
    let none = Narrow { dte: None, delta: None, expiries: Vec::new() };
    let mut rows = Vec::new();
    for ticker in tickers(call) {
        rows.extend(rows_of(market, &ticker, &moment, &none));
    }
    Some(rows.into_iter().map(with_ids).collect())
}

/// `202609101003`, in New York.
fn read_minute(text: &str) -> Option<Ms> {
    chrono::NaiveDateTime::parse_from_str(text.get(..12)?, "%Y%m%d%H%M").ok().map(Ms::from_et)
}

fn with_ids(mut row: Row) -> Row {
    row.push(("tickerId", 1.into()));
    row.push(("monthId", 1.into()));
    row
}

/// One strike of one expiry: the OPRA symbol without its side.
fn one_minute_option(market: &mut Market, call: &Call, moment: &Moment) -> Option<Vec<Row>> {
    let text = call.params.get("ticker")?.to_ascii_uppercase();
    let at = text.len().checked_sub(8)?;
    let (head, strike) = text.split_at_checked(at)?;
    let contract = Contract::parse(&format!("{head}C{strike}"))?;
    let ticker = contract.underlying();
    let expiration = market.expirations(&ticker, moment.seen).into_iter().find(|e| e.date == contract.expiry)?;
    let moment = Moment::new(Ms(moment.seen.0 - moment.seen.0 % MINUTE), moment.now);
    let roots = market.listing(&ticker, contract.expiry, moment.seen)?.roots;
    Some(
        roots
            .iter()
            .filter_map(|root| row(market, &ticker, (root, expiration, contract.strike_mils), &moment))
            .map(with_ids)
            .collect(),
    )
}

fn summaries(market: &mut Market, call: &Call, moment: &Moment) -> Option<Vec<Row>> {
    let mut rows = Vec::new();
    for ticker in tickers(call) {
        let Some(quote) = market.quote(&ticker, moment.seen) else { continue };
        let near =
            market.expirations(&ticker, moment.seen).into_iter().find(|e| (e.date - moment.date()).num_days() >= 20);
        let Some(expiration) = near else { continue };
        let chain = market.chain(&ticker, expiration.date, moment.seen);
        let middle = chain.get(chain.len() / 2).map(Contract::occ);
        let iv = middle.and_then(|s| market.option(&s, moment.seen)).map_or(0.0, |v| v.volatility());
        let price =
            serde_json::to_value(quote.touch.last.to_string().parse::<f64>().unwrap_or(0.0)).unwrap_or_default();
        rows.push(vec![
            ("ticker", ticker.as_str().into()),
            ("tradeDate", moment.date().to_string().into()),
            ("stockPrice", price),
            ("iv30d", row::rounded(iv, 4)),
            ("quoteDate", moment.stamp(0).into()),
            ("updatedAt", moment.stamp(2).into()),
        ]);
    }
    Some(rows)
}

/// The derived feed has no market fields.
fn without_market(rows: Vec<Row>) -> Vec<Row> {
    let hidden = |name: &str| ["Bid", "Ask", "Volume"].iter().any(|part| name.contains(part)) && !name.contains("Iv");
    let blank = |row: Row| {
        row.into_iter().map(|(k, v)| if hidden(k) { (k, serde_json::Value::Null) } else { (k, v) }).collect()
    };
    rows.into_iter().map(blank).collect()
}
