#!/bin/bash
# Makes the database and its roles when PostgreSQL's container starts for the first time;
# its entrypoint runs this as the user postgres, see deploy/compose.yaml.
set -eu
OWNER_PASSWORD=$(cat /run/secrets/owner_password)
PASSWORD=$(cat /run/secrets/password)
export OWNER_PASSWORD PASSWORD
psql --username="${POSTGRES_USER:-postgres}" --no-password --no-psqlrc \
    --file=/careers_users/postgresql.sql
