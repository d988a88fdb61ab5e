-- Limits that the terminal cannot talk its way past, and the kill switch.
ALTER TABLE user_settings
    -- Risk of one trade, in percent of equity.
    ADD COLUMN trade_risk_pct numeric(5,2) NOT NULL DEFAULT 2
        CONSTRAINT user_settings_trade_risk_pct CHECK (trade_risk_pct BETWEEN 0 AND 100),
    -- After so many losses in a row nothing is opened for so long; 0: never mind.
    ADD COLUMN cooldown_losses integer NOT NULL DEFAULT 3
        CONSTRAINT user_settings_cooldown_losses CHECK (cooldown_losses BETWEEN 0 AND 100),
    ADD COLUMN cooldown_min integer NOT NULL DEFAULT 30
        CONSTRAINT user_settings_cooldown_min CHECK (cooldown_min BETWEEN 0 AND 1440),
    -- The kill switch: no entries; exits are left alone.
    ADD COLUMN entries_stopped boolean NOT NULL DEFAULT false,
    -- What was in force when limits were last changed, and in which trading day that was: until its
    -- end the stricter of both counts.
    ADD COLUMN limits_before jsonb,
    ADD COLUMN limits_day date,
    ADD CONSTRAINT user_settings_limits CHECK ((limits_before IS NULL) = (limits_day IS NULL));
