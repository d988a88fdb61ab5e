//! Every figure of the performance, each with what it is made of. One that needs more trades or days than
//! there are says how many it needs.

use std::borrow::Cow;

use blotter_shared::domain::Cash;
use blotter_shared::protocol::performance::{
    Drawdown, ENOUGH_DAYS, ENOUGH_DAYS_OF_A_YEAR, ENOUGH_FOR_INTERVAL, ENOUGH_FOR_TWENTIETHS, ENOUGH_TRADES, Figures,
    IntervalKind, Paths, Performance, Spread,
};
use ratatui::layout::Rect;
use rust_decimal::Decimal;

use crate::format;
use crate::model::Model;
use crate::panes::performance::model::period_name;
use crate::theme::Role;
use crate::widgets::canvas::{Canvas, centred, line};
use crate::widgets::text;

/// A line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    Title(&'static str),
    Figure { name: Cow<'static, str>, value: String, note: String },
    Words(String),
}

/// Cells of the list inside of its frame.
#[must_use]
pub fn width(screen: u16) -> u16 {
    90.min(screen).saturating_sub(4)
}

#[must_use]
pub fn lines(model: &Model, width: u16) -> Vec<Line> {
    let Some(data) = &model.performance.data else {
        return vec![Line::Words("The figures have not come yet.".to_owned())];
    };
    let mut lines = outcome(data);
    lines.extend(spread_lines(model, width));
    lines.extend(risk(data));
    lines.extend(sequence(data));
    lines
}

fn figure(name: impl Into<Cow<'static, str>>, value: String, note: impl Into<String>) -> Line {
    Line::Figure { name: name.into(), value, note: note.into() }
}

fn or_unknown<T>(value: Option<T>, words: impl Fn(T) -> String) -> String {
    value.map_or_else(|| format::UNKNOWN.to_owned(), words)
}

fn cash(value: Option<Cash>) -> String {
    or_unknown(value, |cash| format::signed_money(cash.0))
}

fn number(value: Option<Decimal>) -> String {
    or_unknown(value, |value| format!("{:.2}", value.round_dp(2)))
}

fn percent(value: Option<Decimal>) -> String {
    or_unknown(value, |value| format!("{:.1} %", value.round_dp(1)))
}

fn hours(value: Option<Decimal>) -> String {
    or_unknown(value, |value| format!("{:.1} h", value.round_dp(1)))
}

/// What a figure is, or how many more it needs.
fn needs(value: Option<Decimal>, what: &str, (have, least, unit): (u64, u16, &str)) -> String {
    match value {
        None if have < u64::from(least) => format!("{have} of {least} {unit}"),
        Some(_) | None => what.to_owned(),
    }
}

fn outcome(data: &Performance) -> Vec<Line> {
    let figures = &data.figures;
    let counts = format!("{} won, {} lost, {} scratched", figures.wins, figures.losses, figures.scratches);
    let factor = match figures.profit_factor {
        Some(factor) => format!("{:.2}", factor.round_dp(2)),
        None if figures.wins > 0 => "∞".to_owned(),
        None => format::UNKNOWN.to_owned(),
    };
    vec![
        Line::Title("Outcome"),
        figure("Net P&L", format::signed_money(figures.net.0), after_fees(figures)),
        figure("Trades", figures.trades.to_string(), counts),
        figure("Win rate", percent(figures.win_rate), "of wins and losses; scratches are not among them"),
        figure("Scratches", percent(figures.scratch_rate), "of all"),
        figure("Break-even rate", percent(figures.break_even_win_rate), "win rate at which this payoff gains nothing"),
        figure("Profit factor", factor, "won to lost"),
        figure("Payoff", number(figures.payoff), "average win to average loss"),
        figure("Average win", cash(figures.average_win), ""),
        figure("Average loss", cash(figures.average_loss), ""),
        figure("Best, worst", format!("{}, {}", cash(figures.best), cash(figures.worst)), ""),
        figure("Expectancy", cash(figures.expectancy), "a trade"),
        figure("Expectancy R", number(figures.expectancy_r), format!("over {} with a stop at entry", figures.r_trades)),
        figure("Fee drag", percent(figures.fee_drag), "of what winners brought before fees"),
    ]
}

/// Of how many trades the fees are in it.
fn after_fees(figures: &Figures) -> String {
    let told = format::money(figures.fees.0);
    match figures.fees_untold {
        0 => format!("after {told} of fees"),
        all if all == figures.trades => "before fees: nobody has told them".to_owned(),
        some => format!("after {told} of fees, {some} not told"),
    }
}

