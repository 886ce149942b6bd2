-- Prepares a PostgreSQL server (13 or newer) for careers_users; for psql 14 or newer, as a
-- superuser, with the passwords of the two roles in the environment:
--
--   export OWNER_PASSWORD=... PASSWORD=...
--   psql -f deploy/postgresql.sql "$ADMIN_URL"
--
-- Makes a database and two roles. `careers_owner` owns the tables: use it to migrate, to
-- back up and to restore. `careers` may read and write rows and no more: use it to serve.
-- Other names: -v database=... -v owner=... -v role=...
--
-- May be run again: what is there stays, timeouts and privileges are set anew, and so are
-- the passwords that are given; a password that is not given stays as it is.

\set ON_ERROR_STOP on
\if :{?database} \else \set database careers \endif
\if :{?owner} \else \set owner careers_owner \endif
\if :{?role} \else \set role careers \endif
-- From the environment: everybody on the machine sees the arguments of a command.
\set owner_password ''
\set password ''
\getenv owner_password OWNER_PASSWORD
\getenv password PASSWORD
-- The statements below have passwords in them, which are not for the server's log.
SET log_statement = 'none';
SET log_min_duration_statement = -1;

SELECT format(
           'DO $$ BEGIN RAISE EXCEPTION %L; END $$',
           'Set OWNER_PASSWORD and PASSWORD: a new role needs a password.')
 WHERE EXISTS (
           SELECT FROM (VALUES (:'owner', :'owner_password'), (:'role', :'password'))
               AS given (name, word)
            WHERE word = '' AND NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name))
\gexec
SELECT format('CREATE ROLE %I LOGIN', name)
  FROM unnest(ARRAY[:'owner', :'role']) AS name
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec
SELECT format('ALTER ROLE %I PASSWORD %L', name, word)
  FROM (VALUES (:'owner', :'owner_password'), (:'role', :'password')) AS given (name, word)
 WHERE word <> ''
\gexec

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
