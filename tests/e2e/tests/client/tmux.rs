//! The client as most people have it: 80 columns and 24 lines inside of tmux, over SSH. Each key of each hint line is
//! pressed and does what its words say; what is copied reaches the clipboard outside.
//!
//! Keys go through tmux, as a person's do. What is looked at is tmux's own picture of its pane.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use blotter_testkit::terminal::{Screen, Setup, Size, Terminal, drawn};
use tempfile::TempDir;

use crate::market::{Market, is_closed};
use crate::stage::{CONNECTING, Stage, settles};

const ESC: &str = "\u{1b}";
const CTRL_C: &str = "\u{3}";
/// A question takes no key before it could be read.
const READING: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// When a key that brought nothing is pressed again.
const AGAIN: Duration = Duration::from_secs(8);

/// A server of tmux that nobody else has, with one session: the client.
struct Tmux {
    folder: TempDir,
    outer: Terminal,
}

/// What a pane of tmux shows.
struct Pane {
    text: String,
    /// The line in which the cursor stands.
    at_cursor: String,
    screen: Screen,
}

impl Tmux {
    /// `settings` are those of a `.tmux.conf`; tmux's own status line makes the pane 24 lines high.
    fn open(stage: &Stage, settings: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("bt").tempdir_in("/tmp").unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        fs::write(path("tmux.conf"), settings).unwrap();
        let blotter = stage.desk.client(&[]);
        let mut setup = Setup::new("tmux").size(Size { columns: 80, rows: 25 });
        for argument in ["-S", &path("tmux"), "-f", &path("tmux.conf"), "new-session", "--", &blotter.program] {
            setup = setup.arg(argument);
        }
        setup = blotter.arguments.iter().fold(setup, Setup::arg);
        setup = blotter.environment.iter().fold(setup, |setup, (name, value)| setup.env(name, value));
        let setup = setup.env("HOME", path("")).env("SSH_TTY", "/dev/pts/9");
        let outer = Terminal::start(&setup.env("SSH_CONNECTION", "127.0.0.1 50022 127.0.0.1 22")).unwrap();
        let tmux = Self { folder, outer };
        tmux.shows("q quit");
        tmux.until("a live screen", |pane| !pane.text.contains("Waiting for") && !pane.text.contains('⟳'));
        tmux
    }

    fn ask(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.folder.path().join("tmux")).args(arguments).env("LANG", "C.UTF-8");
        command.output().expect("tmux: scripts/setup brings it")
    }

    fn pane(&self) -> Pane {
        let captured = String::from_utf8(self.ask(&["capture-pane", "-p", "-e"]).stdout).unwrap();
        // A line end behind the last line would scroll.
        let lines = captured.strip_suffix('\n').unwrap_or(&captured).replace('\n', "\r\n");
        let screen = drawn(&lines, Size::STANDARD).unwrap();
        let row = String::from_utf8(self.ask(&["display-message", "-p", "#{cursor_y}"]).stdout).unwrap();
        let text = screen.contents();
        let line = row.trim().parse().ok().and_then(|row: usize| text.lines().nth(row));
        Pane { at_cursor: line.unwrap_or_default().to_owned(), text, screen }
    }

    #[track_caller]
    fn until(&self, what: &str, done: impl Fn(&Pane) -> bool) -> Pane {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let pane = self.pane();
            if done(&pane) {
                return pane;
            }
            assert!(Instant::now() < deadline, "waited for {what}; the pane shows\n{}", pane.text);
            std::thread::park_timeout(LOOK_EVERY);
        }
    }

    #[track_caller]
    fn shows(&self, words: &str) -> Pane {
        self.until(&format!("`{words}`"), |pane| pane.text.contains(words))
    }

    /// Presses a key and waits for what it promises. A client that has just begun refuses what acts, says so, and is asked
    /// again.
    #[track_caller]
    fn press(&mut self, key: &str, what: &str, done: impl Fn(&Pane) -> bool) {
        loop {
            // What was said to another key is not about this one.
            self.hides(CONNECTING);
            self.types(key);
            if done(&self.until(what, |pane| done(pane) || pane.text.contains(CONNECTING))) {
                return;
            }
        }
    }

    #[track_caller]
    fn hides(&self, words: &str) -> Pane {
        self.until(&format!("no `{words}`"), |pane| !pane.text.contains(words))
    }

    fn types(&mut self, keys: &str) {
        self.outer.type_keys(keys).unwrap();
    }

    /// Types, and gives whoever reads the time that a question wants.
    #[track_caller]
    fn opens(&mut self, keys: &str, sign: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.pane().text.contains(sign) {
            assert!(Instant::now() < deadline, "{keys:?} shows no {sign}:\n{}", self.pane().text);
            self.hides(CONNECTING);
            self.types(keys);
            // Pressed again without a reason, it would close what it is about to open.
            let look = Instant::now() + AGAIN;
            let is_told = |text: &str| [sign, CONNECTING].iter().any(|words| text.contains(words));
            while Instant::now() < look && !is_told(&self.pane().text) {
                std::thread::park_timeout(LOOK_EVERY);
            }
        }
        read();
    }

    /// Ends the client by a key of its hint line; tmux ends with it.
    #[track_caller]
    fn ends(mut self, keys: &str) {
        self.types(keys);
        assert!(self.outer.wait_exit().unwrap().success());
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        // One that has ended has nobody who could be asked.
        drop(self.ask(&["kill-server"]));
    }
}

