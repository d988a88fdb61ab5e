//! An export on its way from the daemon into a file: streamed, counted, and there only when it is whole.

use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use blotter_shared::protocol::trades::{ExportFormat, ExportQuery};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::calls::{CallError, percent_encoded};
use super::http::Daemon;

/// What is told while it runs, and at its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExportSaid {
    Progress { bytes: u64 },
    Done { path: String, bytes: u64 },
    Failed(String),
}

/// Why there is no file.
#[derive(Debug, Error)]
pub enum ExportError {
    #[error(transparent)]
    Daemon(#[from] CallError),
    #[error("{} cannot be written: {reason}", path.display())]
    File { path: PathBuf, reason: io::Error },
}

/// Between two words of progress.
const PROGRESS_BYTES: u64 = 1 << 20;

/// Path and query of an export.
#[must_use]
pub fn target(query: &ExportQuery) -> String {
    let text = |name: &str, value: Option<String>| value.map(|value| format!("{name}={}", percent_encoded(&value)));
    let parts = [
        text("format", query.format.map(|format| format.to_string())),
        text("status", query.status.map(|status| status.to_string())),
        text("outcome", query.outcome.map(|outcome| outcome.to_string())),
        text("q", query.q.clone()),
        text("mode", query.mode.map(|mode| mode.to_string())),
        text("sort", query.sort.map(|sort| sort.to_string())),
        text("order", query.order.map(|order| order.to_string())),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("/v1/trades/export?{}", parts.join("&"))
}

/// The name of a file that is written at a moment.
#[must_use]
pub fn file_name(query: &ExportQuery, at: chrono::DateTime<chrono::Utc>) -> String {
    let status = query.status.map_or("closed", |status| status.as_str());
    let mode = query.mode.map(|mode| format!("-{}", mode.as_str().to_lowercase())).unwrap_or_default();
    let ending = query.format.unwrap_or(ExportFormat::Csv);
    format!("blotter-{status}{mode}-{}.{ending}", at.format("%Y%m%d-%H%M%S"))
}

/// What happens to a file that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It is somebody's: the new one gets another name.
    Kept,
    /// It was named by whoever asks.
    Replaced,
}

/// Streams an export into a file, which appears whole or not at all; gives its path and length.
///
/// # Errors
/// When the daemon refuses or breaks off, or the file cannot be written. Nothing is left then.
pub async fn to_file(
    daemon: &Daemon,
    query: &ExportQuery,
    path: &Path,
    existing: Existing,
    mut progress: impl FnMut(u64),
) -> Result<(PathBuf, u64), ExportError> {
    let mut body = daemon.open_export(query).await?;
    let mut part = Part::create(path)?;
    let mut told = 0;
    while let Some(bytes) = next(&mut body).await? {
        part.write(&bytes)?;
        if part.written >= told + PROGRESS_BYTES {
            told = part.written;
            progress(told);
        }
    }
    let written = part.written;
    Ok((part.finish(path, existing)?, written))
}

/// Streams an export to whoever reads.
///
/// # Errors
/// When the daemon refuses or breaks off, or nobody reads.
pub async fn to_writer(daemon: &Daemon, query: &ExportQuery, out: &mut impl io::Write) -> Result<(), ExportError> {
    let mut body = daemon.open_export(query).await?;
    let failed = |reason| ExportError::File { path: PathBuf::from("standard output"), reason };
    while let Some(bytes) = next(&mut body).await? {
        out.write_all(&bytes).map_err(failed)?;
    }
    out.flush().map_err(failed)
}

/// The next bytes; a body that ends without its end is an error.
async fn next(body: &mut Incoming) -> Result<Option<bytes::Bytes>, CallError> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Err(_)) => return Err(CallError::Broken),
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
        }
    }
}

/// A file that is being written, beside its place. Dropped before its end it is removed.
struct Part {
    path: PathBuf,
    file: Option<std::fs::File>,
    written: u64,
}

impl Part {
    fn create(path: &Path) -> Result<Self, ExportError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let part = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
        let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part);
        let file = opened.map_err(|reason| ExportError::File { path: path.to_owned(), reason })?;
        Ok(Self { path: part, file: Some(file), written: 0 })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ExportError> {
        if let Some(file) = &mut self.file {
            file.write_all(bytes).map_err(|reason| ExportError::File { path: self.path.clone(), reason })?;
        }
        self.written += u64::try_from(bytes.len()).unwrap_or_default();
        Ok(())
    }

    /// On the disk first, then in its place.
    fn finish(mut self, path: &Path, existing: Existing) -> Result<PathBuf, ExportError> {
        let failed = |reason| ExportError::File { path: path.to_owned(), reason };
        if let Some(file) = self.file.take() {
            file.sync_all().map_err(failed)?;
        }
        if existing == Existing::Replaced {
            std::fs::rename(&self.path, path).map_err(failed)?;
            return Ok(path.to_owned());
        }
        for attempt in 1..=99 {
            let name = numbered(path, attempt);
            // A link never takes the place of a file.
            match std::fs::hard_link(&self.path, &name) {
                Ok(()) => return Ok(name),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Err(failed(io::ErrorKind::AlreadyExists.into()))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // After a rename there is nothing to remove.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn numbered(path: &Path, attempt: u32) -> PathBuf {
    if attempt == 1 {
        return path.to_owned();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let ending = path.extension().map(|ending| format!(".{}", ending.to_string_lossy())).unwrap_or_default();
    path.with_file_name(format!("{stem}-{attempt}{ending}"))
}

#[cfg(test)]
mod tests {
    use blotter_shared::domain::{BrokerMode, Outcome};
    use blotter_shared::protocol::trades::Book;

    use super::*;

    #[test]
    fn what_is_asked_for_is_in_target_and_name() {
        let query = ExportQuery {
            format: Some(ExportFormat::Json),
            status: Some(Book::Closed),
            outcome: Some(Outcome::Win),
            q: Some("a&b".to_owned()),
            mode: Some(BrokerMode::Live),
            ..ExportQuery::default()
        };
        assert_eq!(target(&query), "/v1/trades/export?format=json&status=closed&outcome=win&q=a%26b&mode=LIVE");
        let at = "2026-02-20T18:46:05Z".parse().unwrap();
        assert_eq!(file_name(&query, at), "blotter-closed-live-20260220-184605.json");
    }

    #[test]
    fn a_file_is_there_whole_or_not_at_all_and_takes_nobodys_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let names = || {
            let mut names: Vec<_> =
                std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let mut broken = Part::create(&path).unwrap();
        broken.write(b"half").unwrap();
        assert_eq!(names().len(), 1, "only the part is there");
        drop(broken);
        assert!(names().is_empty());
        for text in ["one", "two"] {
            let mut part = Part::create(&path).unwrap();
            part.write(text.as_bytes()).unwrap();
            part.finish(&path, Existing::Kept).unwrap();
        }
        assert_eq!(names(), ["a-2.csv", "a.csv"]);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one");
        let part = Part::create(&path).unwrap();
        part.finish(&path, Existing::Replaced).unwrap();
        assert_eq!((names().len(), std::fs::read_to_string(&path).unwrap().len()), (2, 0));
        assert!(Part::create(&folder.path().join("none/a.csv")).is_err());
    }
}
