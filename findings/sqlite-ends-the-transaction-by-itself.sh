#!/usr/bin/env bash
# A statement that fails inside a transaction of SQLite, and what is run behind it.
#
# One would guess: a failed statement is undone, the transaction with its savepoints stays open, and ROLLBACK TO or ROLLBACK
#   ends it. That is so for a constraint.
# What happens: `INSERT OR ROLLBACK`, `RAISE(ROLLBACK, ..)` in a trigger, and a full disk in some statements, end the whole
#   transaction, with rows and savepoints of before. The error does not say so: a full disk has the same one whether the
#   statement alone is undone, as on a table with a trigger, or the transaction is, as on one without. What is run behind it
#   commits by itself, each statement alone. COMMIT is an error then: too late, it is stored.
# Versions: SQLite 3.54.1, by apsw 3.54.1.0; 3.40.1 does the same. `max_page_count` stands for the full disk, as its error does.
# Why it matters here: after every error a pool has to ask `sqlite3_get_autocommit`, whatever the error was. Spakky does, and
#   refuses what would run outside of the transaction.

set -euo pipefail
. "$(dirname "$0")/lib.sh"
python_packages apsw==3.54.1.0

cat >"$work/program.py" <<'PROGRAM'
import apsw


def said(database, sql):
    try:
        database.execute(sql)
        return "passes"
    except apsw.Error as error:
        return f"error, {error}"


for number, failing in enumerate(
    (
        "INSERT INTO orders VALUES (1, 'twice')",
        "INSERT OR ROLLBACK INTO orders VALUES (1, 'twice')",
        "INSERT INTO orders VALUES (2, 'no')",
        "INSERT INTO orders VALUES (2, zeroblob(1000000))",
        "INSERT INTO files VALUES (2, zeroblob(1000000))",
    )
):
    database = apsw.Connection(f"{number}.db")
    for statement in (
        "PRAGMA journal_mode = WAL",
        "CREATE TABLE files (id INTEGER PRIMARY KEY, content)",
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, note)",
        "CREATE TRIGGER refuse BEFORE INSERT ON orders WHEN NEW.note = 'no' BEGIN SELECT RAISE(ROLLBACK, 'refused'); END",
        "PRAGMA max_page_count = 50",
        "BEGIN",
        "INSERT INTO orders VALUES (1, 'before')",
        "SAVEPOINT nested",
    ):
        database.execute(statement)
    print(f"{failing}: {said(database, failing)}")
    print(f"  the transaction is open: {database.in_transaction}")
    for statement in ("ROLLBACK TO nested", "INSERT INTO orders VALUES (3, 'behind')", "COMMIT"):
        print(f"  {statement}: {said(database, statement)}")
    database.close()
    rows = apsw.Connection(f"{number}.db").execute("SELECT note FROM orders").fetchall()
    print(f"  stored: {', '.join(note for note, in rows)}")
PROGRAM
cd "$work"
python3 "$work/program.py" >"$work/seen"

expect "$work/seen" <<'EXPECTED'
INSERT INTO orders VALUES (1, 'twice'): error, UNIQUE constraint failed: orders.id
  the transaction is open: True
  ROLLBACK TO nested: passes
  INSERT INTO orders VALUES (3, 'behind'): passes
  COMMIT: passes
  stored: before, behind
INSERT OR ROLLBACK INTO orders VALUES (1, 'twice'): error, UNIQUE constraint failed: orders.id
  the transaction is open: False
  ROLLBACK TO nested: error, no such savepoint: nested
  INSERT INTO orders VALUES (3, 'behind'): passes
  COMMIT: error, cannot commit - no transaction is active
  stored: behind
INSERT INTO orders VALUES (2, 'no'): error, refused
  the transaction is open: False
  ROLLBACK TO nested: error, no such savepoint: nested
  INSERT INTO orders VALUES (3, 'behind'): passes
  COMMIT: error, cannot commit - no transaction is active
  stored: behind
INSERT INTO orders VALUES (2, zeroblob(1000000)): error, database or disk is full
  the transaction is open: True
  ROLLBACK TO nested: passes
  INSERT INTO orders VALUES (3, 'behind'): passes
  COMMIT: passes
  stored: before, behind
INSERT INTO files VALUES (2, zeroblob(1000000)): error, database or disk is full
  the transaction is open: False
  ROLLBACK TO nested: error, no such savepoint: nested
  INSERT INTO orders VALUES (3, 'behind'): passes
  COMMIT: error, cannot commit - no transaction is active
  stored: behind
EXPECTED