/// A form takes no Enter before a person could have read it.
fn read() {
    let seen = Instant::now();
    while let Some(left) = READING.checked_sub(seen.elapsed()) {
        std::thread::park_timeout(left);
    }
}

impl Pane {
    /// The last line, as pairs of key and words.
    fn hints(&self) -> Vec<String> {
        let last = self.text.lines().nth(23).unwrap_or_default();
        last.split("  ").map(str::trim).filter(|hint| !hint.is_empty()).map(ToOwned::to_owned).collect()
    }

    /// Whether these words look otherwise than the frame around them: a button that has the focus.
    fn is_marked(&self, words: &str) -> bool {
        let found = self.text.lines().zip(0_u16..).find_map(|(line, row)| Some((row, line.split_once(words)?.0)));
        let Some((row, before)) = found else { return false };
        let column = u16::try_from(before.chars().count()).unwrap();
        let look =
            |column: u16| self.screen.cell(row, column).map(|cell| (cell.inverse(), cell.bold(), cell.bgcolor()));
        look(column + 2) != look(column.saturating_sub(1))
    }
}

/// What the words of a hint promise.
enum Sign {
    Shows(&'static str),
    Hides(&'static str),
    /// The cursor stands in a line with this.
    Cursor(&'static str),
}
use Sign::{Cursor, Hides, Shows};

/// A hint, what is seen once its key was pressed, and what leads back.
type Promise = (&'static str, Sign, &'static [&'static str]);

/// The bytes that a terminal sends for a key of the hint line.
fn typed(hint: &str) -> &str {
    match hint.split(' ').next().unwrap_or_default() {
        "Tab" => "\t",
        "↵" => "\r",
        "Esc" => ESC,
        "Ctrl-C" => CTRL_C,
        key => key,
    }
}

/// Presses every key that the line offers, each once, and sees what its words say; the last one ends the client.
#[track_caller]
fn keeps(mut tmux: Tmux, promises: &[Promise]) {
    let offered = tmux.pane().hints();
    let quits = offered.last().unwrap();
    assert!(quits.ends_with(" quit"), "{quits}");
    each(&mut tmux, promises, &[quits]);
    tmux.ends(typed(quits));
}

/// The same of all but these.
#[track_caller]
fn each(tmux: &mut Tmux, promises: &[Promise], but: &[&str]) {
    let home = tmux.pane();
    let offered = home.hints();
    let known: BTreeSet<&str> = promises.iter().map(|(hint, ..)| *hint).chain(but.iter().copied()).collect();
    let told: BTreeSet<&str> = offered.iter().map(String::as_str).collect();
    assert_eq!(told, known, "the line offers other keys than this test presses:\n{}", home.text);
    for (hint, sign, back) in promises {
        let before = tmux.pane();
        match sign {
            Shows(words) => {
                assert!(!before.text.contains(words), "`{words}` is there before {hint}:\n{}", before.text);
                tmux.press(typed(hint), &format!("`{words}`"), |pane| pane.text.contains(words));
            }
            Hides(words) => {
                assert!(before.text.contains(words), "no `{words}` before {hint}:\n{}", before.text);
                tmux.press(typed(hint), &format!("no `{words}`"), |pane| !pane.text.contains(words));
            }
            Cursor(words) => {
                assert!(
                    !before.at_cursor.contains(words),
                    "the cursor is at `{words}` before {hint}:\n{}",
                    before.text
                );
                tmux.press(typed(hint), &format!("the cursor at `{words}`"), |pane| pane.at_cursor.contains(words));
            }
        }
        for keys in *back {
            read();
            tmux.types(keys);
        }
        let is_undone = |pane: &Pane| match sign {
            Shows(words) => !pane.text.contains(words),
            Hides(words) => pane.text.contains(words),
            Cursor(_) => true,
        };
        let what = format!("the way back from {hint} to {offered:?}");
        tmux.until(&what, |pane| back.is_empty() || (pane.hints() == offered && is_undone(pane)));
        read();
    }
}

#[test]
fn every_key_of_an_empty_book_does_what_it_says() {
    let stage = Stage::live();
    keeps(
        Tmux::open(&stage, ""),
        &[
            ("n new", Shows("New trade"), &[ESC]),
            ("r sync", Shows("Synced: nothing was missed."), &[]),
            ("a auto:on 15s", Shows("auto:off"), &["a"]),
            (", settings", Shows("Open positions, at most"), &[","]),
            ("! messages", Shows("┌ Messages"), &["!"]),
            ("? help", Shows("┌ Keys"), &["?"]),
        ],
    );
}

/// Two positions with their brackets, one closed trade, and months of others.
fn traded() -> Market {
    let mut market = Market::open();
    let (first, _) = market.hold();
    market.stage.write_closed_trades(&[("SIM", 1_000, 60)]);
    assert_eq!(market.run(&["close", &first]).code, Some(0));
    market.until("its end", &first, is_closed);
    for _ in 0..2 {
        market.begins_anew();
        market.hold();
    }
    market.begins_anew();
    market
}

#[test]
fn every_key_of_each_pane_with_rows_does_what_it_says() {
    let market = traded();
    let tmux = || Tmux::open(&market.stage, "");
    keeps(
        tmux(),
        &[
            ("c close", Shows("┌ Close #2"), &[ESC]),
            ("s stop", Cursor("Stop "), &[ESC]),
            ("t target", Cursor("Target "), &[ESC]),
            ("n new", Shows("┌ New trade"), &[ESC]),
            ("w why", Shows("┌ The story of #2"), &[ESC]),
            ("↵ details", Shows("Strategy breakout"), &["\r"]),
            ("/ find", Shows("find:"), &[ESC]),
            ("? help", Shows("┌ Keys"), &[ESC]),
        ],
    );
    let mut history = tmux();
    history.opens("2", "[All]");
    history.shows("MANUAL_CLOSE");
    keeps(
        history,
        &[
            ("w why", Shows("┌ The story of #"), &[ESC]),
            ("↵ details", Shows("Reason "), &["\r"]),
            ("/ find", Shows("find:"), &[ESC]),
            ("f filter", Shows("[Wins]"), &["f", "f", "f"]),
            ("o sort", Shows("SYMBOL↑"), &[]),
            ("x export", Shows("┌ Export"), &[ESC]),
            ("r sync", Shows("Synced: nothing was missed."), &[]),
            ("? help", Shows("┌ Keys"), &[ESC]),
        ],
    );
    let mut performance = tmux();
    performance.opens("3", "By strategy");
    keeps(
        performance,
        &[
            ("↵ every figure", Shows("┌ Every figure"), &[ESC]),
            ("p period", Shows("[90d]"), &["p", "p", "p", "p"]),
            ("b breakdown", Shows("By ticker"), &[]),
            ("r sync", Shows("Synced: nothing was missed."), &[]),
            ("a auto:on 15s", Shows("auto:off"), &["a"]),
            ("? help", Shows("┌ Keys"), &[ESC]),
        ],
    );
}

/// A question: Tab, Enter and Esc leave everything as it is, Ctrl-C leaves, and `y` does it.
#[track_caller]
fn question(market: &Market, keys: &'static str, [sign, act, done]: [&'static str; 3]) {
    let open = || {
        let mut tmux = Tmux::open(&market.stage, "");
        tmux.opens(keys, sign);
        tmux
    };
    let mut tmux = open();
    let promises: [Promise; 2] = [("Tab choose", Shows(act), &["\t"]), ("↵ press", Hides(sign), &[])];
    tmux.types("\t");
    tmux.until("a focus that is seen", |pane| pane.is_marked(act));
    tmux.types("\t");
    tmux.hides(act);
    each(&mut tmux, &promises, &["Esc keep", "y yes", "Ctrl-C quit"]);
    tmux.opens(keys, sign);
    tmux.types(ESC);
    tmux.hides(sign);
    tmux.opens(keys, sign);
    tmux.ends(CTRL_C);
    let before = market.orders().len();
    let mut tmux = open();
    assert_eq!(market.orders().len(), before, "a question that was only looked at sent something");
    tmux.types("y");
    tmux.hides(sign);
    tmux.shows(done);
}

#[test]
fn every_key_of_each_question_does_what_it_says() {
    let market = traded();
    question(&market, "c", ["┌ Close #2", "[ Close position ]", "It is on its way out."]);
    market.until("its end", "2", is_closed);
    question(&market, "K", ["┌ Stop every entry", "[ Stop entries ]", "Entries are stopped"]);
    assert_eq!(market.stage.get("/v1/settings").json().unwrap()["entries_stopped"], true);
    question(&market, "F", ["┌ Flatten everything", "[ Flatten ]", "Everything is on its way out."]);
    market.until("its end", "3", is_closed);
}

/// A form: Tab goes on, Enter presses the safe button, Esc leaves, Ctrl-C ends the client.
#[track_caller]
fn form(market: &Market, keys: &str, [sign, second]: [&'static str; 2]) {
    let mut tmux = Tmux::open(&market.stage, "");
    tmux.opens(keys, sign);
    each(&mut tmux, &[("Tab choose", Cursor(second), &[])], &["↵ press", "Esc keep", "Ctrl-C quit"]);
    for _ in 0..20 {
        if tmux.pane().text.contains("[ Keep ]") {
            break;
        }
        tmux.types("\t");
        read();
    }
    tmux.shows("[ Keep ]");
    tmux.types("\r");
    tmux.hides(sign);
    tmux.opens(keys, sign);
    tmux.types(ESC);
    tmux.hides(sign);
    tmux.opens(keys, sign);
    tmux.ends(CTRL_C);
}

#[test]
fn every_key_of_each_form_does_what_it_says() {
    let market = traded();
    let sent = market.orders().len();
    form(&market, "s", ["┌ Bracket of #2", "Target "]);
    form(&market, "C", ["┌ Close a part of #2", "Limit "]);
    form(&market, "n", ["┌ New trade", "Contracts "]);
    assert_eq!(market.orders().len(), sent, "a form that was only looked at sent something");
}

const HELP: Promise = ("? help", Shows("┌ Keys"), &[ESC]);

#[test]
fn every_key_of_each_window_does_what_it_says() {
    let market = traded();
    let open = |keys: &[(&str, &str)]| {
        let mut tmux = Tmux::open(&market.stage, "");
        tmux.shows("FILLED");
        for (keys, sign) in keys {
            tmux.opens(keys, sign);
        }
        tmux
    };
    keeps(open(&[("?", "┌ Keys")]), &[("Esc back", Hides("┌ Keys"), &["?"])]);
    keeps(open(&[("!", "┌ Messages")]), &[("Esc back", Hides("┌ Messages"), &["!"]), HELP]);
    keeps(open(&[("w", "┌ The story of #2")]), &[("Esc back", Hides("┌ The story"), &["w"]), HELP]);
    let figures = open(&[("3", "By strategy"), ("\r", "┌ Every figure")]);
    keeps(figures, &[("Esc back", Hides("┌ Every figure"), &["\r"]), HELP]);

    let mut search = open(&[("/", "find:")]);
    search.types("spy");
    search.shows("find: spy");
    keeps(search, &[("↵ accept", Hides("↵ accept"), &["/"]), ("Esc cancel", Hides("find:"), &["/"])]);
    let mut palette = open(&[(":", "┌ Do")]);
    palette.types("sett");
    palette.shows(":sett");
    let promises: &[Promise] = &[("↵ accept", Shows("┌ Settings"), &[",", ":"]), ("Esc cancel", Hides("┌ Do"), &[":"])];
    keeps(palette, promises);
    let export = open(&[("2", "[All]"), ("x", "┌ Export")]);
    let promises: &[Promise] = &[
        ("Tab choose", Shows("[ JSON ]"), &["\t"]),
        ("↵ write", Shows("xported"), &["x"]),
        ("Esc back", Hides("┌ Export"), &["x"]),
    ];
    keeps(export, promises);
}

#[test]
fn every_key_of_the_settings_and_of_a_chain_does_what_it_says() {
    let market = Market::open();
    let open = |keys: &[(&str, &str)]| {
        let mut tmux = Tmux::open(&market.stage, "");
        for (keys, sign) in keys {
            tmux.opens(keys, sign);
        }
        tmux
    };
    let mut settings = open(&[(",", "Open positions, at most")]);
    settings.types("jj");
    let edit: Promise = ("↵ edit", Shows("↵ accept"), &[ESC]);
    let back: Promise = ("Esc back", Hides("Open positions, at most"), &[","]);
    let token: Promise = ("T token", Shows("┌ Token"), &[ESC]);
    keeps(settings, &[edit, token, back, HELP]);
    let mut editing = open(&[(",", "Open positions, at most")]);
    editing.types("jj\r");
    editing.shows("↵ accept");
    editing.types("\u{15}3");
    let promises: &[Promise] = &[("↵ accept", Shows("→ 3"), &["\r"]), ("Esc cancel", Hides("↵ accept"), &["\r"])];
    each(&mut editing, promises, &["Ctrl-C quit"]);
    editing.types(ESC);
    editing.hides("↵ accept");
    editing.shows("→ 3");
    let promises: &[Promise] = &[("s save", Shows("Settings saved"), &[])];
    each(&mut editing, promises, &["↵ edit", "T token", "Esc back", "? help", "q quit"]);
    assert_eq!(market.stage.setting("max_positions"), "3");
    drop(editing);

    let expiries = || {
        let mut tmux = open(&[("n", "┌ New trade")]);
        tmux.types("spy\r");
        tmux.shows("SPY: expiry");
        // The list is asked of the broker.
        tmux.shows(" d ");
        tmux
    };
    let take: Promise = ("↵ take", Shows("›"), &[]);
    each(&mut expiries(), &[take], &["Esc back", "? help", "q quit"]);
    each(&mut expiries(), &[HELP, ("Esc back", Hides("SPY: expiry"), &[])], &["↵ take", "q quit"]);
    expiries().ends("q");
    let chain = || {
        let mut tmux = expiries();
        tmux.types("\r");
        tmux.shows("›");
        tmux
    };
    each(&mut chain(), &[("↵ take", Shows("Contract    SPY 20"), &[])], &["Esc back", "? help", "q quit"]);
    each(&mut chain(), &[HELP, ("Esc back", Hides("›"), &[])], &["↵ take", "q quit"]);
    chain().ends("q");
}

/// Inside of tmux a copied text reaches tmux and the terminal outside, where tmux may pass it on.
#[test]
fn what_is_copied_reaches_the_clipboard_outside_of_tmux() {
    let mut stage = Stage::live();
    stage.write_open_trades(1);
    for settings in ["set -g set-clipboard on", "set -g set-clipboard off\nset -g allow-passthrough on"] {
        let mut tmux = Tmux::open(&stage, settings);
        tmux.shows("SYM0");
        tmux.types("y");
        tmux.shows("Copied: #1 SYM0");
        // `#1 SYM0`, in the clipboard's base64.
        settles(&format!("the text on the clipboard under {settings}"), || {
            match tmux.outer.heard().clipboard.as_slice() {
                [text] if text.starts_with("IzEgU1lNM") => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
        tmux.ends("q");
    }
}
