"""Shared by the scripts beside it: connections, what the server said, and waiting for a condition."""

import time

import psycopg


def connect(**options):
    return psycopg.connect(autocommit=True, **options)


def said(connection, sql, *values, **options):
    """The rows, or the command's tag, or the SQLSTATE and the text of the error."""
    try:
        done = connection.execute(sql, values or None, **options)
    except psycopg.Error as error:
        return f"{error.sqlstate} {error.diag.message_primary}"
    return done.statusmessage if done.description is None else done.fetchall()


def wait_until(connection, condition):
    """Asks until the condition is true."""
    deadline = time.monotonic() + 20
    while not connection.execute(f"SELECT ({condition}) IS TRUE").fetchone()[0]:
        if time.monotonic() > deadline:
            raise TimeoutError(condition)
        time.sleep(0.01)
