#!/usr/bin/env bash
# What a reader has seen of transactions that were not yet on disk, and what comes after the crash.
#
# One would guess: with `synchronous_commit = off` a crash loses the last commits, and what is written afterwards goes on
#   behind them, since sequences and transaction ids never go back.
# What happens: both go back. Rows that a reader had seen are gone, and the next row has a lower position and a lower
#   transaction id than the reader's cursor, by whichever of the two it reads: that row is skipped for ever.
# Versions: PostgreSQL 18.4; 15.18 does the same. The crash is `pg_ctl stop -m immediate`, before the rows were written.
# Why it matters here: a relay must not publish, nor store a cursor, past what is flushed
#   (`pg_current_wal_flush_lsn()`), and an id that others remember must be a random one, never a position.

set -euo pipefail
. "$(dirname "$0")/lib.sh"
python_packages "${psycopg[@]}"
postgres wal_writer_delay=10s wal_writer_flush_after=1GB

python3 - >"$work/seen" <<'PROGRAM'
from lib import connect

setup, writer, reader = connect(), connect(), connect()
setup.execute("CREATE TABLE outbox (pos bigint GENERATED ALWAYS AS IDENTITY, xid xid8 DEFAULT pg_current_xact_id())")
setup.execute("SELECT pg_switch_wal()")
writer.execute("INSERT INTO outbox DEFAULT VALUES")
writer.execute("SET synchronous_commit = off")
for _ in range(3):
    writer.execute("INSERT INTO outbox SELECT FROM generate_series(1, 20)")
rows, pos, xid = reader.execute("SELECT count(*), max(pos), max(xid::text::bigint) FROM outbox").fetchone()
written = reader.execute("SELECT pg_current_wal_lsn() >= pg_current_wal_insert_lsn()").fetchone()[0]
print(f"before the crash: the reader sees {rows} rows, the last at position {pos}; all of it written to a file: {written}")
with open("cursor", "w") as cursor:
    print(pos, xid, file=cursor)
PROGRAM
stop_postgres
start_postgres
python3 - >>"$work/seen" <<'PROGRAM'
from lib import connect

pos, xid = map(int, open("cursor").read().split())
connection = connect()
print("after it: rows that are left", connection.execute("SELECT count(*) FROM outbox").fetchone()[0])
new = connection.execute("INSERT INTO outbox DEFAULT VALUES RETURNING pos, xid::text::bigint").fetchone()
print("a reader that goes on from its position finds the next row:", new[0] > pos)
print("a reader that goes on from its transaction id finds the next row:", new[1] > xid)
PROGRAM

expect "$work/seen" <<'EXPECTED'
before the crash: the reader sees 61 rows, the last at position 61; all of it written to a file: False
after it: rows that are left 1
a reader that goes on from its position finds the next row: False
a reader that goes on from its transaction id finds the next row: False
EXPECTED
