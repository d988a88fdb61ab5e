//! `blotterd audit verify`.

use serde_json::json;

use super::{connected, print};
use crate::auth::Username;
use crate::config::{Config, Environment};
use crate::db::Db;
use crate::db::audit::{Walked, chains_walk};
use crate::db::settings::settings_users;

pub(super) fn run(json: bool, config: &Config, environment: &Environment) -> anyhow::Result<()> {
    connected(config, environment, async |db: &Db| {
        let tx = db.system_tx().await?;
        let users = settings_users(&tx).await?;
        tx.commit().await?;
        let mut broken = 0;
        for user in users {
            let tx = db.user_tx(&user).await?;
            let chains = chains_walk(&tx).await?;
            tx.commit().await?;
            for chain in chains {
                broken += usize::from(chain.broken.is_some());
                print(&if json { object(&user, &chain) } else { line(&user, &chain) })?;
            }
        }
        anyhow::ensure!(broken == 0, "rows of {broken} chain(s) were altered or removed behind the daemon's back");
        Ok(())
    })
}

fn line(user: &Username, chain: &Walked) -> String {
    let verdict = match chain.broken {
        None => "whole".to_owned(),
        Some(number) => format!("BROKEN at {} {number}", chain.counted_in),
    };
    let head: String = chain.head.chars().take(16).collect();
    format!("{user:<16} {:<14} {:>8} rows  {verdict}  head {head}\n", chain.table, chain.rows)
}

fn object(user: &Username, chain: &Walked) -> String {
    let Walked { table, rows, broken, counted_in, head } = chain;
    let user = user.to_string();
    let object = json!({
        "user": user, "table": table, "rows": rows, "broken": broken, "counted_in": counted_in, "head": head
    });
    format!("{object}\n")
}
