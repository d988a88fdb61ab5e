//! The one table of keys. Dispatcher, hint line, help overlay, manual page and the `[keys]`
//! section of the configuration are all made from it, so none can say what another does not.
//!
//! House rules, each with a test: `h j k l g G` only ever move; no default needs Alt, a function
//! key or the mouse; within the contexts that are asked together a key means one thing.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::chord::Chord;

/// What a key can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Action {
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Top,
    Bottom,
    Details,
    Search,
    Copy,
    NextFilter,
    NextSort,
    ReverseSort,
    NextPeriod,
    NextBreakdown,
    NextMode,
    Export,
    Palette,
    CloseTrade,
    ClosePart,
    AdjustStop,
    AdjustTarget,
    Protect,
    NewTrade,
    Flatten,
    AckAlarm,
    AckAlarms,
    Adopt,
    EnterToken,
    KillSwitch,
    Why,
    Sync,
    AutoRefresh,
    OpenPane,
    HistoryPane,
    PerformancePane,
    NextPane,
    PreviousPane,
    Settings,
    Messages,
    Back,
    SaveSettings,
    RefreshForm,
    CopyWork,
    Redraw,
    Suspend,
    Help,
    Quit,
    NextChoice,
    PreviousChoice,
    Confirm,
    Yes,
    Keep,
    AcceptText,
    CancelText,
}

/// Where a binding holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Context {
    Everywhere,
    /// Anything with rows: panes, help, messages, settings.
    Lists,
    /// The Open pane.
    Open,
    History,
    Performance,
    Settings,
    /// The alarms and messages.
    Inbox,
    Dialog,
    /// A line of text is being typed: characters go there first.
    Typing,
}

impl Context {
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Everywhere => "Everywhere",
            Self::Lists => "Moving and rows",
            Self::Open => "Open trades",
            Self::History => "History",
            Self::Performance => "Performance",
            Self::Settings => "Settings",
            Self::Inbox => "Alarms and messages",
            Self::Dialog => "Dialogs",
            Self::Typing => "While typing",
        }
    }

    pub const ALL: &'static [Self] = &[
        Self::Lists,
        Self::Open,
        Self::Everywhere,
        Self::History,
        Self::Performance,
        Self::Settings,
        Self::Inbox,
        Self::Dialog,
        Self::Typing,
    ];
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub action: Action,
    pub context: Context,
    /// The name in `[keys]`.
    pub name: &'static str,
    pub defaults: &'static [&'static str],
    /// One or two words for the hint line; empty when it is not hinted.
    pub hint: &'static str,
    /// A sentence for help and manual.
    pub help: &'static str,
}

