//! Accounts at the broker from the command line: tokens in by pipe and by keyboard and never out again,
//! and the number that real money wants typed.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use blotter_testkit::programs;
use blotter_testkit::terminal::{Size, Terminal};
use serde_json::Value;

use crate::stage::{DONE, REFUSED, Said, Stage, USAGE};

/// What the simulator takes for its sandbox, and for real money and ORATS.
pub(crate) const TOKEN: &str = "sandbox-token";
pub(crate) const ORATS: &str = "live-token";

/// A simulator that ends with the test.
pub(crate) struct Simulator {
    child: Child,
    address: String,
}

impl Simulator {
    /// A world whose time stands still.
    pub(crate) fn start() -> Self {
        Self::told(&["--clock", "manual", "--start", "2026-09-10T10:15"])
    }

    /// A world whose time passes, from eleven in the morning of a trading day.
    pub(crate) fn running() -> Self {
        Self::told(&["--clock", "real", "--start", "2026-09-10T11:00", "--seed", "7", "--no-limits"])
    }

    fn told(arguments: &[&str]) -> Self {
        let mut command = Command::new(programs::path("tradier-sim").unwrap());
        command.args(arguments).arg("--lifeline");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        Self { child, address }
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Lets something happen in the simulated market.
    pub(crate) fn happens(&self, act: &Value) {
        self.control("POST", "do", &act.to_string());
    }

    /// What the simulation's own books say of something: `orders`, `accounts`, `ledger`.
    pub(crate) fn books(&self, what: &str) -> Value {
        serde_json::from_str(&self.control("GET", what, "")).unwrap()
    }

    fn control(&self, method: &str, what: &str, body: &str) -> String {
        let head = format!("{method} /__sim/{what} HTTP/1.1\r\nhost: sim\r\nconnection: close");
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        assert!(head.starts_with("HTTP/1.1 200"), "{method} {what} {body}: {answer}");
        body.to_owned()
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A daemon with a key, whose broker and ORATS are a simulator.
pub(crate) fn stage(sim: &Simulator, more: &str) -> Stage {
    let keygen = Command::new(programs::path("blotterd").unwrap()).args(["vault", "keygen"]).output().unwrap();
    let key = String::from_utf8(keygen.stdout).unwrap().trim().to_owned();
    let config =
        format!("[broker]\nsim_url = \"http://{0}/v1\"\norats_url = \"http://{0}/datav2\"\n{more}", sim.address);
    let mut stage = Stage::prepared_with(config, vec![("ENCRYPTION_KEY".to_owned(), key)]);
    stage.start_daemon();
    stage
}

#[track_caller]
fn ends_with(said: &Said, code: i32, words: &str) {
    assert_eq!(said.code, Some(code), "{said:?}");
    let told = if code == DONE { &said.out } else { &said.err };
    assert!(told.contains(words), "no `{words}` in {said:?}");
    assert!(![&said.out, &said.err].iter().any(|text| text.contains(TOKEN) || text.contains(ORATS)), "{said:?}");
}

#[test]
fn a_token_comes_by_pipe_is_asked_about_and_forgotten() {
    let sim = Simulator::start();
    let stage = stage(&sim, "");
    let desk = &stage.desk;
    ends_with(&desk.run(&["tokens"]), DONE, "No token is stored");
    ends_with(&desk.run_with(&["tokens", "set", "sim"], "\n"), USAGE, "no token was given");
    ends_with(&desk.run_with(&["tokens", "set", "paper"], TOKEN), USAGE, "sim, sandbox, live or orats");
    let wrong = desk.run_with(&["tokens", "set", "sim"], "nobodys-token\n");
    assert_ne!(wrong.code, Some(DONE), "{wrong:?}");
    assert!(wrong.err.contains("a token that the broker accepts"), "{wrong:?}");
    ends_with(&desk.run_with(&["tokens", "set", "sim", "--read-only"], TOKEN), REFUSED, "read-only");
    ends_with(&desk.run_with(&["tokens", "set", "sim"], &format!("{TOKEN}\n")), DONE, "account VA00000001.");
    ends_with(&desk.run_with(&["tokens", "set", "orats"], ORATS), DONE, "ORATS accepted the token.");
    let list = desk.run(&["tokens"]);
    ends_with(&list, DONE, "SIM      VA00000001");
    ends_with(&list, DONE, "ORATS    -            stored");
    ends_with(&desk.run(&["tokens", "remove", "sim"]), USAGE, "--yes");
    ends_with(&desk.run(&["tokens", "remove", "sim", "--yes"]), DONE, "SIM: the token is forgotten.");
    ends_with(&desk.run(&["tokens", "remove", "orats", "--yes"]), DONE, "ORATS: the token is forgotten.");
    ends_with(&desk.run(&["tokens"]), DONE, "No token is stored");
    ends_with(&desk.run(&["tokens", "remove", "sim", "--yes"]), REFUSED, "");
    assert!(!stage.daemon.log().contains(TOKEN) && !stage.daemon.log().contains(ORATS), "{}", stage.daemon.log());
}

#[test]
fn a_token_is_typed_without_being_shown_and_its_end_is_asked_about() {
    let sim = Simulator::start();
    let stage = stage(&sim, "");
    let mut terminal = Terminal::start(&stage.desk.client(&["tokens", "set", "sim"]).size(Size::WIDE)).unwrap();
    terminal.wait_for("SIM token (it is not shown):").unwrap();
    terminal.type_keys(&format!("{TOKEN}\r")).unwrap();
    terminal.wait_for("SIM: the broker accepted the token; account VA00000001.").unwrap();
    assert!(terminal.wait_exit().unwrap().success());
    let written = String::from_utf8_lossy(&terminal.output()).into_owned();
    assert!(!written.contains(TOKEN), "{written}");

    let mut refuses = Terminal::start(&stage.desk.client(&["tokens", "remove", "sim"]).size(Size::WIDE)).unwrap();
    refuses.wait_for("Forget the SIM token?").unwrap();
    refuses.type_keys("\r").unwrap();
    refuses.wait_for("Nothing was removed.").unwrap();
    refuses.wait_exit().unwrap();
    ends_with(&stage.desk.run(&["tokens"]), DONE, "SIM      VA00000001");
    let mut agrees = Terminal::start(&stage.desk.client(&["tokens", "remove", "sim"]).size(Size::WIDE)).unwrap();
    agrees.wait_for("Forget the SIM token?").unwrap();
    agrees.type_keys("y\r").unwrap();
    agrees.wait_for("SIM: the token is forgotten.").unwrap();
    assert!(agrees.wait_exit().unwrap().success());
    ends_with(&stage.desk.run(&["tokens"]), DONE, "No token is stored");
}

#[test]
fn real_money_wants_two_locks_and_its_number_typed() {
    const NUMBER: &str = "6YA00001";
    let sim = Simulator::start();
    let locked = stage(&sim, "");
    let live = ["settings", "set", "broker_mode=LIVE"];
    let typed = |number: &'static str| [&live[..], &["--live-account", number]].concat();
    locked.desk.run(&["settings", "set", "max_positions=7"]);
    locked.sql(&format!("UPDATE user_settings SET tradier_live_account_id = '{NUMBER}'"));
    let refused = locked.desk.run(&typed(NUMBER));
    assert!(refused.code != Some(DONE) && refused.err.contains("allow_live"), "{refused:?}");

    let open = stage(&sim, "allow_live = true\n");
    open.desk.run(&["settings", "set", "max_positions=7"]);
    open.sql(&format!("UPDATE user_settings SET tradier_live_account_id = '{NUMBER}'"));
    for said in [open.desk.run(&live), open.desk.run(&typed("LIVE")), open.desk.run(&typed("6YA00002"))] {
        assert!(said.code != Some(DONE) && said.err.contains("typed_live_account"), "{said:?}");
    }
    assert_ne!(open.setting("broker_mode"), "LIVE");
    ends_with(&open.desk.run(&typed(NUMBER)), DONE, "broker_mode        LIVE");
    assert_eq!(open.setting("broker_mode"), "LIVE");
}
