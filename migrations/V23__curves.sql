-- A look at years of results reads a row for each month, and not one for each day: what the curve of results and its
-- ratios need of the days stands in the month's own sums, and is written with them.

ALTER TABLE performance_sums
    -- Of the whole of a month alone: its days with results, oldest first, and of each the winners, the trades that count
    -- and the result in ten-thousandths. Null from a daemon that did not write them: then the days' own rows are read.
    ADD COLUMN days date[],
    ADD COLUMN day_wins bigint[],
    ADD COLUMN day_trades bigint[],
    ADD COLUMN day_nets_e4 bigint[],
    ADD CONSTRAINT performance_sums_days CHECK (
        cardinality(day_wins) = cardinality(days) AND cardinality(day_trades) = cardinality(days)
        AND cardinality(day_nets_e4) = cardinality(days));

COMMENT ON TABLE performance_heads IS 'Which writing of the sums of a user is the newest; its lock lets one at a time.';

-- The months that there are learn their days.
ALTER TABLE performance_sums NO FORCE ROW LEVEL SECURITY;
UPDATE performance_sums AS month
   SET days = curve.days, day_wins = curve.day_wins, day_trades = curve.day_trades, day_nets_e4 = curve.day_nets_e4
  FROM (SELECT username, broker_mode, date_trunc('month', starts::timestamp)::date AS starts, array_agg(starts ORDER BY starts) AS days,
               array_agg(wins ORDER BY starts) AS day_wins, array_agg(wins + losses + scratches ORDER BY starts) AS day_trades,
               array_agg(((won + lost) * 10000)::bigint ORDER BY starts) AS day_nets_e4
          FROM performance_sums WHERE span = 'DAY' AND dimension = 'TOTAL'
         GROUP BY username, broker_mode, date_trunc('month', starts::timestamp)) AS curve
 WHERE month.username = curve.username AND month.broker_mode = curve.broker_mode AND month.dimension = 'TOTAL'
   AND month.span = 'MONTH' AND month.starts = curve.starts;
ALTER TABLE performance_sums FORCE ROW LEVEL SECURITY;
