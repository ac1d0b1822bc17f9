#!/usr/bin/env bash
# A row's xmin, asked for in a snapshot, behind a savepoint.
#
# One would guess: `pg_visible_in_snapshot(xmin, pg_current_snapshot())` tells whether the transaction that wrote a row has
#   committed, so that a reader in commit order can go by the rows' own xmin and needs no column for it.
# What happens: a row that is written behind a savepoint, or in a PL/pgSQL block with EXCEPTION, has the xmin of the
#   subtransaction. A snapshot lists those of top level alone, so the function says "visible" while the transaction is still
#   open. A reader that moves on by that never sees the row. `pg_current_xact_id()` gives that of top level there too.
# Versions: PostgreSQL 18.4; 15.18 says the same.
# Why it matters here: an outbox or event table that is read in commit order has to store `pg_current_xact_id()` in a column.

set -euo pipefail
. "$(dirname "$0")/lib.sh"
python_packages "${psycopg[@]}"
postgres

python3 - >"$work/seen" <<'PROGRAM'
from lib import connect, said

writer, other, reader = connect(), connect(), connect()
writer.execute("CREATE TABLE outbox (body text, xid xid8 DEFAULT pg_current_xact_id())")
trigger = "DO $$ BEGIN BEGIN INSERT INTO outbox VALUES ('in a block'); EXCEPTION WHEN division_by_zero THEN NULL; END; END $$"

for name, statements in {
    "plain": ["INSERT INTO outbox VALUES ('plain')"],
    "behind a savepoint": ["SAVEPOINT s", "INSERT INTO outbox VALUES ('behind a savepoint')"],
    "in a block with EXCEPTION": [trigger],
}.items():
    writer.execute("BEGIN")
    writer.execute("SELECT pg_current_xact_id()")
    for statement in statements:
        writer.execute(statement)
    # Another transaction commits, which moves the end of the next snapshot past both ids.
    other.execute("INSERT INTO outbox VALUES ('other')")
    xmin, xid = writer.execute("SELECT xmin::text, xid::text FROM outbox WHERE body <> 'other'").fetchone()
    print(f"{name}: xmin is that of top level: {xmin == xid}")
    for column, value in {"xmin": xmin, "xid": xid}.items():
        visible = said(reader, "SELECT pg_visible_in_snapshot(%s::xid8, pg_current_snapshot())", value)[0][0]
        status = said(reader, "SELECT pg_xact_status(%s::xid8)", value)[0][0]
        rows = said(reader, "SELECT count(*) FROM outbox WHERE body <> 'other'")[0][0]
        print(f"  by {column}: visible {visible}, status {status}, rows that the reader sees {rows}")
    writer.execute("ROLLBACK")
PROGRAM

expect "$work/seen" <<'EXPECTED'
plain: xmin is that of top level: True
  by xmin: visible False, status in progress, rows that the reader sees 0
  by xid: visible False, status in progress, rows that the reader sees 0
behind a savepoint: xmin is that of top level: False
  by xmin: visible True, status in progress, rows that the reader sees 0
  by xid: visible False, status in progress, rows that the reader sees 0
in a block with EXCEPTION: xmin is that of top level: False
  by xmin: visible True, status in progress, rows that the reader sees 0
  by xid: visible False, status in progress, rows that the reader sees 0
EXPECTED
