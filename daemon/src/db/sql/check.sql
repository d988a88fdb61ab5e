-- Everything that would let one user see another's rows, as sentences; no row means all is well.

-- A working role that no policy binds.
SELECT format('the role %s is a superuser', rolname) AS finding
  FROM pg_roles WHERE rolname IN ('blotter_app', 'blotter_system', 'blotter_owner') AND rolsuper
UNION ALL
SELECT format('the role %s bypasses row level security', rolname)
  FROM pg_roles WHERE rolname IN ('blotter_app', 'blotter_system', 'blotter_owner') AND rolbypassrls
UNION ALL
SELECT format('the role %s owns %s', r.rolname, c.oid::regclass)
  FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
 WHERE r.rolname IN ('blotter_app', 'blotter_system', 'blotter_backup') AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
   AND c.relnamespace <> pg_my_temp_schema() AND NOT pg_is_other_temp_schema(c.relnamespace)
UNION ALL
-- It may become blotter_system by asking; it must not simply have its rights.
SELECT format('the role blotter_app has the rights of %s without asking', other)
  FROM unnest(ARRAY['blotter_system', 'blotter_owner', 'blotter_backup']) AS other
 WHERE pg_has_role('blotter_app', other, 'USAGE')
UNION ALL
SELECT format('the role blotter_app may become %s', other)
  FROM unnest(ARRAY['blotter_owner', 'blotter_backup']) AS other
 WHERE pg_has_role('blotter_app', other, 'MEMBER')
UNION ALL
-- A table of users, or a leaf of one, without forced policies.
SELECT format('the table %s has no forced row level security', c.oid::regclass)
  FROM pg_class c
 WHERE c.relnamespace = 'blotter'::regnamespace AND c.relkind IN ('r', 'p')
   AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'username' AND NOT a.attisdropped)
   AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
UNION ALL
SELECT format('%s may use the partition %s directly', coalesce(g.rolname, 'everybody'), c.oid::regclass)
  FROM pg_class c
 CROSS JOIN LATERAL aclexplode(c.relacl) AS acl
  LEFT JOIN pg_roles g ON g.oid = acl.grantee
 WHERE c.relnamespace = 'blotter'::regnamespace AND c.relispartition
   AND coalesce(g.rolname, '') NOT IN ('blotter_owner', 'blotter_backup')
UNION ALL
SELECT format('the view %s reads with its owner''s rights', c.oid::regclass)
  FROM pg_class c
 WHERE c.relnamespace = 'blotter'::regnamespace AND c.relkind IN ('v', 'm')
   AND NOT coalesce(c.reloptions, '{}') @> ARRAY['security_invoker=true']
UNION ALL
SELECT format('the function %s runs with its owner''s rights and an open search_path', p.oid::regprocedure)
  FROM pg_proc p
 WHERE p.pronamespace = 'blotter'::regnamespace AND p.prosecdef
   AND NOT EXISTS (SELECT FROM unnest(p.proconfig) AS s WHERE s LIKE 'search_path=%')
UNION ALL
SELECT format('everybody may call %s, which runs with its owner''s rights', p.oid::regprocedure)
  FROM pg_proc p
 WHERE p.pronamespace = 'blotter'::regnamespace AND p.prosecdef
   AND (p.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(p.proacl) AS acl WHERE acl.grantee = 0))
