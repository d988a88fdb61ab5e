//! What happened, in words, for whoever reads a failing seed.

use blotter_daemon::trades::facts::{Change, Op};

/// A commit in one line.
#[must_use]
pub fn changes(changes: &[Change]) -> String {
    changes.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn one(change: &Change) -> String {
    match change {
        Change::Begin(trade) => format!("begin {}", trade.spec.symbol),
        Change::Wish { becomes, .. } => format!(
            "wish v{} keep {} stop {:?} target {:?} limit {:?} flat {:?}",
            becomes.version, becomes.keep, becomes.stop, becomes.target, becomes.limit, becomes.flat
        ),
        Change::Marks { becomes, .. } => format!(
            "marks {} held {} {} naked {} mismatch {:?} {:?} outside {}",
            becomes.status,
            becomes.held,
            becomes.protection,
            becomes.naked_since.is_some(),
            becomes.mismatch.map(|mismatch| (mismatch.position, mismatch.reads)),
            becomes.close_reason,
            becomes.outside
        ),
        Change::Intent(intent) | Change::Gate { intent, .. } => {
            let gate = if matches!(change, Change::Gate { .. }) { "GATE " } else { "" };
            let what = match &intent.op {
                Op::Place(order) => order.tag.rsplit('-').take(3).collect::<Vec<_>>().join("/"),
                Op::Cancel { target } => format!("cancel of {}", &target.to_string()[30..]),
            };
            format!("{gate}{what} {} exec {} absent {}", intent.state, intent.executed, intent.absence.reads)
        }
        Change::Fill(fill) => format!("fill {} for {}", fill.quantity, fill.value),
        Change::Account(account) => format!("account wiped {}", account.wiped_reads),
        Change::Alarm(alarm) => format!("{alarm:?}").chars().take(90).collect(),
    }
}
