-- What the nightly job finds beyond the four figures of the papers, which are columns of paper_trades.

CREATE TABLE trade_forensics (
    username    text COLLATE "C" NOT NULL
        CONSTRAINT trade_forensics_username CHECK (username <> '' AND length(username) <= 50),
    trade_id    uuid        NOT NULL,
    -- Which formulas; a later version replaces an earlier one's figures.
    version     integer     NOT NULL CONSTRAINT trade_forensics_version CHECK (version > 0),
    -- At the bid: what could have been had. The papers' figures are at the middle.
    pnl_15m_bid numeric(16,4),
    pnl_1h_bid  numeric(16,4),
    mfe_bid_pct numeric(12,4) CONSTRAINT trade_forensics_mfe_bid_pct CHECK (mfe_bid_pct >= 0),
    mae_bid_pct numeric(12,4) CONSTRAINT trade_forensics_mae_bid_pct CHECK (mae_bid_pct >= 0),
    -- When the best and the worst were, at the middle.
    mfe_at      timestamptz,
    mae_at      timestamptz,
    -- The result in percent of the best that there was.
    exit_efficiency_pct     numeric(12,4),
    exit_efficiency_bid_pct numeric(12,4),
    -- What the two hours after the exit would still have brought, in percent of the entry cost.
    post_exit_mfe_pct     numeric(12,4) CONSTRAINT trade_forensics_post_exit_mfe_pct CHECK (post_exit_mfe_pct >= 0),
    post_exit_mfe_bid_pct numeric(12,4) CONSTRAINT trade_forensics_post_exit_mfe_bid_pct CHECK (post_exit_mfe_bid_pct >= 0),
    -- How much of the hold time is covered by own prices alone; target_coverage_pct counts bars, too.
    own_coverage_pct numeric(5,2) CONSTRAINT trade_forensics_own_coverage_pct CHECK (own_coverage_pct BETWEEN 0 AND 100),
    own_points  integer     NOT NULL CONSTRAINT trade_forensics_own_points CHECK (own_points >= 0),
    bar_points  integer     NOT NULL CONSTRAINT trade_forensics_bar_points CHECK (bar_points >= 0),
    PRIMARY KEY (username, trade_id),
    CONSTRAINT trade_forensics_trade FOREIGN KEY (username, trade_id) REFERENCES paper_trades (username, id)
);
COMMENT ON TABLE trade_forensics IS 'What a closed trade might have brought.';
ALTER TABLE trade_forensics ENABLE ROW LEVEL SECURITY;
ALTER TABLE trade_forensics FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON trade_forensics TO blotter_app
    USING (username = nullif(current_setting('app.username', true), ''))
    WITH CHECK (username = nullif(current_setting('app.username', true), ''));
GRANT SELECT, INSERT, UPDATE ON trade_forensics TO blotter_app;
GRANT SELECT ON trade_forensics TO blotter_backup;
