//! The program itself: its first line, its ends, its state file, and what it says about options that are wrong.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

/// A running program, killed when the test ends.
struct Program {
    child: Child,
    address: String,
}

impl Program {
    fn start(args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tradier-sim"))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("its output")).read_line(&mut line).expect("a line");
        let port = line.strip_prefix("listening on 127.0.0.1:").and_then(|p| p.strip_suffix('\n'));
        let port: u16 = port.and_then(|p| p.parse().ok()).unwrap_or_else(|| panic!("the first line is {line:?}"));
        Self { child, address: format!("127.0.0.1:{port}") }
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let mut socket = TcpStream::connect(&self.address).expect("a connection");
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept: application/json\r\nAuthorization: Bearer live-token\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        socket.write_all(request.as_bytes()).expect("a request");
        let mut text = String::new();
        socket.read_to_string(&mut text).expect("an answer");
        text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or(text)
    }

    fn ends(&mut self) -> ExitStatus {
        self.child.wait().expect("an end")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn refusal(args: &[&str]) -> String {
    let out =
        Command::new(env!("CARGO_BIN_EXE_tradier-sim")).args(args).stdin(Stdio::null()).output().expect("the program");
    assert!(!out.status.success() && out.stdout.is_empty(), "{args:?} was taken: {out:?}");
    String::from_utf8(out.stderr).expect("text")
}

#[test]
fn with_a_lifeline_it_ends_when_its_input_ends() {
    let mut program = Program::start(&["--clock", "manual", "--lifeline"]);
    assert!(program.ask("GET", "/v1/markets/clock", "").contains("\"clock\""));
    drop(program.child.stdin.take());
    assert!(program.ends().success());
}

#[test]
fn without_one_it_lives_until_it_is_told() {
    let mut program = Program::start(&["--clock", "manual"]);
    drop(program.child.stdin.take());
    assert!(program.ask("GET", "/v1/markets/clock", "").contains("\"clock\""));
    // The shell's own: a machine may have no other.
    let kill = format!("kill -TERM {}", program.child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().expect("a shell").success());
    assert!(program.ends().success(), "a request to end is no failure");
}

const ORDERS: &str = "/v1/accounts/6YA00001/orders?includeTags=true";

fn args(state: &Path) -> [String; 6] {
    ["--clock", "manual", "--start", "2026-09-10T10:15", "--state", state.to_str().expect("a path")].map(str::to_owned)
}

#[test]
fn a_state_file_carries_orders_positions_and_time_over_a_kill() {
    let folder = tempfile::tempdir().expect("a folder");
    let args = args(&folder.path().join("state.json"));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut first = Program::start(&args);
    first.ask("POST", ORDERS, "class=equity&symbol=AAPL&side=buy&quantity=3&type=market&duration=day&tag=s-1");
    first.ask("POST", "/__sim/clock", r#"{"step_ms":4000}"#);
    first.ask("POST", ORDERS, "class=equity&symbol=AAPL&side=buy&quantity=1&type=limit&price=10&duration=gtc&tag=s-2");
    first.ask("POST", "/__sim/clock", r#"{"step_ms":1000}"#);
    let paths = [
        ORDERS,
        "/v1/accounts/6YA00001/positions",
        "/v1/accounts/6YA00001/balances",
        "/v1/markets/quotes?symbols=AAPL",
        "/__sim/clock",
    ];
    let before = paths.map(|p| first.ask("GET", p, ""));
    first.child.kill().expect("a kill");
    first.ends();
    let second = Program::start(&args);
    assert_eq!(paths.map(|p| second.ask("GET", p, "")), before);
    let next =
        second.ask("POST", ORDERS, "class=equity&symbol=AAPL&side=buy&quantity=1&type=limit&price=11&duration=gtc");
    assert!(!before[0].contains(&next[..20]), "a number was given twice: {next}");
}

#[test]
fn a_script_goes_on_where_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let scenario = folder.path().join("twice.toml");
    let text =
        "about = \"two wipes\"\n[[event]]\nafter = \"10s\"\ndo = \"wipe\"\n[[event]]\nafter = \"60s\"\ndo = \"wipe\"\n";
    std::fs::write(&scenario, text).expect("a file");
    let mut args: Vec<String> = args(&folder.path().join("state.json")).to_vec();
    args.extend(["--scenario".to_owned(), scenario.to_str().expect("a path").to_owned()]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let wipes = |p: &Program| p.ask("GET", "/__sim/ledger", "").matches("\"fact\":\"wiped\"").count();
    let mut first = Program::start(&args);
    first.ask("POST", "/__sim/clock", r#"{"step_ms":20000}"#);
    let accounts = wipes(&first);
    assert!(accounts > 0);
    first.child.kill().expect("a kill");
    first.ends();
    let second = Program::start(&args);
    second.ask("POST", "/__sim/clock", r#"{"step_ms":30000}"#);
    assert_eq!(wipes(&second), accounts, "the first act is not played again");
    second.ask("POST", "/__sim/clock", r#"{"step_ms":30000}"#);
    assert_eq!(wipes(&second), accounts * 2, "the second comes at its time");
}

#[test]
fn wrong_options_are_refused_in_a_sentence_that_names_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.to_str().expect("a path").to_owned()
    };
    let (state, config) = (file("state", "{\"version\":"), file("config.toml", "sede = 1\n"));
    let (tape, scenario) =
        (file("tape", "a,b\n"), file("bad.toml", "about = \"x\"\n[[fault]]\nkind = \"latency\"\nchance = 2\n"));
    let cases: [(&[&str], &str); 13] = [
        (&["--clock", "fast"], "clock: \"fast\" is not manual, real or a rate such as x60"),
        (&["--start", "soon"], "start: \"soon\" is no time such as"),
        (&["--token", "nonsense"], "token: expected SANDBOX:… or LIVE:…"),
        (&["--token", "PAPER:x"], "\"PAPER\" is neither SANDBOX nor LIVE"),
        (&["--account", "LIVE:6YA1:much"], "account"),
        (&["--listen", "nowhere"], "cannot listen on nowhere"),
        (&["--seed", "x"], "--seed"),
        (&["--scenario", "none"], "none of calm-day"),
        (&["--scenario", &scenario], "line 4: chance: 2 is not between 0 and 1"),
        (&["--config", &config], "unknown field `sede`"),
        (&["--tape", &tape], "tape"),
        (&["--state", &state], "is damaged"),
        (&["--frobnicate"], "--frobnicate"),
    ];
    for (args, words) in cases {
        let told = refusal(args);
        assert!(told.contains(words), "{args:?}: {told:?} does not say {words:?}");
    }
}

#[test]
fn tokens_and_accounts_of_ones_own_replace_the_usual_ones() {
    let program = Program::start(&["--clock", "manual", "--token", "LIVE:mine", "--account", "LIVE:ABC123:2500"]);
    assert!(program.ask("GET", "/v1/user/profile", "").contains("Invalid Access Token"));
    let mut socket = TcpStream::connect(&program.address).expect("a connection");
    let request = "GET /v1/accounts/ABC123/balances HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept: application/json\r\nAuthorization: Bearer mine\r\n\r\n";
    socket.write_all(request.as_bytes()).expect("a request");
    let mut text = String::new();
    socket.read_to_string(&mut text).expect("an answer");
    assert!(text.contains("\"total_cash\":2500.0"), "{text}");
}

#[test]
fn the_shipped_scenarios_are_listed() {
    let out = Command::new(env!("CARGO_BIN_EXE_tradier-sim")).arg("--list-scenarios").output().expect("the program");
    let text = String::from_utf8(out.stdout).expect("text");
    for name in ["calm-day", "demo", "everything-fails"] {
        assert!(text.lines().any(|l| l.starts_with(name)), "{text}");
    }
}

#[test]
fn a_configuration_and_a_tape_are_taken_and_the_clock_runs_by_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let tape = folder.path().join("tape.csv");
    std::fs::write(&tape, "2026-09-10T09:30:00,SPY,123.45\n").expect("a file");
    let config = folder.path().join("config.toml");
    let text = format!("seed = 5\nstart = \"2026-09-10T10:15\"\nclock = \"x60\"\ntape = {tape:?}\n");
    std::fs::write(&config, text).expect("a file");
    let program = Program::start(&["--config", config.to_str().expect("a path")]);
    let clock =
        || -> serde_json::Value { serde_json::from_str(&program.ask("GET", "/__sim/clock", "")).expect("a clock") };
    let (first, quote) = (clock(), program.ask("GET", "/v1/markets/quotes?symbols=SPY", ""));
    assert_eq!(first["rate"].as_f64(), Some(60.0), "{first}");
    assert!(quote.contains("\"last\":123.45"), "the tape's price: {quote}");
    let began = std::time::Instant::now();
    while clock()["et"] == first["et"] {
        assert!(began.elapsed().as_secs() < 20, "time stands at {first}");
    }
}
