//! Programs that the operator names and the daemon runs: with a bound on their time and on what they may say,
//! without the daemon's secrets in their environment, and ended together with all that they have started.
//!
//! A program has ended when its first process has. What that one leaves in the background lives on, and nobody
//! listens to it any more.

use std::future::{Future, pending};
use std::io;
use std::path::Path;
use std::pin::{Pin, pin};
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{Fuse, FusedFuture};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

use crate::config::Environment;

/// Letters of a reason that are shown.
const LONGEST_REASON: usize = 300;
/// Of what a program says, the last bytes are kept.
const KEPT: usize = 64 * 1024;
/// For so long its last words are read after its end, while something that it left behind holds its pipes.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// For so long it may clean up once it has taken too long.
const CLEANS_UP: Duration = Duration::from_secs(5);

/// A command of this program, with the environment that it may see.
#[must_use]
pub fn command(program: &Path) -> Command {
    without_secrets(program, &Environment::of_process())
}

/// What the daemon may have been told no program need know.
fn without_secrets(program: &Path, environment: &Environment) -> Command {
    let mut command = Command::new(program);
    for secret in environment.secrets() {
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
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let (input_pipe, output_pipe, error_pipe) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let status = {
        let talk = async {
            tokio::join!(tell(input_pipe, input), keep(output_pipe, &mut stdout), keep(error_pipe, &mut stderr));
        };
        let mut talk = pin!(talk.fuse());
        let ended = timeout(patience, ended(&mut child, talk.as_mut())).await;
        if ended.is_ok() && !talk.is_terminated() {
            // Whoever it left behind may hold its pipes for ever.
            let _ = timeout(LAST_WORDS, talk).await;
        }
        ended
    };
    let Ok(status) = status else {
        group.end(&mut child, CLEANS_UP).await;
        return Err(io::Error::other(format!("it took longer than {} s", patience.as_secs())));
    };
    group.release();
    Ok(Output { status: status?, stdout, stderr })
}

/// Waits for the end of its first process, and meanwhile for what it says.
async fn ended(child: &mut Child, mut talk: Pin<&mut Fuse<impl Future<Output = ()>>>) -> io::Result<ExitStatus> {
    tokio::select! {
        status = child.wait() => status,
        // One that has closed its pipes has not ended yet.
        never = async { talk.as_mut().await; pending().await } => never,
    }
}

async fn tell(pipe: Option<ChildStdin>, input: &[u8]) {
    if let Some(mut pipe) = pipe {
        // Whoever does not read it does not want it.
        let _ = pipe.write_all(input).await;
    }
}

/// Reads everything, so that nobody waits for us, and keeps the end of it.
async fn keep(pipe: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut pipe) = pipe else { return };
    let mut piece = vec![0; 8 * 1024];
    while let Ok(count @ 1..) = pipe.read(&mut piece).await {
        kept.extend_from_slice(piece.get(..count).unwrap_or_default());
        kept.drain(..kept.len().saturating_sub(KEPT));
    }
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

    /// Asks all of it to end, and ends what has not by the time that its first process is gone or late.
    async fn end(self, child: &mut Child, cleans_up: Duration) {
        self.signal(Signal::SIGTERM);
        let _ = timeout(cleans_up, child.wait()).await;
        self.signal(Signal::SIGKILL);
        self.release();
    }

    /// A group that is gone already needs none.
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            let _ = killpg(group, signal);
        }
    }
}

impl Drop for Group {
    /// The daemon itself ends: nothing can be waited for, and systemd ends what is left.
    fn drop(&mut self) {
        self.signal(Signal::SIGTERM);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt, BufReader};

    use super::*;
    use crate::config::Config;

    /// For what ends by itself.
    const ENOUGH: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Command {
        let mut command = command(Path::new("/bin/sh"));
        command.args(["-c", script]);
        command
    }

