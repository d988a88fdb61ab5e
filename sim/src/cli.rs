//! The command line.

use std::path::PathBuf;

use clap::Parser;

use crate::config::Given;

/// A Tradier- and ORATS-compatible broker on your own machine.
///
/// The first line on standard output is `listening on ADDRESS:PORT`. Without tokens and accounts of your own, use
/// `sandbox-token` with VA00000001 or `live-token` with 6YA00001.
#[derive(Debug, Parser)]
#[command(name = "tradier-sim", version)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
pub(crate) struct Cli {
    /// Where to listen; port 0 takes a free one (default: 127.0.0.1:0)
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Seed of market, engine and faults (default: 1)
    #[arg(long)]
    seed: Option<u64>,
    /// How time passes: real, manual, or a rate such as x60 (default: real)
    #[arg(long, value_name = "PACE")]
    clock: Option<String>,
    /// Where time begins, in New York: 2026-09-10T10:30, a date (its open), or 10:30 (on the last session)
    #[arg(long, value_name = "TIME")]
    start: Option<String>,
    /// A shipped scenario by name, or a file
    #[arg(long, value_name = "NAME|FILE")]
    scenario: Option<String>,
    /// Recorded prices as CSV: time,symbol,price
    #[arg(long, value_name = "FILE")]
    tape: Option<PathBuf>,
    /// Keeps orders, positions and time over restarts
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// SANDBOX:secret or LIVE:secret; may be repeated
    #[arg(long, value_name = "WORLD:TOKEN", num_args = 1..)]
    token: Vec<String>,
    /// WORLD:NUMBER or WORLD:NUMBER:CASH; may be repeated
    #[arg(long, value_name = "ACCOUNT", num_args = 1..)]
    account: Vec<String>,
    /// A file with the same settings, and more
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Lifts the rate limits
    #[arg(long)]
    no_limits: bool,
    /// Ends when standard input ends, so that nothing is left behind by a supervisor that died
    #[arg(long)]
    pub(crate) lifeline: bool,
    /// Lists the shipped scenarios and ends
    #[arg(long)]
    pub(crate) list_scenarios: bool,
    /// Logs every refused request to standard error
    #[arg(long, short)]
    pub(crate) verbose: bool,
}

impl Cli {
    /// What was said, for the configuration.
    pub(crate) fn given(self) -> Given {
        Given {
            listen: self.listen,
            seed: self.seed,
            clock: self.clock,
            start: self.start,
            tokens: self.token,
            accounts: self.account,
            config: self.config,
            scenario: self.scenario,
            tape: self.tape,
            state: self.state,
            no_limits: self.no_limits,
        }
    }
}
