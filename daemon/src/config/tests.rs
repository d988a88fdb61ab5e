use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::*;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn write(dir: &TempDir, name: &str, text: &str) -> std::path::PathBuf {
    let path = dir.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn faults_of(text: &str, environment: &Environment) -> Vec<String> {
    let dir = TempDir::new().unwrap();
    let path = write(&dir, "config.toml", text);
    match Config::load(Some(&path), environment) {
        Ok(_) => Vec::new(),
        Err(faults) => {
            let lines = faults.to_string().replace(&path.display().to_string(), "FILE");
            lines.lines().map(str::to_owned).collect()
        }
    }
}

#[test]
fn nothing_written_means_defaults() {
    let dir = TempDir::new().unwrap();
    let config = Config::load(Some(&write(&dir, "config.toml", "")), &Environment::default()).unwrap();
    assert_eq!(config.limits.connections_per_user, 64);
    assert_eq!(config.limits.request_timeout_s, Duration::from_secs(10));
    assert!(config.database.url.is_none());
}

#[test]
fn ten_faults_are_ten_lines() {
    let text = r#"
        [daemon]
        socket = "relative.sock"
        stop_timeout_s = 0
        [database]
        url = "postgres://joe:hunter2@[bad"
        conections = 3
        [limits]
        body_bytes = "big"
        connections = 10
        connections_per_user = 20
        [log]
        filter = "loud"
        format = "xml"
        [auth]
        allow_users = ["ann", 3]
        [broker]
        allow_live = "yes"
    "#;
    let lines = faults_of(text, &Environment::default());
    assert_eq!(lines.len(), 10, "{lines:#?}");
    let all = lines.join("\n");
    assert!(!all.contains("hunter2"), "{all}");
    for line in [
        r#"daemon.socket = "relative.sock": an absolute path (FILE)"#,
        "daemon.stop_timeout_s = 0: whole seconds between 1 and 300 (FILE)",
        r#"limits.body_bytes = "big": a whole number between 1024 and 16777216 (FILE)"#,
        "limits.connections_per_user = 20: at most limits.connections, which are all connections together",
        "database.conections: is no key; did you mean `database.connections`? (FILE)",
        r#"broker.allow_live = "yes": true or false (FILE)"#,
        r#"auth.allow_users = ["ann", 3]: a list of names without white space (FILE)"#,
        r#"log.format = "xml": one of: auto text json journald (FILE)"#,
    ] {
        assert!(lines.iter().any(|found| found == line), "missing: {line}\nin:\n{all}");
    }
}

#[test]
fn an_unknown_section_is_named_and_the_clients_are_known() {
    let lines = faults_of(
        "[limit]\nbody_bytes = 2048\n[client]\nanything = 1\n[keys]\nq = \"quit\"\n",
        &Environment::default(),
    );
    assert_eq!(lines, ["[limit]: is no section; did you mean `limits`? (FILE)"]);
    let lines = faults_of("limits = 3\nloud = true\n", &Environment::default());
    assert_eq!(lines, ["limits = 3: is a section, not a value (FILE)", "[loud]: is no section (FILE)"]);
}

#[test]
fn a_file_that_is_not_toml_is_named_with_the_line_and_without_its_text() {
    let lines = faults_of("[vault]\nencryption_key = \"hunter2\n", &Environment::default());
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("config file: is not TOML") && lines[0].contains("line 2"), "{lines:?}");
    assert!(!lines[0].contains("hunter2"), "{lines:?}");
}

#[test]
fn a_named_file_must_be_there_and_the_usual_ones_need_not() {
    let dir = TempDir::new().unwrap();
    let missing = dir.path().join("no.toml");
    let faults = Config::load(Some(&missing), &Environment::default()).unwrap_err();
    assert!(faults.to_string().contains("cannot be read"), "{faults}");
    let nowhere = dir.path().display().to_string();
    assert!(Config::load(None, &Environment::from([("HOME", nowhere.as_str())])).is_ok());
}

