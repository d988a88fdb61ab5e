//! The HTTP client and the command line against a daemon of a few lines.

use std::process::Output;

use blotter_shared::protocol::health::Version;
use blotter_shared::protocol::problem::{Problem, ProblemCode};
use blotter_shared::protocol::settings::Settings;
use blotter_shared::protocol::trades::TradeList;
use blotter_tui::client::calls::{Answer, Call, CallError};
use blotter_tui::client::connect::Place;
use blotter_tui::client::http::Daemon;
use tokio::process::Command;

use crate::fixture::{World, settings};
use crate::server::{Mood, Server};

fn daemon(server: &Server) -> Daemon {
    let place = Place { path: server.socket(), source: "test", is_shared_folder: false, uid: 0 };
    Daemon::new(place, "desk".to_owned())
}

/// Runs the program and waits for it.
async fn blotter(server: &Server, arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_blotter"))
        .args(arguments.split_whitespace())
        .env_clear()
        .env("BLOTTER_SOCKET", server.socket())
        .env("XDG_CONFIG_HOME", server.folder())
        .env("TERM", "xterm")
        .stdin(std::process::Stdio::null())
        .output()
        .await
        .unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("{output:?}"))
}

#[tokio::test]
async fn one_connection_carries_many_calls_and_each_names_itself() {
    let server = Server::start(World::busy(), Mood::default());
    let daemon = daemon(&server);
    for call in [Call::Version, Call::Health, Call::OpenTrades, Call::Settings] {
        daemon.call(&call).await.unwrap();
    }
    let Answer::OpenTrades(list) = daemon.call(&Call::OpenTrades).await.unwrap() else { panic!() };
    assert_eq!(list.items, World::busy().open);
    let key = uuid::Uuid::from_u128(9);
    daemon.call(&Call::Sync { request: Default::default(), key }).await.unwrap();
    for seen in server.seen.lock().unwrap().iter() {
        assert_eq!(seen.headers["blotter-protocol"], "1", "{seen:?}");
        assert_eq!(seen.headers["blotter-device"], "desk");
        assert_eq!(seen.headers.contains_key("idempotency-key"), seen.method != "GET", "{seen:?}");
    }
}

#[tokio::test]
async fn refusals_riddles_and_strangers_are_told_apart() {
    let refuse = Problem::new(ProblemCode::DatabaseUnavailable, "the database is away");
    let refusing = Server::start(World::busy(), Mood { refuse: Some(refuse.clone()), ..Mood::default() });
    assert_eq!(daemon(&refusing).call(&Call::OpenTrades).await, Err(CallError::Refused(Box::new(refuse))));
    let garbling = Server::start(World::busy(), Mood { garble: true, ..Mood::default() });
    assert!(matches!(daemon(&garbling).call(&Call::Health).await, Err(CallError::Garbled(_))));
    let newer = Server::start(World::busy(), Mood { protocol: Some(99), ..Mood::default() });
    let error = daemon(&newer).call(&Call::Version).await.unwrap_err();
    assert_eq!(error.code(), Some(ProblemCode::ProtocolMismatch));
    assert!(error.to_string().contains("upgrade the client"), "{error}");
}

#[tokio::test]
async fn a_daemon_that_is_gone_is_a_sentence() {
    let server = Server::start(World::busy(), Mood::default());
    let place = Place { path: server.folder().join("none.sock"), source: "test", is_shared_folder: false, uid: 0 };
    let error = Daemon::new(place, "desk".to_owned()).ask::<Version>(&Call::Version).await.unwrap_err();
    assert!(error.is_silence());
    assert!(error.to_string().contains("the daemon is not running"), "{error}");
}

#[tokio::test]
async fn trades_are_listed_as_text_and_as_json() {
    let server = Server::start(World::busy(), Mood::default());
    let output = blotter(&server, "trades").await;
    assert_eq!(code(&output), 0, "{output:?}");
    insta::assert_snapshot!("cli_trades", text(&output));
    let json = blotter(&server, "trades --json").await;
    let list: TradeList = serde_json::from_str(&text(&json)).unwrap();
    assert_eq!(list.items, World::busy().open);
    let closed = blotter(&server, "trades --status closed --find nvda --outcome win").await;
    assert_eq!(code(&closed), 0);
    let wanted = "/v1/trades?status=closed&limit=100&outcome=win&q=nvda";
    assert!(server.seen.lock().unwrap().iter().any(|seen| seen.target == wanted), "{:?}", server.seen);
}

#[tokio::test]
async fn one_trade_is_shown_by_its_number() {
    let server = Server::start(World::busy(), Mood::default());
    let output = blotter(&server, "show #10").await;
    assert!(text(&output).contains("NVDA 2026-03-20 150 C ×2"), "{output:?}");
    assert_eq!(code(&blotter(&server, "show 999").await), 3);
    assert_eq!(code(&blotter(&server, "show nonsense").await), 2);
}

#[tokio::test]
async fn settings_are_read_and_written() {
    let server = Server::start(World::busy(), Mood::default());
    assert_eq!(text(&blotter(&server, "settings get max_positions").await), "5\n");
    let shown: Settings = serde_json::from_str(&text(&blotter(&server, "settings --json").await)).unwrap();
    assert_eq!(shown, settings());
    let set = blotter(&server, "settings set max_positions=4").await;
    assert!(text(&set).contains("max_positions      4"), "{set:?}");
    let sent = server.seen.lock().unwrap().last().unwrap().clone();
    assert_eq!(sent.body, serde_json::json!({"version": 7, "max_positions": 4}));
    for (arguments, expected) in [
        ("settings set max_positions=12000", 2),
        ("settings set max_position=4", 2),
        ("settings set max_positions", 2),
        ("settings set max_positions=4 --read-only", 3),
    ] {
        assert_eq!(code(&blotter(&server, arguments).await), expected, "{arguments}");
    }
}

