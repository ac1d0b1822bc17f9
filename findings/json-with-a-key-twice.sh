#!/usr/bin/env bash
# One JSON text with a key twice, `{"a": 1, "b": 0, "a": 2}`, read and changed by what a document may pass through.
#
# One would guess: the last one counts, as in JavaScript, Python and PostgreSQL's jsonb; and `->>` means the same in
#   SQLite and PostgreSQL.
# What happens: SQLite takes the first, in `->>`, `json_extract` and jsonb, and finds the text valid. `json_set` changes the
#   first and leaves the second, and `json_remove` removes the first, so that the second comes to light: what was removed
#   has a value. PostgreSQL's json keeps both, its operators take the last and its `json_each` gives both. Node and Python take the
#   last, DuckDB the first.
# Versions: SQLite 3.54.1 by apsw 3.54.1.0 (3.40.1 does the same, without its jsonb), PostgreSQL 18.4 and 15.18, node 20,
#   Python 3.11, duckdb 1.5.5.
# Why it matters here: a document in a text column on SQLite and in `jsonb` on PostgreSQL. Rust types and `serde_json::Value`
#   write each key once; a text that SQL put there, or another program, may not, and then means one thing to a
#   condition in SQL and another to the program that reads it.

set -euo pipefail
. "$(dirname "$0")/lib.sh"
python_packages "${psycopg[@]}" apsw==3.54.1.0 duckdb==1.5.5
postgres

cat >"$work/program.py" <<'PROGRAM'
import json

import apsw
import duckdb

from lib import connect

TEXT = '{"a": 1, "b": 0, "a": 2}'
sqlite, postgres = apsw.Connection(":memory:"), connect()
print("Python:", json.loads(TEXT)["a"])
print("DuckDB ->>:", duckdb.execute("SELECT ?::json ->> 'a'", [TEXT]).fetchone()[0])
for ask in (
    "?1 ->> 'a'",
    "json_valid(?1)",
    "jsonb(?1) ->> 'a'",
    "json_set(?1, '$.a', 9)",
    "json_remove(?1, '$.a')",
    "json_remove(?1, '$.a') ->> 'a'",
    "(SELECT group_concat(key || '=' || value) FROM json_each(?1))",
):
    print(f"SQLite {ask}:", sqlite.execute(f"SELECT {ask}", (TEXT,)).fetchall()[0][0])
for ask in (
    "%s::jsonb ->> 'a'",
    "%s::json ->> 'a'",
    "%s::jsonb - 'a'",
    "(SELECT string_agg(key || '=' || value, ',') FROM json_each_text(%s::json))",
):
    print(f"PostgreSQL {ask}:", postgres.execute(f"SELECT ({ask})::text", [TEXT]).fetchone()[0])
PROGRAM
python3 "$work/program.py" >"$work/seen"
node --print '"node: " + JSON.parse(`{"a": 1, "b": 0, "a": 2}`).a' >>"$work/seen"

expect "$work/seen" <<'EXPECTED'
Python: 2
DuckDB ->>: 1
SQLite ?1 ->> 'a': 1
SQLite json_valid(?1): 1
SQLite jsonb(?1) ->> 'a': 1
SQLite json_set(?1, '$.a', 9): {"a":9,"b":0,"a":2}
SQLite json_remove(?1, '$.a'): {"b":0,"a":2}
SQLite json_remove(?1, '$.a') ->> 'a': 2
SQLite (SELECT group_concat(key || '=' || value) FROM json_each(?1)): a=1,b=0,a=2
PostgreSQL %s::jsonb ->> 'a': 2
PostgreSQL %s::json ->> 'a': 2
PostgreSQL %s::jsonb - 'a': {"b": 0}
PostgreSQL (SELECT string_agg(key || '=' || value, ',') FROM json_each_text(%s::json)): a=1,b=0,a=2
node: 2
EXPECTED
