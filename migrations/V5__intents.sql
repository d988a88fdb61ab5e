-- What was, is or will be asked of the broker: every mutation is written here before it is sent.

CREATE TABLE leases (
    username   text COLLATE "C" NOT NULL
        CONSTRAINT leases_username CHECK (username <> '' AND length(username) <= 50),
    account_id text COLLATE "C" NOT NULL CONSTRAINT leases_account_id CHECK (length(account_id) BETWEEN 1 AND 50),
    -- The daemon's run: a fresh id at each start.
    holder     uuid        NOT NULL,
    epoch      bigint      NOT NULL CONSTRAINT leases_epoch CHECK (epoch > 0),
    expires_at timestamptz NOT NULL,
    -- The holder ended it itself with nothing in flight: its successor need not stay quiet first.
    released   boolean     NOT NULL DEFAULT false,
    PRIMARY KEY (username, account_id)
);
COMMENT ON TABLE leases IS 'One writer for each account, with a fencing epoch. Read with clock_timestamp(), never now().';
ALTER TABLE leases ENABLE ROW LEVEL SECURITY;
ALTER TABLE leases FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON leases TO blotter_app
    USING (username = nullif(current_setting('app.username', true), ''))
    WITH CHECK (username = nullif(current_setting('app.username', true), ''));
CREATE POLICY all_users ON leases FOR SELECT TO blotter_system USING (true);
GRANT SELECT, INSERT, UPDATE ON leases TO blotter_app;
GRANT SELECT ON leases TO blotter_system, blotter_backup;

-- An epoch never returns, and another holder means another epoch.
CREATE FUNCTION leases_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.username <> OLD.username OR NEW.account_id <> OLD.account_id THEN
        RAISE EXCEPTION 'a lease belongs to one account' USING CONSTRAINT = 'leases_guard';
    END IF;
    IF NEW.epoch < OLD.epoch OR (NEW.epoch = OLD.epoch AND NEW.holder <> OLD.holder) THEN
        RAISE EXCEPTION 'a lease epoch only grows, and each holder has its own' USING CONSTRAINT = 'leases_guard';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER leases_guard BEFORE UPDATE ON leases FOR EACH ROW EXECUTE FUNCTION leases_guard();

CREATE TABLE intents (
    username        text COLLATE "C" NOT NULL
        CONSTRAINT intents_username CHECK (username <> '' AND length(username) <= 50),
    intent_id       uuid        NOT NULL,
    trade_id        uuid        NOT NULL,
    account_id      text COLLATE "C" NOT NULL CONSTRAINT intents_account_id CHECK (length(account_id) BETWEEN 1 AND 50),
    option_symbol   text COLLATE "C" NOT NULL
        CONSTRAINT intents_option_symbol CHECK (option_symbol ~ '^[A-Z0-9]{1,6}[0-9]{6}[CP][0-9]{8}$'),
    op              text        NOT NULL
        CONSTRAINT intents_op_known CHECK (op IN ('PLACE', 'CANCEL', 'MODIFY')),
    role            text        NOT NULL
        CONSTRAINT intents_role_known CHECK (role IN ('ENTRY', 'BRACKET', 'CLOSE', 'EMERGENCY')),
    attempt         integer     NOT NULL CONSTRAINT intents_attempt CHECK (attempt > 0),
    -- The trade's version that this intent makes true.
    version         bigint      NOT NULL CONSTRAINT intents_version CHECK (version >= 1),
    -- What the broker gives back with the order: the way to find it again.
    tag             text COLLATE "C" NOT NULL CONSTRAINT intents_tag CHECK (tag ~ '^[A-Za-z0-9-]{1,60}$'),
    -- Whose order a CANCEL or MODIFY is about.
    target_intent_id uuid,
    params          jsonb       NOT NULL,
    params_hash     bytea       NOT NULL CONSTRAINT intents_params_hash CHECK (octet_length(params_hash) = 32),
    state           text        NOT NULL DEFAULT 'PREPARED'
        CONSTRAINT intents_state_known CHECK (state IN
            ('PREPARED', 'SENDING', 'ACKED', 'UNKNOWN', 'WORKING', 'FILLED', 'CANCELED', 'EXPIRED', 'REJECTED', 'VOID',
             'ABSENT', 'LOST', 'DONE')),
    -- While PREPARED: too late after this.
    valid_until     timestamptz NOT NULL,
    -- Once SENDING: no byte leaves after this.
    send_by         timestamptz,
    sent_at         timestamptz,
    epoch           bigint      NOT NULL CONSTRAINT intents_epoch CHECK (epoch > 0),
    broker_order_id text COLLATE "C",
    leg_ids         jsonb,
    exec_qty        integer     NOT NULL DEFAULT 0 CONSTRAINT intents_exec_qty CHECK (exec_qty >= 0),
    avg_px          numeric(12,4) CONSTRAINT intents_avg_px CHECK (avg_px >= 0),
    reject_code     text,
    reject_reason   text,
    -- The proof of absence, as far as it has got.
    absent_reads    integer     NOT NULL DEFAULT 0 CONSTRAINT intents_absent_reads CHECK (absent_reads >= 0),
    absent_since    timestamptz,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    PRIMARY KEY (username, intent_id),
    CONSTRAINT intents_one_per_tag UNIQUE (username, tag),
    CONSTRAINT intents_trade FOREIGN KEY (username, trade_id) REFERENCES paper_trades (username, id),
    CONSTRAINT intents_target FOREIGN KEY (username, target_intent_id) REFERENCES intents (username, intent_id),
    CONSTRAINT intents_place_has_no_target CHECK (op <> 'PLACE' OR target_intent_id IS NULL),
    CONSTRAINT intents_others_have_an_order CHECK (op = 'PLACE' OR target_intent_id IS NOT NULL OR broker_order_id IS NOT NULL),
    CONSTRAINT intents_sent CHECK (state IN ('PREPARED', 'VOID') OR (sent_at IS NOT NULL AND send_by IS NOT NULL)),
    CONSTRAINT intents_acked CHECK (state NOT IN ('ACKED', 'WORKING') OR op <> 'PLACE' OR broker_order_id IS NOT NULL)
);
COMMENT ON TABLE intents IS 'Every mutation at the broker, written before it is sent.';

