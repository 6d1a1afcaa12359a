"""What `up` decided and remembers in `<home>/runtime.json`, from which every process of the platform learns
it.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Literal

from storage.settings import runtime_file, write_runtime


@dataclass(frozen=True, slots=True)
class Runtime:
    """The first seven are settings for all processes (`storage.settings`), the rest is for the next `up`.

    postgres: whether the server is the embedded one or somebody else's. Passwords are in the URLs.
    prefect_auth: the secret of the Prefect server; empty in a file of an older version, and made by the next `up`.
    """

    database_url: str = field(repr=False)
    prefect_api_url: str
    api_url: str
    dashboard_url: str
    work_pool: str
    worker: str
    postgres: Literal["embedded", "foreign"]
    prefect_database_url: str = field(repr=False)
    api_port: int
    prefect_port: int
    prefect_auth: str = field(default="", repr=False)

    @classmethod
    def load(cls, home: Path) -> Runtime | None:
        """None before the first `up`, and for a file that says too little, which the next `up` replaces."""
        try:
            values = json.loads(runtime_file(home).read_text())
            known = {each.name for each in fields(cls) if each.name in values or each.default is MISSING}
            return cls(**{name: values[name] for name in known})
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, home: Path) -> None:
        write_runtime(home, asdict(self))
