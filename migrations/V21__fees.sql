-- What the broker charges is told by its history, a night later or never. Until then a result is one before fees,
-- and whatever adds results up says of how many that is so.

ALTER TABLE performance_sums
    -- Trades in these sums whose fees are not told: winners, losers, scratches. Null from a daemon that did not count.
    ADD COLUMN fees_untold bigint[]
        CONSTRAINT performance_sums_fees_untold CHECK (cardinality(fees_untold) = 3);

-- The sums that there are do not know: they are written again.
ALTER TABLE closed_trades NO FORCE ROW LEVEL SECURITY;
ALTER TABLE performance_stale NO FORCE ROW LEVEL SECURITY;
INSERT INTO performance_stale (username, broker_mode, day)
SELECT DISTINCT username, broker_mode, trading_day(closed_at) FROM closed_trades WHERE fees_e4 IS NULL;
ALTER TABLE closed_trades FORCE ROW LEVEL SECURITY;
ALTER TABLE performance_stale FORCE ROW LEVEL SECURITY;

-- As before; what was told of the fees was told of another end.
CREATE OR REPLACE FUNCTION trade_reopen(trade uuid, held integer, seen_at timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE blotter.paper_trades
       SET status = 'FILLED', held_qty = held, protection = 'NAKED', naked_since = seen_at,
           close_date = NULL, close_reason = NULL, close_price = NULL, fees = NULL, realized_pnl = NULL,
           realized_pnl_pct = NULL, r_multiple = NULL, hold_duration_h = NULL, updated_at = seen_at
     WHERE id = trade AND username = nullif(current_setting('app.username', true), '')
       AND status IN ('CLOSED', 'VOID', 'REJECTED', 'CANCELED');
    RETURN FOUND;
END $$;
