-- Closed trades in a form that is quick to list, to search and to add up, and what they add up to: a look
-- costs the same after ten trades and after a million.

-- The fact table of every list and figure: one narrow row for each trade at its end, written by the guard
-- below from paper_trades. Amounts are in ten-thousandths, as whole numbers, and what is sorted by is a column
-- of its own: comparisons of numeric and expressions are not leakproof, so under row level security they
-- could use no index.
CREATE TABLE closed_trades (
    username      text COLLATE "C" NOT NULL
        CONSTRAINT closed_trades_username CHECK (username <> '' AND length(username) <= 50),
    trade_id      uuid        NOT NULL,
    number        integer     NOT NULL,
    broker_mode   text COLLATE "C" NOT NULL,
    ticker        text COLLATE "C" NOT NULL,
    option_symbol text COLLATE "C" NOT NULL,
    option_type   text COLLATE "C" NOT NULL,
    expiry        date        NOT NULL,
    strategy      text        NOT NULL,
    verdict       text        NOT NULL,
    entered_at    timestamptz NOT NULL,
    closed_at     timestamptz NOT NULL,
    -- The reason of a close; the status of a trade that ended without a position.
    ended_as      text COLLATE "C" NOT NULL,
    pnl_e4        bigint,
    pnl_pct_e4    bigint,
    r_e4          bigint,
    held_e4       bigint,
    fees_e4       bigint,
    -- To sort by: what is not known comes below everything.
    pnl_key       bigint GENERATED ALWAYS AS (coalesce(pnl_e4, '-9223372036854775808')) STORED,
    pnl_pct_key   bigint GENERATED ALWAYS AS (coalesce(pnl_pct_e4, '-9223372036854775808')) STORED,
    r_key         bigint GENERATED ALWAYS AS (coalesce(r_e4, '-9223372036854775808')) STORED,
    held_key      bigint GENERATED ALWAYS AS (coalesce(held_e4, '-9223372036854775808')) STORED,
    PRIMARY KEY (username, trade_id),
    CONSTRAINT closed_trades_trade FOREIGN KEY (username, trade_id) REFERENCES paper_trades (username, id)
);
COMMENT ON TABLE closed_trades IS 'Trades at their end: what lists and figures are made from.';
ALTER TABLE closed_trades ENABLE ROW LEVEL SECURITY;
ALTER TABLE closed_trades FORCE ROW LEVEL SECURITY;
-- blotter_owner is here for trade_reopen alone.
CREATE POLICY own_rows ON closed_trades TO blotter_app, blotter_owner
    USING (username = nullif(current_setting('app.username', true), ''))
    WITH CHECK (username = nullif(current_setting('app.username', true), ''));
GRANT SELECT, INSERT, DELETE ON closed_trades TO blotter_app;
GRANT SELECT ON closed_trades TO blotter_backup;

-- Each order in which the list is read, page by page at any depth. What is not known comes last.
CREATE INDEX closed_trades_all ON closed_trades (username, closed_at, trade_id);
CREATE INDEX closed_trades_by_closed ON closed_trades (username, broker_mode, closed_at, trade_id);
CREATE INDEX closed_trades_by_symbol ON closed_trades (username, broker_mode, option_symbol, trade_id);
CREATE INDEX closed_trades_by_pnl ON closed_trades (username, broker_mode, pnl_key, trade_id);
CREATE INDEX closed_trades_by_pnl_pct ON closed_trades (username, broker_mode, pnl_pct_key, trade_id);
CREATE INDEX closed_trades_by_r ON closed_trades (username, broker_mode, r_key, trade_id);
CREATE INDEX closed_trades_by_held ON closed_trades (username, broker_mode, held_key, trade_id);
CREATE INDEX closed_trades_by_reason ON closed_trades (username, broker_mode, ended_as, trade_id);
CREATE INDEX closed_trades_by_strategy ON closed_trades (username, broker_mode, strategy, trade_id);

