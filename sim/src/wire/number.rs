//! Numbers onto the wire. Every quote has two dozen, so they are written without the machinery of `fmt`.

use rust_decimal::Decimal;

/// A whole number.
pub(super) fn push_int(out: &mut String, value: i64) {
    out.push_str(itoa::Buffer::new().format(value));
}

/// A number with at least one digit behind the point.
pub(super) fn push_number(out: &mut String, value: Decimal) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(value.mantissa().unsigned_abs());
    let scale = usize::try_from(value.scale()).unwrap_or(0);
    if value.is_sign_negative() {
        out.push('-');
    }
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(scale));
    out.push_str(if whole.is_empty() { "0" } else { whole });
    out.push('.');
    out.extend(std::iter::repeat_n('0', scale.saturating_sub(fraction.len())));
    out.push_str(if scale == 0 { "0" } else { fraction });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_library_writes_them() {
        let mantissas = [0, 1, 9, 10, 99, 100, 12_345, 1_000_000, i64::MAX, -1, -10, -12_345, i64::MIN];
        for mantissa in mantissas {
            for scale in 0..20 {
                let value = Decimal::new(mantissa, scale);
                let mut out = String::new();
                push_number(&mut out, value);
                let point = if scale == 0 { ".0" } else { "" };
                assert_eq!(out, format!("{value}{point}"), "{mantissa} at {scale}");
            }
            let mut out = String::new();
            push_int(&mut out, mantissa);
            assert_eq!(out, mantissa.to_string());
        }
        let mut out = String::new();
        push_number(&mut out, Decimal::MAX);
        assert_eq!(out, format!("{}.0", Decimal::MAX));
    }
}
