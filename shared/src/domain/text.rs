//! Characters that are not what they show.

/// Whether a character could change what is around it on a screen: control characters, those that
/// turn the direction of writing, and those that take no room and are not seen.
#[must_use]
pub fn is_dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shows_itself_is_not_dangerous() {
        assert!("NVDA 150 CALL Größe 日本 é … ▲ 🙂".chars().all(|c| !is_dangerous(c)));
        for c in ['\0', '\n', '\u{1b}', '\u{7f}', '\u{9b}', '\u{202e}', '\u{2066}', '\u{200b}', '\u{61c}', '\u{e0041}']
        {
            assert!(is_dangerous(c), "{c:?}");
        }
    }
}
