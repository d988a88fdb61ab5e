//! `blotterd calendar`: one object a session.

use std::process::Command;

use serde_json::Value;

fn calendar(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_blotterd")).arg("calendar").args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn fifty_one_years_are_one_object_a_session() {
    let text = calendar(&["--from", "1990-01-01", "--to", "2040-12-31", "--json"]);
    let sessions: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(sessions.len(), 12_833);
    assert_eq!(sessions[0]["date"], "1990-01-02");
    assert_eq!(sessions[0]["open"], "1990-01-02T14:30:00Z");
    assert_eq!(sessions[12_832]["date"], "2040-12-31");
    let remembrance = sessions.iter().find(|session| session["date"] == "2002-09-11").unwrap();
    assert_eq!(remembrance["open"], "2002-09-11T13:30:00Z");
    assert_eq!(remembrance["traded"]["from"], "2002-09-11T16:00:00Z");
    assert!(sessions.windows(2).all(|pair| pair[0]["close"].as_str() < pair[1]["open"].as_str()));
}

#[test]
fn people_get_a_table() {
    let text = calendar(&["--from", "2026-11-25", "--to", "2026-11-27"]);
    assert_eq!(
        text,
        "2026-11-25  2026-11-25T14:30:00Z  2026-11-25T21:00:00Z\n\
         2026-11-27  2026-11-27T14:30:00Z  2026-11-27T18:00:00Z  early close\n"
    );
}
