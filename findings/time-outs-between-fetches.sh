#!/usr/bin/env bash
# A result that is fetched in parts by the extended protocol, without a transaction around it, and time-outs meanwhile.
#
# One would guess: `statement_timeout` counts while the server works, and a client that takes its time between two fetches is
#   what `idle_in_transaction_session_timeout` is for.
# What happens: the other way round. Until the Sync at its end the statement counts as running: the session is `active`, it
#   holds back vacuum by its snapshot, `idle_in_transaction_session_timeout` and `idle_session_timeout` never fire, and
#   `statement_timeout` ends the next fetch, though the server did nothing. Rows that an INSERT .. RETURNING gave out that way
#   are committed only by the Sync: gone if the client goes.
# Versions: PostgreSQL 18.4 (15.18 does the same), node's pg 8.23.1 with pg-cursor 2.22.1.
# Why it matters here: streams and relays. Read in pages with short statements, as Spakky's streams of rows with children do,
#   and publish nothing of a result that is still being fetched.

set -euo pipefail
. "$(dirname "$0")/lib.sh"
node_packages pg@8.23.1 pg-cursor@2.22.1
postgres

cat >"$work/program.mjs" <<'PROGRAM'
import pg from 'pg';
import Cursor from 'pg-cursor';

const admin = new pg.Client();
await admin.connect();
const first = async (sql, values) => (await admin.query({ text: sql, values, rowMode: 'array' })).rows[0];
const connect = async (setting) => {
    const client = new pg.Client({ options: setting });
    client.on('error', () => {});
    await client.connect();
    const pid = (await client.query('SELECT pg_backend_pid() AS pid')).rows[0].pid;
    return { client, pid };
};
const passed = 'SELECT clock_timestamp() - query_start > $2::interval FROM pg_stat_activity, pg_sleep(0.02) WHERE pid = $1';

for (const setting of ['statement_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout']) {
    const { client, pid } = await connect(`-c ${setting}=500`);
    const cursor = client.query(new Cursor('SELECT n FROM generate_series(1, 3) n'));
    await cursor.read(1);
    while (!(await first(passed, [pid, '2 s']))[0]);
    const seen = await first('SELECT state, wait_event, backend_xmin IS NOT NULL FROM pg_stat_activity WHERE pid = $1', [pid]);
    console.log(`${setting}, two seconds after the first fetch: ${seen[0]}, waits for ${seen[1]}, holds a snapshot: ${seen[2]}`);
    const next = await cursor.read(1).then((rows) => `row ${rows[0].n}`, (error) => `${error.code} ${error.message}`);
    console.log(`  the next fetch: ${next}`);
    await client.end();
}

await admin.query('CREATE TABLE outbox (id int)');
const { client, pid } = await connect('');
const cursor = client.query(new Cursor('INSERT INTO outbox SELECT generate_series(1, 3) RETURNING id'));
console.log(`INSERT .. RETURNING, the first fetch: row ${(await cursor.read(1))[0].id}`);
client.connection.stream.destroy();
while ((await first('SELECT count(*) FROM pg_stat_activity, pg_sleep(0.02) WHERE pid = $1', [pid]))[0] !== '0');
console.log(`  the client goes: ${await first('SELECT count(*) FROM outbox')} rows are stored`);
await admin.end();
PROGRAM
node "$work/program.mjs" >"$work/seen"

expect "$work/seen" <<'EXPECTED'
statement_timeout, two seconds after the first fetch: active, waits for ClientRead, holds a snapshot: true
  the next fetch: 57014 canceling statement due to statement timeout
idle_in_transaction_session_timeout, two seconds after the first fetch: active, waits for ClientRead, holds a snapshot: true
  the next fetch: row 2
idle_session_timeout, two seconds after the first fetch: active, waits for ClientRead, holds a snapshot: true
  the next fetch: row 2
INSERT .. RETURNING, the first fetch: row 1
  the client goes: 0 rows are stored
EXPECTED
