-- What each position was worth, every 40 seconds of market time. Partitioned by month (UTC), so
-- that old months are dropped and never deleted row by row.
--
-- No foreign key to paper_trades: a check for each row would halve the speed of COPY, and trades are
-- never deleted.

CREATE TABLE price_snapshots (
    username     text COLLATE "C" NOT NULL
        CONSTRAINT price_snapshots_username CHECK (username <> '' AND length(username) <= 50),
    trade_id     uuid        NOT NULL,
    ts           timestamptz NOT NULL,
    -- The exchange's trading day.
    session_date date        NOT NULL,
    mark_price   numeric(12,4) CONSTRAINT price_snapshots_mark_price CHECK (mark_price >= 0),
    -- The mid, or the side that exists.
    mark_kind    text        NOT NULL
        CONSTRAINT price_snapshots_mark_kind_known CHECK (mark_kind IN ('MID', 'BID', 'ASK', 'LAST', 'NONE')),
    bid          numeric(12,4) CONSTRAINT price_snapshots_bid CHECK (bid >= 0),
    ask          numeric(12,4) CONSTRAINT price_snapshots_ask CHECK (ask >= 0),
    delta        numeric(12,6),
    gamma        numeric(12,6),
    theta        numeric(12,6),
    vega         numeric(12,6),
    iv           numeric(12,6),
    underlying   numeric(12,4) CONSTRAINT price_snapshots_underlying CHECK (underlying >= 0),
    source       text        NOT NULL
        CONSTRAINT price_snapshots_source_known CHECK (source IN ('SIM', 'TRADIER', 'ORATS')),
    quality      text        NOT NULL
        CONSTRAINT price_snapshots_quality_known CHECK (quality IN ('LIVE', 'DELAYED', 'STALE')),
    -- Set on the two rows that frame a session.
    bookend      text        CONSTRAINT price_snapshots_bookend_known CHECK (bookend IN ('PRE_MARKET', 'POST_MARKET')),
    PRIMARY KEY (username, trade_id, ts),
    CONSTRAINT price_snapshots_mark CHECK ((mark_kind = 'NONE') = (mark_price IS NULL))
) PARTITION BY RANGE (ts);
COMMENT ON TABLE price_snapshots IS 'Marks of each position over time, partitioned by month.';
CREATE INDEX price_snapshots_bookends ON price_snapshots (username, trade_id, session_date) WHERE bookend IS NOT NULL;
ALTER TABLE price_snapshots ENABLE ROW LEVEL SECURITY;
ALTER TABLE price_snapshots FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON price_snapshots TO blotter_app
    USING (username = nullif(current_setting('app.username', true), ''))
    WITH CHECK (username = nullif(current_setting('app.username', true), ''));
GRANT SELECT, INSERT ON price_snapshots TO blotter_app;
GRANT SELECT ON price_snapshots TO blotter_backup;

-- Policies and grants are not inherited: a leaf that is addressed directly must refuse by itself.
-- Forced row level security without a policy shows nothing to anybody; only the backup, which
-- pg_dump reads leaf by leaf, may look.
CREATE FUNCTION snapshot_leaf_secure(leaf regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', leaf);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', leaf);
    EXECUTE format('REVOKE ALL ON %s FROM PUBLIC, blotter_app, blotter_system', leaf);
    EXECUTE format('GRANT SELECT ON %s TO blotter_backup', leaf);
END $$;

-- A row that no month takes lands here and raises an alarm; better than a lost price.
CREATE TABLE price_snapshots_default PARTITION OF price_snapshots DEFAULT;
SELECT snapshot_leaf_secure('price_snapshots_default');

-- Makes the partitions of `months` months from the one that `first_day` is in. Returns how many
-- were new. Two daemons may call it at once.
CREATE FUNCTION snapshot_partitions_ensure(first_day date, months integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    from_day date;
    leaf text;
    made integer := 0;
BEGIN
    IF months NOT BETWEEN 1 AND 24 THEN
        RAISE EXCEPTION 'from 1 to 24 months can be made at once, not %', months;
    END IF;
    FOR n IN 0 .. months - 1 LOOP
        from_day := (date_trunc('month', first_day::timestamp) + make_interval(months => n))::date;
        leaf := 'price_snapshots_' || to_char(from_day, 'YYYY_MM');
        CONTINUE WHEN to_regclass('blotter.' || leaf) IS NOT NULL;
        -- Only whoever has something to make waits here.
        PERFORM pg_advisory_xact_lock(hashtext('blotter.snapshot_partitions_ensure'));
        CONTINUE WHEN to_regclass('blotter.' || leaf) IS NOT NULL;
        EXECUTE format('CREATE TABLE blotter.%I PARTITION OF blotter.price_snapshots FOR VALUES FROM (%L) TO (%L)', leaf,
            from_day::text || ' 00:00:00+00', (from_day + interval '1 month')::date::text || ' 00:00:00+00');
        PERFORM blotter.snapshot_leaf_secure(('blotter.' || quote_ident(leaf))::regclass);
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;
GRANT EXECUTE ON FUNCTION snapshot_partitions_ensure(date, integer) TO blotter_system;
