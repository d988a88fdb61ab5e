-- What became of a trade is told in a chain of hashes as well: one for each trade, so that no two writers wait for each
-- other. A row holds the hash of everything up to itself; the row before it is the one with the number before.

CREATE FUNCTION hash_on(before bytea, said bytea) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT sha256(before || said)
$$;
-- The hash of everything that was said so far, in its order.
CREATE AGGREGATE hash_of_all(bytea) (SFUNC = hash_on, STYPE = bytea, INITCOND = '');

CREATE FUNCTION trade_event_said(e trade_events) RETURNS bytea
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT convert_to(jsonb_build_array(e.username, e.trade_id, e.seq, e.kind, e.data, extract(epoch FROM e.at))::text, 'UTF8')
$$;

-- What was told until now is taken at its word.
ALTER TABLE trade_events ADD COLUMN hash bytea;
ALTER TABLE trade_events DISABLE TRIGGER trade_events_append_only;
ALTER TABLE trade_events NO FORCE ROW LEVEL SECURITY;
UPDATE trade_events e SET hash = t.hash
  FROM (SELECT username, trade_id, seq,
               hash_of_all(trade_event_said(w)) OVER (PARTITION BY username, trade_id ORDER BY seq) AS hash
          FROM trade_events w) AS t
 WHERE (e.username, e.trade_id, e.seq) = (t.username, t.trade_id, t.seq);
ALTER TABLE trade_events FORCE ROW LEVEL SECURITY;
ALTER TABLE trade_events ENABLE TRIGGER trade_events_append_only;
ALTER TABLE trade_events ALTER COLUMN hash SET NOT NULL;

CREATE FUNCTION trade_events_chain() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    before bytea := '';
BEGIN
    IF NEW.seq > 1 THEN
        SELECT hash INTO before FROM blotter.trade_events
         WHERE username = NEW.username AND trade_id = NEW.trade_id AND seq = NEW.seq - 1;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'no event % of the trade comes before this one', NEW.seq - 1 USING CONSTRAINT = 'trade_events_chain';
        END IF;
    END IF;
    NEW.hash := blotter.hash_on(before, blotter.trade_event_said(NEW));
    RETURN NEW;
END $$;
CREATE TRIGGER trade_events_chain BEFORE INSERT ON trade_events FOR EACH ROW EXECUTE FUNCTION trade_events_chain();

GRANT EXECUTE ON FUNCTION hash_on(bytea, bytea), trade_event_said(trade_events), hash_of_all(bytea)
    TO blotter_app, blotter_owner, blotter_backup;
