//! What is heard when a target is hit, through the real client: on an audio device, which here is a file; by a helper
//! that misbehaves in every way; and over SSH, as the terminal's own notification. The screen stays as it is.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use blotter_testkit::programs;
use blotter_testkit::terminal::{Setup, Size, Terminal};
use serde_json::Value;
use tempfile::TempDir;

use crate::market::{Market, is_closed};
use crate::stage::{is_live, settles};

/// What a helper that cannot behave writes, wherever it can.
const NOISE: &str = "ALSA lib pcm.c:2721:(snd_pcm_open_noupdate) Unknown PCM";

/// A client with a helper of the test's own beside it, which notes with which words it was called.
struct Listener {
    folder: TempDir,
    terminal: Terminal,
}

impl Listener {
    /// `helper` is a shell script; without one there is none. `$chime` stands for the real helper.
    fn new(market: &Market, helper: Option<&str>) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let client = folder.path().join("blotter");
        fs::hard_link(programs::path("blotter").unwrap(), &client).unwrap();
        if let Some(script) = helper {
            let notes = format!("echo \"$1 $$\" >> {}", folder.path().join("called").display());
            let chime = programs::path("blotter-chime").unwrap();
            let text = format!("#!/bin/sh\n{notes}\nchime={}\n{script}\n", chime.display());
            fs::write(folder.path().join("blotter-chime"), text).unwrap();
            fs::set_permissions(folder.path().join("blotter-chime"), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let config = folder.path().join("client.toml");
        fs::write(&config, "[client]\nsound = \"device\"\n").unwrap();
        let socket = market.stage.desk.socket();
        let setup = Setup::new(client.display().to_string()).arg("--config").arg(config.display().to_string());
        let setup = setup.arg("--socket").arg(socket).size(Size::WIDE);
        let setup = setup.env("ALSA_CONFIG_PATH", file_device(folder.path()));
        let mut terminal = Terminal::start(&setup).unwrap();
        terminal.wait_until("a live screen", is_live).unwrap();
        Self { folder, terminal }
    }

    /// The words and process ids with which the helper was called so far.
    fn called(&self) -> Vec<(String, String)> {
        let text = fs::read_to_string(self.folder.path().join("called")).unwrap_or_default();
        text.lines().filter_map(|line| line.split_once(' ')).map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
    }

    #[track_caller]
    fn wait_called(&mut self, word: &str) {
        settles(&format!("a helper that is called with {word}"), || {
            let called = self.called();
            if called.iter().any(|(said, _)| said == word) { Ok(()) } else { Err(format!("{called:?}")) }
        });
    }

    /// The helpers that were called and still run.
    fn running(&self) -> Vec<String> {
        let runs = |pid: &String| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
        };
        self.called().into_iter().map(|(_, pid)| pid).filter(runs).collect()
    }

    /// Everything below the first line, which counts seconds.
    fn body(&mut self) -> Vec<String> {
        self.terminal.text().lines().skip(1).map(|line| line.trim_end().to_owned()).collect()
    }
}

/// A configuration of ALSA whose default device is a file.
fn file_device(folder: &Path) -> String {
    let (config, sink) = (folder.join("asound.conf"), folder.join("heard.raw"));
    let text = format!(
        "pcm.!default {{ type plug slave.pcm {{ type file format raw file \"{}\" slave.pcm {{ type null }} }} }}\n",
        sink.display()
    );
    fs::write(&config, text).unwrap();
    config.display().to_string()
}

/// Holds a position, lets somebody get ready, and lets its target be hit.
#[track_caller]
fn hits_a_target<T>(market: &Market, ready: impl FnOnce() -> T) -> T {
    let (number, symbol) = market.hold();
    let ready = ready();
    market.pin(&symbol, "7.10", "7.20");
    let ended = market.until("a target that is hit", &number, is_closed);
    assert_eq!(ended["close"]["reason"], Value::from("TP_HIT"), "{ended:#}");
    ready
}

#[test]
fn a_target_that_is_hit_is_played_on_the_device_and_rings_no_bell() {
    let market = Market::unhurried();
    let mut listener = hits_a_target(&market, || Listener::new(&market, Some("exec \"$chime\" \"$1\"")));
    listener.terminal.wait_for("target hit").unwrap();
    listener.wait_called("profit");
    let raw = listener.folder.path().join("heard.raw");
    settles("a sound on the device", || {
        let heard = fs::read(&raw).unwrap_or_default();
        if heard.iter().any(|byte| *byte != 0) { Ok(()) } else { Err(format!("{} bytes of silence", heard.len())) }
    });
    settles("the end of the helper", || {
        let running = listener.running();
        if running.is_empty() { Ok(()) } else { Err(format!("{running:?} run")) }
    });
    assert_eq!(listener.terminal.heard().bells, 0, "the bell rang although the device played");
}

