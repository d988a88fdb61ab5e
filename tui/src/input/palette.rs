//! Finding an action by a few letters of its name or its sentence. Letters may be left out, not moved;
//! those that begin a word, and those that follow each other, count for more.

use super::chord::Chord;
use super::keymap::{Action, Context, Entry, Keymap};

/// An action that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub action: Action,
    pub name: String,
    pub help: &'static str,
    /// The key that does it without the palette.
    pub key: Option<Chord>,
}

/// The actions of these contexts that a term finds, the best first; all of them for an empty one.
#[must_use]
pub fn find(keymap: &Keymap, contexts: &[Context], term: &str) -> Vec<Found> {
    let mut found: Vec<(u32, Found)> = Vec::new();
    for (entry, chords) in keymap.entries().filter(|(entry, _)| contexts.contains(&entry.context)) {
        let name = entry.name.replace('_', " ");
        let Some(score) = best_score(entry, &name, term) else { continue };
        found.push((score, Found { action: entry.action, name, help: entry.help, key: chords.first().copied() }));
    }
    // A stable sort: equals stay in the order of the table, which is that of importance.
    found.sort_by_key(|found| std::cmp::Reverse(found.0));
    found.into_iter().map(|(_, found)| found).collect()
}

fn best_score(entry: &Entry, name: &str, term: &str) -> Option<u32> {
    // A name says what is meant; a sentence only mentions it.
    let by_name = score(name, term).map(|score| score + 1);
    by_name.or_else(|| {
        let term = term.trim().to_lowercase();
        let mentions =
            |help: &str| help.to_lowercase().split(|c: char| !c.is_alphanumeric()).any(|word| word.starts_with(&term));
        mentions(entry.help).then_some(0)
    })
}

fn score(text: &str, term: &str) -> Option<u32> {
    let mut letters = term.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).peekable();
    let (mut score, mut run, mut before) = (0_u32, 0_u32, ' ');
    for c in text.chars().flat_map(char::to_lowercase) {
        if letters.peek() == Some(&c) {
            letters.next();
            run += 1;
            score += run * 2 + if before.is_alphanumeric() { 0 } else { 6 };
        } else {
            run = 0;
        }
        before = c;
    }
    letters.peek().is_none().then_some(score)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HISTORY: &[Context] = &[Context::History, Context::Lists, Context::Everywhere];

    fn names(term: &str) -> Vec<String> {
        find(&Keymap::defaults(), HISTORY, term).into_iter().map(|found| found.name).collect()
    }

    #[test]
    fn a_few_letters_are_enough() {
        for (term, first) in [
            ("exp", "export"),
            ("perf", "performance pane"),
            ("nf", "next filter"),
            ("clip", "copy"),
            ("quit", "quit"),
            ("sort", "next sort"),
        ] {
            assert_eq!(names(term).first().map(String::as_str), Some(first), "{term}");
        }
        assert!(names("zzz").is_empty());
    }

    #[test]
    fn nothing_typed_shows_everything_that_works_here_and_nothing_else() {
        let all = names("");
        assert!(all.contains(&"next filter".to_owned()) && !all.contains(&"next period".to_owned()));
        assert!(!all.contains(&"keep".to_owned()), "what belongs to dialogs");
    }

    proptest! {
        #[test]
        fn more_letters_never_find_more(term in "[a-z ]{0,8}", more in "[a-z]{1,3}") {
            let (few, many) = (names(&term), names(&format!("{term}{more}")));
            prop_assert!(many.len() <= few.len() && many.iter().all(|name| few.contains(name)));
        }
    }
}
