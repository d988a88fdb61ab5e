-- Alarms that are told outside: a command of the operator's is run for each, by one daemon.

ALTER TABLE alarms
    -- Somebody is telling it. A daemon that dies meanwhile lets the claim grow old.
    ADD COLUMN tell_claimed_at timestamptz,
    ADD COLUMN tell_tries      smallint NOT NULL DEFAULT 0 CONSTRAINT alarms_tell_tries CHECK (tell_tries >= 0),
    ADD COLUMN told_at         timestamptz;
CREATE INDEX alarms_untold ON alarms (username, raised_at)
    WHERE told_at IS NULL AND cleared_at IS NULL AND acked_at IS NULL;
