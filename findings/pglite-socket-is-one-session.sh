#!/usr/bin/env bash
# PGlite, PostgreSQL in WebAssembly, behind its socket server with several connections, as a database for tests.
#
# One would guess: each connection is a session, or there can be one at a time.
# What happens: with `maxConnections` there are several, and all are one session: what one SETs holds for all and stays when
#   it is gone, temporary tables and prepared statements are shared, and an advisory lock that one holds the others get, too.
#   Transactions are kept apart by making the others wait, also reads: what needs two of them at once hangs. Without
#   `maxConnections` the second connection is closed without a word.
# Versions: @electric-sql/pglite 0.5.14 (PostgreSQL 18.6), @electric-sql/pglite-socket 0.2.17, pg 8.23.1.
# Why it matters here: tests of units of work that conflict, wait for a lock or read a replica need a server.

set -euo pipefail
. "$(dirname "$0")/lib.sh"
node_packages @electric-sql/pglite@0.5.14 @electric-sql/pglite-socket@0.2.17 pg@8.23.1

cat >"$work/program.mjs" <<'PROGRAM'
import { createConnection } from 'node:net';
import { once } from 'node:events';
import { PGlite } from '@electric-sql/pglite';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';
import pg from 'pg';

const db = await PGlite.create();
const listen = async (options) => {
    const server = new PGLiteSocketServer({ db, port: 0, host: '127.0.0.1', ...options });
    await server.start();
    return { server, port: server.server.address().port };
};

const single = await listen({});
const sockets = [createConnection(single.port, '127.0.0.1'), undefined];
await once(sockets[0], 'connect');
sockets[1] = createConnection(single.port, '127.0.0.1').resume().on('error', () => {});
await once(sockets[1], 'close');
console.log(`by default, a second connection: closed, ${sockets[1].bytesRead} bytes read`);
sockets[0].destroy();
await single.server.stop();

const { server, port } = await listen({ maxConnections: 10 });
const connect = async () => {
    const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres' });
    await client.connect();
    return client;
};
const [one, two] = [await connect(), await connect()];
const first = async (client, text, name) => {
    const { rows } = await client.query({ text, name, rowMode: 'array' }).catch(({ code, message }) => ({ rows: [[`${code} ${message}`]] }));
    return rows[0]?.[0];
};
await one.query("SET timezone = 'Asia/Seoul'");
await one.query('CREATE TEMPORARY TABLE draft (id int)');
console.log(`SET by one, seen by two: ${await first(two, 'SHOW timezone')}`);
console.log(`a temporary table of one, by two: ${await first(two, 'SELECT count(*) FROM draft')} rows`);
const lock = 'SELECT pg_try_advisory_lock(7)';
console.log(`an advisory lock, by both: ${await first(one, lock)}, ${await first(two, lock)}`);
await first(one, 'SELECT 1', 's1');
console.log(`a statement s1 of one, then another of two: ${await first(two, 'SELECT 2', 's1')}`);

await one.query('BEGIN');
let answered = false;
const read = first(two, 'SELECT 3').then(() => (answered = true));
for (let n = 0; n < 20; n += 1) await one.query('SELECT 4');
console.log(`a read of two, while one has a transaction: ${answered ? 'answered' : 'waits'}`);
await one.query('COMMIT');
await read;
console.log('  behind COMMIT: answered');

await one.end();
await two.end();
const three = await connect();
console.log(`SET by one, seen when it is gone: ${await first(three, 'SHOW timezone')}`);
await three.end();
await server.stop();
await db.close();
PROGRAM
node "$work/program.mjs" >"$work/seen"

expect "$work/seen" <<'EXPECTED'
by default, a second connection: closed, 0 bytes read
SET by one, seen by two: Asia/Seoul
a temporary table of one, by two: 0 rows
an advisory lock, by both: true, true
a statement s1 of one, then another of two: 42P05 prepared statement "s1" already exists
a read of two, while one has a transaction: waits
  behind COMMIT: answered
SET by one, seen when it is gone: Asia/Seoul
EXPECTED
