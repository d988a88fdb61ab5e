//! A quarter of trading as the daemon would report it: every figure made from the same list of days.

use blotter_shared::domain::{AlarmId, AlarmKind, BrokerMode, Cash, Severity, TradeNumber};
use blotter_shared::protocol::alarms::Alarm;
use blotter_shared::protocol::performance::{
    BestStrategy, Breakdown, BreakdownRow, DayResult, Drawdown, EquityPoint, Figures, Performance, PerformanceQuery,
    Period, Ratios, Streaks,
};
use blotter_shared::protocol::trades::{TotalsQuery, Trade, TradeTotals};
use chrono::{Datelike, Days, NaiveDate, Weekday};
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::fixture::noon;

fn today() -> NaiveDate {
    "2026-02-20".parse().unwrap()
}

fn decimal(value: i64, scale: u32) -> Decimal {
    Decimal::new(value, scale)
}

/// Sixty weekdays up to the fixture's day, with wins, losses, scratches and quiet days.
fn days() -> Vec<DayResult> {
    let start = today() - Days::new(84);
    let dates = start.iter_days().take_while(|day| *day <= today());
    let weekdays = dates.filter(|day| !matches!(day.weekday(), Weekday::Sat | Weekday::Sun));
    let results = [142, -88, 0, 260, -45, 310, -120, -95, 75, 620, -310, 33, -12];
    let all = weekdays.zip(results.iter().cycle()).enumerate();
    let traded = all.filter(|(index, _)| index % 4 != 3);
    traded
        .map(|(_, (day, net))| DayResult {
            day,
            trades: 2,
            wins: u64::from(*net > 0),
            net: Cash(decimal(*net * 100 + 50, 2)),
        })
        .collect()
}

fn figures(nets: &[Decimal]) -> Figures {
    let count = |wanted: fn(&Decimal) -> bool| u64::try_from(nets.iter().filter(|net| wanted(net)).count()).unwrap();
    let (wins, losses) = (count(|net| *net > Decimal::ZERO), count(|net| *net < Decimal::ZERO));
    let sum = |wanted: fn(&Decimal) -> bool| nets.iter().filter(|net| wanted(net)).sum::<Decimal>();
    let (won, lost) = (sum(|net| *net > Decimal::ZERO), sum(|net| *net < Decimal::ZERO));
    let trades = u64::try_from(nets.len()).unwrap();
    let over = |a: Decimal, b: Decimal| a.checked_div(b).map(|ratio| ratio.round_dp(4));
    Figures {
        trades,
        wins,
        losses,
        scratches: trades - wins - losses,
        net: Cash(won + lost),
        fees: Cash(decimal(130, 2) * Decimal::from(trades)),
        won: Cash(won),
        lost: Cash(lost),
        win_rate: over(Decimal::from(wins * 100), Decimal::from(wins + losses)),
        scratch_rate: over(Decimal::from((trades - wins - losses) * 100), Decimal::from(trades)),
        profit_factor: over(won, -lost),
        average_win: over(won, Decimal::from(wins)).map(Cash),
        average_loss: over(lost, Decimal::from(losses)).map(Cash),
        payoff: over(won * Decimal::from(losses), -lost * Decimal::from(wins)),
        break_even_win_rate: over(
            -lost * Decimal::from(wins * 100),
            won * Decimal::from(losses) - lost * Decimal::from(wins),
        ),
        expectancy: over(won + lost, Decimal::from(trades)).map(Cash),
        r_trades: trades,
        expectancy_r: over(won + lost, Decimal::from(trades * 200)),
        best: nets.iter().max().map(|net| Cash(*net)),
        worst: nets.iter().min().map(|net| Cash(*net)),
        r_distribution: [0, losses / 3, losses - losses / 3, 2, wins / 2, wins / 4, wins / 5, 1],
        ..Figures::default()
    }
}

