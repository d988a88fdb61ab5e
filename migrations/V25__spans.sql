-- Results are broken down by the hour of the exit, the week and the month as well: the sums that there are do not have
-- these groups, and are written again.
ALTER TABLE closed_trades NO FORCE ROW LEVEL SECURITY;
ALTER TABLE performance_stale NO FORCE ROW LEVEL SECURITY;
INSERT INTO performance_stale (username, broker_mode, day)
SELECT DISTINCT username, broker_mode, trading_day(closed_at) FROM closed_trades;
ALTER TABLE closed_trades FORCE ROW LEVEL SECURITY;
ALTER TABLE performance_stale FORCE ROW LEVEL SECURITY;
