//! The sounds in the repository are what their script makes: nobody else's work, and made anew by anybody.

#![cfg(test)]

use std::path::Path;
use std::process::Command;

/// Header and samples of a wave of sixteen bits.
fn parts(wave: &[u8]) -> (&[u8], Vec<i16>) {
    let (header, data) = wave.split_at(44);
    (header, data.as_chunks().0.iter().map(|bytes| i16::from_le_bytes(*bytes)).collect())
}

#[test]
fn the_script_makes_the_sounds_that_are_played() {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/sounds");
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new("python3").arg(assets.join("synthesise.py")).arg(folder.path()).output();
    let made = made.expect("python3: scripts/setup brings it");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    for name in ["pop", "profit", "loss"] {
        let read = |folder: &Path| std::fs::read(folder.join(format!("{name}.wav"))).unwrap();
        let (made, kept) = (read(folder.path()), read(&assets));
        let ((made_header, made), (kept_header, kept)) = (parts(&made), parts(&kept));
        assert_eq!(made_header, kept_header, "{name}");
        assert_eq!(made.len(), kept.len(), "{name}");
        // Another machine's sine may differ in its last digit, which rounds to one step at most.
        let apart = made.iter().zip(&kept).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(apart.is_some_and(|apart| apart <= 1), "{name}: {apart:?} steps apart");
    }
}
