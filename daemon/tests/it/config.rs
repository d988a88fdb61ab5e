//! The places where a configuration is looked for, with the real program.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

#[test]
fn the_users_file_is_found_and_the_environment_wins() {
    let home = TempDir::new().unwrap();
    fs::create_dir_all(home.path().join("xdg/blotter")).unwrap();
    fs::write(home.path().join("xdg/blotter/config.toml"), "[daemon]\nsocket = \"/tmp/from-file.sock\"\n").unwrap();
    let check = |variables: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_blotterd"));
        command.env_clear().env("XDG_CONFIG_HOME", home.path().join("xdg")).arg("check-config");
        let output = command.envs(variables.iter().copied()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap() + std::str::from_utf8(&output.stderr).unwrap())
    };
    let (code, text) = check(&[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("socket   /tmp/from-file.sock\n"), "{text}");
    let (_, text) = check(&[("BLOTTER_SOCKET", "/tmp/from-environment.sock")]);
    assert!(text.contains("socket   /tmp/from-environment.sock\n"), "{text}");
    let (code, text) = check(&[("FORCE_MARKET_OPEN", "1"), ("BLOTTER_BROKER_ALLOW_LIVE", "true")]);
    assert_eq!(code, Some(2));
    assert_eq!(text, "market.force_open = true: is for tests and demos: not together with broker.allow_live = true\n");
}

#[test]
fn the_example_is_what_the_program_prints() {
    let output = Command::new(env!("CARGO_BIN_EXE_blotterd")).args(["check-config", "--example"]).output().unwrap();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../config.toml.example");
    assert!(fs::read_to_string(file).unwrap().starts_with(std::str::from_utf8(&output.stdout).unwrap()));
}
