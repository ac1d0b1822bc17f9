#!/usr/bin/env bash
# The SQLSTATE of a DELETE that a foreign key forbids.
#
# One would guess: 23503 (foreign key violation), whichever way the key was declared.
# What happens: from PostgreSQL 18 on, a key declared ON DELETE or ON UPDATE RESTRICT answers 23001 (restrict violation), with
#   another text. One without an action, or with NO ACTION, still says 23503, and so does a key that refers to nothing.
# Versions: PostgreSQL 17.10 and 18.4.
# Why it matters here: programs that tell "still in use" by 23503 miss it after an upgrade of the server. Spakky declares
#   RESTRICT, and takes both codes for `is_foreign_key_violation()`.

set -euo pipefail
. "$(dirname "$0")/lib.sh"
python_packages "${psycopg[@]}"

for release in 17.10.0-beta.17 18.4.0-beta.17; do
    postgres
    python3 - >>"$work/seen" <<'PROGRAM'
from lib import connect, said

admin = connect()
print("PostgreSQL", admin.execute("SHOW server_version").fetchone()[0])
for action in ("", "ON DELETE RESTRICT ON UPDATE RESTRICT"):
    admin.execute("DROP TABLE IF EXISTS orders, customers")
    admin.execute("CREATE TABLE customers (id int PRIMARY KEY)")
    admin.execute(f"CREATE TABLE orders (customer int REFERENCES customers {action})")
    admin.execute("INSERT INTO customers VALUES (1)")
    admin.execute("INSERT INTO orders VALUES (1)")
    for statement in ("DELETE FROM customers", "UPDATE customers SET id = 2", "INSERT INTO orders VALUES (3)"):
        print(f"  {action or 'no action said'}: {statement}: {said(admin, statement).split()[0]}")
PROGRAM
    stop_postgres fast
    rm -r "$work/data"
done

expect "$work/seen" <<'EXPECTED'
PostgreSQL 17.10
  no action said: DELETE FROM customers: 23503
  no action said: UPDATE customers SET id = 2: 23503
  no action said: INSERT INTO orders VALUES (3): 23503
  ON DELETE RESTRICT ON UPDATE RESTRICT: DELETE FROM customers: 23503
  ON DELETE RESTRICT ON UPDATE RESTRICT: UPDATE customers SET id = 2: 23503
  ON DELETE RESTRICT ON UPDATE RESTRICT: INSERT INTO orders VALUES (3): 23503
PostgreSQL 18.4
  no action said: DELETE FROM customers: 23503
  no action said: UPDATE customers SET id = 2: 23503
  no action said: INSERT INTO orders VALUES (3): 23503
  ON DELETE RESTRICT ON UPDATE RESTRICT: DELETE FROM customers: 23001
  ON DELETE RESTRICT ON UPDATE RESTRICT: UPDATE customers SET id = 2: 23001
  ON DELETE RESTRICT ON UPDATE RESTRICT: INSERT INTO orders VALUES (3): 23503
EXPECTED
