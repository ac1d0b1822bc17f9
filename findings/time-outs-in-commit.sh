#!/usr/bin/env bash
# A COMMIT with deferred work to do, under `statement_timeout` and under `lock_timeout`.
#
# One would guess: COMMIT is a statement, so `statement_timeout` bounds it; or, once told that it does not, that
#   `lock_timeout` does not either.
# What happens: `statement_timeout` does not count in COMMIT: deferred foreign keys and triggers take as long as they take, and
#   wait for locks as long as those are held. `lock_timeout` does bound each such wait, and rolls the transaction back with
#   55P03. `SET CONSTRAINTS ALL IMMEDIATE` does the work in a statement that both bound. So does
#   `transaction_timeout` (17 and later), by ending the connection.
# Versions: PostgreSQL 18.4; 15.18 does the same, but has no `transaction_timeout`.
# Why it matters here: a `statement_timeout` is no promise of how long a unit of work with deferred constraints may take.

set -euo pipefail
. "$(dirname "$0")/lib.sh"
python_packages "${psycopg[@]}"
postgres

python3 - >"$work/seen" <<'PROGRAM'
from threading import Thread

from lib import connect, said

admin, holder = connect(), connect()
admin.execute("CREATE TABLE customers (id int PRIMARY KEY)")
admin.execute("INSERT INTO customers VALUES (1)")
admin.execute("CREATE TABLE orders (customer int REFERENCES customers DEFERRABLE INITIALLY DEFERRED)")

for setting, last in (
    ("statement_timeout", "COMMIT"),
    ("lock_timeout", "COMMIT"),
    ("statement_timeout", "SET CONSTRAINTS ALL IMMEDIATE"),
    ("transaction_timeout", "COMMIT"),
):
    holder.execute("BEGIN")
    holder.execute("DELETE FROM customers")
    unit = connect()
    unit.execute("BEGIN")
    set_it = said(unit, f"SET LOCAL {setting} = '1s'")
    if set_it != "SET":
        print(f"{setting}: {set_it}")
        holder.execute("ROLLBACK")
        continue
    unit.execute("INSERT INTO orders VALUES (1)")
    answers = []
    ending = Thread(target=lambda: answers.append(said(unit, last)))
    ending.start()
    waits = f"wait_event_type = 'Lock' AND clock_timestamp() - query_start > '3 s' FROM pg_stat_activity WHERE pid = {unit.info.backend_pid}"
    waited = False
    while ending.is_alive() and not waited:
        waited = (True,) in said(admin, f"SELECT {waits}")
        ending.join(0.02)
    print(f"{setting} of 1 s, {last}: waits after 3 s: {waited}")
    holder.execute("ROLLBACK")
    ending.join()
    print(f"  its answer: {answers[0]}")
    unit.close()
PROGRAM

expect "$work/seen" <<'EXPECTED'
statement_timeout of 1 s, COMMIT: waits after 3 s: True
  its answer: COMMIT
lock_timeout of 1 s, COMMIT: waits after 3 s: False
  its answer: 55P03 canceling statement due to lock timeout
statement_timeout of 1 s, SET CONSTRAINTS ALL IMMEDIATE: waits after 3 s: False
  its answer: 57014 canceling statement due to statement timeout
transaction_timeout of 1 s, COMMIT: waits after 3 s: False
  its answer: 25P04 terminating connection due to transaction timeout
EXPECTED
