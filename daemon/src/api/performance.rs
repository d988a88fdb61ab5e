//! `/v1/performance` and `/v1/performance/spread`.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::Json;
use axum::extract::State;
use blotter_shared::domain::BrokerMode;
use blotter_shared::protocol::performance::{Breakdown, Performance, PerformanceQuery, Period, Spread, SpreadQuery};
use blotter_shared::protocol::problem::ProblemCode;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::America::New_York;

use super::ApiState;
use super::acting::Answered;
use super::extract::{Params, Who};
use super::problem::ApiError;
use crate::analytics::Dimension;
use crate::analytics::answer::{Found, Question, first_day, performance};
use crate::analytics::spread;
use crate::auth::Username;
use crate::db::performance::{Groups, outcomes, performance_days, performance_refresh, performance_sums, sums_version};
use crate::db::settings::settings_get;

pub(super) async fn show(
    State(api): State<ApiState>,
    who: Who,
    Params(query): Params<PerformanceQuery>,
) -> Answered<Performance> {
    bring_up(&api, &who).await?;
    let tx = api.db.user_tx(&who.0.username).await?;
    let settings = settings_get(&tx).await?;
    let question = Question {
        mode: query.mode.unwrap_or(settings.broker_mode),
        period: query.period.unwrap_or(Period::All),
        by: query.by.unwrap_or(Breakdown::Strategy),
        today: today(&api, tx.now()),
        starting_equity: settings.account_balance,
    };
    let from = first_day(question.period, question.today);
    let wanted = [Dimension::Total, Dimension::By(Breakdown::Strategy), Dimension::By(question.by)];
    let (groups, days) = futures_util::future::try_join(
        performance_sums(&tx, question.mode, from, &wanted),
        performance_days(&tx, question.mode, from),
    )
    .await?;
    tx.commit().await?;
    let begins = from.or_else(|| days.first().map(|day| day.day));
    let sessions = begins.map_or_else(Vec::new, |begins| {
        api.market
            .calendar()
            .sessions(begins, question.today)
            .map(|days| days.map(|day| day.date).collect())
            .unwrap_or_default()
    });
    Ok(Json(performance(&question, found(groups, question.by, days, sessions))))
}

/// Brings the sums up to date, in steps that last: who is cut off by the deadline goes on next time.
pub(super) async fn bring_up(api: &ApiState, who: &Who) -> Result<(), ApiError> {
    loop {
        let tx = api.db.user_tx(&who.0.username).await?;
        let days = performance_refresh(&tx).await?;
        if days == 0 {
            return Ok(());
        }
        tx.commit().await?;
    }
}

fn found(
    groups: Groups,
    by: Breakdown,
    days: Vec<blotter_shared::protocol::performance::DayResult>,
    sessions: Vec<NaiveDate>,
) -> Found {
    let mut found = Found { days, sessions, ..Found::default() };
    for ((dimension, bucket), tally) in groups {
        if dimension == Dimension::Total.as_str() {
            found.total = tally;
            continue;
        }
        if dimension == by.as_str() {
            found.groups.push((bucket.clone(), tally.clone()));
        }
        if dimension == Breakdown::Strategy.as_str() {
            found.strategies.push((bucket, tally));
        }
    }
    found
}

/// Spreads that were worked out, each with the version of the sums that it belongs to.
#[derive(Debug, Default)]
pub struct Spreads {
    kept: Mutex<HashMap<Asked, (i64, Spread)>>,
}

/// Whose, of which mode, from which day on.
type Asked = (Username, BrokerMode, Option<NaiveDate>);

/// A look at each result costs what there are trades: it is kept until one more is closed.
const KEPT_MAX: usize = 500;

impl Spreads {
    fn get(&self, asked: &Asked, version: i64) -> Option<Spread> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(asked).filter(|(of, _)| *of == version).map(|(_, spread)| spread.clone())
    }

    fn put(&self, asked: Asked, version: i64, spread: Spread) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(asked, (version, spread));
    }
}

pub(super) async fn spread(
    State(api): State<ApiState>,
    who: Who,
    Params(query): Params<SpreadQuery>,
) -> Answered<Spread> {
    bring_up(&api, &who).await?;
    let tx = api.db.user_tx(&who.0.username).await?;
    let mode = match query.mode {
        Some(mode) => mode,
        None => settings_get(&tx).await?.broker_mode,
    };
    let period = query.period.unwrap_or(Period::All);
    let from = first_day(period, today(&api, tx.now()));
    let asked = (who.0.username.clone(), mode, from);
    let version = sums_version(&tx).await?;
    if let Some(known) = api.spreads.get(&asked, version) {
        return Ok(Json(Spread { period, ..known }));
    }
    let outcomes = outcomes(&tx, mode, from).await?;
    tx.commit().await?;
    // Sorting a million results is nothing to do between two answers.
    let worked_out = tokio::task::spawn_blocking(move || spread::spread(mode, period, &outcomes)).await;
    let spread = worked_out.map_err(|error| ApiError::new(ProblemCode::Internal, error.to_string()))?;
    api.spreads.put(asked, version, spread.clone());
    Ok(Json(spread))
}

fn today(api: &ApiState, now: DateTime<Utc>) -> NaiveDate {
    trading_day(api.market.market().map_or(now, |market| market.now))
}

/// It begins at 18:00 in New York, the evening before.
fn trading_day(at: DateTime<Utc>) -> NaiveDate {
    (at.with_timezone(&New_York).naive_local() + TimeDelta::hours(6)).date()
}
