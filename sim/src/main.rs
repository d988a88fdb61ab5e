//! `tradier-sim`.

use std::process::ExitCode;

fn main() -> ExitCode {
    blotter_sim::run()
}
