//! The environment, read once at the start. Nothing else in this crate looks at it.

use std::path::PathBuf;

/// What the environment says, still in its own words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    pub term: Option<String>,
    pub colorterm: Option<String>,
    pub no_color: Option<String>,
    pub clicolor: Option<String>,
    pub no_motion: Option<String>,
    pub colorfgbg: Option<String>,
    pub term_program: Option<String>,
    /// The first of `LC_ALL`, `LC_CTYPE` and `LANG` that says something.
    pub locale: Option<String>,
    pub ssh_tty: Option<String>,
    pub ssh_connection: Option<String>,
    pub tmux: Option<String>,
    /// The session of GNU screen.
    pub sty: Option<String>,
    pub home: Option<PathBuf>,
    pub xdg_config_home: Option<PathBuf>,
    pub xdg_runtime_dir: Option<PathBuf>,
    pub xdg_state_home: Option<PathBuf>,
    pub path: Option<String>,
    pub tmpdir: Option<PathBuf>,
    pub blotter_socket: Option<PathBuf>,
    pub host: Option<String>,
    pub uid: u32,
}

impl Environment {
    /// Reads the process's environment.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn read() -> Self {
        Self::from_lookup(|name| std::env::var(name).ok())
            .with_host(std::fs::read_to_string("/proc/sys/kernel/hostname").ok())
            .with_uid(nix::unistd::Uid::effective().as_raw())
    }

    /// Builds it from any source of names; an empty value counts as absent, as the shell habit has it.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let text = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let path = |name: &str| text(name).map(PathBuf::from);
        Self {
            term: text("TERM"),
            colorterm: text("COLORTERM"),
            no_color: text("NO_COLOR"),
            clicolor: text("CLICOLOR"),
            no_motion: text("NO_MOTION"),
            colorfgbg: text("COLORFGBG"),
            term_program: text("TERM_PROGRAM"),
            locale: text("LC_ALL").or_else(|| text("LC_CTYPE")).or_else(|| text("LANG")),
            ssh_tty: text("SSH_TTY"),
            ssh_connection: text("SSH_CONNECTION"),
            tmux: text("TMUX"),
            sty: text("STY"),
            home: path("HOME"),
            xdg_config_home: path("XDG_CONFIG_HOME"),
            xdg_runtime_dir: path("XDG_RUNTIME_DIR"),
            xdg_state_home: path("XDG_STATE_HOME"),
            path: text("PATH"),
            tmpdir: path("TMPDIR"),
            blotter_socket: path("BLOTTER_SOCKET"),
            host: None,
            uid: 0,
        }
    }

    #[must_use]
    pub fn with_host(self, host: Option<String>) -> Self {
        let host = host.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        Self { host, ..self }
    }

    #[must_use]
    pub fn with_uid(self, uid: u32) -> Self {
        Self { uid, ..self }
    }

    /// Whether the screen is at the other end of an SSH connection.
    #[must_use]
    pub fn is_ssh(&self) -> bool {
        self.ssh_tty.is_some() || self.ssh_connection.is_some()
    }

    /// The default device name: the host, and where the SSH client is.
    #[must_use]
    pub fn device(&self) -> String {
        let host = self.host.as_deref().unwrap_or("unknown host");
        let peer = self.ssh_connection.as_deref().and_then(|text| text.split_whitespace().next());
        let name = match peer {
            Some(peer) => format!("{host} from {peer}"),
            None => host.to_owned(),
        };
        let printable = name.chars().filter(|c| c.is_ascii_graphic() || *c == ' ');
        printable.take(blotter_shared::protocol::headers::DEVICE_MAX_CHARS).collect()
    }

    /// The folder of the user's configuration files.
    #[must_use]
    pub fn config_home(&self) -> Option<PathBuf> {
        self.xdg_config_home.clone().or_else(|| Some(self.home.as_ref()?.join(".config")))
    }

    /// The folder of the user's logs and reports.
    #[must_use]
    pub fn state_home(&self) -> Option<PathBuf> {
        self.xdg_state_home.clone().or_else(|| Some(self.home.as_ref()?.join(".local/state")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        Environment::from_lookup(|name| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn an_empty_value_counts_as_absent() {
        let environment = environment(&[("LC_ALL", ""), ("LANG", "C.UTF-8"), ("NO_COLOR", "")]);
        assert_eq!(environment.locale.as_deref(), Some("C.UTF-8"));
        assert_eq!(environment.no_color, None);
    }

    #[test]
    fn the_device_names_host_and_ssh_client() {
        let plain = environment(&[]).with_host(Some("desk\n".to_owned()));
        assert_eq!(plain.device(), "desk");
        let remote = environment(&[("SSH_CONNECTION", "10.1.2.3 5022 10.9.9.9 22")]).with_host(Some("desk".to_owned()));
        assert_eq!(remote.device(), "desk from 10.1.2.3");
        assert!(remote.is_ssh());
        let endless = environment(&[]).with_host(Some("é\u{1b}x".repeat(90)));
        assert_eq!(endless.device(), "x".repeat(64));
    }
}
