-- Which of its times a task has done, and who is doing the next one: two daemons on one database
-- never run one task together, and a run that a crash cut off is taken up by whoever comes.

-- Rows of the version before knew no times: they begin anew, which runs each task once more.
ALTER TABLE task_runs
    -- The time that the last run was for, and the newest one that succeeded.
    ADD COLUMN slot       timestamptz,
    ADD COLUMN done_slot  timestamptz,
    -- Times that nobody can run any more.
    ADD COLUMN missed     bigint NOT NULL DEFAULT 0 CONSTRAINT task_runs_missed CHECK (missed >= 0),
    -- Who runs it now, and until when that counts without another sign of life.
    ADD COLUMN holder     uuid,
    ADD COLUMN held_until timestamptz,
    ADD CONSTRAINT task_runs_held CHECK ((holder IS NULL) = (held_until IS NULL));
