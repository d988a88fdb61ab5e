//! Who listens on a database's socket. In a folder that everybody may write to, as `/tmp` is, anybody
//! can wait in the server's place; what is believed is the owner of the folder and of the socket.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{User, geteuid};

/// The user that distributions run PostgreSQL as.
const SERVER: &str = "postgres";

/// Whether folder and socket belong to root, `postgres`, this user or `also`. A socket that is not
/// there is nobody's.
pub(super) fn check(folder: &Path, port: u16, also: Option<&str>) -> Result<(), String> {
    let uid_of = |name: &str| User::from_name(name).ok().flatten().map(|user| user.uid.as_raw());
    let mut trusted = vec![0, geteuid().as_raw()];
    match also {
        Some(name) => {
            let uid = uid_of(name).ok_or_else(|| format!("there is no user {name} on this machine (requirepeer)"))?;
            trusted.push(uid);
        }
        None => trusted.extend(uid_of(SERVER)),
    }
    for path in [folder.to_owned(), folder.join(format!(".s.PGSQL.{port}"))] {
        // What is not there, and what cannot be looked at, the connection itself tells about.
        let Ok(owner) = fs::metadata(&path).map(|about| about.uid()) else { continue };
        if !trusted.contains(&owner) {
            return Err(format!(
                "{} belongs to user {owner}, who is neither root nor {SERVER} nor this user, and could be anybody: \
                 requirepeer=NAME in the database's address says that it is meant",
                path.display()
            ));
        }
    }
    Ok(())
}
