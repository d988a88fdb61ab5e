-- What a user has exactly one of: counters, settings; and one row for each device.

-- Counters per user. The row is locked by whoever takes the next number, so that numbers have no
-- gaps and their order is the order of commits.
CREATE TABLE user_heads (
    username     text COLLATE "C" PRIMARY KEY
        CONSTRAINT user_heads_username CHECK (username <> '' AND length(username) <= 50),
    trade_number integer NOT NULL DEFAULT 0 CONSTRAINT user_heads_trade_number CHECK (trade_number >= 0),
    change_seq   bigint  NOT NULL DEFAULT 0 CONSTRAINT user_heads_change_seq CHECK (change_seq >= 0)
);
COMMENT ON TABLE user_heads IS 'The last trade number and change-feed sequence of each user.';
ALTER TABLE user_heads ENABLE ROW LEVEL SECURITY;
ALTER TABLE user_heads FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON user_heads TO blotter_app
    USING (username = nullif(current_setting('app.username', true), ''))
    WITH CHECK (username = nullif(current_setting('app.username', true), ''));
GRANT SELECT, INSERT, UPDATE ON user_heads TO blotter_app;
GRANT SELECT ON user_heads TO blotter_backup;

-- Counters never run backwards.
CREATE FUNCTION user_heads_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.username <> OLD.username OR NEW.trade_number < OLD.trade_number OR NEW.change_seq < OLD.change_seq THEN
        RAISE EXCEPTION 'a counter never runs backwards' USING CONSTRAINT = 'user_heads_guard';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER user_heads_guard BEFORE UPDATE ON user_heads FOR EACH ROW EXECUTE FUNCTION user_heads_guard();

-- Tokens are sealed by the daemon before they come here; the key is never in the database.
CREATE TABLE user_settings (
    username           text COLLATE "C" PRIMARY KEY
        CONSTRAINT user_settings_username CHECK (username <> '' AND length(username) <= 50),
    version            bigint        NOT NULL DEFAULT 1 CONSTRAINT user_settings_version CHECK (version >= 1),
    broker_mode        text          NOT NULL DEFAULT 'SANDBOX'
        CONSTRAINT user_settings_broker_mode_known CHECK (broker_mode IN ('SIM', 'SANDBOX', 'LIVE')),
    tradier_sandbox_token bytea CONSTRAINT user_settings_sandbox_token CHECK (octet_length(tradier_sandbox_token) BETWEEN 1 AND 4096),
    tradier_live_token    bytea CONSTRAINT user_settings_live_token CHECK (octet_length(tradier_live_token) BETWEEN 1 AND 4096),
    orats_token           bytea CONSTRAINT user_settings_orats_token CHECK (octet_length(orats_token) BETWEEN 1 AND 4096),
    tradier_sandbox_account_id text CONSTRAINT user_settings_sandbox_account CHECK (length(tradier_sandbox_account_id) BETWEEN 1 AND 50),
    tradier_live_account_id    text CONSTRAINT user_settings_live_account CHECK (length(tradier_live_account_id) BETWEEN 1 AND 50),
    -- The account of the mode that new entries go to.
    tradier_account_id text GENERATED ALWAYS AS (
        CASE broker_mode WHEN 'LIVE' THEN tradier_live_account_id WHEN 'SANDBOX' THEN tradier_sandbox_account_id END) STORED,
    account_balance    numeric(12,2) NOT NULL DEFAULT 5000
        CONSTRAINT user_settings_account_balance CHECK (account_balance BETWEEN 0 AND 1000000000),
    max_positions      integer       NOT NULL DEFAULT 5
        CONSTRAINT user_settings_max_positions CHECK (max_positions BETWEEN 0 AND 10000),
    daily_loss_limit   numeric(12,2) NOT NULL DEFAULT 150
        CONSTRAINT user_settings_daily_loss_limit CHECK (daily_loss_limit BETWEEN 0 AND 1000000000),
    heat_limit_pct     numeric(5,2)  NOT NULL DEFAULT 6
        CONSTRAINT user_settings_heat_limit_pct CHECK (heat_limit_pct BETWEEN 0 AND 100),
    auto_refresh       boolean       NOT NULL DEFAULT true,
    created_date       timestamptz   NOT NULL,
    updated_date       timestamptz   NOT NULL
);
COMMENT ON TABLE user_settings IS 'Settings and sealed tokens, one row a user.';
ALTER TABLE user_settings ENABLE ROW LEVEL SECURITY;
ALTER TABLE user_settings FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON user_settings TO blotter_app
    USING (username = nullif(current_setting('app.username', true), ''))
    WITH CHECK (username = nullif(current_setting('app.username', true), ''));
CREATE POLICY all_users ON user_settings FOR SELECT TO blotter_system USING (true);
GRANT SELECT, INSERT, UPDATE ON user_settings TO blotter_app;
GRANT SELECT (username, broker_mode) ON user_settings TO blotter_system;
GRANT SELECT ON user_settings TO blotter_backup;

-- What each device of a user has seen of the change feed.
CREATE TABLE device_sync (
    username     text COLLATE "C" NOT NULL
        CONSTRAINT device_sync_username CHECK (username <> '' AND length(username) <= 50),
    device       text COLLATE "C" NOT NULL CONSTRAINT device_sync_device CHECK (length(device) BETWEEN 1 AND 64),
    last_sync_at timestamptz NOT NULL,
    last_seq     bigint      NOT NULL CONSTRAINT device_sync_last_seq CHECK (last_seq >= 0),
    PRIMARY KEY (username, device)
);
COMMENT ON TABLE device_sync IS 'The last sync of each device.';
CREATE INDEX device_sync_newest ON device_sync (username, last_sync_at DESC);
ALTER TABLE device_sync ENABLE ROW LEVEL SECURITY;
ALTER TABLE device_sync FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON device_sync TO blotter_app
    USING (username = nullif(current_setting('app.username', true), ''))
    WITH CHECK (username = nullif(current_setting('app.username', true), ''));
GRANT SELECT, INSERT, UPDATE ON device_sync TO blotter_app;
GRANT SELECT ON device_sync TO blotter_backup;
