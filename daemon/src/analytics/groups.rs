//! Which group of each breakdown a trade belongs to. Groups that have an order of their own are stored
//! with a digit in front that keeps them in it; [`label`] is the name without.

use blotter_shared::domain::Turn;
use blotter_shared::protocol::performance::Breakdown;
use chrono::{DateTime, Timelike, Utc};
use chrono_tz::America::New_York;
use rust_decimal::Decimal;

use super::Fact;

/// What sums are kept by: everything together, or a breakdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dimension {
    Total,
    By(Breakdown),
}

impl Dimension {
    /// Every one.
    pub fn all() -> impl Iterator<Item = Self> {
        [Self::Total].into_iter().chain(Breakdown::ALL.iter().copied().map(Self::By))
    }

    /// The word in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Total => "TOTAL",
            Self::By(breakdown) => breakdown.as_str(),
        }
    }
}

/// Which group comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Best,
    /// The groups have an order of their own, which says more than that of their results.
    Own,
    Newest,
}

#[must_use]
pub(super) fn order(breakdown: Breakdown) -> Order {
    match breakdown {
        Breakdown::Strategy | Breakdown::Ticker | Breakdown::Side | Breakdown::Verdict | Breakdown::Reason => {
            Order::Best
        }
        Breakdown::Weekday | Breakdown::Hour | Breakdown::ExitHour | Breakdown::Turn => Order::Own,
        Breakdown::DaysToExpiry | Breakdown::Delta | Breakdown::Held => Order::Own,
        Breakdown::Week | Breakdown::Month => Order::Newest,
    }
}

/// A group's name as people read it.
#[must_use]
pub(super) fn label(breakdown: Breakdown, bucket: &str) -> &str {
    match breakdown {
        Breakdown::Weekday | Breakdown::Turn | Breakdown::DaysToExpiry | Breakdown::Delta | Breakdown::Held => {
            bucket.get(2..).unwrap_or(bucket)
        }
        Breakdown::Strategy | Breakdown::Ticker | Breakdown::Side => bucket,
        Breakdown::Hour | Breakdown::ExitHour | Breakdown::Week | Breakdown::Month => bucket,
        Breakdown::Verdict | Breakdown::Reason => bucket,
    }
}

/// The group of a trade in each dimension that is wanted; the total has one without a name.
pub fn buckets(fact: &Fact, wanted: &[Dimension]) -> impl Iterator<Item = (Dimension, String)> {
    wanted.iter().map(|dimension| (*dimension, bucket(*dimension, fact)))
}

fn bucket(dimension: Dimension, fact: &Fact) -> String {
    let entered = || fact.entered_at.with_timezone(&New_York);
    match dimension {
        Dimension::Total => String::new(),
        Dimension::By(Breakdown::Strategy) => fact.strategy.clone(),
        Dimension::By(Breakdown::Ticker) => fact.ticker.clone(),
        Dimension::By(Breakdown::Side) => fact.side.as_str().to_owned(),
        Dimension::By(Breakdown::Weekday) => entered().format("%u %a").to_string(),
        Dimension::By(Breakdown::Hour) => format!("{:02}:00", entered().hour()),
        Dimension::By(Breakdown::ExitHour) => format!("{:02}:00", fact.closed_at.with_timezone(&New_York).hour()),
        Dimension::By(Breakdown::Week) => fact.day.format("%G-W%V").to_string(),
        Dimension::By(Breakdown::Month) => fact.day.format("%Y-%m").to_string(),
        Dimension::By(Breakdown::Turn) => turn(fact.turn).to_owned(),
        Dimension::By(Breakdown::Delta) => delta(fact.delta).to_owned(),
        Dimension::By(Breakdown::DaysToExpiry) => days_to_expiry(fact.expiry, fact.entered_at).to_owned(),
        Dimension::By(Breakdown::Held) => held(fact.held_hours).to_owned(),
        Dimension::By(Breakdown::Verdict) => fact.verdict.clone(),
        Dimension::By(Breakdown::Reason) => fact.ended_as.clone(),
    }
}

