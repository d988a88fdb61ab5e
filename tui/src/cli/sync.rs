//! `blotter sync`: has this machine missed anything?

use std::process::ExitCode;

use blotter_shared::protocol::sync::{SyncRequest, SyncStatus};
use uuid::Uuid;

use super::exit::Failure;
use super::output::{print, print_json};
use super::{Context, block_on};
use crate::app::surroundings::seed;
use crate::client::calls::Call;
use crate::client::session::split_mix;
use crate::format;
use crate::widgets::text::clean;

pub(super) fn run(context: &Context) -> Result<ExitCode, Failure> {
    let daemon = context.daemon();
    let call = Call::Sync { request: SyncRequest::default(), key: new_key(context) };
    let status = block_on(async { Ok(daemon.ask(&call).await?) })?;
    if context.global.json {
        return print_json(&status);
    }
    print(&text(context, &status))
}

fn text(context: &Context, status: &SyncStatus) -> String {
    let last = match (&status.last_sync_at, &status.last_sync_device) {
        (Some(at), Some(device)) => {
            format!("{} ET on {}", format::moment(*at, context.clock.now().wall), clean(device))
        }
        (Some(at), None) => format!("{} ET", format::moment(*at, context.clock.now().wall)),
        (None, _) => "never".to_owned(),
    };
    format!("newest change  {}\nlast sync      {last}\n", status.server_version)
}

/// A key for a request of this moment.
pub(super) fn new_key(context: &Context) -> Uuid {
    let now = context.clock.now();
    let mut random = seed(now);
    let mut bytes = [0; 10];
    let fresh = split_mix(&mut random).to_le_bytes().into_iter().chain(split_mix(&mut random).to_le_bytes());
    for (byte, random) in bytes.iter_mut().zip(fresh) {
        *byte = random;
    }
    let millis = u64::try_from(now.wall.timestamp_millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
}
