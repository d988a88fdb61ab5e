-- What prices become when they are a week old: one row for a trade and day, so that years of them fit
-- into a small database, and months that are packed can be dropped whole.

CREATE TABLE price_days (
    username     text COLLATE "C" NOT NULL
        CONSTRAINT price_days_username CHECK (username <> '' AND length(username) <= 50),
    trade_id     uuid        NOT NULL,
    -- The exchange's trading day.
    session_date date        NOT NULL,
    first_ts     timestamptz NOT NULL,
    last_ts      timestamptz NOT NULL,
    points       integer     NOT NULL CONSTRAINT price_days_points CHECK (points > 0),
    -- Whether it was thinned: then these are not all that was recorded.
    thinned      boolean     NOT NULL DEFAULT false,
    packed       bytea       NOT NULL CONSTRAINT price_days_packed CHECK (octet_length(packed) BETWEEN 1 AND 1048576),
    PRIMARY KEY (username, trade_id, session_date),
    CONSTRAINT price_days_order CHECK (first_ts <= last_ts)
);
COMMENT ON TABLE price_days IS 'The prices of a trade on a past day, packed.';
-- It is packed already: another try would only cost time.
ALTER TABLE price_days ALTER COLUMN packed SET STORAGE EXTERNAL;
-- The days that are still to be thinned.
CREATE INDEX price_days_whole ON price_days (username, session_date) WHERE NOT thinned;
ALTER TABLE price_days ENABLE ROW LEVEL SECURITY;
ALTER TABLE price_days FORCE ROW LEVEL SECURITY;
-- blotter_owner is here for snapshot_partitions_drop alone; it, too, needs an identity.
CREATE POLICY own_rows ON price_days TO blotter_app, blotter_owner
    USING (username = nullif(current_setting('app.username', true), ''))
    WITH CHECK (username = nullif(current_setting('app.username', true), ''));
GRANT SELECT, INSERT, UPDATE ON price_days TO blotter_app;
GRANT SELECT ON price_days TO blotter_backup;

-- Drops the partitions of months that ended before `before`, if every row of them is packed. Returns
-- how many were dropped; a month with anything left in it stays.
CREATE FUNCTION snapshot_partitions_drop(before date) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    leaf text;
    month_end date;
    who text;
    left_over boolean;
    dropped integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('blotter.snapshot_partitions_ensure'));
    FOR leaf IN
        SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = 'blotter.price_snapshots'::regclass AND c.relname ~ '^price_snapshots_[0-9]{4}_[0-9]{2}$'
         ORDER BY 1
    LOOP
        month_end := (to_date(right(leaf, 7), 'YYYY_MM') + interval '1 month')::date;
        CONTINUE WHEN month_end > before;
        -- Nobody reads a leaf but through its parent, and this one stays locked until it is gone or
        -- closed again.
        EXECUTE format('ALTER TABLE blotter.%I NO FORCE ROW LEVEL SECURITY', leaf);
        left_over := false;
        FOR who IN EXECUTE format('SELECT DISTINCT username FROM blotter.%I', leaf) LOOP
            PERFORM set_config('app.username', who, true);
            EXECUTE format(
                'SELECT EXISTS (SELECT FROM (SELECT DISTINCT trade_id, session_date FROM blotter.%I WHERE username = $1) AS s
                  WHERE NOT EXISTS (SELECT FROM blotter.price_days AS d WHERE d.username = $1
                                       AND d.trade_id = s.trade_id AND d.session_date = s.session_date))', leaf)
               INTO left_over USING who;
            EXIT WHEN left_over;
        END LOOP;
        PERFORM set_config('app.username', '', true);
        IF left_over THEN
            EXECUTE format('ALTER TABLE blotter.%I FORCE ROW LEVEL SECURITY', leaf);
        ELSE
            EXECUTE format('DROP TABLE blotter.%I', leaf);
            dropped := dropped + 1;
        END IF;
    END LOOP;
    RETURN dropped;
END $$;
REVOKE ALL ON FUNCTION snapshot_partitions_drop(date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION snapshot_partitions_drop(date) TO blotter_system;
