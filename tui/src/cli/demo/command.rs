//! The command itself: with the screen, or without one for scripts and tests.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::{Demo, DemoError, News, Programs, Surroundings};
use crate::cli::{Context, Failure, open_screen, refuse_without_screen};
use crate::environment::Environment;
use crate::widgets::text::clean;

/// Try Blotter: everything on a database of its own, and nothing left of it afterwards.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct DemoArgs {
    /// Open no screen: print the socket's path as the first line and run until INT, TERM or HUP.
    #[arg(long)]
    pub headless: bool,
}

/// Runs the programs that lie beside this one.
///
/// # Errors
/// When the demo does not come up, or the terminal cannot show a screen.
pub(in crate::cli) fn run(context: &Context, args: &DemoArgs) -> Result<ExitCode, Failure> {
    let surroundings = surroundings(&context.environment)?;
    let fault = |error: DemoError| Failure::fault(format!("no demo: {error}"));
    if args.headless {
        headless(surroundings, &mut io::stdout(), &mut io::stderr()).map_err(fault)?;
        return Ok(ExitCode::SUCCESS);
    }
    refuse_without_screen(context, "`blotter demo --headless` needs none")?;
    let client = |socket: &Path| {
        let mut context = context.clone();
        context.global.socket = Some(socket.to_owned());
        open_screen(&context).unwrap_or_else(|failure| failure.tell())
    };
    with_client(surroundings, &mut io::stderr(), client).map_err(fault)
}

fn surroundings(environment: &Environment) -> Result<Surroundings, Failure> {
    let client = std::env::current_exe();
    let client = client.map_err(|error| Failure::fault(format!("where is this program? {error}")))?;
    Ok(Surroundings {
        programs: Programs::beside(&client),
        temp: environment.tmpdir.clone().unwrap_or_else(|| PathBuf::from("/tmp")),
        path: environment.path.clone(),
        home: environment.home.clone(),
    })
}

/// Without a screen: the socket's path on `out` once the daemon is well, everything else on `err`.
///
/// # Errors
/// When the demo does not come up, or could not go on.
pub fn headless(surroundings: Surroundings, out: &mut dyn Write, err: &mut dyn Write) -> Result<(), DemoError> {
    let mut demo = Demo::start(surroundings)?;
    match demo.wait_ready(|news| tell(err, news)) {
        Ok(()) => {}
        Err(DemoError::Stopped) => return Ok(()),
        Err(error) => return Err(error),
    }
    // Whoever started us may have closed our output; the demo runs all the same.
    let _ = writeln!(out, "{}", demo.socket().display()).and_then(|()| out.flush());
    demo.run_until_signal(|news| tell(err, news))
}

/// With the client in this same process, on the demo's socket. What the client returns is the
/// command's exit code, once everything is stopped.
///
/// # Errors
/// When the demo does not come up; a signal before that is a good end.
pub fn with_client(
    surroundings: Surroundings,
    err: &mut dyn Write,
    client: impl FnOnce(&Path) -> ExitCode,
) -> Result<ExitCode, DemoError> {
    let mut demo = Demo::start(surroundings)?;
    match demo.wait_ready(|news| tell(err, news)) {
        Ok(()) => {}
        Err(DemoError::Stopped) => return Ok(ExitCode::SUCCESS),
        Err(error) => return Err(error),
    }
    demo.hand_over_signals();
    let code = client(demo.socket());
    demo.stop().map(|()| code)
}

fn tell(err: &mut dyn Write, news: &News) {
    // A terminal that has gone hears nothing.
    let _ = writeln!(err, "demo: {}", clean(&news.to_string()));
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Swept { folder } => write!(f, "removed what a killed demo left in {}", folder.display()),
            Self::Starting { program } => write!(f, "starting {program}"),
            Self::Simulator { address } => write!(f, "the simulated broker listens on {address}"),
            Self::NoSimulator { reason } => write!(f, "without a simulated broker: {reason}"),
            Self::NoAccount { reason } => write!(f, "without an account: {reason}"),
            Self::Waiting { what } => write!(f, "waiting: {what}"),
            Self::Ready => write!(f, "ready"),
            Self::Restarting { program, how } => write!(f, "{program}: {how}; starting it again"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_cannot_write_on_the_terminal() {
        let mut told = Vec::new();
        tell(&mut told, &News::NoAccount { reason: "no\u{1b}[2J\nblotter: all is well".to_owned() });
        assert_eq!(
            String::from_utf8(told).unwrap(),
            "demo: without an account: no\\u{1b}[2J\\u{a}blotter: all is well\n"
        );
    }
}
