"""Databases whose tables may be validated, by name: `GATEHOUSE_DATA_CONNECTIONS`.

Either `name=postgresql://…` entries separated by white space, or the path of a JSON file, readable by its owner only:
{"warehouse": "postgresql://…"} or {"warehouse": {"url": "postgresql://…", "groups": ["retail"]}}, where `groups` are
those whose datasets may name the connection; without them every dataset may. Only workers need the setting. Addresses
hold passwords: they are never logged, stored, or handed to the orchestrator. What a connection may read is up to the
grants of its role; give it one that may read what is to be validated and nothing else.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from storage.settings import Settings, SettingsError


def connection_url(settings: Settings, name: str, group: str) -> str | None:
    """The address that a dataset of this group may use under this name; None when there is none.

    Raises SettingsError when the setting cannot be read.
    """
    found = _connections(settings.data_connections).get(name)
    if isinstance(found, dict):
        return str(found["url"]) if "url" in found and group in found.get("groups", [group]) else None
    return str(found) if found is not None else None


def _connections(given: str) -> dict[str, Any]:
    text = given.strip()
    if not text:
        return {}
    if "=" not in text.partition("://")[0]:
        return _from_file(Path(text))
    entries: dict[str, Any] = {}
    for entry in text.split():
        name, _, url = entry.partition("=")
        if not name or not url.startswith(("postgresql://", "postgres://")):
            raise SettingsError("GATEHOUSE_DATA_CONNECTIONS holds entries like name=postgresql://host/database.")
        entries[name] = url
    return entries


def _from_file(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_mode & 0o077:
            raise SettingsError(
                "The file of GATEHOUSE_DATA_CONNECTIONS must be readable by its owner only (mode 0600)."
            )
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise SettingsError("The file of GATEHOUSE_DATA_CONNECTIONS cannot be read as JSON.") from error
    if not isinstance(found, dict):
        raise SettingsError("The file of GATEHOUSE_DATA_CONNECTIONS holds one JSON object.")
    return found
