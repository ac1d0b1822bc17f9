#!/usr/bin/env bash
# What a repeatable-read transaction is told of rows that were committed behind its snapshot.
#
# One would guess: ON CONFLICT DO NOTHING never fails on a key that is taken; what would succeed if run again is 40001
#   (serialization failure); and a foreign key looks at what is committed, whatever the snapshot.
# What happens: DO NOTHING is 40001 on a key that it cannot see. A plain INSERT of it is 23505, and a row that refers to a
#   parent which is there is 23503: both would pass, or tell the truth, in a new transaction, but no retry by SQLSTATE runs them.
#   In read committed DO NOTHING does nothing and the parent is found.
# Versions: PostgreSQL 18.4; 15.18 does the same.
# Why it matters here: an inbox that drops repeats by DO NOTHING needs a retry in such a unit of work, and
#   `is_foreign_key_violation()` need not mean there that the parent is missing.

set -euo pipefail
. "$(dirname "$0")/lib.sh"
python_packages "${psycopg[@]}"
postgres

python3 - >"$work/seen" <<'PROGRAM'
from lib import connect, said

unit, other = connect(), connect()
other.execute("CREATE TABLE inbox (id int PRIMARY KEY)")
other.execute("CREATE TABLE customers (id int PRIMARY KEY)")
other.execute("CREATE TABLE orders (customer int REFERENCES customers)")
id = 0
for level in ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"):
    for statement in (
        "INSERT INTO inbox VALUES (%s) ON CONFLICT DO NOTHING",
        "INSERT INTO inbox VALUES (%s)",
        "INSERT INTO orders VALUES (%s)",
    ):
        id += 1
        unit.execute(f"BEGIN ISOLATION LEVEL {level}")
        unit.execute("SELECT FROM customers")
        other.execute("INSERT INTO inbox VALUES (%s)", [id])
        other.execute("INSERT INTO customers VALUES (%s)", [id])
        print(f"{level}, {statement % 'N'}: {said(unit, statement, id)}")
        unit.execute("ROLLBACK")
PROGRAM

expect "$work/seen" <<'EXPECTED'
READ COMMITTED, INSERT INTO inbox VALUES (N) ON CONFLICT DO NOTHING: INSERT 0 0
READ COMMITTED, INSERT INTO inbox VALUES (N): 23505 duplicate key value violates unique constraint "inbox_pkey"
READ COMMITTED, INSERT INTO orders VALUES (N): INSERT 0 1
REPEATABLE READ, INSERT INTO inbox VALUES (N) ON CONFLICT DO NOTHING: 40001 could not serialize access due to concurrent update
REPEATABLE READ, INSERT INTO inbox VALUES (N): 23505 duplicate key value violates unique constraint "inbox_pkey"
REPEATABLE READ, INSERT INTO orders VALUES (N): 23503 insert or update on table "orders" violates foreign key constraint "orders_customer_fkey"
SERIALIZABLE, INSERT INTO inbox VALUES (N) ON CONFLICT DO NOTHING: 40001 could not serialize access due to concurrent update
SERIALIZABLE, INSERT INTO inbox VALUES (N): 23505 duplicate key value violates unique constraint "inbox_pkey"
SERIALIZABLE, INSERT INTO orders VALUES (N): 23503 insert or update on table "orders" violates foreign key constraint "orders_customer_fkey"
EXPECTED
