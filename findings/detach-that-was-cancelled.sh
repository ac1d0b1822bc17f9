#!/usr/bin/env bash
# ALTER TABLE .. DETACH PARTITION .. CONCURRENTLY that ends in a lock time-out.
#
# One would guess: a statement that fails with 55P03 has done nothing.
# What happens: the partition is half gone. New statements on the parent no longer see its rows, rows for its range are
#   refused (23514), and it can neither be detached again, nor attached, nor replaced; no other partition of the table can
#   be detached concurrently either. `DETACH PARTITION .. FINALIZE` is the only way on. And afterwards the table keeps the
#   bounds as a check constraint. Where the parent has a DEFAULT partition, CONCURRENTLY is refused altogether.
# Versions: PostgreSQL 18.4; 15.18 does the same.
# Why it matters here: retention by partitions, of an outbox or an event store: look for `inhdetachpending` before anything
#   else, and have no DEFAULT partition.

set -euo pipefail
. "$(dirname "$0")/lib.sh"
python_packages "${psycopg[@]}"
postgres

python3 - >"$work/seen" <<'PROGRAM'
from lib import connect, said

admin, report, service = connect(), connect(), connect()
for statement in (
    "CREATE TABLE events (pos int) PARTITION BY RANGE (pos)",
    "CREATE TABLE old PARTITION OF events FOR VALUES FROM (0) TO (100)",
    "CREATE TABLE new PARTITION OF events FOR VALUES FROM (100) TO (200)",
    "INSERT INTO events VALUES (1), (150)",
):
    admin.execute(statement)
report.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
report.execute("SELECT FROM events")
admin.execute("SET lock_timeout = '200ms'")


def show(connection, sql):
    print(f"{sql}: {said(connection, sql)}")


show(admin, "ALTER TABLE events DETACH PARTITION old CONCURRENTLY")
show(report, "SELECT pos FROM events")
show(service, "SELECT pos FROM events")
show(service, "INSERT INTO events VALUES (2)")
report.execute("COMMIT")
print("the report has ended")
show(service, "SELECT pos FROM events")
show(admin, "SELECT inhrelid::regclass::text, inhdetachpending FROM pg_inherits ORDER BY 1")
show(admin, "ALTER TABLE events DETACH PARTITION old CONCURRENTLY")
show(admin, "ALTER TABLE events DETACH PARTITION new CONCURRENTLY")
show(admin, "ALTER TABLE events ATTACH PARTITION old FOR VALUES FROM (0) TO (100)")
show(admin, "CREATE TABLE other PARTITION OF events FOR VALUES FROM (0) TO (100)")
show(admin, "ALTER TABLE events DETACH PARTITION old FINALIZE")
show(admin, "SELECT pos FROM old")
show(admin, "INSERT INTO old VALUES (500)")
show(admin, "CREATE TABLE rest PARTITION OF events DEFAULT")
show(admin, "ALTER TABLE events DETACH PARTITION new CONCURRENTLY")
PROGRAM

expect "$work/seen" <<'EXPECTED'
ALTER TABLE events DETACH PARTITION old CONCURRENTLY: 55P03 canceling statement due to lock timeout
SELECT pos FROM events: [(1,), (150,)]
SELECT pos FROM events: [(150,)]
INSERT INTO events VALUES (2): 23514 no partition of relation "events" found for row
the report has ended
SELECT pos FROM events: [(150,)]
SELECT inhrelid::regclass::text, inhdetachpending FROM pg_inherits ORDER BY 1: [('new', False), ('old', True)]
ALTER TABLE events DETACH PARTITION old CONCURRENTLY: 55000 partition "old" already pending detach in partitioned table "public.events"
ALTER TABLE events DETACH PARTITION new CONCURRENTLY: 55000 partition "old" already pending detach in partitioned table "public.events"
ALTER TABLE events ATTACH PARTITION old FOR VALUES FROM (0) TO (100): 42809 "old" is already a partition
CREATE TABLE other PARTITION OF events FOR VALUES FROM (0) TO (100): 42P17 partition "other" would overlap partition "old"
ALTER TABLE events DETACH PARTITION old FINALIZE: ALTER TABLE
SELECT pos FROM old: [(1,)]
INSERT INTO old VALUES (500): 23514 new row for relation "old" violates check constraint "old_pos_check"
CREATE TABLE rest PARTITION OF events DEFAULT: CREATE TABLE
ALTER TABLE events DETACH PARTITION new CONCURRENTLY: 55000 cannot detach partitions concurrently when a default partition exists
EXPECTED
