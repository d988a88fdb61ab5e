//! Who gets the minute's reads: the engine before whoever only looks, and what is in flight before the rest.

use blotter_daemon::broker::Priority;
use blotter_daemon::trades::driver::Pass;
use blotter_daemon::trades::facts::Trade;

use super::rig::Rig;

#[tokio::test]
async fn a_held_position_is_looked_after_in_a_minute_that_screens_have_used_up() {
    let mut rig = Rig::start().await;
    let id = rig.hold().await;
    let quiet = |trade: &Trade| trade.marks.naked_since.is_none() && trade.marks.mismatch.is_none();
    rig.until("nothing is in flight", id, |trade| quiet(trade) && !trade.has_doubt()).await;
    rig.narrow().await;
    let share = rig.reads_left(Priority::Bracket);
    let plain = rig.reads_left(Priority::Read);
    assert!(plain < share, "plain reads leave some: {plain} of {share}");
    rig.crowd(share - plain).await;
    let pass = rig.pass().await;
    assert!(matches!(pass, Pass::Done(_)), "{pass:?} with {} reads left", rig.reads_left(Priority::Bracket));
}

#[tokio::test]
async fn an_entry_is_sent_in_a_minute_that_leaves_no_cut_to_anything_less_urgent() {
    let mut rig = Rig::start().await;
    rig.narrow().await;
    // The command itself looks once; what is left then is no whole cut for a trade at rest.
    rig.crowd(4).await;
    let id = rig.place().await;
    let sent = |trade: &Trade| trade.entries().any(|entry| entry.sent_at.is_some());
    rig.until("the entry is sent", id, sent).await;
}
