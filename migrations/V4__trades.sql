-- The book: paper_trades, what may become of a trade, and the record of what did.
--
-- The name is the seeds'; every broker mode is in here.

CREATE TABLE paper_trades (
    username        text COLLATE "C" NOT NULL
        CONSTRAINT paper_trades_username CHECK (username <> '' AND length(username) <= 50),
    id              uuid        NOT NULL,
    -- What people call it: #12, counted per user, never reused.
    number          integer     NOT NULL CONSTRAINT paper_trades_number CHECK (number > 0),
    idempotency_key text COLLATE "C" CONSTRAINT paper_trades_idempotency_key CHECK (length(idempotency_key) BETWEEN 1 AND 128),

    -- Where it trades. Never changed.
    broker_mode     text        NOT NULL
        CONSTRAINT paper_trades_broker_mode_known CHECK (broker_mode IN ('SIM', 'SANDBOX', 'LIVE')),
    account_id      text COLLATE "C" NOT NULL CONSTRAINT paper_trades_account_id CHECK (length(account_id) BETWEEN 1 AND 50),

    -- What it trades. Never changed.
    ticker          text COLLATE "C" NOT NULL CONSTRAINT paper_trades_ticker CHECK (length(ticker) BETWEEN 1 AND 10),
    option_symbol   text COLLATE "C" NOT NULL
        CONSTRAINT paper_trades_option_symbol CHECK (option_symbol ~ '^[A-Z0-9]{1,6}[0-9]{6}[CP][0-9]{8}$'),
    option_type     text        NOT NULL
        CONSTRAINT paper_trades_option_type_known CHECK (option_type IN ('CALL', 'PUT')),
    strike          numeric(12,4) NOT NULL CONSTRAINT paper_trades_strike CHECK (strike > 0),
    expiry          date        NOT NULL,
    multiplier      integer     NOT NULL DEFAULT 100 CONSTRAINT paper_trades_multiplier CHECK (multiplier BETWEEN 1 AND 10000),
    qty             integer     NOT NULL DEFAULT 1 CONSTRAINT paper_trades_qty CHECK (qty BETWEEN 1 AND 100000),

    -- The entry.
    entry_date      timestamptz NOT NULL,
    entry_price     numeric(12,4) CONSTRAINT paper_trades_entry_price CHECK (entry_price >= 0),
    mid_at_submit   numeric(12,4) CONSTRAINT paper_trades_mid_at_submit CHECK (mid_at_submit >= 0),
    initial_sl      numeric(12,4) CONSTRAINT paper_trades_initial_sl CHECK (initial_sl > 0),
    initial_tp      numeric(12,4) CONSTRAINT paper_trades_initial_tp CHECK (initial_tp > 0),
    initial_risk    numeric(16,4) CONSTRAINT paper_trades_initial_risk CHECK (initial_risk >= 0),

    -- What is wanted. version grows with each accepted command and with nothing else.
    version         bigint      NOT NULL DEFAULT 1 CONSTRAINT paper_trades_version CHECK (version >= 1),
    desired         text        NOT NULL DEFAULT 'HOLD'
        CONSTRAINT paper_trades_desired_known CHECK (desired IN ('HOLD', 'FLAT')),
    desired_qty     integer     NOT NULL,
    sl_price        numeric(12,4) CONSTRAINT paper_trades_sl_price CHECK (sl_price > 0),
    tp_price        numeric(12,4) CONSTRAINT paper_trades_tp_price CHECK (tp_price > 0),
    close_limit     numeric(12,4) CONSTRAINT paper_trades_close_limit CHECK (close_limit > 0),
    close_at_open   boolean     NOT NULL DEFAULT false,
    override_count  integer     NOT NULL DEFAULT 0 CONSTRAINT paper_trades_override_count CHECK (override_count >= 0),

    -- What is there.
    status          text        NOT NULL DEFAULT 'PENDING'
        CONSTRAINT paper_trades_status_known CHECK (status IN
            ('PENDING', 'OPEN', 'PARTIAL', 'FILLED', 'CLOSING', 'CLOSED', 'VOID', 'REJECTED', 'CANCELED')),
    is_locked       boolean     GENERATED ALWAYS AS (status IN ('CLOSED', 'VOID', 'REJECTED', 'CANCELED')) STORED,
    held_qty        integer     NOT NULL DEFAULT 0 CONSTRAINT paper_trades_held_qty CHECK (held_qty BETWEEN 0 AND 100000),
    external_qty    integer     NOT NULL DEFAULT 0,
    protection      text        NOT NULL DEFAULT 'N/A'
        CONSTRAINT paper_trades_protection_known CHECK (protection IN ('N/A', 'NAKED', 'CONFIRMED', 'UNKNOWN')),
    -- The version whose stop and target were seen working, and these.
    good_version    bigint      CONSTRAINT paper_trades_good_version CHECK (good_version >= 1),
    good_sl         numeric(12,4) CONSTRAINT paper_trades_good_sl CHECK (good_sl > 0),
    good_tp         numeric(12,4) CONSTRAINT paper_trades_good_tp CHECK (good_tp > 0),
    naked_since     timestamptz,
    last_verified_at timestamptz,
    quarantine_reason text      CONSTRAINT paper_trades_quarantine_reason CHECK (quarantine_reason <> ''),
    quarantine_at   timestamptz,

    -- Orders at the broker, as people look for them there; the ledger of record is `intents`.
    tradier_order_id    text,
    tradier_sl_order_id text,
    tradier_tp_order_id text,
    trigger_precision   text    NOT NULL DEFAULT 'BROKER_FILL'
        CONSTRAINT paper_trades_trigger_precision_known CHECK (trigger_precision IN ('BROKER_FILL', 'ESTIMATED')),
    broker_fill_price   numeric(12,4) CONSTRAINT paper_trades_broker_fill_price CHECK (broker_fill_price >= 0),
    broker_fill_time    timestamptz,

    -- What it is worth.
    current_price   numeric(12,4) CONSTRAINT paper_trades_current_price CHECK (current_price >= 0),
    last_updated    timestamptz,
    unrealized_pnl  numeric(16,4),
    -- Percent of the entry cost.
    max_drawdown    numeric(12,4),
    max_gain        numeric(12,4),

    -- How it ended.
    close_price     numeric(12,4) CONSTRAINT paper_trades_close_price CHECK (close_price >= 0),
    close_date      timestamptz,
    close_reason    text
        CONSTRAINT paper_trades_close_reason_known CHECK (close_reason IN
            ('TP_HIT', 'SL_HIT', 'MANUAL_CLOSE', 'EXPIRED', 'EXPIRED_UNCONFIRMED', 'EXERCISED', 'EXTERNAL',
             'EXTERNAL_UNEXPLAINED', 'EMERGENCY', 'SANDBOX_RESET')),
    fees            numeric(12,4),
    realized_pnl    numeric(16,4),
    realized_pnl_pct numeric(12,4),
    r_multiple      numeric(12,4),
    hold_duration_h numeric(12,4) CONSTRAINT paper_trades_hold_duration_h CHECK (hold_duration_h >= 0),

    -- What the scanner and the market said at entry. Set once.
    strategy        text        CONSTRAINT paper_trades_strategy CHECK (length(strategy) <= 20),
    card_score      numeric(12,4),
    ai_score        numeric(12,4),
    ai_verdict      text        CONSTRAINT paper_trades_ai_verdict CHECK (length(ai_verdict) <= 20),
    gate_verdict    text        CONSTRAINT paper_trades_gate_verdict CHECK (length(gate_verdict) <= 20),
    technical_score numeric(12,4),
    sentiment_score numeric(12,4),
    delta_at_entry  numeric(12,6),
    gamma_at_entry  numeric(12,6),
    theta_at_entry  numeric(12,6),
    vega_at_entry   numeric(12,6),
    iv_at_entry     numeric(12,6),
    signals_snapshot jsonb,
    market_regime   jsonb,
    order_book_state jsonb,
    ai_reasoning_log jsonb,

    -- What the nightly forensic job finds.
    target_pnl_15m  numeric(16,4),
    target_pnl_1h   numeric(16,4),
    target_mfe_pct  numeric(12,4),
    target_mae_pct  numeric(12,4),
    target_coverage_pct numeric(5,2) CONSTRAINT paper_trades_target_coverage_pct CHECK (target_coverage_pct BETWEEN 0 AND 100),
    forensic_at     timestamptz,

    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,

    PRIMARY KEY (username, id),
    CONSTRAINT paper_trades_one_per_number UNIQUE (username, number),
    CONSTRAINT paper_trades_one_per_key UNIQUE (username, idempotency_key),
    CONSTRAINT paper_trades_desired_qty CHECK
        (CASE desired WHEN 'FLAT' THEN desired_qty = 0 ELSE desired_qty BETWEEN 1 AND qty END),
    CONSTRAINT paper_trades_stop_below_target CHECK (sl_price < tp_price),
    CONSTRAINT paper_trades_good CHECK (good_version IS NOT NULL OR (good_sl IS NULL AND good_tp IS NULL)),
    CONSTRAINT paper_trades_quarantine CHECK ((quarantine_reason IS NULL) = (quarantine_at IS NULL)),
    -- "Nothing to protect" is said exactly when nothing is held.
    CONSTRAINT paper_trades_protection CHECK ((protection = 'N/A') = (held_qty = 0)),
    CONSTRAINT paper_trades_naked CHECK (naked_since IS NULL OR held_qty > 0),
    CONSTRAINT paper_trades_nothing_held CHECK
        (held_qty = 0 OR status IN ('PARTIAL', 'FILLED', 'CLOSING')),
    CONSTRAINT paper_trades_end CHECK
        ((status IN ('CLOSED', 'VOID', 'REJECTED', 'CANCELED')) = (close_date IS NOT NULL)),
    -- Only a position has a reason for being gone.
    CONSTRAINT paper_trades_reason CHECK ((status = 'CLOSED') = (close_reason IS NOT NULL)),
    CONSTRAINT paper_trades_price_age CHECK (current_price IS NULL OR last_updated IS NOT NULL)
);
COMMENT ON TABLE paper_trades IS 'Trades of every broker mode, from the wish to the last fill.';