    #[test]
    fn the_line_with_the_error_or_the_last_one_is_the_reason() {
        assert_eq!(last_line("a\nthe disk is full\n\n").as_deref(), Some("the disk is full"));
        assert_eq!(last_line("\n"), None);
        let dump = "pg_dump: error: query failed: permission denied\npg_dump: detail: Query was: SELECT";
        assert_eq!(said(dump).as_deref(), Some("pg_dump: error: query failed: permission denied"));
        assert_eq!(said("it failed").as_deref(), Some("it failed"));
    }

    #[test]
    fn no_secret_of_the_daemon_is_in_a_programs_environment_however_it_is_spelt() {
        let is_removed = |name: &str| {
            let command = without_secrets(Path::new("x"), &Environment::from([(name, "x")]));
            command.as_std().get_envs().any(|(removed, value)| removed == name && value.is_none())
        };
        let mut secrets = Vec::new();
        for key in Config::keys() {
            let long = format!("BLOTTER_{}_{}", key.section, key.name).to_uppercase();
            let mixed = format!("BLOTTER_{}_{}", key.section, key.name);
            assert_eq!((is_removed(&long), is_removed(&mixed)), (key.is_secret, key.is_secret), "{long}");
            secrets.extend(key.is_secret.then(|| key.path()));
        }
        for secret in ["database.url", "database.migrate_url", "vault.encryption_key"] {
            assert!(secrets.iter().any(|key| key == secret), "{secret} is not among {secrets:?}");
        }
        assert!(is_removed("DATABASE_URL") && is_removed("ENCRYPTION_KEY"));
        assert!(!is_removed("PATH") && !is_removed("PGPASSFILE") && !is_removed("BLOTTER_SOCKET"));
    }

    #[tokio::test]
    async fn it_reads_what_it_is_given_and_not_for_ever() {
        let cat = command(Path::new("/bin/cat"));
        let output = run(cat, b"hello", ENOUGH).await.unwrap();
        assert_eq!((output.status.success(), output.stdout.as_slice()), (true, b"hello".as_slice()));
        let mut sleep = command(Path::new("/bin/sleep"));
        sleep.arg("600");
        let late = run(sleep, b"", Duration::from_millis(1)).await.unwrap_err();
        assert_eq!(late.to_string(), "it took longer than 0 s");
        let none = run(command(Path::new("/nonexistent")), b"", Duration::from_secs(1)).await.unwrap_err();
        assert_eq!(none.kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn it_has_ended_although_what_it_left_behind_holds_its_pipes() {
        let output = run(shell("tail -f /dev/null & echo $!"), b"hello", ENOUGH).await.unwrap();
        let left = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
        assert!(output.status.success(), "{}", output.status);
        nix::sys::signal::kill(Pid::from_raw(left), Signal::SIGKILL).expect("what it left behind lives on");
    }

    #[tokio::test]
    async fn of_all_that_it_says_the_end_is_kept() {
        let script = "head -c 3000000 /dev/zero; echo; echo done; head -c 3000000 /dev/zero >&2; echo >&2; echo 'too bad' >&2; exit 3";
        let output = run(shell(script), b"", ENOUGH).await.unwrap();
        assert_eq!((output.stdout.len(), output.stderr.len()), (KEPT, KEPT));
        assert_eq!(last_line(&String::from_utf8_lossy(&output.stdout)).as_deref(), Some("done"));
        assert_eq!((output.status.code(), reason(&output).as_str()), (Some(3), "too bad"));
    }

    #[tokio::test]
    async fn who_does_not_end_when_asked_is_ended_with_all_that_it_started() {
        let mut deaf = shell("trap '' TERM; tail -f /dev/null & echo ready; wait; wait");
        let mut child = deaf.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0).spawn().unwrap();
        let group = Group::of(&child);
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        timeout(ENOUGH, said.read_line(&mut line)).await.unwrap().unwrap();
        assert_eq!(line, "ready\n");
        group.end(&mut child, Duration::from_millis(1)).await;
        // The pipe closes with the last of them.
        line.clear();
        assert_eq!(timeout(ENOUGH, said.read_line(&mut line)).await.expect("some of it lives on").unwrap(), 0);
        assert!(!timeout(ENOUGH, child.wait()).await.unwrap().unwrap().success());
    }
}
