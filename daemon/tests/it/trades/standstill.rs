//! An account that is halted, and one that cannot be read: who is told, and until when.

use blotter_daemon::trades::commands::{Close, Command};
use blotter_daemon::trades::facts::Trade;
use blotter_shared::domain::{CloseReason, TradeStatus};
use serde_json::json;

use super::floor::Floor;
use super::rig::Rig;
use crate::support::{DEADLINE, Raw, looks};

#[tokio::test]
async fn an_account_that_is_halted_calls_a_person_sends_no_exit_and_goes_on_by_itself() {
    let mut rig = Rig::start().await;
    let id = rig.hold().await;
    let admin = Raw::connect(&rig.cluster.url()).await;
    let halt = r#"UPDATE account_facts SET facts = facts || '{"halted": "it looks wiped"}'"#;
    admin.batch_execute(halt).await.unwrap();
    rig.command(Command::Close(id, Close { version: 1, quantity: None, limit: None, at_open: false })).await.unwrap();
    let page = "SELECT count(*) FROM alarms WHERE kind = 'NEEDS_PERSON' AND subject = 'SIM:6YA00001'
                   AND cleared_at IS NULL AND message LIKE '%exits too: it looks wiped.%'";
    rig.pass_until("a page about the account", page).await;
    let looked = "SELECT count(*) FROM account_facts WHERE (facts->'halt_agreed'->>'reads')::int >= 5";
    rig.pass_until("five looks at an account that is as it should be", looked).await;
    assert_eq!(rig.ours().await.len(), 2, "for less than twenty seconds: nothing is sent");
    rig.go_to("2026-09-10T11:05:00").await;
    let is_closed = |trade: &Trade| trade.marks.status == TradeStatus::Closed;
    let trade = rig.until("the close that was asked for meanwhile is carried out", id, is_closed).await;
    assert_eq!((trade.marks.close_reason, rig.position().await), (Some(CloseReason::Manual), 0));
    assert_eq!(rig.count(page).await, 0, "what is over is over");
    assert_eq!(rig.count("SELECT count(*) FROM account_facts WHERE facts->>'halted' IS NULL").await, 1);
}

#[tokio::test]
async fn a_token_that_is_revoked_is_told_of_by_name_until_the_account_can_be_read_again() {
    let mut rig = Rig::start().await;
    rig.hold().await;
    rig.is_blind_after(std::time::Duration::from_millis(500));
    rig.act(json!({ "do": "fault", "fault": { "kind": "revoked", "endpoint": "orders" } })).await;
    let told = "SELECT count(*) FROM alarms WHERE kind = 'ACCOUNT_BLIND' AND subject = 'SIM:6YA00001'
                   AND cleared_at IS NULL AND message LIKE 'the SIM account cannot be read: %does not accept its token.%'";
    rig.pass_until("the owner says why it reads nothing", told).await;
    rig.act(json!({ "do": "clear_faults" })).await;
    let over = "SELECT count(*) FROM alarms WHERE kind = 'ACCOUNT_BLIND' AND cleared_at IS NOT NULL";
    rig.pass_until("a whole cut takes it back", over).await;
    assert_eq!(rig.count(told).await, 0);
}

/// Waits until a count is what is wanted.
async fn reach(floor: &Floor, what: &str, sql: &str, wanted: i64) {
    let mut looks = looks();
    let reached = tokio::time::timeout(DEADLINE, async {
        while floor.count(sql).await != wanted {
            looks.tick().await;
        }
    });
    if reached.await.is_err() {
        panic!("waited for: {what}; `{sql}` is {}", floor.count(sql).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_alone_takes_no_alarm_back_but_what_it_reads() {
    let mut floor = Floor::open().await;
    floor.hold().await;
    // From here on no pass that begins has a cut.
    floor.fault(json!({ "kind": "revoked", "endpoint": "orders" })).await;
    let blind = "
        INSERT INTO alarms (username, alarm_id, kind, subject, message, raised_at)
        SELECT username, gen_random_uuid(), 'ACCOUNT_BLIND', subject, 'the account cannot be read', now()
          FROM user_settings, unnest(ARRAY['SIM:6YA00001', 'SIM:VA00000009']) AS subject";
    floor.sql(blind).await;
    let open = |account: &str| {
        format!(
            "SELECT count(*) FROM alarms WHERE kind = 'ACCOUNT_BLIND' AND subject = '{account}' AND cleared_at IS NULL"
        )
    };
    reach(&floor, "whoever looks finds nothing to watch in the other account", &open("SIM:VA00000009"), 0).await;
    assert_eq!(floor.count(&open("SIM:6YA00001")).await, 1, "the same look has seen that this one has an owner");
    floor.act(json!({ "do": "clear_faults" })).await;
    reach(&floor, "the owner reads it", &open("SIM:6YA00001"), 0).await;
    floor.daemon.stop().await.unwrap();
}
