//! Word between daemons that an account has work: a command was accepted here, and the lease of its account may be held
//! elsewhere. It goes out with the commit of the command. It is a hint: without it the loop finds the work at its pace.

use blotter_shared::domain::BrokerMode;
use uuid::Uuid;

use super::{DbError, UserTx};
use crate::auth::Username;

/// What a daemon hears of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkHint {
    /// The process `by` has work for the loop of this account.
    Work { username: Username, mode: BrokerMode, by: Uuid },
    /// Something may have been missed: any loop may have work.
    Gap,
}

impl WorkHint {
    /// What a notification says, if one of us wrote it.
    pub(super) fn read(payload: &str) -> Option<Self> {
        let mut words = payload.splitn(3, ' ');
        let (by, mode, username) = (words.next()?, words.next()?, words.next()?);
        let username = username.parse().ok()?;
        Some(Self::Work { username, mode: mode.parse().ok()?, by: by.parse().ok()? })
    }
}

pub(super) const TELL: &str = "SELECT pg_notify('blotter_work', $1)";

/// Tells every daemon that the user's account of this world has work, once this transaction is committed.
///
/// # Errors
/// When the database does not answer.
pub async fn work_tell(tx: &UserTx, mode: BrokerMode, by: Uuid) -> Result<(), DbError> {
    let payload = format!("{by} {mode} {}", tx.user());
    tx.session().execute(TELL, &[&payload]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_is_not_believed() {
        let by = Uuid::from_u128(7);
        let told = WorkHint::read(&format!("{by} SANDBOX ann")).unwrap();
        assert_eq!(told, WorkHint::Work { username: "ann".parse().unwrap(), mode: BrokerMode::Sandbox, by });
        for strange in ["", "ann", "x SIM ann", &format!("{by} PAPER ann"), &format!("{by} SIM "), &format!("{by} SIM")]
        {
            assert_eq!(WorkHint::read(strange), None, "{strange}");
        }
    }
}
