-- What a chart of many days draws of one lies beside the packed day: a year's chart need not read every price of it.
-- None: the day was packed before there were outlines, and gets one when prices are tidied.
ALTER TABLE price_days ADD COLUMN outline bytea
    CONSTRAINT price_days_outline CHECK (octet_length(outline) BETWEEN 1 AND 4096);
CREATE INDEX price_days_without_outline ON price_days (username, session_date, trade_id) WHERE outline IS NULL;
