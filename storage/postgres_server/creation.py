"""The first start: a new cluster, made aside and renamed into place.

initdb writes PG_VERSION long before it is done, so a cluster under its final name must be a finished one: a
crash at any moment leaves only an `initialising-*` directory, which the next start removes.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from pathlib import Path

from storage.postgres_server import files, record
from storage.postgres_server.account import Account
from storage.postgres_server.binaries import Binaries
from storage.postgres_server.placement import Place
from storage.postgres_server.ports import free_port
from storage.postgres_server.server import ROLE, PostgresUnavailable

_LEFTOVERS = "initialising-*"


def create(place: Place, found: Binaries, programs: Path, account: Account) -> None:
    """Make the cluster of `place`: scram passwords only, checksums, UTF-8 ordered by code point. Takes about
    1 s.
    """
    if not account.known:
        raise PostgresUnavailable(
            f"The account {account.name} that runs this process has no entry in the machine's account list, "
            "and PostgreSQL's initdb needs one. Add it to /etc/passwd, or point Gatehouse at a server by "
            "its URL."
        )
    # Its own name each time: an initdb orphaned by a killed starter may still be writing into the former one.
    building = Path(tempfile.mkdtemp(prefix=_LEFTOVERS.removesuffix("*"), dir=place.root))
    password = secrets.token_hex(24)
    try:
        _initdb(building, password, found, programs, account)
        files.write(place.password_file, password)
        record.new(found, free_port()).save(place.record_file)
        (building / "data").rename(place.data)
        files.sync_directory(place.root)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def remove_leftovers(place: Place) -> None:
    """Remove what killed first starts left. What cannot go yet (its orphaned initdb writes) goes at a later
    start.
    """
    for leftover in place.root.glob(_LEFTOVERS):
        shutil.rmtree(leftover, ignore_errors=True)


def _initdb(building: Path, password: str, found: Binaries, programs: Path, account: Account) -> None:
    password_file = building / "password"
    files.write(password_file, password)
    if account.drop:
        os.chown(password_file, account.uid, account.gid)
        os.chown(building, account.uid, account.gid)
    command: list[str | Path] = [programs / "initdb", "-D", building / "data", "-U", ROLE]
    command += ["--encoding=UTF8", "--auth=scram-sha-256", f"--pwfile={password_file}", "--data-checksums"]
    command += ["--locale=C.UTF-8", "--lc-messages=C", "--no-instructions"]
    if found.major >= 17:  # built in: no index breaks when the machine's C library changes its order of letters
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    done = account.run(command)
    if done.returncode != 0:
        raise PostgresUnavailable(
            f"PostgreSQL {found.version} ({found.source}) could not make a database in {building.parent}: "
            f"{done.stdout.strip()[-2000:]}"
        )
