-- What fees took of the winners is told as a share of what those brought before fees: for that their own fees are
-- added up apart from everybody's.

ALTER TABLE performance_sums
    -- Fees of the winners in these sums. Null from a daemon that did not add them up.
    ADD COLUMN fees_won numeric(24,4);

-- The sums that there are do not know: they are written again.
ALTER TABLE closed_trades NO FORCE ROW LEVEL SECURITY;
ALTER TABLE performance_stale NO FORCE ROW LEVEL SECURITY;
INSERT INTO performance_stale (username, broker_mode, day)
SELECT DISTINCT username, broker_mode, trading_day(closed_at) FROM closed_trades WHERE fees_e4 <> 0;
ALTER TABLE closed_trades FORCE ROW LEVEL SECURITY;
ALTER TABLE performance_stale FORCE ROW LEVEL SECURITY;
