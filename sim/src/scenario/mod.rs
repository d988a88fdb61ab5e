//! Scenarios: a file that says what the day is like and what happens when.

mod act;
mod file;
mod play;
mod shipped;

pub use act::{Act, ActKind, When};
pub use file::{Scenario, ScenarioError};
pub(crate) use play::Script;
pub use shipped::{SHIPPED, shipped};
