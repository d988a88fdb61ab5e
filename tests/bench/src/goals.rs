//! Every goal of every finished part, in one table. A goal without a measurement in a run prints
//! `missing` and fails the run.

/// What a figure is held against.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rule {
    AtMost(f64),
    /// Orientation: printed, never judged.
    Shown,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Goal {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) rule: Rule,
}

const fn at_most(name: &'static str, limit: f64, unit: &'static str) -> Goal {
    Goal { name, unit, rule: Rule::AtMost(limit) }
}

const fn shown(name: &'static str, unit: &'static str) -> Goal {
    Goal { name, unit, rule: Rule::Shown }
}

/// `x floor` is a ratio to a floor measured in the same run.
pub(crate) const GOALS: &[Goal] = &[
    shown("screen.floor.first_paint.p50", "ms"),
    shown("screen.first_paint.p50", "ms"),
    at_most("screen.first_paint", 3.0, "x floor"),
    at_most("screen.first_paint.mute_terminal", 3.0, "x floor"),
    at_most("screen.first_paint.no_daemon", 3.0, "x floor"),
    shown("screen.floor.key_to_paint.p99", "ms"),
    shown("screen.key_to_paint.p99", "ms"),
    at_most("screen.key_to_paint.p99.ratio", 3.0, "x floor"),
    at_most("screen.idle.cpu", 0.02, "% of a core"),
    at_most("screen.idle.bytes", 0.0, "bytes/s"),
    at_most("screen.idle.wakeups", 1.0, "1/s"),
    at_most("screen.resident", 11.0, "MB"),
    shown("screen.floor.redraw.118x30", "ms"),
    shown("screen.floor.redraw.80x24", "ms"),
    shown("screen.floor.redraw.44x30", "ms"),
    at_most("screen.redraw.open.118x30", 3.0, "x floor"),
    at_most("screen.redraw.open.80x24", 3.0, "x floor"),
    at_most("screen.redraw.open.44x30", 3.0, "x floor"),
    at_most("screen.redraw.history.118x30", 3.0, "x floor"),
    at_most("screen.redraw.history.80x24", 3.0, "x floor"),
    at_most("screen.redraw.history.44x30", 3.0, "x floor"),
    at_most("screen.redraw.performance.118x30", 3.0, "x floor"),
    at_most("screen.redraw.performance.80x24", 3.0, "x floor"),
    at_most("screen.redraw.performance.44x30", 3.0, "x floor"),
    shown("screen.slow_link.frame", "bytes"),
    at_most("screen.slow_link.behind", 2.0, "frames"),
    shown("screen.slow_link.last_key", "s"),
    shown("screen.key_to_paint.35.p99", "ms"),
    at_most("screen.key_to_paint.10000", 1.5, "x 35 rows"),
    at_most("screen.filter_letter.p99", 9.0, "ms"),
    at_most("screen.resident.10000", 40.0, "MB"),
    shown("screen.floor.ticking.cpu", "% of a core"),
    at_most("screen.ticking.cpu", 4.0, "x floor"),
    shown("screen.floor.ticking.bytes", "bytes"),
    at_most("screen.ticking.bytes", 1.25, "x floor"),
    at_most("daemon.resident", 48.0, "MiB"),
    at_most("postgres.cold_start", 5.0, "s"),
    at_most("postgres.warm_start", 0.5, "s"),
    shown("daemon.cold_start_to_healthy", "s"),
    shown("daemon.warm_start_to_healthy", "s"),
    shown("socket.trades.floor.p50", "ms"),
    shown("socket.trades.p50", "ms"),
    shown("socket.trades.p99", "ms"),
    shown("events.bare.last_of_1.p99", "ms"),
    shown("events.bare.last_of_100.p99", "ms"),
    shown("events.bare.last_of_1000.p99", "ms"),
    at_most("events.last_of_1.p99", 2.0, "x bare"),
    at_most("events.last_of_100.p99", 2.0, "x bare"),
    at_most("events.last_of_1000.p99", 2.0, "x bare"),
    at_most("events.beside_a_stalled_client.p99", 1.2, "x without"),
    at_most("large.start", 500.0, "ms"),
    at_most("large.open_list", 30.0, "ms"),
    at_most("large.resident", 48.0, "MiB"),
    shown("recovery.reads.10", "1/min"),
    at_most("recovery.reads.1000", 1.2, "x of 10"),
    shown("recovery.pages.1000", "a read"),
    shown("recovery.first_client", "s"),
    // A client served, and every intent folded.
    at_most("recovery.folded", 2.0, "s"),
    shown("recovery.sends", "s"),
    at_most("closing.key_to_flat.p50", 2.0, "s"),
    shown("closing.insert.p50", "ms"),
    shown("closing.insert_after_rest.p50", "ms"),
    shown("closing.answered.p50", "ms"),
    at_most("closing.request", 1.0, "x (3 inserts after a rest + 1 ms)"),
    at_most("closing.read_to_paint", 10.0, "ms"),
    at_most("closing.read_to_last_of_100", 10.0, "ms"),
    shown("broker.bare.read.p50", "ms"),
    at_most("broker.read.p50", 1.1, "x bare"),
    shown("broker.bare.write.p50", "ms"),
    at_most("broker.write.p50", 1.1, "x bare"),
    at_most("broker.parse_chain_of_5000", 5.0, "ms"),
    shown("broker.logical_reads.1", "1/min"),
    at_most("broker.logical_reads.100", 1.0, "x of 1"),
    at_most("broker.logical_reads.1000", 1.0, "x of 1"),
    shown("broker.requests.1", "1/min"),
    shown("broker.requests.100", "1/min"),
    shown("broker.requests.1000", "1/min"),
    at_most("calendar.lookup", 100.0, "ns"),
    shown("prices.copy", "rows/s"),
    // Half as fast as \\copy, and 25 times as fast as one by one.
    at_most("prices.ingest", 2.0, "x copy"),
    at_most("prices.ingest_by_one", 0.04, "x one by one"),
    at_most("prices.cycle_of_10000", 5.0, "% of a core"),
    at_most("prices.chart_of_a_year", 10.0, "ms"),
    shown("prices.bytes_of_a_row", "bytes"),
    shown("prices.bytes_of_a_packed_row", "bytes"),
    at_most("prices.year_of_50", 500.0, "MB"),
    at_most("forensics.10000_trades", 30.0, "s"),
    shown("history.performance.first_of_all", "s"),
    shown("history.performance.sql", "ms"),
    at_most("history.performance.cold", 1.5, "x SQL"),
    at_most("history.performance.repeat.p99", 5.0, "ms"),
    at_most("history.performance.warm.p99", 5.0, "ms"),
    at_most("history.performance.warm.growth", 2.0, "x 10,000"),
    at_most("history.page.p99", 3.0, "ms"),
    at_most("history.page.deepest", 2.0, "x first"),
    shown("history.export.copy", "s"),
    at_most("history.export", 2.0, "x COPY"),
    at_most("history.export.growth", 16.0, "MiB"),
    at_most("simulator.ready", 300.0, "ms"),
    at_most("simulator.quotes", 2.0, "x bare"),
    at_most("simulator.quotes_of_100", 2.0, "x bare"),
    at_most("simulator.orders", 2.0, "x bare"),
    shown("simulator.quotes.moving", "x bare"),
    shown("simulator.quotes_of_100.moving", "x bare"),
    at_most("simulator.day", 5.0, "s"),
    at_most("simulator.resident", 100.0, "MB"),
];
