//! Numbers as decimal digits, for texts of which there are many: lists and exports of a million rows.

/// As many digits as any number has.
pub type Digits = [u8; 20];

/// The digits of a number, and zeros in front of them where they are fewer than asked for.
pub fn padded(value: u64, digits: usize, text: &mut Digits) -> &str {
    text.fill(b'0');
    let (mut rest, mut used) = (value, 0);
    for place in text.iter_mut().rev() {
        if rest == 0 {
            break;
        }
        *place += u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
        used += 1;
    }
    let from = text.len().saturating_sub(used.max(digits));
    text.get(from..).and_then(|text| str::from_utf8(text).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_the_digits_that_it_needs_or_as_many_as_are_asked_for() {
        let cases = [(0, 0, ""), (0, 1, "0"), (7, 1, "7"), (7, 3, "007"), (1_234, 2, "1234"), (10, 2, "10")];
        for (value, digits, wanted) in cases {
            assert_eq!(padded(value, digits, &mut Digits::default()), wanted);
        }
        assert_eq!(padded(u64::MAX, 1, &mut Digits::default()), u64::MAX.to_string());
    }
}