-- One entry is ever sent for a trade; a second tag could fill twice.
CREATE UNIQUE INDEX intents_one_entry ON intents (username, trade_id) WHERE op = 'PLACE' AND role = 'ENTRY';
-- One exit at a time may be alive for a symbol, whoever wants it.
CREATE UNIQUE INDEX intents_one_live_exit ON intents (username, account_id, option_symbol)
    WHERE op = 'PLACE' AND role <> 'ENTRY' AND state IN ('PREPARED', 'SENDING', 'ACKED', 'UNKNOWN', 'WORKING');
CREATE INDEX intents_of_trade ON intents (username, trade_id);
CREATE INDEX intents_in_flight ON intents (username, account_id)
    WHERE state IN ('PREPARED', 'SENDING', 'ACKED', 'UNKNOWN', 'WORKING');
CREATE INDEX intents_of_order ON intents (username, broker_order_id) WHERE broker_order_id IS NOT NULL;

ALTER TABLE intents ENABLE ROW LEVEL SECURITY;
ALTER TABLE intents FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON intents TO blotter_app
    USING (username = nullif(current_setting('app.username', true), ''))
    WITH CHECK (username = nullif(current_setting('app.username', true), ''));
CREATE POLICY all_users ON intents FOR SELECT TO blotter_system USING (true);
GRANT SELECT, INSERT, UPDATE ON intents TO blotter_app;
GRANT SELECT (username, intent_id, trade_id, account_id, op, role, state, sent_at) ON intents TO blotter_system;
GRANT SELECT ON intents TO blotter_backup;