#[tokio::test]
async fn the_exit_code_says_what_failed() {
    for (problem, expected) in [
        (Problem::stale(7, 9), 4),
        (Problem::new(ProblemCode::BrokerUnavailable, "away"), 6),
        (Problem::new(ProblemCode::DatabaseUnavailable, "away"), 5),
        (Problem::new(ProblemCode::NotFound, "none"), 3),
        (Problem::new(ProblemCode::Internal, "a fault"), 1),
    ] {
        let server = Server::start(World::busy(), Mood { refuse: Some(problem.clone()), ..Mood::default() });
        let output = blotter(&server, "sync").await;
        assert_eq!(code(&output), expected, "{problem:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(&problem.detail));
    }
    let server = Server::start(World::busy(), Mood::default());
    assert_eq!(code(&blotter(&server, "trades --socket /nonexistent.sock").await), 5);
    assert_eq!(code(&blotter(&server, "nonsense").await), 2);
    assert_eq!(code(&blotter(&server, "").await), 2, "no screen without a terminal");
}

#[tokio::test]
async fn the_doctor_has_a_verdict_for_everything() {
    let server = Server::start(World::busy(), Mood::default());
    let output = blotter(&server, "doctor").await;
    assert_eq!(code(&output), 0, "{output:?}");
    for what in ["socket", "version", "database", "broker", "scheduler", "token", "audio", "terminal"] {
        assert!(text(&output).lines().any(|line| line.starts_with(what)), "{what}: {}", text(&output));
    }
    let gone = blotter(&server, "doctor --socket /nonexistent.sock --json").await;
    assert_eq!(code(&gone), 5);
    let checks: serde_json::Value = serde_json::from_str(&text(&gone)).unwrap();
    assert_eq!(checks[0]["verdict"], "failure");
    assert!(checks[0]["advice"].as_str().unwrap().contains("--socket"));
}

#[tokio::test]
async fn a_bad_configuration_is_told_at_once_and_in_full() {
    let server = Server::start(World::busy(), Mood::default());
    let file = server.folder().join("bad.toml");
    std::fs::write(&file, "[client]\nthem = 1\nmouse = \"x\"\n[keys]\nqiut = \"x\"\n").unwrap();
    let output = blotter(&server, &format!("config check --config {}", file.display())).await;
    assert_eq!(code(&output), 2);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    for line in ["bad.toml:2:", "bad.toml:3:", "bad.toml:5:"] {
        assert!(errors.contains(line), "{errors}");
    }
}

#[tokio::test]
async fn what_is_dumped_is_a_configuration() {
    let server = Server::start(World::busy(), Mood::default());
    let dumped = text(&blotter(&server, "config dump").await);
    let file = server.folder().join("dumped.toml");
    std::fs::write(&file, dumped).unwrap();
    let output = blotter(&server, &format!("config check --config {}", file.display())).await;
    assert_eq!(code(&output), 0, "{output:?}");
}

#[tokio::test]
async fn completions_and_manual_pages_are_made_from_the_program() {
    let server = Server::start(World::busy(), Mood::default());
    for shell in ["bash", "zsh", "fish"] {
        let output = blotter(&server, &format!("completions {shell}")).await;
        assert!(text(&output).contains("doctor"), "{shell}");
    }
    let folder = server.folder().join("man");
    assert_eq!(code(&blotter(&server, &format!("man --dir {}", folder.display())).await), 0);
    let keys = std::fs::read_to_string(folder.join("blotter-keys.7")).unwrap();
    assert!(keys.contains("\\fBctrl\\-l\\fR") && keys.contains("Draw the whole screen again"), "{keys}");
    assert!(folder.join("blotter.1").exists() && folder.join("blotter-doctor.1").exists());
    assert!(text(&blotter(&server, "man").await).contains(".SH KEYS"));
}

#[tokio::test]
async fn a_snapshot_is_the_screen_of_the_daemon() {
    let server = Server::start(World::busy(), Mood::default());
    let output = blotter(&server, "snapshot --size 80x24 --pane open").await;
    let screen = text(&output);
    assert!(screen.contains("NO STOP") && screen.contains("▲ +170.00"), "{screen}");
    let svg = blotter(&server, "snapshot --size 80x24 --pane history --format svg").await;
    assert!(text(&svg).starts_with("<svg") && text(&svg).contains("TP_HIT"));
    assert_eq!(code(&blotter(&server, "snapshot --size 0x9").await), 2);
}

#[tokio::test]
async fn a_terminal_that_can_show_nothing_is_told_what_to_use() {
    let server = Server::start(World::busy(), Mood::default());
    let output = Command::new(env!("CARGO_BIN_EXE_blotter"))
        .env_clear()
        .env("TERM", "dumb")
        .env("BLOTTER_SOCKET", server.socket())
        .stdin(std::process::Stdio::null())
        .output()
        .await
        .unwrap();
    assert_eq!(code(&output), 2);
    assert!(String::from_utf8_lossy(&output.stderr).contains("blotter trades"), "{output:?}");
}
