//! The service files keep the hardening that docs/SECURITY.md promises. Where `systemd-analyze` is
//! installed, `scripts/check-units` scores them as well.

use super::finding;
use crate::Finding;
use crate::tree::{File, Tree};

const RULE: &str = "units";
const SERVICE: &str = "packaging/systemd/blotterd.service";

/// Lines that the system service must have.
const REQUIRED: &[&str] = &[
    "Type=notify",
    "Restart=always",
    "StartLimitIntervalSec=0",
    "KillMode=mixed",
    "LimitNOFILE=65536",
    "MemoryMax=2G",
    "LimitCORE=0",
    "NoNewPrivileges=yes",
    "CapabilityBoundingSet=",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "ProtectKernelTunables=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelLogs=yes",
    "ProtectControlGroups=yes",
    "ProtectClock=yes",
    "ProtectHostname=yes",
    "ProtectProc=invisible",
    "ProcSubset=pid",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "RemoveIPC=yes",
    "SystemCallArchitectures=native",
    "UMask=0077",
];

/// Settings that break the product, and how.
const FORBIDDEN: &[(&str, &str)] = &[
    ("PrivateUsers=", "every peer would read as nobody, and nobody is refused"),
    ("DynamicUser=", "initdb needs a user that the password database knows"),
    ("PrivateNetwork=yes", "the broker is on the network"),
];

#[must_use]
pub fn check(tree: &Tree) -> Vec<Finding> {
    let nowhere = File { path: SERVICE.to_owned(), text: String::new() };
    let file = tree.get(SERVICE).unwrap_or(&nowhere);
    let has = |wanted: &str| file.text.lines().any(|line| line == wanted);
    let missing = REQUIRED.iter().filter(|line| !has(line)).map(|line| format!("`{line}` is missing"));
    let forbidden = FORBIDDEN
        .iter()
        .filter(|(setting, _)| file.text.lines().any(|line| line.starts_with(setting)))
        .map(|(setting, why)| format!("`{setting}` must not be set: {why}"));
    missing.chain(forbidden).map(|advice| finding(file, 1, RULE, advice)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_softened_unit_is_found() {
        let whole = REQUIRED.join("\n");
        assert_eq!(check(&Tree::planted(&[(SERVICE, &whole)])), []);
        let softened = whole.replace("ProtectHome=yes", "ProtectHome=no");
        assert_eq!(check(&Tree::planted(&[(SERVICE, &softened)])).len(), 1);
        let broken = format!("{whole}\nPrivateUsers=yes");
        assert_eq!(check(&Tree::planted(&[(SERVICE, &broken)])).len(), 1);
        assert_eq!(check(&Tree::default()).len(), REQUIRED.len());
    }
}
