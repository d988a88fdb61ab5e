-- Two more ways in which results are grouped: by the place that a trade had in its day (the first one, after a win, after
-- a loss), and by the delta of its contract at the entry.

ALTER TABLE closed_trades
    -- What the trader had behind them on the trading day of the entry when they asked for it: as it was known at the end.
    ADD COLUMN turn text COLLATE "C"
        CONSTRAINT closed_trades_turn_known CHECK (turn IN ('FIRST', 'AFTER_WIN', 'AFTER_LOSS', 'AFTER_SCRATCH', 'AMID')),
    -- Without its sign: a put's is below zero.
    ADD COLUMN delta_e4 bigint CONSTRAINT closed_trades_delta CHECK (delta_e4 >= 0);

-- What was asked for on a day, in its order.
CREATE INDEX paper_trades_by_entry ON paper_trades (username, broker_mode, entry_date);

-- The place of a trade in its day. FIRST: no trade that became a position was asked for before it. Else what the last result
-- of the day was by then, if there was any. A result that nobody knows is none.
CREATE FUNCTION trade_turn(owner text, mode text, trade uuid, asked timestamptz) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    begins CONSTANT timestamptz := blotter.trading_day_begins(blotter.trading_day(asked));
    result numeric;
BEGIN
    PERFORM FROM blotter.paper_trades
      WHERE username = owner AND broker_mode = mode AND entry_date >= begins AND entry_date <= asked
        AND (entry_date < asked OR id < trade)
        AND (status IN ('PARTIAL', 'FILLED', 'CLOSED') OR (status = 'CLOSING' AND entry_price IS NOT NULL))
      LIMIT 1;
    IF NOT FOUND THEN
        RETURN 'FIRST';
    END IF;
    SELECT realized_pnl INTO result FROM blotter.paper_trades
     WHERE username = owner AND status = 'CLOSED' AND broker_mode = mode AND close_date >= begins AND close_date <= asked
       AND id <> trade AND realized_pnl IS NOT NULL AND close_reason NOT IN ('EXTERNAL_UNEXPLAINED', 'SANDBOX_RESET')
     ORDER BY close_date DESC, id DESC LIMIT 1;
    IF NOT FOUND THEN
        RETURN 'AMID';
    END IF;
    RETURN CASE sign(result) WHEN 1 THEN 'AFTER_WIN' WHEN -1 THEN 'AFTER_LOSS' ELSE 'AFTER_SCRATCH' END;
END $$;
GRANT EXECUTE ON FUNCTION trade_turn(text, text, uuid, timestamptz) TO blotter_app;

CREATE OR REPLACE FUNCTION paper_trades_closed() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- What an amendment leaves as it was.
    known_turn text;
BEGIN
    IF OLD.close_date IS NOT NULL THEN
        DELETE FROM blotter.closed_trades WHERE username = OLD.username AND trade_id = OLD.id RETURNING turn INTO known_turn;
        INSERT INTO blotter.performance_stale (username, broker_mode, day)
        VALUES (OLD.username, OLD.broker_mode, blotter.trading_day(OLD.close_date));
    END IF;
    IF NEW.close_date IS NOT NULL THEN
        INSERT INTO blotter.closed_trades (username, trade_id, number, broker_mode, ticker, option_symbol, option_type, expiry,
            strategy, verdict, entered_at, closed_at, ended_as, pnl_e4, pnl_pct_e4, r_e4, held_e4, fees_e4, turn, delta_e4)
        VALUES (NEW.username, NEW.id, NEW.number, NEW.broker_mode, NEW.ticker, NEW.option_symbol, NEW.option_type, NEW.expiry,
            coalesce(NEW.strategy, ''), coalesce(NEW.ai_verdict, ''), NEW.entry_date, NEW.close_date,
            coalesce(NEW.close_reason, NEW.status), NEW.realized_pnl * 10000, NEW.realized_pnl_pct * 10000,
            NEW.r_multiple * 10000, NEW.hold_duration_h * 10000, NEW.fees * 10000,
            coalesce(known_turn, blotter.trade_turn(NEW.username, NEW.broker_mode, NEW.id, NEW.entry_date)),
            abs(NEW.delta_at_entry) * 10000);
        IF OLD.close_date IS NULL OR blotter.trading_day(OLD.close_date) <> blotter.trading_day(NEW.close_date) THEN
            INSERT INTO blotter.performance_stale (username, broker_mode, day)
            VALUES (NEW.username, NEW.broker_mode, blotter.trading_day(NEW.close_date));
        END IF;
    END IF;
    RETURN NULL;
END $$;

-- What was closed before there were these columns. The sums of every day get two breakdowns more.
ALTER TABLE paper_trades NO FORCE ROW LEVEL SECURITY;
ALTER TABLE closed_trades NO FORCE ROW LEVEL SECURITY;
ALTER TABLE performance_stale NO FORCE ROW LEVEL SECURITY;
-- The same as trade_turn finds, for all of them at once: this must not take minutes over a million trades.
WITH days AS MATERIALIZED (
    SELECT username, broker_mode, id, entry_date, delta_at_entry, trading_day(entry_date) AS day,
           status IN ('PARTIAL', 'FILLED', 'CLOSED') OR (status = 'CLOSING' AND entry_price IS NOT NULL) AS bought
      FROM paper_trades),
places AS (
    SELECT *, count(*) FILTER (WHERE bought) OVER (PARTITION BY username, broker_mode, day ORDER BY entry_date, id
                                                   ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
      FROM days),
results AS MATERIALIZED (
    SELECT username, broker_mode, id, close_date, sign(realized_pnl) AS way, trading_day(close_date) AS day FROM paper_trades
     WHERE status = 'CLOSED' AND realized_pnl IS NOT NULL AND close_reason NOT IN ('EXTERNAL_UNEXPLAINED', 'SANDBOX_RESET')),
-- What was asked for and what ended, in one row of time: the last end before each question is the last one carried along.
moments AS (
    SELECT username, broker_mode, day, entry_date AS at, 1 AS kind, id, NULL::numeric AS way FROM days
    UNION ALL SELECT username, broker_mode, day, close_date, 0, id, way FROM results),
numbered AS (
    SELECT *, count(way) OVER (PARTITION BY username, broker_mode, day ORDER BY at, kind, id) AS ends FROM moments),
carried AS (
    SELECT username, id, kind, max(way) OVER (PARTITION BY username, broker_mode, day, ends) AS way FROM numbered)
UPDATE closed_trades c
   SET delta_e4 = abs(p.delta_at_entry) * 10000,
       turn = CASE WHEN p.before = 0 THEN 'FIRST' WHEN l.way = 1 THEN 'AFTER_WIN' WHEN l.way = -1 THEN 'AFTER_LOSS'
                   WHEN l.way = 0 THEN 'AFTER_SCRATCH' ELSE 'AMID' END
  FROM places p JOIN carried l ON l.username = p.username AND l.id = p.id AND l.kind = 1
 WHERE p.username = c.username AND p.id = c.trade_id;
INSERT INTO performance_stale (username, broker_mode, day)
SELECT DISTINCT username, broker_mode, trading_day(closed_at) FROM closed_trades;
ALTER TABLE paper_trades FORCE ROW LEVEL SECURITY;
ALTER TABLE closed_trades FORCE ROW LEVEL SECURITY;
ALTER TABLE performance_stale FORCE ROW LEVEL SECURITY;
