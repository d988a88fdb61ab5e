//! The one table of keys. A line is: why one would change it, the name and type, the default, the
//! rule. Everything else about a key follows from its line.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::rule::{
    AbsolutePath, DatabaseAddress, Flag, Format, Keys, LocalAddress, LogFilter, LogFormat, Name, Names, OpenConnection,
    Rule, Seconds, Whole, maybe,
};
use super::sources::Reader;

/// A key as documents show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDoc {
    pub section: &'static str,
    pub name: &'static str,
    /// Why one would change it.
    pub doc: &'static str,
    pub rule: String,
    /// What is written for it is told to nobody.
    pub is_secret: bool,
    /// The default as TOML, or an example where there is none.
    pub shown: String,
}

impl KeyDoc {
    /// Section and name.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }
}

macro_rules! sections {
    ($(
        $(#[doc = $section_doc:literal])*
        $section:ident: $name:ident {
            $($(#[doc = $doc:literal])* $key:ident: $type:ty = $default:expr, $rule:expr;)*
        }
    )*) => {
        $(
            $(#[doc = $section_doc])*
            #[derive(Clone, Debug)]
            pub struct $name {
                $($(#[doc = $doc])* pub $key: $type,)*
            }
        )*

        /// The whole configuration, checked.
        #[derive(Clone, Debug)]
        pub struct Config {
            $($(#[doc = $section_doc])* pub $section: $name,)*
        }

        impl Config {
            /// Takes every key of the table from `reader`, or else its default.
            pub(super) fn read(reader: &mut Reader<'_>) -> Self {
                Self {
                    $($section: $name {
                        $($key: reader.take(
                            concat!(stringify!($section), ".", stringify!($key)), &$rule, $default),)*
                    },)*
                }
            }

            /// The table, for documents.
            #[must_use]
            pub fn keys() -> Vec<KeyDoc> {
                vec![$($({
                    let default: $type = $default;
                    let rule = $rule;
                    KeyDoc {
                        section: stringify!($section),
                        name: stringify!($key),
                        doc: concat!($($doc, "\n"),*),
                        rule: Rule::<$type>::words(&rule),
                        is_secret: Rule::<$type>::is_secret(&rule),
                        shown: Rule::<$type>::show(&rule, &default),
                    }
                },)*)*]
            }

            /// The sections, each with its story.
            #[must_use]
            pub fn sections() -> Vec<(&'static str, &'static str)> {
                vec![$((stringify!($section), concat!($($section_doc, "\n"),*)),)*]
            }
        }
    };
}

sections! {
    /// Where the daemon lives.
    daemon: DaemonConfig {
        /// The socket that clients connect to. Change it to run a second daemon beside the first.
        /// Without it: /run/blotter when that folder is ours, else $XDG_RUNTIME_DIR/blotter, else
        /// /tmp/blotter-$UID.
        socket: Option<PathBuf> = None, maybe(AbsolutePath, "/run/blotter/blotterd.sock");
        /// The group that may open the socket, so that other users of this machine can be let in.
        socket_group: Option<String> = None, maybe(Name, "blotter");
        /// Where the private database and the locks are kept. Without it: $STATE_DIRECTORY, for
        /// root /var/lib/blotter, else $XDG_DATA_HOME/blotter.
        data_dir: Option<PathBuf> = None, maybe(AbsolutePath, "/var/lib/blotter");
        /// Longest that an orderly stop may take; then the rest is cut off.
        stop_timeout_s: Duration = Duration::from_secs(20), Seconds(1..=300);
    }

    /// PostgreSQL: a server of yours, or the daemon's private one.
    database: DatabaseSection {
        /// A PostgreSQL server of yours, also as DATABASE_URL or as the systemd credential
        /// `database_url`. Without it the daemon runs a private server in its data directory. A file
        /// with a password in it must be closed to others (0600).
        url: Option<SecretString> = None, maybe(DatabaseAddress, "postgres://blotter@/blotter?host=/run/postgresql");
        /// Another login on that server which makes the roles and runs the migrations, when the
        /// daily one may not.
        migrate_url: Option<SecretString> = None, maybe(DatabaseAddress, "postgres://owner@/blotter?host=/run/postgresql");
        /// The folder of the PostgreSQL server programs, when the newest installed one is not meant.
        binaries: Option<PathBuf> = None, maybe(AbsolutePath, "/usr/lib/postgresql/15/bin");
        /// Connections that requests share; one user may hold half of them. Half as many again are kept
        /// for the trade engine. More help only when many users act at once.
        connections: u32 = 8, Whole(2..=100);
        /// Longest wait for a free connection of the pool.
        wait_timeout_s: Duration = Duration::from_secs(2), Seconds(1..=60);
        /// Longest wait for a new connection; a suspended cloud database needs a few seconds.
        connect_timeout_s: Duration = Duration::from_secs(10), Seconds(1..=120);
        /// Longest that a statement may run.
        statement_timeout_s: Duration = Duration::from_secs(5), Seconds(1..=60);
        /// Longest wait for a lock on a row.
        lock_timeout_s: Duration = Duration::from_secs(2), Seconds(1..=60);
        /// How often the daemon looks whether the database still answers. Raise it to let a cloud
        /// database sleep.
        check_every_s: Duration = Duration::from_secs(5), Seconds(1..=3600);
        /// Longest wait for a migration that another daemon runs.
        migration_timeout_s: Duration = Duration::from_secs(60), Seconds(1..=3600);
    }

    /// How broker tokens are sealed.
    vault: VaultConfig {
        /// The key that seals broker tokens, also as ENCRYPTION_KEY or as the systemd credential
        /// `encryption_key`. Without it no token can be stored. A file with the key in it must be
        /// closed to others (0600).
        encryption_key: Option<SecretString> = None, maybe(Keys, "<secret>");
        /// A file with the key or keys, when none is given otherwise. Nobody else may be able to read it.
        key_file: Option<PathBuf> = None, maybe(AbsolutePath, "/etc/blotter/encryption.key");
    }

    /// What the daemon may do at a broker.
    broker: BrokerConfig {
        /// The second lock on real money: without it nobody can switch to LIVE.
        allow_live: bool = false, Flag;
        /// Where the simulator listens, so that SIM accounts can be opened.
        sim_url: Option<String> = None, maybe(LocalAddress, "http://127.0.0.1:7300/v1");
        /// An address on this machine in place of the broker of LIVE accounts: a drill against the simulator,
        /// with everything that real money asks for and no money.
        live_url: Option<String> = None, maybe(LocalAddress, "http://127.0.0.1:7300/v1");
        /// Live in the simulator's time, so that a demo is open at any hour. Accounts of other worlds
        /// are then refused, unless the simulator stands in for their broker, too.
        sim_time: bool = false, Flag;
        /// While this file exists no entry is accepted or sent, whoever asks; exits are left alone.
        kill_file: Option<PathBuf> = None, maybe(AbsolutePath, "/run/blotter/stop-entries");
        /// Where the simulator answers in place of ORATS. Only with it are ORATS prices used for SIM
        /// accounts.
        orats_url: Option<String> = None, maybe(LocalAddress, "http://127.0.0.1:7300/datav2");
        /// Waits of the trade engine for what does not come are so many times as short, for SIM accounts
        /// alone. For tests against the simulator, which delivers at once.
        time_scale: u32 = 1, Whole(1..=50);
    }

    /// The trading day.
    market: MarketConfig {
        /// Treat the market as open whatever the calendar says, also as FORCE_MARKET_OPEN. For tests
        /// and demos; refused together with real money.
        force_open: bool = false, Flag;
        /// How often every position's price is recorded while the market is open. A shorter span makes
        /// finer charts and a larger database.
        snapshot_every_s: Duration = Duration::from_secs(40), Seconds(5..=600);
        /// How many days every recorded price is kept as a row. More makes quick questions about
        /// them reach further back, and a larger database.
        keep_whole_days: u32 = 7, Whole(1..=60);
        /// How many days packed prices are kept whole; older ones keep the last mark of each 5 minutes,
        /// the bookends and the day's best and worst. `blotterd doctor` tells what that takes.
        keep_packed_days: u32 = 90, Whole(1..=3650);
        /// How often prices are asked for between two recordings while a screen is open. A shorter span
        /// takes more of the broker's rate for market data.
        live_every_s: Duration = Duration::from_secs(3), Seconds(1..=60);
    }

    /// What calls for a person.
    alarms: AlarmsConfig {
        /// Run for each alarm, with the alarm as a JSON object on its standard input: for a mail, a
        /// webhook, a phone. It has 30 seconds; a failure is tried again, five times at most.
        command: Option<PathBuf> = None, maybe(AbsolutePath, "/usr/local/bin/page-me");
    }

    /// Archives of the database. A night without a new one is an alarm.
    backup: BackupConfig {
        /// Where the archives lie. Without it the daemon neither makes nor looks after any.
        folder: Option<PathBuf> = None, maybe(AbsolutePath, "/var/lib/blotter/backups");
        /// What makes one every night: `blotter-backup`. Without it somebody else makes them, as the
        /// timer `blotter-backup.timer` does, and the daemon looks at their age alone.
        program: Option<PathBuf> = None, maybe(AbsolutePath, "/usr/bin/blotter-backup");
        /// The database that is backed up, as `psql` takes it, without a password. Without it the
        /// private one.
        connection: Option<String> = None, maybe(OpenConnection, "service=blotter");
        /// How many hours old the newest archive may be before that is an alarm.
        oldest_h: u32 = 30, Whole(2..=720);
    }

    /// Who is let in. The user that runs the daemon always is.
    auth: AuthConfig {
        /// Users of this machine who may use the daemon, each with a book of their own.
        allow_users: Vec<String> = Vec::new(), Names;
        /// Groups of this machine whose members may.
        allow_groups: Vec<String> = Vec::new(), Names;
        /// Users, among those let in, who may look and not act.
        read_only_users: Vec<String> = Vec::new(), Names;
    }

    /// Bounds that keep one client from harming the others.
    limits: LimitsConfig {
        /// Connections that one user may hold. Each open screen needs two.
        connections_per_user: u32 = 64, Whole(1..=10_000);
        /// Connections of all users together.
        connections: u32 = 4096, Whole(1..=50_000);
        /// Largest request body.
        body_bytes: u32 = 1_048_576, Whole(1024..=16_777_216);
        /// Largest request head.
        header_bytes: u32 = 16_384, Whole(8192..=262_144);
        /// Longest that a client may take to send the head of a request.
        header_timeout_s: Duration = Duration::from_secs(2), Seconds(1..=60);
        /// Longest that a request may take, its body included.
        request_timeout_s: Duration = Duration::from_secs(10), Seconds(1..=300);
    }

    /// What is pushed to the screens.
    events: EventsConfig {
        /// How often a line goes out when there is no news, so that a dead connection shows.
        heartbeat_s: Duration = Duration::from_secs(15), Seconds(1..=300);
        /// Most changes that a returning client is told one by one; past it, it loads anew.
        replay_changes: u32 = 1000, Whole(1..=100_000);
        /// Most that waits for one slow client before it is dropped and told to load anew.
        queue_bytes: u32 = 1_048_576, Whole(16_384..=16_777_216);
        /// How often the change feed is looked at when the database gives no hint.
        poll_s: Duration = Duration::from_secs(15), Seconds(1..=300);
    }

    /// What is written to the log. Secrets never are.
    log: LogConfig {
        /// Which messages: a level, or levels by module.
        filter: String = "info".to_owned(), LogFilter;
        /// Where to and how: the journal when systemd started us, else text on stderr.
        format: LogFormat = LogFormat::Auto, Format;
    }
}
