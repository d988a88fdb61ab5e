//! A row of bars, one character each: how often something fell into which class.

use crate::theme::glyphs::Glyphs;

const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const ASCII: [char; 9] = [' ', '_', '.', ':', '-', '=', '+', '*', '#'];

/// The highest count fills its character; one that is not zero is always seen.
#[must_use]
pub fn bars(counts: &[u64], glyphs: Glyphs) -> String {
    let highest = counts.iter().copied().max().unwrap_or(0).max(1);
    let steps = match glyphs {
        Glyphs::Unicode => EIGHTHS,
        Glyphs::Ascii => ASCII,
    };
    let bar = |count: &u64| {
        let eighths = (u128::from(*count) * 8).div_ceil(u128::from(highest));
        usize::try_from(eighths).ok().and_then(|eighths| steps.get(eighths)).copied().unwrap_or(' ')
    };
    counts.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_seen_beside_a_thousand() {
        assert_eq!(bars(&[0, 1, 500, 1000], Glyphs::Unicode), " ▁▄█");
        assert_eq!(bars(&[0, 1, 500, 1000], Glyphs::Ascii), " _-#");
        assert_eq!(bars(&[0, 0], Glyphs::Unicode), "  ");
        assert_eq!(bars(&[u64::MAX], Glyphs::Unicode), "█");
    }
}
