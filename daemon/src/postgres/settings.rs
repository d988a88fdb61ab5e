//! The server's configuration, written anew at each start: whoever may log in, and settings for a
//! small machine that keep every promise about durability.

use std::path::Path;

use super::identity::ServerUser;
use super::{ADMIN, PORT};

/// Roles that the machine's own users may log in as.
const ROLES: [&str; 3] = [ADMIN, "blotter_app", "blotter_backup"];

/// Included at the end of `postgresql.conf`, so that these win.
pub(super) fn server(run: &Path) -> String {
    let run = run.display().to_string().replace('\'', "''");
    format!(
        "# Written by blotterd at each start: changes belong into postgresql.auto.conf (ALTER SYSTEM).
listen_addresses = ''
unix_socket_directories = '{run}'
unix_socket_permissions = 0700
port = {PORT}
max_connections = 40

# A small machine.
shared_buffers = 32MB
work_mem = 4MB
maintenance_work_mem = 32MB
effective_cache_size = 256MB
max_worker_processes = 4
max_parallel_workers = 2
max_parallel_workers_per_gather = 1
autovacuum_max_workers = 2
min_wal_size = 32MB
max_wal_size = 256MB
random_page_cost = 1.1
jit = off

# Money: what was committed stays.
fsync = on
synchronous_commit = on
full_page_writes = on

timezone = 'UTC'
log_timezone = 'UTC'
log_destination = 'stderr'
logging_collector = off
log_line_prefix = '%m [%p] %q%u@%d '
log_min_duration_statement = 1000
"
    )
}

/// Nobody comes in but by the socket, and there only who the kernel says they are.
pub(super) fn hba() -> String {
    "# Written by blotterd at each start.\n\
     local all all peer map=blotter\n\
     host all all all reject\n"
        .to_owned()
}

pub(super) fn ident(user: &ServerUser) -> String {
    let mut text = "# Written by blotterd at each start: MAP, user of this machine, role.\n".to_owned();
    for client in user.clients() {
        for role in ROLES {
            text.push_str(&format!("blotter \"{client}\" {role}\n"));
        }
    }
    text
}
