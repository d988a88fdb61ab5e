//! The helper on an audio device that writes what it is given into a file, and on none at all.

#![cfg(test)]

use std::path::Path;
use std::process::{Command, Output, Stdio};

fn chime(word: &str, asound: &Path) -> Output {
    let program = env!("CARGO_BIN_EXE_blotter-chime");
    let mut command = Command::new(program);
    command
        .arg(word)
        .env("ALSA_CONFIG_PATH", asound)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.output().unwrap()
}

/// A configuration of ALSA whose default device is a file.
fn file_device(folder: &Path) -> std::path::PathBuf {
    let (config, sink) = (folder.join("asound.conf"), folder.join("heard.raw"));
    let text = format!(
        "pcm.!default {{ type plug slave.pcm {{ type file format raw file \"{}\" slave.pcm {{ type null }} }} }}\n",
        sink.display()
    );
    std::fs::write(&config, text).unwrap();
    config
}

#[test]
fn each_sound_is_heard_by_the_device() {
    for word in ["pop", "profit", "loss"] {
        let folder = tempfile::tempdir().unwrap();
        let output = chime(word, &file_device(folder.path()));
        assert!(output.status.success(), "{word}: {output:?}");
        let heard = std::fs::read(folder.path().join("heard.raw")).unwrap();
        assert!(heard.iter().any(|byte| *byte != 0), "{word}: {} bytes of silence", heard.len());
    }
}

#[test]
fn without_a_device_it_fails_soon_and_says_nothing_on_its_output() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("asound.conf");
    std::fs::write(&config, "").unwrap();
    let output = chime("pop", &config);
    assert!(!output.status.success());
    assert!(output.stdout.is_empty(), "the screen is on standard output: {output:?}");
}