const fn entry(action: Action, context: Context, name: &'static str, defaults: &'static [&'static str]) -> Entry {
    Entry { action, context, name, defaults, hint: "", help: "" }
}

impl Entry {
    const fn says(self, hint: &'static str, help: &'static str) -> Self {
        Self { hint, help, ..self }
    }
}

/// Every key, in the order of importance in which the hint line keeps them.
pub const TABLE: &[Entry] = &[
    entry(Action::SaveSettings, Context::Settings, "save_settings", &["s"]).says("save", "Save the changed settings"),
    entry(Action::RefreshForm, Context::Settings, "refresh_form", &["R"])
        .says("refresh", "Drop the unsaved changes and show what the daemon has"),
    entry(Action::CopyWork, Context::Settings, "copy_work", &["Y"])
        .says("copy my work", "Copy the unsaved changes to the clipboard"),
    entry(Action::CloseTrade, Context::Open, "close_trade", &["c"])
        .says("close", "Close the selected trade at the market; cancel an entry that is not filled"),
    entry(Action::AdjustStop, Context::Open, "adjust_stop", &["s"]).says("stop", "Another stop"),
    entry(Action::AdjustTarget, Context::Open, "adjust_target", &["t"]).says("target", "Another target"),
    entry(Action::NewTrade, Context::Open, "new_trade", &["n"]).says("new", "A new trade"),
    entry(Action::ClosePart, Context::Open, "close_part", &["C"]).says("", "Close a part, or at a limit"),
    entry(Action::Protect, Context::Open, "protect", &["b"])
        .says("protect", "Place the bracket again, or accept the broker's position"),
    entry(Action::Flatten, Context::Open, "flatten", &["F"])
        .says("", "Everything out: shows what would be sent, then asks"),
    entry(Action::KillSwitch, Context::Open, "kill_switch", &["K"])
        .says("", "Stop every entry, or let them in again; exits go on"),
    entry(Action::AckAlarm, Context::Inbox, "ack_alarm", &["s"]).says("seen", "You have seen the selected alarm"),
    entry(Action::Why, Context::Lists, "why", &["w"])
        .says("why", "The story of the selected trade: asked, sent, answered, seen"),
    entry(Action::Details, Context::Lists, "details", &["enter"]).says("details", "Open or close the selected row"),
    entry(Action::Search, Context::Lists, "search", &["/"]).says("find", "Search; Esc clears"),
    entry(Action::NextFilter, Context::History, "next_filter", &["f"])
        .says("filter", "Next filter: all, wins, losses, expired"),
    entry(Action::NextPeriod, Context::Performance, "next_period", &["p"])
        .says("period", "Next period: 7, 30, 90 days, this year, all"),
    entry(Action::NextBreakdown, Context::Performance, "next_breakdown", &["b"])
        .says("breakdown", "Next breakdown: strategy, ticker, side, weekday, hour, days to expiry and more"),
    entry(Action::NextSort, Context::Lists, "next_sort", &["o"]).says("sort", "Sort by the next column"),
    entry(Action::ReverseSort, Context::Lists, "reverse_sort", &["O"]).says("", "Turn the order of the rows around"),
    entry(Action::Export, Context::Lists, "export", &["x"])
        .says("export", "Write what the filter shows into a file, as CSV or JSON"),
    entry(Action::NextMode, Context::Lists, "next_mode", &["m"])
        .says("", "History and performance of the next mode: SIM, SANDBOX, LIVE"),
    entry(Action::Sync, Context::Everywhere, "sync", &["r"]).says("sync", "Ask the daemon for the newest now"),
    entry(Action::AutoRefresh, Context::Everywhere, "auto_refresh", &["a"])
        .says("auto", "Turn the timed refresh on or off"),
    entry(Action::AckAlarms, Context::Everywhere, "ack_alarms", &["A"]).says("all seen", "You have seen every alarm"),
    entry(Action::Adopt, Context::Everywhere, "adopt", &["D"])
        .says("adopt", "Take up a position that the account holds and no trade looks after"),
    entry(Action::EnterToken, Context::Everywhere, "enter_token", &["T"])
        .says("token", "Enter a token of the broker or of ORATS; it is not shown"),
    entry(Action::Settings, Context::Everywhere, "settings", &[","]).says("settings", "Show and change the settings"),
    entry(Action::Copy, Context::Lists, "copy", &["y"]).says("copy", "Copy the selected row to the clipboard"),
    entry(Action::Messages, Context::Everywhere, "messages", &["!"])
        .says("messages", "Show every message of this session"),
    entry(Action::Palette, Context::Everywhere, "palette", &[":"])
        .says("", "Find any of these by a few letters and do it"),
    entry(Action::Up, Context::Lists, "up", &["up", "k"]).says("", "One row up"),
    entry(Action::Down, Context::Lists, "down", &["down", "j"]).says("", "One row down"),
    entry(Action::Left, Context::Lists, "left", &["left", "h"]).says("", "To the left: filter, choice, or close a row"),
    entry(Action::Right, Context::Lists, "right", &["right", "l"])
        .says("", "To the right: filter, choice, or open a row"),
    entry(Action::PageUp, Context::Lists, "page_up", &["pgup", "ctrl-b"]).says("", "One page up"),
    entry(Action::PageDown, Context::Lists, "page_down", &["pgdn", "ctrl-f"]).says("", "One page down"),
    entry(Action::Top, Context::Lists, "top", &["g", "home"]).says("", "To the first row"),
    entry(Action::Bottom, Context::Lists, "bottom", &["G", "end"]).says("", "To the last row"),
    entry(Action::OpenPane, Context::Everywhere, "open_pane", &["1"]).says("", "The Open pane"),
    entry(Action::HistoryPane, Context::Everywhere, "history_pane", &["2"]).says("", "The History pane"),
    entry(Action::PerformancePane, Context::Everywhere, "performance_pane", &["3"]).says("", "The Performance pane"),
    entry(Action::NextPane, Context::Everywhere, "next_pane", &["tab"]).says("", "The next pane"),
    entry(Action::PreviousPane, Context::Everywhere, "previous_pane", &["shift-tab"]).says("", "The pane before"),
    entry(Action::Back, Context::Everywhere, "back", &["esc"]).says("back", "One level back; dismiss an error"),
    entry(Action::Redraw, Context::Everywhere, "redraw", &["ctrl-l"]).says("", "Draw the whole screen again"),
    entry(Action::Suspend, Context::Everywhere, "suspend", &["ctrl-z"]).says("", "Suspend; `fg` comes back"),
    entry(Action::Help, Context::Everywhere, "help", &["?", "f1"]).says("help", "This list of keys"),
    entry(Action::Quit, Context::Everywhere, "quit", &["q", "ctrl-c"])
        .says("quit", "Quit; asks first only while an action is under way"),
    entry(Action::NextChoice, Context::Dialog, "next_choice", &["tab", "right", "l"]).says("choose", "The next button"),
    entry(Action::PreviousChoice, Context::Dialog, "previous_choice", &["shift-tab", "left", "h"])
        .says("", "The button before"),
    entry(Action::Confirm, Context::Dialog, "confirm", &["enter"]).says("press", "Press the button that has the focus"),
    entry(Action::Keep, Context::Dialog, "keep", &["esc"]).says("keep", "Leave everything as it is"),
    entry(Action::Yes, Context::Dialog, "yes", &["y"]).says("yes", "Do it, whatever has the focus"),
    entry(Action::RefreshForm, Context::Dialog, "refresh_dialog", &["ctrl-r"])
        .says("refresh", "Fill a form anew whose trade was changed on another device"),
    entry(Action::CopyWork, Context::Dialog, "copy_dialog", &["ctrl-y"])
        .says("copy my work", "Copy what was typed into such a form to the clipboard"),
    entry(Action::AcceptText, Context::Typing, "accept_text", &["enter"]).says("accept", "Take the text"),
    entry(Action::CancelText, Context::Typing, "cancel_text", &["esc"]).says("cancel", "Leave the text as it was"),
];

/// Keys that are for moving only, in every layout.
const MOVING_KEYS: &[char] = &['h', 'j', 'k', 'l', 'g', 'G'];

/// Contexts that are asked together: a key may mean one thing in each of these.
const TOGETHER: &[&[Context]] = &[
    &[Context::Open, Context::Lists, Context::Everywhere],
    &[Context::History, Context::Lists, Context::Everywhere],
    &[Context::Performance, Context::Lists, Context::Everywhere],
    &[Context::Settings, Context::Lists, Context::Everywhere],
    &[Context::Inbox, Context::Lists, Context::Everywhere],
    &[Context::Dialog],
    &[Context::Typing],
];

/// The user's keys for one name, with the line that they stand on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserKeys {
    pub line: usize,
    pub chords: Vec<String>,
}