fn days_to_expiry(expiry: chrono::NaiveDate, entered: DateTime<Utc>) -> &'static str {
    match (expiry - entered.with_timezone(&New_York).date_naive()).num_days() {
        ..=0 => "1 0",
        1 => "2 1",
        2..=7 => "3 2-7",
        8..=30 => "4 8-30",
        31..=60 => "5 31-60",
        61.. => "6 >60",
    }
}

fn turn(turn: Option<Turn>) -> &'static str {
    match turn {
        Some(Turn::First) => "1 first of the day",
        Some(Turn::AfterWin) => "2 after a win",
        Some(Turn::AfterLoss) => "3 after a loss",
        Some(Turn::AfterScratch) => "4 after a scratch",
        Some(Turn::Amid) => "5 beside others",
        None => "",
    }
}

fn delta(delta: Option<Decimal>) -> &'static str {
    let Some(delta) = delta else { return "" };
    let bands = [(20, "1 <.20"), (35, "2 .20-.34"), (50, "3 .35-.49"), (65, "4 .50-.64")];
    bands.iter().find(|(hundredths, _)| delta < Decimal::new(*hundredths, 2)).map_or("5 >=.65", |(_, band)| band)
}

/// Bands of holding time; the digit in front keeps them in order.
fn held(hours: Option<Decimal>) -> &'static str {
    let Some(hours) = hours else { return "" };
    let bands = [(25, "1 <15m"), (100, "2 15m-1h"), (400, "3 1-4h"), (2_400, "4 4-24h"), (16_800, "5 1-7d")];
    bands.iter().find(|(hundredths, _)| hours < Decimal::new(*hundredths, 2)).map_or("6 >7d", |(_, band)| band)
}

#[cfg(test)]
mod tests {
    use super::super::tally::tests::fact;
    use super::*;

    fn all() -> Vec<Dimension> {
        Dimension::all().collect()
    }

    #[test]
    fn a_trade_is_in_one_group_of_each_breakdown() {
        let groups: Vec<String> = buckets(&fact(100, None), &all()).map(|(_, bucket)| bucket).collect();
        let expected = [
            "",
            "momentum",
            "NVDA",
            "CALL",
            "3 Wed",
            "10:00",
            "15:00",
            "2026-W08",
            "2026-02",
            "3 after a loss",
            "3 2-7",
            "3 .35-.49",
            "4 4-24h",
            "BUY",
            "TP_HIT",
        ];
        assert_eq!(groups, expected);
    }

    #[test]
    fn a_week_belongs_to_the_year_of_its_thursday() {
        let week =
            |day: &str| bucket(Dimension::By(Breakdown::Week), &Fact { day: day.parse().unwrap(), ..fact(1, None) });
        assert_eq!(["2025-12-31", "2026-01-01", "2027-01-01"].map(week), ["2026-W01", "2026-W01", "2026-W53"]);
    }

    #[test]
    fn a_delta_is_in_the_band_that_begins_with_it() {
        let band = |text: &str| delta(Some(text.parse().unwrap()));
        assert_eq!(
            ["0", "0.1999", "0.2", "0.3499", "0.35"].map(band),
            ["1 <.20", "1 <.20", "2 .20-.34", "2 .20-.34", "3 .35-.49"]
        );
        assert_eq!(
            ["0.4999", "0.5", "0.6499", "0.65", "1"].map(band),
            ["3 .35-.49", "4 .50-.64", "4 .50-.64", "5 >=.65", "5 >=.65"]
        );
        assert_eq!(delta(None), "");
    }

    #[test]
    fn the_day_of_entry_is_that_of_the_exchange() {
        let late = Fact { entered_at: "2026-02-20T02:00:00Z".parse().unwrap(), ..fact(1, None) };
        let groups: Vec<String> = buckets(&late, &all()).map(|(_, bucket)| bucket).collect();
        assert_eq!((groups[4].as_str(), groups[5].as_str(), groups[10].as_str()), ("4 Thu", "21:00", "2 1"));
        assert_eq!(label(Breakdown::Weekday, &groups[4]), "Thu");
        assert_eq!(held(Some(Decimal::new(25, 2))), "2 15m-1h");
        assert_eq!(held(Some(Decimal::from(168))), "6 >7d");
    }
}