-- Sums of one trading day, calendar month or year of trading days, for each group of each breakdown.
-- Written from closed_trades by the daemon; always to be had again from there.
CREATE TABLE performance_sums (
    username     text COLLATE "C" NOT NULL
        CONSTRAINT performance_sums_username CHECK (username <> '' AND length(username) <= 50),
    broker_mode  text        NOT NULL
        CONSTRAINT performance_sums_broker_mode_known CHECK (broker_mode IN ('SIM', 'SANDBOX', 'LIVE')),
    -- TOTAL has one group, the empty name.
    dimension    text COLLATE "C" NOT NULL CONSTRAINT performance_sums_dimension CHECK (dimension <> ''),
    span         text COLLATE "C" NOT NULL CONSTRAINT performance_sums_span_known CHECK (span IN ('DAY', 'MONTH', 'YEAR')),
    starts       date        NOT NULL,
    bucket       text COLLATE "C" NOT NULL,
    -- Every trade at an end, those without a position included.
    ended        bigint      NOT NULL,
    wins         bigint      NOT NULL,
    losses       bigint      NOT NULL,
    scratches    bigint      NOT NULL,
    estimated    bigint      NOT NULL,
    unknown      bigint      NOT NULL,
    won          numeric(24,4)     NOT NULL,
    lost         numeric(24,4)     NOT NULL,
    fees         numeric(24,4)     NOT NULL,
    best         numeric(24,4),
    worst        numeric(24,4),
    -- Squares are for deviations alone: not exact, and no money.
    squares      double precision NOT NULL,
    r_trades     bigint      NOT NULL,
    r_sum        numeric(24,4)     NOT NULL,
    r_squares    double precision NOT NULL,
    -- How many trades ended in which multiple of their risk; eight classes.
    r_classes    bigint[]    NOT NULL CONSTRAINT performance_sums_r_classes CHECK (cardinality(r_classes) = 8),
    -- Hours held, by winners and by losers; scratches are the rest of the whole.
    held         numeric(24,4)     NOT NULL,
    held_won     numeric(24,4)     NOT NULL,
    held_lost    numeric(24,4)     NOT NULL,
    held_trades  bigint[]    NOT NULL CONSTRAINT performance_sums_held_trades CHECK (cardinality(held_trades) = 3),
    -- The path of the sum of results inside of the span: its highest and lowest point as seen from the
    -- beginning, its deepest fall, and the peak that it fell from.
    peak         numeric(24,4)     NOT NULL CONSTRAINT performance_sums_peak CHECK (peak >= 0),
    low          numeric(24,4)     NOT NULL CONSTRAINT performance_sums_low CHECK (low <= 0),
    fall         numeric(24,4)     NOT NULL CONSTRAINT performance_sums_fall CHECK (fall >= 0),
    fall_peak    numeric(24,4)     NOT NULL,
    -- Streaks: wins above zero, losses below. The first and the last of the span, the longest, how many.
    first_streak bigint      NOT NULL,
    last_streak  bigint      NOT NULL,
    longest_win  bigint      NOT NULL,
    longest_loss bigint      NOT NULL,
    streaks      bigint      NOT NULL,
    PRIMARY KEY (username, broker_mode, dimension, span, starts, bucket)
);
COMMENT ON TABLE performance_sums IS 'What closed trades add up to, by day, month and year.';
ALTER TABLE performance_sums ENABLE ROW LEVEL SECURITY;
ALTER TABLE performance_sums FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON performance_sums TO blotter_app
    USING (username = nullif(current_setting('app.username', true), ''))
    WITH CHECK (username = nullif(current_setting('app.username', true), ''));
GRANT SELECT, INSERT, DELETE ON performance_sums TO blotter_app;
GRANT SELECT ON performance_sums TO blotter_backup;

-- Trading days whose sums are to be written again. A row for each change and never an update: whoever
-- closes a trade waits for nobody, and what is not committed yet is not taken for done.
CREATE TABLE performance_stale (
    username    text COLLATE "C" NOT NULL
        CONSTRAINT performance_stale_username CHECK (username <> '' AND length(username) <= 50),
    seq         bigint GENERATED BY DEFAULT AS IDENTITY,
    broker_mode text        NOT NULL
        CONSTRAINT performance_stale_broker_mode_known CHECK (broker_mode IN ('SIM', 'SANDBOX', 'LIVE')),
    day         date        NOT NULL,
    PRIMARY KEY (username, seq)
);
CREATE INDEX performance_stale_days ON performance_stale (username, broker_mode, day);
COMMENT ON TABLE performance_stale IS 'Trading days whose sums are out of date.';
ALTER TABLE performance_stale ENABLE ROW LEVEL SECURITY;
ALTER TABLE performance_stale FORCE ROW LEVEL SECURITY;
-- blotter_owner is here for trade_reopen alone.
CREATE POLICY own_rows ON performance_stale TO blotter_app, blotter_owner
    USING (username = nullif(current_setting('app.username', true), ''))
    WITH CHECK (username = nullif(current_setting('app.username', true), ''));
GRANT SELECT, INSERT, DELETE ON performance_stale TO blotter_app;
GRANT SELECT ON performance_stale TO blotter_backup;

