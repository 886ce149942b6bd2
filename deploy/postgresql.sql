-- Prepares a PostgreSQL server (13 or newer) for careers_users; for psql, as a superuser:
--
--   psql -v ON_ERROR_STOP=1 -v owner_password=... -v password=... -f deploy/postgresql.sql
--
-- Makes a database and two roles. `careers_owner` owns the tables: use it to migrate, to
-- back up and to restore. `careers` may read and write rows and no more: use it to serve.
-- May be run again: what is there stays, passwords and timeouts are set anew.

\if :{?database} \else \set database careers \endif
\if :{?owner} \else \set owner careers_owner \endif
\if :{?role} \else \set role careers \endif

SELECT format('CREATE ROLE %I', name)
  FROM unnest(ARRAY[:'owner', :'role']) AS name
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec
ALTER ROLE :"owner" LOGIN PASSWORD :'owner_password';
ALTER ROLE :"role" LOGIN PASSWORD :'password';

-- Text of any language, sorted and searched alike on every machine.
SELECT format(
           'CREATE DATABASE %I OWNER %I ENCODING ''UTF8'' TEMPLATE template0 '
           'LC_COLLATE ''C.UTF-8'' LC_CTYPE ''C.UTF-8''',
           :'database', :'owner')
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database')
\gexec

REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO :"role";

-- The service sets these on each connection itself. Through PgBouncer in transaction mode
-- it can do so for its writes only, and for reads these are in force. The owner has none:
-- a migration or a restore may take its time.
ALTER ROLE :"role" IN DATABASE :"database" SET jit = off;
ALTER ROLE :"role" IN DATABASE :"database" SET lock_timeout = '5s';
ALTER ROLE :"role" IN DATABASE :"database" SET statement_timeout = '30s';
ALTER ROLE :"role" IN DATABASE :"database" SET idle_in_transaction_session_timeout = '30s';

\connect :"database"

-- For searching parts of words; in Debian's package postgresql, elsewhere in
-- postgresql-contrib. Without it everything works, but searches read the whole table.
SELECT 'CREATE EXTENSION IF NOT EXISTS pg_trgm'
  FROM pg_available_extensions WHERE name = 'pg_trgm'
\gexec

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT ALL ON SCHEMA public TO :"owner";
GRANT USAGE ON SCHEMA public TO :"role";
-- Whatever tables the owner makes, in migrations to come too.
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"role";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES TO :"role";
