//! What the scheduler's tasks do on a real database: left-overs go, prices that no month took are found a
//! place or told of, a night without a backup is an alarm.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use blotter_daemon::backup::{Backup, Plan};
use blotter_daemon::calendar::{Calendar, Force, MarketClock};
use blotter_daemon::clock::Clock;
use blotter_daemon::config::Config;
use blotter_daemon::db::Db;
use blotter_daemon::events::{Hub, HubParts};
use blotter_daemon::fees::Fees;
use blotter_daemon::forensics::Forensics;
use blotter_daemon::health::HealthBoard;
use blotter_daemon::prices::retention::{Keep, Retention};
use blotter_daemon::prices::{Recorder, Round};
use blotter_daemon::schedule::Jobs;
use blotter_daemon::schedule::calendar_check::CalendarCheck;
use blotter_daemon::schedule::chores::Chores;
use blotter_daemon::schedule::strays::Strays;
use blotter_daemon::schedule::timetable::Turn;
use blotter_daemon::telemetry::Metrics;
use blotter_shared::protocol::tasks::TaskName;
use chrono::TimeDelta;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api::routes::me;
use crate::prices::rig::{CALL, Rig, Says};
use crate::support::{DEADLINE, looks};

const NOW: &str = "2026-11-20T17:00:00Z";
const OPEN: &str =
    "SELECT coalesce(string_agg(kind || ': ' || message, '; '), '') FROM alarms WHERE cleared_at IS NULL";

fn chores(rig: &Rig, calendar: Calendar, plan: Option<Plan>) -> Chores {
    chores_over(&rig.recorder, &Arc::new(calendar), plan)
}

/// What tells clients of changes, of whom there are none.
pub(crate) fn hub(db: &Db, clock: &Clock) -> Hub {
    Hub::start(HubParts {
        db: db.clone(),
        clock: clock.clone(),
        health: HealthBoard::new(clock.clone(), db.status()),
        market: MarketClock::new(Arc::new(Calendar::new()), clock.clone(), Force::No),
        metrics: Metrics::new().unwrap(),
        config: Config::defaults().events,
        tasks: TaskTracker::new(),
        stop: CancellationToken::new(),
    })
}

/// The daemon's tasks over a recorder's database, broker and clock.
pub(crate) fn chores_over(recorder: &Recorder, calendar: &Arc<Calendar>, plan: Option<Plan>) -> Chores {
    let (db, clock, calendar) = (recorder.db.clone(), recorder.clock.clone(), Arc::clone(calendar));
    let hub = hub(&db, &clock);
    let accounts = recorder.accounts.clone();
    let recorder = Recorder { calendar: Arc::clone(&calendar), ..recorder.clone() };
    Chores {
        db: db.clone(),
        recorder,
        retention: Retention { db: db.clone(), clock: clock.clone(), keep: Keep::default() },
        forensics: Forensics {
            db: db.clone(),
            accounts: Some(accounts.clone()),
            clock: clock.clone(),
            calendar: Arc::clone(&calendar),
            interval: TimeDelta::seconds(40),
        },
        fees: Fees { db: db.clone(), accounts: accounts.clone(), hub: hub.clone(), clock: clock.clone() },
        calendar: CalendarCheck { db: db.clone(), accounts, hub: hub.clone(), clock: clock.clone(), calendar },
        strays: Strays { db: db.clone(), hub: hub.clone() },
        backup: Backup { db, hub, clock, plan },
    }
}

