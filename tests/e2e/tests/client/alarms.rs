//! Alarms from the command line: what is open is listed, and seen off one by one or all at once, on every client.

use blotter_testkit::terminal::Size;
use serde_json::Value;

use crate::dialogs::{inside, missing};
use crate::figures::{SIZES, agrees};
use crate::stage::{DONE, Desk, REFUSED, Stage, UNREACHABLE, USAGE, ends_with, wait_without};

/// Two alarms that nobody has seen, the newer first, as the daemon answers them; so old that a test's minutes do not
/// show.
fn raised(stage: &Stage) -> [Value; 2] {
    stage.sql(
        "INSERT INTO alarms (username, alarm_id, kind, subject, message, raised_at)
         SELECT current_setting('app.username'), gen_random_uuid(), kind, 'a test', message, now() - age
           FROM (VALUES ('NEEDS_PERSON', 'the account holds 3 of SPY261218C00600000 and no trade looks after them',
                         interval '2 hours'),
                        ('LATE_ARRIVAL', 'an order came late', interval '5 hours')) AS raised (kind, message, age)",
    );
    let list = open(stage);
    assert_eq!(list.len(), 2, "{list:#?}");
    [list[0].clone(), list[1].clone()]
}

fn open(stage: &Stage) -> Vec<Value> {
    let said = stage.desk.run(&["alarms", "--json"]);
    assert_eq!(said.code, Some(DONE), "{said:?}");
    assert_eq!(said.json(), stage.get("/v1/alarms").json().unwrap());
    said.json()["items"].as_array().unwrap().clone()
}

/// What the list calls an alarm: the end of its id.
fn called(alarm: &Value) -> String {
    let digits = alarm["id"].as_str().unwrap().replace('-', "");
    digits[digits.len() - 8..].to_owned()
}

/// How many of them nobody has seen.
fn unseen(stage: &Stage) -> usize {
    open(stage).iter().filter(|alarm| alarm["acked_at"].is_null()).count()
}

/// The same alarms as a person reads them: age, weight, kind and words, in the order of the answer.
#[track_caller]
fn in_the_inbox(stage: &Stage, size: Size, alarms: &[Value; 2]) {
    let mut terminal = stage.screen(size);
    terminal.wait_for("no trade looks").unwrap();
    terminal.type_keys("!").unwrap();
    // Where lines are short the kind stands alone.
    let word = if size == Size::NARROW { "" } else { "ALARM " };
    let entries = [("2h page", &alarms[0]), ("5h notice", &alarms[1])].map(|(age, alarm)| {
        let (kind, message) = (alarm["kind"].as_str().unwrap(), alarm["message"].as_str().unwrap());
        format!("● new {age} {word}{kind} {message}")
    });
    agrees(&mut terminal, "the inbox", |text| {
        let words = inside(text, "Messages").ok_or("no inbox")?;
        missing(&words, &entries).map_or(Ok(Vec::new()), |entry| Err(format!("{entry} in `{words}`")))
    });
}

#[test]
fn open_alarms_are_listed_and_seen_off_from_the_command_line() {
    let stage = Stage::live();
    let desk = &stage.desk;
    ends_with(&desk.run(&["alarms"]), DONE, "No alarm is open.\n");
    ends_with(&desk.run(&["ack", "--all"]), DONE, "No alarm waits for you.\n");
    ends_with(&desk.run(&["ack"]), USAGE, "--all");
    let alarms = raised(&stage);
    let [one, other] = alarms.each_ref().map(called);
    for (arguments, code, words) in [
        (&["ack", "--all", &one][..], USAGE, "--all"),
        (&["ack", "naked"], USAGE, "`naked` is no alarm"),
        (&["ack", "0000"], REFUSED, "There is no open alarm 0000."),
        (&["ack", &one, "00000000"], REFUSED, "There is no open alarm 00000000."),
        (&["--read-only", "ack", "--all"], REFUSED, "read-only"),
    ] {
        ends_with(&desk.run(arguments), code, words);
    }
    assert_eq!(unseen(&stage), 2, "what is refused sees nothing off");
    let listed = desk.run(&["alarms"]);
    let row = |called: &str, rest: &str| format!("{called}  {rest}\n");
    let expected = [
        row("ALARM   ", "AGE  WEIGHT  SEEN  KIND          TRADE  WHAT"),
        row(&one, &format!("2h   page    new   NEEDS_PERSON  -      {}", alarms[0]["message"].as_str().unwrap())),
        row(&other, &format!("5h   notice  new   LATE_ARRIVAL  -      {}", alarms[1]["message"].as_str().unwrap())),
    ];
    assert_eq!((listed.code, listed.out), (Some(DONE), expected.concat()));

    for size in SIZES {
        in_the_inbox(&stage, size, &alarms);
    }
    let mut terminal = stage.screen(Size::WIDE);
    terminal.wait_for("no trade looks after them").unwrap();
    ends_with(&desk.run(&["ack", &one]), DONE, &format!("{one} NEEDS_PERSON: Noted that you have seen it.\n"));
    // A screen that is open hears of it.
    wait_without(&mut terminal, "no trade looks after them");
    ends_with(&desk.run(&["ack", &one]), DONE, "Noted that you have seen it.");
    ends_with(&desk.run(&["alarms"]), DONE, &format!("{one}  2h   page    seen"));
    assert_eq!(unseen(&stage), 1);
    let seen = desk.run(&["ack", "--all", "--json"]).json();
    let ids: Vec<&Value> = seen["items"].as_array().unwrap().iter().map(|alarm| &alarm["id"]).collect();
    assert_eq!(ids, [&alarms[1]["id"]], "what was seen is not seen again");
    assert!(seen["items"][0]["acked_at"].is_string(), "{seen:#}");
    ends_with(&desk.run(&["ack", &other.to_uppercase(), alarms[0]["id"].as_str().unwrap()]), DONE, "NEEDS_PERSON: ");
    assert_eq!(unseen(&stage), 0);
}

#[test]
fn without_a_daemon_no_alarm_is_made_up() {
    let desk = Desk::alone();
    for arguments in [&["alarms"][..], &["alarms", "--json"], &["ack", "--all"], &["ack", "12345678"]] {
        ends_with(&desk.run(arguments), UNREACHABLE, "does not exist: the daemon is not running");
    }
}
