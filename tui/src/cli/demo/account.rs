//! The demo's account: a key to seal with, the simulator's token, and entries that go there.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use blotter_shared::domain::BrokerMode;
use blotter_shared::protocol::accounts::{TokenText, TokenUpdate};
use blotter_shared::protocol::settings::{Settings, SettingsUpdate};
use nix::unistd::Uid;
use tokio::process::Command;
use tokio::time::timeout;
use uuid::Uuid;

use super::folder::KeyText;
use crate::client::calls::{Call, CallError};
use crate::client::connect::Place;
use crate::client::http::Daemon;

/// What the simulator takes when nobody told it otherwise. It opens one account, and no real one.
const TOKEN: &str = "sandbox-token";
const KEY_WITHIN: Duration = Duration::from_secs(5);
/// The database is the demo's own: each of the two deeds is done once in it.
const TOKEN_KEY: Uuid = Uuid::from_u128(1);
const MODE_KEY: Uuid = Uuid::from_u128(2);

/// Asks `keygen` for a key; none when it gives none.
pub(super) async fn new_key(mut keygen: Command) -> Option<KeyText> {
    keygen.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = timeout(KEY_WITHIN, keygen.output()).await.ok()?.ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && text.starts_with("v1:")).then_some(KeyText(text))
}

/// Gives the user the simulator's account, and sends new entries there.
pub(super) async fn open(socket: &Path) -> Result<(), CallError> {
    let uid = Uid::effective().as_raw();
    let place = Place { path: socket.to_owned(), source: "the demo", is_shared_folder: false, uid };
    let daemon = Daemon::new(place, "demo".to_owned());
    let update = TokenUpdate { mode: BrokerMode::Sim.into(), token: TokenText(TOKEN.to_owned()), account_id: None };
    let settings: Settings = daemon.ask(&Call::PutToken { update, key: TOKEN_KEY }).await?;
    if settings.broker_mode == BrokerMode::Sim {
        return Ok(());
    }
    let update =
        SettingsUpdate { version: settings.version, broker_mode: Some(BrokerMode::Sim), ..SettingsUpdate::default() };
    let _: Settings = daemon.ask(&Call::PutSettings { update, key: MODE_KEY }).await?;
    Ok(())
}
