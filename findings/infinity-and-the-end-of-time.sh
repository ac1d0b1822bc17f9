#!/usr/bin/env bash
# Times without an end (`infinity`), and the last moment of a language, between programs that share a table.
#
# One would guess: `infinity` is an error or a special value in each client, and a time that one client writes is what
#   another reads.
# What happens: asyncpg reads `infinity` as Python's `datetime.max`, of a timestamptz too without a zone, and writes
#   `datetime.max` and `date.max` as `infinity`.
#   psycopg, given the same values, writes the year 9999, and reading `infinity` is an error for the whole row, whatever else
#   is in it. node's pg reads the number Infinity in place of a Date, postgres.js an invalid Date. So a "valid until" of
#   9999-12-31 that one program writes is infinite to the next, which cannot read it; and `= '9999-12-31..'` finds no row.
# Versions: PostgreSQL 18.4; psycopg 3.3.9, asyncpg 0.32.0; for node pg 8.23.1, postgres 3.4.9.
# Why it matters here: no Rust type holds `infinity`, and Spakky refuses to read it with an error that names the column. A table
#   that asyncpg writes may hold it without anybody having asked for it.

set -euo pipefail
. "$(dirname "$0")/lib.sh"
python_packages "${psycopg[@]}" asyncpg==0.32.0
node_packages pg@8.23.1 postgres@3.4.9
postgres

cat >"$work/program.py" <<'PROGRAM'
import asyncio
from datetime import date, datetime, timezone

import asyncpg
import psycopg

from lib import connect

MOMENT = datetime.max.replace(tzinfo=timezone.utc)
admin = connect()
admin.execute("CREATE TABLE offers (by text, until timestamptz, day date)")


async def main():
    client = await asyncpg.connect()
    await client.execute("INSERT INTO offers VALUES ('asyncpg', $1, $2)", MOMENT, date.max)
    admin.execute("INSERT INTO offers VALUES ('psycopg', %s, %s)", [MOMENT, date.max])
    for row in admin.execute("SELECT by, until::text, day::text FROM offers"):
        print("written by", *row)
    for by in ("asyncpg", "psycopg"):
        row = await client.fetchrow("SELECT until, day FROM offers WHERE by = $1", by)
        print(f"  asyncpg reads {by}'s: {row['until']} {row['day']}")
        try:
            row = admin.execute("SELECT by, until, day FROM offers WHERE by = %s", [by]).fetchone()
            print(f"  psycopg reads {by}'s: {row[1]} {row[2]}")
        except psycopg.DataError as error:
            print(f"  psycopg reads {by}'s: error, {error}")
    found = admin.execute("SELECT count(*) FROM offers WHERE until = %s", [MOMENT]).fetchone()[0]
    print(f"  found by the moment that was written: {found} of 2")
    await client.close()


asyncio.run(main())
PROGRAM
python3 "$work/program.py" >"$work/seen"

cat >"$work/program.mjs" <<'PROGRAM'
import pg from 'pg';
import postgres from 'postgres';

const ask = "SELECT until, day FROM offers WHERE by = 'asyncpg'";
const client = new pg.Client();
await client.connect();
const [row] = (await client.query(ask)).rows;
console.log(`  pg reads asyncpg's: ${typeof row.until} ${row.until}, ${typeof row.day} ${row.day}`);
await client.end();
const sql = postgres({ host: process.env.PGHOST, user: 'postgres', database: 'postgres' });
const [other] = await sql.unsafe(ask);
console.log(`  postgres reads asyncpg's: ${other.until}, ${other.day}`);
await sql.end();
PROGRAM
node "$work/program.mjs" >>"$work/seen"

expect "$work/seen" <<'EXPECTED'
written by asyncpg infinity infinity
written by psycopg 9999-12-31 23:59:59.999999+00 9999-12-31
  asyncpg reads asyncpg's: 9999-12-31 23:59:59.999999 9999-12-31
  psycopg reads asyncpg's: error, timestamp too large (after year 10K): 'infinity'
  asyncpg reads psycopg's: 9999-12-31 23:59:59.999999+00:00 9999-12-31
  psycopg reads psycopg's: 9999-12-31 23:59:59.999999+00:00 9999-12-31
  found by the moment that was written: 1 of 2
  pg reads asyncpg's: number Infinity, number Infinity
  postgres reads asyncpg's: Invalid Date, Invalid Date
EXPECTED
