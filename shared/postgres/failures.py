"""Why the private PostgreSQL can't run, and what a person does about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

SIGNS = (
    ("No space left on device", "The disk is full: free some space, then start again; nothing is lost."),
    ("Disk quota exceeded", "Your disk quota is used up: free some space, then start again; nothing is lost."),
    ("Read-only file system", "The file system can't be written: choose another folder."),
    ("Permission denied", "Some of its files belong to somebody else: give them to the account that runs the server."),
    ("incompatible with server", "This data is of another PostgreSQL: start the Tenantry that wrote it."),
    ("could not map anonymous shared memory", "There is too little memory: 100 MB must be free."),
    (
        "could not create semaphores",
        "The system has no semaphore left: see kernel.sem, or stop other database servers.",
    ),
    ("is still in use", "Server processes of an earlier run are still ending: wait some seconds, then start again."),
    ("could not locate a valid checkpoint record", "The data folder is damaged: restore a backup."),
    ("could not look up effective user", "The account that runs this has no name: add it to /etc/passwd."),
    ("GLIBC", "This system's C library is older than 2.28, which PostgreSQL here needs."),
)


class PostgresFailed(Exception):
    """The private PostgreSQL can't run: the cause, then the way out."""

    def __init__(self, cause: str, way_out: str) -> None:
        super().__init__(f"{cause}\n{way_out}")
        self.cause = cause
        self.way_out = way_out


def explained(what: str, said: str) -> PostgresFailed:
    """The failure behind what the server or initdb said."""
    lines = [line for line in said.strip().splitlines() if line.strip()]
    telling = [line for line in lines if "FATAL" in line or "PANIC" in line or "error:" in line] or lines
    cause = f"{what}: {telling[-1].strip()}" if telling else f"{what}, and says nothing."
    way_out = next((advice for sign, advice in SIGNS if sign in said), "What it said last:\n" + "\n".join(lines[-10:]))
    return PostgresFailed(cause, way_out)


@contextmanager
def as_failure(what: str) -> Iterator[None]:
    """Turns an error of the file system into a `PostgresFailed`."""
    try:
        yield
    except OSError as error:
        raise explained(what, f"{error.strerror or error} ({error.filename})") from error