fn spread_lines(model: &Model, width: u16) -> Vec<Line> {
    let wanted = model.performance.spread_query();
    let known = model.performance.spread.as_ref().filter(|(query, _)| *query == wanted);
    let title = Line::Title("How results lie");
    match known {
        Some((_, Ok(spread))) => [title].into_iter().chain(of_spread(spread)).chain(of_paths(&spread.paths)).collect(),
        Some((_, Err(trouble))) => {
            let words = text::wrap(&format!("Not known: {}", text::clean(trouble)), width);
            [title].into_iter().chain(words.into_iter().map(Line::Words)).collect()
        }
        None => vec![title, Line::Words("The daemon looks at each trade …".to_owned())],
    }
}

fn of_spread(spread: &Spread) -> Vec<Line> {
    let n = spread.trades;
    let interval = match spread.interval {
        IntervalKind::Bootstrap => format!("95 % of 10,000 resamples of {n} trades"),
        IntervalKind::Normal => format!("95 %, from the deviation of {n} trades"),
    };
    let low = spread.expectancy_low.map(|cash| cash.0);
    let both = |low: Option<Cash>, high: Option<Cash>| match (low, high) {
        (Some(low), Some(high)) => format!("{} … {}", format::signed_money(low.0), format::signed_money(high.0)),
        (_, _) => format::UNKNOWN.to_owned(),
    };
    vec![
        figure("Median trade", cash(spread.median), "half are above, half below"),
        figure(
            "5 % and 95 %",
            both(spread.low, spread.high),
            needs(spread.low.map(|cash| cash.0), "every twentieth is beyond", (n, ENOUGH_FOR_TWENTIETHS, "trades")),
        ),
        figure(
            "Expectancy lies",
            both(spread.expectancy_low, spread.expectancy_high),
            needs(low, &interval, (n, ENOUGH_FOR_INTERVAL, "trades")),
        ),
        figure("Best three", percent(spread.best_three), "of all that was won"),
        figure(
            "K-ratio",
            number(spread.k_ratio),
            needs(spread.k_ratio, "slope to its error, not divided by n", (n, ENOUGH_FOR_INTERVAL, "trades")),
        ),
        figure("Median held", hours(spread.held_hours), {
            let (won, lost) = (hours(spread.held_hours_winners), hours(spread.held_hours_losers));
            format!("winners {won}, losers {lost}")
        }),
    ]
}

fn risk(data: &Performance) -> Vec<Line> {
    let (ratios, drawdown, days) = (&data.ratios, &data.drawdown, data.ratios.days);
    let of_days = |value, what: &str, least| needs(value, what, (days, least, "days"));
    let fall = format::signed_money(-drawdown.deepest.0);
    let share = drawdown.deepest_pct.map(|part| format!("{} of equity", format::percent(-part))).unwrap_or_default();
    let trades = |value, what: &str, have| needs(value, what, (have, ENOUGH_TRADES, "trades"));
    let r_trades = data.figures.r_trades;
    vec![
        Line::Title("Risk"),
        figure("Max drawdown", fall, share),
        figure(
            "Drawdown now",
            format::signed_money(-drawdown.current.0),
            format!("longest: {} days", drawdown.longest_days),
        ),
        figure("Deepest days", fell_on(drawdown), fell_for(drawdown)),
        figure("Recovery", number(drawdown.recovery_factor), "net to the deepest fall"),
        figure("Sharpe", number(ratios.sharpe), of_days(ratios.sharpe, "a year, of daily returns", ENOUGH_DAYS)),
        figure(
            "Sortino",
            number(ratios.sortino),
            of_days(ratios.sortino, "falls alone; every day counts", ENOUGH_DAYS),
        ),
        figure(
            "Sharpe above 0",
            percent(ratios.probabilistic_sharpe),
            of_days(ratios.probabilistic_sharpe, "how sure, by skew and tails", ENOUGH_DAYS),
        ),
        figure(
            "Ulcer index",
            number(ratios.ulcer),
            of_days(ratios.ulcer, "root mean square of the falls, %", ENOUGH_DAYS),
        ),
        figure(
            "Growth a year",
            percent(ratios.annual_growth),
            of_days(ratios.annual_growth, "if it went on", ENOUGH_DAYS_OF_A_YEAR),
        ),
        figure(
            "Calmar",
            number(ratios.calmar),
            of_days(ratios.calmar, "growth to the deepest daily fall", ENOUGH_DAYS_OF_A_YEAR),
        ),
        figure("SQN", number(ratios.sqn), trades(ratios.sqn, &sqn_band(ratios.sqn), r_trades)),
        figure("Half Kelly", percent(ratios.half_kelly), trades(ratios.half_kelly, "of equity", data.figures.trades)),
        figure("t of the mean", number(ratios.t_statistic), "beyond 2 chance is unlikely"),
    ]
}

/// From the peak to the bottom, by the ends of days.
fn fell_on(drawdown: &Drawdown) -> String {
    let Some(bottom) = drawdown.bottom_on else { return format::UNKNOWN.to_owned() };
    let peak = drawdown.peak_on.map_or_else(|| "the start".to_owned(), |day| day.to_string());
    format!("{peak} → {bottom}")
}