/// What is wrong with a `[keys]` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyError {
    pub line: usize,
    pub message: String,
}

/// The table with the user's changes.
#[derive(Clone, Debug)]
pub struct Keymap {
    chords: Vec<Vec<Chord>>,
    actions: HashMap<(Context, Chord), Action>,
}

impl Keymap {
    /// The table as it is.
    #[must_use]
    pub fn defaults() -> Self {
        Self::from_chords(TABLE.iter().map(default_chords).collect())
    }

    /// The table with the user's keys in place of the defaults of the actions that they name.
    ///
    /// # Errors
    /// One for each unknown action, unreadable key, clash and misuse of a moving key.
    pub fn with(user: &BTreeMap<String, UserKeys>) -> Result<Self, Vec<KeyError>> {
        let mut errors = Vec::new();
        let mut chords: Vec<Vec<Chord>> = TABLE.iter().map(default_chords).collect();
        let mut lines = vec![0; TABLE.len()];
        for (name, keys) in user {
            let Some(index) = TABLE.iter().position(|entry| entry.name == name) else {
                errors.push(KeyError { line: keys.line, message: unknown_action(name) });
                continue;
            };
            let (read, unreadable): (Vec<_>, Vec<_>) =
                keys.chords.iter().map(|text| text.parse::<Chord>()).partition(Result::is_ok);
            errors.extend(
                unreadable
                    .into_iter()
                    .filter_map(Result::err)
                    .map(|error| KeyError { line: keys.line, message: error.to_string() }),
            );
            if let (Some(slot), Some(line)) = (chords.get_mut(index), lines.get_mut(index)) {
                *slot = read.into_iter().filter_map(Result::ok).collect();
                *line = keys.line;
            }
        }
        errors.extend(misused_moving_keys(&chords, &lines));
        errors.extend(clashes(&chords, &lines));
        errors.extend(unreachable_ways_out(&chords, &lines));
        if errors.is_empty() { Ok(Self::from_chords(chords)) } else { Err(errors) }
    }

