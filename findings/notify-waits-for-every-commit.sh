#!/usr/bin/env bash
# NOTIFY in transactions that have nothing to do with each other, where a COMMIT takes long.
#
# One would guess: a notification is handed over in memory behind COMMIT; transactions on other channels, let alone in other
#   databases, have nothing to wait for.
# What happens: while its COMMIT is under way, the wait for a synchronous standby included, a transaction with NOTIFY holds one
#   lock of the whole server. Every other COMMIT with a NOTIFY waits for it, on any channel, in any
#   database; those without go on. If `lock_timeout` ends that wait, the transaction is rolled back.
# Versions: PostgreSQL 18.4; 15.18 does the same. A missing synchronous standby makes the slow COMMIT.
# Why it matters here: NOTIFY in a unit of work makes all of them commit one by one, at the speed of the disk. A wake-up
#   belongs on a connection of its own, with no writes in its transaction.

set -euo pipefail
. "$(dirname "$0")/lib.sh"
python_packages "${psycopg[@]}"
postgres

python3 - >"$work/seen" <<'PROGRAM'
from threading import Thread

from lib import connect, said, wait_until

admin, slow = connect(), connect()
admin.execute("CREATE DATABASE other")
admin.execute("CREATE TABLE orders (channel text)")
admin.execute("ALTER SYSTEM SET synchronous_standby_names = 'missing'")
admin.execute("SELECT pg_reload_conf()")
wait_until(admin, "current_setting('synchronous_standby_names') = 'missing'")
wait_until(slow, "current_setting('synchronous_standby_names') = 'missing'")
admin.execute("SET synchronous_commit = local")

said(slow, "BEGIN")
said(slow, "INSERT INTO orders VALUES ('slow')")
said(slow, "NOTIFY slow")
waiting = Thread(target=said, args=(slow, "COMMIT"))
waiting.start()
wait_until(admin, "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
print("a COMMIT waits for the standby; meanwhile those that do not have to:")
for database in ("postgres", "other"):
    for statement in ("SELECT pg_current_xact_id() IS NULL", "NOTIFY fast"):
        unit = connect(dbname=database, options="-c synchronous_commit=local -c lock_timeout=300ms")
        said(unit, "BEGIN")
        print(f"  database {database}: {statement}: {said(unit, statement)}, COMMIT: {said(unit, 'COMMIT')}")
locks = "SELECT classid::regclass::text, objid::int, mode FROM pg_locks WHERE locktype = 'object' AND database = 0"
print("the lock:", said(admin, locks))
admin.execute("ALTER SYSTEM RESET synchronous_standby_names")
admin.execute("SELECT pg_reload_conf()")
waiting.join()
print("behind it:", said(unit, "NOTIFY fast"))
PROGRAM

expect "$work/seen" <<'EXPECTED'
a COMMIT waits for the standby; meanwhile those that do not have to:
  database postgres: SELECT pg_current_xact_id() IS NULL: [(False,)], COMMIT: COMMIT
  database postgres: NOTIFY fast: NOTIFY, COMMIT: 55P03 canceling statement due to lock timeout
  database other: SELECT pg_current_xact_id() IS NULL: [(False,)], COMMIT: COMMIT
  database other: NOTIFY fast: NOTIFY, COMMIT: 55P03 canceling statement due to lock timeout
the lock: [('pg_database', 0, 'AccessExclusiveLock')]
behind it: NOTIFY
EXPECTED
