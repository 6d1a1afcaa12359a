"""The state directory ("home") of a platform: whose it is, what lies where, and who may change it now."""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storage.platform_processes.errors import PlatformError
from storage.platform_processes.steps import Steps, step

LOCK_SECONDS = 300.0


def logs(home: Path) -> Path:
    return home / "logs"


def log_file(home: Path, name: str) -> Path:
    return logs(home) / f"{name}.log"


def records(home: Path) -> Path:
    return home / "processes"


def prefect_directory(home: Path) -> Path:
    return home / "prefect"


def admin_token_file(home: Path) -> Path:
    return home / "admin-token"


def admin_password_file(home: Path) -> Path:
    return home / "admin-password"


def registration_file(home: Path) -> Path:
    return home / "registered.json"


def read_admin_token(home: Path) -> str:
    """Raises PlatformError when it is not there."""
    try:
        return admin_token_file(home).read_text().strip()
    except OSError as error:
        raise PlatformError(
            f"Cannot read {admin_token_file(home)} ({error.strerror}); gatehouse up makes it."
        ) from error


def prepare(home: Path) -> None:
    """Make home and its directories. A new home is 0700; of an older one others lose the right to look in, no
    more.
    """
    try:
        if home.exists():
            _close(home)
        else:
            home.mkdir(parents=True)
            home.chmod(0o700)
        for directory in (records(home), logs(home), prefect_directory(home)):
            directory.mkdir(exist_ok=True)
            directory.chmod(0o700)
    except OSError as error:
        raise PlatformError(
            f"Cannot use the state directory {home}: {error.strerror or error}. Choose one that this "
            "account may write (--home DIR)."
        ) from error


def _close(home: Path) -> None:
    """Passing through (x) stays: the account that runs PostgreSQL for root may depend on it."""
    mode = stat.S_IMODE(home.stat().st_mode)
    if mode & 0o066:
        home.chmod(mode & ~0o066)


@contextmanager
def exclusive(home: Path, steps: Steps) -> Iterator[None]:
    """One command at a time starts or stops things in home. The lock falls with its holder, however that one
    dies. Raises PlatformError after LOCK_SECONDS.
    """
    path = home / "platform.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _acquired(descriptor):
            with step(steps, "Waiting for another gatehouse command"):
                _acquire(descriptor, path)
        yield
    finally:
        os.close(descriptor)


def _acquired(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _acquire(descriptor: int, path: Path) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    while not _acquired(descriptor):
        if time.monotonic() > deadline:
            raise PlatformError(
                "Another gatehouse command has been starting or stopping this platform for too long; it "
                f"holds {path}. End that command and try again."
            )
        time.sleep(0.05)


def write_private(path: Path, text: str) -> None:
    """Replace `path` atomically; readable by its owner only."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
