-- How far the engine has got with what is wanted of a trade, for the screens; null when it is so.
ALTER TABLE paper_trades ADD COLUMN step text CONSTRAINT paper_trades_step_known CHECK (step IN
    ('ENTRY_NEXT', 'ENTRY_SENT', 'ENTRY_WORKS', 'FIRST_BRACKET', 'ENTRY_LEAVES', 'BRACKET_NEXT', 'BRACKET_LEAVES',
     'BRACKET_COMES', 'BRACKET_AGAIN', 'PART_NEXT', 'PART_BRACKET_LEAVES', 'PART_SELLS', 'PART_BRACKET_COMES',
     'CLOSE_AT_OPEN', 'CLOSE_ENTRY_LEAVES', 'CLOSE_BRACKET_NEXT', 'CLOSE_BRACKET_LEAVES', 'CLOSE_COUNTS',
     'CLOSE_SELLS', 'CLOSE_CONFIRMS'));

-- The story of a trade is read by one clock, the daemon's: as before, but dated by the row.
CREATE OR REPLACE FUNCTION paper_trades_record() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    event_kind text;
    event_data jsonb;
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
        SELECT jsonb_object_agg(key, jsonb_build_array(to_jsonb(OLD) -> key, value)) INTO event_data
          FROM jsonb_each(to_jsonb(NEW)) WHERE value IS DISTINCT FROM to_jsonb(OLD) -> key;
        IF event_data IS NULL THEN
            RETURN NULL;
        END IF;
    END IF;
    INSERT INTO blotter.trade_events (username, trade_id, seq, kind, data, at)
    SELECT NEW.username, NEW.id, coalesce(max(seq), 0) + 1, event_kind, event_data, NEW.updated_at
      FROM blotter.trade_events WHERE username = NEW.username AND trade_id = NEW.id;
    RETURN NULL;
END $$;
