-- Roles and the schema, before any migration: they belong to the server, not to a version. Run
-- again at each start; where all is in place, nothing here needs a privilege.
--
-- blotter_owner   owns everything, runs migrations, never logs in
-- blotter_app     the daily work as one user at a time; owns nothing, bypasses nothing
-- blotter_system  the daemon's chores over all users; entered from blotter_app with SET ROLE
-- blotter_backup  reads everything and writes nothing

DO $$
DECLARE
    -- The role that the daily work logs in as.
    work CONSTANT name := current_setting('blotter.work_role');
    -- From PostgreSQL 16 on, whoever made a role is its member and still may not become it.
    becoming CONSTANT text := CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END;
    r name;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blotter_owner') THEN
        CREATE ROLE blotter_owner NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blotter_app') THEN
        -- What it is a member of, it must ask for: blotter_system's rows are not simply there.
        CREATE ROLE blotter_app LOGIN NOINHERIT;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blotter_system') THEN
        CREATE ROLE blotter_system NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blotter_backup') THEN
        BEGIN
            CREATE ROLE blotter_backup LOGIN BYPASSRLS;
        EXCEPTION WHEN insufficient_privilege THEN
            -- Without it a dump is refused, loudly, until an administrator grants it.
            CREATE ROLE blotter_backup LOGIN;
        END;
    END IF;

    IF NOT pg_has_role('blotter_app', 'blotter_system', becoming) THEN
        GRANT blotter_system TO blotter_app;
    END IF;
    -- Whoever runs this must be able to become the owner, and whoever works must be able to become
    -- the two working roles. A superuser can anyway.
    IF NOT pg_has_role(current_user, 'blotter_owner', becoming) THEN
        GRANT blotter_owner TO CURRENT_USER;
    END IF;
    FOREACH r IN ARRAY ARRAY['blotter_app', 'blotter_system'] LOOP
        IF NOT pg_has_role(work, r, becoming) THEN
            EXECUTE format('GRANT %I TO %I', r, work);
        END IF;
    END LOOP;

    IF to_regnamespace('blotter') IS NULL THEN
        CREATE SCHEMA blotter AUTHORIZATION blotter_owner;
    END IF;
END $$;