async fn run(chores: &Chores, task: TaskName) -> Result<Option<String>, String> {
    let now = chores.backup.clock.now();
    chores.run(task, Turn { slot: now, until: now }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_week_old_answers_and_changes_go_however_many_there_are() {
    let rig = Rig::start(NOW).await;
    let rows = "SET session_replication_role = replica;
        INSERT INTO commands (username, command_id, idempotency_key, kind, body_hash, device, accepted_at, answer_status, answer_body)
        SELECT 'ann', gen_random_uuid(), 'k' || n, 'POST /v1/trades', sha256('x'), 'd',
               timestamptz '2026-11-20 17:00+00' - n * interval '1 minute', 200, '{}' FROM generate_series(1, 20160) AS n;
        INSERT INTO change_feed (username, seq, entity, entity_id, changed_at)
        SELECT 'bob', n, 'SETTINGS', NULL, timestamptz '2026-11-13 16:59+00' - n * interval '1 second' FROM generate_series(1, 6000) AS n;
        SET session_replication_role = origin";
    rig.admin.batch_execute(rows).await.unwrap();
    let before = rig.text("SELECT count(*) FROM change_feed WHERE username = 'ann'").await;
    let said = run(&chores(&rig, Calendar::new(), None), TaskName::Housekeeping).await;
    assert_eq!(said.unwrap().as_deref(), Some("10080 old answers and 6000 old changes removed"));
    assert_eq!(rig.text("SELECT count(*) FROM commands").await, "10080", "a week of them is kept");
    assert_eq!(rig.text("SELECT min(accepted_at) FROM commands").await, "2026-11-13 17:00:00+00");
    assert_eq!(rig.text("SELECT count(*) FROM change_feed").await, before, "what is new stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_price_that_no_month_took_finds_its_month_or_is_told_of() {
    let rig = Rig::start(NOW).await;
    let chores = chores(&rig, Calendar::new(), None);
    rig.hold(1, CALL).await;
    // The daemon was off for so long that its next price comes before the month is made.
    rig.set("2027-08-02T15:00:00Z");
    rig.say(CALL, Says::new(6.00, 6.10));
    assert_eq!(rig.record(Round::Session).await.recorded, 1);
    // And once its clock was wrong by years.
    rig.set("2031-03-03T15:00:00Z");
    assert_eq!(rig.record(Round::Session).await.recorded, 1);
    rig.set("2027-08-02T15:00:30Z");
    let lies = "SELECT string_agg(tableoid::regclass::text, ' ' ORDER BY ts) FROM price_snapshots";
    assert_eq!(rig.text(lies).await, "price_snapshots_default price_snapshots_default");

    let said = run(&chores, TaskName::Partitions).await;
    assert_eq!(said.unwrap().as_deref(), Some("1 prices lie outside every month"));
    assert_eq!(rig.text(lies).await, "price_snapshots_2027_08 price_snapshots_default");
    let alarm = rig.text(OPEN).await;
    assert!(alarm.starts_with("PRICES_ASTRAY: 1 recorded prices are dated 2031-03-03 to 2031-03-03"), "{alarm}");
    let shut = "SELECT bool_and(relrowsecurity AND relforcerowsecurity) FROM pg_class WHERE relname ~ '^price_snapshots_(default|2027_08)$'";
    assert_eq!(rig.text(shut).await, "true", "both are closed again");
    let like = "SELECT count(DISTINCT pg_get_indexdef(indexrelid) LIKE '%UNIQUE%') FROM pg_index WHERE indrelid = 'price_snapshots_2027_08'::regclass";
    assert_eq!(rig.text(like).await, "2", "with the key and the index of every month");
    assert_eq!(run(&chores, TaskName::Partitions).await.unwrap().as_deref(), Some("1 prices lie outside every month"));
    assert_eq!(rig.text("SELECT count(*) FROM alarms").await, "1", "it is told once");

    rig.admin.batch_execute("DELETE FROM price_snapshots_default").await.unwrap();
    assert_eq!(run(&chores, TaskName::Partitions).await, Ok(None));
    assert_eq!(rig.text(OPEN).await, "", "and no more once it is gone");
}

fn program(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    path
}

fn plan(folder: &Path, program: Option<PathBuf>, connection: Option<String>) -> Option<Plan> {
    Some(Plan { folder: folder.to_owned(), program, connection, oldest: TimeDelta::hours(30) })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_night_without_a_backup_is_an_alarm_until_there_is_one() {
    let rig = Rig::start("2026-11-20T09:30:00Z").await;
    let (folder, connection) = (TempDir::new().unwrap(), Some("service=blotter".to_owned()));
    let archives = folder.path().join("archives");
    let settings =
        format!("INSERT INTO user_settings (username, created_date, updated_date) VALUES ('{}', now(), now())", me());
    rig.admin.batch_execute(&settings).await.unwrap();
    let told = |who: String| format!("{OPEN} AND username = '{who}'");
    let (operator, other) = (told(me()), told("ann".to_owned()));
    let with = |program| chores(&rig, Calendar::new(), plan(&archives, program, connection.clone()));
    let broken = program(&folder, "broken", "#!/bin/sh\necho 'half of it' >&2\necho 'the disk is full' >&2\nexit 1\n");
    assert_eq!(run(&with(Some(broken)), TaskName::Backup).await, Err("the disk is full".to_owned()));
    assert_eq!(rig.text(&operator).await, "BACKUP_FAILED: there is no new backup: the disk is full");
    assert_eq!(rig.text(&other).await, "BACKUP_FAILED: there is no new backup: the operator sees why");
    let liar = program(&folder, "liar", "#!/bin/sh\necho done\n");
    let said = run(&with(Some(liar.clone())), TaskName::Backup).await.unwrap_err();
    assert!(said.ends_with("says that it made one, and there is no new one"), "{said}");
    let gone = run(&with(Some(folder.path().join("gone"))), TaskName::Backup).await.unwrap_err();
    assert!(gone.contains("gone: No such file"), "{gone}");
    let nowhere = chores(&rig, Calendar::new(), plan(&archives, Some(folder.path().join("liar")), None));
    let said = run(&nowhere, TaskName::Backup).await.unwrap_err();
    assert!(said.contains("backup.connection is not set"), "a guess would back up another database: {said}");

    let sound = format!(
        "#!/bin/sh\nset -eu\n[ \"$2\" = service=blotter ]\n[ -z \"${{ENCRYPTION_KEY-}}${{DATABASE_URL-}}\" ]\nmkdir -p {0}\n\
         echo x >{0}/blotter-20261120T093000Z.dump\necho '812 rows, counted twice'\n",
        archives.display()
    );
    let sound = program(&folder, "sound", &sound);
    assert_eq!(run(&with(Some(sound)), TaskName::Backup).await, Ok(Some("812 rows, counted twice".to_owned())));
    assert_eq!(rig.text(OPEN).await, "");

    // The archive of another night is not this night's.
    let said = run(&with(Some(liar)), TaskName::Backup).await.unwrap_err();
    assert!(said.ends_with("says that it made one, and there is no new one"), "{said}");

    // Made by somebody else: looked at alone.
    assert!(run(&with(None), TaskName::Backup).await.unwrap().unwrap().contains("2026-11-20 09:30"));
    rig.set("2026-11-21T15:31:00Z");
    let said = run(&with(None), TaskName::Backup).await.unwrap_err();
    assert!(said.contains("the newest in") && said.ends_with("is of 2026-11-20 09:30 UTC"), "{said}");
    assert!(rig.text(&operator).await.starts_with("BACKUP_FAILED: there is no new backup: the newest"));
    let unset = run(&chores(&rig, Calendar::new(), None), TaskName::Backup).await;
    assert_eq!(unset.unwrap().as_deref(), Some("no backup is made or looked after: backup.folder is not set"));
}

/// The program of the package, on a real database, and back into an empty one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_packaged_program_makes_the_nightly_archive() {
    let rig = Rig::start(NOW).await;
    rig.hold(1, CALL).await;
    let folder = TempDir::new().unwrap();
    let script = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/backup/blotter-backup"));
    let connection = rig.cluster.url_as("blotter_backup");
    let chores = chores(&rig, Calendar::new(), plan(folder.path(), Some(script), Some(connection)));
    let said = run(&chores, TaskName::Backup).await.unwrap().unwrap();
    assert!(said.contains(" rows in ") && said.ends_with("all counted twice"), "{said}");
    assert!(blotter_daemon::backup::newest(folder.path()).unwrap().is_some());
    assert_eq!(rig.text(OPEN).await, "");
}

/// A daemon that ends does not leave a dump behind that goes on reading.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_is_cut_off_ends_with_all_that_it_started() {
    let rig = Rig::start(NOW).await;
    let folder = TempDir::new().unwrap();
    let pid = folder.path().join("pid");
    let text =
        format!("#!/bin/sh\n(echo $$ >{0}.new; mv {0}.new {0}; exec tail -f /dev/null) &\nwait\n", pid.display());
    let slow = program(&folder, "slow", &text);
    let chores = chores(&rig, Calendar::new(), plan(folder.path(), Some(slow), Some("service=blotter".to_owned())));
    tokio::select! {
        said = run(&chores, TaskName::Backup) => panic!("it ended: {said:?}"),
        () = async { let mut looks = looks(); while !pid.exists() { looks.tick().await; } } => {}
    }
    let leader = fs::read_to_string(&pid).unwrap().trim().to_owned();
    let mut looks = looks();
    let gone = tokio::time::timeout(DEADLINE, async {
        while group(&leader) > 0 {
            looks.tick().await;
        }
    });
    assert!(gone.await.is_ok(), "{} processes of its group live on", group(&leader));
}

/// Living processes of a process group.
fn group(leader: &str) -> usize {
    let stats =
        fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    let in_group = |stat: &String| {
        let fields: Vec<&str> = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ').collect();
        fields.get(2) == Some(&leader) && fields.first() != Some(&"Z")
    };
    stats.filter(in_group).count()
}
