-- A database that was brought back from a backup is older than the broker.

-- Epochs that were given out after the backup never return: leases begin above what is given here.
CREATE FUNCTION epochs_begin_above(base bigint) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE blotter.installation SET epoch_base = greatest(epoch_base, base) RETURNING epoch_base
$$;
REVOKE ALL ON FUNCTION epochs_begin_above(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION epochs_begin_above(bigint) TO blotter_app;

CREATE FUNCTION installation_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.id <> OLD.id OR NEW.epoch_base < OLD.epoch_base THEN
        RAISE EXCEPTION 'an installation keeps its id, and its epochs only grow' USING CONSTRAINT = 'installation_guard';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER installation_guard BEFORE UPDATE ON installation FOR EACH ROW EXECUTE FUNCTION installation_guard();

-- Whether an order of ours was ever written down, by whichever user.
GRANT SELECT (tag) ON intents TO blotter_system;

-- Epochs in the millions make a tag longer than sixty characters.
ALTER TABLE intents DROP CONSTRAINT intents_tag;
ALTER TABLE intents ADD CONSTRAINT intents_tag CHECK (tag ~ '^[A-Za-z0-9-]{1,80}$');

-- Orders of a trade that were taken up by their tags: its story tells it.
ALTER TABLE trade_events DROP CONSTRAINT trade_events_kind_known;
ALTER TABLE trade_events ADD CONSTRAINT trade_events_kind_known
    CHECK (kind IN ('CREATED', 'STATUS', 'REOPENED', 'AMENDED', 'POLICY', 'RESTORED'));