-- One at a time writes a user's sums.
CREATE TABLE performance_heads (
    username text COLLATE "C" NOT NULL PRIMARY KEY
        CONSTRAINT performance_heads_username CHECK (username <> '' AND length(username) <= 50),
    version  bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE performance_heads IS 'How often the sums of a user were written; its lock lets one at a time.';
ALTER TABLE performance_heads ENABLE ROW LEVEL SECURITY;
ALTER TABLE performance_heads FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON performance_heads TO blotter_app
    USING (username = nullif(current_setting('app.username', true), ''))
    WITH CHECK (username = nullif(current_setting('app.username', true), ''));
GRANT SELECT, INSERT, UPDATE ON performance_heads TO blotter_app;
GRANT SELECT ON performance_heads TO blotter_backup;

-- The trading day of a moment: it begins at 18:00 in New York, the evening before.
CREATE FUNCTION trading_day(at timestamptz) RETURNS date
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT ((at AT TIME ZONE 'America/New_York') + interval '6 hours')::date
$$;
CREATE FUNCTION trading_day_begins(day date) RETURNS timestamptz
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT (day - interval '6 hours') AT TIME ZONE 'America/New_York'
$$;
GRANT EXECUTE ON FUNCTION trading_day(timestamptz), trading_day_begins(date) TO blotter_app;

-- Keeps the row of a trade, and says which days are out of date: nobody who closes a trade can forget it.
CREATE FUNCTION paper_trades_closed() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF OLD.close_date IS NOT NULL THEN
        DELETE FROM blotter.closed_trades WHERE username = OLD.username AND trade_id = OLD.id;
        INSERT INTO blotter.performance_stale (username, broker_mode, day)
        VALUES (OLD.username, OLD.broker_mode, blotter.trading_day(OLD.close_date));
    END IF;
    IF NEW.close_date IS NOT NULL THEN
        INSERT INTO blotter.closed_trades (username, trade_id, number, broker_mode, ticker, option_symbol, option_type, expiry,
            strategy, verdict, entered_at, closed_at, ended_as, pnl_e4, pnl_pct_e4, r_e4, held_e4, fees_e4)
        VALUES (NEW.username, NEW.id, NEW.number, NEW.broker_mode, NEW.ticker, NEW.option_symbol, NEW.option_type, NEW.expiry,
            coalesce(NEW.strategy, ''), coalesce(NEW.ai_verdict, ''), NEW.entry_date, NEW.close_date,
            coalesce(NEW.close_reason, NEW.status), NEW.realized_pnl * 10000, NEW.realized_pnl_pct * 10000,
            NEW.r_multiple * 10000, NEW.hold_duration_h * 10000, NEW.fees * 10000);
        IF OLD.close_date IS NULL OR blotter.trading_day(OLD.close_date) <> blotter.trading_day(NEW.close_date) THEN
            INSERT INTO blotter.performance_stale (username, broker_mode, day)
            VALUES (NEW.username, NEW.broker_mode, blotter.trading_day(NEW.close_date));
        END IF;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER paper_trades_closed AFTER UPDATE ON paper_trades FOR EACH ROW
    WHEN ((OLD.status, OLD.close_date, OLD.close_reason, OLD.realized_pnl, OLD.realized_pnl_pct, OLD.fees, OLD.r_multiple,
           OLD.hold_duration_h)
          IS DISTINCT FROM
          (NEW.status, NEW.close_date, NEW.close_reason, NEW.realized_pnl, NEW.realized_pnl_pct, NEW.fees, NEW.r_multiple,
           NEW.hold_duration_h))
    EXECUTE FUNCTION paper_trades_closed();

-- What was closed before there was this table.
ALTER TABLE paper_trades NO FORCE ROW LEVEL SECURITY;
ALTER TABLE closed_trades NO FORCE ROW LEVEL SECURITY;
ALTER TABLE performance_stale NO FORCE ROW LEVEL SECURITY;
INSERT INTO closed_trades (username, trade_id, number, broker_mode, ticker, option_symbol, option_type, expiry,
    strategy, verdict, entered_at, closed_at, ended_as, pnl_e4, pnl_pct_e4, r_e4, held_e4, fees_e4)
SELECT username, id, number, broker_mode, ticker, option_symbol, option_type, expiry, coalesce(strategy, ''),
       coalesce(ai_verdict, ''), entry_date, close_date, coalesce(close_reason, status), realized_pnl * 10000,
       realized_pnl_pct * 10000, r_multiple * 10000, hold_duration_h * 10000, fees * 10000
  FROM paper_trades WHERE close_date IS NOT NULL;
INSERT INTO performance_stale (username, broker_mode, day)
SELECT DISTINCT username, broker_mode, trading_day(closed_at) FROM closed_trades;
ALTER TABLE paper_trades FORCE ROW LEVEL SECURITY;
ALTER TABLE closed_trades FORCE ROW LEVEL SECURITY;
ALTER TABLE performance_stale FORCE ROW LEVEL SECURITY;
