-- What the trade engine reads back, exactly as it knew it. The columns of `paper_trades`, `intents`
-- and `fills` are for guards, indexes and readers; they are written in the same transaction.

CREATE TABLE trade_facts (
    username text COLLATE "C" NOT NULL
        CONSTRAINT trade_facts_username CHECK (username <> '' AND length(username) <= 50),
    trade_id uuid  NOT NULL,
    -- What never changes, what is wanted, what was found out.
    spec     jsonb NOT NULL,
    wish     jsonb NOT NULL,
    marks    jsonb NOT NULL,
    PRIMARY KEY (username, trade_id),
    CONSTRAINT trade_facts_trade FOREIGN KEY (username, trade_id) REFERENCES paper_trades (username, id)
);
COMMENT ON TABLE trade_facts IS 'What the engine knows of a trade.';
ALTER TABLE trade_facts ENABLE ROW LEVEL SECURITY;
ALTER TABLE trade_facts FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON trade_facts TO blotter_app
    USING (username = nullif(current_setting('app.username', true), ''))
    WITH CHECK (username = nullif(current_setting('app.username', true), ''));
GRANT SELECT, INSERT, UPDATE ON trade_facts TO blotter_app;
GRANT SELECT ON trade_facts TO blotter_backup;

CREATE TABLE account_facts (
    username   text COLLATE "C" NOT NULL
        CONSTRAINT account_facts_username CHECK (username <> '' AND length(username) <= 50),
    -- As in `leases`: the mode and the number, because a number may occur in two worlds.
    account    text COLLATE "C" NOT NULL CONSTRAINT account_facts_account CHECK (length(account) BETWEEN 1 AND 50),
    facts      jsonb       NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (username, account)
);
COMMENT ON TABLE account_facts IS 'What the engine knows of an account as a whole.';
ALTER TABLE account_facts ENABLE ROW LEVEL SECURITY;
ALTER TABLE account_facts FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON account_facts TO blotter_app
    USING (username = nullif(current_setting('app.username', true), ''))
    WITH CHECK (username = nullif(current_setting('app.username', true), ''));
GRANT SELECT, INSERT, UPDATE ON account_facts TO blotter_app;
GRANT SELECT ON account_facts TO blotter_backup;

-- Null in rows that no engine wrote.
ALTER TABLE intents ADD COLUMN facts jsonb;
-- It arrived after it was proven absent: the one live exit does not count it, or it could not be
-- taken up and cancelled while its successor works.
ALTER TABLE intents ADD COLUMN arrived_late boolean NOT NULL DEFAULT false;
DROP INDEX intents_one_live_exit;
CREATE UNIQUE INDEX intents_one_live_exit ON intents (username, account_id, option_symbol)
    WHERE op = 'PLACE' AND role <> 'ENTRY' AND NOT arrived_late
      AND state IN ('PREPARED', 'SENDING', 'ACKED', 'UNKNOWN', 'WORKING');

-- What a step cost or brought in price units, exact: averages of averages are not.
ALTER TABLE fills ADD COLUMN inc_value numeric(28,12);
