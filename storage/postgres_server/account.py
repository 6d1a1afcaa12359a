"""The operating-system account that the server runs under.

PostgreSQL refuses to run as root. An ordinary user runs it as himself; root runs it as an unprivileged
account, which must be able to reach the data and the binaries: only that account itself can tell whether it
can, so it is asked.
"""

from __future__ import annotations

import errno
import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from storage.postgres_server.server import PostgresUnavailable

# Nothing of the caller's environment: PGDATA, PGPORT, PGOPTIONS or LC_* of a shell would change the cluster.
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class Account:
    """Who runs the server; `drop` says that the caller is root and its children must become this account."""

    uid: int
    gid: int
    drop: bool

    @property
    def name(self) -> str:
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return f"uid {self.uid}"

    @property
    def known(self) -> bool:
        """Whether the machine's account list has this uid; initdb cannot do without."""
        try:
            pwd.getpwuid(self.uid)
        except KeyError:
            return False
        return True

    def run(
        self,
        command: Sequence[str | Path],
        *,
        stderr: int = subprocess.STDOUT,
        new_session: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end as this account, in `/`, with a clean environment and no descriptor of
        ours.
        """
        try:
            return subprocess.run(
                [os.fspath(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                check=False,
                cwd="/",
                env=ENVIRONMENT,
                umask=0o077,
                start_new_session=new_session,
                user=self.uid if self.drop else None,
                group=self.gid if self.drop else None,
                extra_groups=[] if self.drop else None,
            )
        except OSError as error:
            refused_to_change_ids = self.drop and error.errno in (errno.EPERM, errno.EINVAL)
            if not refused_to_change_ids:
                raise
            raise PostgresUnavailable(
                f"PostgreSQL cannot run as root, and this process may not become {self.name}: "
                f"{error.strerror}. Run as an ordinary user, or give this root the right to change user ids "
                "(CAP_SETUID, CAP_SETGID)."
            ) from error

    def may_enter(self, directory: Path) -> bool:
        """Whether this account can reach and enter a directory; the kernel judges (modes, lists, mounts)."""
        if not self.drop:
            return os.access(directory, os.X_OK)
        return self.run(["/bin/sh", "-c", 'cd "$0"', directory]).returncode == 0

    def obstacle(self, directory: Path) -> Path | None:
        """The first directory on the way to `directory`, itself included, that this account cannot enter."""
        if self.may_enter(directory):
            return None
        way = [*reversed(directory.parents), directory]
        return next((step for step in way if not self.may_enter(step)), directory)


def account_for(name: str, data: Path) -> Account:
    """Who runs a cluster: the caller unless root; then the owner of existing data; else account `name`."""
    owner = data.stat() if data.exists() else None
    if os.geteuid() != 0:
        if owner is not None and owner.st_uid != os.geteuid():
            belongs = Account(owner.st_uid, owner.st_gid, drop=False).name
            raise PostgresUnavailable(
                f"The database in {data} belongs to the account {belongs}, not to you. Use it as root (who "
                "made it) or as that account, or choose another state directory."
            )
        return Account(os.geteuid(), os.getegid(), drop=False)
    if owner is not None:
        return _unprivileged(owner.st_uid, owner.st_gid, f"The database in {data}")
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise PostgresUnavailable(
            f"PostgreSQL cannot run as root, and there is no account {name!r} on this machine to run it "
            f"under. Create one (useradd --system {name}) or configure one that exists."
        ) from None
    return _unprivileged(entry.pw_uid, entry.pw_gid, f"The configured account {name!r}")


def _unprivileged(uid: int, gid: int, what: str) -> Account:
    if uid == 0:
        raise PostgresUnavailable(
            f"{what} is root's, and PostgreSQL refuses to run as root. Use an unprivileged account."
        )
    return Account(uid, gid, drop=True)