-- The table of transitions. daemon/src/trades/state.rs is its twin; a test compares every triple.
-- NULL: not allowed.
CREATE FUNCTION intent_move(op text, was text, becomes text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE
        WHEN (op = 'PLACE' AND 'DONE' IN (was, becomes))
          OR (op <> 'PLACE' AND (was IN ('WORKING', 'FILLED', 'CANCELED', 'EXPIRED', 'LOST')
                              OR becomes IN ('WORKING', 'FILLED', 'CANCELED', 'EXPIRED', 'LOST'))) THEN NULL
        WHEN was = becomes THEN 'STAY'
        -- Never connected: as if it had not been tried.
        WHEN was = 'PREPARED' AND becomes IN ('SENDING', 'VOID') THEN 'STEP'
        WHEN was = 'SENDING' AND becomes IN ('PREPARED', 'ACKED', 'REJECTED', 'UNKNOWN', 'ABSENT') THEN 'STEP'
        WHEN op = 'PLACE' THEN CASE
            WHEN was IN ('SENDING', 'ACKED', 'UNKNOWN') AND becomes IN ('WORKING', 'FILLED', 'CANCELED', 'EXPIRED', 'REJECTED') THEN 'STEP'
            WHEN was = 'UNKNOWN' AND becomes = 'ABSENT' THEN 'STEP'
            WHEN was = 'WORKING' AND becomes IN ('FILLED', 'CANCELED', 'EXPIRED', 'REJECTED', 'LOST') THEN 'STEP'
            WHEN was = 'ACKED' AND becomes = 'LOST' THEN 'STEP'
            -- It filled after all: an alarm.
            WHEN was IN ('CANCELED', 'EXPIRED', 'REJECTED') AND becomes = 'FILLED' THEN 'LATE'
            -- It arrived after all: an alarm.
            WHEN was = 'ABSENT' AND becomes IN ('WORKING', 'FILLED', 'CANCELED', 'EXPIRED', 'REJECTED') THEN 'LATE'
        END
        -- A cancel or a change has no answer of its own: DONE is seen on its target.
        WHEN was IN ('SENDING', 'ACKED', 'UNKNOWN') AND becomes = 'DONE' THEN 'STEP'
        WHEN was IN ('ACKED', 'UNKNOWN') AND becomes IN ('REJECTED', 'ABSENT') THEN 'STEP'
    END
$$;
GRANT EXECUTE ON FUNCTION intent_move(text, text, text) TO blotter_app;

CREATE FUNCTION intents_begin() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.state <> 'PREPARED' OR NEW.exec_qty <> 0 THEN
        RAISE EXCEPTION 'an intent begins as PREPARED, not as %', NEW.state USING CONSTRAINT = 'intents_begin';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER intents_begin BEFORE INSERT ON intents FOR EACH ROW EXECUTE FUNCTION intents_begin();

-- What is meant never changes; what was executed never shrinks; an order id never becomes another.
CREATE FUNCTION intents_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (NEW.username, NEW.intent_id, NEW.trade_id, NEW.account_id, NEW.option_symbol, NEW.op, NEW.role, NEW.attempt,
        NEW.version, NEW.tag, NEW.target_intent_id, NEW.params, NEW.params_hash, NEW.valid_until, NEW.created_at)
       IS DISTINCT FROM
       (OLD.username, OLD.intent_id, OLD.trade_id, OLD.account_id, OLD.option_symbol, OLD.op, OLD.role, OLD.attempt,
        OLD.version, OLD.tag, OLD.target_intent_id, OLD.params, OLD.params_hash, OLD.valid_until, OLD.created_at) THEN
        RAISE EXCEPTION 'what an intent means never changes' USING CONSTRAINT = 'intents_fixed';
    END IF;
    IF blotter.intent_move(OLD.op, OLD.state, NEW.state) IS NULL THEN
        RAISE EXCEPTION 'a % intent does not go from % to %', OLD.op, OLD.state, NEW.state USING CONSTRAINT = 'intent_move';
    END IF;
    IF NEW.exec_qty < OLD.exec_qty THEN
        RAISE EXCEPTION 'an executed quantity never shrinks' USING CONSTRAINT = 'intents_monotone';
    END IF;
    IF OLD.broker_order_id IS NOT NULL AND NEW.broker_order_id IS DISTINCT FROM OLD.broker_order_id THEN
        RAISE EXCEPTION 'an order id is learnt once' USING CONSTRAINT = 'intents_order_id';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER intents_guard BEFORE UPDATE ON intents FOR EACH ROW EXECUTE FUNCTION intents_guard();

-- What happened to an intent. The primary key makes a replay a no-op; the chain of hashes, one for
-- each user, shows a missing or altered row.
CREATE TABLE intent_events (
    username    text COLLATE "C" NOT NULL
        CONSTRAINT intent_events_username CHECK (username <> '' AND length(username) <= 50),
    intent_id   uuid        NOT NULL,
    seq         integer     NOT NULL CONSTRAINT intent_events_seq CHECK (seq > 0),
    event       text        NOT NULL CONSTRAINT intent_events_event CHECK (event <> ''),
    data        jsonb       NOT NULL,
    epoch       bigint      NOT NULL CONSTRAINT intent_events_epoch CHECK (epoch > 0),
    observed_at timestamptz NOT NULL,
    chain_seq   bigint      NOT NULL,
    prev_hash   bytea       NOT NULL,
    hash        bytea       NOT NULL,
    PRIMARY KEY (username, intent_id, seq),
    CONSTRAINT intent_events_chain UNIQUE (username, chain_seq),
    CONSTRAINT intent_events_intent FOREIGN KEY (username, intent_id) REFERENCES intents (username, intent_id)
);
COMMENT ON TABLE intent_events IS 'Append-only record of each intent, in a chain of hashes for each user.';
ALTER TABLE intent_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE intent_events FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON intent_events TO blotter_app
    USING (username = nullif(current_setting('app.username', true), ''))
    WITH CHECK (username = nullif(current_setting('app.username', true), ''));
GRANT SELECT, INSERT ON intent_events TO blotter_app;
GRANT SELECT ON intent_events TO blotter_backup;

CREATE FUNCTION intent_event_hash(e intent_events) RETURNS bytea
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT sha256(e.prev_hash || convert_to(jsonb_build_array(e.username, e.chain_seq, e.intent_id, e.seq, e.event, e.data,
        e.epoch, extract(epoch FROM e.observed_at))::text, 'UTF8'))
$$;
CREATE FUNCTION intent_events_chain() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- One at a time for each user, or the chain would fork.
    INSERT INTO blotter.user_heads (username) VALUES (NEW.username) ON CONFLICT (username) DO NOTHING;
    PERFORM 1 FROM blotter.user_heads WHERE username = NEW.username FOR UPDATE;
    SELECT chain_seq + 1, hash INTO NEW.chain_seq, NEW.prev_hash FROM blotter.intent_events
     WHERE username = NEW.username ORDER BY chain_seq DESC LIMIT 1;
    IF NOT FOUND THEN
        NEW.chain_seq := 1;
        NEW.prev_hash := '\x';
    END IF;
    NEW.hash := blotter.intent_event_hash(NEW);
    RETURN NEW;
END $$;
GRANT EXECUTE ON FUNCTION intent_event_hash(intent_events) TO blotter_app, blotter_backup;
CREATE TRIGGER intent_events_chain BEFORE INSERT ON intent_events FOR EACH ROW EXECUTE FUNCTION intent_events_chain();
CREATE TRIGGER intent_events_append_only BEFORE UPDATE OR DELETE ON intent_events
    FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER intent_events_no_truncate BEFORE TRUNCATE ON intent_events
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- Executions as differences of what the broker reports cumulatively.
CREATE TABLE fills (
    username        text COLLATE "C" NOT NULL
        CONSTRAINT fills_username CHECK (username <> '' AND length(username) <= 50),
    broker_order_id text COLLATE "C" NOT NULL CONSTRAINT fills_broker_order_id CHECK (broker_order_id <> ''),
    leg_id          text COLLATE "C" NOT NULL DEFAULT '',
    cum_qty         integer     NOT NULL CONSTRAINT fills_cum_qty CHECK (cum_qty > 0),
    inc_qty         integer     NOT NULL CONSTRAINT fills_inc_qty CHECK (inc_qty BETWEEN 1 AND cum_qty),
    -- Null until the broker says it.
    inc_px          numeric(16,8) CONSTRAINT fills_inc_px CHECK (inc_px >= 0),
    fee             numeric(12,4),
    trade_id        uuid        NOT NULL,
    intent_id       uuid,
    side            text        NOT NULL CONSTRAINT fills_side_known CHECK (side IN ('BUY', 'SELL')),
    observed_at     timestamptz NOT NULL,
    PRIMARY KEY (username, broker_order_id, leg_id, cum_qty),
    CONSTRAINT fills_trade FOREIGN KEY (username, trade_id) REFERENCES paper_trades (username, id),
    CONSTRAINT fills_intent FOREIGN KEY (username, intent_id) REFERENCES intents (username, intent_id)
);
COMMENT ON TABLE fills IS 'Executions, each once: the key is what the broker had executed so far.';
CREATE INDEX fills_of_trade ON fills (username, trade_id);
ALTER TABLE fills ENABLE ROW LEVEL SECURITY;
ALTER TABLE fills FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON fills TO blotter_app
    USING (username = nullif(current_setting('app.username', true), ''))
    WITH CHECK (username = nullif(current_setting('app.username', true), ''));
GRANT SELECT, INSERT, UPDATE (inc_px, fee) ON fills TO blotter_app;
GRANT SELECT ON fills TO blotter_backup;

-- A price or a fee that was missing may be filled in; nothing else.
CREATE FUNCTION fills_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (OLD.inc_px IS NOT NULL AND NEW.inc_px IS DISTINCT FROM OLD.inc_px)
       OR (OLD.fee IS NOT NULL AND NEW.fee IS DISTINCT FROM OLD.fee)
       OR to_jsonb(NEW) - 'inc_px' - 'fee' <> to_jsonb(OLD) - 'inc_px' - 'fee' THEN
        RAISE EXCEPTION 'a fill takes a missing price or fee and no other change' USING CONSTRAINT = 'fills_guard';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER fills_guard BEFORE UPDATE ON fills FOR EACH ROW EXECUTE FUNCTION fills_guard();
