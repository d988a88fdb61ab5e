-- The place of a trade in its day is asked for while a close is recorded and somebody waits. One question is planned once and
-- asked once; two were planned the first time that a connection needed each of them. It finds the same as before.

CREATE OR REPLACE FUNCTION trade_turn(owner text, mode text, trade uuid, asked timestamptz) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    begins CONSTANT timestamptz := blotter.trading_day_begins(blotter.trading_day(asked));
BEGIN
    RETURN CASE WHEN NOT EXISTS (
        SELECT FROM blotter.paper_trades
         WHERE username = owner AND broker_mode = mode AND entry_date >= begins AND entry_date <= asked
           AND (entry_date < asked OR id < trade)
           AND (status IN ('PARTIAL', 'FILLED', 'CLOSED') OR (status = 'CLOSING' AND entry_price IS NOT NULL))
    ) THEN 'FIRST' ELSE coalesce((
        SELECT CASE sign(realized_pnl) WHEN 1 THEN 'AFTER_WIN' WHEN -1 THEN 'AFTER_LOSS' ELSE 'AFTER_SCRATCH' END
          FROM blotter.paper_trades
         WHERE username = owner AND status = 'CLOSED' AND broker_mode = mode AND close_date >= begins AND close_date <= asked
           AND id <> trade AND realized_pnl IS NOT NULL AND close_reason NOT IN ('EXTERNAL_UNEXPLAINED', 'SANDBOX_RESET')
         ORDER BY close_date DESC, id DESC LIMIT 1
    ), 'AMID') END;
END $$;
