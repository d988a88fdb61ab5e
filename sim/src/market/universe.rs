//! What can be traded: the table of underlyings.

use crate::core::Symbol;

/// Share, fund or index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AssetKind {
    /// A company's share.
    Stock,
    /// A fund.
    Etf,
    /// An index: quoted, never traded.
    Index,
}

impl AssetKind {
    /// The word in quotes.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Stock => "stock",
            Self::Etf => "etf",
            Self::Index => "index",
        }
    }
}

/// How options on it are priced in steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OptionClass {
    /// A cent at every price.
    Penny,
    /// Five cents below $3, ten above.
    Nickel,
    /// The index's steps, the same as a nickel class.
    Index,
    /// The volatility index.
    Vix,
    /// No options.
    Unlisted,
}

/// Which days its options end on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ladder {
    /// Every session for two weeks, then Fridays, then months.
    Daily,
    /// Fridays for two months, then months.
    Weekly,
    /// Wednesdays.
    Wednesday,
    /// Third Fridays.
    Monthly,
    /// Never.
    Unlisted,
}

/// One underlying.
#[derive(Clone, Debug)]
pub struct Underlying {
    /// Its ticker; share classes use a slash.
    pub symbol: Symbol,
    /// What it is.
    pub kind: AssetKind,
    /// Its name.
    pub name: String,
    /// The close before the simulation's first session.
    pub price: f64,
    /// Its share of the market's moves.
    pub beta: f64,
    /// Its sector, and its share of the sector's moves.
    pub sector: (usize, f64),
    /// Its own daily volatility.
    pub vol: f64,
    /// The usual implied volatility at the money.
    pub iv: f64,
    /// Shares on a usual day.
    pub volume: f64,
    /// How its options are priced.
    pub options: OptionClass,
    /// When its options end.
    pub ladder: Ladder,
}

impl Underlying {
    /// The root of its options' symbols: without the slash of a share class.
    #[must_use]
    pub fn root(&self) -> String {
        self.symbol.as_str().replace('/', "")
    }
}

/// The built-in table.
#[must_use]
pub fn universe() -> Vec<Underlying> {
    include_str!("universe.tsv").lines().filter_map(parse).collect()
}

fn parse(line: &str) -> Option<Underlying> {
    let mut fields = line.split('\t').map(str::trim);
    let symbol = fields.next().filter(|s| !s.is_empty() && !s.starts_with('#'))?;
    let kind = match fields.next()? {
        "stock" => AssetKind::Stock,
        "etf" => AssetKind::Etf,
        _ => AssetKind::Index,
    };
    let name = fields.next()?.to_owned();
    let price = fields.next()?.parse().ok()?;
    let beta = fields.next()?.parse().ok()?;
    let sector = fields.next()?;
    let sector = match sector.split_once(':') {
        Some((number, share)) => (number.parse().ok()?, share.parse().ok()?),
        None => (0, 0.0),
    };
    let vol: f64 = fields.next()?.parse().ok()?;
    let iv = fields.next()?.parse().ok()?;
    let volume: f64 = fields.next()?.parse().ok()?;
    let options = match fields.next()? {
        "penny" => OptionClass::Penny,
        "nickel" => OptionClass::Nickel,
        "index" => OptionClass::Index,
        "vix" => OptionClass::Vix,
        _ => OptionClass::Unlisted,
    };
    let ladder = match fields.next()? {
        "daily" => Ladder::Daily,
        "weekly" => Ladder::Weekly,
        "wednesday" => Ladder::Wednesday,
        "monthly" => Ladder::Monthly,
        _ => Ladder::Unlisted,
    };
    Some(Underlying {
        symbol: Symbol::new(symbol),
        kind,
        name,
        price,
        beta,
        sector,
        vol: vol / 100.0,
        iv,
        volume: volume * 1e6,
        options,
        ladder,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_read() {
        let lines = include_str!("universe.tsv").lines().filter(|l| !l.starts_with('#') && !l.is_empty()).count();
        let read = universe();
        assert_eq!(read.len(), lines);
        assert!(read.len() >= 100, "{}", read.len());
        assert!(read.iter().all(|u| u.price > 0.0 && u.sector.0 <= 11));
    }
}
