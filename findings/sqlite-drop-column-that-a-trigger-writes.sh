#!/usr/bin/env bash
# ALTER TABLE .. DROP COLUMN in SQLite, of a column that a trigger names.
#
# One would guess: it is refused, as for an index or a view that names the column; and if one trigger is checked, all are.
# What happens: it is refused where the trigger reads the column (`NEW.note`, a condition, a SELECT), and passes where the
#   trigger writes it (`SET note = ..`, the column list of an INSERT). Then every statement that would run the trigger fails,
#   long after the migration: on a table that the migration did not name, if the trigger is there. RENAME COLUMN adapts both.
# Versions: SQLite 3.54.1, by apsw 3.54.1.0; 3.40.1 does the same.
# Why it matters here: before a migration drops a column, look through the triggers of all tables.

set -euo pipefail
. "$(dirname "$0")/lib.sh"
python_packages apsw==3.54.1.0

cat >"$work/program.py" <<'PROGRAM'
import apsw


def said(database, sql):
    try:
        database.execute(sql)
        return "passes"
    except apsw.SQLError as error:
        return f"error, {error}"


for body in (
    "INSERT INTO log SELECT note FROM orders",
    "DELETE FROM orders WHERE note = 'x'",
    "UPDATE orders SET note = 'x'",
    "INSERT INTO orders (id, note) VALUES (NEW.id, 'x')",
):
    print(f"a trigger on payments: {body}")
    for change in ("DROP COLUMN note", "RENAME COLUMN note TO remark"):
        database = apsw.Connection(":memory:")
        for statement in (
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, note text)",
            "CREATE TABLE log (note text)",
            "CREATE TABLE payments (id INTEGER PRIMARY KEY)",
            f"CREATE TRIGGER paid AFTER INSERT ON payments BEGIN {body}; END",
        ):
            database.execute(statement)
        print(f"  {change}: {said(database, f'ALTER TABLE orders {change}')}")
        print(f"    a payment behind it: {said(database, 'INSERT INTO payments VALUES (1)')}")
PROGRAM
python3 "$work/program.py" >"$work/seen"

expect "$work/seen" <<'EXPECTED'
a trigger on payments: INSERT INTO log SELECT note FROM orders
  DROP COLUMN note: error, error in trigger paid after drop column: no such column: note
    a payment behind it: passes
  RENAME COLUMN note TO remark: passes
    a payment behind it: passes
a trigger on payments: DELETE FROM orders WHERE note = 'x'
  DROP COLUMN note: error, error in trigger paid after drop column: no such column: note
    a payment behind it: passes
  RENAME COLUMN note TO remark: passes
    a payment behind it: passes
a trigger on payments: UPDATE orders SET note = 'x'
  DROP COLUMN note: passes
    a payment behind it: error, no such column: note
  RENAME COLUMN note TO remark: passes
    a payment behind it: passes
a trigger on payments: INSERT INTO orders (id, note) VALUES (NEW.id, 'x')
  DROP COLUMN note: passes
    a payment behind it: error, table orders has no column named note
  RENAME COLUMN note TO remark: passes
    a payment behind it: passes
EXPECTED
