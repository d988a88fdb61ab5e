//! `/v1/performance` and `/v1/performance/spread`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use blotter_shared::protocol::performance::{
    Breakdown, DayResult, Performance, PerformanceQuery, Period, Spread, SpreadQuery,
};
use blotter_shared::protocol::problem::ProblemCode;
use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc};
use futures_util::future::try_join;
use http::header;

use super::ApiState;
use super::acting::Answered;
use super::extract::{Params, Who};
use super::kept::{Asked, Before};
use super::problem::ApiError;
use crate::analytics::answer::{Found, Question, first_day, performance};
use crate::analytics::{Dimension, spread, trading_day};
use crate::db::performance::{
    Groups, Refreshed, Standing, outcomes, performance_days, performance_of_day, performance_refresh,
    performance_standing, performance_sums, sums_version,
};
use crate::db::settings::settings_get;
use crate::db::{DbError, UserTx};

pub(super) async fn show(
    State(api): State<ApiState>,
    who: Who,
    Params(query): Params<PerformanceQuery>,
) -> Result<Response, ApiError> {
    loop {
        let tx = api.db.user_tx(&who.0.username).await?;
        let settings = settings_get(&tx).await?;
        let question = Question {
            mode: query.mode.unwrap_or(settings.broker_mode),
            period: query.period.unwrap_or(Period::All),
            by: query.by.unwrap_or(Breakdown::Strategy),
            today: today(&api, tx.now()),
            starting_equity: settings.account_balance,
        };
        let look = Look { api: &api, tx: &tx, question: &question };
        match performance_standing(&tx, question.mode).await? {
            Standing::Settled { version } => return look.settled(version).await,
            Standing::Open { version, day } => {
                if let Some(answer) = look.open(version, day).await? {
                    return Ok(Json(answer).into_response());
                }
            }
            Standing::Behind => {}
        }
        performance_refresh(&tx).await?;
        tx.commit().await?;
    }
}

/// One look, in its transaction.
struct Look<'a> {
    api: &'a ApiState,
    tx: &'a UserTx,
    question: &'a Question,
}

impl Look<'_> {
    /// Everything is stored: as long as nothing is written, the answer is the one before.
    async fn settled(&self, version: i64) -> Result<Response, ApiError> {
        let json = |body: Bytes| ([(header::CONTENT_TYPE, "application/json")], body).into_response();
        let asked = self.asked();
        let of = (version, self.question.today, self.question.starting_equity);
        if let Some(known) = self.api.looks.answers.get(&asked, &of) {
            return Ok(json(known));
        }
        let Before { groups, days } = self.stored(None).await?;
        let answer = serde_json::to_vec(&self.answer(groups, days));
        let answer = Bytes::from(answer.map_err(|error| ApiError::new(ProblemCode::Internal, error.to_string()))?);
        self.api.looks.answers.put(asked, of, answer.clone());
        Ok(json(answer))
    }

    /// Trades were closed on one day since: what is stored of the days before, and then that day. None when it is not
    /// the newest one: what came behind it has to be added up again.
    async fn open(&self, version: i64, day: NaiveDate) -> Result<Option<Performance>, DbError> {
        let (asked, of) = (self.asked(), (version, day));
        let before = match self.api.looks.before.get(&asked, &of) {
            Some(before) => before,
            None => {
                let Some(before) = self.before(version, day).await? else { return Ok(None) };
                self.api.looks.before.put(asked, of, Arc::clone(&before));
                before
            }
        };
        let (now, result) = performance_of_day(self.tx, self.question.mode, day, &self.wanted()).await?;
        let Before { mut groups, mut days } = Before::clone(&before);
        for (group, tally) in now {
            let sum = groups.entry(group).or_default();
            *sum = sum.then(&tally);
        }
        days.extend(result);
        Ok(Some(self.answer(groups, days)))
    }

    /// What is stored of the days before one, if that is the newest of all.
    async fn before(&self, version: i64, day: NaiveDate) -> Result<Option<Arc<Before>>, DbError> {
        let mut before = self.stored(Some(day)).await?;
        let is_newest = before.days.last().is_none_or(|last| last.day <= day);
        let begins = first_day(self.question.period, self.question.today);
        // Nobody wrote in between: these are of the version that they are kept under.
        if !is_newest || begins.is_some_and(|begins| begins > day) || sums_version(self.tx).await? != version {
            return Ok(None);
        }
        before.days.retain(|result| result.day < day);
        Ok(Some(Arc::new(before)))
    }

    /// The sums of the period up to a day, and its days to the last.
    async fn stored(&self, until: Option<NaiveDate>) -> Result<Before, DbError> {
        let from = first_day(self.question.period, self.question.today);
        let wanted = self.wanted();
        let sums = performance_sums(self.tx, self.question.mode, (from, until), &wanted);
        let (groups, days) = try_join(sums, performance_days(self.tx, self.question.mode, from)).await?;
        Ok(Before { groups, days })
    }

    fn asked(&self) -> Asked {
        let Question { mode, period, by, today, .. } = *self.question;
        Asked { who: self.tx.username().clone(), mode, from: first_day(period, today), period, by }
    }

    fn wanted(&self) -> Vec<Dimension> {
        let mut wanted = vec![Dimension::Total, Dimension::By(Breakdown::Strategy), Dimension::By(self.question.by)];
        wanted.dedup();
        wanted
    }

    fn answer(&self, groups: Groups, days: Vec<DayResult>) -> Performance {
        let begins = first_day(self.question.period, self.question.today).or_else(|| days.first().map(|day| day.day));
        let sessions = begins.map_or_else(Vec::new, |begins| {
            self.api
                .market
                .calendar()
                .sessions(begins, self.question.today)
                .map(|days| days.map(|day| day.date).collect())
                .unwrap_or_default()
        });
        performance(self.question, found(groups, self.question.by, days, sessions))
    }
}