fn fell_for(drawdown: &Drawdown) -> String {
    let Some(down) = drawdown.days_down else { return String::new() };
    match (drawdown.recovered_on, drawdown.days_under) {
        (Some(day), Some(under)) => format!("{down} days down, back on {day} after {under}"),
        (_, _) => format!("{down} days down, not back yet"),
    }
}

/// What was on the way, as far as prices were recorded.
fn of_paths(paths: &Paths) -> Vec<Line> {
    let n = paths.trades;
    let thin = match paths.thin {
        0 => format!("median of {n}, before fees"),
        thin => format!("median of {n}; prices of {thin} have gaps"),
    };
    let bid = percent(paths.exit_efficiency_bid);
    let mut lines = vec![
        Line::Title("What there was to be had"),
        figure("Exit efficiency", percent(paths.exit_efficiency), thin),
        figure("… at the bid", bid, "what could really have been had"),
        figure("Given back", cash(paths.given_back), format!("{} of the best of each was kept", percent(paths.kept))),
        figure("After the exit", percent(paths.post_exit), "best of the next two hours, of the cost"),
    ];
    let (won, lost) = (paths.winners, paths.losers);
    lines.extend(paths.stops.iter().map(|stop| {
        let value = format!("{} | {}", percent(stop.winners), percent(stop.losers));
        let note = format!("of {won} winners behind | of {lost} losers ahead");
        figure(format!("{:.2} R away", stop.at_r), value, note)
    }));
    lines.push(figure("Entry slippage", cash(paths.slippage), format!("above the middle, mean of {}", paths.entries)));
    lines
}

/// The bands that Tradervue documents.
fn sqn_band(sqn: Option<Decimal>) -> String {
    let Some(sqn) = sqn else { return String::new() };
    let tenths =
        [(16, "poor"), (20, "below average"), (25, "average"), (30, "good"), (50, "excellent"), (70, "superb")];
    let band = tenths.iter().find(|(bound, _)| sqn < Decimal::new(*bound, 1));
    band.map_or("too good: check the data", |(_, name)| name).to_owned()
}

fn sequence(data: &Performance) -> Vec<Line> {
    let (streaks, figures) = (&data.streaks, &data.figures);
    let now = match streaks.current {
        0 => format::UNKNOWN.to_owned(),
        wins @ 1.. => format!("{wins} won"),
        losses => format!("{} lost", losses.unsigned_abs()),
    };
    let most = format!("most {} won, {} lost; a scratch does not count", streaks.longest_win, streaks.longest_loss);
    let decided = figures.wins + figures.losses;
    let enough = |value, what: &str| needs(value, what, (decided, ENOUGH_TRADES, "decided"));
    vec![
        Line::Title("Time and sequence"),
        figure("In a row", now, most),
        figure(
            "Losses to expect",
            or_unknown(streaks.expected_longest_loss, |runs| format!("{:.0}", runs.round())),
            enough(streaks.expected_longest_loss, "in a row, at this win rate"),
        ),
        figure("Runs, z", number(streaks.z_score), enough(streaks.z_score, "below -2 wins come together")),
        figure("Held", hours(figures.held_hours), {
            let (won, lost) = (hours(figures.held_hours_winners), hours(figures.held_hours_losers));
            format!("mean; winners {won}, losers {lost}")
        }),
    ]
}

pub fn draw(canvas: &mut Canvas<'_>, area: Rect, model: &Model, top: u16) {
    let inner = width(area.width);
    let lines = lines(model, inner);
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
    let area = centred(area, inner + 4, height);
    let title = format!("Every figure, {}", period_name(model.performance.period));
    canvas.frame(area, &title, "↑↓ scroll · Esc back");
    let top = top.min(height.saturating_sub(area.height));
    for (row, content) in (1..area.height.saturating_sub(1)).zip(lines.iter().skip(usize::from(top))) {
        draw_line(canvas, line(area, row), inner, content);
    }
}

fn draw_line(canvas: &mut Canvas<'_>, row: Rect, inner: u16, content: &Line) {
    match content {
        Line::Title(title) => {
            canvas.put(row, 2, title, Role::Heading);
        }
        Line::Words(words) => {
            canvas.put(row, 2, words, Role::Muted);
        }
        Line::Figure { name, value, note } => {
            canvas.put(row, 3, name, Role::Muted);
            let after = canvas.put(row, 21, value, Role::Strong);
            // What is missing is told right behind the dash.
            let x = if value == format::UNKNOWN { after + 2 } else { after.max(40) + 2 };
            let room = (inner + 2).saturating_sub(x);
            if text::width(note) <= room {
                canvas.put(row, x, note, Role::Muted);
            }
        }
    }
}
