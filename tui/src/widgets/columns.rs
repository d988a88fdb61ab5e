//! Columns that drop whole as the screen gets narrower, in an order that says what matters. A
//! figure is never cut: a column is as wide as its widest cell, or it is not there.

use super::text;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

/// How wide a column is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    Fixed(u16),
    /// At least `wanted` while there are others to drop, `least` at last, `most` where there is room.
    Flexible {
        least: u16,
        wanted: u16,
        most: u16,
    },
}

/// When a column drops: the first goes first, the last never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Drops {
    /// While the flexible columns still have the width they want.
    Early(u8),
    /// When everything else has been tried.
    Late(u8),
    Never,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub title: &'static str,
    pub align: Align,
    pub width: Width,
    pub drops: Drops,
}

impl Column {
    #[must_use]
    pub fn fixed(title: &'static str, align: Align, drops: Drops) -> Self {
        Self { title, align, width: Width::Fixed(text::width(title)), drops }
    }

    /// Widens the column to hold a cell.
    pub fn hold(&mut self, cell: u16) {
        if let Width::Fixed(width) = &mut self.width {
            *width = (*width).max(cell);
        }
    }

    fn least(&self, stage: Stage) -> u16 {
        match (self.width, stage) {
            (Width::Fixed(width), _) => width,
            (Width::Flexible { wanted, .. }, Stage::Comfortable) => wanted,
            (Width::Flexible { least, .. }, Stage::Tight | Stage::Tightest) => least,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Two cells between columns, flexible columns as they want to be.
    Comfortable,
    /// Flexible columns at their least.
    Tight,
    /// One cell between columns.
    Tightest,
}

/// Where a column lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    pub x: u16,
    pub width: u16,
}

/// A place for each column that stays, in `width` cells.
#[must_use]
pub fn place(columns: &[Column], width: u16) -> Vec<Option<Slot>> {
    let mut is_kept = vec![true; columns.len()];
    let mut stage = Stage::Comfortable;
    while needed(columns, &is_kept, stage) > u32::from(width) {
        let next = |late: bool| {
            let candidates = columns.iter().enumerate().zip(&is_kept).filter(|(_, kept)| **kept).map(|(c, _)| c);
            let candidates = candidates.filter(|(_, column)| match column.drops {
                Drops::Early(_) => true,
                Drops::Late(_) => late,
                Drops::Never => false,
            });
            candidates.min_by_key(|(_, column)| column.drops).map(|(index, _)| index)
        };
        let dropped = match (next(false), stage) {
            (Some(early), _) => Some(early),
            (None, Stage::Comfortable) => {
                stage = Stage::Tight;
                continue;
            }
            (None, Stage::Tight) => {
                stage = Stage::Tightest;
                continue;
            }
            (None, Stage::Tightest) => next(true),
        };
        let Some(slot) = dropped.and_then(|index| is_kept.get_mut(index)) else { break };
        *slot = false;
    }
    lay_out(columns, &is_kept, stage, width)
}

fn gap(stage: Stage) -> u16 {
    match stage {
        Stage::Comfortable | Stage::Tight => 2,
        Stage::Tightest => 1,
    }
}

fn needed(columns: &[Column], is_kept: &[bool], stage: Stage) -> u32 {
    let kept = columns.iter().zip(is_kept).filter(|(_, kept)| **kept);
    let widths = kept.map(|(column, _)| u32::from(column.least(stage)) + u32::from(gap(stage)));
    widths.sum::<u32>().saturating_sub(u32::from(gap(stage)))
}

fn lay_out(columns: &[Column], is_kept: &[bool], stage: Stage, width: u16) -> Vec<Option<Slot>> {
    let needed = u16::try_from(needed(columns, is_kept, stage)).unwrap_or(u16::MAX);
    let mut spare = width.saturating_sub(needed);
    let mut x = 0;
    let mut slots = Vec::with_capacity(columns.len());
    for (column, kept) in columns.iter().zip(is_kept) {
        if !kept {
            slots.push(None);
            continue;
        }
        let least = column.least(stage);
        let more = match column.width {
            Width::Fixed(_) => 0,
            Width::Flexible { most, .. } => spare.min(most.saturating_sub(least)),
        };
        spare -= more;
        slots.push(Some(Slot { x, width: least + more }));
        x = x.saturating_add(least + more + gap(stage));
    }
    slots
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn columns() -> Vec<Column> {
        vec![
            Column { width: Width::Fixed(6), ..Column::fixed("A", Align::Left, Drops::Never) },
            Column { width: Width::Fixed(5), ..Column::fixed("B", Align::Right, Drops::Early(2)) },
            Column { width: Width::Fixed(5), ..Column::fixed("C", Align::Right, Drops::Early(1)) },
            Column {
                width: Width::Flexible { least: 5, wanted: 10, most: 20 },
                ..Column::fixed("D", Align::Left, Drops::Late(1))
            },
        ]
    }

    #[test]
    fn columns_drop_whole_and_in_their_order() {
        let shown = |width| {
            let titles = place(&columns(), width)
                .iter()
                .zip("ABCD".chars())
                .filter(|(slot, _)| slot.is_some())
                .map(|(_, c)| c)
                .collect::<String>();
            let flexible = place(&columns(), width)[3].map_or(0, |slot| slot.width);
            (titles, flexible)
        };
        assert_eq!(shown(60), ("ABCD".to_owned(), 20));
        assert_eq!(shown(32), ("ABCD".to_owned(), 10));
        assert_eq!(shown(31), ("ABD".to_owned(), 16));
        assert_eq!(shown(24), ("AD".to_owned(), 16));
        assert_eq!(shown(17), ("AD".to_owned(), 9));
        assert_eq!(shown(12), ("AD".to_owned(), 5));
        assert_eq!(shown(11), ("A".to_owned(), 0));
    }

    proptest! {
        #[test]
        fn what_stays_fits_and_does_not_overlap(width in 6_u16..300) {
            let mut end = 0;
            for slot in place(&columns(), width).into_iter().flatten() {
                prop_assert!(slot.x >= end);
                end = slot.x + slot.width;
            }
            prop_assert!(end <= width);
        }
    }
}