/// Brings the sums up to date, in steps that last: who is cut off by the deadline goes on next time. The
/// transaction sees sums that are whole, and may have to be committed ([`Refreshed::days`]).
pub(super) async fn up_to_date(api: &ApiState, who: &Who) -> Result<(UserTx, Refreshed), ApiError> {
    loop {
        let tx = api.db.user_tx(&who.0.username).await?;
        let refreshed = performance_refresh(&tx).await?;
        if !refreshed.is_behind {
            return Ok((tx, refreshed));
        }
        tx.commit().await?;
    }
}

fn found(groups: Groups, by: Breakdown, days: Vec<DayResult>, sessions: Vec<NaiveDate>) -> Found {
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

pub(super) async fn spread(
    State(api): State<ApiState>,
    who: Who,
    Params(query): Params<SpreadQuery>,
) -> Answered<Spread> {
    // Sums that are new last before every result is read: nobody else's look waits for that.
    let (tx, refreshed) = up_to_date(&api, &who).await?;
    let tx = if refreshed.days > 0 {
        tx.commit().await?;
        api.db.user_tx(&who.0.username).await?
    } else {
        tx
    };
    let mode = match query.mode {
        Some(mode) => mode,
        None => settings_get(&tx).await?.broker_mode,
    };
    let period = query.period.unwrap_or(Period::All);
    let from = first_day(period, today(&api, tx.now()));
    let asked = (who.0.username.clone(), mode, from);
    let version = sums_version(&tx).await?;
    if let Some(known) = api.looks.spreads.get(&asked, &version) {
        return Ok(Json(Spread { period, ..known }));
    }
    let outcomes = outcomes(&tx, mode, from).await?;
    tx.commit().await?;
    // Sorting a million results is nothing to do between two answers.
    let worked_out = tokio::task::spawn_blocking(move || spread::spread(mode, period, &outcomes)).await;
    let spread = worked_out.map_err(|error| ApiError::new(ProblemCode::Internal, error.to_string()))?;
    api.looks.spreads.put(asked, version, spread.clone());
    Ok(Json(spread))
}

fn today(api: &ApiState, now: DateTime<Utc>) -> NaiveDate {
    trading_day(api.market.market().map_or(now, |market| market.now))
}
