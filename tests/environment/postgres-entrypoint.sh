#!/bin/bash
# Starts PostgreSQL as the public image does: POSTGRES_PASSWORD, POSTGRES_USER and POSTGRES_DB make the first database.
set -euo pipefail
user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}
: "${PGDATA:=/var/lib/postgresql/data}"
export PGDATA

if [ "${1:-postgres}" != postgres ]; then exec "$@"; fi
if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA" /run/postgresql
    chown -R postgres:postgres "$PGDATA" /run/postgresql
    chmod 0700 "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    method=scram-sha-256
    if [ "${POSTGRES_HOST_AUTH_METHOD:-}" = trust ]; then method=trust; fi
    if [ -z "${POSTGRES_PASSWORD:-}" ] && [ "$method" != trust ]; then
        echo "Error: Database is uninitialized and superuser password is not specified: set POSTGRES_PASSWORD." >&2
        exit 1
    fi
    initdb --username="$user" --pwfile=<(printf '%s\n' "${POSTGRES_PASSWORD:-unused}") \
        --auth-local=trust --auth-host="$method" --encoding=UTF8 --locale=C.UTF-8 --no-sync >/dev/null
    printf 'host all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
    # Not on the network yet: nobody connects before the database is complete.
    pg_ctl --silent --wait -o "-c listen_addresses=''" start
    if [ "$database" != postgres ]; then
        psql -v ON_ERROR_STOP=1 -q --username="$user" --dbname=postgres -v name="$database" <<<'CREATE DATABASE :"name";'
    fi
    for file in /docker-entrypoint-initdb.d/*; do
        case $file in
        *.sql) psql -v ON_ERROR_STOP=1 -q --username="$user" --dbname="$database" -f "$file" ;;
        *.sh) . "$file" ;;
        esac
    done
    pg_ctl --silent --wait --mode=fast stop
fi
shift || true
exec postgres -c listen_addresses='*' "$@"