    fn from_chords(chords: Vec<Vec<Chord>>) -> Self {
        let mut actions = HashMap::new();
        for (entry, chords) in TABLE.iter().zip(&chords) {
            actions.extend(chords.iter().map(|chord| ((entry.context, *chord), entry.action)));
        }
        Self { chords, actions }
    }

    /// What a key does, asked in the contexts in their order.
    #[must_use]
    pub fn action(&self, contexts: &[Context], chord: Chord) -> Option<Action> {
        contexts.iter().find_map(|context| self.actions.get(&(*context, chord)).copied())
    }

    /// The rows of the table with the keys that hold now.
    pub fn entries(&self) -> impl Iterator<Item = (&'static Entry, &[Chord])> {
        TABLE.iter().zip(self.chords.iter().map(Vec::as_slice))
    }

    /// The first key of an action, for sentences such as "press , for settings".
    #[must_use]
    pub fn key_of(&self, action: Action) -> Option<Chord> {
        self.entries().find(|(entry, _)| entry.action == action).and_then(|(_, chords)| chords.first().copied())
    }
}

fn default_chords(entry: &Entry) -> Vec<Chord> {
    entry.defaults.iter().filter_map(|text| text.parse().ok()).collect()
}

fn unknown_action(name: &str) -> String {
    let nearest = TABLE.iter().map(|entry| (strsim::jaro_winkler(entry.name, name), entry.name));
    let nearest = nearest.max_by(|a, b| a.0.total_cmp(&b.0)).map_or("", |(_, name)| name);
    format!("`{name}` is no action; did you mean `{nearest}`?")
}

fn moves(action: Action) -> bool {
    use Action as A;
    match action {
        A::Up | A::Down | A::Left | A::Right | A::PageUp | A::PageDown | A::Top | A::Bottom => true,
        A::NextChoice | A::PreviousChoice => true,
        A::Details | A::Search | A::Copy | A::NextFilter | A::Sync | A::AutoRefresh | A::OpenPane => false,
        A::NextSort | A::ReverseSort | A::NextPeriod | A::NextBreakdown | A::NextMode | A::Export | A::Palette => false,
        A::CloseTrade | A::ClosePart | A::AdjustStop | A::AdjustTarget | A::Protect | A::NewTrade => false,
        A::Flatten | A::AckAlarm | A::AckAlarms | A::Adopt | A::EnterToken | A::KillSwitch | A::Why => false,
        A::HistoryPane | A::PerformancePane | A::NextPane | A::PreviousPane | A::Settings | A::Messages => false,
        A::Back | A::SaveSettings | A::RefreshForm | A::CopyWork | A::Redraw | A::Suspend | A::Help => false,
        A::Quit | A::Confirm | A::Yes | A::Keep | A::AcceptText | A::CancelText => false,
    }
}

fn misused_moving_keys(chords: &[Vec<Chord>], lines: &[usize]) -> Vec<KeyError> {
    let mut errors = Vec::new();
    for ((entry, chords), line) in TABLE.iter().zip(chords).zip(lines) {
        let moving = chords.iter().filter_map(|chord| chord.typed()).find(|c| MOVING_KEYS.contains(c));
        if let Some(c) = moving.filter(|_| !moves(entry.action)) {
            let message = format!("`{c}` moves the selection everywhere and cannot be `{}`", entry.name);
            errors.push(KeyError { line: *line, message });
        }
    }
    errors
}

