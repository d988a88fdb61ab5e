-- What everything stands on: who may come in, which installation this is, when each task last ran,
-- and the functions that more than one table group uses.
--
-- The roles (blotter_owner, blotter_app, blotter_system, blotter_backup) and the schema are made
-- before any migration, because a role belongs to the whole server: see daemon/src/db/bootstrap.sql.
-- Migrations run as blotter_owner.
--
-- Rules that every table of users keeps, and that a test reads from the catalog:
--   * the primary key, every unique index and every foreign key begin with username;
--   * row level security is enabled and forced, the identity is read with
--     nullif(current_setting('app.username', true), '');
--   * blotter_app owns nothing, blotter_system has narrow grants, blotter_backup only reads.

GRANT USAGE ON SCHEMA blotter TO blotter_app, blotter_system, blotter_backup;
GRANT SELECT ON refinery_schema_history TO blotter_app, blotter_system, blotter_backup;
-- A function is not for everybody just because it exists.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- Refuses whatever would change or remove a row, whoever asks.
CREATE FUNCTION append_only() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING CONSTRAINT = 'append_only';
END $$;

-- Which installation this database belongs to. The id is in every order tag, so that two
-- installations on one broker account never touch each other's orders; epoch_base grows by a
-- million when a backup is restored, so that no old lease epoch ever returns.
CREATE TABLE installation (
    only_one   boolean     PRIMARY KEY DEFAULT true CONSTRAINT installation_only_one CHECK (only_one),
    id         uuid        NOT NULL,
    epoch_base bigint      NOT NULL DEFAULT 0 CONSTRAINT installation_epoch_base CHECK (epoch_base >= 0),
    created_at timestamptz NOT NULL
);
COMMENT ON TABLE installation IS 'One row: the identity of this database towards the broker.';
GRANT SELECT ON installation TO blotter_app, blotter_backup;
GRANT SELECT, INSERT ON installation TO blotter_system;

-- When each scheduled task last ran, so that a missed run is caught up after a restart.
CREATE TABLE task_runs (
    task        text COLLATE "C" PRIMARY KEY CONSTRAINT task_runs_task CHECK (task <> ''),
    started_at  timestamptz NOT NULL,
    finished_at timestamptz,
    succeeded_at timestamptz,
    failures    integer     NOT NULL DEFAULT 0 CONSTRAINT task_runs_failures CHECK (failures >= 0),
    detail      text
);
COMMENT ON TABLE task_runs IS 'The last run of each scheduled task.';
GRANT SELECT ON task_runs TO blotter_app, blotter_backup;
GRANT SELECT, INSERT, UPDATE ON task_runs TO blotter_system;
