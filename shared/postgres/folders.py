"""The folders of a private PostgreSQL: one supervisor's, whole or not there, with a socket for nobody else."""

from __future__ import annotations

import fcntl
import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

from shared.postgres.account import ServerUser, reachable_place
from shared.postgres.failures import PostgresFailed, as_failure, explained

PORT = 5432
SOCKET = f".s.PGSQL.{PORT}"
LONGEST_SOCKET_PATH = 107 if sys.platform == "linux" else 103


def lock_for(data: Path) -> IO[str]:
    """The one supervisor's; the lock lasts while the file is open, so it ends with the supervisor however that ends."""
    with as_failure(f"{data.parent} can't be written"):
        data.parent.mkdir(parents=True, exist_ok=True)
        lock = data.with_name(f"{data.name}.lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise PostgresFailed(
            f"{data} is in use by another Tenantry that is running (process {holder}).",
            "Stop that one first, or give this one a data folder of its own.",
        ) from None
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def prepared_data(wanted: Path, user: ServerUser, programs: Path, *, durable: bool) -> Path:
    """Where the data really lies: whole, of this PostgreSQL's major version, and the server's account's own."""
    with as_failure(f"{wanted} can't be used"):
        data = reachable_place(wanted, user)
        if not (data / "PG_VERSION").exists():
            _initialise(data, user, programs, durable=durable)
        owner = data.stat().st_uid
    if owner != user.uid:
        name = pwd.getpwuid(owner).pw_name if owner in {entry.pw_uid for entry in pwd.getpwall()} else str(owner)
        raise PostgresFailed(
            f"{data} belongs to the account `{name}`, and PostgreSQL would run as `{user.name}`.",
            f"Run Tenantry as that account, or give the folder away: chown -R {user.name} {data}",
        )
    _check_version(data, programs)
    return data


def _initialise(data: Path, user: ServerUser, programs: Path, *, durable: bool) -> None:
    """Builds beside the folder and renames, so that an interruption leaves nothing that looks like data."""
    if data.exists():
        if any(data.iterdir()):
            raise PostgresFailed(
                f"{data} isn't a PostgreSQL data folder, and isn't empty.",
                "Move it away (it may be a half-copied backup), or choose another data folder.",
            )
        data.rmdir()
    for interrupted in data.parent.glob(f"{data.name}.unfinished-*"):
        shutil.rmtree(interrupted)
    begun = Path(tempfile.mkdtemp(prefix=f"{data.name}.unfinished-", dir=data.parent))
    user.own(begun)
    command = [*dies_with_us(), str(programs / "initdb"), "--pgdata", str(begun), "--username=postgres", "--auth=peer"]
    command += ["--encoding=UTF8", "--locale=C", "--no-instructions", *([] if durable else ["--no-sync"])]
    made = subprocess.run(  # noqa: S603
        command, capture_output=True, cwd="/", env=surroundings(), start_new_session=True, check=False, **user.popen
    )
    if made.returncode:
        shutil.rmtree(begun, ignore_errors=True)
        said = (made.stdout + made.stderr).decode(errors="replace")
        raise explained(f"PostgreSQL can't create its data folder {data}", said)
    begun.rename(data)


def _check_version(data: Path, programs: Path) -> None:
    said = subprocess.run([str(programs / "postgres"), "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    if said.returncode:
        raise explained("PostgreSQL doesn't run on this machine", said.stderr)
    ours = said.stdout.split()[-1].split(".")[0]
    theirs = (data / "PG_VERSION").read_text().strip()
    if ours != theirs:
        raise PostgresFailed(
            f"{data} was written by PostgreSQL {theirs}, and this Tenantry brings PostgreSQL {ours}.",
            "Start the Tenantry that wrote it and take a backup (tenantry backup create); move the folder away;"
            " start this one and restore (tenantry backup restore).",
        )


def socket_folder(data: Path, user: ServerUser) -> Path:
    """A folder of the server's account alone: beside the data, or in the temporary folder if that is too long."""
    beside = data.with_name(f"{data.name}.socket")
    if _fits(beside):
        return _private(beside, user)
    name = f"tenantry-{user.uid}-{hashlib.sha256(os.fsencode(data)).hexdigest()[:16]}"
    for parent in (tempfile.gettempdir(), "/tmp"):  # noqa: S108 the folder itself is checked to be ours
        if _fits(Path(parent, name)):
            return _private(Path(parent, name), user)
    raise PostgresFailed(
        f"A socket's path may have {LONGEST_SOCKET_PATH} bytes, and every folder that could hold it is longer.",
        "Set TMPDIR to a short path.",
    )


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder / SOCKET)) <= LONGEST_SOCKET_PATH


def _private(folder: Path, user: ServerUser) -> Path:
    with as_failure(f"{folder} can't be created"):
        try:
            folder.mkdir(mode=0o700)
            user.own(folder)
        except FileExistsError:
            pass
        found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != user.uid or stat.S_IMODE(found.st_mode) & 0o077:
        raise PostgresFailed(
            f"{folder} isn't a folder that only the account `{user.name}` can enter:"
            " somebody may have put it there to listen in.",
            "Look at it, delete it, and start again.",
        )
    for left in (SOCKET, f"{SOCKET}.lock"):
        (folder / left).unlink(missing_ok=True)
    return folder


def let_in_only_us(data: Path, user: ServerUser) -> None:
    """Peer authentication for the supervisor's own account, as any role: no password to keep, and none to steal."""
    us = pwd.getpwuid(os.geteuid()).pw_name
    texts = {
        "pg_hba.conf": "local all all peer map=supervisor\n",
        "pg_ident.conf": f'supervisor "{us}" all\n',
    }
    with as_failure(f"{data} can't be written"):
        for name, text in texts.items():
            (data / f"{name}.new").write_text(text)
            user.own(data / f"{name}.new")
            (data / f"{name}.new").replace(data / name)


def surroundings() -> dict[str, str]:
    """No PGDATA, PGOPTIONS, locale or library path of the user's shell reaches the server."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def dies_with_us(how: str = "INT") -> list[str]:
    """What to put before a command: on Linux a parent's death can be a child's signal; elsewhere the next start ends what was left."""
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    return [setpriv, "--pdeathsig", how] if setpriv else []
