#!/bin/sh
# Dumps the PostgreSQL database of a running service into DIRECTORY, which is made for its
# owner alone; prints the dump's path, and deletes all dumps but the newest KEEP (14).
#
#   backup_postgresql.sh DIRECTORY [KEEP]
#
# Where the database is comes from OWNER_URL, or from libpq's own variables (PGSERVICE and
# PGSERVICEFILE, PGPASSFILE, ...), which show no password in the list of processes.
# A file careers-*.dump in the directory is whole; to restore one, see docs/operations.md.
set -eu
umask 077

directory=$1
keep=${2:-14}
[ "$keep" -ge 1 ]
mkdir -p "$directory"
file=$directory/careers-$(date -u +%Y%m%dT%H%M%SZ).dump
trap 'rm -f "$file.unfinished"' EXIT

pg_dump --format=custom --no-owner --no-privileges --file="$file.unfinished" \
    ${OWNER_URL:+"--dbname=$OWNER_URL"}
# Its list of contents stands at the end of what must be readable.
pg_restore --list "$file.unfinished" > /dev/null
mv "$file.unfinished" "$file"

find "$directory" -name 'careers-*.dump' | sort -r | tail -n "+$((keep + 1))" |
    while IFS= read -r old; do
        rm -- "$old"
    done
echo "$file"
