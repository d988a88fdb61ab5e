//! NUMERIC as the server sends it: groups of four digits. Amounts have few of them, and are put together in whole
//! numbers; anything larger goes the way of `rust_decimal`.

use std::error::Error;

use rust_decimal::Decimal;
use tokio_postgres::types::{FromSql, Type};

/// A decimal column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numeric(pub(super) Decimal);

impl<'a> FromSql<'a> for Numeric {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        match small(raw) {
            Some(value) => Ok(Self(value)),
            None => Decimal::from_sql(ty, raw).map(Self),
        }
    }

    fn accepts(ty: &Type) -> bool {
        <Decimal as FromSql>::accepts(ty)
    }
}

/// Up to sixteen digits, up to eight of them after the point.
fn small(raw: &[u8]) -> Option<Decimal> {
    let ([n1, n2, w1, w2, s1, s2, d1, d2], groups) = raw.split_first_chunk::<8>()?;
    let count = i32::from(i16::from_be_bytes([*n1, *n2]));
    let weight = i32::from(i16::from_be_bytes([*w1, *w2]));
    let scale = u32::from(u16::from_be_bytes([*d1, *d2]));
    let is_negative = match u16::from_be_bytes([*s1, *s2]) {
        0x0000 => false,
        0x4000 => true,
        _ => return None,
    };
    if count > 4 || scale > 8 || weight > 3 {
        return None;
    }
    let (pairs, []) = groups.as_chunks::<2>() else { return None };
    let digits = pairs.iter().try_fold(0_i64, |sum, pair| {
        let group = i64::from(u16::from_be_bytes(*pair));
        (group < 10_000).then_some(sum * 10_000 + group)
    })?;
    // Where the point is, in digits from the last one.
    let have = u32::try_from(4 * (count - 1 - weight).max(0)).ok()?;
    let missing = u32::try_from((weight + 1 - count).max(0)).ok()?;
    let digits = digits.checked_mul(10_000_i64.checked_pow(missing)?)?;
    let digits = if have <= scale {
        digits.checked_mul(10_i64.checked_pow(scale - have)?)?
    } else {
        let finer = 10_i64.checked_pow(have - scale)?;
        (digits % finer == 0).then_some(digits / finer)?
    };
    Some(Decimal::new(if is_negative { -digits } else { digits }, scale))
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;
    use tokio_postgres::types::ToSql;

    use super::*;

    proptest! {
        #[test]
        fn what_is_read_is_what_rust_decimal_reads(mantissa in -10_i64.pow(17)..10_i64.pow(17), cut in 0_u32..18, scale in 0_u32..12) {
            let value = Decimal::new(mantissa / 10_i64.pow(cut), scale);
            let mut raw = BytesMut::new();
            value.to_sql(&Type::NUMERIC, &mut raw).unwrap();
            let (ours, theirs) = (Numeric::from_sql(&Type::NUMERIC, &raw).unwrap().0, Decimal::from_sql(&Type::NUMERIC, &raw).unwrap());
            prop_assert_eq!((ours, ours.scale()), (theirs, theirs.scale()));
        }

        #[test]
        fn bytes_of_any_kind_are_read_alike_or_refused(raw in prop::collection::vec(any::<u8>(), 8..20)) {
            if let Some(value) = small(&raw) {
                prop_assert_eq!(Ok(value), Decimal::from_sql(&Type::NUMERIC, &raw).map_err(|error| error.to_string()));
            }
        }
    }

    /// As PostgreSQL 15 sends them: trailing groups of zeros are not there, whatever the scale.
    #[test]
    fn what_the_server_sends() {
        for (groups, weight, scale, text) in [
            (&[][..], 0_i16, 4_u16, "0.0000"),
            (&[5, 1500], 0, 4, "5.1500"),
            (&[5], 0, 4, "5.0000"),
            (&[2], 1, 2, "20000.00"),
            (&[1500], -1, 4, "0.1500"),
            (&[7], -2, 8, "0.00000007"),
            (&[9999, 9999, 9900], 1, 2, "99999999.99"),
        ] {
            let count = i16::try_from(groups.len()).unwrap();
            let head = [count.to_be_bytes(), weight.to_be_bytes(), [0x40, 0], scale.to_be_bytes()];
            let groups = groups.iter().map(|group: &u16| group.to_be_bytes());
            let raw: Vec<u8> = head.into_iter().chain(groups).flatten().collect();
            let expected: Decimal = format!("-{text}").parse().unwrap();
            let read = small(&raw).unwrap();
            assert_eq!((read, read.scale()), (expected, expected.scale()), "{text}");
            assert_eq!(Decimal::from_sql(&Type::NUMERIC, &raw).unwrap(), read);
        }
    }
}
