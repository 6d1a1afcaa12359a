"""Where the cluster of a state directory ("home") lies.

Inside home, in `postgres/`. Only when root starts it and the server's account cannot enter home (root's own
home is 0700) the cluster lies in REACHABLE/<digest of home's path>, and `postgres.location` in home says so.
Nobody's parent directories are ever opened up for it.

The directory around the data belongs to the caller, so the server's account can neither swap the password
file for a link nor make root write through one; only `data` is the account's own (0700).
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

from storage.postgres_server import files
from storage.postgres_server.account import Account
from storage.postgres_server.server import PostgresUnavailable

REACHABLE = Path("/var/lib/gatehouse")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """The files of one cluster."""

    root: Path

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def password_file(self) -> Path:
        return self.root / "password"

    @property
    def record_file(self) -> Path:
        return self.root / "server.json"

    @property
    def log(self) -> Path:
        return self.root / "postgres.log"

    @property
    def made(self) -> bool:
        """`data` appears only by the rename that ends a first start: if it is there, it is finished."""
        return self.data.is_dir()


def pointer(home: Path) -> Path:
    return home / "postgres.location"


def lock_file(home: Path) -> Path:
    return home / "postgres.lock"


def find(home: Path) -> Place | None:
    """The place of the existing cluster of `home`; None before its first start."""
    if pointer(home).exists():
        return Place(Path(pointer(home).read_text().strip()))
    inside = Place(home / "postgres")
    return inside if inside.made else None


def demand_made(home: Path, place: Place) -> None:
    """Refuse to begin anew where a cluster was: a lost or unmounted directory is no empty registry."""
    if not place.made:
        raise PostgresUnavailable(
            f"The database of {home} was in {place.root}, and it is gone. Bring that directory back; or, to "
            f"begin with an empty database, remove {pointer(home)}."
        )


def prepare_home(home: Path) -> None:
    """Make the state directory if it is missing."""
    if not home.is_dir():
        files.make_directory(home)


def choose(home: Path, account: Account) -> Place:
    """Where a first start puts the cluster of `home`."""
    if not account.drop or account.may_enter(home):
        return Place(home / "postgres")
    return Place(REACHABLE / hashlib.sha256(str(home).encode()).hexdigest()[:16])


def make(place: Place, account: Account) -> None:
    """Make the directory around a new cluster."""
    if place.root.parent == REACHABLE:
        REACHABLE.mkdir(parents=True, exist_ok=True)
    if not place.root.is_dir():
        files.make_directory(place.root)
    demand_reachable(place.root, account)


def demand_reachable(directory: Path, account: Account) -> None:
    obstacle = account.obstacle(directory)
    if obstacle is not None:
        raise PostgresUnavailable(
            f"The account {account.name}, which runs PostgreSQL because root must not, cannot enter "
            f"{obstacle}. Choose a state directory that it can reach (--home /srv/gatehouse), or allow it to "
            f"pass: chmod o+x {obstacle}"
        )


def point_at(home: Path, place: Place) -> None:
    """Record, after a finished first start, where the cluster is; needed only outside home."""
    if place.root.parent != home:
        files.write(pointer(home), f"{place.root}\n")


def set_aside(place: Place, home: Path) -> None:
    """Keep under another name what an earlier home at the same path left behind: it is not this home's."""
    number = 1
    while (aside := place.root.with_name(f"{place.root.name}.{number}")).exists():
        number += 1
    _log.warning("%s is new, but a database of an earlier one was found; kept as %s", home, aside)
    place.root.rename(aside)
