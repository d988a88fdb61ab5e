//! A list of trades with a selection that belongs to the trade, not to the line: it survives
//! refreshes, and stays near where it was when its trade is gone.

use std::collections::HashSet;

use blotter_shared::domain::TradeId;

use crate::input::line::LineInput;

/// What a list remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListState {
    pub selected: Option<TradeId>,
    /// Where the selected trade was, for when it is gone.
    index: usize,
    /// The first row on the screen.
    pub top: usize,
    pub expanded: HashSet<TradeId>,
    pub search: LineInput,
    pub is_searching: bool,
}

/// How far a key moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Up(usize),
    Down(usize),
    First,
    Last,
}

impl ListState {
    /// Moves the selection among these rows.
    pub fn step(&mut self, rows: &[TradeId], step: Step) {
        self.hold_on(rows);
        let last = rows.len().saturating_sub(1);
        let index = match step {
            Step::Up(by) => self.index.saturating_sub(by),
            Step::Down(by) => self.index.saturating_add(by).min(last),
            Step::First => 0,
            Step::Last => last,
        };
        self.select(rows, index);
    }

    /// Puts the selection on a row.
    pub fn select(&mut self, rows: &[TradeId], index: usize) {
        self.index = index.min(rows.len().saturating_sub(1));
        self.selected = rows.get(self.index).copied();
    }

    /// Finds the selected trade among rows that may have changed.
    pub fn hold_on(&mut self, rows: &[TradeId]) {
        let found = self.selected.and_then(|id| {
            if rows.get(self.index) == Some(&id) { Some(self.index) } else { rows.iter().position(|row| *row == id) }
        });
        self.select(rows, found.unwrap_or(self.index));
    }

    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Scrolls as little as shows the selected row in `viewport` lines.
    /// `height` is that of the row with an index.
    pub fn settle(&mut self, rows: &[TradeId], viewport: u16, height: impl Fn(usize) -> u16) {
        self.hold_on(rows);
        self.top = self.top.min(self.index);
        let viewport = u32::from(viewport);
        let lines =
            |from: usize, to: usize| -> u32 { (from..to.min(rows.len())).map(|row| u32::from(height(row))).sum() };
        // Never more rows than lines, so that a long list costs no more than a screen.
        self.top = self.top.max(self.index.saturating_sub(usize::try_from(viewport).unwrap_or(usize::MAX)));
        while self.top < self.index && lines(self.top, self.index + 1) > viewport {
            self.top += 1;
        }
        // A list that became shorter leaves no empty half of a screen behind.
        while self.top > 0
            && lines(self.top - 1, rows.len().min(self.top + usize::try_from(viewport).unwrap_or(0) + 1)) <= viewport
        {
            self.top -= 1;
        }
    }

    /// Opens or closes the selected row.
    pub fn toggle(&mut self) {
        let Some(id) = self.selected else { return };
        if !self.expanded.remove(&id) {
            self.expanded.insert(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn rows(ids: &[u128]) -> Vec<TradeId> {
        ids.iter().map(|id| TradeId(Uuid::from_u128(*id))).collect()
    }

    #[test]
    fn the_selection_follows_its_trade_and_stays_near_when_it_goes() {
        let mut list = ListState::default();
        list.step(&rows(&[1, 2, 3]), Step::Last);
        list.hold_on(&rows(&[9, 1, 2, 3]));
        assert_eq!((list.selected, list.index()), (rows(&[3]).pop(), 3));
        list.hold_on(&rows(&[9, 1, 2]));
        assert_eq!(list.selected, rows(&[2]).pop());
        list.hold_on(&[]);
        assert_eq!(list.selected, None);
    }

    proptest! {
        #[test]
        fn the_selected_row_is_always_on_the_screen(
            count in 1_usize..60, viewport in 1_u16..20, steps in proptest::collection::vec(0_u8..4, 0..40), tall in 0_usize..60,
        ) {
            let rows = rows(&(0..count as u128).collect::<Vec<_>>());
            let height = |row: usize| if row == tall { 5 } else { 1 };
            let mut list = ListState::default();
            for step in steps {
                let step = [Step::Up(1), Step::Down(1), Step::Down(10), Step::First][usize::from(step)];
                list.step(&rows, step);
                list.settle(&rows, viewport, height);
                let above: u16 = (list.top..list.index()).map(height).sum();
                prop_assert!(list.top <= list.index());
                prop_assert!(above < viewport, "the selected row begins on the screen");
            }
        }
    }
}
