//! Reads the columns of a row in the order in which the statement names them, and checks each
//! name: as safe as by name, and without a search for every cell of ten thousand rows.

use std::str::FromStr;

use rust_decimal::Decimal;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::DbError;
use super::numeric::Numeric;

pub(super) struct Cells<'a> {
    row: &'a Row,
    at: usize,
}

impl<'a> Cells<'a> {
    pub(super) fn of(row: &'a Row) -> Self {
        Self { row, at: 0 }
    }

    /// The next column, which must be called `name`.
    pub(super) fn next<T: FromSql<'a>>(&mut self, name: &'static str) -> Result<T, DbError> {
        let is_next = self.row.columns().get(self.at).is_some_and(|column| column.name() == name);
        if !is_next {
            return Err(unreadable(name, "the next column of its statement"));
        }
        let value = self.row.try_get(self.at).map_err(DbError::from)?;
        self.at += 1;
        Ok(value)
    }

    /// A word of a closed list, or anything else that is parsed from text.
    pub(super) fn parsed<T: FromStr>(&mut self, name: &'static str, expected: &'static str) -> Result<T, DbError> {
        let text: &str = self.next(name)?;
        text.parse().map_err(|_| unreadable(name, expected))
    }

    /// As [`Cells::parsed`], where the column may be null.
    pub(super) fn parsed_opt<T: FromStr>(
        &mut self,
        name: &'static str,
        expected: &'static str,
    ) -> Result<Option<T>, DbError> {
        let text: Option<&str> = self.next(name)?;
        text.map(|text| text.parse().map_err(|_| unreadable(name, expected))).transpose()
    }

    /// An amount, where the column may be null.
    pub(super) fn amount_opt<T: TryFrom<Decimal>>(
        &mut self,
        name: &'static str,
        expected: &'static str,
    ) -> Result<Option<T>, DbError> {
        let value: Option<Numeric> = self.next(name)?;
        value.map(|Numeric(value)| T::try_from(value).map_err(|_| unreadable(name, expected))).transpose()
    }

    /// A stored value that the type of our vocabulary must accept.
    pub(super) fn held<S: FromSql<'a>, T: TryFrom<S>>(
        &mut self,
        name: &'static str,
        expected: &'static str,
    ) -> Result<T, DbError> {
        T::try_from(self.next(name)?).map_err(|_| unreadable(name, expected))
    }

    /// As [`Cells::held`], where the column may be null.
    pub(super) fn held_opt<S: FromSql<'a>, T: TryFrom<S>>(
        &mut self,
        name: &'static str,
        expected: &'static str,
    ) -> Result<Option<T>, DbError> {
        let value: Option<S> = self.next(name)?;
        value.map(|value| T::try_from(value).map_err(|_| unreadable(name, expected))).transpose()
    }
}

pub(super) fn unreadable(column: &str, expected: &'static str) -> DbError {
    DbError::Unreadable { column: column.to_owned(), expected }
}