fn clashes(chords: &[Vec<Chord>], lines: &[usize]) -> Vec<KeyError> {
    let mut errors: Vec<KeyError> = Vec::new();
    for contexts in TOGETHER {
        let mut taken: HashMap<Chord, (&'static str, usize)> = HashMap::new();
        let rows = TABLE.iter().zip(chords).zip(lines).filter(|((entry, _), _)| contexts.contains(&entry.context));
        for ((entry, chords), line) in rows {
            for chord in chords {
                let Some((other, other_line)) = taken.insert(*chord, (entry.name, *line)) else { continue };
                let key = chord.spelled();
                let message = format!("`{key}` is both `{other}` and `{}`", entry.name);
                let error = KeyError { line: (*line).max(other_line), message };
                if other != entry.name && !errors.contains(&error) {
                    errors.push(error);
                }
            }
        }
    }
    errors
}

/// Without these a user could lock themselves in.
const WAYS_OUT: &[Action] = &[Action::Quit, Action::Back, Action::Keep, Action::CancelText, Action::Confirm];

fn unreachable_ways_out(chords: &[Vec<Chord>], lines: &[usize]) -> Vec<KeyError> {
    let rows = TABLE.iter().zip(chords).zip(lines);
    rows.filter(|((entry, chords), _)| chords.is_empty() && WAYS_OUT.contains(&entry.action))
        .map(|((entry, _), line)| KeyError { line: *line, message: format!("`{}` needs at least one key", entry.name) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::chord::KeyCode;

    fn user(pairs: &[(&str, usize, &[&str])]) -> BTreeMap<String, UserKeys> {
        pairs
            .iter()
            .map(|(name, line, chords)| {
                let chords = chords.iter().map(|chord| (*chord).to_owned()).collect();
                ((*name).to_owned(), UserKeys { line: *line, chords })
            })
            .collect()
    }

    #[test]
    fn the_defaults_keep_the_house_rules() {
        assert!(Keymap::with(&BTreeMap::new()).is_ok());
        for entry in TABLE {
            assert_eq!(default_chords(entry).len(), entry.defaults.len(), "{}: every default is a key", entry.name);
            assert!(!entry.help.is_empty(), "{}: help says what it does", entry.name);
            let everyday = entry.defaults.iter().filter_map(|text| text.parse::<Chord>().ok());
            let everyday = everyday.filter(|chord| !chord.alt && !matches!(chord.code, KeyCode::F(_)));
            assert!(everyday.count() > 0, "{}: reachable without Alt and function keys", entry.name);
        }
        let mut names: Vec<_> = TABLE.iter().map(|entry| entry.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TABLE.len(), "names are unique");
    }

    #[test]
    fn a_user_key_takes_the_place_of_the_default() {
        let keymap = Keymap::with(&user(&[("quit", 3, &["ctrl-q"])])).unwrap();
        let everywhere = &[Context::Everywhere];
        assert_eq!(keymap.action(everywhere, Chord::ctrl('q')), Some(Action::Quit));
        assert_eq!(keymap.action(everywhere, Chord::char('q')), None);
        assert_eq!(keymap.key_of(Action::Quit), Some(Chord::ctrl('q')));
    }

    #[test]
    fn clashes_unknown_actions_and_misuse_are_refused_with_the_line() {
        for (keys, line, message) in [
            (user(&[("sync", 4, &["a"])]), 4, "`a` is both `sync` and `auto_refresh`"),
            (user(&[("next_filter", 9, &["y"])]), 9, "`y` is both `next_filter` and `copy`"),
            (user(&[("qiut", 7, &["x"])]), 7, "`qiut` is no action; did you mean `quit`?"),
            (user(&[("sync", 2, &["j"])]), 2, "`j` moves the selection everywhere and cannot be `sync`"),
            (user(&[("help", 5, &["hyper-h"])]), 5, "`hyper-h` is not a key"),
            (user(&[("quit", 6, &[])]), 6, "`quit` needs at least one key"),
        ] {
            let errors = Keymap::with(&keys).unwrap_err();
            let found = errors.iter().any(|error| error.line == line && error.message.starts_with(message));
            assert!(found, "{message}: {errors:?}");
        }
    }

    #[test]
    fn the_same_key_may_mean_another_thing_where_only_one_is_asked() {
        let keymap = Keymap::defaults();
        let enter = Chord::plain(KeyCode::Enter);
        assert_eq!(keymap.action(&[Context::Dialog], enter), Some(Action::Confirm));
        assert_eq!(keymap.action(&[Context::Lists], enter), Some(Action::Details));
    }
}
