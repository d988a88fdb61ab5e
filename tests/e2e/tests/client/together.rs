//! Several clients on one book: what one does the others see, and none undoes another's work.

use blotter_testkit::terminal::{Screen, Size, Terminal};

use crate::stage::{Stage, acts, settles, wait_without};

/// Opens the settings and types a new limit of open positions into the form, without saving it.
fn draft_positions(terminal: &mut Terminal, value: &str) {
    terminal.type_keys(",").unwrap();
    terminal.wait_for("Open positions, at most").unwrap();
    terminal.type_keys("jj\r").unwrap();
    terminal.wait_for("cancel").unwrap();
    terminal.type_keys(&format!("\u{15}{value}\r")).unwrap();
    terminal.wait_for(&format!("→ {value}")).unwrap();
}

#[test]
fn what_one_saves_the_others_show_at_once() {
    let stage = Stage::live();
    let (mut desk, mut laptop) = (stage.screen(Size::WIDE), stage.screen(Size::WIDE));
    draft_positions(&mut desk, "7");
    acts(&mut desk, "s", "Settings saved (version");
    laptop.wait_for("Pos 0/7").unwrap();
    stage.set("max_positions=9");
    desk.wait_for("Pos 0/9").unwrap();
    laptop.wait_for("Pos 0/9").unwrap();

    let mut later = stage.screen(Size::STANDARD);
    later.type_keys(",").unwrap();
    later.wait_until("the saved value", |screen| line_of(screen, "Open positions, at most").ends_with("9")).unwrap();
}

fn line_of(screen: &Screen, words: &str) -> String {
    let text = screen.contents();
    let line = text.lines().find(|line| line.contains(words)).unwrap_or_default();
    line.trim_end_matches([' ', '│']).to_owned()
}

#[test]
fn a_conflict_is_shown_and_loses_nothing_of_either() {
    let stage = Stage::live();
    let mut terminal = stage.screen(Size::WIDE);
    draft_positions(&mut terminal, "4");
    stage.set("max_positions=3");
    terminal.wait_for("Your view is out of date").unwrap();

    terminal.type_keys("s").unwrap();
    terminal.wait_for("Sync alert: the settings were updated on another device").unwrap();
    assert_eq!(stage.setting("max_positions"), "3", "the other's work was overwritten");
    assert!(terminal.text().contains("3 → 4"), "the draft is lost:\n{}", terminal.text());

    terminal.type_keys("Y").unwrap();
    terminal.wait_for("Copied: max_positions=4").unwrap();
    // `max_positions=4`, in the clipboard's base64.
    settles("the draft on the clipboard", || match terminal.heard().clipboard.as_slice() {
        [text] if text == "bWF4X3Bvc2l0aW9ucz00" => Ok(()),
        other => Err(format!("{other:?}")),
    });
    terminal.type_keys("R").unwrap();
    wait_without(&mut terminal, "out of date");
    wait_without(&mut terminal, "→ 4");

    terminal.type_keys("\r\u{15}4\rs").unwrap();
    terminal.wait_for("Settings saved").unwrap();
    assert_eq!(stage.setting("max_positions"), "4");
}

/// A conflict that the client cannot have known of: the other one's change is on its way.
#[test]
fn of_two_that_save_at_once_one_is_told() {
    let stage = Stage::live();
    let mut both = [stage.screen(Size::WIDE), stage.screen(Size::WIDE)];
    for (terminal, value) in both.iter_mut().zip(["4", "3"]) {
        draft_positions(terminal, value);
    }
    for terminal in &mut both {
        terminal.type_keys("s").unwrap();
    }
    let outcomes = both.each_mut().map(|terminal| {
        let told = |screen: &Screen| ["Settings saved", "Sync alert"].map(|it| screen.contents().contains(it));
        terminal.wait_until("an outcome", |screen| told(screen).contains(&true)).unwrap();
        told(terminal.screen())
    });
    assert!(outcomes.contains(&[true, false]) && outcomes.contains(&[false, true]), "{outcomes:?}");
    let winner = if outcomes.first() == Some(&[true, false]) { "4" } else { "3" };
    assert_eq!(stage.setting("max_positions"), winner);
}
