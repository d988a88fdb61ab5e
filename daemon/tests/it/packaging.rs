//! What is installed beside the programs.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// Arguments are seen by everybody who lists the processes.
#[test]
fn a_backup_takes_no_password_on_its_command_line() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/backup/blotter-backup");
    let folder = tempfile::tempdir().unwrap();
    let calls = folder.path().join("calls");
    for program in ["psql", "pg_dump"] {
        let stand_in = folder.path().join(program);
        fs::write(&stand_in, format!("#!/bin/sh\necho \"$@\" >>{}\nexit 1\n", calls.display())).unwrap();
        fs::set_permissions(&stand_in, Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let backup = |connection: &str| {
        let mut command = Command::new("bash");
        command.arg(script).arg(folder.path().join("backups")).arg(connection).env("PATH", &path);
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for connection in [
        "postgres://ann:geheim@db.example.com/blotter",
        "postgresql://ann@db.example.com/blotter?password=geheim",
        "host=db.example.com PASSWORD = geheim dbname=blotter",
    ] {
        let (code, said) = backup(connection);
        assert_eq!(code, Some(1), "{connection}: {said}");
        assert!(said.contains("PGPASSFILE") && said.contains("PGSERVICEFILE") && !said.contains("geheim"), "{said}");
        assert!(!calls.exists(), "{connection} was passed on: {:?}", fs::read_to_string(&calls));
    }
    // Without one the server is asked.
    for connection in ["service=blotter", "postgres://ann@[::1]:5432/blotter", "host=/run/postgresql dbname=blotter"] {
        let (_, said) = backup(connection);
        assert!(said.contains("the database does not answer"), "{connection}: {said}");
        assert!(fs::read_to_string(&calls).unwrap().contains(connection), "{connection}");
    }
}
