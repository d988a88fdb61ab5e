//! `blotter alarms` and `blotter ack`: what calls for a person, and that somebody has seen it.
//!
//! An alarm is called by the end of its id, which is what the list shows: the beginnings of ids that were made together are
//! the same.

use std::process::ExitCode;

use blotter_shared::domain::AlarmId;
use blotter_shared::protocol::alarms::{Alarm, AlarmList};
use chrono::{DateTime, Utc};
use clap::Args;

use super::exit::Failure;
use super::orders::ask;
use super::output::{print, print_json, table};
use super::trades::now;
use super::{Context, block_on};
use crate::client::calls::Call;
use crate::client::orders::Ask;
use crate::format;
use crate::overlays::messages::loudness;
use crate::widgets::text::clean;

const HEADING: [&str; 7] = ["ALARM", "AGE", "WEIGHT", "SEEN", "KIND", "TRADE", "WHAT"];

/// Characters of an id that the list shows; so many are never the same in one list.
const SHOWN: usize = 8;
/// The fewest that are taken for an id.
const LEAST: usize = 4;

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct AckArgs {
    /// The alarm, by what `blotter alarms` shows or by its whole id; several are seen in turn
    #[arg(value_name = "ALARM")]
    alarms: Vec<String>,
    /// Every alarm that nobody has seen
    #[arg(long)]
    all: bool,
}

pub(super) fn list(context: &Context) -> Result<ExitCode, Failure> {
    let list = open(context)?;
    if context.global.json {
        return print_json(&list);
    }
    if list.items.is_empty() {
        return print("No alarm is open.\n");
    }
    let now = now(context, &context.daemon());
    let rows: Vec<_> = list.items.iter().map(|alarm| row(alarm, now)).collect();
    print(&table(&HEADING, &rows))
}

fn open(context: &Context) -> Result<AlarmList, Failure> {
    let daemon = context.daemon();
    block_on(async { Ok(daemon.ask(&Call::Alarms).await?) })
}

fn row(alarm: &Alarm, now: DateTime<Utc>) -> Vec<String> {
    vec![
        brief(alarm.id),
        format::held(alarm.raised_at, now),
        loudness(alarm.severity).to_owned(),
        if alarm.acked_at.is_some() { "seen" } else { "new" }.to_owned(),
        alarm.kind.to_string(),
        alarm.trade_number.map_or_else(|| "-".to_owned(), |number| number.to_string()),
        clean(&alarm.message),
    ]
}

/// As the list calls it.
fn brief(id: AlarmId) -> String {
    let digits = id.0.simple().to_string();
    digits.chars().skip(digits.len().saturating_sub(SHOWN)).collect()
}

pub(super) fn ack(context: &Context, args: &AckArgs) -> Result<ExitCode, Failure> {
    let open = open(context)?.items;
    // Who is meant is known of all before the first is seen.
    let meant: Vec<AlarmId> = if args.all {
        open.iter().filter(|alarm| alarm.acked_at.is_none()).map(|alarm| alarm.id).collect()
    } else {
        args.alarms.iter().map(|called| find(&open, called)).collect::<Result<_, _>>()?
    };
    let seen = meant.into_iter().map(|id| ask(context, Ask::Ack(id))).collect::<Result<Vec<Alarm>, _>>()?;
    if context.global.json {
        return print_json(&AlarmList { items: seen });
    }
    if seen.is_empty() {
        return print("No alarm waits for you.\n");
    }
    print(&seen.iter().map(told).collect::<String>())
}

fn told(alarm: &Alarm) -> String {
    let of = alarm.trade_number.map(|number| format!(" {number}")).unwrap_or_default();
    format!("{} {}{of}: {}\n", brief(alarm.id), alarm.kind, Ask::Ack(alarm.id).done())
}

/// The one alarm that is open and called so.
fn find(open: &[Alarm], called: &str) -> Result<AlarmId, Failure> {
    let digits = called.to_lowercase().replace('-', "");
    if digits.len() < LEAST || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(Failure::usage(format!("`{called}` is no alarm: `blotter alarms` shows what they are called")));
    }
    let mut found = open.iter().map(|alarm| alarm.id).filter(|id| id.0.simple().to_string().ends_with(&digits));
    match (found.next(), found.next()) {
        (Some(id), None) => Ok(id),
        (Some(_), Some(_)) => Err(Failure::usage(format!("`{called}` is more than one alarm: say more of it"))),
        (None, _) => Err(Failure::refused(format!("There is no open alarm {called}."))),
    }
}

#[cfg(test)]
mod tests {
    use blotter_shared::domain::{AlarmKind, TradeNumber};
    use uuid::Uuid;

    use super::*;

    fn alarm(id: u128) -> Alarm {
        Alarm {
            id: AlarmId(Uuid::from_u128(id)),
            kind: AlarmKind::Naked,
            severity: AlarmKind::Naked.severity(),
            trade_id: None,
            trade_number: Some(TradeNumber(11)),
            message: "held without \u{1b}[31ma stop".to_owned(),
            raised_at: "2026-02-20T18:40:00Z".parse().unwrap(),
            acked_at: None,
            cleared_at: None,
        }
    }

    #[test]
    fn an_alarm_is_called_by_the_end_of_its_id_and_never_by_a_guess() {
        let open = [alarm(0x1234_5678_9abc_def0), alarm(0x9999_5678_9abc_def0), alarm(0xffff)];
        let one = |called: &str| find(&open, called).map_err(|failure| failure.number());
        assert_eq!(one("ffff"), Ok(open[2].id));
        assert_eq!(one(&open[0].id.to_string().to_uppercase()), Ok(open[0].id));
        assert_eq!(one("9999-5678-9abc-def0"), Ok(open[1].id));
        assert_eq!(one("9abcdef0"), Err(2), "two end so");
        assert_eq!((one("fff"), one(""), one("naked")), (Err(2), Err(2), Err(2)));
        assert_eq!(one("abcd"), Err(3), "there is none");
    }

    #[test]
    fn a_row_says_how_old_how_grave_and_whether_somebody_has_seen_it() {
        let now = "2026-02-20T18:46:05Z".parse().unwrap();
        let (new, seen) = (alarm(0x0123_4567_89ab_cdef), Alarm { acked_at: Some(now), ..alarm(1) });
        assert_eq!(row(&new, now)[..6], ["89abcdef", "6m", "page", "new", "NAKED", "#11"]);
        assert_eq!(row(&seen, now)[..4], ["00000001", "6m", "page", "seen"]);
        assert!(!row(&new, now)[6].contains('\u{1b}'));
    }
}
