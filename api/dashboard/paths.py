"""One spelling for every address: what is checked is, byte for byte, what is sent to Prefect.

A first version decoded the address for the check and passed the raw one on: `/%72esume` was a resume that nobody
intercepted. So an address may consist of plain characters only. Percent signs, empty and dot segments, backslashes,
semicolons and parameters that the table does not name are refused, not cleaned.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PREFIX = "/dashboard"

_PATH = re.compile(r"/dashboard(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)*/?", re.ASCII)
_QUERY = re.compile(r"[a-z_-]+=[A-Za-z0-9._~:%+=-]*(?:&[a-z_-]+=[A-Za-z0-9._~:%+=-]*)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Address:
    """path: as sent, beginning with `/dashboard`. query: as sent, without the question mark."""

    path: str
    query: str

    @property
    def api(self) -> str | None:
        """What stands behind `/dashboard/api/`; None when it is not an address of Prefect's API."""
        below = f"{PREFIX}/api/"
        return self.path.removeprefix(below) if self.path.startswith(below) else None

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names in the query, with repetitions."""
        return tuple(part.partition("=")[0] for part in self.query.split("&")) if self.query else ()


def canonical(raw_path: bytes, query: bytes) -> Address | None:
    """None for an address that is spelled in any other way than ours."""
    path, parameters = raw_path.decode("latin-1"), query.decode("latin-1")
    if not _PATH.fullmatch(path) or (parameters and not _QUERY.fullmatch(parameters)):
        return None
    return Address(path, parameters)


def shown(raw_path: bytes) -> str:
    """Any address, as it may stand in a log: short, and nothing in it but printable ASCII."""
    return "".join(chr(byte) if 0x21 <= byte <= 0x7E else "?" for byte in raw_path[:300]) or "?"
