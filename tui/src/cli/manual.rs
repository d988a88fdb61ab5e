//! `blotter man`: the manual pages, with one of keys made from the keymap.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory};

use super::exit::Failure;
use super::output::print;
use super::{Cli, Context};
use crate::input::keymap::{Context as KeyContext, Keymap};

#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write all pages there instead of printing the first
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

pub(super) fn run(context: &Context, args: &ManArgs) -> Result<ExitCode, Failure> {
    let fault = |error: std::io::Error| Failure::fault(error.to_string());
    let Some(folder) = &args.dir else {
        let mut page = render(&Cli::command()).map_err(fault)?;
        page.push_str(&keys_section(&context.config.keymap));
        return print(&page);
    };
    fs::create_dir_all(folder).map_err(fault)?;
    clap_mangen::generate_to(Cli::command(), folder).map_err(fault)?;
    let main_page = folder.join("blotter.1");
    let mut text = fs::read_to_string(&main_page).map_err(fault)?;
    text.push_str(&keys_section(&Keymap::defaults()));
    fs::write(&main_page, text).map_err(fault)?;
    fs::write(folder.join("blotter-keys.7"), keys_page()).map_err(fault)?;
    Ok(ExitCode::SUCCESS)
}

fn render(command: &clap::Command) -> std::io::Result<String> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

fn keys_page() -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        ".TH blotter\\-keys 7 \"\" \"blotter {version}\" \"Blotter\"\n.SH NAME\nblotter\\-keys \\- the keys of blotter(1)\n\
         .SH DESCRIPTION\nEvery key can be changed in the [keys] section of config.toml: name = \"key\" or name = [\"key\", \"key\"].\n{}",
        keys_section(&Keymap::defaults())
    )
}

/// The keymap as a section of a manual page.
fn keys_section(keymap: &Keymap) -> String {
    let mut page = ".SH KEYS\n".to_owned();
    for context in KeyContext::ALL {
        page.push_str(&format!(".SS {}\n", context.title()));
        for (entry, chords) in keymap.entries().filter(|(entry, _)| entry.context == *context) {
            let keys: Vec<_> = chords.iter().map(|chord| roff(&chord.spelled())).collect();
            let (name, help) = (roff(entry.name), roff(entry.help));
            page.push_str(&format!(".TP\n\\fB{}\\fR\n{help} ({name})\n", keys.join(", ")));
        }
    }
    page
}

fn roff(text: &str) -> String {
    text.replace('\\', "\\\\").replace('-', "\\-").replace('\'', "\\(aq").replace('.', "\\&.")
}
