-- What calls for a person.

CREATE TABLE alarms (
    username   text COLLATE "C" NOT NULL
        CONSTRAINT alarms_username CHECK (username <> '' AND length(username) <= 50),
    alarm_id   uuid        NOT NULL,
    kind       text        NOT NULL
        CONSTRAINT alarms_kind_known CHECK (kind IN
            ('NAKED', 'UNVERIFIED', 'NEEDS_PERSON', 'ACCOUNT_BLIND', 'CANNOT_PROTECT', 'FILL_AFTER_TERMINAL',
             'LATE_ARRIVAL', 'QUARANTINE', 'CUT_TOO_SLOW', 'CALENDAR_DISAGREES', 'BACKUP_FAILED', 'SECRET_UNREADABLE')),
    -- What it is about: the id of a trade, an account, or nothing in particular.
    subject    text COLLATE "C" NOT NULL DEFAULT '',
    trade_id   uuid,
    message    text        NOT NULL CONSTRAINT alarms_message CHECK (message <> ''),
    raised_at  timestamptz NOT NULL,
    acked_at   timestamptz,
    acked_by   text,
    cleared_at timestamptz,
    PRIMARY KEY (username, alarm_id),
    CONSTRAINT alarms_trade FOREIGN KEY (username, trade_id) REFERENCES paper_trades (username, id),
    CONSTRAINT alarms_subject CHECK (trade_id IS NULL OR subject = trade_id::text),
    CONSTRAINT alarms_acked CHECK ((acked_at IS NULL) = (acked_by IS NULL))
);
COMMENT ON TABLE alarms IS 'Alarms, open and past.';
-- Any daemon may raise it; it is open once.
CREATE UNIQUE INDEX alarms_one_open ON alarms (username, kind, subject) WHERE cleared_at IS NULL;
CREATE INDEX alarms_open ON alarms (username, raised_at DESC) WHERE cleared_at IS NULL;
CREATE INDEX alarms_of_trade ON alarms (username, trade_id);
ALTER TABLE alarms ENABLE ROW LEVEL SECURITY;
ALTER TABLE alarms FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON alarms TO blotter_app
    USING (username = nullif(current_setting('app.username', true), ''))
    WITH CHECK (username = nullif(current_setting('app.username', true), ''));
GRANT SELECT, INSERT, UPDATE ON alarms TO blotter_app;
GRANT SELECT ON alarms TO blotter_backup;

-- What was raised never changes; an acknowledgement and an end are given once.
CREATE FUNCTION alarms_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (NEW.username, NEW.alarm_id, NEW.kind, NEW.subject, NEW.trade_id, NEW.raised_at)
       IS DISTINCT FROM (OLD.username, OLD.alarm_id, OLD.kind, OLD.subject, OLD.trade_id, OLD.raised_at)
       OR (OLD.acked_at IS NOT NULL AND (NEW.acked_at, NEW.acked_by) IS DISTINCT FROM (OLD.acked_at, OLD.acked_by))
       OR (OLD.cleared_at IS NOT NULL AND NEW.cleared_at IS DISTINCT FROM OLD.cleared_at) THEN
        RAISE EXCEPTION 'an alarm is acknowledged once and cleared once' USING CONSTRAINT = 'alarms_guard';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER alarms_guard BEFORE UPDATE ON alarms FOR EACH ROW EXECUTE FUNCTION alarms_guard();

-- An alarm with the number that people know its trade by.
CREATE VIEW alarm_rows WITH (security_invoker = true) AS
    SELECT a.username, a.alarm_id, a.kind, a.trade_id, t.number AS trade_number, a.message, a.raised_at, a.acked_at,
           a.acked_by, a.cleared_at
      FROM alarms a LEFT JOIN paper_trades t ON t.username = a.username AND t.id = a.trade_id;
COMMENT ON VIEW alarm_rows IS 'Alarms with the trade number.';
GRANT SELECT ON alarm_rows TO blotter_app, blotter_backup;
