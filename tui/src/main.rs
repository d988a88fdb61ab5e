//! `blotter`: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    blotter_tui::cli::main()
}
