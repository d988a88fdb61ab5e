//! One program that is to run: started with a lifeline, watched, started again after a wait, stopped.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{Instant, sleep_until, timeout};

use super::backoff::Backoff;

/// A program, or the wait before it is started again.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) name: &'static str,
    state: State,
    pub(super) backoff: Backoff,
}

#[derive(Debug)]
enum State {
    Runs(Box<Run>),
    Waits { until: Instant },
}

#[derive(Debug)]
struct Run {
    process: Child,
    /// The other end is the program's standard input. Never written to: closing it says that nobody
    /// looks after the program any more.
    lifeline: Option<ChildStdin>,
    since: Instant,
}

/// What became of a program.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// It ended, unasked.
    Ended { how: String },
    /// It is time to start it again.
    Due,
}

impl Kept {
    /// Starts the program; what it prints goes to the log.
    pub(super) fn start(name: &'static str, command: Command, out: &Path, log: &Path) -> io::Result<Self> {
        Ok(Self { name, state: State::Runs(Box::new(start(command, out, log)?)), backoff: Backoff::default() })
    }

    pub(super) fn start_again(&mut self, command: Command, out: &Path, log: &Path) -> io::Result<()> {
        self.state = State::Runs(Box::new(start(command, out, log)?));
        Ok(())
    }

    /// The next thing that happens to it. May be dropped and called again at any time.
    pub(super) async fn event(&mut self) -> Event {
        match &mut self.state {
            State::Waits { until } => {
                sleep_until(*until).await;
                Event::Due
            }
            State::Runs(run) => {
                let how = run.process.wait().await.map_or_else(|error| error.to_string(), describe);
                let delay = self.backoff.after_run_of(run.since.elapsed());
                self.state = State::Waits { until: Instant::now() + delay };
                Event::Ended { how }
            }
        }
    }

    /// Asks it to end, by signal and by closing its lifeline, and kills it when it has not by the deadline.
    pub(super) async fn stop(&mut self, deadline: Duration) {
        let State::Runs(run) = &mut self.state else { return };
        if let Some(pid) = run.process.id().and_then(|id| i32::try_from(id).ok()) {
            // Not reaped yet, so the number is still its own.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        drop(run.lifeline.take());
        if timeout(deadline, run.process.wait()).await.is_err() {
            // `kill` waits for the end too; there is nothing more that could be done.
            let _ = run.process.kill().await;
        }
    }
}

fn start(mut command: Command, out: &Path, log: &Path) -> io::Result<Run> {
    let closed = || {
        let mut options = OpenOptions::new();
        options.create(true).mode(0o600).custom_flags(OFlag::O_NOFOLLOW.bits());
        options
    };
    let out = closed().write(true).truncate(true).open(out)?;
    let log = closed().append(true).open(log)?;
    let mut process = command.stdin(Stdio::piped()).stdout(out).stderr(log).process_group(0).spawn()?;
    let lifeline = process.stdin.take();
    Ok(Run { process, lifeline, since: Instant::now() })
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it ended with code {code}"),
        (None, Some(signal)) => format!("signal {signal} ended it"),
        (None, None) => "it ended".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Kept {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        let nowhere = Path::new("/dev/null");
        Kept::start("sh", command, nowhere, nowhere).unwrap()
    }

    #[tokio::test]
    async fn what_will_not_stop_is_killed() {
        let mut kept = shell("trap '' TERM; while :; do read forever; done");
        kept.stop(Duration::from_millis(50)).await;
        let Event::Ended { how } = kept.event().await else { panic!("it did not end") };
        assert!(how.starts_with("signal "), "{how}");
    }

    #[tokio::test]
    async fn an_end_is_followed_by_a_wait_and_a_restart() {
        let mut kept = shell("exit 7");
        assert_eq!(kept.event().await, Event::Ended { how: "it ended with code 7".to_owned() });
        assert_eq!(kept.event().await, Event::Due);
        let nowhere = Path::new("/dev/null");
        kept.start_again(Command::new("/bin/true"), nowhere, nowhere).unwrap();
        assert_eq!(kept.event().await, Event::Ended { how: "it ended with code 0".to_owned() });
    }

    #[tokio::test]
    async fn a_program_ends_with_its_lifeline() {
        let kept = shell("read forever; exit 5");
        let State::Runs(mut run) = kept.state else { panic!("it does not run") };
        drop(run.lifeline.take());
        assert_eq!(run.process.wait().await.unwrap().code(), Some(5));
    }
}
