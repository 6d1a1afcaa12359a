"""Makes a file name and a media type harmless before they are signed and become response headers.

Both come from users. A header ends at a line break, so control characters are response splitting; a name with
a slash or a right-to-left override saves somewhere else, or as something else, than it seems to.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

MAX_NAME_BYTES = 200
DEFAULT_NAME = "artifact"
DEFAULT_MEDIA_TYPE = "application/octet-stream"

_UNFIT = re.compile(r'[/\\:*?"<>|%;]')
# RFC 6838 section 4.2: the restricted names of types; parameters are dropped, a browser sniffs less without
# them.
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")


def safe_filename(name: str) -> str:
    """The last component of the name, of printable characters, at most 200 bytes of UTF-8, never empty.

    Control, format (bidirectional overrides), surrogate and private characters go; characters that mean
    something to a shell, a path or a header become `_`; dots and spaces at either end go.
    """
    tail = name[-1024:]  # before anything that costs time in proportion to the length
    last = unicodedata.normalize("NFC", tail).replace("\\", "/").rsplit("/", 1)[-1]
    printable = "".join(character for character in last if character == " " or _is_printable(character))
    plain = _UNFIT.sub("_", printable).strip(". ")
    while len(plain.encode()) > MAX_NAME_BYTES:
        # Shorten the stem, not the suffix: the suffix tells the reader what the file is.
        stem, dot, suffix = plain.rpartition(".")
        plain = f"{stem[:-1]}{dot}{suffix}" if stem and len(suffix) < 20 else plain[:-1]
    return plain or DEFAULT_NAME


def _is_printable(character: str) -> bool:
    return unicodedata.category(character)[0] not in "CZ"


def safe_media_type(media_type: str) -> str:
    """`type/subtype` in lower case without parameters; `application/octet-stream` for anything else."""
    essence = media_type.split(";", 1)[0].strip()
    return essence.lower() if _MEDIA_TYPE.fullmatch(essence) else DEFAULT_MEDIA_TYPE


def content_disposition(name: str) -> str:
    """`attachment` with the name for old clients (ASCII) and for all others (RFC 6266, RFC 8187)."""
    safe = safe_filename(name)
    plain = safe.encode("ascii", "replace").decode().replace("?", "_")
    extended = "" if plain == safe else f"; filename*=UTF-8''{quote(safe, safe='')}"
    return f'attachment; filename="{plain}"{extended}'
