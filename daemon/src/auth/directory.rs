//! The machine's users and groups.

use std::ffi::CString;

use nix::unistd::{Group, Uid, User, getgrouplist};

/// What the machine knows about a uid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub name: String,
    /// Names of all groups that it belongs to.
    pub groups: Vec<String>,
}

/// Looks a uid up. May block: it may ask a server.
pub trait Directory: Send + Sync {
    /// # Errors
    /// When the machine cannot tell right now.
    fn account(&self, uid: u32) -> anyhow::Result<Option<Account>>;
}

/// `/etc/passwd` and whatever else the machine is set up to ask.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemDirectory;

impl Directory for SystemDirectory {
    fn account(&self, uid: u32) -> anyhow::Result<Option<Account>> {
        let Some(user) = User::from_uid(Uid::from_raw(uid))? else { return Ok(None) };
        let ids = getgrouplist(&CString::new(user.name.as_str())?, user.gid)?;
        let groups = ids.into_iter().filter_map(|id| Group::from_gid(id).ok().flatten()).map(|group| group.name);
        Ok(Some(Account { name: user.name, groups: groups.collect() }))
    }
}
