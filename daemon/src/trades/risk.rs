//! Limits that the terminal cannot talk its way past, judged in the daemon when an entry is asked
//! for. Exits are never limited. Each breach names the limit, the setting and the value.

use blotter_shared::domain::Cash;
use chrono::{DateTime, Duration, NaiveDate, Utc};
use rust_decimal::Decimal;

/// What the user allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub max_positions: u32,
    /// Loss of a trading day at which no more is opened.
    pub daily_loss: Cash,
    /// Open risk as a percentage of equity.
    pub heat_pct: Decimal,
    /// Risk of one trade as a percentage of equity.
    pub trade_risk_pct: Decimal,
    /// So many losses in a row, and then nothing for so long.
    pub cooldown_losses: u32,
    pub cooldown: Duration,
}

/// Where the account stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub equity: Cash,
    pub open_positions: u32,
    /// Realised today plus the change of what is open.
    pub day_pnl: Cash,
    /// Σ (entry or mark − stop) over protected positions, all of it where there is no stop.
    pub heat: Cash,
    pub losses_in_a_row: u32,
    pub last_loss_at: Option<DateTime<Utc>>,
}

/// The entry that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What is lost when the stop works; the whole cost without one.
    pub risk: Cash,
    pub has_stop: bool,
    /// The person said that it is to have none.
    pub stop_waived: bool,
    pub at: DateTime<Utc>,
}

/// A limit that refuses an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    pub limit: &'static str,
    pub setting: String,
    pub value: String,
}

impl std::fmt::Display for Breach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is {}, the limit is {}", self.limit, self.value, self.setting)
    }
}

/// Every limit that this entry would break, all of them at once.
#[must_use]
pub fn breaches(limits: &Limits, standing: &Standing, asked: &Asked) -> Vec<Breach> {
    let equity = standing.equity.0;
    let percent = |cash: Decimal| {
        if equity <= Decimal::ZERO { Decimal::ONE_HUNDRED } else { cash * Decimal::ONE_HUNDRED / equity }
    };
    let heat = percent(standing.heat.0 + asked.risk.0);
    let risk = percent(asked.risk.0);
    let positions = standing.open_positions.saturating_add(1);
    let resting = standing.last_loss_at.filter(|_| standing.losses_in_a_row >= limits.cooldown_losses);
    let free_at = resting.filter(|_| limits.cooldown_losses > 0).map(|at| at + limits.cooldown);
    let checks = [
        (positions > limits.max_positions, "max_positions", limits.max_positions.to_string(), positions.to_string()),
        (
            -standing.day_pnl.0 >= limits.daily_loss.0,
            "daily_loss_limit",
            limits.daily_loss.to_string(),
            (-standing.day_pnl).to_string(),
        ),
        (heat > limits.heat_pct, "heat_limit_pct", limits.heat_pct.to_string(), heat.round_dp(2).to_string()),
        (
            risk > limits.trade_risk_pct,
            "trade_risk_pct",
            limits.trade_risk_pct.to_string(),
            risk.round_dp(2).to_string(),
        ),
        (!asked.has_stop && !asked.stop_waived, "stop_required", "a stop".to_owned(), "none".to_owned()),
        (
            free_at.is_some_and(|free| asked.at < free),
            "cooldown",
            free_at.map_or_else(String::new, |free| format!("until {free}")),
            format!("{} losses in a row", standing.losses_in_a_row),
        ),
    ];
    let broken = checks.into_iter().filter(|(broken, ..)| *broken);
    broken.map(|(_, limit, setting, value)| Breach { limit, setting, value }).collect()
}

/// Limits that were changed: what is tighter counts now, what is looser from the next session on.
#[must_use]
pub fn in_force(now: &Limits, wanted: &Limits, changed_in: NaiveDate, session: NaiveDate) -> Limits {
    if session > changed_in {
        return *wanted;
    }
    Limits {
        max_positions: now.max_positions.min(wanted.max_positions),
        daily_loss: now.daily_loss.min(wanted.daily_loss),
        heat_pct: now.heat_pct.min(wanted.heat_pct),
        trade_risk_pct: now.trade_risk_pct.min(wanted.trade_risk_pct),
        cooldown_losses: tighter_count(now.cooldown_losses, wanted.cooldown_losses),
        cooldown: now.cooldown.max(wanted.cooldown),
    }
}

