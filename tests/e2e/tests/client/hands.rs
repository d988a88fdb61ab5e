//! Keys of one's own, and the mouse: in the real client they do what hint line and help say of them.

use blotter_testkit::terminal::{Size, Terminal};

use crate::stage::{EMPTY, Stage, USAGE, settles, wait_without};

/// The last line of the screen.
fn last_line(terminal: &mut Terminal) -> String {
    terminal.text().lines().last().unwrap_or_default().to_owned()
}

#[test]
fn a_remapped_key_works_and_is_what_hint_line_and_help_say() {
    let mut stage = Stage::live();
    stage.write_open_trades(2);
    stage.desk.configured(
        "[client]\nsound = \"bell\"\n[keys]\nnew_trade = \"N\"\ndetails = [\"space\", \"d\"]\nhelp = \"ctrl-o\"\n",
    );
    let mut terminal = stage.screen(Size::WIDE);
    terminal.wait_for("SYM1").unwrap();
    terminal.wait_until("the hints", |screen| screen.contents().contains(" N new ")).unwrap();
    let line = last_line(&mut terminal);
    for hint in [" N new ", " Space details ", " Ctrl-O help "] {
        assert!(line.contains(hint), "no `{hint}` in `{line}`");
    }
    assert!(!line.contains(" n new ") && !line.contains("↵") && !line.contains("?"), "{line}");

    // The keys of old do nothing any more: the next one is the first that does something.
    terminal.type_keys("n\r?").unwrap();
    terminal.type_keys("d").unwrap();
    terminal.wait_for("Strategy momentum").unwrap();
    let text = terminal.text();
    assert!(!text.contains("┌ New trade") && !text.contains("┌ Keys"), "an old key still works:\n{text}");
    terminal.type_keys(" ").unwrap();
    wait_without(&mut terminal, "Strategy momentum");
    crate::forms::until_it_opens(&mut terminal, "N", "┌ New trade");
    terminal.type_keys("\u{1b}").unwrap();
    wait_without(&mut terminal, "┌ New trade");

    terminal.type_keys("\u{f}").unwrap();
    terminal.wait_for("┌ Keys").unwrap();
    let says = |words: &'static str, key: &'static str| {
        move |text: &str| text.lines().any(|line| line.contains(words) && line.contains(&format!("│  {key} ")))
    };
    // The second one is further down than a screen.
    for (words, key, scroll) in [("Open or close the selected row", "Space d", ""), ("A new trade", "N", "jjjjjjjjjj")]
    {
        terminal.type_keys(scroll).unwrap();
        terminal.wait_until(words, |screen| says(words, key)(&screen.contents())).unwrap();
    }
    let page = stage.desk.run(&["man"]);
    assert_eq!(page.code, Some(0), "{page:?}");
}

#[test]
fn keys_that_clash_or_mean_nothing_are_refused_before_a_screen_opens() {
    let stage = Stage::live();
    for (keys, words) in [
        ("new_trade = \"c\"", "`c` is both"),
        ("close_trade = \"j\"", "moves the selection"),
        ("quit = []", "needs at least one key"),
        ("colse_trade = \"X\"", "did you mean `close_trade`"),
    ] {
        stage.desk.configured(&format!("[keys]\n{keys}\n"));
        let mut terminal = Terminal::start(&stage.desk.client(&[])).unwrap();
        assert_eq!(terminal.wait_exit().unwrap().code(), Some(USAGE), "{keys}");
        let said = terminal.text().replace('\n', " ");
        assert!(said.contains(words), "{keys}: no `{words}` in {said}");
        assert!(!terminal.output().contains(&0x1b), "{keys}: a screen was opened");
    }
}

/// Where the middle of these words is, as a mouse says it.
fn place(text: &str, words: &str) -> Option<String> {
    let found = text.lines().enumerate().find_map(|(row, line)| Some((row, line.split_once(words)?.0.chars().count())));
    found.map(|(row, column)| format!("{};{}", column + 1 + words.chars().count() / 2, row + 1))
}

/// The left button, pressed and let go there.
fn click(terminal: &mut Terminal, at: &str) {
    terminal.type_keys(&format!("\u{1b}[<0;{at}M\u{1b}[<0;{at}m")).unwrap();
}

#[track_caller]
fn clicks(terminal: &mut Terminal, words: &str) {
    // What is there now may be drawn elsewhere in the next moment.
    let at = settles(words, || {
        let text = terminal.text();
        place(&text, words).ok_or(text)
    });
    click(terminal, &at);
}

#[test]
fn a_click_on_a_tab_a_row_a_hint_or_a_button_does_what_its_key_does() {
    let mut stage = Stage::live();
    stage.write_open_trades(40);
    let mut terminal = stage.screen(Size::WIDE);
    terminal.wait_for("SYM1").unwrap();
    clicks(&mut terminal, "2 History");
    terminal.wait_for("No closed trades yet").unwrap();
    clicks(&mut terminal, "3 Performance");
    terminal.wait_for("No figures yet").unwrap();
    clicks(&mut terminal, "1 Open");
    terminal.wait_for("▸ SYM0").unwrap();

    clicks(&mut terminal, "SYM3 ");
    terminal.wait_for("▸ SYM3").unwrap();
    clicks(&mut terminal, "▸ SYM3");
    terminal.wait_for("▾ SYM3").unwrap();
    clicks(&mut terminal, "▾ SYM3");
    terminal.wait_for("▸ SYM3").unwrap();

    // The wheel moves what is on top.
    terminal.type_keys("\u{1b}[<65;20;10M").unwrap();
    terminal.wait_for("▸ SYM6").unwrap();
    terminal.type_keys("\u{1b}[<64;20;10M").unwrap();
    terminal.wait_for("▸ SYM3").unwrap();

    clicks(&mut terminal, "? help");
    terminal.wait_for("┌ Keys").unwrap();
    terminal.type_keys("\u{1b}").unwrap();
    wait_without(&mut terminal, "┌ Keys");
    crate::forms::until_it_opens(&mut terminal, "K", "[ Let them in ]");
    clicks(&mut terminal, "[ Let them in ]");
    wait_without(&mut terminal, "Let them in");
    assert_eq!(stage.get("/v1/settings").json().unwrap()["entries_stopped"], false);
    crate::forms::until_it_opens(&mut terminal, "K", "[ Let them in ]");
    // A click that comes before a question could be read is dropped like a key.
    settles("entries that are stopped", || {
        if let Some(at) = place(&terminal.text(), "  Stop entries  ") {
            click(&mut terminal, &at);
        }
        let settings = stage.get("/v1/settings").json().unwrap();
        if settings["entries_stopped"] == true { Ok(()) } else { Err(terminal.text()) }
    });
    // Whoever quits at once is asked whether to wait for the answer: another one quits.
    let mut other = stage.screen(Size::STANDARD);
    clicks(&mut other, "q quit");
    assert!(other.wait_exit().unwrap().success());
}

#[test]
fn a_mouse_that_is_off_is_left_to_the_terminal() {
    use blotter_testkit::terminal::MouseProtocolMode;
    let stage = Stage::live();
    stage.desk.configured("[client]\nmouse = \"off\"\n");
    let mut terminal = stage.screen(Size::STANDARD);
    terminal.wait_for(EMPTY).unwrap();
    assert_eq!(terminal.screen().mouse_protocol_mode(), MouseProtocolMode::None);
}
