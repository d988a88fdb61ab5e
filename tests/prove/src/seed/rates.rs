//! How often each class of fault strikes in each family of worlds: one of the choices, per mille.

use super::Family;
use crate::faults::{Class, Streams};

type Table = &'static [(Class, &'static [u32])];

/// Anything may be on, most of it off.
const SWARM: Table = &[
    (Class::RequestLost, &[0, 0, 60, 200]),
    (Class::AnswerLost, &[0, 0, 100, 300]),
    (Class::RequestLate, &[0, 0, 150]),
    (Class::Gateway, &[0, 0, 100]),
    (Class::NoConnection, &[0, 0, 100]),
    (Class::StaleRead, &[0, 0, 250]),
    (Class::EmptyList, &[0, 0, 60]),
    (Class::MissingOrder, &[0, 0, 60]),
    (Class::MissingTag, &[0, 0, 60]),
    (Class::AsyncReject, &[0, 0, 0, 250]),
    (Class::LatePrice, &[0, 300]),
    (Class::CrashBefore, &[0, 0, 3, 12]),
    (Class::CrashAfter, &[0, 0, 3, 12]),
    (Class::Pause, &[0, 0, 8]),
    (Class::CommitLost, &[0, 0, 40]),
    (Class::StoreDown, &[0, 0, 40]),
    (Class::StoreSlow, &[0, 0, 60]),
    (Class::ClockJump, &[0, 0, 0, 8]),
    (Class::RequestVeryLate, &[0, 0, 0, 0, 0, 40]),
];

/// What came later.
const LATER: Table = &[(Class::Spell, &[0, 0, 10, 25]), (Class::Outage, &[0, 0, 200]), (Class::LateFill, &[0, 300])];

const ZOMBIES: Table = &[
    (Class::Pause, &[25, 50]),
    (Class::RequestLate, &[250, 350]),
    (Class::RequestLost, &[30]),
    (Class::AnswerLost, &[80]),
    (Class::StaleRead, &[0, 250]),
    (Class::CrashAfter, &[3]),
    (Class::StoreSlow, &[0, 60]),
];

const BLIND: Table = &[
    (Class::StaleRead, &[200, 400]),
    (Class::EmptyList, &[40, 120]),
    (Class::MissingOrder, &[40, 150]),
    (Class::MissingTag, &[0, 100]),
    (Class::Gateway, &[0, 80]),
    (Class::LatePrice, &[300]),
];

const LOST: Table = &[
    (Class::RequestLost, &[100, 300]),
    (Class::AnswerLost, &[200, 400]),
    (Class::RequestLate, &[0, 300]),
    (Class::CommitLost, &[0, 60]),
    (Class::CrashBefore, &[0, 10]),
    (Class::CrashAfter, &[0, 10]),
];

const LATE: Table = &[
    (Class::RequestVeryLate, &[60, 150]),
    (Class::AnswerLost, &[0, 100]),
    (Class::RequestLost, &[0, 60]),
    (Class::CrashAfter, &[0, 3]),
];

const MIDNIGHT: Table = &[
    (Class::RequestLost, &[0, 200]),
    (Class::AnswerLost, &[0, 300]),
    (Class::CrashAfter, &[0, 10]),
    (Class::StaleRead, &[0, 100]),
];

const MIRRORED: Table = &[
    (Class::RequestLost, &[0, 60, 200]),
    (Class::AnswerLost, &[0, 100, 300]),
    (Class::RequestLate, &[0, 0, 200]),
    (Class::CrashBefore, &[0, 5]),
    (Class::CrashAfter, &[0, 5, 12]),
    (Class::StaleRead, &[0, 150]),
    (Class::Gateway, &[0, 80]),
];

const COPIES: Table = &[
    (Class::Spell, &[15, 30]),
    (Class::Outage, &[400]),
    (Class::AnswerLost, &[60, 150]),
    (Class::LatePrice, &[0, 300]),
];

const BOOKS: Table = &[
    (Class::PositionsGone, &[0, 8, 25]),
    (Class::AsyncReject, &[0, 150]),
    (Class::SlowOpen, &[0, 150, 400]),
    (Class::LegDies, &[0, 400, 700]),
    (Class::Unwell, &[0, 100, 300]),
    (Class::AnswerLost, &[0, 60]),
    (Class::StaleRead, &[0, 100]),
    (Class::LatePrice, &[0, 300]),
];

const REPORTS: Table = &[
    (Class::LateFill, &[400, 800]),
    (Class::AsyncReject, &[0, 100]),
    (Class::AnswerLost, &[0, 60]),
    (Class::StaleRead, &[0, 150]),
];

const LIVE: Table = &[
    (Class::Blank, &[8, 20]),
    (Class::AnswerLost, &[0, 60]),
    (Class::StaleRead, &[0, 100]),
    (Class::AsyncReject, &[0, 100]),
    (Class::CrashAfter, &[0, 3]),
];

const REFUSED: Table = &[
    (Class::Refused, &[4, 12]),
    (Class::SlowRead, &[0, 4, 12]),
    (Class::AnswerLost, &[0, 60]),
    (Class::StaleRead, &[0, 100]),
    (Class::CrashAfter, &[0, 3]),
];

const RESTARTS: Table =
    &[(Class::CrashAfter, &[12, 25]), (Class::RequestLate, &[300, 500]), (Class::AnswerLost, &[0, 100])];

/// The rates at which each class of fault strikes.
pub(super) fn draw(streams: &mut Streams, family: Family) {
    let table: Table = match family {
        Family::Swarm | Family::Wild => SWARM,
        Family::Zombies => ZOMBIES,
        Family::Blind => BLIND,
        Family::Lost => LOST,
        Family::Late => LATE,
        Family::Midnight => MIDNIGHT,
        Family::Mirrored => MIRRORED,
        Family::Copies => COPIES,
        Family::Books => BOOKS,
        Family::Restarts => RESTARTS,
        Family::Reports => REPORTS,
        Family::Live => LIVE,
        Family::Refused => REFUSED,
    };
    for (class, choices) in table {
        let rate = streams.pick(Class::Setup, choices).unwrap_or(0);
        streams.set_rate(*class, rate);
    }
    for (class, choices) in LATER.iter().filter(|_| family == Family::Wild) {
        let rate = streams.pick(Class::Manner, choices).unwrap_or(0);
        streams.set_rate(*class, rate);
    }
}
