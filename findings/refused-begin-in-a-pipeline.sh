#!/usr/bin/env bash
# BEGIN, INSERT and COMMIT sent at once, where BEGIN is refused.
#
# One would guess: what is sent in one go between BEGIN and COMMIT is all or nothing, so a caller that gets an error can
#   run it again.
# What happens: it hangs on where the Syncs are. With one behind each statement, as tokio-postgres sends them, a BEGIN that
#   is refused leaves those behind it to run in transactions of their own: the row is stored, COMMIT answers COMMIT, and the
#   caller has an error in hand. With one Sync at the end everything behind the error is skipped.
#   BEGIN is refused where a pooler or DISCARD ALL took its prepared statement away, or a cancel request hits it.
# Versions: PostgreSQL 18.4, by psycopg 3.3.9's libpq; 15.18 does the same.
# Why it matters here: a burst of Spakky's is one unit of work, and a retry must not store it twice.

set -euo pipefail
. "$(dirname "$0")/lib.sh"
python_packages "${psycopg[@]}"
postgres

python3 - >"$work/seen" <<'PROGRAM'
from psycopg.pq import DiagnosticField, ExecStatus

from lib import connect, said

admin = connect()
admin.execute("CREATE TABLE orders (sync text)")
for sync in ("behind each statement", "at the end"):
    wire = connect().pgconn
    wire.prepare(b"begin", b"BEGIN")
    wire.exec_(b"DEALLOCATE ALL")
    wire.enter_pipeline_mode()
    wire.send_query_prepared(b"begin", [])
    if sync == "behind each statement":
        wire.pipeline_sync()
    wire.send_query_params(b"INSERT INTO orders VALUES ($1)", [sync.encode()])
    if sync == "behind each statement":
        wire.pipeline_sync()
    wire.send_query_params(b"COMMIT", [])
    wire.pipeline_sync()
    print(f"Sync {sync}")
    syncs = 3 if sync == "behind each statement" else 1
    while syncs:
        answer = wire.get_result()
        if answer is None:
            continue
        if answer.status == ExecStatus.PIPELINE_SYNC:
            syncs -= 1
        elif answer.status == ExecStatus.PIPELINE_ABORTED:
            print("  skipped")
        elif answer.status == ExecStatus.FATAL_ERROR:
            code, text = (answer.error_field(field).decode() for field in (DiagnosticField.SQLSTATE, DiagnosticField.MESSAGE_PRIMARY))
            print(f"  {code} {text}")
        else:
            print(f"  {answer.command_status.decode()}")
    print("  stored:", said(admin, "SELECT count(*) FROM orders WHERE sync = %s", sync)[0][0])
PROGRAM

expect "$work/seen" <<'EXPECTED'
Sync behind each statement
  26000 prepared statement "begin" does not exist
  INSERT 0 1
  COMMIT
  stored: 1
Sync at the end
  26000 prepared statement "begin" does not exist
  skipped
  skipped
  stored: 0
EXPECTED
