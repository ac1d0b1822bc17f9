#!/usr/bin/env bash
# A migration with CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS that failed and is run again.
#
# One would guess: what failed left nothing behind, and IF NOT EXISTS makes it safe to run again: when it passes, the key is
#   unique.
# What happens: the failed build leaves an index that is not valid. Run again, the statement passes with a NOTICE, although
#   the duplicates are still there. What the index does then depends on how far the build came: stopped by duplicates it
#   lets new ones in; stopped while it waited for an old transaction it refuses them, but no ON CONFLICT may name it.
# Versions: PostgreSQL 18.4; 15.18 does the same.
# Why it matters here: a migration with `run_in_transaction = false` is run again after a failure. Drop the index by name
#   first, and look for `NOT indisvalid` before a key is relied on.

set -euo pipefail
. "$(dirname "$0")/lib.sh"
python_packages "${psycopg[@]}"
postgres

python3 - >"$work/seen" <<'PROGRAM'
from lib import connect, said

admin, report = connect(), connect()
admin.add_notice_handler(lambda notice: print(f"  {notice.severity}: {notice.message_primary}"))


def show(sql):
    print(f"{sql}: {said(admin, sql)}")


def migrate_twice(table):
    create = f"CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS uq_{table} ON {table} (email)"
    show(create)
    report.execute("ROLLBACK")
    admin.execute("RESET lock_timeout")
    show(create)
    show(f"SELECT indisvalid, indisready FROM pg_index WHERE indexrelid = 'uq_{table}'::regclass")
    show(f"INSERT INTO {table} VALUES ('ann')")
    show(f"INSERT INTO {table} VALUES ('ann') ON CONFLICT (email) DO NOTHING")
    show(f"SELECT count(*) FROM {table} WHERE email = 'ann'")


print("stopped by duplicates")
admin.execute("CREATE TABLE users (email text)")
admin.execute("INSERT INTO users VALUES ('ann'), ('ann')")
migrate_twice("users")

print("stopped while it waited for an old transaction")
admin.execute("CREATE TABLE clients (email text)")
admin.execute("INSERT INTO clients VALUES ('ann')")
report.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
report.execute("SELECT FROM users")
admin.execute("SET lock_timeout = '200ms'")
migrate_twice("clients")
PROGRAM

expect "$work/seen" <<'EXPECTED'
stopped by duplicates
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS uq_users ON users (email): 23505 could not create unique index "uq_users"
  NOTICE: relation "uq_users" already exists, skipping
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS uq_users ON users (email): CREATE INDEX
SELECT indisvalid, indisready FROM pg_index WHERE indexrelid = 'uq_users'::regclass: [(False, False)]
INSERT INTO users VALUES ('ann'): INSERT 0 1
INSERT INTO users VALUES ('ann') ON CONFLICT (email) DO NOTHING: 42P10 there is no unique or exclusion constraint matching the ON CONFLICT specification
SELECT count(*) FROM users WHERE email = 'ann': [(3,)]
stopped while it waited for an old transaction
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS uq_clients ON clients (email): 55P03 canceling statement due to lock timeout
  NOTICE: relation "uq_clients" already exists, skipping
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS uq_clients ON clients (email): CREATE INDEX
SELECT indisvalid, indisready FROM pg_index WHERE indexrelid = 'uq_clients'::regclass: [(False, True)]
INSERT INTO clients VALUES ('ann'): 23505 duplicate key value violates unique constraint "uq_clients"
INSERT INTO clients VALUES ('ann') ON CONFLICT (email) DO NOTHING: 42P10 there is no unique or exclusion constraint matching the ON CONFLICT specification
SELECT count(*) FROM clients WHERE email = 'ann': [(1,)]
EXPECTED
