#!/usr/bin/env bash
# One parameter of a connection URL, read by two clients of PostgreSQL.
#
# One would guess: a URL that works with libpq means the same to other clients that take its parameters.
# What happens: `tcp_user_timeout` is in milliseconds for libpq, and in seconds for tokio-postgres, which says no unit. A limit of
#   a second and a half becomes one of 25 minutes: a program that moves from one to the other waits that long on a line that is dead.
# Versions: psycopg 3.3.9 with the libpq that its wheel brings; tokio-postgres 0.7.18; PostgreSQL 18.4. Linux.
# Why it matters here: the settings of a URL are libpq's, in libpq's units.

set -euo pipefail
. "$(dirname "$0")/lib.sh"
python_packages "${psycopg[@]}"
export PGPORT_OF_SERVER=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
postgres "listen_addresses='127.0.0.1'" "port=$PGPORT_OF_SERVER"

python3 - >"$work/seen" <<'PROGRAM'
import os
import socket

import psycopg

port = os.environ["PGPORT_OF_SERVER"]
with psycopg.connect(f"postgres://postgres@127.0.0.1:{port}/postgres?tcp_user_timeout=1500") as connection:
    with socket.socket(fileno=os.dup(connection.fileno())) as line:
        limit = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
print(f"libpq: {limit} ms on the socket")
PROGRAM

mkdir -p "$work/program/src"
cat >"$work/program/Cargo.toml" <<'MANIFEST'
[package]
name = "program"
version = "0.0.0"
edition = "2021"
[dependencies]
tokio-postgres = { version = "=0.7.18", default-features = false }
[workspace]
MANIFEST
cat >"$work/program/src/main.rs" <<'PROGRAM'
fn main() {
    let url = "postgres://postgres@127.0.0.1/postgres?tcp_user_timeout=1500";
    let config: tokio_postgres::Config = url.parse().unwrap();
    println!("tokio-postgres: {} ms asked of the socket", config.get_tcp_user_timeout().unwrap().as_millis());
}
PROGRAM
CARGO_TARGET_DIR=$work/target cargo run --quiet --manifest-path "$work/program/Cargo.toml" >>"$work/seen"

expect "$work/seen" <<'SEEN'
libpq: 1500 ms on the socket
tokio-postgres: 1500000 ms asked of the socket
SEEN
