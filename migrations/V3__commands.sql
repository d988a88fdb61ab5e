-- What devices asked for, by idempotency key: the same key twice is the same command and gets the
-- same answer. Kept for 7 days.

CREATE TABLE commands (
    username        text COLLATE "C" NOT NULL
        CONSTRAINT commands_username CHECK (username <> '' AND length(username) <= 50),
    command_id      uuid        NOT NULL,
    idempotency_key text COLLATE "C" NOT NULL
        CONSTRAINT commands_idempotency_key CHECK (length(idempotency_key) BETWEEN 1 AND 128),
    kind            text        NOT NULL CONSTRAINT commands_kind CHECK (length(kind) BETWEEN 1 AND 200),
    body_hash       bytea       NOT NULL CONSTRAINT commands_body_hash CHECK (octet_length(body_hash) = 32),
    device          text        NOT NULL CONSTRAINT commands_device CHECK (length(device) BETWEEN 1 AND 64),
    accepted_at     timestamptz NOT NULL,
    answer_status   integer     CONSTRAINT commands_answer_status CHECK (answer_status BETWEEN 100 AND 599),
    answer_body     text,
    PRIMARY KEY (username, command_id),
    CONSTRAINT commands_one_per_key UNIQUE (username, idempotency_key),
    CONSTRAINT commands_answer CHECK ((answer_status IS NULL) = (answer_body IS NULL))
);
COMMENT ON TABLE commands IS 'Commands with the answer they got, for 7 days.';
CREATE INDEX commands_age ON commands (accepted_at);
ALTER TABLE commands ENABLE ROW LEVEL SECURITY;
ALTER TABLE commands FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON commands TO blotter_app
    USING (username = nullif(current_setting('app.username', true), ''))
    WITH CHECK (username = nullif(current_setting('app.username', true), ''));
CREATE POLICY expired_select ON commands FOR SELECT TO blotter_system USING (true);
CREATE POLICY expired_delete ON commands FOR DELETE TO blotter_system USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON commands TO blotter_app;
GRANT SELECT (username, command_id, accepted_at), DELETE ON commands TO blotter_system;
GRANT SELECT ON commands TO blotter_backup;

-- A command is claimed and answered in one transaction; this refuses a commit that forgot the
-- answer. It is deferred to the commit and looks at the row as it is then.
CREATE FUNCTION commands_answered() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM 1 FROM blotter.commands
     WHERE username = NEW.username AND command_id = NEW.command_id AND answer_status IS NULL;
    IF FOUND THEN
        RAISE EXCEPTION 'a command is stored with its answer' USING CONSTRAINT = 'commands_answered';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER commands_answered AFTER INSERT ON commands
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION commands_answered();

-- An answer is given once; what was asked never changes.
CREATE FUNCTION commands_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF OLD.answer_status IS NOT NULL
       OR (NEW.username, NEW.command_id, NEW.idempotency_key, NEW.kind, NEW.body_hash, NEW.device, NEW.accepted_at)
          IS DISTINCT FROM
          (OLD.username, OLD.command_id, OLD.idempotency_key, OLD.kind, OLD.body_hash, OLD.device, OLD.accepted_at) THEN
        RAISE EXCEPTION 'a command is answered once and never changed' USING CONSTRAINT = 'commands_guard';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER commands_guard BEFORE UPDATE ON commands FOR EACH ROW EXECUTE FUNCTION commands_guard();