fn equity(days: &[DayResult]) -> Vec<EquityPoint> {
    let (mut net, mut peak) = (Decimal::ZERO, Decimal::ZERO);
    let point = |day: &DayResult| {
        net += day.net.0;
        peak = peak.max(net);
        EquityPoint { day: day.day, net: Cash(net), peak: Cash(peak) }
    };
    days.iter().map(point).collect()
}

fn buckets(by: Breakdown) -> &'static [&'static str] {
    match by {
        Breakdown::Strategy => {
            &["momentum", "reversal", "", "a strategy whose name is as long as the column allows it to be"]
        }
        Breakdown::Ticker => {
            &["NVDA", "SPY", "AMD", "TSLA", "AAPL", "QQQ", "META", "IWM", "GOOG", "NFLX", "COIN", "MSFT"]
        }
        Breakdown::Side => &["CALL", "PUT"],
        Breakdown::Weekday => &["Mon", "Tue", "Wed", "Thu", "Fri"],
        Breakdown::Hour => &["09:00", "10:00", "13:00"],
        Breakdown::ExitHour => &["10:00", "11:00", "15:00"],
        Breakdown::Week => &["2026-W12", "2026-W11", "2026-W10"],
        Breakdown::Month => &["2026-03", "2026-02", "2026-01"],
        Breakdown::Turn => &["first of the day", "after a win", "after a loss", "beside others"],
        Breakdown::DaysToExpiry => &["0", "2-7", "8-30"],
        Breakdown::Delta => &[".20-.34", ".35-.49", ".50-.64"],
        Breakdown::Held => &["<15m", "1-4h", "1-7d"],
        Breakdown::Verdict => &["BUY", ""],
        Breakdown::Reason => &["TP_HIT", "SL_HIT", "EXPIRED"],
    }
}

fn rows(by: Breakdown, days: &[DayResult]) -> Vec<BreakdownRow> {
    let names = buckets(by);
    let nets = |index: usize| -> Vec<Decimal> {
        days.iter().enumerate().filter(|(n, _)| n % names.len() == index).map(|(_, day)| day.net.0).collect()
    };
    let row =
        |(index, name): (usize, &&str)| BreakdownRow { bucket: (*name).to_owned(), figures: figures(&nets(index)) };
    let mut rows: Vec<BreakdownRow> = names.iter().enumerate().map(row).filter(|row| row.figures.trades > 0).collect();
    let by_result = [Breakdown::Strategy, Breakdown::Ticker, Breakdown::Side, Breakdown::Verdict, Breakdown::Reason];
    if by_result.contains(&by) {
        rows.sort_by_key(|row| std::cmp::Reverse(row.figures.net));
    }
    rows
}

/// What a daemon answers that has these closed trades: nothing without any.
pub(crate) fn performance(query: PerformanceQuery, closed: &[Trade]) -> Performance {
    let (period, by) = (query.period.unwrap_or(Period::All), query.by.unwrap_or(Breakdown::Strategy));
    let back = match period {
        Period::Week => Some(6),
        Period::Month => Some(29),
        Period::Quarter => Some(89),
        Period::YearToDate => Some(50),
        Period::All => None,
    };
    let from = back.map(|back| today() - Days::new(back));
    let mut days = if closed.is_empty() { vec![] } else { days() };
    days.retain(|day| from.is_none_or(|from| day.day >= from));
    let mut answer = of_days(query.mode.unwrap_or(BrokerMode::Sandbox), (period, from), by, days);
    let untold = untold(closed.iter());
    answer.figures.fees_untold = if untold == count(closed) { answer.figures.trades } else { untold };
    answer
}

fn count<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap()
}

/// How many of them have a result and no fees.
fn untold<'a>(trades: impl Iterator<Item = &'a Trade>) -> u64 {
    let closes = trades.filter_map(|trade| trade.close.as_ref());
    u64::try_from(closes.filter(|close| close.realized_pnl.is_some() && close.fees.is_none()).count()).unwrap()
}

