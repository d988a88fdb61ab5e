//! Programs that the operator names and the daemon runs: with a bound on their time, without the daemon's
//! secrets in their environment, and ended together with all that they have started.

use std::io;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

/// What the daemon may have been told and no program need know.
const SECRETS: [&str; 4] = ["DATABASE_URL", "ENCRYPTION_KEY", "BLOTTER_DATABASE_URL", "BLOTTER_VAULT_ENCRYPTION_KEY"];
/// Letters of a reason that are shown.
const LONGEST_REASON: usize = 300;

/// A command of this program, with the environment that it may see.
#[must_use]
pub fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    for secret in SECRETS {
        command.env_remove(secret);
    }
    command
}

/// Runs it to its end, with this on its standard input.
///
/// # Errors
/// When it cannot be started, or takes longer than it may.
pub async fn run(mut command: Command, input: &[u8], patience: Duration) -> io::Result<Output> {
    let stdin = if input.is_empty() { Stdio::null() } else { Stdio::piped() };
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn()?;
    let group = Group::of(&child);
    let mut pipe = child.stdin.take();
    let ended = tokio::time::timeout(patience, async {
        if let Some(mut pipe) = pipe.take() {
            // Whoever does not read it does not want it.
            let _ = pipe.write_all(input).await;
        }
        child.wait_with_output().await
    });
    let late = || io::Error::other(format!("it took longer than {} s", patience.as_secs()));
    let output = ended.await.map_err(|_| late())?;
    group.release();
    output
}

/// Why a program failed: the line that names the error, or else the last, or how it ended.
#[must_use]
pub fn reason(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    said(&text).unwrap_or_else(|| output.status.to_string())
}

fn said(text: &str) -> Option<String> {
    text.lines().find(|line| line.contains("error:")).and_then(last_line).or_else(|| last_line(text))
}

/// The last line that is not empty, as much of it as is shown.
#[must_use]
pub fn last_line(text: &str) -> Option<String> {
    let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
    Some(line.chars().take(LONGEST_REASON).collect())
}

/// A program with all that it has started: ended together when nobody waits any more.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw))
    }

    fn release(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It removes what it has begun and ends; a group that is gone already is as well.
            let _ = killpg(group, Signal::SIGTERM);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_with_the_error_or_the_last_one_is_the_reason() {
        assert_eq!(last_line("a\nthe disk is full\n\n").as_deref(), Some("the disk is full"));
        assert_eq!(last_line("\n"), None);
        let dump = "pg_dump: error: query failed: permission denied\npg_dump: detail: Query was: SELECT";
        assert_eq!(said(dump).as_deref(), Some("pg_dump: error: query failed: permission denied"));
        assert_eq!(said("it failed").as_deref(), Some("it failed"));
    }

    #[tokio::test]
    async fn it_reads_what_it_is_given_and_not_for_ever() {
        let cat = command(Path::new("/bin/cat"));
        let output = run(cat, b"hello", Duration::from_secs(30)).await.unwrap();
        assert_eq!((output.status.success(), output.stdout.as_slice()), (true, b"hello".as_slice()));
        let mut sleep = command(Path::new("/bin/sleep"));
        sleep.arg("600");
        let late = run(sleep, b"", Duration::from_millis(1)).await.unwrap_err();
        assert_eq!(late.to_string(), "it took longer than 0 s");
        let none = run(command(Path::new("/nonexistent")), b"", Duration::from_secs(1)).await.unwrap_err();
        assert_eq!(none.kind(), io::ErrorKind::NotFound);
    }
}
