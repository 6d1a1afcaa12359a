"""Who somebody is according to an identity provider: a verified statement, not yet a user of ours."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from governance.models import NAME

IdentityKind = Literal["person", "service"]

_LONGEST_NAME = 100  # characters; room for what makes it unique, below the limit of names
_UNUSABLE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class ExternalIdentity:
    """(issuer, subject) identifies for good; the name is a wish and may change, as may the groups.

    `groups` are the provider's own words for groups. A token that names none says that there are none.
    `issued_at` is when the provider said all this, so that an older token cannot undo a newer one.
    """

    issuer: str
    subject: str
    name: str
    kind: IdentityKind
    groups: tuple[str, ...]
    issued_at: datetime

    @property
    def wished_name(self) -> str:
        """The name in the letters that names have here; "person" or "service" when nothing of it is left."""
        plain = unicodedata.normalize("NFKD", self.name).encode("ascii", "ignore").decode()
        usable = _UNUSABLE.sub("-", plain)[:_LONGEST_NAME].strip("._-")
        return usable if NAME.fullmatch(usable) else self.kind

    @property
    def distinct_name(self) -> str:
        """The wished name with a mark of (issuer, subject), for when somebody else has that name already."""
        mark = hashlib.sha256(f"{self.issuer}\n{self.subject}".encode()).hexdigest()[:12]
        return f"{self.wished_name}-{mark}"


@dataclass(frozen=True, slots=True)
class KnownIdentity:
    """What is stored of an identity: its user, and the provider's last words for groups."""

    user_id: str
    claims: tuple[str, ...]
    issued_at: datetime
    last_seen_at: datetime
