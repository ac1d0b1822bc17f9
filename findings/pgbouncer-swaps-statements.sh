#!/usr/bin/env bash
# Prepared statements and advisory locks of two programs behind PgBouncer in transaction mode.
#
# One would guess: a prepared statement behind a pooler that does not know of them fails, "does not exist", until it is
#   switched off; and of two programs one alone gets an advisory lock.
# What happens: drivers count their statements (`_pg3_0`, `s0`, ..), so two programs give different statements the same name.
#   Once both server connections have one of that name, each program runs the other's without any error, where their
#   parameters agree. And both get the same session lock, one after the other, where they are given the same server
#   connection; it stays taken when both programs are gone.
# Versions: PgBouncer 1.18.0 (Debian 12), which does not know prepared statements; psycopg 3.3.9 told to prepare at once;
#   PostgreSQL 18.4. Not so with `max_prepared_statements` of PgBouncer 1.21 or newer, which is on by default from 1.24 on.
# Why it matters here: `pooler = "pgbouncer"` sends unnamed statements; without it there need be no error that tells. A lock
#   for "one process alone" is a transaction's (`pg_advisory_xact_lock`).

set -euo pipefail
. "$(dirname "$0")/lib.sh"
python_packages "${psycopg[@]}"
postgres

(
    cd "$work"
    apt-get download --quiet=2 --option APT::Sandbox::User=root pgbouncer=1.18.0-1+deb12u1 libevent-2.1-7 libc-ares2
    for package in *.deb; do dpkg-deb --extract "$package" "$work/debian"; done
)
install -d -m 755 "$work/pool"
if (($(id -u) == 0)); then chown nobody "$work/pool"; fi
cat >"$work/pool/settings" <<SETTINGS
[databases]
postgres = host=$PGHOST user=postgres
[pgbouncer]
listen_addr =
unix_socket_dir = $work/pool
listen_port = 6432
auth_type = any
pool_mode = transaction
default_pool_size = 2
logfile = $work/pool/log
pidfile = $work/pool/pid
SETTINGS
library=$(dirname "$(find "$work/debian" -name 'libevent-2.1.so.7')")
daemon=$work/pool/pid
as_server env LD_LIBRARY_PATH="$library" "$work/debian/usr/sbin/pgbouncer" --quiet --daemon "$work/pool/settings"
for _ in {1..200}; do
    if [[ -s $daemon && -S $work/pool/.s.PGSQL.6432 ]]; then break; fi
    sleep 0.05
done

POOL=$work/pool python3 - >"$work/seen" <<'PROGRAM'
import os

from lib import connect, said


def program():
    return connect(host=os.environ["POOL"], port=6432)


direct = connect()
direct.execute("CREATE TABLE accounts (id int PRIMARY KEY, balance int)")
direct.execute("INSERT INTO accounts VALUES (1, 10)")

one, two = program(), program()
print("lock:", *(said(each, "SELECT pg_try_advisory_lock(7)")[0][0] for each in (one, two)))
one.close()
two.close()
print("lock taken when both are gone:", not said(direct, "SELECT pg_try_advisory_lock(7)")[0][0])

asks = {"one": "SELECT balance FROM accounts WHERE id = %s", "two": "SELECT balance * 1000 FROM accounts WHERE id = %s"}
programs = {name: program() for name in asks}
first = None
for names in (["one", "two"], ["two", "one"]) * 10:
    for name in names:
        programs[name].execute("BEGIN")
    places = [said(each, "SELECT pg_backend_pid()")[0][0] for each in programs.values()]
    known, first = first is not None, first or places
    changed = places != first
    answers = {name: said(programs[name], ask, 1, prepare=True)[0][0] for name, ask in asks.items()}
    if changed or not known:
        print("server connections changed:" if changed else "first server connections:")
        for name, answer in answers.items():
            print(f"  {name}: {asks[name] % 1}: {answer}")
    for name in asks:
        programs[name].execute("COMMIT")
    if changed:
        break
PROGRAM

expect "$work/seen" <<'EXPECTED'
lock: True True
lock taken when both are gone: True
first server connections:
  one: SELECT balance FROM accounts WHERE id = 1: 10
  two: SELECT balance * 1000 FROM accounts WHERE id = 1: 10000
server connections changed:
  one: SELECT balance FROM accounts WHERE id = 1: 10000
  two: SELECT balance * 1000 FROM accounts WHERE id = 1: 10
EXPECTED
