//! A market that is a function of seed and time.
//!
//! Every price is computed from (seed, symbol, moment); nothing has to be walked through first. So the clock may jump,
//! history agrees with the quotes that were seen, the sandbox's quotes of fifteen minutes ago need no memory, and years
//! of daily bars cost nothing until somebody asks. A day is laid out on a grid of fifteen seconds and cached.
//!
//! `f64` lives in here and ends in [`round`], the one place where a model's number becomes a price in ticks.

mod bars;
mod black;
mod chain;
mod days;
mod feed;
mod model;
mod option;
mod option_bars;
mod path;
mod quote;
mod round;
mod script;
mod tape;
mod universe;
mod volatility;

pub use bars::{Bar, Interval};
pub use black::Greeks;
pub use chain::{Expiration, Listing};
pub use feed::SharedMarket;
pub use model::Market;
pub use option::OptionView;
pub use quote::{OptionPart, Quote};
pub(crate) use round::{figure, float, int};
pub(crate) use script::Shift;
pub use tape::{Tape, TapeError};
pub use universe::{AssetKind, Ladder, OptionClass, Underlying, universe};
