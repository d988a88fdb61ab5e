//! A transaction-mode pooler lends one server session to many clients: LISTEN hears nothing,
//! session locks lock nobody out, prepared statements collide. It is found out by asking two
//! connections, in turn, which server process serves them.

use tokio_postgres::Client;

/// Which server process answered each question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sightings {
    /// The first connection, three times in a row.
    pub first: [i32; 3],
    /// The second connection, inside a transaction that stays open.
    pub second: i32,
    /// The first connection again, while that transaction holds its server.
    pub first_again: i32,
}

impl Sightings {
    /// Whether somebody between us and the server hands sessions around. A direct connection has
    /// one process for itself, always; nobody else is ever served by it.
    pub(super) fn are_shared(&self) -> bool {
        let wandered = self.first.iter().chain([&self.first_again]).any(|pid| Some(pid) != self.first.first());
        wandered || self.first.contains(&self.second)
    }
}

/// Asks. Both clients must be connected at the same time.
pub(super) async fn look(first: &Client, second: &Client) -> Result<Sightings, tokio_postgres::Error> {
    let in_a_row = [pid(first).await?, pid(first).await?, pid(first).await?];
    second.batch_execute("BEGIN").await?;
    let held = pid(second).await?;
    let first_again = pid(first).await?;
    second.batch_execute("ROLLBACK").await?;
    Ok(Sightings { first: in_a_row, second: held, first_again })
}

async fn pid(client: &Client) -> Result<i32, tokio_postgres::Error> {
    // Untyped and unnamed, so that even a pooler without prepared statements lets it through.
    let rows = client.query_typed("SELECT pg_backend_pid()", &[]).await?;
    rows.first().map_or(Ok(0), |row| row.try_get(0))
}

/// What to do about it. Neon's direct host is the pooled one without `-pooler`.
pub(super) fn sentence(hosts: &str) -> String {
    let way_out = if hosts.contains("-pooler.") {
        format!("connect to {} instead", hosts.replace("-pooler.", "."))
    } else {
        "connect to the server itself, or to a pooler in session mode".to_owned()
    };
    format!(
        "{hosts} is a connection pooler in transaction mode, through which notifications and locks do not work: {way_out}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_of_ones_own_is_no_pooler() {
        assert!(!Sightings { first: [7, 7, 7], second: 8, first_again: 7 }.are_shared());
    }

    #[test]
    fn a_pooler_is_seen_whichever_server_it_hands_out() {
        // The last one used comes first: the second client gets the first one's server.
        assert!(Sightings { first: [7, 7, 7], second: 7, first_again: 8 }.are_shared());
        // Round robin over several servers.
        assert!(Sightings { first: [7, 8, 7], second: 8, first_again: 7 }.are_shared());
        // The first client's server was lent out in between.
        assert!(Sightings { first: [7, 7, 7], second: 9, first_again: 8 }.are_shared());
    }

    #[test]
    fn the_sentence_names_the_way_out() {
        let neon = sentence("ep-cool-1-pooler.eu-central-1.aws.neon.tech");
        assert!(neon.ends_with("connect to ep-cool-1.eu-central-1.aws.neon.tech instead"), "{neon}");
        assert!(sentence("pgbouncer.local").contains("session mode"));
    }
}
