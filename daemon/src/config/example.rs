//! `config.toml.example`, the daemon's part: every key, commented out at its default.

use std::fmt::Write;

use super::Config;

const HEAD: &str = "\
# Blotter's configuration. Copy it to /etc/blotter/config.toml or ~/.config/blotter/config.toml
# (the second one wins, key by key) and take the # off the lines that you change.
# Every key of the daemon can also be given as BLOTTER_<SECTION>_<KEY> in the environment.
# `blotterd check-config` names everything that is wrong, each with its rule.
";

/// The text of the example.
#[must_use]
pub fn example() -> String {
    let mut text = HEAD.to_owned();
    let keys = Config::keys();
    for (section, story) in Config::sections() {
        text.push('\n');
        comment(&mut text, story);
        let _ = writeln!(text, "[{section}]");
        for key in keys.iter().filter(|key| key.section == section) {
            text.push('\n');
            comment(&mut text, key.doc);
            let _ = writeln!(text, "# Rule: {}.", key.rule);
            let _ = writeln!(text, "# {} = {}", key.name, key.shown);
        }
    }
    text
}

fn comment(text: &mut String, lines: &str) {
    for line in lines.lines() {
        let _ = writeln!(text, "# {}", line.trim());
    }
}
