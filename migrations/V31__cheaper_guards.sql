-- What is recorded while a trader waits goes through guards and chains of hashes. They find and write the same as before,
-- with less work.

-- One expression each, bound to what it names when it is created: it needs no search_path of its own, and PostgreSQL puts it
-- into the statement that calls it, where it planned a query of its own for it in every transaction.
CREATE OR REPLACE FUNCTION trading_day(at timestamptz) RETURNS date LANGUAGE sql IMMUTABLE
RETURN ((at AT TIME ZONE 'America/New_York') + interval '6 hours')::date;

CREATE OR REPLACE FUNCTION trading_day_begins(day date) RETURNS timestamptz LANGUAGE sql IMMUTABLE
RETURN (day - interval '6 hours') AT TIME ZONE 'America/New_York';

CREATE OR REPLACE FUNCTION trade_move(was text, becomes text) RETURNS text LANGUAGE sql IMMUTABLE
RETURN CASE
    WHEN was = becomes THEN 'STAY'
    WHEN was = 'PENDING' AND becomes IN ('OPEN', 'PARTIAL', 'FILLED', 'VOID', 'REJECTED', 'CANCELED') THEN 'STEP'
    WHEN was = 'OPEN' AND becomes IN ('PARTIAL', 'FILLED', 'CLOSING', 'VOID', 'REJECTED', 'CANCELED') THEN 'STEP'
    WHEN was = 'PARTIAL' AND becomes IN ('FILLED', 'CLOSING', 'CLOSED') THEN 'STEP'
    WHEN was = 'FILLED' AND becomes IN ('CLOSING', 'CLOSED') THEN 'STEP'
    WHEN was = 'CLOSING' AND becomes IN ('FILLED', 'CLOSED', 'VOID', 'REJECTED', 'CANCELED') THEN 'STEP'
    WHEN was IN ('CLOSED', 'VOID', 'REJECTED', 'CANCELED') AND becomes = 'FILLED' THEN 'REOPEN'
END;

CREATE OR REPLACE FUNCTION intent_move(op text, was text, becomes text) RETURNS text LANGUAGE sql IMMUTABLE
RETURN CASE
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
END;

CREATE OR REPLACE FUNCTION hash_on(before bytea, said bytea) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN sha256(before || said);

-- Called stable, as what they are made of is: only so are they put into the statement.
CREATE OR REPLACE FUNCTION trade_event_said(e trade_events) RETURNS bytea LANGUAGE sql STABLE
RETURN convert_to(jsonb_build_array(e.username, e.trade_id, e.seq, e.kind, e.data, extract(epoch FROM e.at))::text, 'UTF8');

CREATE OR REPLACE FUNCTION intent_event_hash(e intent_events) RETURNS bytea LANGUAGE sql STABLE
RETURN sha256(e.prev_hash || convert_to(jsonb_build_array(e.username, e.chain_seq, e.intent_id, e.seq, e.event, e.data,
    e.epoch, extract(epoch FROM e.observed_at))::text, 'UTF8'));

CREATE OR REPLACE FUNCTION audit_hash(a audit_log) RETURNS bytea LANGUAGE sql STABLE
RETURN sha256(a.prev_hash || convert_to(jsonb_build_array(a.username, a.seq, a.action, a.subject, a.device, a.detail,
    extract(epoch FROM a.at))::text, 'UTF8'));

-- As V4 has it. A row that is not locked, with nothing changed of what is fixed or set once, is not taken apart for the names
-- of its columns: nothing would be done with them.
CREATE OR REPLACE FUNCTION paper_trades_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    move text := blotter.trade_move(OLD.status, NEW.status);
BEGIN
    IF move IS NULL THEN
        RAISE EXCEPTION 'a trade does not go from % to %', OLD.status, NEW.status USING CONSTRAINT = 'trade_move';
    END IF;
    -- Ruling (c): trade_reopen runs as blotter_owner; nobody else gets here with that name.
    IF move = 'REOPEN' AND current_user <> 'blotter_owner' THEN
        RAISE EXCEPTION 'a closed trade is opened again by trade_reopen alone' USING CONSTRAINT = 'trade_reopen';
    END IF;
    IF OLD.is_locked
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
            NEW.signals_snapshot, NEW.market_regime, NEW.order_book_state, NEW.ai_reasoning_log) THEN
        DECLARE
            fixed CONSTANT text[] := ARRAY['username', 'id', 'number', 'idempotency_key', 'broker_mode', 'account_id',
                'ticker', 'option_symbol', 'option_type', 'strike', 'expiry', 'multiplier', 'qty', 'created_at'];
            once CONSTANT text[] := ARRAY['mid_at_submit', 'initial_sl', 'initial_tp', 'initial_risk', 'strategy',
                'card_score', 'ai_score', 'ai_verdict', 'gate_verdict', 'technical_score', 'sentiment_score',
                'delta_at_entry', 'gamma_at_entry', 'theta_at_entry', 'vega_at_entry', 'iv_at_entry', 'signals_snapshot',
                'market_regime', 'order_book_state', 'ai_reasoning_log'];
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
        BEGIN
            SELECT coalesce(array_agg(key), '{}') INTO changed FROM jsonb_each(becomes) WHERE value IS DISTINCT FROM was -> key;
            -- A generated column is not computed yet in a BEFORE trigger.
            changed := array_remove(changed, 'is_locked');
            IF OLD.is_locked AND move <> 'REOPEN' THEN
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
        END;
    END IF;
    IF NEW.version < OLD.version THEN
        RAISE EXCEPTION 'the version of a trade never runs backwards' USING CONSTRAINT = 'paper_trades_version_guard';
    END IF;
    RETURN NEW;
END $$;

-- Small tables that change all the time: fifty changes are a minute's, and each time they are looked through every plan
-- that knows them is made anew, while somebody waits. Their rows are found by their keys, whatever the statistics say.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['account_facts', 'alarms', 'change_feed', 'commands', 'fills', 'intent_events', 'intents',
        'leases', 'paper_trades', 'trade_events', 'trade_facts', 'user_heads', 'user_settings'] LOOP
        EXECUTE format('ALTER TABLE %I SET (autovacuum_vacuum_threshold = 2000, autovacuum_analyze_threshold = 2000)', name);
    END LOOP;
END $$;
