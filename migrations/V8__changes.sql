-- What changed, for whoever watches; and who did it, for whoever asks later.

-- One row for each change, numbered without gaps for each user (user_heads.change_seq). It says
-- what changed, not how: the reader takes the row as it is now.
CREATE TABLE change_feed (
    username   text COLLATE "C" NOT NULL
        CONSTRAINT change_feed_username CHECK (username <> '' AND length(username) <= 50),
    seq        bigint      NOT NULL CONSTRAINT change_feed_seq CHECK (seq > 0),
    entity     text        NOT NULL
        CONSTRAINT change_feed_entity_known CHECK (entity IN ('TRADE', 'SETTINGS', 'ALARM')),
    entity_id  uuid,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (username, seq),
    CONSTRAINT change_feed_entity_id CHECK ((entity = 'SETTINGS') = (entity_id IS NULL))
);
COMMENT ON TABLE change_feed IS 'What changed, in order, for as long as a reader may be away.';
CREATE INDEX change_feed_age ON change_feed (changed_at);
ALTER TABLE change_feed ENABLE ROW LEVEL SECURITY;
ALTER TABLE change_feed FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON change_feed TO blotter_app
    USING (username = nullif(current_setting('app.username', true), ''))
    WITH CHECK (username = nullif(current_setting('app.username', true), ''));
CREATE POLICY old_select ON change_feed FOR SELECT TO blotter_system USING (true);
CREATE POLICY old_delete ON change_feed FOR DELETE TO blotter_system USING (true);
GRANT SELECT, INSERT ON change_feed TO blotter_app;
GRANT SELECT (username, seq, changed_at), DELETE ON change_feed TO blotter_system;
GRANT SELECT ON change_feed TO blotter_backup;

-- Who did what, in a chain of hashes for each user.
CREATE TABLE audit_log (
    username  text COLLATE "C" NOT NULL
        CONSTRAINT audit_log_username CHECK (username <> '' AND length(username) <= 50),
    seq       bigint      NOT NULL,
    action    text        NOT NULL CONSTRAINT audit_log_action CHECK (action <> ''),
    subject   text        NOT NULL CONSTRAINT audit_log_subject CHECK (subject <> ''),
    device    text        NOT NULL,
    detail    jsonb       NOT NULL,
    at        timestamptz NOT NULL,
    prev_hash bytea       NOT NULL,
    hash      bytea       NOT NULL,
    PRIMARY KEY (username, seq)
);
COMMENT ON TABLE audit_log IS 'Append-only record of what was done, in a chain of hashes for each user.';
ALTER TABLE audit_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_log FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON audit_log TO blotter_app
    USING (username = nullif(current_setting('app.username', true), ''))
    WITH CHECK (username = nullif(current_setting('app.username', true), ''));
GRANT SELECT, INSERT ON audit_log TO blotter_app;
GRANT SELECT ON audit_log TO blotter_backup;

CREATE FUNCTION audit_hash(a audit_log) RETURNS bytea
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT sha256(a.prev_hash || convert_to(jsonb_build_array(a.username, a.seq, a.action, a.subject, a.device, a.detail,
        extract(epoch FROM a.at))::text, 'UTF8'))
$$;
CREATE FUNCTION audit_log_chain() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- One at a time for each user, or the chain would fork.
    INSERT INTO blotter.user_heads (username) VALUES (NEW.username) ON CONFLICT (username) DO NOTHING;
    PERFORM 1 FROM blotter.user_heads WHERE username = NEW.username FOR UPDATE;
    SELECT seq + 1, hash INTO NEW.seq, NEW.prev_hash FROM blotter.audit_log
     WHERE username = NEW.username ORDER BY seq DESC LIMIT 1;
    IF NOT FOUND THEN
        NEW.seq := 1;
        NEW.prev_hash := '\x';
    END IF;
    NEW.hash := blotter.audit_hash(NEW);
    RETURN NEW;
END $$;
GRANT EXECUTE ON FUNCTION audit_hash(audit_log) TO blotter_app, blotter_backup;
CREATE TRIGGER audit_log_chain BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION audit_log_chain();
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();
