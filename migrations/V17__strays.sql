-- Prices that no month took: a daemon that was off for months writes before the months are made, and a
-- wrong clock writes into years that nobody makes. The first kind is moved into its month as soon as
-- that is made; the second stays where it is and raises an alarm.

ALTER TABLE alarms DROP CONSTRAINT alarms_kind_known;
ALTER TABLE alarms ADD CONSTRAINT alarms_kind_known CHECK (kind IN
    ('NAKED', 'UNVERIFIED', 'NEEDS_PERSON', 'ACCOUNT_BLIND', 'CANNOT_PROTECT', 'FILL_AFTER_TERMINAL', 'LATE_ARRIVAL',
     'QUARANTINE', 'CUT_TOO_SLOW', 'CALENDAR_DISAGREES', 'BACKUP_FAILED', 'PRICES_ASTRAY', 'SECRET_UNREADABLE'));

-- Makes a month as a table of its own, takes over what lies in the default partition of it, and attaches
-- it: a month cannot be made beside rows of it that lie there. Nobody writes there meanwhile, because
-- the first statement locks it.
CREATE FUNCTION snapshot_month_take_over(leaf text, from_day date, to_day date) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    from_ts text := from_day::text || ' 00:00:00+00';
    to_ts text := to_day::text || ' 00:00:00+00';
BEGIN
    ALTER TABLE blotter.price_snapshots_default NO FORCE ROW LEVEL SECURITY;
    EXECUTE format('CREATE TABLE blotter.%I (LIKE blotter.price_snapshots INCLUDING ALL)', leaf);
    EXECUTE format(
        'WITH moved AS (DELETE FROM blotter.price_snapshots_default WHERE ts >= %L AND ts < %L RETURNING *)
         INSERT INTO blotter.%I SELECT * FROM moved', from_ts, to_ts, leaf);
    EXECUTE format('ALTER TABLE blotter.price_snapshots ATTACH PARTITION blotter.%I FOR VALUES FROM (%L) TO (%L)',
        leaf, from_ts, to_ts);
    ALTER TABLE blotter.price_snapshots_default FORCE ROW LEVEL SECURITY;
END $$;
REVOKE ALL ON FUNCTION snapshot_month_take_over(text, date, date) FROM PUBLIC;

-- As before; a month of which something lies in the default partition takes it over.
CREATE OR REPLACE FUNCTION snapshot_partitions_ensure(first_day date, months integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    from_day date;
    to_day date;
    leaf text;
    made integer := 0;
BEGIN
    IF months NOT BETWEEN 1 AND 24 THEN
        RAISE EXCEPTION 'from 1 to 24 months can be made at once, not %', months;
    END IF;
    FOR n IN 0 .. months - 1 LOOP
        from_day := (date_trunc('month', first_day::timestamp) + make_interval(months => n))::date;
        to_day := (from_day + interval '1 month')::date;
        leaf := 'price_snapshots_' || to_char(from_day, 'YYYY_MM');
        CONTINUE WHEN to_regclass('blotter.' || leaf) IS NOT NULL;
        -- Only whoever has something to make waits here.
        PERFORM pg_advisory_xact_lock(hashtext('blotter.snapshot_partitions_ensure'));
        CONTINUE WHEN to_regclass('blotter.' || leaf) IS NOT NULL;
        IF pg_relation_size('blotter.price_snapshots_default') > 0 THEN
            PERFORM blotter.snapshot_month_take_over(leaf, from_day, to_day);
        ELSE
            EXECUTE format('CREATE TABLE blotter.%I PARTITION OF blotter.price_snapshots FOR VALUES FROM (%L) TO (%L)', leaf,
                from_day::text || ' 00:00:00+00', to_day::text || ' 00:00:00+00');
        END IF;
        PERFORM blotter.snapshot_leaf_secure(('blotter.' || quote_ident(leaf))::regclass);
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;

-- Whose prices lie in the default partition: how many, from when to when.
CREATE FUNCTION snapshot_strays() RETURNS TABLE (username text, astray bigint, first_ts timestamptz, last_ts timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF pg_relation_size('blotter.price_snapshots_default') = 0 THEN
        RETURN;
    END IF;
    ALTER TABLE blotter.price_snapshots_default NO FORCE ROW LEVEL SECURITY;
    RETURN QUERY SELECT d.username, count(*), min(d.ts), max(d.ts)
                   FROM blotter.price_snapshots_default AS d GROUP BY d.username ORDER BY d.username;
    ALTER TABLE blotter.price_snapshots_default FORCE ROW LEVEL SECURITY;
END $$;
REVOKE ALL ON FUNCTION snapshot_strays() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION snapshot_strays() TO blotter_system;

-- Without it no dump comes to its end.
GRANT SELECT ON SEQUENCE performance_stale_seq_seq TO blotter_backup;
