-- What the engine changes by policy, without a command: a bracket that cannot be had is given up for
-- the last good one, or a position that cannot be protected is to go. The version stays the user's;
-- the story of the trade tells it all the same.
ALTER TABLE trade_events DROP CONSTRAINT trade_events_kind_known;
ALTER TABLE trade_events ADD CONSTRAINT trade_events_kind_known
    CHECK (kind IN ('CREATED', 'STATUS', 'REOPENED', 'AMENDED', 'POLICY'));

CREATE FUNCTION paper_trades_policy() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO blotter.trade_events (username, trade_id, seq, kind, data, at)
    SELECT NEW.username, NEW.id, coalesce(max(seq), 0) + 1, 'POLICY',
           jsonb_build_object('desired', jsonb_build_array(OLD.desired, NEW.desired),
                              'sl', jsonb_build_array(OLD.sl_price, NEW.sl_price),
                              'tp', jsonb_build_array(OLD.tp_price, NEW.tp_price),
                              'version', NEW.version),
           clock_timestamp()
      FROM blotter.trade_events WHERE username = NEW.username AND trade_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER paper_trades_policy AFTER UPDATE ON paper_trades FOR EACH ROW
    WHEN (OLD.version = NEW.version AND (OLD.desired, OLD.sl_price, OLD.tp_price)
          IS DISTINCT FROM (NEW.desired, NEW.sl_price, NEW.tp_price))
    EXECUTE FUNCTION paper_trades_policy();
