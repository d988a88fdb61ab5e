//! Looking at processes through /proc: who is there, what they use, who their children are.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// What a process has used so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Time on a processor, all threads.
    pub cpu: Duration,
    /// Times it was switched in: how often something woke it.
    pub wakeups: u64,
    pub resident_kib: u64,
}

/// Whether the process is there and not a zombie.
#[must_use]
pub fn is_running(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| state_of(&stat))
        .is_some_and(|state| state != 'Z' && state != 'X')
}

/// Every living descendant of a process, nearest first.
#[must_use]
pub fn descendants(pid: u32) -> Vec<u32> {
    let parents = parents();
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(parents.iter().filter(|(_, p)| *p == parent).map(|(child, _)| *child));
        next += 1;
    }
    found.remove(0);
    found
}

/// The command line, words joined by blanks.
#[must_use]
pub fn command_line(pid: u32) -> String {
    let raw = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&raw).replace('\0', " ").trim().to_owned()
}

/// What the process has used so far, over all its threads.
///
/// # Errors
/// When the process is gone.
pub fn usage(pid: u32) -> Result<Usage> {
    let mut cpu_ns = 0_u64;
    let mut wakeups = 0_u64;
    for task in fs::read_dir(format!("/proc/{pid}/task")).with_context(|| format!("process {pid} is gone"))? {
        // `schedstat`: nanoseconds on a processor, nanoseconds waiting, number of time slices.
        let text = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        let mut fields = text.split_whitespace().map(|field| field.parse::<u64>().unwrap_or(0));
        cpu_ns += fields.next().unwrap_or(0);
        wakeups += fields.nth(1).unwrap_or(0);
    }
    Ok(Usage { cpu: Duration::from_nanos(cpu_ns), wakeups, resident_kib: resident_kib(pid)? })
}

fn resident_kib(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).with_context(|| format!("process {pid} is gone"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    line.trim().trim_end_matches(" kB").trim().parse().context("VmRSS is a number")
}

fn parents() -> Vec<(u32, u32)> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut parents: Vec<_> = pids
        .filter_map(|pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let parent = after_name(&stat)?.split_whitespace().nth(1)?.parse().ok()?;
            (state_of(&stat)? != 'Z').then_some((pid, parent))
        })
        .collect();
    parents.sort_unstable();
    parents
}

fn state_of(stat: &str) -> Option<char> {
    after_name(stat)?.trim_start().chars().next()
}

/// The part of /proc/PID/stat behind the name, which may itself hold blanks and parentheses.
fn after_name(stat: &str) -> Option<&str> {
    stat.rsplit_once(')').map(|(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_itself_and_its_child() {
        let me = std::process::id();
        let mut child = std::process::Command::new("/bin/sh")
            .args(["-c", "read line"])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        assert!(is_running(me) && is_running(child.id()));
        assert!(descendants(me).contains(&child.id()));
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(!is_running(child.id()));
        assert!(usage(me).unwrap().resident_kib > 0);
    }

    #[test]
    fn a_name_may_hold_parentheses() {
        assert_eq!(state_of("12 (a) b) S 1 12"), Some('S'));
    }
}