/// The answer whose trades are one a day.
pub(crate) fn of_days(
    mode: BrokerMode,
    (period, from): (Period, Option<NaiveDate>),
    by: Breakdown,
    days: Vec<DayResult>,
) -> Performance {
    let nets: Vec<Decimal> = days.iter().map(|day| day.net.0).collect();
    let equity = equity(&days);
    let deepest = equity.iter().map(|point| point.peak.0 - point.net.0).max().unwrap_or_default();
    let rows = if days.is_empty() { vec![] } else { rows(by, &days) };
    let best = rows.first().filter(|row| row.figures.net.0 > Decimal::ZERO);
    Performance {
        mode,
        period,
        from,
        today: today(),
        figures: figures(&nets),
        drawdown: Drawdown {
            deepest: Cash(deepest),
            deepest_pct: Some((deepest / decimal(250, 0)).round_dp(2)),
            ..fall(&equity)
        },
        streaks: Streaks { current: -2, longest_win: 5, longest_loss: 3, ..Streaks::default() },
        ratios: Ratios { days: 60, sharpe: Some(decimal(148, 2)), sortino: Some(decimal(21, 1)), ..Ratios::default() },
        starting_equity: Cash(decimal(25_000, 0)),
        equity,
        best_strategy: best.map(|row| BestStrategy {
            strategy: "momentum".to_owned(),
            trades: row.figures.trades,
            net: row.figures.net,
        }),
        days,
        by,
        rows,
        rows_left_out: 0,
    }
}

/// The deepest fall of the days.
fn fall(equity: &[EquityPoint]) -> Drawdown {
    let depth = |point: &EquityPoint| point.peak.0 - point.net.0;
    let Some(deepest) = equity.iter().map(depth).max().filter(|depth| *depth > Decimal::ZERO) else {
        return Drawdown::default();
    };
    let bottom = equity.iter().position(|point| depth(point) == deepest).unwrap();
    let peak = equity[..bottom].iter().rposition(|point| depth(point).is_zero()).unwrap_or(0);
    Drawdown {
        peak_on: Some(equity[peak].day),
        bottom_on: Some(equity[bottom].day),
        days_down: Some(u32::try_from(bottom - peak).unwrap()),
        ..Drawdown::default()
    }
}

/// What a daemon answers about these trades; `rows` when there are more than those.
pub(crate) fn totals(query: &TotalsQuery, closed: &[Trade], rows: Option<u64>) -> TradeTotals {
    let term = query.q.clone().unwrap_or_default().to_lowercase();
    let found = closed.iter().filter(|trade| trade.ticker.to_lowercase().contains(&term));
    let fees_untold = untold(found.clone());
    let results: Vec<Cash> = found.filter_map(|trade| trade.close.as_ref()?.realized_pnl).collect();
    let count = |wanted: fn(&Cash) -> bool| u64::try_from(results.iter().filter(|cash| wanted(cash)).count()).unwrap();
    TradeTotals {
        rows: rows.unwrap_or(count(|_| true)),
        trades: rows.unwrap_or(count(|_| true)),
        wins: count(|cash| cash.0 > Decimal::ZERO),
        losses: count(|cash| cash.0 < Decimal::ZERO),
        net: results.iter().fold(Cash::ZERO, |sum, cash| sum + *cash),
        fees_untold,
    }
}

/// Positions that are held without a stop call for a person.
pub(crate) fn alarm() -> Alarm {
    Alarm {
        id: AlarmId(Uuid::from_u128(77)),
        kind: AlarmKind::Naked,
        severity: Severity::Page,
        trade_id: None,
        trade_number: Some(TradeNumber(11)),
        message: "#11 SPY 600 C is held without a stop for 41 s. Set a stop below the bid.".to_owned(),
        raised_at: noon(),
        acked_at: None,
        cleared_at: None,
    }
}
