#!/usr/bin/env bash
# COMMIT of a transaction in which a statement failed and the program went on, by the clients of PostgreSQL.
#
# One would guess: a commit that stores nothing is an error, at least in a client that has a call or a block for it.
# What happens: PostgreSQL answers COMMIT with the tag ROLLBACK and no error. psycopg's `commit()` and `transaction()`,
#   asyncpg's `transaction()`, SQLAlchemy's `begin()` and a COMMIT by node's pg end as if all was well, and nothing is stored.
#   pg8000's `commit()` and postgres.js's `begin()` raise. SQLite commits what did not fail.
# Versions: PostgreSQL 18.4 (15.18 does the same); psycopg 3.3.9, asyncpg 0.32.0, SQLAlchemy 2.1.9, pg8000 1.31.6; for node
#   pg 8.23.1, postgres 3.4.9; SQLite by Python's sqlite3.
# Why it matters here: a service that shares its database or its habits with one of these. Spakky's commit is an error then.

set -euo pipefail
. "$(dirname "$0")/lib.sh"
python_packages "${psycopg[@]}" asyncpg==0.32.0 SQLAlchemy==2.1.9 pg8000==1.31.6 scramp==1.5.0 asn1crypto==1.5.1 python-dateutil==2.9.0.post0 six==1.17.0
node_packages pg@8.23.1 postgres@3.4.9
postgres

cat >"$work/python.py" <<'PROGRAM'
import asyncio
import os
import sqlite3

import asyncpg
import pg8000.dbapi
import psycopg
import sqlalchemy

from lib import connect

GOOD, BAD = "INSERT INTO orders VALUES (1)", "INSERT INTO orders VALUES (1)"
reader = connect()
reader.execute("CREATE TABLE orders (id int PRIMARY KEY)")


def report(name, outcome):
    stored = reader.execute("SELECT count(*) FROM orders").fetchone()[0]
    print(f"{name}: {outcome}, {stored} rows stored")


def fails(execute):
    try:
        execute(BAD)
    except Exception:
        return
    raise AssertionError("the second row is no error")


connection = psycopg.connect()
connection.execute(GOOD)
fails(connection.execute)
connection.commit()
report("psycopg commit()", "no error")

connection = connect()
with connection.transaction():
    connection.execute(GOOD)
    fails(connection.execute)
report("psycopg transaction()", "no error")


async def with_asyncpg():
    connection = await asyncpg.connect()
    async with connection.transaction():
        await connection.execute(GOOD)
        try:
            await connection.execute(BAD)
        except asyncpg.UniqueViolationError:
            pass
    await connection.close()


asyncio.run(with_asyncpg())
report("asyncpg transaction()", "no error")

with sqlalchemy.create_engine("postgresql+psycopg://").begin() as connection:
    connection.exec_driver_sql(GOOD)
    fails(connection.exec_driver_sql)
report("SQLAlchemy begin()", "no error")

connection = pg8000.dbapi.connect("postgres", unix_sock=f"{os.environ['PGHOST']}/.s.PGSQL.5432")
cursor = connection.cursor()
cursor.execute(GOOD)
fails(cursor.execute)
try:
    connection.commit()
    report("pg8000 commit()", "no error")
except pg8000.dbapi.InterfaceError as error:
    report("pg8000 commit()", f"error '{error}'")

connection = sqlite3.connect(":memory:")
connection.execute("CREATE TABLE orders (id int PRIMARY KEY)")
connection.execute(GOOD)
fails(connection.execute)
connection.commit()
print(f"SQLite commit(): no error, {connection.execute('SELECT count(*) FROM orders').fetchone()[0]} rows stored")
PROGRAM

cat >"$work/node.mjs" <<'PROGRAM'
import pg from 'pg';
import postgres from 'postgres';

const insert = 'INSERT INTO orders VALUES (1)';
const client = new pg.Client();
await client.connect();
await client.query('BEGIN');
await client.query(insert);
await client.query(insert).catch(() => {});
const { command } = await client.query('COMMIT');
const stored = async () => (await client.query('SELECT count(*) FROM orders')).rows[0].count;
console.log(`pg COMMIT: no error, the command is ${command}, ${await stored()} rows stored`);

const sql = postgres({ host: process.env.PGHOST, user: 'postgres', database: 'postgres' });
const unit = sql.begin(async (sql) => {
    await sql.unsafe(insert);
    await sql.unsafe(insert).catch(() => {});
});
const outcome = await unit.then(() => 'no error', (error) => `error ${error.code}`);
console.log(`postgres begin(): ${outcome}, ${await stored()} rows stored`);
await sql.end();
await client.end();
PROGRAM

python3 "$work/python.py" >"$work/seen"
node "$work/node.mjs" >>"$work/seen"

expect "$work/seen" <<'EXPECTED'
psycopg commit(): no error, 0 rows stored
psycopg transaction(): no error, 0 rows stored
asyncpg transaction(): no error, 0 rows stored
SQLAlchemy begin(): no error, 0 rows stored
pg8000 commit(): error 'in failed transaction block', 0 rows stored
SQLite commit(): no error, 1 rows stored
pg COMMIT: no error, the command is ROLLBACK, 0 rows stored
postgres begin(): error 23505, 0 rows stored
EXPECTED
