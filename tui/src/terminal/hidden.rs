//! A line that is typed and not shown: for secrets. The terminal's own echo is off meanwhile, and on
//! again whatever happens.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

/// The terminal with its echo off.
struct Hidden {
    tty: File,
    before: Termios,
}

impl Drop for Hidden {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.tty, SetArg::TCSAFLUSH, &self.before);
        let _ = writeln!(self.tty);
    }
}

/// Asks on the controlling terminal, whatever the standard streams are, and reads one line.
///
/// # Errors
/// When there is no terminal, or it cannot be read.
pub fn read_hidden(prompt: &str) -> io::Result<String> {
    let mut tty = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    let before = tcgetattr(&tty)?;
    let mut silent = before.clone();
    silent.local_flags.remove(LocalFlags::ECHO | LocalFlags::ECHONL);
    tcsetattr(&tty, SetArg::TCSAFLUSH, &silent)?;
    write!(tty, "{prompt}")?;
    tty.flush()?;
    let hidden = Hidden { tty, before };
    let mut line = String::new();
    BufReader::new(&hidden.tty).read_line(&mut line)?;
    Ok(line)
}
