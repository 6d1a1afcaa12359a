"""Binaries that the server's account cannot reach (a virtual environment under root's home) are copied to it.

PostgreSQL finds its libraries and share files relative to its own program, so a copied tree works as it is.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from storage.postgres_server.account import Account
from storage.postgres_server.binaries import PROGRAMS, Binaries
from storage.postgres_server.server import PostgresUnavailable

_SKIPPED = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig", "__pycache__", "doc", "man")


def reachable(found: Binaries, account: Account, root: Path) -> Path:
    """The directory of programs that `account` can run: the one found, or a copy under `root`/binaries."""
    if not account.drop or _runs(found.directory, account):
        return found.directory
    copy = root / "binaries" / _fingerprint(found)
    if not copy.is_dir():
        _copy_tree(found.directory, copy)
    _forget_others(copy)
    return copy / _inside(found.directory)


def _runs(directory: Path, account: Account) -> bool:
    try:
        return all(account.run([directory / program, "--version"]).returncode == 0 for program in PROGRAMS)
    except OSError:  # not reachable: the kernel says so at exec
        return False


def _fingerprint(found: Binaries) -> str:
    """Changes when the package is replaced, so that a copy never outlives its original."""
    program = (found.directory / "postgres").stat()
    words = f"{found.directory}\n{program.st_size}\n{program.st_mtime_ns}"
    return f"{found.version}-{hashlib.sha256(words.encode()).hexdigest()[:12]}"


def _package_libraries(directory: Path) -> Path:
    """Where wheels keep bundled libraries: beside the package, which holds <prefix>/bin (auditwheel's
    convention).
    """
    package = directory.parent.parent
    return package.parent / f"{package.name}.libs"


def _inside(directory: Path) -> Path:
    """Path of the programs inside a copy: the last three names, as the bundled libraries are found from
    there.
    """
    return Path(*directory.parts[1:][-3:])


def _copy_tree(directory: Path, copy: Path) -> None:
    """Copy programs, libraries and share files under a temporary name and rename: a crash leaves no half
    copy.
    """
    if not any((directory.parent / "share").glob("**/extension")):
        raise PostgresUnavailable(
            f"The PostgreSQL binaries in {directory} are out of reach for the account that must run them, "
            "and they cannot be copied because their share files lie elsewhere. Install PostgreSQL where "
            "everybody can read."
        )
    copy.parent.mkdir(exist_ok=True)
    copy.parent.chmod(0o755)
    for leftover in copy.parent.glob("copying-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    building = Path(tempfile.mkdtemp(prefix="copying-", dir=copy.parent))
    programs = building / _inside(directory)
    programs.mkdir(parents=True)
    for program in PROGRAMS:
        shutil.copy2(directory / program, programs / program)
    for part in ("lib", "share"):
        original = directory.parent / part
        if original.is_dir():
            shutil.copytree(original, programs.parent / part, ignore=_SKIPPED, symlinks=True)
    libraries = _package_libraries(directory)
    if libraries.is_dir():
        shutil.copytree(libraries, building / libraries.name)
    _open_for_reading(building)
    building.rename(copy)


def _open_for_reading(tree: Path) -> None:
    """Every account may read and enter the copy, whatever umask the package was installed under; ours to
    change.
    """
    for directory, _, files in os.walk(tree):
        os.chmod(directory, 0o755)  # noqa: S103 (binaries, nothing secret)
        for name in files:
            path = Path(directory, name)
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)


def _forget_others(copy: Path) -> None:
    for other in copy.parent.iterdir():
        if other != copy:
            shutil.rmtree(other, ignore_errors=True)