-- At most one live trade for an account and a symbol: the broker nets positions.
CREATE UNIQUE INDEX paper_trades_one_live ON paper_trades (username, account_id, option_symbol)
    WHERE status IN ('PENDING', 'OPEN', 'PARTIAL', 'FILLED', 'CLOSING');
-- The open list in its order, and the closed list in its order.
CREATE INDEX paper_trades_open ON paper_trades (username, number)
    WHERE status IN ('PENDING', 'OPEN', 'PARTIAL', 'FILLED', 'CLOSING');
CREATE INDEX paper_trades_closed ON paper_trades (username, close_date DESC, id DESC)
    WHERE status IN ('CLOSED', 'VOID', 'REJECTED', 'CANCELED');

ALTER TABLE paper_trades ENABLE ROW LEVEL SECURITY;
ALTER TABLE paper_trades FORCE ROW LEVEL SECURITY;
-- blotter_owner is here for trade_reopen alone; it, too, needs an identity.
CREATE POLICY own_rows ON paper_trades TO blotter_app, blotter_owner
    USING (username = nullif(current_setting('app.username', true), ''))
    WITH CHECK (username = nullif(current_setting('app.username', true), ''));
CREATE POLICY all_users ON paper_trades FOR SELECT TO blotter_system USING (true);
GRANT SELECT, INSERT, UPDATE ON paper_trades TO blotter_app;
GRANT SELECT (username, id, broker_mode, account_id, option_symbol, expiry, status, held_qty, protection, naked_since,
              last_verified_at, quarantine_at) ON paper_trades TO blotter_system;
