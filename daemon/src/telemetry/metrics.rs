//! The one table of metrics, and a recorder that belongs to one daemon: no global, so that a test
//! can run several side by side.
//!
//! Labels are bounded: the route as it stands in the route table, never a path; a problem code; the
//! name of an admitted user.

use std::sync::Arc;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Recorder, Unit};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

/// What kind of figure it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Counter,
    Gauge,
    /// A distribution over these upper bounds.
    Histogram(&'static [f64]),
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    pub unit: Unit,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

const TIMES: Kind =
    Kind::Histogram(&[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]);
const SIZES: Kind = Kind::Histogram(&[256.0, 1024.0, 4096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 4_194_304.0]);

macro_rules! metrics_table {
    ($($(#[doc = $help:literal])* $id:ident = $name:literal, $kind:expr, $unit:ident, [$($label:literal),*];)*) => {
        $(const $id: Metric = Metric {
            name: $name, kind: $kind, unit: Unit::$unit, labels: &[$($label),*], help: concat!($($help),*),
        };)*
        /// Every metric of the daemon.
        pub const TABLE: &[Metric] = &[$($id),*];
    };
}

metrics_table! {
    /// Requests answered.
    REQUESTS = "blotter_http_requests_total", Kind::Counter, Count, ["route", "method", "status"];
    /// Time from the head of a request to its answer.
    REQUEST_SECONDS = "blotter_http_request_seconds", TIMES, Seconds, ["route", "method"];
    /// Size of an answer's body.
    RESPONSE_BYTES = "blotter_http_response_bytes", SIZES, Bytes, ["route", "method"];
    /// Errors answered, by problem code; conflicts are stale_version and key_reused.
    PROBLEMS = "blotter_problems_total", Kind::Counter, Count, ["code"];
    /// Connections that a user holds.
    CONNECTIONS = "blotter_connections", Kind::Gauge, Count, ["user"];
    /// Connections turned away, by reason.
    REFUSED = "blotter_connections_refused_total", Kind::Counter, Count, ["reason"];
    /// Event streams that are open.
    STREAMS = "blotter_event_streams", Kind::Gauge, Count, [];
    /// Events handed to streams.
    EVENTS = "blotter_events_sent_total", Kind::Counter, Count, [];
    /// Streams dropped because their reader was too slow.
    SLOW_READERS = "blotter_event_slow_readers_total", Kind::Counter, Count, [];
    /// Time to bring one user's streams up to date after a change.
    PUMP_SECONDS = "blotter_event_pump_seconds", TIMES, Seconds, [];
    /// Time that a device's sync took.
    SYNC_SECONDS = "blotter_sync_seconds", TIMES, Seconds, [];
    /// 1 while the database answers.
    DATABASE_UP = "blotter_database_up", Kind::Gauge, Count, [];
    /// Connections of the database pool: max, open, idle, and callers waiting.
    POOL = "blotter_database_pool", Kind::Gauge, Count, ["state"];
    /// Calls to the broker that count against the present minute, at the fullest token.
    BROKER_USED = "blotter_broker_calls_used", Kind::Gauge, Count, ["bucket"];
    /// Most calls to the broker in a minute.
    BROKER_LIMIT = "blotter_broker_calls_limit", Kind::Gauge, Count, ["bucket"];
    /// Calls to the broker that wait for room.
    BROKER_WAITING = "blotter_broker_calls_waiting", Kind::Gauge, Count, ["bucket"];
    /// Calls to the broker that each urgency may still make now.
    BROKER_ROOM = "blotter_broker_calls_room", Kind::Gauge, Count, ["bucket", "priority"];
    /// Calls to the broker by what the limits said: granted, held (no room in time), throttled (the broker
    /// refused), unsaved (a claim could not be written down).
    BROKER_CALLS = "blotter_broker_calls_total", Kind::Counter, Count, ["bucket", "outcome"];
    /// Runs of a scheduled task, by outcome.
    TASK_RUNS = "blotter_task_runs_total", Kind::Counter, Count, ["task", "outcome"];
    /// Time that a scheduled task took.
    TASK_SECONDS = "blotter_task_seconds", TIMES, Seconds, ["task"];
    /// Always 1; the label tells which build runs.
    BUILD = "blotter_build_info", Kind::Gauge, Count, ["version"];
}

/// A cheap handle on the figures of one daemon.
#[derive(Clone)]
pub struct Metrics {
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// Calls to the broker in one of its buckets.
#[derive(Clone, Copy, Debug)]
pub struct CallFigures {
    pub bucket: &'static str,
    pub used: u32,
    pub limit: u32,
    pub waiting: u32,
    /// What each urgency may still make.
    pub room: [(&'static str, u32); 6],
    /// Since the start, by what the limits said.
    pub totals: [(&'static str, u64); 4],
}

/// The figures of one route, looked up once.
#[derive(Clone)]
pub struct RouteMeter {
    route: &'static str,
    method: &'static str,
    seconds: Histogram,
    bytes: Histogram,
}

impl std::fmt::Debug for RouteMeter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RouteMeter({} {})", self.method, self.route)
    }
}

impl Metrics {
    /// A recorder with the whole table described.
    ///
    /// # Errors
    /// When a distribution has no bounds.
    pub fn new() -> anyhow::Result<Self> {
        let mut builder = PrometheusBuilder::new();
        for metric in TABLE {
            if let Kind::Histogram(bounds) = metric.kind {
                builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), bounds)?;
            }
        }
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        for metric in TABLE {
            let name = KeyName::from_const_str(metric.name);
            let help = metric.help.trim_start().into();
            match metric.kind {
                Kind::Counter => recorder.describe_counter(name, Some(metric.unit), help),
                Kind::Gauge => recorder.describe_gauge(name, Some(metric.unit), help),
                Kind::Histogram(_) => recorder.describe_histogram(name, Some(metric.unit), help),
            }
        }
        let metrics = Self { recorder: Arc::new(recorder), handle };
        metrics.gauge(&BUILD, &[env!("CARGO_PKG_VERSION")]).set(1.0);
        // What has not happened yet is zero, and not absent: a rate needs its first point.
        metrics.gauge(&STREAMS, &[]).set(0.0);
        metrics.counter(&EVENTS, &[]).increment(0);
        metrics.counter(&SLOW_READERS, &[]).increment(0);
        Ok(metrics)
    }

    /// Everything, as Prometheus reads it.
    #[must_use]
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// What is nobody's and what is this user's: others are not named.
    #[must_use]
    pub fn render_for(&self, user: &str) -> String {
        let own = format!("user=\"{user}\"");
        let is_theirs = |line: &&str| {
            let labels = line.split_once('{').map_or("", |(_, rest)| rest.split('}').next().unwrap_or_default());
            labels.split(',').all(|label| !label.starts_with("user=") || label == own)
        };
        self.handle.render().split_inclusive('\n').filter(is_theirs).collect()
    }

    /// Folds what distributions have gathered, so that nobody's absence lets them grow.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    #[must_use]
    pub fn route(&self, route: &'static str, method: &'static str) -> RouteMeter {
        RouteMeter {
            route,
            method,
            seconds: self.histogram(&REQUEST_SECONDS, &[route, method]),
            bytes: self.histogram(&RESPONSE_BYTES, &[route, method]),
        }
    }

    pub fn answered(&self, meter: &RouteMeter, status: u16, took: Duration, bytes: Option<u64>) {
        meter.seconds.record(took.as_secs_f64());
        if let Some(bytes) = bytes.and_then(|bytes| u32::try_from(bytes).ok()) {
            meter.bytes.record(f64::from(bytes));
        }
        self.counter(&REQUESTS, &[meter.route, meter.method, &status.to_string()]).increment(1);
    }

    pub fn problem(&self, code: &'static str) {
        self.counter(&PROBLEMS, &[code]).increment(1);
    }

    pub fn connections(&self, user: &str, count: u32) {
        self.gauge(&CONNECTIONS, &[user]).set(f64::from(count));
    }

    pub fn refused(&self, reason: &'static str) {
        self.counter(&REFUSED, &[reason]).increment(1);
    }

    pub fn stream_opened(&self) {
        self.gauge(&STREAMS, &[]).increment(1.0);
    }

    pub fn stream_closed(&self) {
        self.gauge(&STREAMS, &[]).decrement(1.0);
    }

    pub fn events_sent(&self, count: u64) {
        self.counter(&EVENTS, &[]).increment(count);
    }

    pub fn slow_reader(&self) {
        self.counter(&SLOW_READERS, &[]).increment(1);
    }

    pub fn pumped(&self, took: Duration) {
        self.histogram(&PUMP_SECONDS, &[]).record(took.as_secs_f64());
    }

    pub fn synced(&self, took: Duration) {
        self.histogram(&SYNC_SECONDS, &[]).record(took.as_secs_f64());
    }

    pub fn database(&self, up: f64, pool: [(&'static str, usize); 4]) {
        self.gauge(&DATABASE_UP, &[]).set(up);
        for (state, count) in pool {
            self.gauge(&POOL, &[state]).set(u32::try_from(count).map_or(f64::MAX, f64::from));
        }
    }

    /// How full the broker's limits are, over all tokens.
    pub fn broker(&self, calls: &CallFigures) {
        let name = calls.bucket;
        self.gauge(&BROKER_USED, &[name]).set(f64::from(calls.used));
        self.gauge(&BROKER_LIMIT, &[name]).set(f64::from(calls.limit));
        self.gauge(&BROKER_WAITING, &[name]).set(f64::from(calls.waiting));
        for (priority, left) in calls.room {
            self.gauge(&BROKER_ROOM, &[name, priority]).set(f64::from(left));
        }
        for (outcome, total) in calls.totals {
            self.counter(&BROKER_CALLS, &[name, outcome]).absolute(total);
        }
    }

    pub fn task(&self, task: &'static str, outcome: &'static str, took: Duration) {
        self.counter(&TASK_RUNS, &[task, outcome]).increment(1);
        self.histogram(&TASK_SECONDS, &[task]).record(took.as_secs_f64());
    }

    fn counter(&self, metric: &Metric, labels: &[&str]) -> Counter {
        self.recorder.register_counter(&key(metric, labels), &METADATA)
    }

    fn gauge(&self, metric: &Metric, labels: &[&str]) -> Gauge {
        self.recorder.register_gauge(&key(metric, labels), &METADATA)
    }

    fn histogram(&self, metric: &Metric, labels: &[&str]) -> Histogram {
        self.recorder.register_histogram(&key(metric, labels), &METADATA)
    }
}

static METADATA: Metadata<'static> = Metadata::new("blotter", Level::INFO, None);

fn key(metric: &Metric, values: &[&str]) -> Key {
    let labels: Vec<_> =
        metric.labels.iter().zip(values).map(|(label, value)| Label::new(*label, (*value).to_owned())).collect();
    Key::from_parts(metric.name, labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_daemons_count_apart_and_render_what_the_table_describes() {
        let (one, two) = (Metrics::new().unwrap(), Metrics::new().unwrap());
        let meter = one.route("/v1/trades/{id}", "GET");
        one.answered(&meter, 200, Duration::from_millis(2), Some(700));
        one.problem("stale_version");
        one.connections("ann", 2);
        two.problem("malformed");
        let text = one.render();
        for line in [
            r#"blotter_http_requests_total{route="/v1/trades/{id}",method="GET",status="200"} 1"#,
            r#"blotter_http_request_seconds_bucket{route="/v1/trades/{id}",method="GET",le="0.0025"} 1"#,
            r#"blotter_problems_total{code="stale_version"} 1"#,
            r#"blotter_connections{user="ann"} 2"#,
            "# HELP blotter_connections Connections that a user holds.",
        ] {
            assert!(text.contains(line), "missing: {line}\n{text}");
        }
        assert!(!text.contains("malformed"), "{text}");
    }

    #[test]
    fn a_user_is_told_of_no_other() {
        let metrics = Metrics::new().unwrap();
        metrics.connections("ann", 2);
        metrics.connections("joann", 1);
        metrics.problem("malformed");
        let text = metrics.render_for("ann");
        assert!(text.contains("blotter_connections{user=\"ann\"} 2") && !text.contains("joann"), "{text}");
        assert!(text.contains("malformed") && text.contains("# HELP blotter_connections "), "{text}");
        assert!(metrics.render().contains("joann"));
    }

    #[test]
    fn names_are_unique_and_say_their_unit() {
        let mut names: Vec<_> = TABLE.iter().map(|metric| metric.name).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
        for metric in TABLE {
            assert!(metric.name.starts_with("blotter_") && !metric.help.is_empty(), "{}", metric.name);
            assert_eq!(metric.unit == Unit::Seconds, metric.name.ends_with("_seconds"), "{}", metric.name);
            assert_eq!(metric.kind == Kind::Counter, metric.name.ends_with("_total"), "{}", metric.name);
        }
    }
}