#[test]
fn a_helper_that_floods_hangs_fails_or_is_missing_leaves_the_screen_as_it_is() {
    let market = Market::unhurried();
    let flood = format!("while :; do echo '{NOISE}' >&2; echo '{NOISE}'; printf '\\033[2J\\007' >&2; done");
    let kinds = [
        ("well-behaved", Some("exec \"$chime\" \"$1\"")),
        ("flooding", Some(flood.as_str())),
        ("hanging", Some("exec tail -f /dev/null")),
        ("failing", Some("exit 3")),
        ("missing", None),
    ];
    let start = || kinds.map(|(kind, helper)| (kind, Listener::new(&market, helper)));
    let mut listeners = hits_a_target(&market, start);
    for (kind, listener) in &mut listeners {
        listener.terminal.wait_for("target hit").unwrap_or_else(|error| panic!("{kind}: {error}"));
        // Whoever does not play within two seconds is ended, and the bell rings in its place.
        let rings = *kind != "well-behaved";
        settles(&format!("the bell of a client whose helper is {kind}"), || {
            let bells = listener.terminal.heard().bells;
            if (bells > 0) == rings { Ok(()) } else { Err(format!("{bells} bells")) }
        });
        settles(&format!("the end of a helper that is {kind}"), || {
            let running = listener.running();
            if running.is_empty() { Ok(()) } else { Err(format!("{running:?} run")) }
        });
    }
    let [(_, calm), others @ ..] = &mut listeners;
    for (kind, listener) in others {
        settles(&format!("the screen of a calm client beside a helper that is {kind}"), || {
            let (expected, drawn) = (calm.body(), listener.body());
            if drawn == expected {
                Ok(())
            } else {
                Err(format!("{}\nand not\n{}", drawn.join("\n"), expected.join("\n")))
            }
        });
        let written = String::from_utf8_lossy(&listener.terminal.output()).into_owned();
        assert!(!written.contains("ALSA"), "{kind}: the helper wrote on the screen:\n{}", listener.terminal.text());
        listener.terminal.type_keys("q").unwrap();
        assert!(listener.terminal.wait_exit().unwrap().success(), "{kind}");
    }
}

/// A client that ends does not leave its helper behind.
#[test]
fn a_hanging_helper_ends_with_its_client() {
    let market = Market::unhurried();
    let mut listener = hits_a_target(&market, || Listener::new(&market, Some("exec tail -f /dev/null")));
    listener.wait_called("profit");
    listener.terminal.type_keys("q").unwrap();
    assert!(listener.terminal.wait_exit().unwrap().success());
    settles("the end of the helper", || {
        let running = listener.running();
        if running.is_empty() { Ok(()) } else { Err(format!("{running:?} run")) }
    });
}

#[test]
fn over_ssh_each_terminal_gets_the_notification_that_it_takes() {
    const WORDS: &str = "target hit";
    let market = Market::unhurried();
    fs::write(market.stage.desk.folder().join("client.toml"), "[client]\nsound = \"auto\"\n").unwrap();
    let remote = |term: &str, program: &str| {
        let setup = market.stage.desk.client(&[]).env("SSH_TTY", "/dev/pts/9");
        let setup = setup.env("TERM", term).env("TERM_PROGRAM", program);
        let mut terminal = Terminal::start(&setup.size(Size::STANDARD)).unwrap();
        terminal.wait_until("a live screen", is_live).unwrap();
        terminal
    };
    let kinds = [
        ("xterm-256color", "iTerm.app", Some("9;")),
        ("xterm-256color", "WezTerm", Some("9;")),
        ("xterm-kitty", "", Some("99;;")),
        ("foot", "", Some("777;notify;Blotter;")),
        ("rxvt-unicode-256color", "", Some("777;notify;Blotter;")),
        ("xterm-256color", "", None),
    ];
    let start = || kinds.map(|(term, program, sign)| (term, program, sign, remote(term, program)));
    let mut terminals = hits_a_target(&market, start);
    for (term, program, sign, terminal) in &mut terminals {
        terminal.wait_for(WORDS).unwrap();
        settles(&format!("bell and notification of {term} {program}"), || {
            let heard = terminal.heard();
            let posted: Vec<&String> = heard.osc.iter().filter(|text| text.contains(WORDS)).collect();
            let is_right = match (*sign, posted.as_slice()) {
                (None, []) => true,
                (Some(sign), [text]) => text.starts_with(sign) && text.contains("×2 target hit"),
                (None | Some(_), _) => false,
            };
            if heard.bells > 0 && is_right { Ok(()) } else { Err(format!("{heard:?}")) }
        });
    }
}
