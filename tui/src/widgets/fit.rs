//! A line of pieces that share too little room: the least important give way first, first by a
//! shorter wording, then whole. Nothing is ever cut in the middle.

use super::text;
use crate::theme::Role;

/// A piece of a line with its wordings, the longest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub wordings: Vec<String>,
    pub role: Role,
    /// The higher, the longer it stays.
    pub weight: u8,
    pub side: Side,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Left,
    Right,
}

impl Piece {
    pub fn new(side: Side, weight: u8, role: Role, wordings: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { wordings: wordings.into_iter().map(Into::into).collect(), role, weight, side }
    }
}

/// Cells between two pieces, and between the two sides.
const GAP: u16 = 2;

/// Chooses a wording for each piece, or none, so that all fit into `width`.
#[must_use]
pub fn choose(pieces: &[Piece], width: u16) -> Vec<Option<String>> {
    let mut chosen: Vec<usize> = vec![0; pieces.len()];
    while total(pieces, &chosen) > width {
        let candidates = pieces.iter().zip(&chosen).enumerate();
        let candidates = candidates.filter(|(_, (piece, choice))| **choice < piece.wordings.len());
        let Some((index, _)) = candidates.min_by_key(|(_, (piece, _))| piece.weight) else { break };
        if let Some(choice) = chosen.get_mut(index) {
            *choice += 1;
        }
    }
    pieces.iter().zip(chosen).map(|(piece, choice)| piece.wordings.get(choice).cloned()).collect()
}

fn total(pieces: &[Piece], chosen: &[usize]) -> u16 {
    let widths =
        pieces.iter().zip(chosen).filter_map(|(piece, choice)| piece.wordings.get(*choice)).map(|w| text::width(w));
    widths.fold(0, |sum, width| sum + width + GAP).saturating_sub(GAP)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces() -> Vec<Piece> {
        vec![
            Piece::new(Side::Left, 9, Role::Text, ["SANDBOX"]),
            Piece::new(Side::Left, 1, Role::Text, ["VA1234567"]),
            Piece::new(Side::Right, 5, Role::Text, ["closes in 2h 14m", "2h14m"]),
        ]
    }

    #[test]
    fn the_least_important_goes_first_and_whole() {
        let shown = |width| choose(&pieces(), width).into_iter().flatten().collect::<Vec<_>>().join("|");
        assert_eq!(shown(40), "SANDBOX|VA1234567|closes in 2h 14m");
        assert_eq!(shown(35), "SANDBOX|closes in 2h 14m");
        assert_eq!(shown(20), "SANDBOX|2h14m");
        assert_eq!(shown(8), "SANDBOX");
        assert_eq!(shown(3), "");
    }
}
