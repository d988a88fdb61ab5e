-- As V10 has it, but the row as it was is turned into an object once, not once for each of its columns: that was
-- most of what figures for ten thousand closed trades cost.
CREATE OR REPLACE FUNCTION paper_trades_record() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    event_kind text;
    event_data jsonb;
    was jsonb;
BEGIN
    IF TG_OP = 'INSERT' THEN
        event_kind := 'CREATED';
        event_data := jsonb_build_object('status', NEW.status, 'qty', NEW.qty, 'sl', NEW.sl_price, 'tp', NEW.tp_price);
    ELSIF NEW.status <> OLD.status THEN
        event_kind := CASE blotter.trade_move(OLD.status, NEW.status) WHEN 'REOPEN' THEN 'REOPENED' ELSE 'STATUS' END;
        event_data := jsonb_build_object('from', OLD.status, 'to', NEW.status, 'held', NEW.held_qty,
                                         'reason', coalesce(NEW.close_reason, OLD.close_reason));
    ELSE
        event_kind := 'AMENDED';
        was := to_jsonb(OLD);
        SELECT jsonb_object_agg(key, jsonb_build_array(was -> key, value)) INTO event_data
          FROM jsonb_each(to_jsonb(NEW)) WHERE value IS DISTINCT FROM was -> key;
        IF event_data IS NULL THEN
            RETURN NULL;
        END IF;
    END IF;
    INSERT INTO blotter.trade_events (username, trade_id, seq, kind, data, at)
    SELECT NEW.username, NEW.id, coalesce(max(seq), 0) + 1, event_kind, event_data, NEW.updated_at
      FROM blotter.trade_events WHERE username = NEW.username AND trade_id = NEW.id;
    RETURN NULL;
END $$;