GRANT SELECT ON paper_trades TO blotter_backup;

-- What happened to a trade, written by the guards below: nobody can forget it.
CREATE TABLE trade_events (
    username text COLLATE "C" NOT NULL
        CONSTRAINT trade_events_username CHECK (username <> '' AND length(username) <= 50),
    trade_id uuid        NOT NULL,
    seq      bigint      NOT NULL CONSTRAINT trade_events_seq CHECK (seq > 0),
    kind     text        NOT NULL
        CONSTRAINT trade_events_kind_known CHECK (kind IN ('CREATED', 'STATUS', 'REOPENED', 'AMENDED')),
    data     jsonb       NOT NULL,
    at       timestamptz NOT NULL,
    PRIMARY KEY (username, trade_id, seq),
    CONSTRAINT trade_events_trade FOREIGN KEY (username, trade_id) REFERENCES paper_trades (username, id)
);
COMMENT ON TABLE trade_events IS 'Every change of status, and every change of a closed trade.';
ALTER TABLE trade_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE trade_events FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON trade_events TO blotter_app, blotter_owner
    USING (username = nullif(current_setting('app.username', true), ''))
    WITH CHECK (username = nullif(current_setting('app.username', true), ''));
GRANT SELECT, INSERT ON trade_events TO blotter_app;
GRANT SELECT ON trade_events TO blotter_backup;
CREATE TRIGGER trade_events_append_only BEFORE UPDATE OR DELETE ON trade_events
    FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER trade_events_no_truncate BEFORE TRUNCATE ON trade_events
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- The table of transitions. daemon/src/trades/state.rs is its twin; a test compares every pair.
-- NULL: not allowed.
CREATE FUNCTION trade_move(was text, becomes text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE
        WHEN was = becomes THEN 'STAY'
        WHEN was = 'PENDING' AND becomes IN ('OPEN', 'PARTIAL', 'FILLED', 'VOID', 'REJECTED', 'CANCELED') THEN 'STEP'
        WHEN was = 'OPEN' AND becomes IN ('PARTIAL', 'FILLED', 'CLOSING', 'VOID', 'REJECTED', 'CANCELED') THEN 'STEP'
        WHEN was = 'PARTIAL' AND becomes IN ('FILLED', 'CLOSING', 'CLOSED') THEN 'STEP'
        WHEN was = 'FILLED' AND becomes IN ('CLOSING', 'CLOSED') THEN 'STEP'
        WHEN was = 'CLOSING' AND becomes IN ('FILLED', 'CLOSED', 'VOID', 'REJECTED', 'CANCELED') THEN 'STEP'
        WHEN was IN ('CLOSED', 'VOID', 'REJECTED', 'CANCELED') AND becomes = 'FILLED' THEN 'REOPEN'
    END
$$;

-- A trade begins as PENDING.
CREATE FUNCTION paper_trades_begin() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.status <> 'PENDING' THEN
        RAISE EXCEPTION 'a trade begins as PENDING, not as %', NEW.status USING CONSTRAINT = 'paper_trades_begin';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER paper_trades_begin BEFORE INSERT ON paper_trades FOR EACH ROW EXECUTE FUNCTION paper_trades_begin();

-- What may be done to a trade: transitions, what is fixed for ever, what is set once, and what a
-- locked row still takes.
CREATE FUNCTION paper_trades_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    fixed CONSTANT text[] := ARRAY['username', 'id', 'number', 'idempotency_key', 'broker_mode', 'account_id', 'ticker',
        'option_symbol', 'option_type', 'strike', 'expiry', 'multiplier', 'qty', 'created_at'];
    once CONSTANT text[] := ARRAY['mid_at_submit', 'initial_sl', 'initial_tp', 'initial_risk', 'strategy', 'card_score',
        'ai_score', 'ai_verdict', 'gate_verdict', 'technical_score', 'sentiment_score', 'delta_at_entry', 'gamma_at_entry',
        'theta_at_entry', 'vega_at_entry', 'iv_at_entry', 'signals_snapshot', 'market_regime', 'order_book_state',
        'ai_reasoning_log'];
    -- Ruling (a): what the forensic job finds.
    forensic CONSTANT text[] := ARRAY['target_pnl_15m', 'target_pnl_1h', 'target_mfe_pct', 'target_mae_pct',
        'target_coverage_pct', 'forensic_at', 'updated_at'];
    -- Ruling (b): prices and fees that the broker reports late, and what follows from them.
    late CONSTANT text[] := ARRAY['entry_price', 'broker_fill_price', 'broker_fill_time', 'close_price', 'fees'];
    derived CONSTANT text[] := ARRAY['realized_pnl', 'realized_pnl_pct', 'r_multiple'];
    was jsonb := to_jsonb(OLD);
    becomes jsonb := to_jsonb(NEW);
    changed text[];
    col text;
    move text := blotter.trade_move(OLD.status, NEW.status);
BEGIN
    SELECT coalesce(array_agg(key), '{}') INTO changed FROM jsonb_each(becomes) WHERE value IS DISTINCT FROM was -> key;
    -- A generated column is not computed yet in a BEFORE trigger.
    changed := array_remove(changed, 'is_locked');

    IF move IS NULL THEN
        RAISE EXCEPTION 'a trade does not go from % to %', OLD.status, NEW.status USING CONSTRAINT = 'trade_move';
    END IF;
    IF move = 'REOPEN' THEN
        -- Ruling (c): trade_reopen runs as blotter_owner; nobody else gets here with that name.
        IF current_user <> 'blotter_owner' THEN
            RAISE EXCEPTION 'a closed trade is opened again by trade_reopen alone' USING CONSTRAINT = 'trade_reopen';
        END IF;
    ELSIF OLD.status IN ('CLOSED', 'VOID', 'REJECTED', 'CANCELED') THEN
        FOREACH col IN ARRAY changed LOOP
            CONTINUE WHEN col = ANY (forensic);
            CONTINUE WHEN col = ANY (late) AND was -> col = 'null';
            CONTINUE WHEN col = ANY (derived) AND (was -> col = 'null' OR EXISTS (
                SELECT FROM unnest(late) AS l WHERE l = ANY (changed) AND was -> l = 'null'));
            RAISE EXCEPTION 'a closed trade is locked: % is not to be changed', col USING CONSTRAINT = 'paper_trades_locked';
        END LOOP;
    END IF;
    IF changed && fixed THEN
        RAISE EXCEPTION 'of a trade % never changes', (SELECT string_agg(c, ', ') FROM unnest(changed) AS c WHERE c = ANY (fixed))
            USING CONSTRAINT = 'paper_trades_fixed';
    END IF;
    FOREACH col IN ARRAY once LOOP
        IF col = ANY (changed) AND was -> col <> 'null' THEN
            RAISE EXCEPTION 'of a trade % is set once', col USING CONSTRAINT = 'paper_trades_once';
        END IF;
    END LOOP;
    IF NEW.version < OLD.version THEN
        RAISE EXCEPTION 'the version of a trade never runs backwards' USING CONSTRAINT = 'paper_trades_version_guard';
    END IF;
    RETURN NEW;
END $$;
-- New prices, the commonest update by far, pass without the function being called.
CREATE TRIGGER paper_trades_guard BEFORE UPDATE ON paper_trades FOR EACH ROW
    WHEN (OLD.is_locked OR OLD.status IS DISTINCT FROM NEW.status OR OLD.version IS DISTINCT FROM NEW.version
        OR (OLD.username, OLD.id, OLD.number, OLD.idempotency_key, OLD.broker_mode, OLD.account_id, OLD.ticker,
            OLD.option_symbol, OLD.option_type, OLD.strike, OLD.expiry, OLD.multiplier, OLD.qty, OLD.created_at,
            OLD.mid_at_submit, OLD.initial_sl, OLD.initial_tp, OLD.initial_risk, OLD.strategy, OLD.card_score,
            OLD.ai_score, OLD.ai_verdict, OLD.gate_verdict, OLD.technical_score, OLD.sentiment_score,
            OLD.delta_at_entry, OLD.gamma_at_entry, OLD.theta_at_entry, OLD.vega_at_entry, OLD.iv_at_entry,
            OLD.signals_snapshot, OLD.market_regime, OLD.order_book_state, OLD.ai_reasoning_log)
           IS DISTINCT FROM
           (NEW.username, NEW.id, NEW.number, NEW.idempotency_key, NEW.broker_mode, NEW.account_id, NEW.ticker,
            NEW.option_symbol, NEW.option_type, NEW.strike, NEW.expiry, NEW.multiplier, NEW.qty, NEW.created_at,
            NEW.mid_at_submit, NEW.initial_sl, NEW.initial_tp, NEW.initial_risk, NEW.strategy, NEW.card_score,
            NEW.ai_score, NEW.ai_verdict, NEW.gate_verdict, NEW.technical_score, NEW.sentiment_score,
            NEW.delta_at_entry, NEW.gamma_at_entry, NEW.theta_at_entry, NEW.vega_at_entry, NEW.iv_at_entry,
            NEW.signals_snapshot, NEW.market_regime, NEW.order_book_state, NEW.ai_reasoning_log))
    EXECUTE FUNCTION paper_trades_guard();

-- Writes the record. The trade's row is locked by the update, so seq has no race.
CREATE FUNCTION paper_trades_record() RETURNS trigger
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
    SELECT NEW.username, NEW.id, coalesce(max(seq), 0) + 1, event_kind, event_data, clock_timestamp()
      FROM blotter.trade_events WHERE username = NEW.username AND trade_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER paper_trades_record_new AFTER INSERT ON paper_trades
    FOR EACH ROW EXECUTE FUNCTION paper_trades_record();
CREATE TRIGGER paper_trades_record AFTER UPDATE ON paper_trades
    FOR EACH ROW WHEN (OLD.is_locked OR OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION paper_trades_record();

-- A fill came for a trade that was at its end: it is open again, naked, and somebody must be told.
-- The only way out of an end. Bound to the caller's identity like everything else.
CREATE FUNCTION trade_reopen(trade uuid, held integer, seen_at timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE blotter.paper_trades
       SET status = 'FILLED', held_qty = held, protection = 'NAKED', naked_since = seen_at,
           close_date = NULL, close_reason = NULL, close_price = NULL, realized_pnl = NULL, realized_pnl_pct = NULL,
           r_multiple = NULL, hold_duration_h = NULL, updated_at = seen_at
     WHERE id = trade AND username = nullif(current_setting('app.username', true), '')
       AND status IN ('CLOSED', 'VOID', 'REJECTED', 'CANCELED');
    RETURN FOUND;
END $$;

REVOKE ALL ON FUNCTION trade_reopen(uuid, integer, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trade_reopen(uuid, integer, timestamptz), trade_move(text, text) TO blotter_app;
