"""Tokens of the command line: `<home>/credentials.json`, readable by its owner only, one entry an API."""

from __future__ import annotations

import json
import stat
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from storage.platform_processes.errors import PlatformError
from storage.platform_processes.home import write_private


@dataclass(frozen=True)
class Credential:
    token: str
    token_id: str
    expires_at: str

    def __repr__(self) -> str:
        return f"Credential({self.token_id})"


def credentials_file(home: Path) -> Path:
    return home / "credentials.json"


def read(home: Path, api_url: str) -> Credential | None:
    """Raises PlatformError for a file that is open to others or no longer readable."""
    entry = _entries(home).get(api_url)
    try:
        return Credential(**entry) if entry else None
    except TypeError:
        raise PlatformError(f"{credentials_file(home)} is damaged; remove it and sign in again.") from None


def keep(home: Path, api_url: str, credential: Credential | None) -> None:
    """Replace the entry of this API; None removes it."""
    entries = _entries(home)
    entries.pop(api_url, None)
    if credential is not None:
        entries[api_url] = asdict(credential)
    if not home.exists():
        home.mkdir(parents=True, mode=0o700)
    write_private(credentials_file(home), json.dumps(entries, indent=2) + "\n")


def _entries(home: Path) -> dict[str, Any]:
    path = credentials_file(home)
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise PlatformError(f"{path} is open to others (mode {mode:04o}); it needs 0600.")
        entries = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except ValueError:
        entries = None
    if not isinstance(entries, dict):
        raise PlatformError(f"{path} is damaged; remove it and sign in again.")
    return entries