#[test]
fn the_environment_wins_over_the_file() {
    let dir = TempDir::new().unwrap();
    write(&dir, "blotter/config.toml", "[limits]\nconnections = 100\nbody_bytes = 2048\n[log]\nfilter = \"warn\"\n");
    let home = dir.path().display().to_string();
    let environment = Environment::from([
        ("XDG_CONFIG_HOME", home.as_str()),
        ("BLOTTER_LIMITS_CONNECTIONS", "200"),
        ("BLOTTER_SOCKET", "/somewhere/b.sock"),
        ("BLOTTER_AUTH_ALLOW_USERS", "ann, bob"),
        ("DATABASE_URL", "postgres://joe:hunter2@localhost/x?sslmode=disable"),
        ("ENCRYPTION_KEY", KEY),
        ("FORCE_MARKET_OPEN", "1"),
        ("BLOTTER_THEME", "the client's own"),
    ]);
    let config = Config::load(None, &environment).unwrap();
    assert_eq!(config.limits.connections, 200);
    assert_eq!(config.limits.body_bytes, 2048);
    assert_eq!(config.log.filter, "warn");
    assert_eq!(config.daemon.socket.as_deref(), Some(Path::new("/somewhere/b.sock")));
    assert_eq!(config.auth.allow_users, ["ann", "bob"]);
    assert_eq!(config.vault.encryption_key.as_ref().unwrap().expose_secret(), KEY);
    assert!(config.market.force_open);
    let shown = format!("{config:?}{environment:?}");
    assert!(!shown.contains("hunter2") && !shown.contains(KEY), "{shown}");
}

#[test]
fn a_misspelt_variable_of_ours_is_a_fault() {
    let lines = faults_of("", &Environment::from([("BLOTTER_LIMITS_CONECTIONS", "3"), ("ENCRYPTION_KEY", "c2hvcnQ=")]));
    assert_eq!(
        lines,
        [
            "vault.encryption_key: 32 bytes in base64, as `blotterd vault keygen` makes them; several keys are one line \
             each, `v2:` and the key above `v1:` and the key (environment ENCRYPTION_KEY)",
            "limits.conections: is no key; did you mean `limits.connections`? (environment BLOTTER_LIMITS_CONECTIONS)",
        ]
    );
}

/// A file for all of a machine's traders is no place for what opens everybody's accounts.
#[test]
fn a_secret_in_a_file_that_others_may_read_is_a_fault() {
    let dir = TempDir::new().unwrap();
    let text = format!(
        "[vault]\nencryption_key = \"{KEY}\"\n[database]\nurl = \"postgres://joe:hunter2@db.example.com/x\"\n\
         migrate_url = \"postgres://joe@db.example.com/x\"\n"
    );
    let path = write(&dir, "config.toml", &text);
    for (mode, faults) in [(0o600, 0), (0o400, 0), (0o640, 2), (0o604, 2), (0o620, 2)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let told = Config::load(Some(&path), &Environment::default()).err().map(|faults| faults.to_string());
        let told = told.unwrap_or_default();
        assert_eq!(told.lines().count(), faults, "{mode:o}: {told}");
        assert!(!told.contains("hunter2") && !told.contains(KEY), "{told}");
        if faults > 0 {
            let key = format!("vault.encryption_key: is a secret in a file that others may read (mode {mode:o}): make");
            assert!(told.contains(&key) && told.contains("credential or in vault.key_file"), "{told}");
            assert!(told.contains("database.url: is a secret"), "{told}");
        }
    }
}

#[test]
fn a_systemd_credential_is_read() {
    let dir = TempDir::new().unwrap();
    write(&dir, "encryption_key", &format!("{KEY}\n"));
    let folder = dir.path().display().to_string();
    let environment = Environment::from([("CREDENTIALS_DIRECTORY", folder.as_str()), ("HOME", folder.as_str())]);
    let config = Config::load(None, &environment).unwrap();
    assert_eq!(config.vault.encryption_key.unwrap().expose_secret(), KEY);
}

#[test]
fn a_forced_market_and_real_money_do_not_go_together() {
    let lines = faults_of("[market]\nforce_open = true\n[broker]\nallow_live = true\n", &Environment::default());
    assert_eq!(lines, ["market.force_open = true: is for tests and demos: not together with broker.allow_live = true"]);
}

/// The example is what the table says, and with every key switched on it is a valid file.
#[test]
fn the_example_is_complete_and_can_be_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config.toml.example");
    let written = fs::read_to_string(&path).unwrap();
    assert!(
        written.starts_with(&example()),
        "config.toml.example is not what `blotterd check-config --example` prints"
    );
    let rest: toml::Table = written[example().len()..].parse().unwrap();
    for section in rest.keys() {
        assert!(CLIENT_SECTIONS.contains(&section.as_str()), "[{section}] does not belong to the client");
    }

    let switched_on: String = example()
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(key) if key.split_once(" = ").is_some_and(|(name, _)| !name.contains(' ')) => format!("{key}\n"),
            Some(_) | None => format!("{line}\n"),
        })
        .collect::<String>()
        .replace("\"<secret>\"", &format!("\"{KEY}\""));
    let table: toml::Table = switched_on.parse().unwrap();
    for key in Config::keys() {
        assert!(table[key.section].as_table().unwrap().contains_key(key.name), "{}.{}", key.section, key.name);
    }
    assert_eq!(faults_of(&switched_on, &Environment::default()), Vec::<String>::new());
}
