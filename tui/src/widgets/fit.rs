//! A line of pieces that share too little room: the least important wording gives way first, to a
//! shorter one or to nothing. Nothing is ever cut in the middle.

use super::text;
use crate::theme::Role;

/// A piece of a line with its wordings, the longest first. The weight of a wording says how much
/// is lost when the next shorter one, or nothing, takes its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub wordings: Vec<(u8, String)>,
    pub role: Role,
    pub side: Side,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Left,
    Right,
}

impl Piece {
    #[must_use]
    pub fn left(role: Role, wordings: Vec<(u8, String)>) -> Self {
        Self { wordings, role, side: Side::Left }
    }

    #[must_use]
    pub fn right(role: Role, wordings: Vec<(u8, String)>) -> Self {
        Self { wordings, role, side: Side::Right }
    }
}

/// Cells between two pieces, and between the two sides.
const GAP: u16 = 2;

/// Chooses a wording for each piece, or none, so that all fit into `width`.
#[must_use]
pub fn choose(pieces: &[Piece], width: u16) -> Vec<Option<String>> {
    let mut chosen: Vec<usize> = vec![0; pieces.len()];
    while total(pieces, &chosen) > width {
        let shown = pieces.iter().zip(&chosen).enumerate();
        let shown = shown.filter_map(|(index, (piece, choice))| Some((piece.wordings.get(*choice)?.0, index)));
        let Some((_, index)) = shown.min() else { break };
        if let Some(choice) = chosen.get_mut(index) {
            *choice += 1;
        }
    }
    pieces.iter().zip(chosen).map(|(piece, choice)| Some(piece.wordings.get(choice)?.1.clone())).collect()
}

fn total(pieces: &[Piece], chosen: &[usize]) -> u16 {
    let widths = pieces
        .iter()
        .zip(chosen)
        .filter_map(|(piece, choice)| piece.wordings.get(*choice))
        .map(|(_, words)| text::width(words));
    widths.fold(0, |sum, width| sum + width + GAP).saturating_sub(GAP)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces() -> Vec<Piece> {
        vec![
            Piece::left(Role::Text, vec![(9, "SANDBOX".to_owned())]),
            Piece::left(Role::Text, vec![(2, "VA1234567".to_owned())]),
            Piece::right(Role::Text, vec![(1, "closes in 2h 14m".to_owned()), (5, "2h14m".to_owned())]),
        ]
    }

    #[test]
    fn the_least_important_goes_first_and_whole() {
        let shown = |width| choose(&pieces(), width).into_iter().flatten().collect::<Vec<_>>().join("|");
        assert_eq!(shown(40), "SANDBOX|VA1234567|closes in 2h 14m");
        assert_eq!(shown(35), "SANDBOX|VA1234567|2h14m");
        assert_eq!(shown(24), "SANDBOX|2h14m");
        assert_eq!(shown(8), "SANDBOX");
        assert_eq!(shown(3), "");
    }
}