/// Zero means that the rule is off.
fn tighter_count(a: u32, b: u32) -> u32 {
    match (a, b) {
        (0, other) | (other, 0) => other,
        (a, b) => a.min(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            max_positions: 5,
            daily_loss: Cash(Decimal::from(150)),
            heat_pct: Decimal::from(6),
            trade_risk_pct: Decimal::from(2),
            cooldown_losses: 3,
            cooldown: Duration::minutes(30),
        }
    }

    fn standing() -> Standing {
        Standing {
            equity: Cash(Decimal::from(10_000)),
            open_positions: 4,
            day_pnl: Cash(Decimal::from(-149)),
            heat: Cash(Decimal::from(400)),
            losses_in_a_row: 2,
            last_loss_at: Some(DateTime::UNIX_EPOCH),
        }
    }

    fn asked() -> Asked {
        Asked { risk: Cash(Decimal::from(200)), has_stop: true, stop_waived: false, at: DateTime::UNIX_EPOCH }
    }

    #[test]
    fn at_the_limit_is_allowed_and_one_step_beyond_is_named() {
        assert_eq!(breaches(&limits(), &standing(), &asked()), []);
        let beyond = [
            (Standing { open_positions: 5, ..standing() }, asked(), "max_positions is 6, the limit is 5"),
            (
                Standing { day_pnl: Cash(Decimal::from(-150)), ..standing() },
                asked(),
                "daily_loss_limit is 150, the limit is 150",
            ),
            (
                Standing { heat: Cash(Decimal::from(401)), ..standing() },
                asked(),
                "heat_limit_pct is 6.01, the limit is 6",
            ),
            (
                Standing { heat: Cash::ZERO, ..standing() },
                Asked { risk: Cash(Decimal::from(201)), ..asked() },
                "trade_risk_pct is 2.01, the limit is 2",
            ),
            (standing(), Asked { has_stop: false, ..asked() }, "stop_required is none, the limit is a stop"),
        ];
        for (standing, asked, sentence) in beyond {
            let broken = breaches(&limits(), &standing, &asked);
            assert_eq!(broken.iter().map(ToString::to_string).collect::<Vec<_>>(), [sentence]);
        }
    }

    #[test]
    fn an_account_that_owes_more_than_it_has_risks_all_of_it() {
        for equity in [Decimal::ZERO, Decimal::from(-10_000)] {
            let broken = breaches(&limits(), &Standing { equity: Cash(equity), ..standing() }, &asked());
            let names: Vec<_> = broken.iter().map(|breach| breach.limit).collect();
            assert_eq!(names, ["heat_limit_pct", "trade_risk_pct"], "{equity}");
        }
    }

    #[test]
    fn losses_in_a_row_cost_a_pause() {
        let three = Standing { losses_in_a_row: 3, ..standing() };
        assert_eq!(breaches(&limits(), &three, &asked()).len(), 1);
        let later = Asked { at: DateTime::UNIX_EPOCH + Duration::minutes(30), ..asked() };
        assert_eq!(breaches(&limits(), &three, &later), []);
        let waived = Asked { has_stop: false, stop_waived: true, ..asked() };
        assert_eq!(breaches(&limits(), &standing(), &waived), [], "a stop may be left out when asked");
    }

    #[test]
    fn tightening_counts_now_and_loosening_next_session() {
        let today = NaiveDate::from_ymd_opt(2026, 3, 6).unwrap();
        let wanted = Limits { max_positions: 10, daily_loss: Cash(Decimal::from(50)), ..limits() };
        let now = in_force(&limits(), &wanted, today, today);
        assert_eq!((now.max_positions, now.daily_loss), (5, Cash(Decimal::from(50))));
        assert_eq!(in_force(&limits(), &wanted, today, today.succ_opt().unwrap()), wanted);
    }
}
