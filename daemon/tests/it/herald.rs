//! The alarm command: run by the real daemon, once for each alarm, and again when it failed.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use blotter_daemon::db::alarms::{Subject, alarm_ack, alarm_claim, alarm_raise, alarm_told};
use blotter_daemon::db::settings::settings_get;
use blotter_shared::domain::AlarmKind;
use serde_json::Value;

use crate::api::daemon::Daemon;
use crate::support::{DEADLINE, TestDb, looks, user};

fn script(folder: &Path, text: &str) -> std::path::PathBuf {
    let path = folder.join("page-me");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Waits for the first line of what the command has written.
async fn told(file: &Path) -> String {
    let mut looks = looks();
    let read = tokio::time::timeout(DEADLINE, async {
        loop {
            looks.tick().await;
            if let Ok(text) = std::fs::read_to_string(file)
                && text.ends_with('\n')
            {
                return text;
            }
        }
    });
    read.await.unwrap_or_else(|_| panic!("the command wrote nothing to {}", file.display()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_alarm_is_told_to_the_operators_command() {
    let (db, folder) = (TestDb::start().await, tempfile::tempdir().unwrap());
    let file = folder.path().join("told");
    let shown = file.display();
    let command = script(folder.path(), &format!("cat > {shown}.part; env >> {shown}.env; mv {shown}.part {shown}"));
    let ann = user("ann");
    let tx = db.db.user_tx(&ann).await.unwrap();
    settings_get(&tx).await.unwrap();
    let raised = alarm_raise(&tx, AlarmKind::BackupFailed, &Subject::General, "no room \u{1b}[2J").await.unwrap();
    tx.commit().await.unwrap();
    let daemon = Daemon::start(&db.cluster.url(), |config| config.alarms.command = Some(command)).await;
    let said: Value = serde_json::from_str(&told(&file).await).unwrap();
    assert_eq!(said["id"], serde_json::json!(raised.unwrap()));
    let words = ["user", "kind", "message"].map(|word| said[word].as_str().unwrap());
    assert_eq!(words, ["ann", "BACKUP_FAILED", "no room \u{1b}[2J"]);
    daemon.stop().await.unwrap();
    let tx = db.db.user_tx(&ann).await.unwrap();
    assert_eq!(alarm_claim(&tx).await.unwrap(), None, "it was told");
    let environment = std::fs::read_to_string(format!("{shown}.env")).unwrap();
    assert!(!environment.contains("ENCRYPTION_KEY="), "{environment}");
}

#[tokio::test]
async fn what_is_no_page_is_given_up_after_five_tries_and_goes_behind_one() {
    let db = TestDb::start().await;
    let ann = user("ann");
    let tx = db.db.user_tx(&ann).await.unwrap();
    alarm_raise(&tx, AlarmKind::BackupFailed, &Subject::General, "no backup").await.unwrap().unwrap();
    tx.commit().await.unwrap();
    let tx = db.db.user_tx(&ann).await.unwrap();
    let page = alarm_raise(&tx, AlarmKind::Naked, &Subject::General, "no stop").await.unwrap().unwrap();
    assert_eq!(alarm_claim(&tx).await.unwrap().map(|alarm| alarm.id), Some(page), "the page first");
    alarm_told(&tx, page).await.unwrap();
    tx.commit().await.unwrap();
    let admin = db.admin().await;
    let later = |tries| format!("UPDATE alarms SET tell_tries = {tries}, tell_claimed_at = now() - interval '1 day'");
    admin.batch_execute(&later(4)).await.unwrap();
    let tx = db.db.user_tx(&ann).await.unwrap();
    assert!(alarm_claim(&tx).await.unwrap().is_some(), "the fifth try");
    tx.commit().await.unwrap();
    admin.batch_execute(&later(5)).await.unwrap();
    let tx = db.db.user_tx(&ann).await.unwrap();
    assert_eq!(alarm_claim(&tx).await.unwrap().map(|alarm| alarm.id), None);
}

#[tokio::test]
async fn a_claim_is_one_daemons_until_it_grows_old() {
    let db = TestDb::start().await;
    let ann = user("ann");
    let tx = db.db.user_tx(&ann).await.unwrap();
    let id = alarm_raise(&tx, AlarmKind::Naked, &Subject::General, "no stop").await.unwrap().unwrap();
    tx.commit().await.unwrap();
    let claimed = async || {
        let tx = db.db.user_tx(&ann).await.unwrap();
        let alarm = alarm_claim(&tx).await.unwrap();
        tx.commit().await.unwrap();
        usize::from(alarm.is_some())
    };
    assert_eq!((claimed().await, claimed().await), (1, 0), "somebody is telling it");
    let admin = db.admin().await;
    let old = "UPDATE alarms SET tell_claimed_at = tell_claimed_at - interval '2 minutes'";
    for try_number in 2..=5 {
        admin.batch_execute(old).await.unwrap();
        assert_eq!(claimed().await, 1, "try {try_number}");
    }
    let not_as_old = "UPDATE alarms SET tell_claimed_at = tell_claimed_at - interval '70 seconds'";
    admin.batch_execute(not_as_old).await.unwrap();
    assert_eq!(claimed().await, 0, "the distance has doubled");
    admin.batch_execute(not_as_old).await.unwrap();
    assert_eq!(claimed().await, 1, "a position without a stop is told for as long as it has none");
    let forgiven = "UPDATE alarms SET tell_tries = 20, tell_claimed_at = tell_claimed_at - interval '59 minutes'";
    admin.batch_execute(forgiven).await.unwrap();
    assert_eq!(claimed().await, 0, "about once an hour");
    admin.batch_execute("UPDATE alarms SET tell_tries = 0").await.unwrap();
    let tx = db.db.user_tx(&ann).await.unwrap();
    alarm_ack(&tx, id, "laptop").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(claimed().await, 0, "who has seen it need not be told");
    let tx = db.db.user_tx(&ann).await.unwrap();
    for subject in ["one", "other"] {
        let about = Subject::Account(subject.to_owned());
        alarm_raise(&tx, AlarmKind::AccountBlind, &about, subject).await.unwrap();
    }
    tx.commit().await.unwrap();
    assert_eq!((claimed().await, claimed().await, claimed().await), (1, 1, 0), "one at a time");
    let tx = db.db.user_tx(&ann).await.unwrap();
    let next = alarm_raise(&tx, AlarmKind::Unverified, &Subject::General, "nobody looked").await.unwrap().unwrap();
    alarm_told(&tx, next).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(claimed().await, 0, "told once");
}
