#!/usr/bin/env bash
# SQLite's way to change a table, make it anew and drop the old one, inside a transaction.
#
# One would guess: `PRAGMA foreign_keys = OFF` at the head of the migration, or `defer_foreign_keys`, keeps DROP TABLE from
#   touching the rows that refer to it; and where `foreign_key_check` finds nothing, COMMIT passes.
# What happens: inside a transaction `PRAGMA foreign_keys` does nothing, without an error. DROP TABLE deletes the table's rows
#   first, with what hangs on them: children with ON DELETE CASCADE are gone, deferred or not, and those with SET NULL are
#   NULL. Nothing tells, and the check is clean. Without an action, and deferred, the new table has every parent, the check
#   is clean, and COMMIT still fails. The PRAGMA has to stand in front of BEGIN.
# Versions: SQLite 3.54.1, by apsw 3.54.1.0; 3.40.1 does the same.
# Why it matters here: a migration by hand runs inside a transaction. Spakky's own begin with the PRAGMA and open the
#   transaction themselves, and check before COMMIT.

set -euo pipefail
. "$(dirname "$0")/lib.sh"
python_packages apsw==3.54.1.0

cat >"$work/program.py" <<'PROGRAM'
import apsw


def change(action, before, inside):
    database = apsw.Connection(":memory:")
    for statement in (
        "PRAGMA foreign_keys = ON",
        "CREATE TABLE customers (id INTEGER PRIMARY KEY)",
        f"CREATE TABLE orders (id INTEGER PRIMARY KEY, customer int REFERENCES customers {action})",
        "INSERT INTO customers VALUES (1)",
        "INSERT INTO orders VALUES (7, 1)",
        *before,
        "BEGIN",
        *inside,
        "CREATE TABLE anew (id INTEGER PRIMARY KEY, name text)",
        "INSERT INTO anew (id) SELECT id FROM customers",
        "DROP TABLE customers",
        "ALTER TABLE anew RENAME TO customers",
    ):
        database.execute(statement)
    check = database.execute("PRAGMA foreign_key_check").fetchall()
    try:
        database.execute("COMMIT")
        ended = "COMMIT passes"
    except apsw.ConstraintError as error:
        ended = f"COMMIT: {error} ({error.extendedresult})"
    orders = database.execute("SELECT * FROM orders").fetchall()
    where = f"{before[0]}; BEGIN" if before else f"BEGIN; {inside[0]}"
    print(f"{where} | {action or 'no action'} | orders {orders}, check {check}, {ended}")


for action in ("ON DELETE CASCADE", "ON DELETE SET NULL", ""):
    change(action, ["PRAGMA foreign_keys = OFF"], [])
    if action:
        change(action, [], ["PRAGMA foreign_keys = OFF"])
    change(action, [], ["PRAGMA defer_foreign_keys = ON"])
PROGRAM
python3 "$work/program.py" >"$work/seen"

expect "$work/seen" <<'EXPECTED'
PRAGMA foreign_keys = OFF; BEGIN | ON DELETE CASCADE | orders [(7, 1)], check [], COMMIT passes
BEGIN; PRAGMA foreign_keys = OFF | ON DELETE CASCADE | orders [], check [], COMMIT passes
BEGIN; PRAGMA defer_foreign_keys = ON | ON DELETE CASCADE | orders [], check [], COMMIT passes
PRAGMA foreign_keys = OFF; BEGIN | ON DELETE SET NULL | orders [(7, 1)], check [], COMMIT passes
BEGIN; PRAGMA foreign_keys = OFF | ON DELETE SET NULL | orders [(7, None)], check [], COMMIT passes
BEGIN; PRAGMA defer_foreign_keys = ON | ON DELETE SET NULL | orders [(7, None)], check [], COMMIT passes
PRAGMA foreign_keys = OFF; BEGIN | no action | orders [(7, 1)], check [], COMMIT passes
BEGIN; PRAGMA defer_foreign_keys = ON | no action | orders [(7, 1)], check [], COMMIT: FOREIGN KEY constraint failed (787)
EXPECTED
